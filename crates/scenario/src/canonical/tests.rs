use proptest::prelude::*;

use super::*;
use crate::{Folder, Overrides, Source, TextPart, load};

fn loaded(yaml: &str) -> crate::Loaded {
    let source = Source { name: "test.yaml".to_owned(), bytes: yaml.as_bytes().to_vec() };
    let loaded =
        load(source, &Overrides::none(), &Environment::empty(), &mut Folder::new("tests/files", false));
    assert!(loaded.workload.is_some(), "{}", loaded.diagnostics.render(false));
    loaded
}

fn workload(yaml: &str) -> Workload {
    loaded(yaml).workload.unwrap()
}

const EVERYTHING: &str = r#"
name: "every $${key} \u00fc"
target:
  url: "https://Example.com/api/"
  tls: { ca: certificate.pem, cert: certificate.pem, key: key.pem, verify: false, server_name: other.example }
  headers: { accept: "*/*", authorization: "Bearer $${x} $$${secret.TOKEN}" }
  resolve: { example.com: "::1" }
  timeouts: { dns: 1s, connect: 2s, tls: 3s, request: 4s }
tags: { team: "shop, $${b}", build: 1.10 }
pacing: precise
threads: 3
seed: 18446744073709551615
out: result.json
options: { on_worker_loss: continue, max_lost: 33.5%, rejoin: never, allow_degraded: true }
telemetry:
  traces: { sampling: tail, slow: p99.99, shape: linked, max_spans_per_second: 250, propagate: always }
  log_executions: failed
  max_lines_per_error: 3
  max_loss: 0.5%
verdict: { suspect: { dispatch_lag_p99: 2ms, thread_busy: 99.9999% }, invalid: { throttled: 0.0001% } }
scenarios:
  z-open:
    executor: constant-arrival-rate
    rate: 7/300ms
    warm_up: 1s500ms
    duration: 5m
    arrivals: poisson
    max_vus: 10
    overload: drop
    graceful_stop: 0s
    tags: { kind: open }
    steps:
      - get: "/a b?x=1&y=%20"
        query: { q: ["1", two, "${secret.Q}"], z: 3 }
        headers: { ACCEPT: text/plain, x-new: "y" }
        checks:
          status: [2xx, 304, 400-404]
          header: { ETag: { present: true }, content-type: text/html, server: { contains: x, required: true } }
          body: { equals: "$${done}", required: true }
          response_time: "< 1.5s"
      - think: 0s..1us
      - request: { method: purge, url: "http://[::1]:81?x" }
        body: "line\nline ${secret.BODY}"
        timeout: 50ms
      - post: /orders
        json: { b: 1, a: [null, true, 1.5, 1e300, -7, 340282366920938463463, "x ${secret.J} \"quoted\""], "": {} }
  a-ramp:
    executor: ramping-arrival-rate
    start_rate: 1/m
    stages: [{ duration: 1s, target: 5/s, measure: false }, { duration: 2s, target: 0/s }]
    queue_timeout: 5s
    target: { url: "http://other:8080", headers: { ACCEPT: application/json } }
    steps: [{ get: / }]
  users: { executor: constant-vus, vus: 1000000, warm_up: 1s, duration: 1s, steps: [{ head: / }] }
  ramp-users:
    executor: ramping-vus
    start_vus: 0
    stages: [{ duration: 1d, target: 5 }]
    steps: [{ delete: /x, name: "remove, {all}" }]
  shared: { executor: shared-iterations, vus: 2, iterations: 9, max_duration: 1h, task: echo }
thresholds:
  "response_time{scenario:z-open,outcome:ok}": ["p(99.9) < 200ms", "max <= 1s"]
  failed: "rate < 0.1%"
  checks: "rate > 99%"
"#;

#[test]
fn a_workload_reads_back_as_itself() {
    let loaded = loaded(EVERYTHING);
    let workload = loaded.workload.unwrap();
    let json = workload.to_canonical_json();
    let back = Workload::from_canonical_json(&json, &loaded.files).unwrap();
    assert_eq!(back, workload);
    assert_eq!(back.to_canonical_json(), json);
}

#[test]
fn the_canonical_document_is_pinned() {
    // What other versions and the digests of old results stand on: a change here is a change of the language.
    let json = workload(EVERYTHING).to_canonical_json();
    insta::assert_snapshot!(json.replace(",\"", ",\n\""));
}

