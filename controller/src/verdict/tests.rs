use proptest::prelude::*;

use super::*;

/// A run with nothing to complain about.
fn sound() -> Observations {
    Observations {
        started: true,
        succeeded: true,
        dispatch_lag_p99: Some(Nanos::from_micros(80)),
        due: 10_000,
        attempted: 10_000,
        ..Observations::default()
    }
}

fn judged(seen: &Observations) -> Verdict {
    judge(seen, &VerdictBounds::default())
}

fn conditions_of(seen: &Observations) -> Vec<Condition> {
    conditions(seen, &judged(seen)).collect()
}

#[test]
fn a_sound_run_passes_with_all_evidence_held() {
    let verdict = judged(&sound());
    assert_eq!(verdict.outcome, VerdictOutcome::Passed);
    assert!(verdict.marks.is_empty() && verdict.reasons.is_empty());
    assert!(verdict.evidence.iter().all(|evidence| evidence.held));
    assert!(conditions_of(&sound()).is_empty());
}

/// Every bound: how to reach a value of it, the default limit, and what happens above.
#[test]
fn every_bound_holds_at_its_limit_and_not_above() {
    type Set = fn(&mut Observations, u64);
    // Each is set in millionths of a second or of the whole.
    let bounds: [(&str, Severity, Set, u64); 8] = [
        (
            "dispatch lag p99",
            Severity::Invalid,
            |seen, us| seen.dispatch_lag_p99 = Some(Nanos::from_micros(us)),
            20_000,
        ),
        ("slots missed by a generator stall", Severity::Invalid, |seen, part| stall(seen, part), 5_000),
        (
            "requests failed by the generator's own fault",
            Severity::Invalid,
            |seen, part| own_faults(seen, part),
            1_000,
        ),
        (
            "time throttled by a CPU quota",
            Severity::Invalid,
            |seen, part| seen.throttled = millionths(part),
            50_000,
        ),
        (
            "dispatch lag p99",
            Severity::Suspect,
            |seen, us| seen.dispatch_lag_p99 = Some(Nanos::from_micros(us)),
            1_000,
        ),
        (
            "time the generator stood still",
            Severity::Invalid,
            |seen, part| seen.stood_still = millionths(part),
            5_000,
        ),
        (
            "busiest engine thread in a closed model",
            Severity::Suspect,
            |seen, part| busy(seen, part),
            950_000,
        ),
        ("step of the wall clock", Severity::Suspect, |seen, us| seen.clock_step = Nanos::from_micros(us), 0),
    ];
    for (what, severity, set, limit) in bounds {
        let find = |verdict: &Verdict| {
            let evidence = verdict.evidence.iter().find(|e| e.bound == what && e.severity == severity);
            evidence.unwrap_or_else(|| panic!("{what} is looked at")).clone()
        };
        let mut seen = sound();
        set(&mut seen, limit);
        let at_limit = judged(&seen);
        assert!(find(&at_limit).held, "{what} at its limit");
        assert_ne!(at_limit.outcome, VerdictOutcome::Invalid, "{what} at its limit");

        set(&mut seen, limit + 1);
        let above = judged(&seen);
        let evidence = find(&above);
        assert!(!evidence.held, "{what} above its limit");
        assert!(evidence.measured > evidence.limit, "{what}");
        let marked = above.marks.contains(&Mark::Suspect);
        match severity {
            Severity::Invalid => assert_eq!(above.outcome, VerdictOutcome::Invalid, "{what}"),
            Severity::Suspect => assert!(marked && above.outcome == VerdictOutcome::Passed, "{what}"),
        }
        let reason = above.reasons.iter().find(|reason| reason.starts_with(what)).unwrap();
        assert!(reason.contains(&evidence.advice), "{reason}");
        if let Some(key) = &evidence.key {
            assert!(reason.contains(key.as_str()), "{reason}");
        }
    }
}

fn millionths(part: u64) -> Ratio {
    Ratio::of(part, 1_000_000)
}

fn stall(seen: &mut Observations, part: u64) {
    (seen.generator_stall, seen.due) = (part, 1_000_000);
}

fn own_faults(seen: &mut Observations, part: u64) {
    (seen.own_faults, seen.attempted) = (part, 1_000_000);
}

fn busy(seen: &mut Observations, part: u64) {
    (seen.closed_model, seen.busiest_thread) = (true, millionths(part));
}

#[test]
fn a_starved_generator_is_told_with_bound_value_and_key() {
    let seen = Observations { dispatch_lag_p99: Some(Nanos::from_micros(31_456)), ..sound() };
    let verdict = judged(&seen);
    assert_eq!(verdict.outcome, VerdictOutcome::Invalid);
    assert_eq!(
        verdict.reasons[0],
        "dispatch lag p99: 31.5ms is above 20ms, `verdict.invalid.dispatch_lag_p99`; \
         lower `rate` or `vus`, raise `--threads`, or give the generator more CPU time"
    );
    assert_eq!(conditions_of(&seen), [Condition::MeasurementInvalid]);
}

#[test]
fn bounds_of_the_workload_are_obeyed() {
    let mut bounds = VerdictBounds::default();
    bounds.invalid.dispatch_lag_p99 = Nanos::from_micros(50);
    assert_eq!(judge(&sound(), &bounds).outcome, VerdictOutcome::Invalid);
    bounds.invalid.dispatch_lag_p99 = Nanos::from_micros(80);
    assert_eq!(judge(&sound(), &bounds).outcome, VerdictOutcome::Passed);
}

