//! The names of a plan, as spans have them.

use metrics::ScenarioKey;
use plan::{RequestPlan, RunPlan, ScenarioBody, Scheme, Template, TemplatePart};
use telemetry::StepTarget;
use telemetry::spans::{REDACTED, RequestNames, ScenarioNames, SpanCatalog, StepNames};
use uuid::Uuid;

/// What spans of `plan` are made with; `keys` has the names of each scenario's spans.
pub(crate) fn span_catalog(run_id: Uuid, worker: &str, plan: &RunPlan, keys: &[ScenarioKey]) -> SpanCatalog {
    let scenarios = plan.scenarios.iter().zip(keys).map(|(scenario, key)| ScenarioNames {
        name: scenario.name.clone(),
        key: *key,
        task: match &scenario.body {
            ScenarioBody::Task { task, .. } => Some(task.clone()),
            ScenarioBody::Program(_) => None,
        },
    });
    let steps =
        plan.steps.iter().map(|step| StepNames { scenario: step.scenario.index(), name: step.name.clone() });
    let requests = plan.requests.iter().map(|request| request_names(plan, request));
    SpanCatalog::new(run_id, worker, scenarios.collect(), steps.collect(), requests.collect())
}

/// Where the requests of each step of `plan` go; `None` for the step of a task.
pub(crate) fn step_targets(plan: &RunPlan) -> Vec<Option<StepTarget>> {
    let mut targets = vec![None; plan.steps.len()];
    for request in &plan.requests {
        let origin = &plan.origins[request.origin.index()];
        let (method, address) = (request.method.clone(), origin.host.clone());
        targets[request.step.index()] = Some(StepTarget { method, address, port: origin.port });
    }
    targets
}

fn request_names(plan: &RunPlan, request: &RequestPlan) -> RequestNames {
    let origin = &plan.origins[request.origin.index()];
    let user_agent = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("user-agent"));
    RequestNames {
        method: request.method.clone(),
        scheme: match origin.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        },
        host: origin.host.clone(),
        port: origin.port,
        target: shown(&request.path),
        user_agent: match user_agent {
            Some((_, value)) => shown(value),
            // What protocols writes where the file says nothing.
            None => concat!("loadgen/", env!("CARGO_PKG_VERSION")).to_owned(),
        },
    }
}

/// A template as it may be shown: every secret stays one.
fn shown(template: &Template) -> String {
    let parts = template.parts.iter().map(|part| match part {
        TemplatePart::Literal(bytes) => String::from_utf8_lossy(bytes),
        TemplatePart::Secret { .. } => REDACTED.into(),
    });
    parts.collect()
}
