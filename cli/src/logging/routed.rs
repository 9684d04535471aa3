//! Log lines on their way to a receiver.

use metrics::{SpanId, TraceId};
use serde_json::Value;
use telemetry::{FieldValue, LogLine, LogRoutes};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::LogLabel;
use super::line::Fields;

/// Feeds every line to the routes of this process.
pub(super) struct Routed {
    routes: LogRoutes,
    label: LogLabel,
}

impl Routed {
    pub(super) fn new(routes: LogRoutes, label: LogLabel) -> Self {
        Self { routes, label }
    }
}

impl<S: Subscriber> Layer<S> for Routed {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let meta = event.metadata();
        if !self.routes.wants(meta.target()) {
            return;
        }
        let mut fields = Fields::of(event);
        fields.leave_out_configuration();
        let (trace, span) = (fields.take_text("trace_id"), fields.take_text("span_id"));
        self.routes.log(LogLine {
            unix_nanos: u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0),
            level: *meta.level(),
            target: meta.target().to_owned(),
            run_id: fields.take_run().or_else(|| self.label.run().map(|run| run.as_uuid())),
            trace: trace.and_then(|id| u128::from_str_radix(&id, 16).ok()).map(TraceId),
            span: span.and_then(|id| u64::from_str_radix(&id, 16).ok()).map(SpanId),
            task_id: fields.take_text("task_id"),
            worker: fields.take_text("worker").or_else(|| self.label.process().map(str::to_owned)),
            message: fields.message,
            fields: fields.others.into_iter().map(|(name, value)| (name.to_owned(), field(value))).collect(),
        });
    }
}

fn field(value: Value) -> FieldValue {
    match value {
        Value::Bool(value) => FieldValue::Bool(value),
        Value::String(value) => FieldValue::Text(value),
        Value::Number(value) => match (value.as_i64(), value.as_f64()) {
            (Some(value), _) => FieldValue::Int(value),
            (None, Some(value)) => FieldValue::Float(value),
            (None, None) => FieldValue::Text(value.to_string()),
        },
        other => FieldValue::Text(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_kind() {
        assert_eq!(field(7.into()), FieldValue::Int(7));
        assert_eq!(field(1.5.into()), FieldValue::Float(1.5));
        assert_eq!(field(true.into()), FieldValue::Bool(true));
        assert_eq!(field(u64::MAX.into()), FieldValue::Float(u64::MAX as f64));
        assert_eq!(field("x".into()), FieldValue::Text("x".to_owned()));
    }
}