#[test]
fn a_busy_thread_says_nothing_against_an_open_model() {
    let seen = Observations { busiest_thread: Ratio::new(1.0), ..sound() };
    assert_eq!(judged(&seen).marks, []);
}

#[test]
fn a_run_in_which_nothing_succeeded_is_failed_without_any_threshold() {
    let seen = Observations { succeeded: false, ..sound() };
    assert_eq!(judged(&seen).outcome, VerdictOutcome::Failed);
    assert_eq!(judged(&seen).reasons, ["nothing succeeded"]);
    assert_eq!(conditions_of(&seen), [Condition::NothingSucceeded]);
}

#[test]
fn a_run_that_never_started_is_failed_and_nothing_is_measured_of_it() {
    let seen = Observations { started: false, succeeded: false, ..Observations::default() };
    let verdict = judged(&seen);
    assert_eq!((verdict.outcome, verdict.evidence.len()), (VerdictOutcome::Failed, 0));
    assert_eq!(verdict.reasons, ["no load was started"]);
    assert!(conditions_of(&seen).is_empty(), "why it never started has a condition of its own");
}

#[test]
fn a_broken_ledger_makes_the_measurement_invalid() {
    let seen = Observations { broken_ledgers: vec!["one slot is missing".to_owned()], ..sound() };
    let verdict = judged(&seen);
    assert_eq!(verdict.outcome, VerdictOutcome::Invalid);
    assert!(verdict.reasons.contains(&"the books do not balance: one slot is missing".to_owned()));
}

#[test]
fn quantities_print_with_three_figures() {
    let check = |value: Value, text: &str| assert_eq!(value.to_string(), text);
    check(Value::Time(Nanos::from_micros(31_456)), "31.5ms");
    check(Value::Time(Nanos::new(999_999)), "1000us");
    check(Value::Time(Nanos::from_millis(12_345)), "12345ms");
    check(Value::Time(Nanos::ZERO), "0us");
    check(Value::Part(Ratio::new(0.005)), "0.5%");
    check(Value::Part(Ratio::new(0.123_45)), "12.3%");
    check(Value::Count(2), "2");
}

proptest! {
    /// The whole truth table: which flags decide outcome, marks and conditions.
    #[test]
    fn outcome_marks_and_conditions_follow_from_what_was_seen(
        succeeded: bool,
        invalid: bool,
        suspect: bool,
        broken: bool,
        faulty: bool,
        missed: bool,
        stopped: bool,
    ) {
        let lag = if invalid { 25 } else if suspect { 5 } else { 0 };
        let line = |held: bool| if held { vec!["why".to_owned()] } else { Vec::new() };
        let seen = Observations {
            succeeded,
            dispatch_lag_p99: Some(Nanos::from_millis(lag)),
            broken_ledgers: line(broken),
            faults: line(faulty),
            failed_thresholds: line(missed),
            stopped,
            ..sound()
        };
        let verdict = judged(&seen);
        let is_invalid = invalid || broken || faulty;
        let expected = match (is_invalid, succeeded && !missed) {
            (true, _) => VerdictOutcome::Invalid,
            (false, true) => VerdictOutcome::Passed,
            (false, false) => VerdictOutcome::Failed,
        };
        prop_assert_eq!(verdict.outcome, expected);
        prop_assert_eq!(verdict.marks.contains(&Mark::Suspect), invalid || suspect);
        prop_assert_eq!(verdict.marks.contains(&Mark::Degraded), stopped || faulty);
        prop_assert_eq!(verdict.reasons.is_empty(), expected == VerdictOutcome::Passed && !suspect);
        let held = conditions_of(&seen);
        for (condition, expected) in [
            (Condition::MeasurementInvalid, is_invalid),
            (Condition::NothingSucceeded, !succeeded),
            (Condition::ThresholdFailed, missed),
            (Condition::StoppedBySignal, stopped),
        ] {
            prop_assert_eq!(held.contains(&condition), expected, "{:?}", condition);
        }
    }
}

#[test]
fn lost_telemetry_makes_no_measurement_worse_and_is_told_last() {
    let lost = vec!["telemetry: 5 of 10 spans of `local` may be missing".to_owned()];
    let seen = Observations { lost_telemetry: lost.clone(), ..sound() };
    let verdict = judged(&seen);
    assert_eq!((verdict.outcome, &verdict.marks[..]), (VerdictOutcome::Passed, &[][..]));
    assert_eq!(verdict.reasons, lost);
    let held: api::Conditions = conditions_of(&seen).into_iter().collect();
    assert_eq!(held.exit_code().code(), 115);

    // Whatever else held comes first, and this still stands in the list.
    let worse = [
        Observations { failed_thresholds: vec!["too slow".to_owned()], ..seen.clone() },
        Observations { degraded: vec!["a worker was lost".to_owned()], ..seen.clone() },
        Observations { stopped: true, ..seen.clone() },
        Observations { succeeded: false, ..seen.clone() },
        Observations { broken_ledgers: vec!["requests".to_owned()], ..seen },
    ];
    for (worse, code) in worse.iter().zip([99, 114, 105, 99, 113]) {
        let held: api::Conditions = conditions_of(worse).into_iter().collect();
        assert_eq!(held.exit_code().code(), code, "{worse:?}");
        assert!(held.contains(Condition::TelemetryLost));
        assert_eq!(judged(worse).reasons.last(), lost.last());
    }
}