#[test]
fn the_canonical_document_obeys_the_schema() {
    let json = serde_json::from_str(&workload(EVERYTHING).to_canonical_json()).unwrap();
    let schema = jsonschema::draft7::new(&crate::schema()).unwrap();
    let errors: Vec<String> =
        schema.iter_errors(&json).map(|error| format!("{error} {}", error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn a_document_without_its_files_is_refused() {
    let json = workload(EVERYTHING).to_canonical_json();
    let error = Workload::from_canonical_json(&json, &Files::default()).unwrap_err();
    let message = "the resolved document is not valid: the file `certificate.pem` cannot be read: it did not come with \
                   the document";
    assert_eq!(error.to_string(), message);
}

fn digests(yaml: &str) -> ([u8; 32], [u8; 32]) {
    let loaded = loaded(yaml);
    let workload = loaded.workload.unwrap();
    (workload.scenario_digest(&loaded.files), workload.config_digest(&loaded.files))
}

#[test]
fn the_scenario_digest_tells_tests_apart_and_nothing_else() {
    let (scenario, config) = digests(EVERYTHING);
    let same_test = |from: &str, to: &str| {
        assert!(EVERYTHING.contains(from), "{from}");
        let (other_scenario, other_config) = digests(&EVERYTHING.replace(from, to));
        assert_eq!(other_scenario, scenario, "{from} -> {to}");
        assert_ne!(other_config, config, "{from} -> {to}");
    };
    same_test("https://Example.com/api/", "https://staging.example.com");
    same_test("http://other:8080", "http://third:8080");
    same_test("team: \"shop, $${b}\"", "team: other");
    same_test("kind: open", "kind: closed");
    same_test("secret.TOKEN", "secret.OTHER");
    same_test("out: result.json", "out: other.json");
    same_test("name: \"every", "name: \"each");
    same_test("on_worker_loss: continue", "on_worker_loss: fail");
    same_test("max_lost: 33.5%", "max_lost: 50%");
    same_test("rejoin: never", "rejoin: next_revision");
    same_test("allow_degraded: true", "allow_degraded: false");
    same_test("sampling: tail, slow: p99.99", "sampling: 1%");
    same_test("slow: p99.99", "slow: 500ms");
    same_test("shape: linked", "shape: tree");
    same_test("max_spans_per_second: 250", "max_spans_per_second: 251");
    same_test("propagate: always", "propagate: never");
    same_test("log_executions: failed", "log_executions: off");
    same_test("max_lines_per_error: 3", "max_lines_per_error: 4");
    same_test("max_loss: 0.5%", "max_loss: 100%");
    let other_test = |from: &str, to: &str| {
        assert!(EVERYTHING.contains(from), "{from}");
        let (other_scenario, other_config) = digests(&EVERYTHING.replace(from, to));
        assert_ne!(other_scenario, scenario, "{from} -> {to}");
        assert_ne!(other_config, config, "{from} -> {to}");
    };
    other_test("rate: 7/300ms", "rate: 8/300ms");
    other_test("seed: 18446744073709551615", "seed: 1");
    other_test("x-new: \"y\"", "x-new: z");
    other_test("rate < 0.1%", "rate < 0.2%");
    other_test("verify: false", "verify: true");
}

#[test]
fn digests_depend_on_what_files_hold() {
    let loaded = loaded(EVERYTHING);
    let workload = loaded.workload.unwrap();
    let mut files = loaded.files.clone();
    files.insert("key.pem", *b"another key");
    assert_ne!(workload.scenario_digest(&files), workload.scenario_digest(&loaded.files));
    assert_ne!(workload.config_digest(&files), workload.config_digest(&loaded.files));
}

#[test]
fn spelling_does_not_change_the_digest() {
    let yaml = "target: { url: demo:// }\nscenarios:\n  a: { executor: constant-vus, vus: 1, duration: 60s, steps: [{ get: / }] }\n";
    let json = "{\"scenarios\": {\"a\": {\"steps\": [{\"get\": \"/\", \"name\": \"GET /\"}], \"duration\": \"1m\", \
                \"vus\": \"1\", \"executor\": \"constant-vus\"}}, \"target\": {\"url\": \"demo://\"}}";
    assert_eq!(digests(yaml), digests(json));
}

/// Texts that could be mistaken: for references, for numbers, for YAML.
fn text() -> impl Strategy<Value = crate::Text> {
    let literal = prop_oneof![
        "[ -~]{1,12}",
        "[$]{1,4}[{]?[a-z.]{0,3}[}]?",
        Just("true".to_owned()),
        Just("1e3".to_owned()),
        Just("~".to_owned()),
        Just(" # \u{1F600}\u{85}\u{2028}\\".to_owned()),
    ];
    let part =
        prop_oneof![literal.prop_map(TextPart::Literal), "[A-Z_][A-Z0-9_]{0,3}".prop_map(TextPart::Secret),];
    prop::collection::vec(part, 0..4).prop_map(|parts| {
        let mut builder = crate::text::TextBuilder::default();
        for part in parts {
            match part {
                TextPart::Literal(text) => builder.literal(&text),
                TextPart::Secret(name) => builder.secret(&name),
            }
        }
        builder.finish()
    })
}

fn json() -> impl Strategy<Value = crate::Json> {
    use crate::Json;
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i128>().prop_map(Json::Int),
        any::<f64>().prop_filter("JSON has finite numbers", |value| value.is_finite()).prop_map(Json::Float),
        text().prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let object = prop::collection::btree_map("[ -~]{0,6}", inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Json::Array),
            object.prop_map(|entries| Json::Object(entries.into_iter().rev().collect())),
        ]
    })
}

