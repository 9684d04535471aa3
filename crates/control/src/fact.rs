//! What a worker tells the controller.

use metrics::{Outcome, Phases, SinkReport, Snapshot, TraceContext};
use units::{Nanos, Ratio, Timestamp};

use crate::{RunId, SessionId, WorkerId};

/// Something that is true of a worker's part of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The run it is about.
    pub run_id: RunId,
    /// The worker it is true of.
    pub worker: WorkerId,
    /// The life of the worker it is true of.
    pub session: SessionId,
    /// Its number in the run and session, from 1 without gaps; accepted once.
    pub seq: u64,
    /// What is true.
    pub body: FactBody,
}

/// What is true.
#[derive(Clone, Debug, PartialEq)]
pub enum FactBody {
    /// Everything is ready to start.
    Prepared(Prepared),
    /// The share cannot be carried.
    Refused(Refusal),
    /// The schedule has begun.
    Started {
        /// When the worker took notice of slot 0, on the controller's clock as the worker knows it. Its engine threads go by
        /// timers of their own.
        at: Timestamp,
        /// How far the worker's idea of the controller's clock may be off.
        clock_error: Nanos,
    },
    /// A revision is in force, or will be from its instant on.
    Revised {
        /// Its number.
        revision: u64,
        /// The run time from which it holds here: later than it said when it came too late.
        effective: Nanos,
    },
    /// What came of [`CommandBody::Once`](crate::CommandBody::Once).
    Once {
        /// The task.
        task: String,
        /// Why it failed; `None` when it succeeded.
        failure: Option<String>,
    },
    /// What was measured in some intervals.
    Measured(Box<Snapshot>),
    /// Requests worth looking at: the slowest of the executions whose spans left since this was last said; at most
    /// [`TracedRequest::MOST`].
    Traced(Vec<TracedRequest>),
    /// The worker's part is over; the last fact of the session.
    Final(Box<FinalFact>),
}

/// A request that can be found in traces.
#[derive(Clone, Debug, PartialEq)]
pub struct TracedRequest {
    /// The step it is measured under, by its position in the plan.
    pub step: u32,
    /// The iteration's number in its scenario.
    pub iteration: u64,
    /// The virtual user's number in the scenario.
    pub vu: u32,
    /// Its intended start, in run time.
    pub at: Nanos,
    /// Completion − intended start.
    pub response_time: Nanos,
    /// Completion − actual start.
    pub service_time: Nanos,
    /// Actual start − released.
    pub queue_wait: Nanos,
    /// Its phases.
    pub phases: Phases,
    /// How it ended.
    pub outcome: Outcome,
    /// The status of the response, or 0.
    pub status: u16,
    /// Its span.
    pub context: TraceContext,
}

impl TracedRequest {
    /// The most in one fact.
    pub const MOST: usize = 16;
}

/// Who a worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerInfo {
    /// The version of its program.
    pub version: String,
    /// Its machine.
    pub host: HostFacts,
}

/// What is worth knowing of a machine that made load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Its host name.
    pub hostname: String,
    /// Operating system and kernel version.
    pub kernel: String,
    /// The processor's name.
    pub cpu: String,
    /// CPUs the process may run on.
    pub cpus_allowed: u32,
    /// Memory of the machine.
    pub memory_bytes: u64,
    /// The kernel's clock source.
    pub clock_source: String,
}

/// What a worker found when it made everything ready.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// Engine threads it will use.
    pub threads: u32,
    /// The most virtual users it may have at once.
    pub max_vus: u32,
    /// The fingerprint of its series; equal on all workers of a run.
    pub shape_hash: u64,
    /// What the preflight had to say, one line each, not grave enough to refuse.
    pub notes: Vec<String>,
}

/// Why a share cannot be carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The workload or this machine does not allow it; every line names what was wanted and what there is.
    Impossible(Vec<String>),
    /// The worker's own policy forbids it: an address that is not allowed, a rate above its ceiling. Exit code 116.
    Forbidden(Vec<String>),
    /// The worker failed.
    Internal(String),
}

/// The end of a worker's part.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalFact {
    /// Requests attempted in all, to be held against the sum of the snapshots.
    pub requests_attempted: u64,
    /// Iterations started in all, to be held against the sum of the snapshots.
    pub iterations_started: u64,
    /// How the machine fared.
    pub health: WorkerHealth,
    /// Faults of the generator that ended something early, one line each.
    pub faults: Vec<String>,
    /// Whether an engine thread ended by a panic; one of a task, where the engine catches it, is an outcome.
    pub panicked: bool,
    /// The run time from which the worker carried nothing of the plan any more although it was not over: its lease had
    /// ended or it left. `None` for a worker that carried its part to the end or to a stop of the run.
    pub left_at: Option<Nanos>,
    /// What became of the telemetry of this part, after its last flush.
    pub telemetry: Vec<SinkReport>,
    /// Executions that sampling would have kept but for the budget of spans.
    pub executions_over_budget: u64,
}

/// How a machine fared while it made load: evidence for the verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WorkerHealth {
    /// From the start of load to its end.
    pub elapsed: Nanos,
    /// CPU time of the engine threads.
    pub engine_cpu: Nanos,
    /// CPU time of all other threads of the process while load was made.
    pub other_cpu: Nanos,
    /// The busiest engine thread's CPU time as a share of the time.
    pub busiest_thread: Ratio,
    /// Time the process was throttled by a CPU quota.
    pub throttled: Nanos,
    /// Time stolen from this machine's CPUs by its host.
    pub stolen: Nanos,
    /// The largest step of the wall clock against the monotonic one.
    pub clock_step: Nanos,
    /// The most memory the process held at once, in bytes.
    pub peak_rss_bytes: u64,
    /// Intervals that could not be handed over in time and were recorded together with the next one.
    pub coalesced_intervals: u64,
}
