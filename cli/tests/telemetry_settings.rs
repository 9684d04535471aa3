//! The `OTEL_…` variables, as the command line takes them.

use crate::harness::{BINARY, Outcome, Place, Running, scenario, target};

fn run_with(place: &Place, args: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = place.command(BINARY);
    command.args(args).envs(variables.iter().copied());
    Running::of(command).wait()
}

#[test]
fn a_variable_that_cannot_be_understood_ends_whatever_would_send() {
    let place = Place::new("settings-wrong");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "200ms"));
    let wrong = [("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://127.0.0.1:9")];
    for args in [
        &["run", "s.yaml", "--no-out"][..],
        &["http", &target.url(), "--no-out"],
        &["worker", "--join", "http://127.0.0.1:9", "--insecure", "--probe", "off"],
        &["controller", "--state", "state"],
    ] {
        let outcome = run_with(&place, args, &wrong).expect(104);
        assert!(outcome.stderr.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{args:?}: {}", outcome.stderr);
    }
    assert_eq!(target.stats().arrivals, 0);
    // Whoever sends nothing needs not understand it.
    run_with(&place, &["validate", "s.yaml"], &wrong).expect(0);
}

#[test]
fn a_wrong_variable_is_told_as_an_object_where_lines_are_objects() {
    let place = Place::new("settings-json");
    place.write("s.yaml", scenario("http://127.0.0.1:9", "/", "50/s", "200ms"));
    let args = ["run", "s.yaml", "--no-out", "--log-format", "json"];
    let outcome = run_with(
        &place,
        &args,
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke")],
    );
    assert_eq!(outcome.code, Some(104));
    let lines: Vec<serde_json::Value> =
        outcome.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines[0]["message"].as_str().unwrap().contains("OTEL_EXPORTER_OTLP_PROTOCOL"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn what_has_no_effect_is_told_once_also_when_workers_inherit_it() {
    let place = Place::new("settings-warning");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "200ms"));
    for flags in [&[][..], &["--workers", "2"]] {
        let args = ["run", "s.yaml", "--no-out", "--quiet"];
        let outcome = run_with(&place, &[&args, flags].concat(), &[("OTEL_TRACES_EXPORTER", "console")]);
        let outcome = outcome.expect_load();
        assert_eq!(outcome.stderr.matches("OTEL_TRACES_EXPORTER").count(), 1, "{}", outcome.stderr);
    }
}