/// Every form of `telemetry` that a file can have.
fn telemetry() -> impl Strategy<Value = crate::Telemetry> {
    use metrics::{ExecutionLog, Propagation, Sampling, SlowBound, TraceOptions, TraceShape};
    use units::{Nanos, Ratio};

    let part = |least: u32| (least..=1_000_000).prop_map(|parts| Ratio::new(f64::from(parts) / 1e6));
    let slow = prop_oneof![
        (1..1_000_000u32).prop_map(|parts| SlowBound::Quantile(Ratio::new(f64::from(parts) / 1e6))),
        (1..2_592_000_000_000_000u64).prop_map(|nanos| SlowBound::Time(Nanos::new(nanos))),
    ];
    let sampling =
        prop_oneof![Just(Sampling::Off), part(0).prop_map(Sampling::Ratio), slow.prop_map(Sampling::Tail),];
    let shape = prop::sample::select(vec![TraceShape::Tree, TraceShape::Linked]);
    let propagation =
        prop::sample::select(vec![Propagation::Sampled, Propagation::Always, Propagation::Never]);
    let log = prop::sample::select(vec![
        (false, false, false),
        (true, false, false),
        (false, true, false),
        (true, true, false),
        (true, true, true),
    ]);
    let traces = (sampling, shape, 1..=100_000_000u32, propagation);
    (traces, log, 1..=100_000u32, part(0)).prop_map(|(traces, log, lines_per_error, max_loss)| {
        let (sampling, shape, spans_per_second, propagation) = traces;
        let (sampled, failed, all) = log;
        crate::Telemetry {
            traces: TraceOptions { sampling, shape, spans_per_second, propagation },
            log: ExecutionLog { sampled, failed, all, lines_per_error },
            max_loss,
        }
    })
}

proptest! {
    #[test]
    fn any_telemetry_reads_back_and_obeys_the_schema(telemetry in telemetry()) {
        let mut workload = workload(EVERYTHING);
        workload.options.telemetry = telemetry;
        let json = workload.to_canonical_json();
        let back = Workload::from_canonical_json(&json, &loaded(EVERYTHING).files);
        let back = back.map_err(|error| TestCaseError::fail(error.diagnostics.render(false)))?;
        prop_assert_eq!(back.options.telemetry, telemetry);
        let document: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert!(jsonschema::draft7::is_valid(&crate::schema(), &document), "{}", json);
    }

    #[test]
    fn any_body_and_any_text_read_back(body in json(), text in text(), seed: u64, rate in 1u64..1_000_000) {
        let mut workload = workload(EVERYTHING);
        // Thresholds select steps by number, and there will be more of them.
        workload.thresholds.clear();
        workload.options.seed = seed;
        let crate::Load::ConstantArrivalRate { rate: of_load, .. } = &mut workload.scenarios[0].load else {
            unreachable!("the first scenario is open")
        };
        *of_load = units::Rate::new(rate, units::Nanos::from_secs(7));
        let crate::Body::Steps(steps) = &mut workload.scenarios[0].body else {
            unreachable!("it has steps")
        };
        let mut request = steps[0].request().unwrap().clone();
        request.name = "another".to_owned();
        request.query.push(("last".to_owned(), text.clone()));
        request.payload = crate::Payload::Json(body);
        steps.push(crate::Step::Request(request.clone()));
        request.name = "a third".to_owned();
        request.payload = crate::Payload::Text(text);
        steps.push(crate::Step::Request(request));
        let json = workload.to_canonical_json();
        let files = loaded(EVERYTHING).files;
        let back = Workload::from_canonical_json(&json, &files);
        let back = back.map_err(|error| TestCaseError::fail(error.diagnostics.render(false)))?;
        prop_assert_eq!(&back, &workload);
        prop_assert_eq!(back.to_canonical_json(), json);
    }
}
