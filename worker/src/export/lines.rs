//! Log lines of executions: events of the process's subscriber, which may send them on.

use metrics::{ErrorClass, ExecutionRecord, IterationOutcome, Outcome};
use telemetry::spans::{SpanCatalog, WallAnchor, failure_text, telling_request};

/// What is the same in all lines of a part.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) run_id: String,
    pub(super) worker: String,
    /// Whether the names of executions that are not sampled are found at the target.
    pub(super) tells_target: bool,
}

/// Whether anybody reads them.
pub(super) fn are_wanted() -> bool {
    tracing::enabled!(target: "loadgen::execution", tracing::Level::WARN)
        || tracing::enabled!(target: "loadgen::execution", tracing::Level::INFO)
}

macro_rules! event {
    ($level:ident, $($fields:tt)*) => { tracing::$level!(target: "loadgen::execution", $($fields)*) };
}

impl Lines {
    /// The line of one execution: a warning when it failed. It names a span only where that can be found: here when its
    /// spans leave, at the target when that is told of every execution.
    pub(super) fn execution(&self, record: &ExecutionRecord, catalog: &SpanCatalog, wall: &WallAnchor) {
        let Self { run_id, worker, tells_target } = self;
        let telling = telling_request(record);
        let failure = telling.and_then(|request| match request.sample.outcome {
            Outcome::Failed(class) => Some((class.name(), failure_text(class, request.sample.status))),
            _ => None,
        });
        let has_span = record.kept.traced || *tells_target;
        let trace_id = has_span.then(|| record.context.trace.to_string());
        let span_id = has_span.then(|| record.context.span.to_string());
        let response_time = record.ended_at.saturating_since(record.intended_start);
        let outcome = match record.outcome {
            IterationOutcome::Succeeded => "succeeded",
            IterationOutcome::Failed => "failed",
            IterationOutcome::Cancelled => "cancelled",
        };
        macro_rules! line {
            ($level:ident) => {
                event!(
                    $level,
                    run_id,
                    trace_id,
                    span_id,
                    task_id = telling.and_then(|request| catalog.task_id(request.step)),
                    worker,
                    scenario = catalog.scenario(record.scenario),
                    vu = record.vu,
                    iteration = record.iteration,
                    sampled = record.kept.traced,
                    slow = record.kept.slow,
                    outcome,
                    status = telling.map(|request| request.sample.status).filter(|status| *status != 0),
                    intended_start = wall.rfc3339(record.intended_start),
                    started = wall.rfc3339(record.started_at),
                    ended = wall.rfc3339(record.ended_at),
                    response_time_us = response_time.as_u64() as f64 / 1_000.0,
                    requests = record.requests.len() as u64 + u64::from(record.more_requests),
                    error = failure.as_ref().map(|(class, _)| *class),
                    error_message = failure.as_ref().map(|(_, message)| message.as_str()),
                    "execution {outcome}"
                )
            };
        }
        if record.outcome == IterationOutcome::Failed {
            line!(warn);
        } else {
            line!(info);
        }
    }

    /// The line that stands for failed executions that have none: there were enough of the kind.
    pub(super) fn suppressed(&self, class: ErrorClass, count: u64) {
        let Self { run_id, worker, .. } = self;
        event!(
            warn,
            run_id,
            worker,
            error = class.name(),
            count,
            "executions failed that have no line of their own"
        );
    }

    /// The line that stands for those that found no room.
    pub(super) fn lost(&self, count: u64) {
        let Self { run_id, worker, .. } = self;
        event!(warn, run_id, worker, count, "executions have no line since the exporter came too late");
    }
}
