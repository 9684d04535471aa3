//! What is said about each kind of mistake: exact text and position, one snapshot each.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use loadgen_scenario::{Environment, Folder, Overrides, Source, load};

/// What is said about a file with these bytes.
fn diagnose_bytes(bytes: Vec<u8>) -> String {
    let environment = Environment::new([("TARGET".to_owned(), "http://localhost".to_owned())], []);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files");
    let source = Source { name: "test.yaml".to_owned(), bytes };
    let loaded = load(source, &Overrides::none(), &environment, &mut Folder::new(folder, false));
    assert_eq!(loaded.workload.is_none(), loaded.diagnostics.error_count() > 0);
    assert!(loaded.diagnostics.iter().is_sorted_by_key(|diagnostic| diagnostic.span));
    loaded.diagnostics.render(false)
}

/// A file that is right but for `root`, its own keys.
fn root(root: &str) -> String {
    format!("target: {{ url: \"http://localhost\" }}\n{root}\n{SCENARIOS}")
}

/// A file that is right but for the keys of its target.
fn target(keys: &str) -> String {
    format!("target: {{ {keys} }}\n{SCENARIOS}")
}

/// A file that is right but for the keys of its scenario; `steps` are there.
fn scenario(keys: &str) -> String {
    let keys = keys.replace('\n', "\n    ");
    format!(
        "target: {{ url: \"http://localhost\" }}\nscenarios:\n  a:\n    {keys}\n    steps: [{{ get: / }}]\n"
    )
}

/// A file that is right but for one step.
fn step(step: &str) -> String {
    let step = step.replace('\n', "\n        ");
    format!(
        "target: {{ url: \"http://localhost\" }}\nscenarios:\n  a:\n    executor: constant-vus\n    vus: 1\n    \
         duration: 1s\n    steps:\n      - get: /first\n      - {step}\n"
    )
}

const SCENARIOS: &str =
    "scenarios:\n  a: { executor: constant-vus, vus: 1, duration: 1s, steps: [{ get: / }] }\n";

/// An arrival rate with these keys beside its own.
fn open(keys: &str) -> String {
    scenario(&format!("executor: constant-arrival-rate\nrate: 10/s\nduration: 1s\n{keys}"))
}

fn check(name: &str, yaml: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_description(yaml.get(..yaml.len().min(2_000)).unwrap_or(""));
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, diagnose_bytes(yaml.as_bytes().to_vec())));
}

macro_rules! diagnosed {
    ($($name:ident: $yaml:expr;)*) => {$(
        #[test]
        fn $name() {
            check(stringify!($name), $yaml.as_ref());
        }
    )*};
}

