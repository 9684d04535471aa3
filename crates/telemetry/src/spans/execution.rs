//! The spans of one execution: its own, and one for each request of it that was kept.

use std::time::SystemTime;

use metrics::{
    ErrorClass, ExecutionRecord, IterationOutcome, Outcome, Period, RequestRecord, RequestSample, TraceShape,
};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Event, SpanId, SpanKind, Status};
use opentelemetry_sdk::trace::{SpanData, SpanEvents};
use opentelemetry_semantic_conventions::attribute as semconv;
use units::{Nanos, Timestamp};

use super::catalog::{SpanCatalog, text};
use super::run::{span_context, span_id, span_links};
use super::wall::WallAnchor;

impl SpanCatalog {
    /// Appends the spans of `record`, its own first; their number is [`ExecutionRecord::spans`]. Nothing is appended for a
    /// scenario that is in no plan.
    pub fn execution(&self, record: &ExecutionRecord, wall: &WallAnchor, spans: &mut Vec<SpanData>) {
        let Some(scenario) = self.scenarios.get(record.scenario as usize) else { return };
        let (parent, links) = match scenario.key.shape() {
            TraceShape::Tree => (span_id(scenario.key.root()), Vec::new()),
            TraceShape::Linked => (SpanId::INVALID, vec![scenario.link.clone()]),
        };
        let (start, end) = (record.intended_start, record.ended_at.max(record.intended_start));
        let mut attributes = scenario.attributes.clone();
        let waited = |from: Timestamp, to: Timestamp| micros(to.saturating_since(from));
        attributes.extend([
            KeyValue::new("loadgen.vu", i64::from(record.vu)),
            KeyValue::new("loadgen.iteration", i64::try_from(record.iteration).unwrap_or(i64::MAX)),
            KeyValue::new("loadgen.period", period(record.period)),
            KeyValue::new("loadgen.outcome", iteration_outcome(record.outcome)),
            KeyValue::new("loadgen.response_time_us", waited(start, end)),
            KeyValue::new("loadgen.dispatch_lag_us", waited(start, record.released_at)),
            KeyValue::new("loadgen.queue_wait_us", waited(record.released_at, record.started_at)),
            KeyValue::new("loadgen.slow", record.kept.slow),
            KeyValue::new("loadgen.requests_not_kept", i64::from(record.more_requests)),
        ]);
        if let Some(step) = self.telling_step(record) {
            attributes.push(KeyValue::new("task_id", step.task_id.clone()));
        }
        let within = |at: Timestamp| wall.system_time(at.clamp(start, end));
        let mut events = vec![
            Event::new("released", within(record.released_at), Vec::new(), 0),
            Event::new("started", within(record.started_at), Vec::new(), 0),
        ];
        let failed =
            record.requests.iter().find(|request| matches!(request.sample.outcome, Outcome::Failed(_)));
        let status = match record.outcome {
            IterationOutcome::Succeeded => Status::Ok,
            IterationOutcome::Cancelled => Status::Unset,
            IterationOutcome::Failed => {
                let message = failed.map_or_else(
                    || "a request of it failed that was not kept".to_owned(),
                    |failed| failure_of(&failed.sample).unwrap_or_default(),
                );
                let class = failed.map_or("unknown".into(), |failed| error_type(&failed.sample));
                attributes.push(KeyValue::new(semconv::ERROR_TYPE, class.clone()));
                let at = failed.map_or(end, |failed| failed.sample.times.completed_at);
                events.push(error(within(at), class, &message));
                Status::error(message)
            }
        };
        let name = scenario.name.as_str().to_owned();
        spans.push(SpanData {
            span_context: span_context(record.context),
            parent_span_id: parent,
            // The root span is the controller's.
            parent_span_is_remote: parent != SpanId::INVALID,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: wall.system_time(start),
            end_time: wall.system_time(end),
            attributes,
            dropped_attributes_count: 0,
            events: span_events(events),
            links: span_links(links),
            status,
            instrumentation_scope: self.scope.clone(),
        });
        for request in &record.requests {
            spans.push(self.request(record, request, &scenario.attributes, wall));
        }
    }

