//! The series of a run as data points of OTLP.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    self as otlp, AggregationTemporality, ExponentialHistogramDataPoint, HistogramDataPoint, Metric,
    NumberDataPoint, exemplar, metric, number_data_point,
};

use crate::board::{Exemplar, RunLabels, Series, Value};
use crate::catalogue::{Instrument, Kind};
use crate::exponential::{SCALE, ZERO_THRESHOLD};
use crate::prometheus::classic;
use crate::times::Times;
use crate::{HistogramForm, Settings};

/// From when to when was counted, in nanoseconds since the beginning of 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// The data points, one metric after the other.
pub(crate) fn encode(run: &RunLabels, series: &[Series], span: Span, settings: &Settings) -> Vec<Metric> {
    let mut metrics = Vec::<Metric>::new();
    for Series { instrument, labels, value } in series {
        let attributes = attributes(run, labels);
        let place = metrics.iter().position(|metric| metric.name == instrument.name);
        let place = place.unwrap_or_else(|| {
            metrics.push(empty(instrument, settings));
            metrics.len() - 1
        });
        let Some(data) = &mut metrics[place].data else { continue };
        match (data, value) {
            (metric::Data::Gauge(gauge), Value::Level(value)) => {
                let value = number_data_point::Value::AsDouble(*value);
                gauge.data_points.push(number(attributes, Span { from: 0, ..span }, value));
            }
            (metric::Data::Sum(sum), Value::Count(count)) => {
                let count = i64::try_from(*count).unwrap_or(i64::MAX);
                let value = number_data_point::Value::AsInt(count);
                sum.data_points.push(number(attributes, span, value));
            }
            (metric::Data::Sum(sum), Value::Amount(amount)) => {
                let value = number_data_point::Value::AsDouble(*amount);
                sum.data_points.push(number(attributes, span, value));
            }
            (metric::Data::ExponentialHistogram(histogram), Value::Times(times, exemplars)) => {
                histogram.data_points.push(exponential(attributes, span, times, exemplars));
            }
            (metric::Data::Histogram(histogram), Value::Times(times, exemplars)) => {
                histogram.data_points.push(explicit(attributes, span, times, exemplars));
            }
            (_, value) => debug_assert!(false, "{value:?} is no value of `{}`", instrument.name),
        }
    }
    metrics
}

/// A metric without points.
fn empty(instrument: &Instrument, settings: &Settings) -> Metric {
    let temporality = if settings.temporality.is_delta() {
        AggregationTemporality::Delta
    } else {
        AggregationTemporality::Cumulative
    };
    let aggregation_temporality = temporality as i32;
    let data = match (instrument.kind, settings.histograms) {
        (Kind::Gauge, _) => metric::Data::Gauge(otlp::Gauge::default()),
        (Kind::Counter, _) => metric::Data::Sum(otlp::Sum {
            data_points: Vec::new(),
            aggregation_temporality,
            is_monotonic: true,
        }),
        (Kind::Histogram, HistogramForm::Exponential) => {
            metric::Data::ExponentialHistogram(otlp::ExponentialHistogram {
                data_points: Vec::new(),
                aggregation_temporality,
            })
        }
        (Kind::Histogram, HistogramForm::Explicit) => {
            metric::Data::Histogram(otlp::Histogram { data_points: Vec::new(), aggregation_temporality })
        }
    };
    Metric {
        name: instrument.name.to_owned(),
        description: instrument.help.to_owned(),
        unit: instrument.unit.to_owned(),
        metadata: Vec::new(),
        data: Some(data),
    }
}

fn number(attributes: Vec<KeyValue>, span: Span, value: number_data_point::Value) -> NumberDataPoint {
    NumberDataPoint {
        attributes,
        start_time_unix_nano: span.from,
        time_unix_nano: span.to,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn exponential(
    attributes: Vec<KeyValue>,
    span: Span,
    times: &Times,
    exemplars: &[Exemplar],
) -> ExponentialHistogramDataPoint {
    let form = &times.exponential;
    let offset = form.buckets.first().map_or(0, |(index, _)| *index);
    let mut bucket_counts = vec![0; form.buckets.last().map_or(0, |(index, _)| index - offset + 1) as usize];
    for (index, count) in &form.buckets {
        bucket_counts[(index - offset) as usize] = *count;
    }
    let moments = &times.moments;
    ExponentialHistogramDataPoint {
        attributes,
        start_time_unix_nano: span.from,
        time_unix_nano: span.to,
        count: moments.count,
        sum: Some(times.sum()),
        scale: SCALE,
        zero_count: form.zero_count,
        zero_threshold: ZERO_THRESHOLD,
        positive: Some(Buckets { offset, bucket_counts }),
        exemplars: exemplars.iter().map(example).collect(),
        min: Some(moments.min as f64 / 1e9),
        max: Some(moments.max as f64 / 1e9),
        ..ExponentialHistogramDataPoint::default()
    }
}

fn explicit(
    attributes: Vec<KeyValue>,
    span: Span,
    times: &Times,
    exemplars: &[Exemplar],
) -> HistogramDataPoint {
    let moments = &times.moments;
    HistogramDataPoint {
        attributes,
        start_time_unix_nano: span.from,
        time_unix_nano: span.to,
        count: moments.count,
        sum: Some(times.sum()),
        bucket_counts: times.classic.to_vec(),
        explicit_bounds: classic::BOUNDS.to_vec(),
        exemplars: exemplars.iter().map(example).collect(),
        min: Some(moments.min as f64 / 1e9),
        max: Some(moments.max as f64 / 1e9),
        ..HistogramDataPoint::default()
    }
}

fn example(exemplar: &Exemplar) -> otlp::Exemplar {
    otlp::Exemplar {
        time_unix_nano: exemplar.at_unix_nanos,
        value: Some(exemplar::Value::AsDouble(exemplar.value.as_secs_f64())),
        trace_id: exemplar.context.trace.0.to_be_bytes().to_vec(),
        span_id: exemplar.context.span.0.to_be_bytes().to_vec(),
        filtered_attributes: Vec::new(),
    }
}

fn attributes(run: &RunLabels, labels: &[(&'static str, String)]) -> Vec<KeyValue> {
    let text = |name: &str, value: &str| {
        // The conventions want a number here.
        let value = match value.parse() {
            Ok(port) if name == "server.port" => any_value::Value::IntValue(port),
            _ => any_value::Value::StringValue(value.to_owned()),
        };
        KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    };
    let mut attributes = vec![text("run_id", &run.run_id.to_string()), text("worker", &run.worker)];
    attributes.extend(labels.iter().map(|(name, value)| text(name, value)));
    attributes
}

#[cfg(test)]
mod tests;
