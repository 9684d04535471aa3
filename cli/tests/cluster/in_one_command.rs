//! `run --workers N`: a cluster with one command.

use crate::harness::{Place, scenario, target};

#[test]
fn three_worker_processes_make_one_result_that_counts_what_the_target_counts() {
    let place = Place::new("workers-3");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "300/s", "2s"));
    let (outcome, result) = place.run(&["s.yaml", "--workers", "3"]);
    outcome.expect_load();
    assert_eq!(result.workers.len(), 3, "{:#?}", result.workers);
    assert!(result.totals.iterations.balanced && result.totals.requests.balanced, "{:#?}", result.totals);
    assert_eq!(result.totals.iterations.due, 600);
    assert_eq!(result.totals.requests.attempted, target.stats().arrivals);
}

#[test]
fn the_plan_and_its_slots_are_the_same_for_any_number_of_workers() {
    let place = Place::new("workers-same");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "150/s", "1s"));
    let of = |flags: &[&str]| {
        let (outcome, result) = place.run(&[&["s.yaml"], flags].concat());
        outcome.expect_load();
        assert!(result.totals.iterations.balanced, "{:#?}", result.totals);
        (result.identity.scenario_digest, result.identity.plan_hash, result.identity.slots_digest.due)
    };
    let local = of(&[]);
    for workers in ["1", "3", "7"] {
        assert_eq!(of(&["--workers", workers]), local, "{workers} workers");
    }
}

#[test]
fn the_built_in_target_serves_all_of_them() {
    let place = Place::new("workers-demo");
    place.write("s.yaml", scenario("demo://", "/", "100/s", "1s"));
    let (outcome, result) = place.run(&["s.yaml", "--workers", "2"]);
    outcome.expect_load();
    assert_eq!(result.totals.requests.attempted, 100);
    assert_eq!(result.totals.requests.succeeded, 100);
}

#[test]
fn no_worker_outlives_the_run_and_no_file_of_it_is_left() {
    let place = Place::new("workers-clean");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "1s"));
    let mut command = place.command(crate::harness::BINARY);
    let temporary = place.join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    command.args(["run", "s.yaml", "--workers", "2", "--quiet", "--no-out"]).env("TMPDIR", &temporary);
    let running = crate::harness::Running::of(command);
    let parent = running.id();
    running.wait().expect_load();
    let left = std::fs::read_dir("/proc").unwrap().filter(|entry| {
        let status = entry.as_ref().map(|entry| std::fs::read_to_string(entry.path().join("status")));
        matches!(status, Ok(Ok(status)) if status.contains(&format!("\nPPid:\t{parent}\n")))
    });
    assert_eq!(left.count(), 0);
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn what_only_makes_sense_with_a_controller_is_a_usage_error_without_one() {
    let place = Place::new("workers-usage");
    place.write("s.yaml", scenario("demo://", "/", "50/s", "1s"));
    for flags in [
        &["--detach"][..],
        &["--expect-workers", "2"],
        &["--ca", "x.pem"],
        &["--workers", "2", "--controller", "https://127.0.0.1:1"],
        &["--workers", "0"],
    ] {
        place.loadgen(&[&["run", "s.yaml"], flags].concat()).expect(2);
    }
}

#[test]
fn one_url_can_be_loaded_by_several_workers_too() {
    let place = Place::new("workers-http");
    let target = target();
    let args =
        ["http", &target.url(), "-r", "50/s", "-d", "1s", "--workers", "2", "--no-out", "--format", "json"];
    let result = place.loadgen(&args).expect_load().result();
    assert_eq!(result.workers.len(), 2);
    assert_eq!(result.totals.requests.attempted, target.stats().arrivals);
}
