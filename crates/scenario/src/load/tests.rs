use super::*;
use crate::{Folder, Json, Payload};

fn loaded(yaml: &str, environment: &Environment) -> Loaded {
    let source = Source { name: "dir/My Test.yaml".to_owned(), bytes: yaml.into() };
    load(source, &Overrides::none(), environment, &mut Folder::new(".", false))
}

fn workload(yaml: &str) -> Workload {
    let loaded = loaded(yaml, &Environment::empty());
    loaded.workload.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(false)))
}

fn with_step(step: &str) -> String {
    format!(
        "target: {{ url: http://x }}\nscenarios:\n  a: {{ executor: constant-vus, vus: 1, duration: 1s, steps: [{{ {step} }}] }}\n"
    )
}

fn request(step: &str) -> crate::RequestStep {
    let workload = workload(&with_step(step));
    let crate::Body::Steps(steps) = &workload.scenarios[0].body else { panic!("steps") };
    steps[0].request().unwrap().clone()
}

#[test]
fn the_name_of_the_file_is_the_name_of_the_run() {
    assert_eq!(workload(&with_step("get: /")).name, "My Test");
    assert_eq!(workload(&format!("name: own\n{}", with_step("get: /"))).name, "own");
}

#[test]
fn given_variables_win_and_defaults_stand_in() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = Environment::new(
        [pair("A", "given")],
        [pair("A", "process"), pair("B", "process"), pair("EMPTY", "")],
    );
    let yaml = format!(
        "name: \"${{env.A}} ${{env.B}} ${{env.C:-default}} ${{env.EMPTY:-empty}} [${{env.EMPTY}}]\"\n{}",
        with_step("get: /")
    );
    assert_eq!(loaded(&yaml, &environment).workload.unwrap().name, "given process default empty []");
}

#[test]
fn expanded_values_are_not_expanded_again() {
    let environment = Environment::new([("A".to_owned(), "${env.B}".to_owned())], []);
    let yaml = format!("name: \"${{env.A}}\"\n{}", with_step("get: /"));
    assert_eq!(loaded(&yaml, &environment).workload.unwrap().name, "${env.B}");
}

#[test]
fn references_stand_where_units_numbers_and_words_do() {
    let environment = Environment::new(
        [("RATE", "5/s"), ("N", "7"), ("YES", "true"), ("WORD", "drop")]
            .map(|(k, v)| (k.to_owned(), v.to_owned())),
        [],
    );
    let yaml = "target: { url: \"http://x\", tls: { verify: \"${env.YES}\" } }\nscenarios:\n  a:\n    executor: \
                constant-arrival-rate\n    rate: ${env.RATE}\n    duration: ${env.N}s\n    max_vus: ${env.N}\n    overload: \
                ${env.WORD}\n    steps: [{ get: / }]\n";
    let loaded = loaded(yaml, &environment);
    assert_eq!(loaded.diagnostics.render(false), "");
    let json = loaded.workload.unwrap().to_canonical_json();
    assert!(json.contains("\"rate\":\"5/s\",\"warm_up\":\"0s\",\"duration\":\"7s\""), "{json}");
    assert!(json.contains("\"max_vus\":7,\"overload\":\"drop\""), "{json}");
}

#[test]
fn aliases_and_merges_stand_for_what_they_name() {
    let yaml = "target: { url: http://x }\nscenarios:\n  a: &base\n    executor: constant-vus\n    vus: 1\n    duration: 1s\n    \
                steps: [{ get: /, headers: &headers { a: 1.10 } }, { get: /b, headers: *headers }]\n  b:\n    <<: *base\n    vus: 2\n";
    let workload = workload(yaml);
    assert_eq!(
        workload.scenarios[0].load,
        crate::Load::ConstantVus { vus: 1, warm_up: units::Nanos::ZERO, duration: units::Nanos::SECOND }
    );
    assert!(matches!(workload.scenarios[1].load, crate::Load::ConstantVus { vus: 2, .. }));
    assert_eq!(workload.scenarios[0].body, workload.scenarios[1].body);
}

#[test]
fn numbers_stand_for_how_they_are_written() {
    let step = request("get: /, headers: { a: 1.10, b: true, c: 0x10, d: 007 }, query: { e: -5 }");
    let values: Vec<&str> =
        step.headers.iter().chain(&step.query).map(|(_, value)| value.as_literal().unwrap()).collect();
    assert_eq!(values, ["1.10", "true", "16", "007", "-5"]);
}

