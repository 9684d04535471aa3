//! Signals, and ends that do not come by themselves.

use super::*;

/// Brings a run to a state, sends the first signal, and lets the worker say nothing more.
fn sealed_after_a_stop(mut bench: Bench, load_was_ordered: bool) -> SealedRun {
    let budget = bench.spec.limits.stop;
    let stopped_at = bench.now;
    bench.stop(StopMode::Drain);
    bench.pass(budget.drain + budget.after_drain());
    let sealed = bench.sealed();
    assert!(sealed.sealed_at <= stopped_at + budget.drain + budget.after_drain());
    assert_eq!(sealed.stopped_at, Some(stopped_at));
    assert!(matches!(kinds(&sealed)[0], IncidentKind::Stopped { .. }));
    let expected = if load_was_ordered { Some(&SessionEnd::Lost) } else { Some(&SessionEnd::Dismissed) };
    assert_eq!(sealed.sessions[0].end.as_ref(), expected);
    assert_eq!(conditions(&sealed).contains(&Condition::WorkersLost), load_was_ordered);
    sealed
}

#[test]
fn a_signal_ends_a_run_in_time_in_every_state_even_if_the_worker_is_silent() {
    let preparing = Bench::new(&["a"]);
    sealed_after_a_stop(preparing, false);

    let mut once = Bench::of(RunSpec { once: Some("seed".to_owned()), ..spec(&["a"]) });
    once.ready(0);
    sealed_after_a_stop(once, false);

    let mut arming = Bench::new(&["a"]);
    arming.ready(0);
    sealed_after_a_stop(arming, true);

    sealed_after_a_stop(Bench::running(), true);

    let mut draining = Bench::running();
    draining.pass(Nanos::from_secs(3));
    assert_eq!(sealed_after_a_stop(draining, true).cut_at(), None, "the plan was carried out");

    let mut collecting = Bench::running();
    collecting.pass(Nanos::from_secs(7));
    assert_eq!(collecting.stops(), [StopMode::Cancel]);
    sealed_after_a_stop(collecting, true);
}

#[test]
fn a_signal_lets_what_is_in_flight_end() {
    let mut bench = Bench::running();
    bench.measured(0, 0, &[(0, OK), (1, Fate::Cancelled)]);
    bench.stop(StopMode::Drain);
    assert_eq!(bench.stops(), [StopMode::Drain]);
    bench.pass(Nanos::from_millis(400));
    assert!(bench.stops().is_empty());
    bench.ended(0, final_fact(2, 2));
    let sealed = bench.sealed();
    assert_eq!(conditions(&sealed), [Condition::StoppedBySignal]);
    assert_eq!(sealed.cut_at(), Some(Nanos::from_millis(100)));
    assert_eq!(sealed.merged.totals().all_steps().requests.cancelled, 1);
}

#[test]
fn what_is_in_flight_is_cancelled_when_the_drain_takes_too_long() {
    let mut bench = Bench::running();
    bench.stop(StopMode::Drain);
    bench.commands();
    bench.pass(bench.spec.limits.stop.drain);
    assert_eq!(bench.stops(), [StopMode::Cancel]);
}

#[test]
fn a_second_signal_cancels_what_is_in_flight_at_once() {
    let mut bench = Bench::running();
    bench.stop(StopMode::Drain);
    bench.pass(Nanos::from_millis(300));
    bench.stop(StopMode::Cancel);
    assert_eq!(bench.stops(), [StopMode::Drain, StopMode::Cancel]);
    // Whoever is still silent then is not waited for any longer than after the drain's own end.
    bench.pass(bench.spec.limits.stop.after_drain());
    let sealed = bench.sealed();
    let texts: Vec<String> = kinds(&sealed).iter().map(ToString::to_string).collect();
    assert_eq!(texts[0], "a signal stopped the run; what is in flight may end");
    assert_eq!(texts[1], "a second signal cancelled what was in flight");
}

#[test]
fn further_signals_change_nothing() {
    let mut bench = Bench::running();
    for mode in [StopMode::Drain, StopMode::Cancel] {
        bench.stop(mode);
    }
    bench.commands();
    let wake_at = bench.machine.wake_at();
    for mode in [StopMode::Cancel, StopMode::Drain] {
        bench.stop(mode);
    }
    assert!(bench.commands().is_empty());
    assert_eq!(bench.machine.wake_at(), wake_at);
}

#[test]
fn graceful_stop_bounds_the_drain_of_a_natural_end() {
    let mut bench = Bench::running();
    // 2 s of plan, 3 s of grace, and a margin in which the worker cancels by itself.
    bench.pass(Nanos::from_millis(5_899));
    assert!(bench.stops().is_empty());
    bench.pass(Nanos::from_millis(1));
    assert_eq!(bench.stops(), [StopMode::Cancel]);
    bench.pass(bench.spec.limits.collect);
    let sealed = bench.sealed();
    assert!(matches!(kinds(&sealed)[..], [IncidentKind::Lost { .. }]));
}

#[test]
fn who_stops_a_run_is_named() {
    let mut bench = Bench::running();
    bench.input(Input::Stop { mode: StopMode::Drain, by: Actor::new("ci") });
    bench.ended(0, final_fact(0, 0));
    let sealed = bench.sealed();
    assert_eq!(kinds(&sealed)[0].to_string(), "`ci` stopped the run; what is in flight may end");
    assert_eq!(conditions(&sealed), [Condition::StoppedBySignal]);
}
