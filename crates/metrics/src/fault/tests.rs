use std::sync::Arc;

use proptest::prelude::*;
use units::Nanos;

use super::*;
use crate::fixture::{Event, events, layout, recorded, sample};
use crate::{
    CheckCounts, Gauges, Outcome, Outcomes, Period, ScenarioCounts, StepCounts, StepTime, Timeline, Totals,
};

/// A request of a millisecond in interval 3, on thread 0.
fn honest(layout: &Arc<Layout>) -> Snapshot {
    let sample = sample(0, 1_000_000, Outcome::Succeeded);
    recorded(layout, 0, 3, &[Event::Request { step: 0, sample, period: Period::Measured }])
}

/// Checks that `change` makes a snapshot that nothing takes, and that nothing changed by it.
fn refused<T>(change: impl FnOnce(&mut Snapshot) -> T) -> SnapshotFault {
    let layout = layout();
    let mut totals = Totals::new(&layout);
    let mut timeline = Timeline::new(&layout);
    totals.add(&honest(&layout)).unwrap();
    timeline.add(&honest(&layout)).unwrap();
    let before = (format!("{totals:?}"), format!("{timeline:?}"));
    let mut snapshot = honest(&layout);
    change(&mut snapshot);
    let fault = totals.add_from(1, &snapshot).unwrap_err();
    assert_eq!(timeline.add(&snapshot), Err(fault.clone()));
    assert_eq!(snapshot.validate(&layout, u32::MAX), Err(fault.clone()));
    assert_eq!((format!("{totals:?}"), format!("{timeline:?}")), before, "all or nothing");
    fault
}

fn first_histogram(snapshot: &mut Snapshot) -> &mut SparseHistogram {
    snapshot.histograms.values_mut().next().unwrap()
}

#[test]
fn numbers_of_what_does_not_exist_are_refused() {
    let no_such = |what, number, highest| SnapshotFault::NoSuch { what, number, highest };
    assert_eq!(
        refused(|snapshot| snapshot.steps.insert(3, StepCounts::default())),
        no_such("step slot", 3, 2)
    );
    assert_eq!(
        refused(|snapshot| snapshot.scenarios.insert(2, ScenarioCounts::default())),
        no_such("scenario slot", 2, 1)
    );
    let nobody = u32::MAX;
    assert_eq!(
        refused(|snapshot| snapshot.checks.insert(nobody, CheckCounts::default())),
        no_such("check", nobody, 2)
    );
    let series = layout().series() as u32;
    assert_eq!(
        refused(|snapshot| snapshot.histograms.insert(series, SparseHistogram::default())),
        no_such("histogram", series, i64::from(series) - 1)
    );
    assert_eq!(
        refused(|snapshot| snapshot.activity.insert(1_024, Activity::default())),
        no_such("thread", 1_024, 1_023)
    );
    let status = |snapshot: &mut Snapshot| snapshot.steps.get_mut(&0).unwrap().statuses.insert(99, 1);
    assert_eq!(refused(status), no_such("status", 99, 999));
}

#[test]
fn intervals_that_cannot_be_are_refused() {
    let fault = refused(|snapshot| snapshot.first = 4);
    assert_eq!(fault, SnapshotFault::Intervals { first: 4, last: 3, latest: u32::MAX });
    let fault = refused(|snapshot| snapshot.gauges.insert(4, Gauges::default()));
    assert_eq!(fault, SnapshotFault::Levels { first: 3, last: 3, at: 4 });
    let layout = layout();
    assert_eq!(honest(&layout).validate(&layout, 3), Ok(()));
    let fault = honest(&layout).validate(&layout, 2).unwrap_err();
    assert_eq!(fault, SnapshotFault::Intervals { first: 3, last: 3, latest: 2 });
}

