//! The reference of the language describes every key, and every example in it is valid.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use loadgen_scenario::{Environment, Folder, Overrides, Source, load, schema};
use serde_json::Value;

fn reference() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/scenario-language.md")).unwrap()
}

/// The examples: what follows "yaml" in the fence, the line, and the text.
fn examples(reference: &str) -> Vec<(String, usize, String)> {
    let mut examples = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (index, line) in reference.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.to_owned(), index + 1, String::new())),
            (Some(_), Some(_)) => examples.extend(open.take().filter(|(info, ..)| info.starts_with("yaml"))),
            (Some((_, _, text)), None) => text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    examples
}

/// A whole file around an example that is a part of one.
fn whole(part: &str, text: &str) -> String {
    let indented = |by: usize| -> String { text.lines().map(|line| format!("{:by$}{line}\n", "")).collect() };
    let target = "target: { url: \"http://localhost\" }\n";
    let scenario = "executor: constant-vus, vus: 1, duration: 1s";
    let steps = "steps: [{ get: /, checks: { status: 200 } }]";
    match part {
        "yaml" => text.to_owned(),
        "yaml root" => format!(
            "{text}{target}scenarios: {{ browse: {{ {scenario}, tags: {{ team: shop }}, {steps} }} }}\n"
        ),
        "yaml target" => format!("{text}scenarios: {{ browse: {{ {scenario}, {steps} }} }}\n"),
        "yaml scenario" => format!("{target}scenarios:\n  browse:\n{}    {steps}\n", indented(4)),
        "yaml steps" => format!(
            "{target}scenarios:\n  browse:\n    executor: constant-vus\n    vus: 1\n    duration: 1s\n    steps:\n{}",
            indented(6)
        ),
        other => panic!("unknown kind of example: {other}"),
    }
}

/// As files are read, and as editors read them: `off` is a word.
fn yaml_1_2() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: true }
}

#[test]
fn every_example_is_valid() {
    let reference = reference();
    let examples = examples(&reference);
    assert!(examples.len() >= 12, "{}", examples.len());
    let validator = jsonschema::draft7::new(&schema()).unwrap();
    let environment = Environment::new([("HOST".to_owned(), "localhost".to_owned())], []);
    for (part, line, text) in examples {
        let yaml = whole(&part, &text);
        let source =
            Source { name: format!("scenario-language.md:{line}"), bytes: yaml.clone().into_bytes() };
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files");
        let loaded = load(source, &Overrides::none(), &environment, &mut Folder::new(folder, false));
        assert_eq!(loaded.diagnostics.render(false), "", "the example in line {line}");
        let value: Value = serde_saphyr::from_str_with_options(&yaml, yaml_1_2()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "the example in line {line}");
    }
}

#[test]
fn every_key_is_described() {
    let reference = reference();
    let schema = schema();
    let objects = schema["definitions"].as_object().unwrap().values().chain([&schema]);
    for object in objects {
        for key in
            object.get("properties").and_then(Value::as_object).into_iter().flat_map(|keys| keys.keys())
        {
            let described = key.starts_with('$') || reference.contains(&format!("`{key}`"));
            assert!(described, "docs/scenario-language.md does not describe `{key}`");
        }
    }
}
