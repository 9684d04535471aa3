use opentelemetry_proto::tonic::common::v1::any_value;

use super::*;
use crate::board::StepTarget;
use crate::board::fixture::{Request, layout, part, recorded};
use crate::{Temporality, catalogue};

const NOW: u64 = 2_000_000_000_000_000_000;

fn find<'a>(metrics: &'a [Metric], name: &str) -> &'a Metric {
    metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name}"))
}

fn measured() -> crate::RunBoard {
    let layout = layout(1, 1, 0);
    let (_, run) = part(7, "w1");
    run.measure(&layout);
    run.describe(vec![Some(StepTarget {
        method: "POST".to_owned(),
        address: "shop.test".to_owned(),
        port: 8080,
    })]);
    let request = |time| Request { step: 0, wait: 0, time, outcome: metrics::Outcome::Succeeded };
    run.observe(&recorded(&layout, 0, 0, &[request(1_000_000), request(4_000_000)]));
    run.set(&catalogue::WORKER_BUSIEST_THREAD, &[], 0.5);
    run
}

#[test]
fn a_histogram_has_its_exact_sums_and_the_attributes_of_the_conventions() {
    let run = measured();
    let metrics = run.points(NOW, &Settings::off());
    let metric = find(&metrics, "http.client.request.duration");
    assert_eq!((metric.unit.as_str(), metric.description.is_empty()), ("s", false));
    let Some(metric::Data::ExponentialHistogram(histogram)) = &metric.data else { panic!("{metric:?}") };
    assert_eq!(histogram.aggregation_temporality, AggregationTemporality::Cumulative as i32);
    let [point] = &histogram.data_points[..] else { panic!("{histogram:?}") };
    assert_eq!((point.count, point.sum, point.min, point.max), (2, Some(0.005), Some(0.001), Some(0.004)));
    assert_eq!((point.scale, point.zero_count, point.time_unix_nano), (5, 0, NOW));
    assert!(point.start_time_unix_nano > 0 && point.start_time_unix_nano < NOW);
    let buckets = point.positive.as_ref().unwrap();
    assert_eq!((buckets.bucket_counts.first(), buckets.bucket_counts.last()), (Some(&1), Some(&1)));
    let port = point.attributes.iter().find(|attribute| attribute.key == "server.port").unwrap();
    assert_eq!(port.value.as_ref().unwrap().value, Some(any_value::Value::IntValue(8080)));
    assert!(point.attributes.iter().all(|attribute| attribute.key != "error.type"), "absent on success");
}

#[test]
fn the_form_and_the_span_are_those_that_are_asked_for() {
    let run = measured();
    let settings = Settings {
        temporality: Temporality::LowMemory,
        histograms: HistogramForm::Explicit,
        ..Settings::off()
    };
    run.points(NOW, &settings);
    let metrics = run.points(NOW + 10, &settings);
    assert!(!metrics.iter().any(|metric| metric.name == "http.client.request.duration"), "nothing came");
    let metric = find(&metrics, "loadgen.requests.attempted");
    let Some(metric::Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
    assert!(sum.is_monotonic);
    assert_eq!(sum.aggregation_temporality, AggregationTemporality::Delta as i32);
    let [point] = &sum.data_points[..] else { panic!("{sum:?}") };
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (NOW, NOW + 10));
    assert_eq!(point.value, Some(number_data_point::Value::AsInt(0)));
    let gauge = find(&metrics, "loadgen.worker.busiest_thread");
    let Some(metric::Data::Gauge(gauge)) = &gauge.data else { panic!("{gauge:?}") };
    assert_eq!(gauge.data_points[0].value, Some(number_data_point::Value::AsDouble(0.5)));
}

#[test]
fn explicit_buckets_have_one_more_than_bounds() {
    let metrics =
        measured().points(NOW, &Settings { histograms: HistogramForm::Explicit, ..Settings::off() });
    let metric = find(&metrics, "http.client.request.duration");
    let Some(metric::Data::Histogram(histogram)) = &metric.data else { panic!("{metric:?}") };
    let point = &histogram.data_points[0];
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert_eq!(point.bucket_counts.iter().sum::<u64>(), 2);
}
