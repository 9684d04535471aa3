//! Whatever the bytes are, reading them ends with a workload or with diagnostics that point into them.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use loadgen_scenario::{Environment, Files, Folder, Overrides, Source, Workload, compile, load};
use proptest::prelude::*;

/// Reads, and checks what holds for every outcome.
fn read(bytes: Vec<u8>, overrides: &Overrides) {
    let source = Source { name: "test.yaml".to_owned(), bytes };
    let environment = Environment::new([("A".to_owned(), "value".to_owned())], []);
    let loaded = load(source, overrides, &environment, &mut Folder::new("tests/files", false));
    assert_eq!(loaded.workload.is_none(), loaded.diagnostics.error_count() > 0);
    for diagnostic in loaded.diagnostics.iter() {
        assert!(diagnostic.line >= 1 && diagnostic.column >= 1);
        assert!(diagnostic.span.start <= diagnostic.span.end);
    }
    loaded.diagnostics.render(false);
    if let Some(workload) = loaded.workload {
        let json = workload.to_canonical_json();
        assert_eq!(Workload::from_canonical_json(&json, &loaded.files).unwrap(), workload);
        let _ = compile(&workload, &loaded.files);
    }
}

/// Pieces of scenarios and of YAML, put together at random.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "target",
        "url",
        "scenarios",
        "steps",
        "get",
        "executor",
        "rate",
        "thresholds",
        "checks",
        "status",
        "json",
        ": ",
        ":",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "\"",
        "'",
        "#",
        "&a ",
        "*a",
        "<<: ",
        "!!int ",
        "|\n",
        ">\n",
        "? ",
        "---",
        "...",
        "%",
        "~",
        "null",
        "true",
        "0x1F",
        "1e3",
        ".nan",
        "5/s",
        "200",
        "-1",
        "1s",
        "http://x",
        "demo://",
        "${env.A}",
        "${env.B}",
        "${secret.C}",
        "$${",
        "${",
        "constant-vus",
        "p(99) < 1s",
        "\t",
        "\u{FEFF}",
        "\u{1F600}",
        "ü",
        "\\",
        "\r\n",
        "response_time{scenario:a}",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

const VALID: &str = "\
target: { url: \"http://x\", tls: { ca: certificate.pem } }
scenarios:
  a:
    executor: constant-arrival-rate
    rate: 10/s
    duration: 1s
    steps:
      - post: /orders
        json: { a: [1, 2.5, \"${secret.S}\"] }
        checks: { status: 2xx, body: { contains: x } }
      - think: 1s..2s
thresholds: { \"response_time{scenario:a}\": [\"p(99) < 1s\"] }
";

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read(bytes, &Overrides::none());
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        read(text.into_bytes(), &Overrides::none());
    }

    #[test]
    fn yaml_soup_never_panics(text in soup()) {
        read(text.into_bytes(), &Overrides::none());
    }

    #[test]
    fn a_damaged_scenario_never_panics(at in 0..VALID.len(), remove in 0..30usize, insert in soup()) {
        let end = (at + remove).min(VALID.len());
        let damaged = format!("{}{insert}{}", &VALID[..at], &VALID[end..]);
        read(damaged.into_bytes(), &Overrides::none());
    }

    #[test]
    fn odd_values_in_right_places_never_panic(key in prop::sample::select(vec![
        "scenarios.a.rate", "scenarios.a.duration", "scenarios.a.steps.0.json", "scenarios.a.steps.0.post", "target.url",
        "scenarios.a.steps.0.checks.status", "scenarios.a.steps.1.think", "target.tls.ca", "seed", "name", "thresholds.failed",
        "scenarios.a.max_vus", "verdict.invalid.throttled", "scenarios.a.steps.0.headers.x", "scenarios.a", "scenarios",
    ]), value in prop_oneof![soup(), "\\PC{0,20}"]) {
        let mut overrides = Overrides::none();
        overrides.set("--set", key, value.as_str());
        overrides.environment([("LOADGEN_NAME".to_owned(), value)], &[]);
        read(VALID.into(), &overrides);
    }

    #[test]
    fn odd_paths_never_panic(path in "[a-z0-9.\"]{0,20}", name in "LOADGEN_[A-Z0-9_]{0,20}") {
        let mut overrides = Overrides::none();
        overrides.set("--set", path, "x");
        overrides.environment([(name, "x".to_owned())], &[]);
        read(VALID.into(), &overrides);
    }

    #[test]
    fn documents_over_the_wire_never_panic(text in soup()) {
        let _ = Workload::from_canonical_json(&text, &Files::default());
    }
}
