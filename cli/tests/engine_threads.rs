//! The number of engine threads changes who sends a slot, not which slots there are.

use api::result::{ResultFile, ScenarioResult};

use crate::harness::{Place, WIDE_BOUNDS, target};

const OPEN: &str = "
  even: { executor: constant-arrival-rate, rate: 300/s, warm_up: 300ms, duration: 700ms, steps: [{ get: / }] }
  random: { executor: constant-arrival-rate, rate: 150/s, duration: 1s, arrivals: poisson, steps: [{ get: / }] }
  ramp:
    executor: ramping-arrival-rate
    start_rate: 0/s
    stages: [{ duration: 1s, target: 250/s }]
    steps: [{ get: / }]
";

/// Runs `scenarios` on so many threads; the target counted what is reported.
#[track_caller]
fn on_threads(scenarios: &str, threads: u32) -> ResultFile {
    let place = Place::new("threads");
    let target = target();
    let (url, bounds) = (target.url(), WIDE_BOUNDS);
    let file = format!(
        "target: {{ url: \"{url}\" }}\nseed: 11\nverdict: {{ invalid: {bounds} }}\nscenarios:{scenarios}"
    );
    place.write("s.yaml", file);
    let (outcome, result) = place.run(&["s.yaml", "--threads", &threads.to_string()]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(result.workers[0].threads, threads);
    let warm_up = result.totals.warm_up.map_or(0, |warm_up| warm_up.requests.attempted);
    assert_eq!(result.totals.requests.attempted + warm_up, target.stats().arrivals);
    result
}

#[test]
fn every_number_of_threads_sends_the_same_slots() {
    let results = [1, 2, 3].map(|threads| on_threads(OPEN, threads));
    let planned = |result: &ResultFile| -> Vec<(u64, u64)> {
        let due = |scenario: &ScenarioResult| {
            let warm_up = scenario.warm_up.map_or(0, |warm_up| warm_up.iterations.due);
            (scenario.iterations.due + warm_up, scenario.rate.unwrap().planned)
        };
        result.scenarios.iter().map(due).collect()
    };
    let [one, others @ ..] = &results;
    let counts = planned(one);
    assert_eq!((counts[0], counts[2]), ((300, 210), (125, 125)));
    assert_eq!(counts[1].0, counts[1].1, "random arrivals are part of the plan");
    for other in others {
        assert_eq!(planned(other), counts);
        assert_eq!(other.identity.plan_hash, one.identity.plan_hash);
        assert_eq!(other.identity.slots_digest.due, one.identity.slots_digest.due);
    }
}

#[test]
fn a_quota_is_done_once_by_all_threads_together() {
    let quota = "\n  quota: { executor: shared-iterations, vus: 7, iterations: 101, steps: [{ get: / }] }\n";
    for threads in [1, 2, 3] {
        let iterations = on_threads(quota, threads).totals.iterations;
        assert_eq!((iterations.due, iterations.succeeded), (101, 101), "{threads} threads");
    }
}
