//! The reader and the JSON Schema say the same: what one takes the other takes, and what one refuses the other does.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::{Path, PathBuf};

use loadgen_scenario::{Environment, Folder, Overrides, Source, compile, load, schema};

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

/// What the reader says of a text.
fn read(yaml: &str) -> Result<(), String> {
    let source = Source { name: "test.yaml".to_owned(), bytes: yaml.into() };
    let files = &mut Folder::new(scenarios(), false);
    let loaded = load(source, &Overrides::none(), &Environment::empty(), files);
    if loaded.diagnostics.is_empty() { Ok(()) } else { Err(loaded.diagnostics.render(false)) }
}

/// What the schema says of a text.
fn validate(yaml: &str) -> Result<(), String> {
    let value: serde_json::Value = serde_saphyr::from_str_with_options(yaml, yaml_1_2()).unwrap();
    let validator = jsonschema::draft7::new(&schema()).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

/// As files are read, and as editors read them: `off` is a word.
fn yaml_1_2() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: true }
}

#[test]
fn every_file_in_scenarios_is_valid_and_listed() {
    let readme = std::fs::read_to_string(scenarios().join("README.md")).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(scenarios()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# yaml-language-server: $schema=schema/scenario.schema.json\n# "),
            "{name}"
        );
        assert!(readme.contains(&format!("[{name}]({name})")), "{name} is not in the README");
        assert_eq!(read(&text), Ok(()), "{name}");
        assert_eq!(validate(&text), Ok(()), "{name}");
        compiles(&text);
        seen += 1;
    }
    assert!(seen >= 8);
}

/// With an address for the built-in target it compiles.
fn compiles(yaml: &str) {
    let source = Source { name: "test.yaml".to_owned(), bytes: yaml.into() };
    let loaded =
        load(source, &Overrides::none(), &Environment::empty(), &mut Folder::new(scenarios(), false));
    let mut workload = loaded.workload.unwrap();
    workload.replace_demo_target(&"http://127.0.0.1:1".parse().unwrap());
    compile(&workload, &loaded.files).unwrap();
}