#[test]
fn json_is_kept_as_it_is() {
    let step = request(
        "post: /, json: { z: 340282366920938463463, a: [1.0, ~, \"\\ud83d\\ude00\", no, \"$${x}\"] }",
    );
    let text = |text: &str| Json::Text(crate::Text::literal(text));
    let array = vec![Json::Float(1.0), Json::Null, text("\u{1F600}"), text("no"), text("${x}")];
    let entries =
        vec![("z".to_owned(), Json::Int(340_282_366_920_938_463_463)), ("a".to_owned(), Json::Array(array))];
    assert_eq!(step.payload, Payload::Json(Json::Object(entries)));
    assert_eq!(request("post: /, json: null").payload, Payload::Json(Json::Null));
}

#[test]
fn scenarios_change_the_target_in_parts() {
    let yaml = "target: { url: http://x, headers: { a: 1, b: 2 }, timeouts: { connect: 1s } }\nscenarios:\n  a:\n    executor: \
                constant-vus\n    vus: 1\n    duration: 1s\n    target: { headers: { B: 3, c: 4 }, timeouts: { request: 9s } }\n    \
                steps: [{ get: / }]\n";
    let workload = workload(yaml);
    let target = &workload.scenarios[0].target;
    let headers: Vec<String> = target.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(headers, ["a=1", "B=3", "c=4"]);
    assert_eq!(target.url, workload.target.url);
    assert_eq!(target.timeouts.connect, units::Nanos::SECOND);
    assert_eq!(workload.scenarios[0].body.clone(), {
        let mut request = request("get: /");
        request.timeout = units::Nanos::from_secs(9);
        crate::Body::Steps(vec![crate::Step::Request(request)])
    });
}

#[test]
fn editors_may_be_told_of_the_schema_in_a_key() {
    let json = "{\"$schema\": \"scenario.schema.json\", \"target\": {\"url\": \"http://x\"}, \"scenarios\": {\"a\": {\"executor\": \
                \"constant-vus\", \"vus\": 1, \"duration\": \"1s\", \"task\": \"t\"}}}";
    assert_eq!(workload(json).scenarios.len(), 1);
}

#[test]
fn nesting_is_read_to_its_bound_in_both_styles() {
    let flow =
        |depth: usize| with_step(&format!("post: /, json: {}1{}", "[".repeat(depth), "]".repeat(depth)));
    let block = |depth: usize| {
        let body: String = (0..depth).map(|level| format!("{:1$}- \n", "", 10 + 2 * level)).collect();
        let head = with_step("get: /").replace("steps: [{ get: / }] }", "task: t }");
        let step = "    steps:\n      - post: /\n        json:\n";
        let scenario = "  b:\n    executor: constant-vus\n    vus: 1\n    duration: 1s\n";
        format!("{head}{scenario}{step}{body}{:1$}x\n", "", 10 + 2 * depth)
    };
    for (name, yaml) in [("flow", flow(50)), ("block", block(50))] {
        assert_eq!(loaded(&yaml, &Environment::empty()).diagnostics.render(false), "", "{name}");
    }
    for (name, yaml) in [("flow", flow(70)), ("block", block(70)), ("brackets", flow(2_000))] {
        let diagnostics = loaded(&yaml, &Environment::empty()).diagnostics;
        assert_eq!(diagnostics.iter().next().unwrap().code, "too-complex", "{name}");
    }
}

#[test]
fn paths_may_be_longer_than_names() {
    let out = "long/".repeat(100);
    let workload = workload(&format!("out: {out}\n{}", with_step("get: /")));
    assert_eq!(workload.options.out, Some(out));
}

#[test]
fn empty_lists_and_mappings_are_values_too() {
    let yaml = with_step("post: /, json: { a: {}, b: [] }");
    let origins = loaded(&yaml, &Environment::empty()).origins();
    let value =
        |path: &str| origins.iter().find(|value| value.path.to_string() == path).unwrap().value.clone();
    assert_eq!(value("scenarios.a.steps.0.json.a"), "{}");
    assert_eq!(value("scenarios.a.steps.0.json.b"), "[]");
}
