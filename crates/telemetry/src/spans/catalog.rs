//! What the spans of a worker's part of a run have in common, written down once.

use std::sync::Arc;

use metrics::ScenarioKey;
use opentelemetry::trace::Link;
use opentelemetry::{InstrumentationScope, KeyValue, StringValue};
use opentelemetry_semantic_conventions::attribute as semconv;
use uuid::Uuid;

use super::address;
use super::run::span_context;

/// A scenario, in plan order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioNames {
    /// Its name.
    pub name: String,
    /// The names of its spans.
    pub key: ScenarioKey,
    /// The Rust task that it executes; `None` when it has steps of its own.
    pub task: Option<String>,
}

/// A measured step, in plan order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepNames {
    /// The position of its scenario.
    pub scenario: usize,
    /// Its name.
    pub name: String,
}

/// A request, in plan order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestNames {
    /// The method, upper case.
    pub method: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The host, an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query as the file has them, with [`REDACTED`](super::REDACTED) for each secret.
    pub target: String,
    /// What it says of its sender, with [`REDACTED`](super::REDACTED) for each secret.
    pub user_agent: String,
}

/// What spans of executions and requests are made with: names, and attributes that many of them share.
#[derive(Debug)]
pub struct SpanCatalog {
    pub(super) scenarios: Vec<Scenario>,
    pub(super) steps: Vec<Step>,
    pub(super) requests: Vec<Request>,
    pub(super) scope: InstrumentationScope,
}

#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) name: StringValue,
    pub(super) key: ScenarioKey,
    /// What all spans of it have.
    pub(super) attributes: Vec<KeyValue>,
    /// From an execution that is a trace of its own to the scenario's root span.
    pub(super) link: Link,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: StringValue,
    pub(super) task_id: StringValue,
}

#[derive(Debug)]
pub(super) struct Request {
    pub(super) name: StringValue,
    pub(super) attributes: Vec<KeyValue>,
}

impl SpanCatalog {
    /// Of the part that `worker` has of the run `run_id`.
    pub fn new(
        run_id: Uuid,
        worker: &str,
        scenarios: Vec<ScenarioNames>,
        steps: Vec<StepNames>,
        requests: Vec<RequestNames>,
    ) -> Self {
        let (run_id, worker) = (text(&run_id.to_string()), text(worker));
        let steps = steps.into_iter().map(|step| {
            let owner = scenarios.get(step.scenario);
            let task_id = match owner.map(|owner| (owner.task.as_deref(), &owner.name)) {
                Some((Some(task), _)) => text(task),
                Some((None, name)) => text(&format!("{name}/{}", step.name)),
                None => text(&step.name),
            };
            Step { name: text(&step.name), task_id }
        });
        let steps = steps.collect();
        let scenarios = scenarios.into_iter().map(|scenario| {
            let name = text(&scenario.name);
            let attributes = vec![
                KeyValue::new("run_id", run_id.clone()),
                KeyValue::new("scenario", name.clone()),
                KeyValue::new("worker", worker.clone()),
                KeyValue::new(semconv::USER_AGENT_SYNTHETIC_TYPE, "test"),
            ];
            let link = Link::new(span_context(scenario.key.root()), Vec::new(), 0);
            Scenario { name, key: scenario.key, attributes, link }
        });
        Self {
            scenarios: scenarios.collect(),
            steps,
            requests: requests.iter().map(Request::new).collect(),
            scope: scope(),
        }
    }

    /// How the work of step number `step` is called in all telemetry: `scenario/step`, or its task's name.
    pub fn task_id(&self, step: u32) -> Option<&str> {
        self.steps.get(step as usize).map(|step| step.task_id.as_str())
    }

    /// The name of scenario number `scenario`.
    pub fn scenario(&self, scenario: u32) -> Option<&str> {
        self.scenarios.get(scenario as usize).map(|scenario| scenario.name.as_str())
    }
}

impl Request {
    fn new(request: &RequestNames) -> Self {
        let RequestNames { method, scheme, host, port, target, user_agent } = request;
        let template = address::path(target);
        let full =
            format!("{scheme}://{}{}", address::authority(scheme, host, *port), address::shown(target));
        let attributes = vec![
            KeyValue::new(semconv::HTTP_REQUEST_METHOD, text(method)),
            KeyValue::new(semconv::SERVER_ADDRESS, text(host)),
            KeyValue::new(semconv::SERVER_PORT, i64::from(*port)),
            KeyValue::new(semconv::URL_SCHEME, *scheme),
            KeyValue::new(semconv::URL_FULL, text(&full)),
            KeyValue::new(semconv::URL_TEMPLATE, text(template)),
            KeyValue::new(semconv::NETWORK_PROTOCOL_VERSION, "1.1"),
            KeyValue::new(semconv::USER_AGENT_ORIGINAL, text(user_agent)),
        ];
        Self { name: text(&format!("{method} {template}")), attributes }
    }
}

/// What makes our spans.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("loadgen").with_version(env!("CARGO_PKG_VERSION")).build()
}

/// A text that many spans share.
pub(super) fn text(text: &str) -> StringValue {
    StringValue::from(Arc::<str>::from(text))
}
