//! A small run for tests, and its points as something that can be compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::{
    Activity, Catalog, CatalogCheck, CatalogScenario, CatalogStep, ErrorClass, Gauges, IterationOutcome,
    IterationStart, IterationTimes, Layout, Outcome, Period, Phases, Record, RequestSample, RequestTimes,
    Snapshot, pair,
};
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric, number_data_point};
use proptest::prelude::*;
use units::{Nanos, Timestamp};
use uuid::Uuid;

use super::{Board, RunBoard, RunLabels};

/// One request, in an iteration of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) step: usize,
    pub(crate) wait: u64,
    pub(crate) time: u64,
    pub(crate) outcome: Outcome,
}

/// `scenarios` scenarios with `steps` steps each, and `checks` checks on the first step.
pub(crate) fn layout(scenarios: usize, steps: usize, checks: usize) -> Arc<Layout> {
    let catalog = Catalog {
        scenarios: (0..scenarios)
            .map(|n| CatalogScenario { name: format!("scenario {n}"), ..CatalogScenario::default() })
            .collect(),
        steps: (0..scenarios * steps)
            .map(|n| CatalogStep { scenario: n / steps, name: format!("step {}", n % steps) })
            .collect(),
        checks: (0..checks).map(|n| CatalogCheck { step: 0, name: format!("check {n}") }).collect(),
        ..Catalog::default()
    };
    Arc::new(Layout::new(catalog))
}

pub(crate) fn requests(steps: usize) -> impl Strategy<Value = Vec<Request>> {
    let outcomes = prop_oneof![
        6 => Just(Outcome::Succeeded),
        3 => prop::sample::select(ErrorClass::ALL).prop_map(Outcome::Failed),
        1 => Just(Outcome::Cancelled),
    ];
    // From nothing to more than an hour, every magnitude as likely.
    let times = (0_u32..43, any::<u64>()).prop_map(|(bits, rest)| rest & ((1 << bits) - 1));
    let request = (0..steps, times.clone(), times, outcomes);
    let request = request.prop_map(|(step, wait, time, outcome)| Request { step, wait, time, outcome });
    prop::collection::vec(request, 0..80)
}

/// What thread `thread` measured in interval `interval`.
pub(crate) fn recorded(layout: &Arc<Layout>, thread: u32, interval: u32, requests: &[Request]) -> Snapshot {
    let (mut recorder, mut drain) = pair(layout, thread, 2);
    if interval > 0 {
        recorder.rotate(interval - 1, Gauges::default(), Activity::default());
        drain.next_snapshot().unwrap();
    }
    for request in requests {
        record(&mut recorder, layout, request);
    }
    let gauges = Gauges { users: requests.len() as u64, open_connections: 2, ..Gauges::default() };
    let activity = Activity { connections_opened: 3, busy: Nanos::from_millis(250), ..Activity::default() };
    recorder.finish(interval, gauges, activity);
    drain.next_snapshot().unwrap()
}

fn record(recorder: &mut impl Record, layout: &Layout, request: &Request) {
    let Request { step, wait, time, outcome } = *request;
    let scenario = layout.catalog().steps[step].scenario;
    let start = IterationStart { dispatch_lag: Nanos::from_micros(30), queue_wait: Nanos::new(wait) };
    recorder.slot_due(scenario, 1, Period::Measured);
    recorder.iteration_started(scenario, start, 1, Period::Measured);
    recorder.request_started(step, Period::Measured);
    let at = |nanos: u64| Timestamp::from_nanos(1_000_000_000 + nanos);
    let sample = RequestSample {
        times: RequestTimes {
            intended_start: at(0),
            released_at: at(0),
            actual_start: at(wait),
            completed_at: at(wait + time),
        },
        phases: Phases {
            dns: Some(Nanos::from_micros(300)),
            first_byte: Some(Nanos::new(time / 2)),
            receive: Some(Nanos::new(time / 3)),
            ..Phases::default()
        },
        outcome,
        status: if outcome == Outcome::Succeeded { 204 } else { 0 },
        sent_bytes: 100,
        received_bytes: 1_000,
        resent: false,
    };
    recorder.request(step, &sample, Period::Measured);
    let times = IterationTimes { response_time: Nanos::new(wait + time), duration: Nanos::new(time) };
    let outcome = match outcome {
        Outcome::Succeeded => IterationOutcome::Succeeded,
        Outcome::Failed(_) => IterationOutcome::Failed,
        Outcome::Cancelled => IterationOutcome::Cancelled,
    };
    recorder.iteration_ended(scenario, outcome, times, Period::Measured);
}

