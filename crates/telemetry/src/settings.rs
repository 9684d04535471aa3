//! Where telemetry goes, as the standard `OTEL_…` variables say.
//!
//! [`Settings::from_variables`] reads them all at once and refuses what cannot be meant; [`VARIABLES`] is the list, which
//! the documentation is checked against. What is set and has no effect here is a warning. Headers may hold credentials:
//! no text shows them.

mod endpoint;
mod headers;
mod read;
#[cfg(test)]
mod tests;
mod trust;
mod variables;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use metrics::{Sampling, Signal};
use net::dial::Endpoint;
use rustls::ClientConfig;
use units::Nanos;

pub use endpoint::UrlError;
pub use headers::Headers;
pub use read::SettingsError;
pub use trust::FileError;
pub use variables::{IGNORED_VARIABLES, VARIABLES};

/// What a process sends, where to and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where spans go, if anywhere.
    pub traces: Option<Destination>,
    /// Where data points go, if anywhere.
    pub metrics: Option<Destination>,
    /// Where log records go, if anywhere.
    pub logs: Option<Destination>,
    /// Attributes of the resource that the variables add.
    pub resource: BTreeMap<String, String>,
    /// Which executions are kept, instead of what the file says.
    pub sampler: Option<Sampling>,
    /// Whether trace headers may go to the target.
    pub propagates: bool,
    /// Time from one export of the metrics to the next.
    pub metric_interval: Nanos,
    /// What counters and histograms count from.
    pub temporality: Temporality,
    /// The form of histograms.
    pub histograms: HistogramForm,
    /// How spans wait.
    pub span_batches: Batches,
    /// How data points wait.
    pub point_batches: Batches,
    /// How log records wait.
    pub record_batches: Batches,
    pub(crate) warnings: Vec<String>,
}

/// One receiver of one signal. What may be a secret of it is not shown: neither headers' values nor the path's query.
#[derive(Clone)]
pub struct Destination {
    /// Scheme, host and port.
    pub endpoint: Endpoint,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// The path of the HTTP form, from the slash on; gRPC has its own.
    pub path: String,
    /// Headers or metadata of every request.
    pub headers: Headers,
    /// How long one attempt may take, connecting included.
    pub timeout: Nanos,
    /// How requests are compressed.
    pub compression: Compression,
    /// Settings of an encrypted connection.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, protocol, path, headers, timeout, compression, tls } = self;
        f.debug_struct("Destination")
            .field("endpoint", endpoint)
            .field("protocol", protocol)
            .field("path", &path.split('?').next().unwrap_or_default())
            .field("headers", headers)
            .field("timeout", timeout)
            .field("compression", compression)
            .field("is_encrypted", &tls.is_some())
            .finish()
    }
}

/// How a receiver is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Protobuf over gRPC.
    Grpc,
    /// Protobuf in the body of an HTTP/1.1 POST.
    Http,
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// They are not.
    #[default]
    None,
    /// By gzip.
    Gzip,
}

/// What counters and histograms count from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    /// From the start of the run.
    #[default]
    Cumulative,
    /// From the last export; what goes up and down is cumulative.
    Delta,
    /// From the last export, counters and histograms alike; asked for to save memory.
    LowMemory,
}

impl Temporality {
    /// Whether a monotonic counter or a histogram counts from the last export.
    pub fn is_delta(self) -> bool {
        !matches!(self, Self::Cumulative)
    }
}

/// The form of histograms over OTLP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HistogramForm {
    /// Base-2 exponential buckets.
    #[default]
    Exponential,
    /// Buckets with explicit bounds.
    Explicit,
}

/// How items wait until they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batches {
    /// Items that may wait; more are lost.
    pub queue: usize,
    /// Items of one request.
    pub most: usize,
    /// How long an item waits for others.
    pub delay: Nanos,
    /// How long a batch may take with all its attempts.
    pub timeout: Nanos,
}

impl Settings {
    /// Reads the variables, one by one through `lookup`, and the files of certificates that they name. A variable that is
    /// set but empty counts as not set.
    ///
    /// # Errors
    /// For the first variable that cannot be understood.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        read::settings(&lookup)
    }

    /// Sends nothing.
    pub fn off() -> Self {
        Self {
            traces: None,
            metrics: None,
            logs: None,
            resource: BTreeMap::new(),
            sampler: None,
            propagates: true,
            metric_interval: METRIC_INTERVAL,
            temporality: Temporality::default(),
            histograms: HistogramForm::default(),
            span_batches: SPAN_BATCHES,
            point_batches: POINT_BATCHES,
            record_batches: RECORD_BATCHES,
            warnings: Vec::new(),
        }
    }

    /// Where the signal goes, if anywhere.
    pub fn destination(&self, signal: Signal) -> Option<&Destination> {
        match signal {
            Signal::Traces => self.traces.as_ref(),
            Signal::Metrics => self.metrics.as_ref(),
            Signal::Logs => self.logs.as_ref(),
        }
    }

    /// Whether anything is sent.
    pub fn sends_anything(&self) -> bool {
        Signal::ALL.into_iter().any(|signal| self.destination(signal).is_some())
    }

    /// What is set and has no effect, or another than one may think, for people.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// Time between exports of the metrics: short beside the SDKs' 60 s, as a run may be.
const METRIC_INTERVAL: Nanos = Nanos::from_secs(10);
/// The SDKs' queue of 2,048 holds 2 s of the default budget of spans; this one holds 16 s, a collector's restart.
const SPAN_BATCHES: Batches =
    Batches { queue: 16_384, most: 512, delay: Nanos::SECOND, timeout: Nanos::from_secs(30) };
/// A point may be a histogram of 2 KiB: a request stays below the 4 MiB that gRPC receivers take.
const POINT_BATCHES: Batches =
    Batches { queue: 16_384, most: 1_000, delay: Nanos::ZERO, timeout: Nanos::from_secs(30) };
const RECORD_BATCHES: Batches =
    Batches { queue: 16_384, most: 512, delay: Nanos::SECOND, timeout: Nanos::from_secs(30) };
