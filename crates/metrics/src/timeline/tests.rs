use proptest::prelude::*;

use super::*;
use crate::fixture::{Event, catalog, events, layout, recorded, sample};
use crate::{Outcome, Outcomes, Period, Totals};

const MS: u64 = 1_000_000;

fn requests(times: impl IntoIterator<Item = u64>) -> Vec<Event> {
    let request = |time| Event::Request {
        step: 0,
        sample: sample(0, time, Outcome::Succeeded),
        period: Period::Measured,
    };
    times.into_iter().map(request).collect()
}

/// The snapshot `pattern` moved to another interval.
fn moved(pattern: &Snapshot, interval: u32) -> Snapshot {
    let gauges = pattern.gauges.values().map(|levels| (interval, *levels)).collect();
    Snapshot { first: interval, last: interval, gauges, ..pattern.clone() }
}

#[test]
fn every_second_has_its_numbers_and_quantiles() {
    let layout = layout();
    let mut timeline = Timeline::new(&layout);
    timeline.add(&recorded(&layout, 0, 0, &requests((1..=100).map(|n| n * MS)))).unwrap();
    timeline.add(&recorded(&layout, 0, 2, &requests([7 * MS]))).unwrap();
    timeline.add(&recorded(&layout, 1, 2, &requests([9 * MS]))).unwrap();
    let intervals: Vec<_> = timeline.intervals().collect();
    assert_eq!(intervals.iter().map(|i| (i.first, i.last)).collect::<Vec<_>>(), [(0, 0), (1, 1), (2, 2)]);
    let times = intervals[0].response_time.unwrap();
    assert_eq!((times.count, times.max), (100, Nanos::from_millis(100)));
    for (found, true_ms) in [(times.p50, 50), (times.p90, 90), (times.p99, 99)] {
        assert_eq!(Shape::COARSE.index_of(found.as_u64()), Shape::COARSE.index_of(true_ms * MS));
    }
    assert_eq!((intervals[1].counts, intervals[1].response_time), (IntervalCounts::default(), None));
    assert_eq!((intervals[2].counts.requests_succeeded, intervals[2].gauges.users), (2, 2));
    assert_eq!(intervals[2].service_time.unwrap().max, Nanos::from_millis(9));
    assert_eq!(timeline.latest().as_ref(), intervals.last());
}

/// A timeline that is full after a minute instead of an hour.
fn short(layout: &Arc<Layout>) -> Timeline {
    Timeline { intervals: Track::new(60), blocks: Track::new(8), ..Timeline::new(layout) }
}

#[test]
fn neighbours_merge_when_there_are_too_many_and_nothing_is_lost() {
    let layout = layout();
    let mut timeline = short(&layout);
    let pattern = recorded(&layout, 0, 0, &requests([MS, 8 * MS]));
    let seconds = 60 * 2 + 20;
    for second in 0..seconds {
        timeline.add(&moved(&pattern, second)).unwrap();
    }
    assert_eq!(timeline.interval_seconds(), 4);
    let intervals: Vec<_> = timeline.intervals().collect();
    assert_eq!(intervals.len(), (seconds as usize).div_ceil(4));
    assert!(intervals.iter().all(|interval| interval.counts.requests_attempted == 8));
    assert!(intervals.iter().all(|interval| interval.gauges.users == 2), "levels do not add up over time");
    assert!(intervals.windows(2).all(|pair| pair[0].last + 1 == pair[1].first));
    let blocks: Vec<_> = timeline.blocks().collect();
    assert!(blocks.len() <= 8);
    let counted: u64 = blocks.iter().map(|block| block.response_time.moments().count).sum();
    assert_eq!(counted, 2 * u64::from(seconds));
}

#[test]
fn memory_grows_neither_with_requests_nor_with_time() {
    let layout = layout();
    let spread = || (0..100_u64).map(|n| 50_000 + n * n * 10_000);
    let few = recorded(&layout, 0, 0, &requests(spread()));
    let many = recorded(&layout, 0, 0, &requests((0..20).flat_map(|_| spread())));
    let filled = |pattern: &Snapshot, seconds: u32| {
        let mut timeline = short(&layout);
        for second in 0..seconds {
            timeline.add(&moved(pattern, second)).unwrap();
        }
        timeline.heap_bytes()
    };
    let full = filled(&few, 60);
    assert!(full < 60 << 10, "{full} bytes: a kilobyte for each interval of a hundred different times");
    assert!(filled(&few, 60 * 8) <= full + full / 4, "8 times as long");
    assert!(filled(&many, 60) <= full + full / 4, "20 times the requests");
    let real = Timeline::new(&layout);
    assert_eq!((real.intervals.max, real.blocks.max), (Timeline::MAX_INTERVALS, Timeline::MAX_BLOCKS));
}

#[test]
fn the_last_second_of_the_longest_run_has_a_place() {
    let layout = layout();
    let mut timeline = Timeline::new(&layout);
    let pattern = recorded(&layout, 0, 0, &requests([MS]));
    timeline.add(&pattern).unwrap();
    timeline.add(&moved(&pattern, u32::MAX)).unwrap();
    assert!(timeline.intervals().count() <= Timeline::MAX_INTERVALS);
    assert_eq!(timeline.intervals().last().unwrap().last, u32::MAX);
    assert_eq!(timeline.blocks().last().unwrap().last, u32::MAX);
    assert_eq!(timeline.intervals().map(|interval| interval.counts.requests_attempted).sum::<u64>(), 2);
}

#[test]
fn snapshots_of_another_layout_are_refused() {
    let mut other = catalog();
    other.checks.pop();
    let foreign = recorded(&Arc::new(Layout::new(other)), 0, 0, &requests([MS]));
    let mut timeline = Timeline::new(&layout());
    assert!(timeline.add(&foreign).is_err());
    assert_eq!(timeline.intervals().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_snapshots_does_not_matter_and_blocks_add_up_to_the_totals(
        lists in prop::collection::vec((prop::collection::vec(events(), 0..10), 0_u32..300), 1..6),
    ) {
        let layout = layout();
        let snapshots: Vec<_> = lists.iter().map(|(list, at)| recorded(&layout, 0, *at, list)).collect();
        let mut totals = Totals::new(&layout);
        let mut forwards = Timeline::new(&layout);
        let mut backwards = Timeline::new(&layout);
        for snapshot in &snapshots {
            totals.add(snapshot).unwrap();
            forwards.add(snapshot).unwrap();
        }
        for snapshot in snapshots.iter().rev() {
            backwards.add(snapshot).unwrap();
        }
        prop_assert!(forwards.intervals().eq(backwards.intervals()));
        prop_assert!(forwards.blocks().eq(backwards.blocks()));
        let mut sum = Histogram::new(Shape::FINE);
        for block in forwards.blocks() {
            sum.merge(&block.response_time);
        }
        let all = totals.all_step_times(StepTime::ResponseTime, Outcomes::Both);
        prop_assert_eq!(*sum.moments(), all.moments());
        prop_assert_eq!(sum.to_hdr(), all.to_hdr());
    }
}
