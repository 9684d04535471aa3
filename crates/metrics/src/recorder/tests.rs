use std::thread;

use proptest::prelude::*;
use units::Nanos;

use super::*;
use crate::fixture::{catalog, events, layout, recorded, sample};
use crate::{Catalog, CatalogScenario, CatalogStep, ErrorClass, Outcome, Outcomes, Totals};

const MS: u64 = 1_000_000;

fn rotate(recorder: &mut Recorder, ended: u32) {
    recorder.rotate(
        ended,
        Gauges { users: 1, ..Gauges::default() },
        Activity { cpu: Nanos::new(1), ..Activity::default() },
    );
}

fn request(recorder: &mut Recorder, step: usize, sample: &RequestSample) {
    recorder.request_started(step, Period::Measured);
    recorder.request(step, sample, Period::Measured);
}

fn drained(drain: &mut Drain) -> Totals {
    let mut totals = Totals::new(&drain.layout.clone());
    while let Some(snapshot) = drain.next_snapshot() {
        totals.add(&snapshot).unwrap();
    }
    totals
}

#[test]
fn an_interval_in_which_an_iteration_only_went_on_leaves_nothing_to_the_next() {
    let layout = layout();
    let (mut recorder, mut drain) = pair(&layout, 0, 2);
    let lags = [40, 50, 60, 70].map(Nanos::from_micros);
    let mut totals = Totals::new(&layout);
    for (interval, lag) in (0..).zip(lags) {
        recorder.dispatch_lag(0, lag, Period::Measured);
        request(&mut recorder, 0, &sample(MS, MS, Outcome::Succeeded));
        rotate(&mut recorder, interval);
        totals.add(&drain.next_snapshot().unwrap()).unwrap();
    }
    let seen = totals.scenario_times(ScenarioTime::DispatchLag, [0], Outcomes::Both);
    assert_eq!((seen.count(), seen.moments().sum), (4, 220_000));
    let counted: u64 = seen.to_hdr().iter_recorded().map(|at| at.count_at_value()).sum();
    assert_eq!(counted, 4);
}

#[test]
fn one_request_is_in_every_number_it_belongs_to() {
    let layout = layout();
    let (mut recorder, mut drain) = pair(&layout, 0, 2);
    let mut one = sample(2 * MS, 5 * MS, Outcome::Succeeded);
    one.phases.dns = Some(Nanos::from_millis(1));
    one.phases.connect = Some(Nanos::from_millis(2));
    one.phases.tls = Some(Nanos::from_millis(3));
    one.phases.receive = Some(Nanos::from_millis(4));
    one.resent = true;
    request(&mut recorder, 1, &one);
    recorder.check(1, true, Period::Measured);
    recorder.finish(0, Gauges::default(), Activity::default());
    let totals = drained(&mut drain);
    let counts = totals.steps([1]);
    assert_eq!((counts.sent_bytes, counts.received_bytes), (100, 1_000));
    assert_eq!(counts.statuses.into_iter().collect::<Vec<_>>(), [(200, 1)]);
    let ledger = counts.requests;
    assert_eq!((ledger.attempted, ledger.succeeded, ledger.resent, ledger.in_flight), (1, 1, 1, 0));
    assert_eq!(totals.checks([1]).passed, 1);
    assert_eq!(totals.steps([0, 2]).requests.attempted, 0);
    let exactly = |time, millis: f64| {
        let max = totals.step_times(time, [1], Outcomes::Succeeded).max().unwrap().value;
        assert_eq!(max.as_millis_f64(), millis, "{time:?}");
    };
    exactly(StepTime::ResponseTime, 7.0);
    exactly(StepTime::ServiceTime, 5.0);
    exactly(StepTime::QueueWait, 2.0);
    exactly(StepTime::FirstByte, 2.5);
    exactly(StepTime::Receive, 4.0);
    exactly(StepTime::Dns, 1.0);
    exactly(StepTime::Connect, 2.0);
    exactly(StepTime::Tls, 3.0);
}

#[test]
fn phases_that_did_not_happen_are_in_no_histogram() {
    let layout = layout();
    let (mut recorder, mut drain) = pair(&layout, 0, 2);
    request(&mut recorder, 0, &sample(0, MS, Outcome::Succeeded));
    recorder.finish(0, Gauges::default(), Activity::default());
    let totals = drained(&mut drain);
    for time in [StepTime::Dns, StepTime::Connect, StepTime::Tls, StepTime::Receive] {
        assert_eq!(totals.step_times(time, [0], Outcomes::Both).count(), 0);
    }
    let waits = totals.step_times(StepTime::QueueWait, [0], Outcomes::Both);
    assert_eq!((waits.count(), waits.max().unwrap().value), (1, Nanos::ZERO), "no wait is a wait of zero");
}

