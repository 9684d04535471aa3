use super::*;
use crate::fixture::{Event, catalog, layout, recorded, sample};
use crate::{DropReason, ErrorClass, IterationOutcome, Outcome, Period};

const MS: u64 = 1_000_000;

fn request(step: usize, time: u64, outcome: Outcome) -> Event {
    Event::Request { step, sample: sample(0, time, outcome), period: Period::Measured }
}

fn totals_of(events: &[Event]) -> Totals {
    let layout = layout();
    let mut totals = Totals::new(&layout);
    totals.add(&recorded(&layout, 0, 0, events)).unwrap();
    totals
}

fn evaluated(totals: &Totals, selector: &str, condition: &str) -> Evaluation {
    Threshold::parse(selector, condition, &catalog()).unwrap().evaluate(totals, Nanos::from_secs(2))
}

/// Checks what was measured, as it prints, and whether the condition held.
#[track_caller]
fn check(totals: &Totals, selector: &str, condition: &str, measured: &str, passed: bool) {
    let evaluation = evaluated(totals, selector, condition);
    assert_eq!(
        evaluation.measured.map(|value| value.to_string()).as_deref(),
        Some(measured),
        "{selector}: {condition}"
    );
    assert_eq!(evaluation.passed, passed, "{selector}: {condition}");
}

#[test]
fn each_metric_measures_what_its_name_says() {
    let iteration = |scenario, outcome| Event::Iteration {
        scenario,
        slot: 1,
        outcome,
        time: 40 * MS,
        period: Period::Measured,
    };
    let totals = totals_of(&[
        request(0, 10 * MS, Outcome::Succeeded),
        request(0, 30 * MS, Outcome::Succeeded),
        request(1, 50 * MS, Outcome::Failed(ErrorClass::Status)),
        request(2, 90 * MS, Outcome::Succeeded),
        iteration(0, IterationOutcome::Succeeded),
        iteration(0, IterationOutcome::Failed),
        iteration(1, IterationOutcome::Cancelled),
        Event::Dropped { scenario: 0, reason: DropReason::NoUser, slot: 2 },
        Event::Check { check: 0, passed: true },
        Event::Check { check: 0, passed: false },
        Event::Check { check: 2, passed: true },
    ]);
    check(&totals, "response_time", "max <= 90ms", "90ms", true);
    check(&totals, "response_time{scenario:browse}", "max < 50ms", "50ms", false);
    check(&totals, "response_time{scenario:browse}", "avg == 30ms", "30ms", true);
    check(&totals, "response_time{outcome:ok,scenario:browse}", "max < 31ms", "30ms", true);
    check(&totals, "response_time{outcome:failed}", "count == 1", "1", true);
    check(&totals, "http_req_waiting{step:order}", "min >= 25ms", "25ms", true);
    check(&totals, "failed", "rate < 25%", "25.00%", false);
    check(&totals, "failed{scenario:search}", "rate < 0.1%", "0.00%", true);
    check(&totals, "failed", "count <= 1", "1", true);
    check(&totals, "checks", "rate > 0.5", "66.67%", true);
    check(&totals, "checks{step:list,scenario:browse}", "rate > 50%", "50.00%", false);
    check(&totals, "iterations", "count == 2", "2", true);
    check(&totals, "iterations{outcome:ok}", "count >= 1", "1", true);
    check(&totals, "cancelled", "count == 0", "1", false);
    check(&totals, "dropped", "count < 1", "1", false);
    check(&totals, "dropped{scenario:search}", "count < 1", "0", true);
    check(&totals, "unsent", "count == 0", "0", true);
    check(&totals, "requests", "rate > 2/s", "2.0/s", false);
    check(&totals, "http_reqs{outcome:ok}", "rate >= 1.5/s", "1.5/s", true);
    check(&totals, "data_sent", "count == 400B", "400 B", true);
    check(&totals, "data_received", "rate > 1.9kB/s", "2.0 KiB/s", true);
    check(&totals, "dispatch_lag", "p(99) < 1ms", "30us", true);
    check(&totals, "iteration_duration", "p(50) < 41ms", "40ms", true);
    check(&totals, "vus", "max <= 11", "11", true);
}