    /// The step that says most about an execution: where it failed first, or else where it waited longest.
    fn telling_step(&self, record: &ExecutionRecord) -> Option<&super::catalog::Step> {
        self.steps.get(telling_request(record)?.step as usize)
    }

    fn request(
        &self,
        record: &ExecutionRecord,
        request: &RequestRecord,
        shared: &[KeyValue],
        wall: &WallAnchor,
    ) -> SpanData {
        let sample = &request.sample;
        let start = sample
            .times
            .actual_start
            .clamp(record.intended_start, record.ended_at.max(record.intended_start));
        let end = sample.times.completed_at.clamp(start, record.ended_at.max(start));
        let step = self.steps.get(request.step as usize);
        let planned = request.request.and_then(|place| self.requests.get(place as usize));

        let mut attributes = Vec::with_capacity(shared.len() + 20);
        attributes.extend_from_slice(shared);
        attributes.extend_from_slice(planned.map_or(&[], |planned| &planned.attributes));
        if let Some(step) = step {
            attributes.push(KeyValue::new("task_id", step.task_id.clone()));
            attributes.push(KeyValue::new("loadgen.step", step.name.clone()));
        }
        attributes.extend([
            KeyValue::new("loadgen.vu", i64::from(record.vu)),
            KeyValue::new("loadgen.iteration", i64::try_from(record.iteration).unwrap_or(i64::MAX)),
            KeyValue::new("loadgen.outcome", outcome(sample.outcome)),
            KeyValue::new("loadgen.response_time_us", micros(sample.times.response_time())),
            KeyValue::new("loadgen.dispatch_lag_us", micros(sample.times.dispatch_lag())),
            KeyValue::new("loadgen.queue_wait_us", micros(sample.times.queue_wait())),
        ]);
        if sample.status != 0 {
            attributes.push(KeyValue::new(semconv::HTTP_RESPONSE_STATUS_CODE, i64::from(sample.status)));
        }
        if sample.resent {
            attributes.push(KeyValue::new(semconv::HTTP_REQUEST_RESEND_COUNT, 1_i64));
        }
        let mut events = phases(sample, start, end, wall);
        let status = match (sample.outcome, failure_of(sample)) {
            (Outcome::Failed(class), Some(message)) => {
                let error_type = error_type(sample);
                attributes.push(KeyValue::new(semconv::ERROR_TYPE, error_type.clone()));
                attributes.push(KeyValue::new("loadgen.error_class", class.name()));
                events.push(error(wall.system_time(end), error_type, &message));
                Status::error(message)
            }
            (Outcome::Cancelled, _) => Status::Unset,
            _ => Status::Ok,
        };
        let name = planned.map(|planned| &planned.name).or(step.map(|step| &step.task_id));
        SpanData {
            span_context: span_context(record.context.request(request.index)),
            parent_span_id: span_id(record.context),
            parent_span_is_remote: false,
            span_kind: if planned.is_some() { SpanKind::Client } else { SpanKind::Internal },
            name: name.map_or_else(|| "request".to_owned(), |name| name.as_str().to_owned()).into(),
            start_time: wall.system_time(start),
            end_time: wall.system_time(end),
            attributes,
            dropped_attributes_count: 0,
            events: span_events(events),
            links: span_links(Vec::new()),
            status,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// The request that says most about an execution: the first that failed, or else the one with the longest response time.
pub fn telling_request(record: &ExecutionRecord) -> Option<&RequestRecord> {
    let failed = record.requests.iter().find(|request| matches!(request.sample.outcome, Outcome::Failed(_)));
    failed.or_else(|| record.requests.iter().max_by_key(|request| request.sample.times.response_time()))
}

/// The phases of a request, each an event at its beginning with its duration. `send` is an instant: writing is one system
/// call, whose time is part of `wait`.
fn phases(sample: &RequestSample, start: Timestamp, end: Timestamp, wall: &WallAnchor) -> Vec<Event> {
    let phases = &sample.phases;
    let mut events = Vec::with_capacity(6);
    let mut at = start;
    let mut phase = |name, at: Timestamp, duration: Option<Nanos>| {
        let at = at.min(end);
        let mut attributes = vec![KeyValue::new("loadgen.offset_us", micros(at.saturating_since(start)))];
        attributes.extend(duration.map(|duration| KeyValue::new("loadgen.duration_us", micros(duration))));
        events.push(Event::new(name, wall.system_time(at), attributes, 0));
    };
    for (name, duration) in [("dns", phases.dns), ("connect", phases.connect), ("tls", phases.tls)] {
        if let Some(duration) = duration {
            phase(name, at, Some(duration));
            at = at + duration;
        }
    }
    if sample.sent_bytes > 0 || phases.first_byte.is_some() {
        phase("send", at, None);
    }
    if let Some(first_byte) = phases.first_byte {
        phase("wait", at, Some(first_byte));
        at = at + first_byte;
    }
    if let Some(receive) = phases.receive {
        phase("receive", at, Some(receive));
    }
    events
}

fn error(at: SystemTime, error_type: opentelemetry::StringValue, message: &str) -> Event {
    let attributes = vec![
        KeyValue::new(semconv::ERROR_TYPE, error_type),
        KeyValue::new("error.message", message.to_owned()),
    ];
    Event::new("error", at, attributes, 0)
}

/// The status where that is what was wrong, as the conventions want it, and else the class.
fn error_type(sample: &RequestSample) -> opentelemetry::StringValue {
    match sample.outcome {
        Outcome::Failed(ErrorClass::Status) if sample.status != 0 => text(&sample.status.to_string()),
        Outcome::Failed(class) => class.name().into(),
        _ => "unknown".into(),
    }
}

fn failure_of(sample: &RequestSample) -> Option<String> {
    match sample.outcome {
        Outcome::Failed(class) => Some(failure_text(class, sample.status)),
        _ => None,
    }
}

/// What went wrong, in words; `status` is that of the response, or 0.
pub fn failure_text(class: ErrorClass, status: u16) -> String {
    let text = match class {
        ErrorClass::Status => return format!("the response has status {status}, which is not expected"),
        ErrorClass::Check => "a required check did not hold",
        ErrorClass::Dns => "the host name could not be resolved",
        ErrorClass::DnsTimeout => "resolving the host name took longer than its bound",
        ErrorClass::ConnectRefused => "nothing listens at the address",
        ErrorClass::ConnectTimeout => "the TCP handshake took longer than its bound",
        ErrorClass::ConnectUnreachable => "the address cannot be reached",
        ErrorClass::Tls => "the TLS handshake failed",
        ErrorClass::TlsTimeout => "the TLS handshake took longer than its bound",
        ErrorClass::Reset => "the target reset the connection",
        ErrorClass::ConnectionClosed => "the target closed the connection before the response was complete",
        ErrorClass::Timeout => "the response was not complete within the request's timeout",
        ErrorClass::Malformed => "what came back is not HTTP",
        ErrorClass::HeadTooLarge => "the response head is larger than the bound",
        ErrorClass::Task => "the task reported a failure",
        ErrorClass::TaskPanic => "the task panicked",
        ErrorClass::NoLocalPort => "no local port was left on the machine that makes the load",
        ErrorClass::NoFileHandle => "no file handle was left on the machine that makes the load",
        ErrorClass::NoMemory => "no memory was left for a socket on the machine that makes the load",
        ErrorClass::Internal => "the load generator failed",
        ErrorClass::ForbiddenTarget => "the machine that makes the load may not send any to the address",
    };
    text.to_owned()
}

fn span_events(events: Vec<Event>) -> SpanEvents {
    let mut kept = SpanEvents::default();
    kept.events = events;
    kept
}

fn micros(span: Nanos) -> f64 {
    span.as_u64() as f64 / 1_000.0
}

fn period(period: Period) -> &'static str {
    match period {
        Period::WarmUp => "warm_up",
        Period::Measured => "measured",
    }
}

fn iteration_outcome(outcome: IterationOutcome) -> &'static str {
    match outcome {
        IterationOutcome::Succeeded => "succeeded",
        IterationOutcome::Failed => "failed",
        IterationOutcome::Cancelled => "cancelled",
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Failed(_) => "failed",
        Outcome::Cancelled => "cancelled",
    }
}
