//! Batches as the bytes of an export request.

use std::fmt;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flate2::write::GzEncoder;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{RetryPolicy, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use prost::Message as _;

use crate::carrier::Payload;
use crate::resource::Resource;
use crate::settings::Compression;

/// Makes the bytes of a request.
pub(crate) trait Encode<T>: Send + 'static {
    /// Encodes one batch.
    fn encode(&mut self, batch: Vec<T>) -> impl Future<Output = io::Result<Payload>> + Send;
}

/// Spans, by the library's exporter.
pub(crate) struct SpanEncoder {
    exporter: opentelemetry_otlp::SpanExporter,
    handover: Arc<Handover>,
    compression: Compression,
}

impl SpanEncoder {
    pub(crate) fn new(resource: &Resource, compression: Compression) -> io::Result<Self> {
        let handover = Arc::new(Handover::default());
        // Where requests go is the carrier's matter, and retries are the pipeline's.
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_endpoint("http://localhost/")
            .with_shared_http_client(Arc::clone(&handover) as Arc<dyn HttpClient>)
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .map_err(io::Error::other)?;
        exporter.set_resource(&resource.sdk());
        Ok(Self { exporter, handover, compression })
    }
}

impl Encode<SpanData> for SpanEncoder {
    async fn encode(&mut self, batch: Vec<SpanData>) -> io::Result<Payload> {
        // The exporter's word on its success is not used: what became of a batch is what the receiver answers.
        let exported = self.exporter.export(batch).await;
        let bytes = self.handover.take().ok_or_else(|| match exported {
            Ok(()) => io::Error::other("the exporter sent nothing"),
            Err(error) => io::Error::other(error),
        })?;
        compressed(bytes, self.compression)
    }
}

impl fmt::Debug for SpanEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpanEncoder")
    }
}

/// The HTTP client of the library's exporter: it takes the bytes of a request, which the carrier sends. They are not
/// compressed, whatever the variables of the process say: the library is built without.
#[derive(Debug, Default)]
struct Handover(Mutex<Option<Bytes>>);

impl Handover {
    fn take(&self) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl HttpClient for Handover {
    fn send_bytes<'this, 'sending>(
        &'this self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sending>>
    where
        'this: 'sending,
        Self: 'sending,
    {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.into_body());
        Box::pin(async { Ok(Response::new(Bytes::new())) })
    }
}

/// Data points.
#[derive(Clone, Debug)]
pub(crate) struct PointEncoder {
    pub(crate) resource: Resource,
    pub(crate) compression: Compression,
}

impl Encode<Metric> for PointEncoder {
    async fn encode(&mut self, metrics: Vec<Metric>) -> io::Result<Payload> {
        let scope = ScopeMetrics { scope: Some(self.resource.scope()), metrics, ..Default::default() };
        let resource = ResourceMetrics {
            resource: Some(self.resource.proto()),
            scope_metrics: vec![scope],
            ..Default::default()
        };
        let request = ExportMetricsServiceRequest { resource_metrics: vec![resource] };
        compressed(request.encode_to_vec().into(), self.compression)
    }
}

/// Log records.
#[derive(Clone, Debug)]
pub(crate) struct RecordEncoder {
    pub(crate) resource: Resource,
    pub(crate) compression: Compression,
}

impl Encode<LogRecord> for RecordEncoder {
    async fn encode(&mut self, log_records: Vec<LogRecord>) -> io::Result<Payload> {
        let scope = ScopeLogs { scope: Some(self.resource.scope()), log_records, ..Default::default() };
        let resource = ResourceLogs {
            resource: Some(self.resource.proto()),
            scope_logs: vec![scope],
            ..Default::default()
        };
        let request = ExportLogsServiceRequest { resource_logs: vec![resource] };
        compressed(request.encode_to_vec().into(), self.compression)
    }
}

fn compressed(bytes: Bytes, compression: Compression) -> io::Result<Payload> {
    match compression {
        Compression::None => Ok(Payload { bytes, is_gzip: false }),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&bytes)?;
            Ok(Payload { bytes: encoder.finish()?.into(), is_gzip: true })
        }
    }
}