#[test]
fn without_samples_a_threshold_is_not_met() {
    let nothing = totals_of(&[]);
    for (selector, condition) in [
        ("response_time", "p(99) < 1h"),
        ("response_time", "count >= 0"),
        ("failed", "rate < 100%"),
        ("checks", "rate >= 0"),
        ("dropped", "count == 0"),
        ("requests", "count >= 0"),
        ("data_sent", "rate >= 0B/s"),
    ] {
        assert_eq!(
            evaluated(&nothing, selector, condition),
            Evaluation { measured: None, passed: false },
            "{selector}"
        );
    }
    let other_step = totals_of(&[request(0, MS, Outcome::Succeeded)]);
    assert!(!evaluated(&other_step, "response_time{step:order}", "p(99) < 1h").passed);
}

#[test]
fn a_rate_over_no_measured_time_is_no_sample() {
    let totals = totals_of(&[request(0, MS, Outcome::Succeeded)]);
    let threshold = Threshold::parse("requests", "rate < 1/s", &catalog()).unwrap();
    assert_eq!(threshold.evaluate(&totals, Nanos::ZERO), Evaluation { measured: None, passed: false });
}

#[test]
fn a_lower_bound_under_the_limit_does_not_pass_as_below_it() {
    let mut events = vec![request(0, 10 * MS, Outcome::Succeeded); 90];
    events.extend(vec![request(0, 100 * MS, Outcome::Failed(ErrorClass::Timeout)); 10]);
    let totals = totals_of(&events);
    check(&totals, "response_time", "p(90) < 11ms", "10ms", true);
    check(&totals, "response_time", "p(95) < 200ms", "≥100ms", false);
    check(&totals, "response_time", "p(95) <= 200ms", "≥100ms", false);
    check(&totals, "response_time", "p(95) > 99ms", "≥100ms", true);
    check(&totals, "response_time", "p(95) != 99ms", "≥100ms", true);
    check(&totals, "response_time", "p(95) == 100ms", "≥100ms", false);
    check(&totals, "response_time", "p(95) != 200ms", "≥100ms", false);
    check(&totals, "response_time", "avg < 1h", "≥19ms", false);
    check(&totals, "response_time{outcome:ok}", "max < 11ms", "10ms", true);
}

#[test]
fn a_median_that_few_censored_times_can_hardly_move_still_passes() {
    let mut events: Vec<_> =
        (0..1_000).map(|n| request(0, 10 * MS + n * 10_000, Outcome::Succeeded)).collect();
    events.push(request(0, MS, Outcome::Cancelled));
    let totals = totals_of(&events);
    assert!(evaluated(&totals, "response_time", "p(50) < 16ms").passed);
    assert!(!evaluated(&totals, "response_time", "p(100) < 1h").passed);
}

#[test]
fn errors_tell_which_text_is_at_fault() {
    let parse = |selector, condition| Threshold::parse(selector, condition, &catalog()).unwrap_err();
    assert!(matches!(parse("nope", "p(99) < 1s"), ThresholdError::Selector(_)));
    assert!(matches!(parse("failed", "p(99) < 1s"), ThresholdError::Condition(_)));
}

#[test]
fn measured_values_print_with_units_and_four_digits() {
    let print = |value: Value| value.to_string();
    assert_eq!(print(Value::Time(Estimate::exact(Nanos::new(123_456_789)))), "123.5ms");
    assert_eq!(print(Value::Time(Estimate::exact(Nanos::new(64)))), "64ns");
    assert_eq!(print(Value::Time(Estimate { value: Nanos::new(99_999_999), at_most: None })), "≥100ms");
    assert_eq!(print(Value::PerSecond(1234.56)), "1234.6/s");
    assert_eq!(print(Value::BytesPerSecond(2048.0)), "2.0 KiB/s");
}