diagnosed! {
    // The document.
    an_empty_file: "";
    a_file_of_comments: "# nothing yet\n";
    a_file_that_is_a_text: "rate: is what I want";
    a_file_that_is_a_list: "- a\n- b\n";
    several_documents: "a: 1\n---\nb: 2\n";
    a_duplicate_key: root("name: a\nname: b");
    an_unclosed_bracket: "target: { url: \"http://localhost\"\nscenarios: {}\n";
    an_unclosed_quote: "name: \"x\n";
    a_tab_as_indentation: "scenarios:\n\ta: 1\n";
    an_unknown_alias: "name: *x\n";
    a_recursive_alias: "name: &x [*x]\n";
    a_key_that_is_a_list: "? [a]\n: b\n";
    a_nul_byte: "name: a\0b\n";
    a_number_without_end: "name: .inf\n";
    a_number_of_too_many_digits: step("post: /\njson: { id: 99999999999999999999999999999999999999999999 }");
    too_deep_nesting: format!("name: {}{}", "[".repeat(100), "]".repeat(100));

    // The root.
    an_unknown_key: root("thresholdz: {}");
    an_unknown_key_like_no_other: root("colour: red");
    a_missing_target: SCENARIOS;
    missing_scenarios: "target: { url: \"http://localhost\" }\n";
    no_scenario: "target: { url: \"http://localhost\" }\nscenarios: {}\n";
    a_key_without_value: root("tags:");
    a_name_that_is_a_number: root("name: 5");
    a_name_of_two_lines: root("name: \"a\\nb\"");
    a_bad_tag_name: root("tags: { \"a b\": x }");
    a_reserved_tag: root("tags: { scenario: x }");
    an_empty_tag: root("tags: { a: \"\" }");
    too_many_tags: root(&format!("tags: {{ {} }}", (0..51).map(|n| format!("t{n}: x")).collect::<Vec<_>>().join(", ")));
    an_unknown_pacing: root("pacing: exact");
    bad_threads: root("threads: many");
    too_many_threads: root("threads: 5000");
    a_negative_seed: root("seed: -1");
    a_bad_scenario_name: "target: { url: \"http://localhost\" }\nscenarios:\n  a b: { executor: constant-vus, vus: 1, duration: 1s, steps: [{ get: / }] }\n";

    // References.
    an_undefined_variable: root("name: \"${env.NAME}\"");
    an_undefined_variable_like_another: root("name: \"x ${env.TARGETS}\"");
    an_unknown_reference: root("name: \"${row.user}\"");
    a_reference_without_namespace: root("name: \"${TARGET}\"");
    a_reference_without_brace: root("name: \"${env.TARGET\"");
    a_reference_that_is_no_name: root("name: \"${env.1x}\"");
    a_secret_with_a_default: step("get: /x\nheaders: { a: \"${secret.TOKEN:-x}\" }");
    a_secret_where_none_may_be: step("get: \"/${secret.TOKEN}\"");

    // The target.
    a_target_without_url: target("tls: { verify: true }");
    a_url_without_scheme: target("url: \"localhost:8080\"");
    a_url_without_host: target("url: \"http://\"");
    a_url_with_a_query: target("url: \"http://localhost/?a=b\"");
    a_url_with_credentials: target("url: \"http://u:p@localhost\"");
    a_url_with_a_bad_port: target("url: \"http://localhost:99999\"");
    a_certificate_that_is_missing: target("url: \"https://localhost\", tls: { ca: missing.pem }");
    a_certificate_that_is_none: target("url: \"https://localhost\", tls: { ca: not-a-certificate.pem }");
    a_certificate_outside_the_folder: target("url: \"https://localhost\", tls: { ca: ../diagnostics.rs }");
    a_certificate_without_key: target("url: \"https://localhost\", tls: { cert: certificate.pem }");
    a_key_without_certificate: target("url: \"https://localhost\", tls: { key: key.pem }");
    a_certificate_as_key: target("url: \"https://localhost\", tls: { cert: certificate.pem, key: certificate.pem }");
    a_bad_server_name: target("url: \"https://localhost\", tls: { server_name: \"a b\" }");
    a_bad_verify: target("url: \"https://localhost\", tls: { verify: maybe }");
    a_bad_address: target("url: \"http://shop\", resolve: { shop: here }");
    an_address_for_a_url: target("url: \"http://shop\", resolve: { \"http://shop\": 10.0.0.7 }");
    a_timeout_of_zero: target("url: \"http://shop\", timeouts: { connect: 0s }");

    // The load.
    a_missing_executor: scenario("vus: 1\nduration: 1s");
    an_unknown_executor: scenario("executor: constant-arival-rate\nrate: 10/s\nduration: 1s");
    a_missing_rate: scenario("executor: constant-arrival-rate\nduration: 1s");
    a_rate_without_unit: scenario("executor: constant-arrival-rate\nrate: 200\nduration: 1s");
    a_rate_of_zero: scenario("executor: constant-arrival-rate\nrate: 0/s\nduration: 1s");
    a_negative_rate: scenario("executor: constant-arrival-rate\nrate: -5/s\nduration: 1s");
    a_huge_rate: scenario("executor: constant-arrival-rate\nrate: 999999999999999999999/s\nduration: 1s");
    a_rate_above_the_limit: scenario("executor: constant-arrival-rate\nrate: 500M/s\nduration: 1s");
    a_rate_of_another_unit: scenario("executor: constant-arrival-rate\nrate: 5/parsec\nduration: 1s");
    a_rate_that_is_a_list: scenario("executor: constant-arrival-rate\nrate: [1, 2]\nduration: 1s");
    a_duration_without_unit: scenario("executor: constant-arrival-rate\nrate: 10/s\nduration: 30");
    a_duration_of_zero: scenario("executor: constant-arrival-rate\nrate: 10/s\nduration: 0s");
    a_negative_duration: scenario("executor: constant-arrival-rate\nrate: 10/s\nduration: -5s");
    a_huge_duration: scenario("executor: constant-arrival-rate\nrate: 10/s\nduration: 400d");
    a_total_that_is_too_long: scenario("executor: constant-arrival-rate\nrate: 10/s\nwarm_up: 20d\nduration: 20d");
    too_many_users: scenario("executor: constant-vus\nvus: 5000000\nduration: 1s");
    no_users: scenario("executor: constant-vus\nvus: 0\nduration: 1s");
    half_a_user: scenario("executor: constant-vus\nvus: 1.5\nduration: 1s");
    users_as_a_word: scenario("executor: constant-vus\nvus: many\nduration: 1s");
    a_key_of_another_executor: open("vus: 5");
    a_warm_up_for_stages: scenario("executor: ramping-vus\nwarm_up: 1s\nstages: [{ duration: 1s, target: 5 }]");
    a_queue_timeout_for_drop: open("overload: drop\nqueue_timeout: 1s");
    an_unknown_overload: open("overload: wait");
    a_key_as_k6_spells_it: open("gracefulStop: 1s");
    missing_stages: scenario("executor: ramping-arrival-rate");
    no_stages: scenario("executor: ramping-arrival-rate\nstages: []");
    a_stage_without_target: scenario("executor: ramping-arrival-rate\nstages: [{ duration: 1s }]");
    a_stage_with_users_for_a_rate: scenario("executor: ramping-arrival-rate\nstages: [{ duration: 1s, target: 5 }]");
    a_stage_with_a_rate_for_users: scenario("executor: ramping-vus\nstages: [{ duration: 1s, target: 5/s }]");
    stages_without_load: scenario("executor: ramping-arrival-rate\nstages: [{ duration: 1s, target: 0/s }]");
    stages_without_users: scenario("executor: ramping-vus\nstart_vus: 0\nstages: [{ duration: 1s, target: 0 }]");
    stages_that_are_not_measured: scenario("executor: ramping-vus\nstages: [{ duration: 1s, target: 5, measure: false }]");
    fewer_iterations_than_users: scenario("executor: shared-iterations\nvus: 10\niterations: 3");

    // Steps.
    steps_and_a_task: open("task: echo");
    neither_steps_nor_a_task: "target: { url: \"http://localhost\" }\nscenarios:\n  a: { executor: constant-vus, vus: 1, duration: 1s }\n";
    only_think_times: "target: { url: \"http://localhost\" }\nscenarios:\n  a: { executor: constant-vus, vus: 1, duration: 1s, steps: [{ think: 1s }] }\n";
    a_step_that_does_nothing: step("name: idle");
    a_step_that_does_two_things: step("get: /\npost: /");
    a_step_that_is_a_text: step("get /");
    an_unknown_key_of_a_step: step("get: /x\nheader: { a: b }");
    a_relative_path: step("get: products");
    a_path_with_a_fragment: step("get: \"/a#b\"");
    a_step_of_the_built_in_target: step("get: \"demo://\"");
    a_bad_method: step("request: { method: \"GE T\", url: / }");
    a_request_without_url: step("request: { method: PURGE }");
    two_steps_of_one_name: step("get: /first?again=1");
    a_think_time_backwards: step("think: 1s..250ms");
    a_think_time_without_unit: step("think: 5");
    a_think_time_with_checks: step("think: 5s\nchecks: { status: 200 }");
    a_body_and_json: step("post: /\nbody: x\njson: {}");
    a_body_that_is_a_mapping: step("post: /\nbody: { a: 1 }");
    a_bad_header_name: step("get: /x\nheaders: { \"a b\": c }");
    a_bad_header_value: step("get: /x\nheaders: { a: \"b\\nc\" }");
    a_header_that_is_ours: step("post: /\nbody: x\nheaders: { Content-Length: 5 }");
    a_header_twice: step("get: /x\nheaders: { Accept: a, accept: b }");
    a_query_that_is_a_text: step("get: /x\nquery: a=b");

    // Checks.
    a_bad_status: step("get: /x\nchecks: { status: ok }");
    a_status_out_of_range: step("get: /x\nchecks: { status: [200, 2000] }");
    no_status: step("get: /x\nchecks: { status: [] }");
    a_check_without_a_way_to_match: step("get: /x\nchecks: { body: { required: true } }");
    a_check_with_two_ways_to_match: step("get: /x\nchecks: { header: { etag: { equals: a, contains: b } } }");
    a_header_that_must_be_absent: step("get: /x\nchecks: { header: { etag: { present: false } } }");
    a_body_that_contains_nothing: step("get: /x\nchecks: { body: { contains: \"\" } }");
    a_response_time_without_unit: step("get: /x\nchecks: { response_time: \"< 200\" }");
    a_response_time_from_below: step("get: /x\nchecks: { response_time: \"> 200ms\" }");

    // Verdict and thresholds.
    a_share_without_sign: root("verdict: { invalid: { own_faults: 0.1 } }");
    a_share_above_the_whole: root("verdict: { invalid: { throttled: 150% } }");
    a_share_that_is_none: root("verdict: { invalid: { throttled: little } }");
    an_unknown_policy_on_losses: root("options: { on_worker_loss: ignore }");
    a_loss_without_sign: root("options: { max_lost: 0.5 }");
    an_unknown_rejoin: root("options: { rejoin: always }");
    an_option_that_is_none: root("options: { pacing: precise }");
    a_sampling_without_sign: root("telemetry: { traces: { sampling: 5 } }");
    an_unknown_sampling: root("telemetry: { traces: { sampling: always } }");
    a_sampling_above_the_whole: root("telemetry: { traces: { sampling: 101% } }");
    a_slow_without_tail: root("telemetry: { traces: { slow: p99 } }");
    a_slow_with_a_share: root("telemetry: { traces: { sampling: 1%, slow: 500ms } }");
    a_slow_of_every_execution: root("telemetry: { traces: { sampling: tail, slow: p0 } }");
    a_slow_of_no_execution: root("telemetry: { traces: { sampling: tail, slow: p100 } }");
    a_slow_without_unit: root("telemetry: { traces: { sampling: tail, slow: 500 } }");
    an_unknown_shape: root("telemetry: { traces: { shape: link } }");
    a_budget_of_no_spans: root("telemetry: { traces: { max_spans_per_second: 0 } }");
    an_unknown_propagation: root("telemetry: { traces: { propagate: sometimes } }");
    an_endpoint_in_a_file: root("telemetry: { endpoint: \"http://collector:4317\" }");
    an_unknown_log: root("telemetry: { log_executions: \"sampled,fail\" }");
    a_log_that_is_off_and_on: root("telemetry: { log_executions: \"off, failed\" }");
    no_lines_of_errors: root("telemetry: { max_lines_per_error: 0 }");
    a_loss_of_telemetry_without_sign: root("telemetry: { max_loss: 0.01 }");
    an_unknown_metric: root("thresholds: { respons_time: \"p(99) < 1s\" }");
    a_threshold_on_an_unknown_scenario: root("thresholds: { \"response_time{scenario:b}\": \"p(99) < 1s\" }");
    a_threshold_on_an_unknown_tag: root("thresholds: { \"response_time{team:shop}\": \"p(99) < 1s\" }");
    a_threshold_on_checks_that_are_not_there: root("thresholds: { checks: \"rate > 99%\" }");
    a_threshold_without_unit: root("thresholds: { response_time: [\"p(99) < 1s\", \"p(99) < 200\"] }");
    a_threshold_without_condition: root("thresholds: { response_time: [] }");
    a_threshold_that_is_a_number: root("thresholds: { response_time: 5 }");
    a_wrong_threshold_beside_another_mistake: root("seed: x\nthresholds: { \"response_time{scenario:a}\": \"p(99) < 5\" }");
}

