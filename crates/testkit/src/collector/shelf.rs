//! What was taken: counted with and without repetitions, and kept.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use http::HeaderMap;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
use prost::{DecodeError, Message};

use super::{Form, Signal};

/// What was taken of one signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Items, each as often as it came.
    pub items: u64,
    /// Different items: equal bytes are one item.
    pub distinct: u64,
    /// Requests of which something was taken.
    pub requests: u64,
}

/// The head of a request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What it was about.
    pub signal: Signal,
    /// How it came.
    pub form: Form,
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
}

/// A decoded request.
#[derive(Clone, Debug)]
pub enum Export {
    /// Spans.
    Traces(ExportTraceServiceRequest),
    /// Data points.
    Metrics(ExportMetricsServiceRequest),
    /// Log records.
    Logs(ExportLogsServiceRequest),
}

impl Export {
    /// Decodes the body of a request.
    pub(super) fn decode(signal: Signal, body: &[u8]) -> Result<Self, DecodeError> {
        Ok(match signal {
            Signal::Traces => Self::Traces(Message::decode(body)?),
            Signal::Metrics => Self::Metrics(Message::decode(body)?),
            Signal::Logs => Self::Logs(Message::decode(body)?),
        })
    }

    /// How many items it has.
    pub(super) fn items(&self) -> u64 {
        self.fingerprints().len() as u64
    }

    /// Leaves out its first `count` items.
    pub(super) fn skip(&mut self, count: u64) {
        let mut left = count;
        let mut keeps = || {
            let keeps = left == 0;
            left = left.saturating_sub(1);
            keeps
        };
        match self {
            Self::Traces(request) => {
                let scopes = request.resource_spans.iter_mut().flat_map(|of| &mut of.scope_spans);
                scopes.for_each(|scope| scope.spans.retain(|_| keeps()));
            }
            Self::Logs(request) => {
                let scopes = request.resource_logs.iter_mut().flat_map(|of| &mut of.scope_logs);
                scopes.for_each(|scope| scope.log_records.retain(|_| keeps()));
            }
            Self::Metrics(request) => {
                let scopes = request.resource_metrics.iter_mut().flat_map(|of| &mut of.scope_metrics);
                for metric in scopes.flat_map(|scope| &mut scope.metrics) {
                    match &mut metric.data {
                        None => {}
                        Some(Data::Gauge(data)) => data.data_points.retain(|_| keeps()),
                        Some(Data::Sum(data)) => data.data_points.retain(|_| keeps()),
                        Some(Data::Histogram(data)) => data.data_points.retain(|_| keeps()),
                        Some(Data::ExponentialHistogram(data)) => data.data_points.retain(|_| keeps()),
                        Some(Data::Summary(data)) => data.data_points.retain(|_| keeps()),
                    }
                }
            }
        }
    }

    fn signal(&self) -> Signal {
        match self {
            Self::Traces(_) => Signal::Traces,
            Self::Metrics(_) => Signal::Metrics,
            Self::Logs(_) => Signal::Logs,
        }
    }

    /// One number for each item.
    fn fingerprints(&self) -> Vec<u64> {
        match self {
            Self::Traces(request) => {
                let scopes = request.resource_spans.iter().flat_map(|of| &of.scope_spans);
                scopes.flat_map(|scope| &scope.spans).map(|span| fingerprint("", span)).collect()
            }
            Self::Logs(request) => {
                let scopes = request.resource_logs.iter().flat_map(|of| &of.scope_logs);
                scopes.flat_map(|scope| &scope.log_records).map(|record| fingerprint("", record)).collect()
            }
            Self::Metrics(request) => {
                let scopes = request.resource_metrics.iter().flat_map(|of| &of.scope_metrics);
                scopes.flat_map(|scope| &scope.metrics).flat_map(point_fingerprints).collect()
            }
        }
    }
}

fn point_fingerprints(metric: &Metric) -> Vec<u64> {
    fn all<P: Message>(name: &str, points: &[P]) -> Vec<u64> {
        points.iter().map(|point| fingerprint(name, point)).collect()
    }
    match &metric.data {
        None => Vec::new(),
        Some(Data::Gauge(data)) => all(&metric.name, &data.data_points),
        Some(Data::Sum(data)) => all(&metric.name, &data.data_points),
        Some(Data::Histogram(data)) => all(&metric.name, &data.data_points),
        Some(Data::ExponentialHistogram(data)) => all(&metric.name, &data.data_points),
        Some(Data::Summary(data)) => all(&metric.name, &data.data_points),
    }
}

fn fingerprint(name: &str, item: &impl Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    (name, item.encode_to_vec()).hash(&mut hasher);
    hasher.finish()
}

/// All that was taken.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    shelves: [Shelf; 3],
    kept: Vec<Export>,
    seen: Vec<Seen>,
}

#[derive(Debug, Default)]
struct Shelf {
    taken: Taken,
    fingerprints: HashSet<u64>,
}

impl Shelves {
    /// Takes the items of a request.
    pub(super) fn take(&mut self, export: Export) {
        let shelf = &mut self.shelves[export.signal() as usize];
        let fingerprints = export.fingerprints();
        shelf.taken.items += fingerprints.len() as u64;
        shelf.taken.requests += 1;
        shelf.fingerprints.extend(fingerprints);
        shelf.taken.distinct = shelf.fingerprints.len() as u64;
        if self.kept.len() < MAX_KEPT {
            self.kept.push(export);
        }
    }

    /// Notes that a request came.
    pub(super) fn see(&mut self, seen: Seen) {
        if self.seen.len() < MAX_SEEN {
            self.seen.push(seen);
        }
    }

    pub(super) fn taken(&self, signal: Signal) -> Taken {
        self.shelves[signal as usize].taken
    }

    pub(super) fn seen(&self) -> &[Seen] {
        &self.seen
    }

    pub(super) fn kept<R>(&self, pick: impl FnMut(&Export) -> Option<R>) -> Vec<R> {
        self.kept.iter().filter_map(pick).collect()
    }
}

const MAX_KEPT: usize = 16_384;
const MAX_SEEN: usize = 65_536;