#[test]
fn times_are_kept_apart_by_outcome_and_censored_ones_are_counted() {
    let layout = layout();
    let (mut recorder, mut drain) = pair(&layout, 0, 2);
    request(&mut recorder, 0, &sample(0, 10 * MS, Outcome::Succeeded));
    request(&mut recorder, 0, &sample(0, 20 * MS, Outcome::Failed(ErrorClass::Reset)));
    request(&mut recorder, 0, &sample(0, 30 * MS, Outcome::Failed(ErrorClass::Timeout)));
    request(&mut recorder, 0, &sample(0, 40 * MS, Outcome::Cancelled));
    recorder.finish(0, Gauges::default(), Activity::default());
    let totals = drained(&mut drain);
    let check = |outcomes, count, censored, max_ms| {
        let times = totals.step_times(StepTime::ServiceTime, [0], outcomes);
        assert_eq!((times.count(), times.censored()), (count, censored));
        assert_eq!(times.max().unwrap().value, Nanos::from_millis(max_ms));
    };
    check(Outcomes::Both, 4, 2, 40);
    check(Outcomes::Succeeded, 1, 0, 10);
    check(Outcomes::Failed, 3, 2, 40);
}

#[test]
fn warm_up_is_in_its_own_ledgers_and_in_no_statistic() {
    let layout = layout();
    let (mut recorder, mut drain) = pair(&layout, 0, 2);
    recorder.slot_due(1, 77, Period::WarmUp);
    let start = IterationStart { dispatch_lag: Nanos::SECOND, queue_wait: Nanos::SECOND };
    recorder.iteration_started(1, start, 77, Period::WarmUp);
    recorder.request_started(2, Period::WarmUp);
    recorder.request(2, &sample(0, MS, Outcome::Succeeded), Period::WarmUp);
    recorder.check(2, false, Period::WarmUp);
    let times = IterationTimes { response_time: Nanos::SECOND, duration: Nanos::SECOND };
    recorder.iteration_ended(1, IterationOutcome::Succeeded, times, Period::WarmUp);
    recorder.finish(0, Gauges::default(), Activity::default());
    let snapshot = drain.next_snapshot().unwrap();
    assert!(snapshot.histograms.is_empty() && snapshot.steps.is_empty() && snapshot.checks.is_empty());
    let scenario = snapshot.scenarios[&1];
    assert_eq!(scenario.iterations, crate::IterationLedger::default());
    assert_eq!(scenario.warm_up_iterations.check_closed(), Ok(()));
    assert_eq!((scenario.warm_up_iterations.due.digest, scenario.warm_up_iterations.succeeded), (77, 1));
    assert_eq!((scenario.warm_up_requests.attempted, scenario.warm_up_requests.succeeded), (1, 1));
}

#[test]
fn each_rotation_hands_out_its_own_interval() {
    let layout = layout();
    let (mut recorder, mut drain) = pair(&layout, 3, 2);
    for interval in 0..5 {
        for _ in 0..=interval {
            request(&mut recorder, 0, &sample(0, MS, Outcome::Succeeded));
        }
        rotate(&mut recorder, interval);
        let snapshot = drain.next_snapshot().unwrap();
        assert_eq!((snapshot.first, snapshot.last, snapshot.coalesced), (interval, interval, 0));
        assert_eq!(snapshot.steps[&0].requests.attempted, u64::from(interval) + 1);
        assert_eq!(snapshot.gauges[&interval].users, 1);
        assert_eq!(snapshot.activity[&3].cpu, Nanos::new(1));
        assert!(drain.next_snapshot().is_none() && !drain.is_finished());
    }
}

#[test]
fn a_slow_collector_gets_ranges_of_intervals_and_loses_nothing() {
    let layout = layout();
    let (mut recorder, mut drain) = pair(&layout, 0, 2);
    for interval in 0..10 {
        request(&mut recorder, 0, &sample(0, MS, Outcome::Succeeded));
        rotate(&mut recorder, interval);
    }
    recorder.finish(10, Gauges::default(), Activity::default());
    let first = drain.next_snapshot().unwrap();
    assert_eq!((first.first, first.last, first.coalesced), (0, 0, 0));
    let second = drain.next_snapshot().unwrap();
    assert_eq!((second.first, second.last, second.coalesced), (1, 10, 9));
    assert_eq!(second.steps[&0].requests.attempted, 9);
    assert_eq!(second.gauges.len(), 10, "levels of missed rotations are still there");
    assert!(drain.next_snapshot().is_none() && drain.is_finished());
}

