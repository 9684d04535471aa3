//! One log line, and its form on the wire.

use metrics::{SpanId, TraceId};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use tracing::Level;
use uuid::Uuid;

/// A log line.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// When it was said, in nanoseconds since the beginning of 1970, UTC.
    pub unix_nanos: u64,
    /// How grave it is.
    pub level: Level,
    /// Which part of the program said it.
    pub target: String,
    /// What it says.
    pub message: String,
    /// The run it is about; `None` for the run that is under way.
    pub run_id: Option<Uuid>,
    /// The trace it belongs to.
    pub trace: Option<TraceId>,
    /// The span it belongs to.
    pub span: Option<SpanId>,
    /// `scenario/step`, or a task's name.
    pub task_id: Option<String>,
    /// The worker that said it; `None` for the process itself.
    pub worker: Option<String>,
    /// Everything else it says, by name.
    pub fields: Vec<(String, FieldValue)>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
}

impl LogLine {
    /// As a record of the run `run_id`; `process` is the worker where it names none.
    pub(super) fn into_record(self, run_id: Uuid, process: &str) -> LogRecord {
        let own = [
            Some(attribute("run_id", text(run_id.to_string()))),
            Some(attribute("worker", text(self.worker.unwrap_or_else(|| process.to_owned())))),
            Some(attribute("target", text(self.target))),
            self.task_id.map(|task_id| attribute("task_id", text(task_id))),
        ];
        let fields = self.fields.into_iter().map(|(name, value)| attribute(&name, value.into()));
        LogRecord {
            time_unix_nano: self.unix_nanos,
            observed_time_unix_nano: self.unix_nanos,
            severity_number: severity(self.level).into(),
            severity_text: self.level.as_str().to_owned(),
            body: Some(AnyValue { value: Some(text(self.message)) }),
            attributes: own.into_iter().flatten().chain(fields).collect(),
            // Only what is sampled has a span to be found by.
            flags: u32::from(self.span.is_some()),
            trace_id: self.trace.map(|trace| trace.0.to_be_bytes().to_vec()).unwrap_or_default(),
            span_id: self.span.map(|span| span.0.to_be_bytes().to_vec()).unwrap_or_default(),
            ..LogRecord::default()
        }
    }
}

impl From<FieldValue> for Value {
    fn from(value: FieldValue) -> Self {
        match value {
            FieldValue::Text(value) => Self::StringValue(value),
            FieldValue::Int(value) => Self::IntValue(value),
            FieldValue::Float(value) => Self::DoubleValue(value),
            FieldValue::Bool(value) => Self::BoolValue(value),
        }
    }
}

fn text(text: String) -> Value {
    Value::StringValue(text)
}

fn attribute(name: &str, value: Value) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn severity(level: Level) -> SeverityNumber {
    match level {
        Level::TRACE => SeverityNumber::Trace,
        Level::DEBUG => SeverityNumber::Debug,
        Level::INFO => SeverityNumber::Info,
        Level::WARN => SeverityNumber::Warn,
        Level::ERROR => SeverityNumber::Error,
    }
}
