//! Signals, and ends that do not come by themselves.

use super::*;

/// Brings a run to a state, sends the first signal, and lets the worker say nothing more.
fn sealed_after_a_stop(mut bench: Bench, load_was_ordered: bool) -> SealedRun {
    let budget = bench.spec.limits.stop;
    let stopped_at = bench.now;
    bench.input(Input::Stop);
    bench.pass(budget.drain + budget.after_drain());
    let sealed = bench.sealed();
    assert!(sealed.sealed_at <= stopped_at + budget.drain + budget.after_drain());
    assert_eq!(sealed.stopped_at, Some(stopped_at));
    assert!(matches!(kinds(&sealed)[0], IncidentKind::Stopped));
    let expected = if load_was_ordered { Some(&SessionEnd::Lost) } else { Some(&SessionEnd::Dismissed) };
    assert_eq!(sealed.sessions[0].end.as_ref(), expected);
    assert_eq!(conditions(&sealed).contains(&Condition::InternalError), load_was_ordered);
    sealed
}

#[test]
fn a_signal_ends_a_run_in_time_in_every_state_even_if_the_worker_is_silent() {
    let created = Bench::new(&["a"]);
    sealed_after_a_stop(created, false);

    let mut preparing = Bench::new(&["a"]);
    preparing.fact(0, FactBody::Joined(Box::new(info())));
    sealed_after_a_stop(preparing, false);

    let mut arming = Bench::new(&["a"]);
    arming.fact(0, FactBody::Joined(Box::new(info())));
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
    bench.input(Input::Stop);
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
    bench.input(Input::Stop);
    bench.commands();
    bench.pass(bench.spec.limits.stop.drain);
    assert_eq!(bench.stops(), [StopMode::Cancel]);
}

#[test]
fn a_second_signal_cancels_what_is_in_flight_at_once() {
    let mut bench = Bench::running();
    bench.input(Input::Stop);
    bench.pass(Nanos::from_millis(300));
    bench.input(Input::Stop);
    assert_eq!(bench.stops(), [StopMode::Drain, StopMode::Cancel]);
    // Whoever is still silent then is not waited for any longer than after the drain's own end.
    bench.pass(bench.spec.limits.stop.after_drain());
    let sealed = bench.sealed();
    assert_eq!(kinds(&sealed)[..2], [&IncidentKind::Stopped, &IncidentKind::Cancelled]);
}

#[test]
fn further_signals_change_nothing() {
    let mut bench = Bench::running();
    for _ in 0..2 {
        bench.input(Input::Stop);
    }
    bench.commands();
    let wake_at = bench.machine.wake_at();
    bench.input(Input::Stop);
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