#[test]
fn a_thread_that_came_late_covers_the_seconds_it_missed() {
    let layout = layout();
    let (mut recorder, mut drain) = pair(&layout, 0, 3);
    rotate(&mut recorder, 0);
    rotate(&mut recorder, 6);
    let ranges: Vec<_> = std::iter::from_fn(|| drain.next_snapshot())
        .map(|snapshot| (snapshot.first, snapshot.last))
        .collect();
    assert_eq!(ranges, [(0, 0), (1, 6)]);
}

#[test]
fn a_recorder_dropped_by_a_panic_hands_out_what_it_has() {
    let layout = layout();
    let (mut recorder, mut drain) = pair(&layout, 0, 2);
    let writer = thread::spawn(move || {
        request(&mut recorder, 0, &sample(0, MS, Outcome::Succeeded));
        std::panic::panic_any("a fault of the generator");
    });
    assert!(writer.join().is_err());
    assert_eq!(drained(&mut drain).all_steps().requests.attempted, 1);
    assert!(drain.is_finished());
}

#[test]
fn steps_beyond_the_last_slot_are_counted_under_it() {
    let steps = 600;
    let catalog = Catalog {
        scenarios: vec![CatalogScenario::default()],
        steps: (0..steps).map(|n| CatalogStep { scenario: 0, name: n.to_string() }).collect(),
        ..Catalog::default()
    };
    let layout = Arc::new(Layout::new(catalog));
    let (mut recorder, mut drain) = pair(&layout, 0, 2);
    for step in 0..steps {
        request(&mut recorder, step, &sample(0, MS, Outcome::Succeeded));
    }
    recorder.finish(0, Gauges::default(), Activity::default());
    let totals = drained(&mut drain);
    assert_eq!(totals.all_steps().requests.attempted, steps as u64);
    assert_eq!(totals.steps([0]).requests.attempted, 1);
    assert_eq!(totals.steps([steps - 1]).requests.attempted, layout.folded_steps() as u64);
}

#[test]
fn a_collector_beside_the_writer_sees_every_value_exactly_once() {
    const THREADS: u32 = 3;
    const ROTATIONS: u32 = 400;
    let layout = layout();
    let mut totals = Totals::new(&layout);
    let mut drains = Vec::new();
    thread::scope(|scope| {
        let mut writers = Vec::new();
        for number in 0..THREADS {
            let (mut recorder, drain) = pair(&layout, number, 2);
            drains.push(drain);
            writers.push(scope.spawn(move || {
                for interval in 0..ROTATIONS {
                    for n in 0..=u64::from(interval % 50) {
                        request(&mut recorder, (n % 3) as usize, &sample(n, n * MS, Outcome::Succeeded));
                    }
                    rotate(&mut recorder, interval);
                }
                recorder.finish(ROTATIONS, Gauges::default(), Activity::default());
            }));
        }
        while !drains.iter().all(Drain::is_finished) {
            for drain in &mut drains {
                while let Some(snapshot) = drain.next_snapshot() {
                    totals.add(&snapshot).unwrap();
                }
            }
            thread::yield_now();
        }
        for writer in writers {
            writer.join().unwrap();
        }
    });
    let per_thread: u64 = (0..ROTATIONS).map(|interval| u64::from(interval % 50) + 1).sum();
    let sum_ms: u64 = (0..ROTATIONS).flat_map(|interval| 0..=u64::from(interval % 50)).sum();
    let threads = u64::from(THREADS);
    assert_eq!(totals.all_steps().requests.attempted, threads * per_thread);
    assert_eq!(totals.broken_ledgers(), []);
    let moments = totals.all_step_times(StepTime::ServiceTime, Outcomes::Both).moments();
    assert_eq!((moments.count, moments.sum), (threads * per_thread, u128::from(threads * sum_ms * MS)));
    let hdr = totals.all_step_times(StepTime::ServiceTime, Outcomes::Both).to_hdr();
    assert_eq!(hdr.len(), threads * per_thread, "every value is in a bucket, too");
    assert_eq!(
        totals.activity().values().map(|activity| activity.cpu.as_u64()).sum::<u64>(),
        threads * u64::from(ROTATIONS)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn reused_intervals_hold_nothing_of_what_they_held_before(
        first in prop::collection::vec(events(), 0..40),
        second in prop::collection::vec(events(), 0..40),
    ) {
        let layout = Arc::new(Layout::new(catalog()));
        let (mut recorder, mut drain) = pair(&layout, 0, 2);
        for event in &first {
            event.record(&mut recorder);
        }
        rotate(&mut recorder, 0);
        drain.next_snapshot().unwrap();
        rotate(&mut recorder, 1);
        drain.next_snapshot().unwrap();
        for event in &second {
            event.record(&mut recorder);
        }
        let gauges = Gauges { users: second.len() as u64, ..Gauges::default() };
        recorder.finish(2, gauges, Activity::default());
        prop_assert_eq!(drain.next_snapshot().unwrap(), recorded(&layout, 0, 2, &second));
    }
}
