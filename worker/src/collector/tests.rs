use std::sync::Arc;

use metrics::{
    Activity, Catalog, CatalogScenario, CatalogStep, Gauges, IterationStart, Layout, Period, Record,
    Recorder, pair,
};

use super::*;

const START: Timestamp = Timestamp::from_nanos(7_000_000_000);

fn threads(count: u32) -> (Vec<Recorder>, Collector) {
    let layout = Arc::new(Layout::new(Catalog {
        scenarios: vec![CatalogScenario { name: "s".into(), ..CatalogScenario::default() }],
        steps: vec![CatalogStep { scenario: 0, name: "get".into() }],
        ..Catalog::default()
    }));
    let (recorders, drains) = (0..count).map(|thread| pair(&layout, thread, 3)).unzip();
    let mut collector = Collector::new(drains);
    collector.begin(START);
    (recorders, collector)
}

/// One iteration with `requests` requests.
fn iterate(recorder: &mut Recorder, requests: u64, period: Period) {
    let start = IterationStart { dispatch_lag: Nanos::ZERO, queue_wait: Nanos::ZERO };
    recorder.slot_due(0, 1, period);
    recorder.iteration_started(0, start, 1, period);
    (0..requests).for_each(|_| recorder.request_started(0, period));
}

fn rotate(recorder: &mut Recorder, ended: u32) {
    recorder.rotate(ended, Gauges::default(), Activity::default());
}

/// At the collector's turn after `seconds` seconds.
fn turn(collector: &mut Collector, seconds: u64) -> Vec<(u32, u32, u64)> {
    let snapshots = collector.poll(START + Nanos::from_secs(seconds) + AFTER_SECOND);
    snapshots.iter().map(summary).collect()
}

/// The intervals a snapshot covers, and the requests in it.
fn summary(snapshot: &Snapshot) -> (u32, u32, u64) {
    let mut totals = Totals::default();
    totals.add(snapshot);
    (snapshot.first, snapshot.last, totals.requests_attempted)
}

#[test]
fn what_all_threads_recorded_of_a_second_is_one_snapshot() {
    let (mut recorders, mut collector) = threads(3);
    for second in 0..3 {
        for (requests, recorder) in (1..).zip(&mut recorders) {
            iterate(recorder, requests, Period::Measured);
            rotate(recorder, second);
        }
        assert_eq!(turn(&mut collector, u64::from(second) + 1), [(second, second, 6)]);
    }
    assert_eq!(collector.coalesced(), 0);
}

#[test]
fn it_wants_to_be_called_once_a_second() {
    let (_recorders, mut collector) = threads(1);
    assert_eq!(collector.wake_at(), START + Nanos::SECOND + AFTER_SECOND);
    assert_eq!(turn(&mut collector, 0), []);
    assert_eq!(collector.wake_at(), START + Nanos::SECOND + AFTER_SECOND, "too early");
    turn(&mut collector, 1);
    assert_eq!(collector.wake_at(), START + Nanos::from_secs(2) + AFTER_SECOND);
    turn(&mut collector, 60);
    assert_eq!(collector.wake_at(), START + Nanos::from_secs(61) + AFTER_SECOND, "it slept for a minute");
}

#[test]
fn a_late_thread_is_waited_for_until_the_next_turn() {
    let (mut recorders, mut collector) = threads(2);
    for recorder in &mut recorders {
        iterate(recorder, 1, Period::Measured);
    }
    rotate(&mut recorders[0], 0);
    assert_eq!(turn(&mut collector, 1), []);
    rotate(&mut recorders[0], 1);
    assert_eq!(turn(&mut collector, 2), [(0, 0, 1)]);
    rotate(&mut recorders[1], 1);
    rotate(&mut recorders[0], 2);
    assert_eq!(turn(&mut collector, 3), [(0, 1, 1), (1, 1, 0)], "late, and nothing lost");
}

#[test]
fn a_thread_that_is_over_is_not_waited_for() {
    let (mut recorders, mut collector) = threads(2);
    let mut other = recorders.pop().unwrap();
    iterate(&mut other, 4, Period::Measured);
    other.finish(0, Gauges::default(), Activity::default());
    for second in 0..2 {
        rotate(&mut recorders[0], second);
    }
    assert_eq!(turn(&mut collector, 2), [(0, 0, 4), (1, 1, 0)]);
}

#[test]
fn totals_are_what_was_recorded_however_it_ended() {
    let (mut recorders, mut collector) = threads(2);
    iterate(&mut recorders[0], 2, Period::WarmUp);
    rotate(&mut recorders[0], 0);
    iterate(&mut recorders[0], 3, Period::Measured);
    iterate(&mut recorders[1], 5, Period::Measured);
    // Dropped without a finish, as a panic does.
    drop(recorders);
    let sums: Vec<_> = collector.finish().iter().map(summary).collect();
    assert_eq!(sums.iter().map(|(_, _, requests)| requests).sum::<u64>(), 10);
    let expected = |requests_attempted, iterations_started| Totals { requests_attempted, iterations_started };
    assert_eq!(collector.recorded(), [expected(5, 2), expected(5, 1)]);
    assert!(collector.finish().is_empty());
    assert_eq!(collector.wake_at(), Timestamp::NEVER);
}

#[test]
fn a_slow_collector_costs_resolution_and_no_counts() {
    let (mut recorders, mut collector) = threads(1);
    for second in 0..10 {
        iterate(&mut recorders[0], 1, Period::Measured);
        rotate(&mut recorders[0], second);
    }
    let late = turn(&mut collector, 10);
    assert!(late.len() < 10, "{late:?}");
    drop(recorders);
    collector.finish();
    assert_eq!(collector.recorded()[0].requests_attempted, 10);
    assert!(collector.coalesced() > 0);
}
