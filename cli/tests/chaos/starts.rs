//! Runs over three workers all start.

use super::*;
use crate::harness::Place;

#[test]
#[ignore = "six minutes of starts"]
fn kf_12_two_hundred_runs_over_three_workers_all_start_and_count_what_the_target_counts() {
    starts_with_workers_that_stay(150);
    starts_with_processes_of_their_own(50);
}

mod bounded {
    #[test]
    #[ignore = "half a minute of starts; CI runs this short form"]
    fn kf_12_twenty_runs_over_three_workers_all_start_and_count_what_the_target_counts() {
        super::starts_with_workers_that_stay(15);
        super::starts_with_processes_of_their_own(5);
    }
}

fn starts_with_workers_that_stay(count: u64) {
    let cluster = Cluster::start("chaos-starts", Link::Tls, &[]).with_workers(3);
    let sink = Sink::start();
    cluster.place.write("s.yaml", scenario(&sink.url(), "/", "100/s", "300ms"));
    for n in 0..count {
        let before = sink.count();
        let (outcome, result) = cluster.run("s.yaml", &["--expect-workers", "3"]);
        has_started(outcome, &result, sink.count() - before, n);
    }
}

fn starts_with_processes_of_their_own(count: u64) {
    let place = Place::new("chaos-fresh");
    let sink = Sink::start();
    place.write("s.yaml", scenario(&sink.url(), "/", "100/s", "300ms"));
    for n in 0..count {
        let before = sink.count();
        let (outcome, result) = place.run(&["s.yaml", "--workers", "3"]);
        has_started(outcome, &result, sink.count() - before, n);
    }
}

#[track_caller]
fn has_started(outcome: crate::harness::Outcome, result: &ResultFile, seen: u64, n: u64) {
    let outcome = outcome.expect_load();
    assert_eq!(result.workers.len(), 3, "start {n}: {outcome:#?}");
    assert!(result.workers.iter().all(|worker| worker.complete), "start {n}: {:#?}", result.workers);
    assert_eq!(result.totals.iterations.due, 30, "start {n}: {outcome:#?}");
    assert_eq!(result.totals.requests.attempted, seen, "start {n}: {outcome:#?}");
    assert_eq!(seen + result.totals.iterations.unsent.generator_stall, 30, "start {n}: {outcome:#?}");
}
