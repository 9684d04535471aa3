//! The spans of the controller's side: the run and the roots of its scenarios, linked both ways.

use metrics::{RunKey, ScenarioKey, TraceContext};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use uuid::Uuid;

use super::catalog::{scope, text};
use super::wall::system_time;

/// A run that is over, for its span `loadgen run <name>`.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSpan<'a> {
    /// The run.
    pub run_id: Uuid,
    /// The workload's name.
    pub name: &'a str,
    /// What the test is.
    pub scenario_digest: &'a str,
    /// What it is with everything but secrets.
    pub config_digest: &'a str,
    /// What random choices were drawn from.
    pub seed: u64,
    /// How it ended: `passed`, `failed`, `invalid`, or why it has no verdict.
    pub verdict: &'a str,
    /// Why it did not pass; `None` when it did.
    pub failure: Option<&'a str>,
    /// When its load began, in nanoseconds since the beginning of 1970, UTC.
    pub started: u64,
    /// When it was over, likewise.
    pub ended: u64,
    /// The names of its scenarios' spans, in plan order.
    pub scenarios: &'a [ScenarioKey],
}

/// A scenario whose run is over, for the root span of its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioSpan<'a> {
    /// The run.
    pub run_id: Uuid,
    /// The scenario's name.
    pub name: &'a str,
    /// The names of its spans.
    pub key: ScenarioKey,
    /// When the run's load began, in nanoseconds since the beginning of 1970, UTC.
    pub started: u64,
    /// When the run was over, likewise.
    pub ended: u64,
}

impl RunSpan<'_> {
    /// Makes the span.
    pub fn span(&self) -> SpanData {
        let attributes = vec![
            KeyValue::new("run_id", text(&self.run_id.to_string())),
            KeyValue::new("loadgen.workload", text(self.name)),
            KeyValue::new("loadgen.scenario_digest", text(self.scenario_digest)),
            KeyValue::new("loadgen.config_digest", text(self.config_digest)),
            // As text: it has 64 bits, and attributes are signed.
            KeyValue::new("loadgen.seed", text(&self.seed.to_string())),
            KeyValue::new("loadgen.verdict", text(self.verdict)),
        ];
        let status = self.failure.map_or(Status::Ok, |failure| Status::error(failure.to_owned()));
        let links = self.scenarios.iter().map(|key| Link::new(span_context(key.root()), Vec::new(), 0));
        let own = RunKey::new(self.run_id.as_u128()).context();
        let name = format!("loadgen run {}", self.name);
        root(name, own, (self.started, self.ended), attributes, links.collect(), status)
    }
}

impl ScenarioSpan<'_> {
    /// Makes the span.
    pub fn span(&self) -> SpanData {
        let attributes = vec![
            KeyValue::new("run_id", text(&self.run_id.to_string())),
            KeyValue::new("scenario", text(self.name)),
        ];
        let run = RunKey::new(self.run_id.as_u128()).context();
        let links = vec![Link::new(span_context(run), Vec::new(), 0)];
        let times = (self.started, self.ended);
        root(self.name.to_owned(), self.key.root(), times, attributes, links, Status::Unset)
    }
}

fn root(
    name: String,
    context: TraceContext,
    (started, ended): (u64, u64),
    attributes: Vec<KeyValue>,
    links: Vec<Link>,
    status: Status,
) -> SpanData {
    SpanData {
        span_context: span_context(context),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: system_time(started),
        end_time: system_time(ended.max(started)),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: span_links(links),
        status,
        instrumentation_scope: scope(),
    }
}

/// A span by the name that was derived for it.
pub(super) fn span_context(context: TraceContext) -> SpanContext {
    let trace = TraceId::from(context.trace.0);
    SpanContext::new(trace, span_id(context), TraceFlags::SAMPLED, false, TraceState::NONE)
}

/// The span's name in its trace.
pub(super) fn span_id(context: TraceContext) -> SpanId {
    SpanId::from(context.span.0)
}

/// A list of links, as the SDK keeps them.
pub(super) fn span_links(links: Vec<Link>) -> SpanLinks {
    let mut kept = SpanLinks::default();
    kept.links = links;
    kept
}
