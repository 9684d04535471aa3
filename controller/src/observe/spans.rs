//! The spans of the run itself and of its scenarios.

use api::result::{Verdict, VerdictOutcome};
use metrics::{RunKey, ScenarioKey};
use telemetry::spans::{RunSpan, ScenarioSpan, SpanData};

use super::RunObserver;
use crate::run::SealedRun;

/// The run's span, and a root span for each scenario if there was load.
pub(super) fn of(observer: &RunObserver, sealed: &SealedRun, verdict: &Verdict) -> Vec<SpanData> {
    let shape = observer.workload.options.telemetry.traces.shape;
    let run = RunKey::new(observer.run_id.as_u128());
    let keys: Vec<ScenarioKey> =
        (0..observer.plan.scenarios.len()).map(|index| run.scenario(index as u32, shape)).collect();
    let started = observer.wall.unix_nanos(sealed.start.unwrap_or(sealed.created_at));
    let failure = verdict.reasons.join("; ");
    let mut spans = vec![
        RunSpan {
            run_id: observer.run_id,
            name: &observer.workload.name,
            scenario_digest: &observer.digests.scenario,
            config_digest: &observer.digests.config,
            seed: observer.plan.seed.0,
            verdict: name(verdict.outcome),
            failure: (verdict.outcome != VerdictOutcome::Passed).then_some(failure.as_str()),
            started,
            ended: observer.wall.unix_nanos(sealed.sealed_at),
            scenarios: &keys,
        }
        .span(),
    ];
    if let Some(start) = sealed.start {
        let ended = observer.wall.unix_nanos(start + sealed.load_time());
        spans.extend(observer.plan.scenarios.iter().zip(&keys).map(|(scenario, key)| {
            let run_id = observer.run_id;
            ScenarioSpan { run_id, name: &scenario.name, key: *key, started, ended }.span()
        }));
    }
    spans
}

/// The word for it in labels and attributes.
pub(super) const fn name(outcome: VerdictOutcome) -> &'static str {
    match outcome {
        VerdictOutcome::Passed => "passed",
        VerdictOutcome::Failed => "failed",
        VerdictOutcome::Invalid => "invalid",
    }
}
