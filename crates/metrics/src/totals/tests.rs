use proptest::prelude::*;
use units::Nanos;

use super::*;
use crate::fixture::{Event, catalog, events, layout, recorded, sample};
use crate::{DropReason, ErrorClass, IterationOutcome, Moments, Outcome, Period};

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

#[test]
fn views_add_up_steps_of_a_scenario_and_of_a_name() {
    let totals = totals_of(&[
        request(0, MS, Outcome::Succeeded),
        request(1, 2 * MS, Outcome::Succeeded),
        request(2, 3 * MS, Outcome::Failed(ErrorClass::Status)),
    ]);
    let times = |steps: &[usize], outcomes| {
        totals.step_times(StepTime::ResponseTime, steps.iter().copied(), outcomes).moments().sum
            / u128::from(MS)
    };
    assert_eq!(times(&[0, 1], Outcomes::Both), 3, "scenario `browse`");
    assert_eq!(times(&[0, 2], Outcomes::Both), 4, "step name `list`");
    assert_eq!(times(&[0, 2], Outcomes::Failed), 3);
    assert_eq!(times(&[0, 1, 2, 2], Outcomes::Both), 6, "a step named twice counts once");
    assert_eq!(totals.all_steps().requests.attempted, 3);
    assert_eq!(totals.all_step_times(StepTime::FirstByte, Outcomes::Both).count(), 3);
}

#[test]
fn histograms_of_a_step_are_those_that_its_times_are_taken_from() {
    let totals = totals_of(&[
        request(0, MS, Outcome::Succeeded),
        request(0, 2 * MS, Outcome::Failed(ErrorClass::Status)),
        request(0, 3 * MS, Outcome::Failed(ErrorClass::Timeout)),
        request(1, 4 * MS, Outcome::Cancelled),
    ]);
    for outcomes in [Outcomes::Both, Outcomes::Succeeded, Outcomes::Failed] {
        for time in StepTime::ALL {
            let mut moments = Moments::default();
            totals.step_histograms(time, 0, outcomes).for_each(|of| moments.merge(of.moments()));
            assert_eq!(moments, totals.step_times(time, [0], outcomes).moments(), "{time:?} {outcomes:?}");
        }
    }
    let count = |outcomes| -> u64 {
        totals.step_histograms(StepTime::ServiceTime, 0, outcomes).map(|of| of.moments().count).sum()
    };
    assert_eq!((count(Outcomes::Succeeded), count(Outcomes::Failed), count(Outcomes::Both)), (1, 2, 3));
}

#[test]
fn iterations_have_times_by_outcome() {
    let iteration =
        |outcome, time| Event::Iteration { scenario: 1, slot: 1, outcome, time, period: Period::Measured };
    let totals = totals_of(&[
        iteration(IterationOutcome::Succeeded, MS),
        iteration(IterationOutcome::Failed, 2 * MS),
        iteration(IterationOutcome::Cancelled, 3 * MS),
    ]);
    let times = totals.scenario_times(ScenarioTime::IterationResponseTime, [1], Outcomes::Both);
    assert_eq!((times.count(), times.censored()), (3, 1));
    let failed = totals.scenario_times(ScenarioTime::IterationDuration, [1], Outcomes::Failed);
    assert_eq!((failed.count(), failed.min().unwrap().value), (2, Nanos::new(2 * MS)));
    assert_eq!(totals.all_scenario_times(ScenarioTime::DispatchLag, Outcomes::Both).count(), 3);
    assert_eq!(totals.scenarios([0]).iterations.due.count, 0);
}

#[test]
fn a_run_in_which_everything_failed_is_one_in_which_nothing_succeeded() {
    assert!(totals_of(&[]).nothing_succeeded());
    let refused = request(0, MS, Outcome::Failed(ErrorClass::ConnectRefused));
    let warm_up =
        Event::Request { step: 0, sample: sample(0, MS, Outcome::Succeeded), period: Period::WarmUp };
    assert!(totals_of(&[refused.clone(), warm_up]).nothing_succeeded());
    assert!(!totals_of(&[refused, request(1, MS, Outcome::Succeeded)]).nothing_succeeded());
}