#[test]
fn histograms_that_are_none_are_refused() {
    let broken =
        |change: fn(&mut SparseHistogram)| match refused(|snapshot| change(first_histogram(snapshot))) {
            SnapshotFault::Histogram { source, .. } => source,
            other => panic!("{other}"),
        };
    let buckets = Shape::FINE.buckets() as u32;
    assert!(matches!(
        broken(|histogram| histogram.counts.push((0, 1))),
        HistogramFault::Order { index: 0, .. } | HistogramFault::Moments
    ));
    assert_eq!(
        broken(|histogram| histogram.counts.push((u32::MAX, 1))),
        HistogramFault::NoBucket { index: u32::MAX, buckets: buckets as usize }
    );
    assert_eq!(
        broken(|histogram| histogram.moments.count = 2),
        HistogramFault::Moments,
        "the sum of two values cannot be below twice the lowest"
    );
    assert_eq!(broken(|histogram| histogram.counts[0].1 = 2), HistogramFault::Count { found: 2, count: 1 });
    assert_eq!(broken(|histogram| histogram.counts.clear()), HistogramFault::Moments);
    assert_eq!(broken(|histogram| histogram.moments.min += 1_000_000), HistogramFault::Moments);
    assert_eq!(broken(|histogram| histogram.moments.max = u64::MAX), HistogramFault::Moments);
    assert_eq!(broken(|histogram| histogram.moments.overflow = 1), HistogramFault::Moments);
    assert_eq!(broken(|histogram| histogram.moments.sum = u128::MAX), HistogramFault::Moments);
    let too_many = broken(|histogram| {
        let highest = Shape::LIMIT + 1;
        histogram.counts = vec![(Shape::FINE.buckets() as u32 - 1, 1)];
        histogram.moments =
            Moments { count: 1, sum: u128::from(highest), min: highest, max: highest, overflow: 2 };
    });
    assert_eq!(too_many, HistogramFault::Moments, "one value cannot be above the highest bucket twice");
    let full = Moments { count: u64::MAX, ..Moments::default() };
    assert!(SparseHistogram::from_parts(full, vec![(0, u64::MAX), (1, 1)]).is_err());
    assert!(SparseHistogram::from_parts(Moments::default(), vec![(0, 0)]).is_err());
    assert!(SparseHistogram::from_parts(full, vec![(1, 1), (1, 1)]).is_err());
}

#[test]
fn sums_that_would_overflow_are_refused_before_anything_is_added() {
    let halves = [u64::MAX / 4, u64::MAX / 4, 8];
    let layout = layout();
    let mut totals = Totals::new(&layout);
    let mut timeline = Timeline::new(&layout);
    let mut results = Vec::new();
    for bytes in halves {
        let mut snapshot = honest(&layout);
        snapshot.steps.get_mut(&0).unwrap().sent_bytes = bytes;
        let result = totals.add(&snapshot);
        assert_eq!(timeline.add(&snapshot), result);
        results.push(result);
    }
    assert_eq!(results[..1], [Ok(())]);
    assert_eq!(results[1], Err(SnapshotFault::TooMuch));
    assert_eq!(results[2], Ok(()), "what is refused takes no room");
    assert_eq!(totals.all_steps().requests.attempted, 2);
    let fault = refused(|snapshot| snapshot.scenarios.entry(0).or_default().iterations.waiting = i64::MIN);
    assert_eq!(fault, SnapshotFault::TooMuch);
    let fault = refused(|snapshot| snapshot.coalesced = u64::MAX);
    assert_eq!(fault, SnapshotFault::TooMuch);
}

#[test]
fn times_of_a_thread_that_would_overflow_are_refused() {
    let layout = layout();
    let mut totals = Totals::new(&layout);
    let mut snapshot = honest(&layout);
    snapshot.activity.insert(0, Activity { wall: Nanos::new(u64::MAX - 1), ..Activity::default() });
    assert_eq!(totals.add_from(0, &snapshot), Ok(()));
    assert_eq!(totals.add_from(0, &snapshot), Err(SnapshotFault::TooMuch));
    assert_eq!(totals.add_from(1, &snapshot), Ok(()), "another worker's thread 0 is another thread");
    assert_eq!(totals.all_steps().requests.attempted, 2);
}

#[test]
fn levels_beyond_counting_stay_at_the_highest() {
    let layout = layout();
    let mut totals = Totals::new(&layout);
    let mut snapshot = honest(&layout);
    snapshot.gauges.insert(3, Gauges { users: u64::MAX, ..Gauges::default() });
    totals.add(&snapshot).unwrap();
    totals.add(&snapshot).unwrap();
    assert_eq!(totals.users_max(), u64::MAX);
}

#[test]
fn threads_of_different_workers_are_different_threads() {
    let layout = layout();
    let mut totals = Totals::new(&layout);
    let mut snapshot = honest(&layout);
    let second = Nanos::SECOND;
    snapshot.activity.insert(0, Activity { busy: second, wall: second, ..Activity::default() });
    totals.add_from(0, &snapshot).unwrap();
    snapshot.activity.insert(0, Activity { wall: second, ..Activity::default() });
    totals.add_from(1, &snapshot).unwrap();
    totals.add_from(1, &snapshot).unwrap();
    let busy: Vec<_> = totals.activity().iter().map(|(place, did)| (*place, did.busy, did.wall)).collect();
    assert_eq!(busy, [((0, 0), second, second), ((1, 0), Nanos::ZERO, Nanos::from_secs(2))]);
}

