//! Runs over the target in memory, made ready before anything is counted: all of them the same code, with a tracer or
//! without, so that what they differ by is what the tracer does.

use std::sync::Arc;

use engine::Tracer;
use metrics::{
    Drain, ExecutionDrain, ExecutionLog, Propagation, Recorder, Sampling, SlowBound, TraceOptions,
    TraceShape, execution_queue,
};
use plan::RunPlan;
use protocols::{Http1, Memory};
use units::Ratio;

use crate::{exporter, over_memory, recorder, run_with};

/// Which executions are kept, without a limit to spans and with nothing told to the target.
pub fn sampled(sampling: Sampling) -> TraceOptions {
    let propagation = Propagation::Never;
    TraceOptions { sampling, shape: TraceShape::Tree, spans_per_second: u32::MAX, propagation }
}

/// That part of them.
pub fn ratio(ratio: f64) -> TraceOptions {
    sampled(Sampling::Ratio(Ratio::new(ratio)))
}

/// The slowest in a hundred, and those that failed.
pub fn tail() -> TraceOptions {
    sampled(Sampling::Tail(SlowBound::Quantile(Ratio::new(0.99))))
}

/// A tracer of one thread for `plan`, and the end of its queue that the exporter has. `records` were kept and given back
/// before: as in the middle of a run, none is made any more. So nobody needs to drain the queue while as many are kept.
pub fn tracer(plan: &RunPlan, options: TraceOptions, records: usize) -> (Tracer, ExecutionDrain) {
    let (mut sender, mut drain) = execution_queue(records.max(1), 1);
    for _ in 0..records {
        let record = sender.take();
        sender.send(record);
    }
    while let Some(record) = drain.next_record() {
        drain.give_back(record);
    }
    let keys = (0..plan.scenarios.len() as u32).map(exporter::key);
    (Tracer::new(keys.collect(), options, ExecutionLog::default(), sender), drain)
}

/// A run over the target in memory.
pub struct MemoryRun {
    plan: Arc<RunPlan>,
    recorder: Recorder,
    tracer: Option<Tracer>,
    protocol: Http1<Memory>,
    drain: Drain,
    executions: Option<ExecutionDrain>,
}

impl MemoryRun {
    /// Makes the run of `plan` ready.
    pub fn new(plan: RunPlan) -> Self {
        Self::prepared(plan, None, None)
    }

    /// Makes the run of `plan` ready, in which at most `records` executions are kept.
    pub fn traced(plan: RunPlan, options: TraceOptions, records: usize) -> Self {
        let tracer = tracer(&plan, options, records);
        Self::prepared(plan, Some(&options), Some(tracer))
    }

    fn prepared(
        plan: RunPlan,
        options: Option<&TraceOptions>,
        tracer: Option<(Tracer, ExecutionDrain)>,
    ) -> Self {
        let protocol = over_memory(&plan, options);
        let (recorder, drain) = recorder(&plan);
        let (tracer, executions) = tracer.unzip();
        Self { plan: Arc::new(plan), recorder, tracer, protocol, drain, executions }
    }

    /// Runs it from its first slot to its end; how many requests it made.
    #[inline(never)]
    pub fn run(self) -> u64 {
        let Self { plan, recorder, tracer, protocol, drain, executions } = self;
        let report = run_with(&plan, protocol, recorder, tracer);
        // Giving back the memory of what was kept is the exporter's.
        std::mem::forget((drain, executions));
        report.requests_attempted
    }
}