#[test]
fn users_of_threads_add_up_before_their_maximum_is_taken() {
    let layout = layout();
    let mut totals = Totals::new(&layout);
    let users = |number, interval, users: usize| {
        let events = vec![Event::Check { check: 0, passed: true }; users];
        recorded(&layout, number, interval, &events)
    };
    for snapshot in [users(0, 1, 5), users(0, 2, 4), users(1, 2, 3), users(1, 1, 1)] {
        totals.add(&snapshot).unwrap();
    }
    assert_eq!(totals.users_max(), 7);
    assert_eq!(totals.latest_gauges().users, 7);
    for interval in 3..=200 {
        totals.add(&users(0, interval, 1)).unwrap();
    }
    assert_eq!(totals.users_max(), 7);
    assert_eq!(totals.gauges.len(), OPEN_GAUGES);
    assert_eq!(totals.intervals(), Some(1..=200));
}

#[test]
fn broken_ledgers_are_named() {
    let layout = layout();
    let mut totals = Totals::new(&layout);
    let dropped = Event::Dropped { scenario: 0, reason: DropReason::QueueFull, slot: 5 };
    let mut snapshot = recorded(&layout, 0, 0, &[dropped, request(2, MS, Outcome::Succeeded)]);
    totals.add(&snapshot).unwrap();
    assert_eq!(totals.broken_ledgers(), []);
    snapshot.scenarios.get_mut(&0).unwrap().iterations.due.count += 1;
    snapshot.steps.get_mut(&2).unwrap().requests.in_flight += 1;
    totals.add(&snapshot).unwrap();
    let names: Vec<_> = totals.broken_ledgers().iter().map(|broken| broken.ledger).collect();
    let iterations = LedgerName::Iterations { scenario: 0, period: Period::Measured };
    assert_eq!(names, [iterations, LedgerName::Requests { step: 2 }]);
}

#[test]
fn slots_of_a_lost_worker_stay_in_the_balance() {
    let mut totals = totals_of(&[]);
    totals.add_unaccounted(1, SlotTally { count: 12, digest: 9 });
    assert_eq!(totals.scenarios([1]).iterations.unaccounted, 12);
    assert_eq!(totals.broken_ledgers(), []);
}

#[test]
fn snapshots_of_another_layout_are_refused_and_change_nothing() {
    let mut other = catalog();
    other.scenarios[0].name.push('x');
    let foreign = recorded(&Arc::new(Layout::new(other)), 0, 0, &[request(0, MS, Outcome::Succeeded)]);
    let mut totals = totals_of(&[]);
    assert!(totals.add(&foreign).is_err());
    assert_eq!(totals.all_steps().requests.attempted, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn adding_snapshots_is_adding_their_merge(
        a in prop::collection::vec(events(), 0..25),
        b in prop::collection::vec(events(), 0..25),
    ) {
        let layout = layout();
        let (a, b) = (recorded(&layout, 0, 0, &a), recorded(&layout, 1, 3, &b));
        let mut apart = TimeStats::new(StepTime::ResponseTime.shape());
        apart.add_steps(&a, &layout, StepTime::ResponseTime).unwrap();
        let mut of_b = TimeStats::new(StepTime::ResponseTime.shape());
        of_b.add_steps(&b, &layout, StepTime::ResponseTime).unwrap();
        apart.add(&of_b);
        let mut one_by_one = Totals::new(&layout);
        one_by_one.add(&b).unwrap();
        one_by_one.add(&a).unwrap();
        let mut merged = a;
        merged.merge(&b).unwrap();
        let mut at_once = Totals::new(&layout);
        at_once.add(&merged).unwrap();
        prop_assert_eq!(one_by_one.all_steps(), at_once.all_steps());
        prop_assert_eq!(apart, at_once.all_step_times(StepTime::ResponseTime, Outcomes::Both));
        prop_assert_eq!(one_by_one.all_scenarios(), at_once.all_scenarios());
        prop_assert_eq!(one_by_one.intervals(), at_once.intervals());
        for time in StepTime::ALL {
            prop_assert_eq!(
                one_by_one.all_step_times(time, Outcomes::Both),
                at_once.all_step_times(time, Outcomes::Both)
            );
        }
        for time in ScenarioTime::ALL {
            prop_assert_eq!(
                one_by_one.all_scenario_times(time, Outcomes::Failed),
                at_once.all_scenario_times(time, Outcomes::Failed)
            );
        }
    }
}
