//! A run's exit code says how it went, with its name.

use std::time::Duration;

use api::result::ResultFile;
use rustix::process::Signal;

use crate::harness::{BINARY, Place, pause, scenario, target};

#[test]
fn a_run_that_meets_its_thresholds_ends_with_0() {
    let place = Place::new("passed");
    let target = target();
    let thresholds = "thresholds:\n  failed: [\"rate < 1%\"]\n  response_time: [\"p(99) < 1h\"]\n";
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "300ms") + thresholds);
    let outcome = place.loadgen(&["run", "s.yaml"]).expect(0);
    assert!(outcome.stderr.contains("✓ failed"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("exit code 0 passed"), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "", "machines were not asked for anything");
}

#[test]
fn a_threshold_that_is_not_met_ends_with_99() {
    let place = Place::new("threshold");
    let target = target();
    let thresholds = "thresholds:\n  response_time: [\"p(50) < 1ms\"]\n";
    place.write("s.yaml", scenario(&target.url(), "/delay/fixed?ms=5", "50/s", "300ms") + thresholds);
    let (outcome, result) = place.run(&["s.yaml"]);
    outcome.expect(99);
    assert!(!result.thresholds[0].passed);
    assert!(result.thresholds[0].measured.unwrap() >= 5_000.0);
}

#[test]
fn a_run_in_which_nothing_succeeds_ends_with_99_thresholds_or_not() {
    let place = Place::new("nothing");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/status/500", "50/s", "200ms"));
    place.loadgen(&["run", "s.yaml", "--quiet"]).expect(99);
}

#[test]
fn flags_that_cannot_be_understood_end_with_2() {
    let place = Place::new("usage");
    place.loadgen(&["run"]).expect(2);
    place.loadgen(&["run", "s.yaml", "--rate", "200"]).expect(2);
    place.loadgen(&["dance"]).expect(2);
    place.loadgen(&[]).expect(2);
}

#[test]
fn a_generator_that_stood_still_ends_with_113_and_says_what_to_change() {
    let result = stopped_for(Duration::from_secs(1), "3s");
    assert!(result.totals.iterations.unsent.generator_stall > 100, "{:?}", result.totals.iterations);
    let evidence =
        result.verdict.evidence.iter().find(|evidence| !evidence.held && evidence.key.is_some()).unwrap();
    assert!(evidence.measured > evidence.limit);
    assert!(evidence.key.as_deref().unwrap().starts_with("verdict."), "{evidence:?}");
}

/// The result of a run of `lasting` at 200/s whose generator stands still for `stopped`.
fn stopped_for(stopped: Duration, lasting: &str) -> ResultFile {
    let place = Place::new("stall");
    let target = target();
    place.write("s.yaml", judged(&scenario(&target.url(), "/", "200/s", lasting)));
    let mut running = place.start(&["run", "s.yaml", "--quiet", "--no-out", "--format", "json"]);
    running.wait_for_stderr("load started");
    running.signal(Signal::STOP);
    // How long exactly does not matter, only that it is beyond max_catch_up.
    pause(stopped);
    running.signal(Signal::CONT);
    let result = running.wait().expect(113).result();
    assert!(result.totals.iterations.balanced && result.totals.requests.balanced, "{:#?}", result.totals);
    // A connection that was being opened when we stood still may have run into its bound.
    let never_sent = result.totals.errors.iter().filter(|error| error.class.starts_with("connect_"));
    let never_sent: u64 = never_sent.map(|error| error.count).sum();
    assert_eq!(result.totals.requests.attempted - never_sent, target.stats().arrivals);
    result
}

/// The scenario with the bounds that users have.
fn judged(file: &str) -> String {
    file.lines().filter(|line| !line.starts_with("verdict")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn version_and_help_end_with_0() {
    let place = Place::new("version");
    let version = place.loadgen(&["--version"]).expect(0);
    assert_eq!(version.stdout, concat!("loadgen ", env!("CARGO_PKG_VERSION"), "\n"));
    place.loadgen(&["--help"]).expect(0);
    place.loadgen(&["run", "--help"]).expect(0);
}

mod bounded {
    #[test]
    #[ignore = "a generator that stands still for 5 s"]
    fn a_generator_that_stood_still_for_five_seconds_bursts_nothing_and_loses_no_slot() {
        let result = stopped_for(Duration::from_secs(5), "8s");
        let iterations = &result.totals.iterations;
        assert_eq!(iterations.due, 1_600);
        // 4.9 s at 200/s were beyond max_catch_up; with them only what this machine itself was late.
        assert!((980..1_400).contains(&iterations.unsent.generator_stall), "{iterations:?}");
        assert_eq!(iterations.started + iterations.unsent.generator_stall, 1_600, "{iterations:?}");
    }

    use super::*;
    use crate::harness::Running;

    #[test]
    #[ignore = "keeps a CPU busy for some seconds"]
    fn a_generator_on_a_starved_cpu_ends_with_113_and_names_bound_value_and_key() {
        let place = Place::new("starved");
        let target = target();
        place.write("s.yaml", judged(&scenario(&target.url(), "/", "500/s", "2s")));
        let spin = || {
            let mut command = place.command("taskset");
            command.args(["-c", "0", "sh", "-c", "while :; do :; done"]);
            Running::of(command)
        };
        let _spinning = [spin(), spin(), spin()];
        let mut command = place.command("taskset");
        command.args(["-c", "0", "nice", "-n", "19", BINARY, "run", "s.yaml", "--quiet", "--no-out"]);
        let outcome = Running::of(command).wait().expect(113);
        assert!(outcome.stderr.contains("verdict.invalid."), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("dispatch lag p99"), "{}", outcome.stderr);
    }
}