/// A part in run number `run`, of a board of its own.
pub(crate) fn part(run: u128, worker: &str) -> (Board, RunBoard) {
    let board = Board::new();
    let part = board.open(labels(run, worker));
    (board, part)
}

pub(crate) fn labels(run: u128, worker: &str) -> RunLabels {
    RunLabels { run_id: Uuid::from_u128(run), worker: worker.to_owned() }
}

/// A data point as something that adds up: numbers by what they are called.
pub(crate) type Flat = BTreeMap<String, f64>;

/// Points by metric and labels.
pub(crate) type Points = BTreeMap<(String, String), Flat>;

/// The points, without what is not counted; `except` is a label that is left out.
pub(crate) fn flat(metrics: &[Metric], except: &str) -> Points {
    let mut points = Points::new();
    for metric in metrics {
        let named = |attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue]| {
            let labels = attributes.iter().filter(|attribute| attribute.key != except).map(|attribute| {
                let value = match attribute.value.as_ref().and_then(|value| value.value.as_ref()).unwrap() {
                    any_value::Value::StringValue(text) => text.clone(),
                    any_value::Value::IntValue(number) => number.to_string(),
                    other => panic!("{other:?}"),
                };
                format!("{}={value}", attribute.key)
            });
            (metric.name.clone(), labels.collect::<Vec<_>>().join(","))
        };
        let mut put = |key, flat: Flat| assert!(points.insert(key, flat).is_none(), "a series twice");
        match metric.data.as_ref().unwrap() {
            metric::Data::Gauge(_) => {}
            metric::Data::Sum(sum) => {
                for point in &sum.data_points {
                    let value = match point.value.unwrap() {
                        number_data_point::Value::AsDouble(value) => value,
                        number_data_point::Value::AsInt(value) => value as f64,
                    };
                    put(named(&point.attributes), Flat::from([("value".to_owned(), value)]));
                }
            }
            metric::Data::ExponentialHistogram(histogram) => {
                for point in &histogram.data_points {
                    let buckets = point.positive.as_ref().unwrap();
                    let used =
                        (buckets.offset..).zip(&buckets.bucket_counts).filter(|(_, count)| **count > 0);
                    let mut flat: Flat =
                        used.map(|(index, count)| (format!("bucket {index}"), *count as f64)).collect();
                    flat.insert("zero".to_owned(), point.zero_count as f64);
                    flat.insert("count".to_owned(), point.count as f64);
                    // Sums are whole nanoseconds, told in seconds.
                    flat.insert("sum".to_owned(), (point.sum.unwrap() * 1e6).round());
                    put(named(&point.attributes), flat);
                }
            }
            metric::Data::Histogram(histogram) => {
                for point in &histogram.data_points {
                    let mut flat: Flat = (0..)
                        .zip(&point.bucket_counts)
                        .map(|(index, count)| (format!("bucket {index}"), *count as f64))
                        .collect();
                    flat.insert("count".to_owned(), point.count as f64);
                    put(named(&point.attributes), flat);
                }
            }
            metric::Data::Summary(_) => panic!("nothing is a summary"),
        }
    }
    points
}

/// Adds points up, series by series.
pub(crate) fn add(mut left: Points, right: Points) -> Points {
    for (key, flat) in right {
        let sum = left.entry(key).or_default();
        for (name, value) in flat {
            *sum.entry(name).or_default() += value;
        }
    }
    left
}

/// Points without what is zero, so that what never came and what came to nothing are the same. Sums may be off by what a
/// second's fraction is rounded by.
pub(crate) fn same(left: Points, right: Points) -> Result<(), TestCaseError> {
    let of = |points: Points| -> Points {
        let used = points
            .into_iter()
            .map(|(key, flat)| (key, flat.into_iter().filter(|(_, value)| *value != 0.0).collect::<Flat>()));
        used.filter(|(_, flat)| !flat.is_empty()).collect()
    };
    let (left, right) = (of(left), of(right));
    prop_assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    for ((key, left), right) in left.iter().zip(right.values()) {
        for name in left.keys().chain(right.keys()) {
            let of = |flat: &Flat| flat.get(name).copied().unwrap_or(0.0);
            let (left, right) = (of(left), of(right));
            let room = if name == "sum" { 3.0 + left.abs() * 1e-9 } else { left.abs() * 1e-12 };
            prop_assert!((left - right).abs() <= room, "{:?} {}: {} and {}", key, name, left, right);
        }
    }
    Ok(())
}
