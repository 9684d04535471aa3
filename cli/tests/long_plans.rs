//! Plans far longer than anybody waits for: what a stop leaves of them is counted, and costs no time.

use api::result::ResultFile;
use rustix::process::Signal;
use units::{Clock, MonotonicClock, Nanos};

use crate::harness::{LIMIT, Place, WIDE_BOUNDS, scenario, target, wait_until};

/// Runs `file` until the target saw some requests, stops it, and holds it against what users are promised.
#[track_caller]
fn stopped(name: &str, file: impl FnOnce(&str) -> String, arrivals: u64) -> ResultFile {
    let place = Place::new(name);
    let target = target();
    place.write("s.yaml", file(&target.url()));
    let mut running = place.start(&["run", "s.yaml", "--quiet", "--out", "r.json"]);
    assert!(wait_until(LIMIT, || target.stats().arrivals >= arrivals));
    let since = MonotonicClock.now();
    running.signal(Signal::INT);
    let outcome = running.wait().expect(105);
    let took = MonotonicClock.now().saturating_since(since);
    assert!(took < Nanos::from_secs(5), "took {took}: {}", outcome.stderr);

    let result = ResultFile::from_json(&std::fs::read_to_string(place.join("r.json")).unwrap()).unwrap();
    let totals = &result.totals;
    assert!(totals.iterations.balanced && totals.requests.balanced, "{totals:#?}");
    let reasons = &result.verdict.reasons;
    assert!(!reasons.iter().any(|reason| reason.contains("do not balance")), "{reasons:?}");
    assert!(
        (totals.requests.attempted - totals.requests.cancelled..=totals.requests.attempted)
            .contains(&target.stats().arrivals)
    );
    result
}

#[test]
fn a_plan_of_36_million_slots_is_stopped_with_every_one_accounted_for() {
    let result = stopped("long-one", |url| scenario(url, "/", "1000/s", "10h"), 500);
    let iterations = &result.totals.iterations;
    assert_eq!(iterations.due, 36_000_000, "all that was planned");
    assert_eq!(iterations.started + iterations.dropped.total() + iterations.unsent.total(), 36_000_000);
    assert!(iterations.unsent.stopped > 30_000_000, "{iterations:?}");
    let rate = result.scenarios[0].rate.unwrap();
    assert!(rate.planned < 36_000_000, "the rate is held against the plan up to the stop: {rate:?}");
}

#[test]
fn many_long_scenarios_are_stopped_in_the_time_of_one() {
    let each = |name: &str, load: &str| format!("  {name}: {{ {load}, steps: [{{ get: / }}] }}\n");
    let file = |url: &str| {
        let ramp =
            "executor: ramping-arrival-rate, start_rate: 1/s, stages: [{ duration: 5h, target: 2000/s }]";
        let scenarios = [
            each("even", "executor: constant-arrival-rate, rate: 1000/s, duration: 10h"),
            each("random", "executor: constant-arrival-rate, rate: 1000/s, arrivals: poisson, duration: 1h"),
            each("ramp", ramp),
            each("quota", "executor: shared-iterations, vus: 1, iterations: 1000000000, max_duration: 24h"),
        ];
        let scenarios = scenarios.concat();
        format!(
            "target: {{ url: \"{url}\" }}\nverdict: {{ invalid: {WIDE_BOUNDS} }}\nscenarios:\n{scenarios}"
        )
    };
    let result = stopped("long-many", file, 500);
    let due: Vec<u64> = result.scenarios.iter().map(|scenario| scenario.iterations.due).collect();
    // A ramp is a line: 5 h from 1/s to 2,000/s.
    assert_eq!((due[0], due[2], due[3]), (36_000_000, 18_009_000, 1_000_000_000));
    assert!(due[1].abs_diff(3_600_000) < 20_000, "{due:?}");
}
