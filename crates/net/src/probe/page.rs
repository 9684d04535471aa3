//! Numbers under their names, in Prometheus' own data model.
//!
//! The model is `prometheus-client`'s, generated from `io.prometheus.client`. Its registry and text encoder stand aside:
//! the encoder takes aggregated buckets, but an exemplar cannot be made outside of that crate (0.25), and it writes no
//! form older than OpenMetrics. So a page is built as data, and [`Form`] writes the same data in every form.

use std::time::{Duration, UNIX_EPOCH};

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as model;

use super::instrument::label_name;
use super::{Form, Instrument, Kind};

/// A page of numbers, in the order in which their names were first added.
///
/// ```
/// use loadgen_net::probe::{Form, Instrument, Kind, Page, Scope, Sender};
///
/// static WORKERS: Instrument = Instrument {
///     name: "loadgen.workers",
///     unit: "{worker}",
///     kind: Kind::Gauge,
///     scope: Scope::Process,
///     labels: &["state"],
///     sender: Sender::Controller,
///     help: "Workers, by where they stand.",
/// };
/// let mut page = Page::default();
/// page.family(&WORKERS).sample(&[("state", "ready")], 3.0);
/// assert!(page.encode(Form::Text).ends_with(b"loadgen_workers{state=\"ready\"} 3\n"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Page {
    families: Vec<model::MetricFamily>,
}

/// Numbers under one name.
#[derive(Debug)]
pub struct Family<'a> {
    kind: Kind,
    metrics: &'a mut Vec<model::Metric>,
}

/// A histogram as it is at the moment of asking.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The classic buckets in ascending order; the one without an upper end is added.
    pub classic: Vec<ClassicBucket>,
    /// What is known of values above the last of them.
    pub last_exemplar: Option<Exemplar>,
    /// The same values in a native histogram.
    pub native: Option<Native>,
    /// Nanoseconds since the beginning of 1970 at which counting began.
    pub since_unix_nanos: u64,
}

/// One classic bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassicBucket {
    /// Its upper end, which belongs to it.
    pub at_most: f64,
    /// How many values are at most that, those of lower buckets included.
    pub count: u64,
    /// One of the values in it.
    pub exemplar: Option<Exemplar>,
}

/// A value that can be looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// What it is found by.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
    /// When it was seen, in nanoseconds since the beginning of 1970.
    pub at_unix_nanos: u64,
}

/// Buckets with exponential bounds: bucket *i* ends at 2^(i · 2^−schema), which belongs to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Native {
    /// How fine it is, −4 to 8.
    pub schema: i32,
    /// The highest value that counts as zero.
    pub zero_threshold: f64,
    /// How many do.
    pub zero_count: u64,
    /// The used buckets in ascending order, as (index, count).
    pub positive: Vec<(i32, u64)>,
}

impl Page {
    /// The numbers of one name: those that are there already, and what is added now.
    pub fn family(&mut self, instrument: &Instrument) -> Family<'_> {
        let name = instrument.prometheus_name();
        let place = self.families.iter().position(|family| family.name == name).unwrap_or_else(|| {
            let kind = match instrument.kind {
                Kind::Counter => model::MetricType::Counter,
                Kind::Gauge => model::MetricType::Gauge,
                Kind::Histogram => model::MetricType::Histogram,
            };
            self.families.push(model::MetricFamily {
                name,
                help: instrument.help.to_owned(),
                r#type: kind as i32,
                unit: instrument.prometheus_unit().unwrap_or_default().to_owned(),
                ..model::MetricFamily::default()
            });
            self.families.len() - 1
        });
        Family { kind: instrument.kind, metrics: &mut self.families[place].metric }
    }

    /// The page in one form, without names that have no numbers.
    pub fn encode(&self, form: Form) -> Vec<u8> {
        form.encode(self.families.iter().filter(|family| !family.metric.is_empty()))
    }
}

impl Family<'_> {
    /// Adds a number.
    ///
    /// # Panics
    /// When the name is that of a histogram.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        let mut metric = model::Metric { label: pairs(labels), ..model::Metric::default() };
        match self.kind {
            Kind::Counter => metric.counter = Some(model::Counter { value, ..model::Counter::default() }),
            Kind::Gauge => metric.gauge = Some(model::Gauge { value }),
            Kind::Histogram => panic!("a histogram is more than a number"),
        }
        self.metrics.push(metric);
        self
    }

    /// Adds a histogram.
    ///
    /// # Panics
    /// When the name is not that of a histogram.
    pub fn histogram(&mut self, labels: &[(&str, &str)], buckets: Buckets) -> &mut Self {
        assert!(self.kind == Kind::Histogram, "a {} has no buckets", self.kind.name());
        let ends = buckets.classic.into_iter().map(|bucket| (bucket.at_most, bucket.count, bucket.exemplar));
        let ends = ends.chain([(f64::INFINITY, buckets.count, buckets.last_exemplar)]);
        let mut histogram = model::Histogram {
            sample_count: buckets.count,
            sample_sum: buckets.sum,
            bucket: ends
                .map(|(upper_bound, cumulative_count, exemplar)| model::Bucket {
                    upper_bound,
                    cumulative_count,
                    exemplar: exemplar.map(Exemplar::into_model),
                    ..model::Bucket::default()
                })
                .collect(),
            start_timestamp: Some((UNIX_EPOCH + Duration::from_nanos(buckets.since_unix_nanos)).into()),
            ..model::Histogram::default()
        };
        if let Some(native) = &buckets.native {
            native.write_to(&mut histogram);
        }
        self.metrics.push(model::Metric {
            label: pairs(labels),
            histogram: Some(histogram),
            ..model::Metric::default()
        });
        self
    }
}

impl Exemplar {
    fn into_model(self) -> model::Exemplar {
        model::Exemplar {
            label: self
                .labels
                .into_iter()
                .map(|(name, value)| model::LabelPair { name: name.to_owned(), value })
                .collect(),
            value: self.value,
            timestamp: Some((UNIX_EPOCH + Duration::from_nanos(self.at_unix_nanos)).into()),
        }
    }
}

impl Native {
    /// As runs of adjacent buckets, and each count as the difference to the one before it.
    fn write_to(&self, histogram: &mut model::Histogram) {
        histogram.schema = self.schema;
        histogram.zero_threshold = self.zero_threshold;
        histogram.zero_count = self.zero_count;
        let (mut next, mut before) = (0, 0_i64);
        for (index, count) in &self.positive {
            match histogram.positive_span.last_mut() {
                Some(span) if *index == next => span.length += 1,
                _ => histogram.positive_span.push(model::BucketSpan { offset: index - next, length: 1 }),
            }
            next = index + 1;
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            histogram.positive_delta.push(count - before);
            before = count;
        }
        if self.positive.is_empty() {
            // A run of nothing says that this is a native histogram all the same.
            histogram.positive_span.push(model::BucketSpan { offset: 0, length: 0 });
        }
    }
}

fn pairs(labels: &[(&str, &str)]) -> Vec<model::LabelPair> {
    let pair = |(name, value): &(&str, &str)| model::LabelPair {
        name: label_name(name),
        value: (*value).to_owned(),
    };
    labels.iter().map(pair).collect()
}

#[cfg(test)]
mod tests;
