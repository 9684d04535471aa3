//! Log lines: the run's ID on every one, human or JSON, and the last says how it ended.

use serde_json::Value;

use crate::harness::{BINARY, Place, Running, scenario, target};

#[test]
fn with_json_every_line_of_stderr_is_an_object_with_the_run_id() {
    let place = Place::new("logs");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "300ms"));
    let outcome = place.loadgen(&[
        "run",
        "s.yaml",
        "--log-format",
        "json",
        "--format",
        "json",
        "--no-out",
        "-r",
        "40/s",
    ]);
    let result = outcome.result();
    let lines: Vec<Value> = outcome
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        assert_eq!(line["run_id"], result.identity.run_id.as_str(), "{line}");
        assert_eq!(line["worker"], "local", "{line}");
        assert!(
            line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string(),
            "{line}"
        );
    }
    let first = lines.iter().find(|line| line["message"] == "run configured").unwrap();
    assert_eq!(first["plan_hash"], result.identity.plan_hash.as_str());
    assert_eq!(first["scenario_digest"], result.identity.scenario_digest.as_str());
    assert_eq!(first["config_digest"], result.identity.config_digest.as_str());
    assert!(
        first["overrides"].as_str().unwrap().contains("scenarios.browse.rate=\"40/s\" (--rate)"),
        "{first}"
    );
    let last = lines.last().unwrap();
    assert_eq!(last["message"], "run finished");
    assert_eq!(last["verdict"], "passed");
    assert_eq!(last["requests_attempted"], 12);
    assert_eq!(last["slots_digest"], result.identity.slots_digest.due.as_str());
}

#[test]
fn for_people_the_last_log_line_says_how_it_ended_too() {
    let place = Place::new("logs-human");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "1500ms"));
    let outcome = place.loadgen(&["run", "s.yaml", "--no-out"]).expect(0);
    let last = outcome.stderr.lines().last().unwrap();
    assert!(last.contains("run finished verdict=passed exit_code=0"), "{last}");
    assert!(!outcome.stderr.contains('\x1b'), "no colours where there is no terminal");
    assert!(
        outcome.stderr.lines().any(|line| line.starts_with("running ")),
        "progress in lines: {}",
        outcome.stderr
    );
}

#[test]
fn the_filter_says_which_lines_are_shown() {
    let place = Place::new("logs-filter");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "200ms"));
    let mut command = place.command(BINARY);
    command.args(["run", "s.yaml", "--no-out"]).env("LOADGEN_LOG", "off");
    let outcome = Running::of(command).wait().expect(0);
    assert!(!outcome.stderr.contains("run finished"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("PASSED"), "the summary is no log line: {}", outcome.stderr);
}