#[test]
fn both_refuse_the_same_mistakes() {
    let scenario = |keys: &str| format!("target: {{ url: http://x }}\nscenarios: {{ a: {{ {keys} }} }}\n");
    let open = |keys: &str| {
        scenario(&format!(
            "executor: constant-arrival-rate, rate: 1/s, duration: 1s, steps: [{{ get: / }}]{keys}"
        ))
    };
    let step =
        |step: &str| scenario(&format!("executor: constant-vus, vus: 1, duration: 1s, steps: [{step}]"));
    let right = open("");
    assert_eq!((read(&right), validate(&right)), (Ok(()), Ok(())));
    let wrong = [
        "name: x\n".to_owned(),
        "target: { url: http://x }\n".to_owned(),
        "target: { url: http://x }\nscenarios: {}\n".to_owned(),
        "target: { url: http://x }\nscenarios: [1]\n".to_owned(),
        format!("{right}colour: red\n"),
        format!("{right}name: 5\n"),
        format!("{right}seed: -1\n"),
        format!("{right}seed: 1.5\n"),
        format!("{right}threads: 0\n"),
        format!("{right}pacing: exact\n"),
        format!("{right}options: redistribute\n"),
        format!("{right}options: {{ on_worker_loss: ignore }}\n"),
        format!("{right}options: {{ max_lost: 0.5 }}\n"),
        format!("{right}options: {{ rejoin: always }}\n"),
        format!("{right}options: {{ allow_degraded: maybe }}\n"),
        format!("{right}options: {{ pacing: precise }}\n"),
        format!("{right}telemetry: on\n"),
        format!("{right}telemetry: {{ endpoint: x }}\n"),
        format!("{right}telemetry: {{ traces: {{ sampling: 5 }} }}\n"),
        format!("{right}telemetry: {{ traces: {{ sampling: often }} }}\n"),
        format!("{right}telemetry: {{ traces: {{ slow: p99 }} }}\n"),
        format!("{right}telemetry: {{ traces: {{ sampling: 5%, slow: p99 }} }}\n"),
        format!("{right}telemetry: {{ traces: {{ sampling: tail, slow: 500 }} }}\n"),
        format!("{right}telemetry: {{ traces: {{ shape: link }} }}\n"),
        format!("{right}telemetry: {{ traces: {{ max_spans_per_second: 0 }} }}\n"),
        format!("{right}telemetry: {{ traces: {{ propagate: maybe }} }}\n"),
        format!("{right}telemetry: {{ log_executions: some }}\n"),
        format!("{right}telemetry: {{ log_executions: \"off,failed\" }}\n"),
        format!("{right}telemetry: {{ max_lines_per_error: 0 }}\n"),
        format!("{right}telemetry: {{ max_loss: 0.01 }}\n"),
        format!("{right}tags: [a]\n"),
        format!("{right}tags: ~\n"),
        format!("{right}thresholds: {{ failed: [] }}\n"),
        format!("{right}thresholds: {{ failed: 5 }}\n"),
        format!("{right}verdict: {{ invalid: {{ throttled: 5 }} }}\n"),
        format!("{right}verdict: {{ invalid: {{ throtled: 5% }} }}\n"),
        right.replace("url: http://x", "uri: http://x"),
        right.replace("url: http://x", "url: http://x, tls: { verify: maybe }"),
        right.replace("url: http://x", "url: http://x, timeouts: { connect: 5 }"),
        right.replace("rate: 1/s", "rate: 200"),
        right.replace("rate: 1/s", "rate: -1/s"),
        right.replace("rate: 1/s", "rates: 1/s"),
        right.replace("duration: 1s", "duration: 30"),
        right.replace("duration: 1s", "duration: soon"),
        right.replace("constant-arrival-rate", "constant-arival-rate"),
        right.replace("executor: constant-arrival-rate, ", ""),
        right.replace("steps: [{ get: / }]", "steps: []"),
        right.replace(", steps: [{ get: / }]", ""),
        right.replace("a: {", "\"a b\": {"),
        open(", task: t"),
        open(", vus: 5"),
        open(", max_vus: 0"),
        open(", max_vus: many"),
        open(", overload: wait"),
        open(", arrivals: random"),
        open(", stages: [{ duration: 1s, target: 1/s }]"),
        scenario("executor: ramping-vus, stages: [{ duration: 1s, target: 5/s }], task: t"),
        scenario("executor: ramping-arrival-rate, stages: [{ duration: 1s, target: 5 }], task: t"),
        scenario("executor: ramping-arrival-rate, stages: [{ duration: 1s }], task: t"),
        scenario("executor: ramping-arrival-rate, stages: [], task: t"),
        scenario("executor: ramping-vus, warm_up: 1s, stages: [{ duration: 1s, target: 5 }], task: t"),
        scenario("executor: shared-iterations, vus: 1, task: t"),
        step("{ name: x }"),
        step("{ get: /, post: / }"),
        step("{ think: 5 }"),
        step("{ think: 1s, name: x }"),
        step("{ get: /, body: x, json: 1 }"),
        step("{ get: /, header: { a: b } }"),
        step("{ get: /, headers: { a: [b] } }"),
        step("{ get: /, timeout: 5 }"),
        step("{ request: { method: \"G T\", url: / } }"),
        step("{ request: { method: PURGE } }"),
        step("{ get: /, checks: { status: ok } }"),
        step("{ get: /, checks: { status: 20 } }"),
        step("{ get: /, checks: { status: [] } }"),
        step("{ get: /, checks: { status: { required: true } } }"),
        step("{ get: /, checks: { body: x } }"),
        step("{ get: /, checks: { body: { contains: a, equals: b } } }"),
        step("{ get: /, checks: { header: { a: {} } } }"),
        step("{ get: /, checks: { response_time: \"< 5\" } }"),
        step("{ get: /, checks: { response_time: { under: 5s } } }"),
        step("get /"),
    ];
    let mut taken = Vec::new();
    for yaml in wrong {
        assert_ne!(yaml, right);
        if read(&yaml).is_ok() {
            taken.push(format!("the reader takes\n{yaml}"));
        }
        if validate(&yaml).is_ok() {
            taken.push(format!("the schema takes\n{yaml}"));
        }
    }
    assert!(taken.is_empty(), "{}", taken.join("\n"));
}