#[test]
fn a_slow_beside_off_is_no_mistake() {
    // One flag switches the tracing of any file off.
    assert_eq!(diagnose_bytes(root("telemetry: { traces: { sampling: off, slow: p99 } }").into_bytes()), "");
}

#[test]
fn bytes_that_are_not_utf8() {
    insta::assert_snapshot!(diagnose_bytes(b"name: caf\xE9\n".to_vec()));
}

#[test]
fn utf16_is_named() {
    let bytes = "name: a\n".encode_utf16().flat_map(u16::to_le_bytes);
    insta::assert_snapshot!(diagnose_bytes([0xFF, 0xFE].into_iter().chain(bytes).collect()));
}

#[test]
fn fifty_megabytes() {
    insta::assert_snapshot!(diagnose_bytes(vec![b'#'; 50 << 20]));
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    assert_eq!(diagnose_bytes(format!("\u{FEFF}{}", root("")).into_bytes()), "");
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        yaml.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let said = diagnose_bytes(yaml.into_bytes());
    assert!(
        said.starts_with("error[too-complex]: the aliases of this file stand for too many values"),
        "{said}"
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let yaml = "\
taget: {}
target: { url: localhost }
scenarios:
  a:
    executor: constant-arrival-rate
    rate: 200
    duration: 30
    steps:
      - get: products
      - post: /orders
        json: { user: \"${env.NOBODY}\" }
  b:
    executor: constant-vu
    steps: []
thresholds:
  failed: [\"rate <\"]
";
    check("every_problem_is_reported_at_once", yaml);
}

#[test]
fn a_long_line_is_pointed_at_without_being_shown() {
    let yaml = root(&format!("name: [{}]", "x".repeat(5_000)));
    let said = diagnose_bytes(yaml.into_bytes());
    assert!(said.contains("--> test.yaml:2:7"), "{said}");
    assert!(said.len() < 500, "{said}");
}

#[test]
fn many_problems_are_counted_after_fifty() {
    let keys: String = (0..60).map(|n| format!("key{n}: 1\n")).collect();
    let said = diagnose_bytes(root(&keys).into_bytes());
    assert_eq!(said.matches("error[unknown-key]").count(), 50);
    assert!(said.ends_with("... and 10 more\n\n"), "{said}");
}

#[test]
fn diagnostics_are_json_for_tools() {
    let source = Source { name: "test.yaml".to_owned(), bytes: root("seed: x").into_bytes() };
    let loaded = load(source, &Overrides::none(), &Environment::empty(), &mut Folder::new(".", false));
    insta::assert_json_snapshot!(loaded.diagnostics);
}
