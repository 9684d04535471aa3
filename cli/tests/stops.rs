//! Signals: everything together takes at most 5 s, and nothing is lost.

use std::process::Command;
use std::time::Duration;

use api::result::ResultFile;
use rustix::process::Signal;
use target::Target;
use units::{Clock, MonotonicClock, Nanos};

use crate::harness::{
    BINARY, LIMIT, Outcome, Place, Running, WIDE_BOUNDS, pause, scenario, target, wait_until,
};
use crate::rust_tasks;

#[test]
fn a_first_signal_lets_what_is_in_flight_end() {
    let place = Place::new("stop-drain");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/delay/fixed?ms=200", "50/s", "60s"));
    let running = place.start(&["run", "s.yaml", "--quiet", "--out", "r.json"]);
    await_arrivals(&target, 5);
    let (_, result) = stop(running, &place, &[Signal::TERM]);
    let (requests, iterations) = (&result.totals.requests, &result.totals.iterations);
    assert_eq!((requests.cancelled, requests.failed), (0, 0), "{requests:?}");
    assert_eq!(requests.succeeded, target.stats().answered);
    assert!(iterations.unsent.stopped > 0, "{iterations:?}");
    assert_eq!(iterations.due, 3_000);
    assert!(result.verdict.marks.contains(&api::result::Mark::Degraded), "{:?}", result.verdict);
}

#[test]
fn what_does_not_end_in_time_is_cancelled_and_stands_in_the_result_with_its_age() {
    let place = Place::new("stop-cancel");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/delay/fixed?ms=60000", "50/s", "60s"));
    let running = place.start(&["run", "s.yaml", "--quiet", "--out", "r.json"]);
    await_arrivals(&target, 3);
    let (_, result) = stop(running, &place, &[Signal::INT]);
    let requests = &result.totals.requests;
    assert!(requests.cancelled >= 3, "{requests:?}");
    assert_eq!(requests.cancelled, requests.attempted);
    let ages = result.totals.response_time_us.failed.as_ref().unwrap();
    assert_eq!((ages.count, ages.censored), (requests.cancelled, requests.cancelled));
    assert!(ages.min > 0.0);
}

#[test]
fn a_second_signal_cancels_at_once() {
    let place = Place::new("stop-twice");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/delay/fixed?ms=60000", "50/s", "60s"));
    let running = place.start(&["run", "s.yaml", "--quiet", "--out", "r.json"]);
    await_arrivals(&target, 3);
    let (outcome, result) = stop(running, &place, &[Signal::INT, Signal::TERM]);
    assert!(outcome.stderr.contains("cancelling what is in flight"), "{}", outcome.stderr);
    assert!(result.totals.requests.cancelled >= 3);
    assert!(
        result.time.draining_ms < 2_000.0,
        "the two seconds of the first were cut short: {:?}",
        result.time
    );
}

#[test]
fn a_terminal_that_goes_away_ends_the_run_and_keeps_the_result() {
    let place = Place::new("stop-hangup");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "60s"));
    // The tests themselves may run under `nohup`, which the program would obey.
    let mut command = place.command("env");
    command.args(["--default-signal=HUP", BINARY, "run", "s.yaml", "--quiet", "--out", "r.json"]);
    let running = Running::of(command);
    await_arrivals(&target, 5);
    let (outcome, result) = stop(running, &place, &[Signal::HUP]);
    assert_eq!(outcome.code, Some(105));
    assert_eq!(result.totals.requests.succeeded, target.stats().answered);
}

#[test]
fn a_third_signal_leaves_without_a_result() {
    let place = Place::new("stop-thrice");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "60s"));
    // A pipe that nobody reads: writing the result takes forever.
    assert!(Command::new("mkfifo").arg(place.join("pipe")).status().unwrap().success());
    let mut running = place.start(&["run", "s.yaml", "--quiet", "--out", "pipe"]);
    await_arrivals(&target, 1);
    running.signal(Signal::INT);
    running.wait_for_stderr("stopping");
    running.signal(Signal::INT);
    running.wait_for_stderr("cancelling");
    running.wait_for_stderr("VERDICT");
    running.signal(Signal::INT);
    running.wait().expect(105);
}