#[test]
fn both_take_the_same_forms() {
    let file = |scenario: &str| {
        format!("target: {{ url: \"${{env.T:-http://x}}\" }}\nscenarios: {{ a: {{ {scenario} }} }}\n")
    };
    let step = |step: &str| {
        file(&format!("executor: constant-vus, vus: 1, duration: 1s, steps: [{{ get: / }}, {step}]"))
    };
    let right = [
        file(
            "executor: constant-arrival-rate, rate: \"${env.R:-5/s}\", duration: \"${env.D:-1s}\", max_vus: \"${env.M:-5}\", task: t",
        ),
        file(
            "executor: \"constant-arrival-rate\", rate: 10k/s, duration: 1m30s, overload: \"${env.O:-drop}\", task: t",
        ),
        file(
            "executor: ramping-arrival-rate, start_rate: 0/s, stages: [{ duration: 1s, target: 1.5/m, measure: false }, { duration: 1s, target: 0/s }], task: t",
        ),
        file(
            "executor: ramping-vus, stages: [{ duration: 0.5h, target: 5 }, { duration: 1s, target: \"${env.V:-3}\" }], task: t",
        ),
        file(
            "executor: shared-iterations, vus: 1, iterations: 5, max_duration: 1s, graceful_stop: 0s, tags: { a: 1, b: true }, task: t",
        ),
        step("{ think: 250ms..1s }"),
        step("{ think: 0s }"),
        step("{ request: { method: propfind, url: /a }, body: x }"),
        step("{ put: /a, json: null }"),
        step("{ post: /a, json: [1, { a: ~ }] }"),
        step("{ get: /a, query: { a: [1, b], c: 1.5 }, headers: { a: 1 } }"),
        step("{ get: /a, checks: { status: [200, 2xx, \"200-299\"], response_time: 200ms } }"),
        step(
            "{ get: /a, checks: { status: { is: 200, required: true }, response_time: { below: 1s, required: true } } }",
        ),
        step(
            "{ get: /a, checks: { header: { a: b, c: { present: true }, d: { contains: e, required: true } }, body: { equals: x } } }",
        ),
    ];
    let telemetry = |telemetry: &str| format!("{}telemetry: {{ {telemetry} }}\n", step("{ think: 0s }"));
    let telemetry = [
        telemetry("traces: { sampling: off, slow: p99 }, log_executions: off"),
        telemetry("traces: { sampling: \"0.01 %\", shape: linked, propagate: never }, max_loss: 0%"),
        telemetry("traces: { sampling: tail, slow: p99.9 }, log_executions: \"failed, sampled\""),
        telemetry(
            "traces: { sampling: tail, slow: 1s500ms, max_spans_per_second: 1 }, max_lines_per_error: 1",
        ),
        telemetry("traces: { sampling: \"${env.S:-tail}\", slow: \"${env.B:-p90}\" }, log_executions: all"),
    ];
    for yaml in right.into_iter().chain(telemetry) {
        assert_eq!(read(&yaml), Ok(()), "{yaml}");
        assert_eq!(validate(&yaml), Ok(()), "{yaml}");
    }
}

#[test]
fn every_key_has_a_text() {
    fn texts(value: &serde_json::Value, path: &str) {
        for (key, shape) in
            value.get("properties").and_then(serde_json::Value::as_object).into_iter().flatten()
        {
            assert!(shape.get("description").is_some(), "{path}.{key} has no description");
        }
        for (name, shape) in
            value.get("definitions").and_then(serde_json::Value::as_object).into_iter().flatten()
        {
            texts(shape, name);
        }
    }
    texts(&schema(), "file");
}
