//! Which executions are kept: what the file asks for, as far as this process sends or shows any of it.

use engine::Tracer;
use metrics::{
    ExecutionDrain, ExecutionLog, Propagation, RunKey, Sampling, ScenarioKey, TraceOptions, execution_queue,
};
use plan::{Op, RunPlan, ScenarioBody};
use protocols::Propagated;
use scenario::Telemetry;
use telemetry::Settings;
use uuid::Uuid;

use super::lines;

/// What the engine's threads keep, and what the target is told.
#[derive(Clone, Debug)]
pub(crate) struct Keeping {
    run_id: u128,
    keys: Vec<ScenarioKey>,
    traces: TraceOptions,
    log: ExecutionLog,
    /// The most requests of one execution.
    requests: usize,
}

/// Kept executions of one thread that may wait for the exporter: a tenth of a second of 80,000 a second.
pub(super) const RECORDS: usize = 8_192;

impl Keeping {
    /// What is kept in the run `run_id` of `plan`. Variables of the process come before the file; where no spans are sent,
    /// none are made, and no lines where nobody reads them.
    pub(crate) fn new(run_id: Uuid, plan: &RunPlan, file: &Telemetry, settings: &Settings) -> Self {
        let mut traces = file.traces;
        traces.sampling = match settings.traces {
            Some(_) => settings.sampler.unwrap_or(traces.sampling),
            None => Sampling::Off,
        };
        if !settings.propagates {
            traces.propagation = Propagation::Never;
        }
        let log = if lines::are_wanted() {
            file.log
        } else {
            ExecutionLog { sampled: false, failed: false, all: false, ..file.log }
        };
        let run = RunKey::new(run_id.as_u128());
        let keys = plan.scenario_ids().map(|id| run.scenario(id.0, traces.shape)).collect();
        let requests = plan.scenarios.iter().map(|scenario| match &scenario.body {
            ScenarioBody::Program(program) => {
                program.ops.iter().filter(|op| matches!(op, Op::Request(_))).count()
            }
            ScenarioBody::Task { .. } => 1,
        });
        let requests = requests.max().unwrap_or(0);
        Self { run_id: run_id.as_u128(), keys, traces, log, requests }
    }

    /// The names of each scenario's spans, in plan order.
    pub(crate) fn keys(&self) -> &[ScenarioKey] {
        &self.keys
    }

    /// What requests may tell the target; `None` when they tell nothing.
    pub(crate) fn propagated(&self) -> Option<Propagated> {
        let tells = match self.traces.propagation {
            Propagation::Never => false,
            Propagation::Sampled => self.traces.sampling != Sampling::Off,
            Propagation::Always => true,
        };
        tells.then_some(Propagated { run_id: self.run_id })
    }

    /// Whether the target is told the names of executions that are not sampled.
    pub(crate) fn tells_target_always(&self) -> bool {
        self.traces.propagates_always()
    }

    /// What one engine thread needs, and the exporter's end of it; `None` when nothing is kept and nothing told.
    pub(crate) fn tracer(&self) -> Option<(Tracer, ExecutionDrain)> {
        let ExecutionLog { sampled: _, failed, all, .. } = self.log;
        let keeps = self.traces.sampling != Sampling::Off || failed || all;
        if !keeps && self.propagated().is_none() {
            return None;
        }
        let (sender, drain) = execution_queue(RECORDS, self.requests);
        Some((Tracer::new(self.keys.clone(), self.traces, self.log, sender), drain))
    }
}
