//! The end of the lease: nothing new from then on, and nothing booked that is no longer ours.

use super::*;
use crate::LeaseKeeper;

/// A thread whose lease ends so many milliseconds after its start, unless it is renewed.
fn leased(load: LoadModel, ops: Vec<Op>, millis: u64) -> (Bench, LeaseKeeper) {
    let deadline = NOW + Nanos::from_millis(10 + millis);
    let (keeper, lease) = Lease::until(deadline);
    (Bench::of(plan(load, ops), Part { lease, ..Part::default() }), keeper)
}

fn hundred() -> LoadModel {
    open(1_000, queue(30_000))
}

fn left_at(bench: &Bench) -> Option<u64> {
    bench.core.left_at.map(|left| left.as_u64() / 1_000_000)
}

#[test]
fn nothing_is_sent_or_booked_after_the_lease() {
    let (mut bench, _keeper) = leased(hundred(), vec![GET], 400);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(9_000);
    let tally = bench.tally();
    // Slots of 0 to 390 ms; the one of 400 ms is not ours.
    assert_eq!((tally.due, tally.attempted, tally.stopped, tally.unsent.len()), (40, 40, 0, 0));
    assert_eq!(left_at(&bench), Some(400));
    bench.assert_balanced_and_over();
}

#[test]
fn a_lease_that_is_renewed_goes_on() {
    let (mut bench, mut keeper) = leased(hundred(), vec![GET], 400);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(300);
    assert!(keeper.renew(bench.clock.now(), bench.start + Nanos::from_secs(9)));
    bench.run_to(9_000);
    assert_eq!((bench.tally().due, left_at(&bench)), (100, None));
    bench.assert_balanced_and_over();
}

#[test]
fn one_who_was_stopped_beyond_its_lease_wakes_to_nothing_new() {
    for millis in [100, 105, 150, 500, 5_000] {
        let (mut bench, _keeper) = leased(hundred(), vec![GET, GET], 100);
        bench.run_to(95);
        let before = bench.tally();
        assert_eq!((before.due, before.attempted), (10, 10));
        // Asleep from 95 ms on; the ten requests in flight are answered when it wakes.
        bench.clock.advance_to(bench.start + Nanos::from_millis(millis));
        bench.respond();
        bench.run_to(9_000);
        let tally = bench.tally();
        assert_eq!((tally.due, tally.attempted), (10, 10), "after {millis} ms");
        assert_eq!(tally.ended, vec![IterationOutcome::Cancelled; 10]);
        assert_eq!(tally.outcomes, vec![Outcome::Succeeded; 10]);
        assert_eq!(left_at(&bench), Some(100), "since then it carried nothing, whenever it woke");
        bench.assert_balanced_and_over();
    }
}

#[test]
fn what_waits_for_a_user_when_the_lease_ends_is_told_apart() {
    let (mut bench, mut keeper) = leased(open(1, queue(30_000)), vec![GET], 9_000);
    bench.run_to(45);
    assert_eq!(bench.tally().due, 5);
    keeper.end(bench.clock.now());
    bench.respond();
    bench.run_to(9_000);
    let tally = bench.tally();
    assert_eq!(tally.unsent, [UnsentReason::LeaseEnded; 4]);
    assert_eq!((tally.attempted, left_at(&bench)), (1, Some(45)));
    bench.assert_balanced_and_over();
}

#[test]
fn closed_users_and_quotas_stop_with_the_lease() {
    let quota = LoadModel::SharedIterations { vus: 2, iterations: 1_000, max_duration: Nanos::from_secs(60) };
    for load in [users(2), quota] {
        let (mut bench, _keeper) = leased(load, vec![GET, think(30), GET], 100);
        bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
        bench.run_to(9_000);
        let tally = bench.tally();
        // Rounds of 30 ms from 0 on; in the fourth the second request would come too late.
        let cancelled = tally.ended.iter().filter(|outcome| **outcome == IterationOutcome::Cancelled).count();
        assert_eq!((tally.due, cancelled, tally.attempted), (8, 2, 14));
        assert_eq!((tally.stopped, tally.unsent.len()), (0, 0));
        bench.assert_balanced_and_over();
    }
}

#[test]
fn what_is_in_flight_may_end_but_not_for_ever() {
    let load = arrivals(vec![stage(9_000, Rate::from_per_second(100))], None, queue(30_000));
    let (mut bench, _keeper) = leased(load, vec![GET], 100);
    bench.run_to(2_090);
    assert_ne!(bench.next, Next::Over);
    bench.run_to(2_200);
    assert_eq!(bench.tally().outcomes, vec![Outcome::Cancelled; 10]);
    bench.assert_balanced_and_over();
}

#[test]
fn one_who_leaves_books_nothing_of_what_is_left() {
    let mut bench = Bench::new(hundred(), vec![GET, GET]);
    bench.run_to(95);
    bench.core.leave(bench.clock.now() + Nanos::from_millis(500));
    bench.next = bench.core.turn();
    // Its lease goes on, so what is in flight may send the rest of its requests.
    bench.respond();
    bench.respond();
    bench.run_to(9_000);
    let tally = bench.tally();
    assert_eq!((tally.due, tally.stopped, tally.unsent.len(), tally.attempted), (10, 0, 0, 20));
    assert_eq!(left_at(&bench), Some(95));
    bench.assert_balanced_and_over();
}

#[test]
fn a_stop_after_the_lease_books_nothing_either() {
    let (mut bench, _keeper) = leased(hundred(), vec![GET], 200);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(195);
    bench.clock.advance_to(bench.start + Nanos::from_millis(600));
    bench.core.drain(bench.clock.now());
    bench.next = bench.core.turn();
    bench.run_to(9_000);
    assert_eq!((bench.tally().due, bench.tally().stopped, left_at(&bench)), (20, 0, Some(200)));
    bench.assert_balanced_and_over();
}

#[test]
fn one_whose_part_was_over_has_not_left() {
    let (mut bench, mut keeper) = leased(hundred(), vec![GET], 9_000);
    bench.run_to(1_500);
    keeper.end(bench.clock.now());
    bench.respond();
    bench.run_to(9_000);
    assert_eq!((bench.tally().due, left_at(&bench)), (100, None));
    bench.assert_balanced_and_over();

    let mut bench = Bench::new(hundred(), vec![GET]);
    bench.run_to(95);
    bench.core.drain(bench.clock.now());
    bench.core.leave(bench.clock.now());
    assert_eq!(left_at(&bench), None, "it was stopped before");
}

#[test]
fn a_user_whose_turn_comes_after_the_lease_starts_nothing() {
    let profile = UserProfile::new(vec![stage(150, 1), stage(850, 2)]).unwrap();
    let (mut bench, _keeper) = leased(LoadModel::VirtualUsers { profile }, vec![GET], 100);
    bench.run_to(9_000);
    assert_eq!((bench.tally().due, bench.tally().attempted), (1, 1));
    bench.assert_balanced_and_over();
}
