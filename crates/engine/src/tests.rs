//! The core driven by hand.

use metrics::{DropReason, ErrorClass, IterationOutcome, Outcome, UnsentReason};
use plan::{Course, LoadModel, Op, Overload, Revision, ScenarioId, Stage, UserProfile};
use units::{Clock, Nanos, Rate};

use crate::Lease;
use crate::core::Next;
use bench::*;

mod bench;
mod closed;
mod lease;
mod revised;
mod traced;

#[test]
fn every_slot_starts_at_its_instant() {
    let mut bench = Bench::new(open(1_000, queue(30_000)), vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(3_000);
    let tally = bench.tally();
    assert_eq!(tally.starts, vec![(0, 0); 100]);
    assert_eq!(tally.outcomes, vec![Outcome::Succeeded; 100]);
    bench.assert_balanced_and_over();
}

#[test]
fn late_iterations_keep_their_intended_start() {
    let mut bench = Bench::new(open(1_000, queue(30_000)), vec![GET]);
    bench.run_to(95);
    bench.clock.advance(Nanos::from_millis(55));
    bench.next = bench.core.turn();
    let tally = bench.tally();
    // Slots of 100 ms to 150 ms, all taken up at 150 ms.
    assert_eq!(tally.starts[10..], [(50, 0), (40, 0), (30, 0), (20, 0), (10, 0), (0, 0)]);
}

#[test]
fn a_stall_beyond_the_catch_up_is_counted_and_never_burst() {
    let mut bench = Bench::new(open(1_000, queue(30_000)), vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(95);
    bench.clock.advance(Nanos::from_millis(500));
    bench.next = bench.core.turn();
    bench.run_to(3_000);
    let tally = bench.tally();
    // Due 100 ms to 490 ms at 595 ms: more than 100 ms late.
    assert_eq!(tally.unsent, vec![UnsentReason::GeneratorStall; 40]);
    assert_eq!(tally.starts.len(), 60);
    bench.assert_balanced_and_over();
}

#[test]
fn a_stall_across_the_end_of_the_plan_is_a_stall_and_not_a_stop() {
    // More slots are left than are released in one go before the grace of one second is looked at.
    let load = arrivals(vec![stage(1_000, Rate::from_per_second(1_000))], None, queue(30_000));
    let mut bench = Bench::new(load, vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(500);
    bench.clock.advance(Nanos::from_secs(3));
    bench.next = bench.core.turn();
    bench.run_to(9_000);
    assert_eq!(bench.tally().unsent, vec![UnsentReason::GeneratorStall; 499]);
    bench.assert_balanced_and_over();
}

#[test]
fn users_of_an_open_model_are_the_most_at_once_in_each_interval() {
    let load = arrivals(vec![stage(2_000, Rate::from_per_second(10))], None, queue(30_000));
    let mut bench = Bench::new(load, vec![GET]);
    bench.run_to(550);
    bench.respond();
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(2_500);
    assert_eq!(bench.tally().users, [6, 1]);
}

#[test]
fn a_slot_that_finds_no_user_tells_how_late_we_were() {
    let mut bench = Bench::new(open(1, Overload::Drop), vec![GET]);
    bench.run_to(95);
    bench.clock.advance(Nanos::from_millis(55));
    bench.next = bench.core.turn();
    let late: Vec<u64> = bench.tally().other_lags.iter().map(|lag| lag.as_u64() / 1_000_000).collect();
    // Nine dropped on time, then six in one go.
    assert_eq!(late[9..], [50, 40, 30, 20, 10, 0]);
}

#[test]
fn a_slot_without_a_free_user_waits_and_its_response_time_runs() {
    let mut bench = Bench::new(open(1, queue(30_000)), vec![GET]);
    bench.run_to(25);
    bench.respond();
    bench.respond();
    let tally = bench.tally();
    // Slots of 0, 10 and 20 ms on one user, who is free at 25 ms: the waiting is queue wait, not dispatch lag.
    assert_eq!(tally.starts, [(0, 0), (0, 15), (0, 5)]);
    assert_eq!(tally.response_times, [25, 15]);
}

#[test]
fn a_slot_that_waited_too_long_is_dropped() {
    let mut bench = Bench::new(open(1, queue(35)), vec![GET]);
    bench.run_to(60);
    assert_eq!(bench.tally().dropped, vec![DropReason::QueueTimeout; 2]);
    bench.run_to(900);
    bench.respond();
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.respond();
    bench.run_to(3_000);
    bench.assert_balanced_and_over();
}

#[test]
fn overload_drop_drops_at_once() {
    let mut bench = Bench::new(open(1, Overload::Drop), vec![GET]);
    bench.run_to(25);
    assert_eq!(bench.tally().dropped, vec![DropReason::NoUser; 2]);
}

#[test]
fn think_time_belongs_to_no_request() {
    let mut bench = Bench::new(open(1_000, queue(30_000)), vec![GET, think(200), GET]);
    bench.run_to(3);
    bench.respond();
    bench.run_to(207);
    let first_of_two = bench.tally().samples.len();
    bench.respond();
    let sample = bench.tally().samples[first_of_two..]
        .iter()
        .copied()
        .max_by_key(|sample| sample.times.released_at)
        .unwrap();
    let times = sample.times;
    assert!(times.dispatch_lag() <= Nanos::from_micros(40), "{}", times.dispatch_lag());
    assert!(bench.tally().other_lags.iter().all(|lag| *lag <= Nanos::from_micros(40)));
    assert!(!bench.tally().other_lags.is_empty());
    let second_step = bench.start + Nanos::from_millis(203);
    assert!(bench.tally().samples.iter().any(|sample| sample.times.intended_start == second_step));
}

#[test]
fn what_is_in_flight_after_the_graceful_stop_is_cancelled() {
    let mut bench = Bench::new(open(1_000, queue(30_000)), vec![GET, think(5_000), GET]);
    bench.run_to(500);
    bench.respond();
    bench.run_to(1_999);
    assert!(bench.tally().ended.is_empty());
    bench.run_to(2_100);
    let tally = bench.tally();
    assert_eq!(tally.ended, vec![IterationOutcome::Cancelled; 100]);
    assert_eq!(tally.outcomes.iter().filter(|outcome| **outcome == Outcome::Cancelled).count(), 49);
    bench.assert_balanced_and_over();
}

#[test]
fn a_drain_accounts_for_every_slot_that_was_planned() {
    let mut bench = Bench::new(open(2, queue(30_000)), vec![GET]);
    bench.run_to(495);
    let until = bench.clock.now() + Nanos::from_millis(200);
    bench.core.drain(until);
    bench.next = bench.core.turn();
    bench.run_to(800);
    let tally = bench.tally();
    assert_eq!(tally.due, 100);
    assert_eq!(tally.unsent, vec![UnsentReason::Stopped; 98]);
    assert_eq!(tally.ended, vec![IterationOutcome::Cancelled; 2]);
    bench.assert_balanced_and_over();
}

#[test]
fn a_long_schedule_that_is_stopped_is_counted_to_its_end() {
    let load = arrivals(vec![stage(3_600_000, Rate::from_per_second(1_000))], None, queue(1));
    let mut bench = Bench::new(load, vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(10);
    bench.core.drain(bench.clock.now());
    bench.next = bench.core.turn();
    let tally = bench.tally();
    assert!(tally.stopped > 0, "the schedule is longer than what is listed");
    assert_eq!(tally.due + tally.stopped, 3_600_000);
    bench.assert_balanced_and_over();
}

#[test]
fn a_target_that_answers_at_once_does_not_keep_the_thread_from_its_schedule() {
    let mut bench = Bench::new(users(1), vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Failed(ErrorClass::NoFileHandle));
    // Would not return if iterations without duration were started from within each other.
    bench.run_to(5);
    assert!(bench.tally().starts.len() > 10);
    assert_ne!(bench.next, Next::Over);
}

#[test]
fn the_protocols_timer_ends_a_call() {
    let mut bench = Bench::new(open(1_000, queue(30_000)), vec![GET]);
    bench.script.0.borrow_mut().timer = Some(Nanos::from_millis(40));
    bench.run_to(3_000);
    let tally = bench.tally();
    assert_eq!(tally.outcomes, vec![Outcome::Failed(ErrorClass::Timeout); 100]);
    assert!(tally.response_times.iter().all(|millis| *millis == 40));
    bench.assert_balanced_and_over();
}

#[test]
fn warm_up_is_told_from_what_is_measured() {
    let rate = Rate::from_per_second(100);
    let warm = Stage { measured: false, ..stage(300, rate) };
    let load = arrivals(vec![warm, stage(700, rate)], None, Overload::Drop);
    let mut bench = Bench::new(load, vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(3_000);
    assert_eq!((bench.tally().due, bench.tally().warm_up), (100, 30));
}

#[test]
fn intervals_end_with_the_seconds_of_the_run() {
    let load = arrivals(vec![stage(3_500, Rate::from_per_second(10))], None, Overload::Drop);
    let mut bench = Bench::new(load, vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(4_000);
    assert_eq!(bench.tally().rotated, [0, 1, 2]);
    assert_eq!(bench.tally().users, [1, 1, 1], "gone at once, and yet one at a time");
    // What is due at a full second belongs to the second that begins with it.
    assert_eq!(bench.tally().due_by_then, [10, 20, 30]);
    let Bench { core, tally, .. } = bench;
    core.finish();
    assert_eq!(tally.0.borrow().finished, Some(4));
}
