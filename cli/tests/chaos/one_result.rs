//! Distinct tasks over three workers make one result, under one ID wherever the run is named.

use rustix::process::Signal;

use super::*;
use crate::harness::{Outcome, WIDE_BOUNDS, target};

#[test]
#[ignore = "two minutes at 10,000/s; only a quiet machine and a release build say something"]
fn three_workers_at_10000_a_second_for_two_minutes_make_one_result() {
    one_result(10_000, 120);
}

mod bounded {
    #[test]
    #[ignore = "some seconds of load; CI runs this short form"]
    fn three_workers_at_500_a_second_make_one_result() {
        super::one_result(500, 4);
    }
}

/// Runs three scenarios with tasks of their own at `rate` in all.
fn one_result(rate: u64, seconds: u64) {
    let cluster = Cluster::start("chaos-one", Link::Tls, &[]).with_workers(3);
    let target = target();
    let tasks =
        [("browse", "/products", rate / 2), ("look", "/bytes/100", rate / 4), ("front", "/", rate / 4)];
    let scenarios = tasks.map(|(name, path, rate)| {
        format!(
            "  {name}:\n    executor: constant-arrival-rate\n    rate: {rate}/s\n    duration: {seconds}s\n    \
             steps: [{{ get: {path} }}]\n"
        )
    });
    let (url, scenarios) = (target.url(), scenarios.concat());
    let file = format!(
        "target: {{ url: \"{url}\" }}\nverdict: {{ invalid: {WIDE_BOUNDS} }}\nscenarios:\n{scenarios}"
    );
    cluster.place.write("s.yaml", file);
    let running = cluster.begin_run("s.yaml", &["--expect-workers", "3"]);
    let outcome = running.wait_within(LIMIT + Duration::from_secs(seconds)).expect_load();
    let result = outcome.result();
    let stats = target.stats();
    assert!(result.totals.iterations.balanced && result.totals.requests.balanced, "{:#?}", result.totals);
    assert_eq!(result.totals.iterations.due, rate * seconds);
    assert_eq!(result.totals.requests.attempted, stats.arrivals);
    for (scenario, (name, path, rate)) in result.scenarios.iter().zip(tasks) {
        let started = scenario.iterations.started;
        assert_eq!((&*scenario.name, started), (name, stats.arrivals_on(path)));
        assert_eq!(started + scenario.iterations.unsent.generator_stall, rate * seconds);
    }
    let skews: Vec<_> = result.workers.iter().map(|worker| worker.start_offset_us.unwrap()).collect();
    let errors: Vec<_> = result.workers.iter().map(|worker| worker.clock_error_us.unwrap()).collect();
    println!(
        "{} of {} slots, {} at the target; start skew {skews:.0?} µs, ± {errors:.0?}; lag {:?}",
        result.totals.requests.attempted,
        result.totals.iterations.due,
        stats.arrivals,
        result.totals.dispatch_lag_us.as_ref().map(|lag| (lag.p50, lag.p99, lag.max))
    );
    // One ID: with who submitted, the controller, and every worker.
    let run = &result.identity.run_id;
    let named = |what: &str, outcome: &Outcome| {
        let label = &run[28..];
        assert!(outcome.stderr.contains(label), "{what} did not name {label}: {}", outcome.stderr);
    };
    named("the command line", &outcome);
    let Cluster { mut controller, workers, .. } = cluster;
    for (number, mut worker) in (1..).zip(workers) {
        worker.signal(Signal::TERM);
        named(&format!("w{number}"), &worker.wait());
    }
    controller.signal(Signal::TERM);
    named("the controller", &controller.wait());
}