#[test]
fn ledgers_that_do_not_add_up_are_refused() {
    let layout = layout();
    let fault = |change: fn(&mut Snapshot)| {
        let mut snapshot = honest(&layout);
        assert_eq!(snapshot.validate(&layout, u32::MAX), Ok(()));
        change(&mut snapshot);
        snapshot.validate(&layout, u32::MAX).unwrap_err()
    };
    let unbalanced = |what| SnapshotFault::Unbalanced { what, number: 0 };
    let step = unbalanced("step slot");
    assert_eq!(fault(|snapshot| snapshot.steps.get_mut(&0).unwrap().requests.attempted += 1), step);
    assert_eq!(fault(|snapshot| snapshot.steps.get_mut(&0).unwrap().requests.in_flight -= 1), step);
    let counts = |snapshot: &mut Snapshot, change: fn(&mut ScenarioCounts)| {
        change(snapshot.scenarios.entry(0).or_default());
        snapshot.validate(&crate::fixture::layout(), u32::MAX).unwrap_err()
    };
    let scenario = unbalanced("scenario slot");
    for change in [
        |counts: &mut ScenarioCounts| counts.iterations.due.count += 1,
        |counts: &mut ScenarioCounts| counts.iterations.failed += 1,
        |counts: &mut ScenarioCounts| counts.warm_up_iterations.waiting -= 1,
        |counts: &mut ScenarioCounts| counts.warm_up_requests.succeeded += 1,
    ] {
        assert_eq!(counts(&mut honest(&layout), change), scenario);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_recorder_makes_is_never_refused(
        list in prop::collection::vec(events(), 0..40),
        times in prop::collection::vec(any::<u64>(), 0..8),
    ) {
        let layout = layout();
        let extremes = times.into_iter().map(|time| Event::Request {
            step: 0,
            // Instants end where 64 bits do.
            sample: sample(0, time.min(u64::MAX - 1_000_000_000), Outcome::Succeeded),
            period: Period::Measured,
        });
        let snapshot = recorded(&layout, 0, 3, &list.into_iter().chain(extremes).collect::<Vec<_>>());
        prop_assert_eq!(snapshot.validate(&layout, 3), Ok(()));
        prop_assert_eq!(snapshot.check(), Ok(()));
    }

    #[test]
    fn no_number_makes_adding_panic(
        list in prop::collection::vec(events(), 0..10),
        numbers in prop::collection::vec((any::<u32>(), any::<u64>()), 1..12),
        intervals in any::<(u32, u32)>(),
    ) {
        let layout = layout();
        let mut snapshot = recorded(&layout, 0, 3, &list);
        (snapshot.first, snapshot.last) = intervals;
        for (place, (key, number)) in numbers.into_iter().enumerate() {
            let slot = key % 4;
            match place {
                0 => snapshot.steps.entry(slot).or_default().requests.attempted = number,
                1 => snapshot.steps.entry(slot).or_default().requests.failed[slot as usize] = number,
                2 => snapshot.scenarios.entry(slot).or_default().iterations.due.count = number,
                3 => snapshot.scenarios.entry(slot).or_default().iterations.in_flight = number as i64,
                4 => snapshot.checks.entry(slot).or_default().failed = number,
                5 => snapshot.gauges.entry(key).or_default().users = number,
                6 => snapshot.activity.entry(key % 2_000).or_default().cpu = Nanos::new(number),
                7 => snapshot.histograms.entry(key % 60).or_default().moments.max = number,
                8 => snapshot.histograms.entry(key % 60).or_default().counts.push((key, number)),
                9 => snapshot.histograms.entry(key % 60).or_default().moments.count = number,
                10 => snapshot.histograms.entry(key % 60).or_default().moments.overflow = number,
                _ => snapshot.coalesced = number,
            }
        }
        let mut totals = Totals::new(&layout);
        let mut timeline = Timeline::new(&layout);
        for worker in 0..3 {
            prop_assert_eq!(totals.add_from(worker, &snapshot), timeline.add(&snapshot));
        }
        // Nothing that was taken makes a view panic.
        let _ = (totals.broken_ledgers(), totals.all_scenarios(), totals.latest_gauges());
        let times = totals.all_step_times(StepTime::ResponseTime, Outcomes::Both);
        let _ = (times.quantile(0.5), times.mean(), times.to_base64());
        let _ = (timeline.intervals().count(), timeline.blocks().count());
    }
}
