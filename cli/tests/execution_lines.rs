//! `--log-executions`: a line for each execution that is worth one, and never more than somebody can read.

use serde_json::Value;

use crate::harness::{BINARY, Outcome, Place, Running, scenario, target};

/// The lines about executions; those that count others stand apart.
fn lines(outcome: &Outcome) -> (Vec<Value>, Vec<Value>) {
    let lines = outcome.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines = lines.filter(|line| line["target"] == "loadgen::execution");
    lines.partition(|line| !line["iteration"].is_null())
}

fn run(place: &Place, flags: &[&str]) -> Outcome {
    let args = ["run", "s.yaml", "--quiet", "--no-out", "--format", "json", "--log-format", "json"];
    place.loadgen(&[&args, flags].concat())
}

#[test]
fn with_all_there_are_as_many_lines_as_iterations() {
    let place = Place::new("lines-all");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "100/s", "1s"));
    for flags in [&[][..], &["--workers", "2"]] {
        let outcome = run(&place, &[&["--log-executions", "all"], flags].concat()).expect_load();
        let result = outcome.result();
        let (executions, others) = lines(&outcome);
        assert_eq!(executions.len() as u64, result.totals.iterations.started, "{flags:?}");
        assert_eq!(others, Vec::<Value>::new());
        let mut iterations: Vec<u64> =
            executions.iter().map(|line| line["iteration"].as_u64().unwrap()).collect();
        iterations.sort_unstable();
        assert_eq!(iterations, (0..100).collect::<Vec<u64>>());
        for line in &executions {
            assert_eq!(line["run_id"], result.identity.run_id.as_str(), "{line}");
            assert_eq!((&line["task_id"], &line["status"]), (&"browse/list".into(), &200.into()), "{line}");
            assert_eq!(line["level"], "info", "{line}");
            let worker = line["worker"].as_str().unwrap();
            assert!(result.workers.iter().any(|of_run| of_run.name == worker), "{line}");
            assert!(line["vu"].is_u64() && line["response_time_us"].is_number(), "{line}");
        }
    }
}

#[test]
fn of_many_failures_a_few_have_a_line_and_the_others_are_counted() {
    let place = Place::new("lines-failed");
    let target = target();
    let file = scenario(&target.url(), "/errors?rate=0.9", "200/s", "1s");
    place.write("s.yaml", format!("{file}telemetry: {{ max_lines_per_error: 3 }}\n"));
    let outcome = run(&place, &["--log-executions", "failed", "--threads", "1"]).expect_load();
    assert_eq!(outcome.result().totals.iterations.failed, 180);
    let (executions, others) = lines(&outcome);
    // Three a second, and a run of a second may lie in three of them.
    assert!((3..=9).contains(&executions.len()), "{executions:#?}");
    assert!(
        executions.iter().all(|line| line["level"] == "warn" && line["error"].is_string()),
        "{executions:#?}"
    );
    let counted: u64 = others.iter().map(|line| line["count"].as_u64().unwrap()).sum();
    assert_eq!(executions.len() as u64 + counted, 180, "{others:#?}");
}

#[test]
fn off_is_off_and_the_flag_wins_over_the_file() {
    let place = Place::new("lines-off");
    let target = target();
    let file = scenario(&target.url(), "/errors?rate=0.9", "50/s", "300ms");
    place.write("s.yaml", format!("{file}telemetry: {{ log_executions: all }}\n"));
    let (executions, others) = lines(&run(&place, &["--log-executions", "off"]).expect_load());
    assert_eq!((executions.len(), others.len()), (0, 0));
    let outcome = run(&place, &["--log-executions", "off,failed"]);
    assert_eq!(outcome.code, Some(104));
    assert!(outcome.stderr.contains("stand alone"), "{}", outcome.stderr);
    let outcome = run(&place, &["--log-executions", "some"]);
    assert_eq!(outcome.code, Some(2));
}

#[test]
fn a_terminal_shows_them_only_to_those_who_ask() {
    let place = Place::new("lines-human");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "300ms"));
    let shown = |filter: Option<&str>| {
        let mut command = place.command(BINARY);
        command.args(["run", "s.yaml", "--quiet", "--no-out", "--log-executions", "all"]);
        command.envs(filter.map(|filter| ("LOADGEN_LOG", filter)));
        Running::of(command).wait().expect_load().stderr.matches("execution succeeded").count()
    };
    assert_eq!(shown(None), 0);
    assert_eq!(shown(Some("debug")), 0);
    assert_eq!(shown(Some("info,loadgen::execution=info")), 15);
}