#[test]
fn a_signal_during_the_preparation_ends_the_run_before_its_first_slot() {
    let place = Place::new("stop-early");
    let port = testkit::ports::silent_port();
    place.write("s.yaml", scenario(&format!("http://{}", port.address()), "/", "50/s", "1s"));
    // The preflight waits for a handshake that nobody answers.
    let running = place.start(&["run", "s.yaml", "--quiet", "--out", "r.json"]);
    running.wait_for_stderr("run configured");
    let (_, result) = stop(running, &place, &[Signal::INT]);
    assert_eq!(result.totals.requests.attempted, 0);
    assert_eq!(result.time.started_at, None);
}

mod bounded {
    #[test]
    #[ignore = "half a minute of stops at random instants; CI runs this short form"]
    fn twenty_stops_at_random_instants_lose_nothing() {
        super::stops_at_random_instants(20);
    }
}

#[test]
#[ignore = "a quarter of an hour of stops at random instants"]
fn five_hundred_stops_at_random_instants_lose_nothing() {
    stops_at_random_instants(500);
}

/// Before the first slot, in the ramp, in the drain, while the result is written: some instants fall behind the end.
fn stops_at_random_instants(count: u64) {
    for n in 0..count {
        let place = Place::new("stops");
        let target = target();
        let file = format!(
            "target: {{ url: \"{}\" }}\nverdict: {{ invalid: {WIDE_BOUNDS} }}\nscenarios:\n  \
             ramp:\n    executor: ramping-arrival-rate\n    start_rate: 10/s\n    \
             stages: [{{ duration: 800ms, target: 400/s }}]\n    steps: [{{ get: /delay/exp?mean_ms=30 }}]\n  \
             native: {{ executor: constant-vus, vus: 3, duration: 800ms, steps: [{{ get: /delay/fixed?ms=7 }}] }}\n  \
             tasks: {{ executor: constant-arrival-rate, rate: 100/s, duration: 800ms, task: life }}\n",
            target.url()
        );
        place.write("s.yaml", file);
        let running = rust_tasks::start(&place, &["run", "s.yaml", "--quiet", "--out", "r.json"]);
        running.wait_for_stderr("run configured");
        pause(Duration::from_micros(draw(n) % 1_100_000));
        let signals = [&[Signal::INT][..], &[Signal::TERM], &[Signal::INT, Signal::TERM]][(n % 3) as usize];
        let (outcome, result) = stop(running, &place, signals);
        books_agree(&result, &target);
        let lives = rust_tasks::Lives::read(&place);
        assert_eq!(lives.teardowns, lives.inits, "stop {n}: {lives:?}\n{}", outcome.stderr);
    }
}

/// Sends signals, one after the other has been noticed, and holds the end against what users are promised. A run that
/// had ended before the signal came has passed.
#[track_caller]
fn stop(mut running: Running, place: &Place, signals: &[Signal]) -> (Outcome, ResultFile) {
    let since = MonotonicClock.now();
    for (i, signal) in signals.iter().enumerate() {
        if i > 0 {
            running.wait_for_stderr_or_end("stopping");
        }
        running.signal(*signal);
    }
    let outcome = running.wait();
    let took = MonotonicClock.now().saturating_since(since);
    assert!(took < Nanos::from_secs(5), "took {took}: {}", outcome.stderr);
    let text =
        std::fs::read_to_string(place.join("r.json")).unwrap_or_else(|error| panic!("{error}: {outcome:#?}"));
    let result = ResultFile::from_json(&text).unwrap();
    assert_eq!(outcome.code, Some(i32::from(result.exit.code)), "{}", outcome.stderr);
    assert!(matches!(outcome.code, Some(105 | 99 | 0)), "{}", outcome.stderr);
    assert!(result.totals.iterations.balanced && result.totals.requests.balanced, "{:#?}", result.totals);
    (outcome, result)
}

/// Requests that we cancelled may or may not have reached the target; all others are counted on both sides.
#[track_caller]
fn books_agree(result: &ResultFile, target: &Target) {
    let tasks = result.scenarios.last().unwrap().requests.attempted;
    let requests = &result.totals.requests;
    let attempted = requests.attempted - tasks;
    let arrivals = target.stats().arrivals;
    assert!(
        (attempted - requests.cancelled..=attempted).contains(&arrivals),
        "attempted {attempted}, of these cancelled {}, but the target counted {arrivals}",
        requests.cancelled
    );
}

#[track_caller]
fn await_arrivals(target: &Target, count: u64) {
    assert!(
        wait_until(LIMIT, || target.stats().arrivals >= count),
        "the target saw {} requests",
        target.stats().arrivals
    );
}

/// The n-th number of a fixed sequence (SplitMix64).
fn draw(n: u64) -> u64 {
    let mut z = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
