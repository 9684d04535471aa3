//! Bodies of the controller's HTTP API, under `/api/v1`.
//!
//! Plain types with units in their names; `loadgen run --controller`, `loadgen status` and scripts read and write them.
//! Numbers of nanoseconds and counts are integers; instants are RFC 3339 in UTC. Keys that a program does not know are
//! passed over when reading answers; requests with unknown keys are refused.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `POST /api/v1/runs`: a run to carry out. Needs an `Idempotency-Key` header; contents are put first, by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitRun {
    /// The resolved workload as canonical JSON (a text, so that its digest is that of its bytes).
    pub document: String,
    /// The files it names, put before with `PUT /api/v1/contents/{sha256}`.
    #[serde(default)]
    pub files: Vec<FileReference>,
    /// Whether workers check handles, ports, memory, names and reachability first.
    #[serde(default = "yes")]
    pub preflight: bool,
    /// How many workers the run waits for before it starts; without it, it takes those that are there, at least one.
    #[serde(default)]
    pub expect_workers: Option<u32>,
    /// How long it waits for them, in milliseconds; 60,000 if left out.
    #[serde(default)]
    pub wait_ms: Option<u64>,
    /// Only workers with all of these labels.
    #[serde(default)]
    pub worker_labels: BTreeMap<String, String>,
    /// Values that came from flags or the environment of who submits: noted in the result.
    #[serde(default)]
    pub overrides: Vec<crate::result::Override>,
}

fn yes() -> bool {
    true
}

/// A file by its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileReference {
    /// The path as the workload spells it: a name, never opened.
    pub path: String,
    /// SHA-256 of the content, in hexadecimal digits.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

/// The answer to a submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Submitted {
    /// The run's ID.
    pub run_id: String,
    /// Whether an earlier submission with the same key and body made it.
    pub repeated: bool,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waits for workers, or for a run before it.
    Queued,
    /// Workers make everything ready.
    Preparing,
    /// The start is set.
    Arming,
    /// Load is made.
    Running,
    /// The clocks of all profiles stand.
    Paused,
    /// No new iterations; what is in flight ends.
    Draining,
    /// The last words of workers are awaited.
    Collecting,
    /// Over; its result is there.
    Sealed,
}

/// `GET /api/v1/runs/{run_id}`, and an element of `GET /api/v1/runs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunStatus {
    /// The run's ID.
    pub run_id: String,
    /// The workload's name.
    pub name: String,
    /// Where it stands.
    pub state: RunState,
    /// When it was submitted.
    pub created_at: String,
    /// By which token.
    pub submitted_by: String,
    /// When slot 0 was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// Why it waits, or what it misses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Its workers.
    pub workers: Vec<String>,
    /// Whether workers were lost.
    pub degraded: bool,
    /// The last look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
    /// Its exit code and that code's name, once it is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<RunExit>,
}

/// `GET /api/v1/runs`: the runs the controller knows, the latest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunPage {
    /// As many of them as were asked for.
    pub runs: Vec<RunStatus>,
    /// What to give as `after` to get the next ones; none when these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunExit {
    /// The exit code, as of `loadgen run`.
    pub code: u8,
    /// Its name.
    pub name: String,
    /// Why there is no result, where there is none: what the workers refused, one line each.
    #[serde(default)]
    pub reasons: Vec<String>,
}

/// `GET /api/v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterStatus {
    /// The cluster's ID.
    pub cluster_id: String,
    /// The controller's life.
    pub epoch: u64,
    /// The controller's version.
    pub version: String,
    /// Its workers, those that left or were lost in the last ten minutes included.
    pub workers: Vec<WorkerStatus>,
    /// The runs that are not over, in order of submission.
    pub runs: Vec<RunStatus>,
}

/// A worker, as the controller knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerStatus {
    /// Its name.
    pub name: String,
    /// This life of it.
    pub session: String,
    /// Where it stands.
    pub state: WorkerState,
    /// Its program's version.
    pub version: String,
    /// Its host's name.
    pub hostname: String,
    /// What its operator says of it.
    pub labels: BTreeMap<String, String>,
    /// Its part of the load against those of others.
    pub weight: u32,
    /// CPUs it may use.
    pub cpus: u32,
    /// The tasks it can execute.
    pub tasks: Vec<String>,
    /// The run it works for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Milliseconds since its last sign of life.
    pub last_beat_ms: u64,
    /// Round trip of a beat in microseconds, and how far its clock's offset may be off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error_us: Option<f64>,
}

/// Where a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Can be given work.
    Ready,
    /// Works for a run.
    Working,
    /// Enrolled; its session stream is not open.
    Detached,
    /// Is leaving.
    Leaving,
    /// Its lease ended.
    Lost,
    /// It went as it should.
    Gone,
}

/// `POST /api/v1/runs/{run_id}/stop`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopRun {
    /// Cancel what is in flight instead of letting it end.
    #[serde(default)]
    pub cancel: bool,
}

/// `POST /api/v1/runs/{run_id}/rate`: one of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SetRate {
    /// Hold a rate to the end of the scenario's profile.
    Rate {
        /// The scenario; may be left out where there is only one that is open.
        scenario: Option<String>,
        /// As in a scenario file: `2000/s`.
        rate: String,
    },
    /// Multiply what remains.
    Scale {
        /// One scenario; all open ones if left out.
        scenario: Option<String>,
        /// By this.
        factor: f64,
    },
}

/// `POST /api/v1/runs/{run_id}/pause` and `…/resume`: an object without keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// `POST /api/v1/workers/{name}/drain`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainWorker {
    /// Keep its share for its return instead of giving it to the others.
    #[serde(default)]
    pub fast: bool,
}

/// An event of `GET /api/v1/runs/{run_id}/events`, a stream of server-sent events: `id` is `seq`, `event` is the kind,
/// `data` is this. Numbers rise by one. After `Last-Event-ID: n` the stream goes on with n + 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunEvent {
    /// Its number in the run, from 1 without gaps.
    pub seq: u64,
    /// When.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub body: RunEventBody,
}

/// What happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunEventBody {
    /// It reached a state.
    State {
        /// The state.
        state: RunState,
        /// More about it, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Once a second while there is load.
    Live(Live),
    /// Something went other than planned.
    Incident {
        /// What, for people.
        text: String,
    },
    /// Somebody changed something.
    Annotation {
        /// Who: a token's ID.
        by: String,
        /// What.
        text: String,
    },
    /// A dealing came into force.
    Revision {
        /// Its number.
        revision: u64,
        /// Run time from which it holds, in milliseconds.
        effective_ms: u64,
        /// Weights by worker.
        weights: BTreeMap<String, u32>,
    },
    /// It is over: the last event.
    Sealed(RunExit),
    /// Events up to, not including, `oldest` are not kept any more; this stands for them. Only after a resume from
    /// before that.
    Compacted {
        /// The number of the oldest event that is kept.
        oldest: u64,
        /// Where the run stood.
        status: Box<RunStatus>,
    },
}

impl RunEventBody {
    /// Its `kind`: the event's name in the stream.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::State { .. } => "state",
            Self::Live(_) => "live",
            Self::Incident { .. } => "incident",
            Self::Annotation { .. } => "annotation",
            Self::Revision { .. } => "revision",
            Self::Sealed(_) => "sealed",
            Self::Compacted { .. } => "compacted",
        }
    }
}

/// The last thing in a stream of events that ends before the run does, under the event name `cut` and without an `id`:
/// whoever wants to go on connects again with `Last-Event-ID: last_seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StreamCut {
    /// The number of the last event that was sent; 0 without any.
    pub last_seq: u64,
    /// Why it ends.
    pub reason: CutReason,
}

/// Why a stream of events ends before the run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CutReason {
    /// The reader is slower than the run: events it has not read are not kept any more.
    Overflow,
    /// The controller shuts down.
    ShuttingDown,
}

/// A run at one instant, for people to watch. Counts leave warm-up out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Live {
    /// Whether load is still being started; else it ends.
    pub running: bool,
    /// Since slot 0.
    pub elapsed_ms: u64,
    /// To the last planned instant.
    pub remaining_ms: u64,
    /// How far the plan is carried out, 0 to 1.
    pub progress: f64,
    /// Whether the present stage is warm-up everywhere.
    pub warming_up: bool,
    /// Iterations per second that the plan wants now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_per_s: Option<f64>,
    /// Iterations started in the last full second.
    pub iterations_per_s: u64,
    /// Requests begun in the last full second.
    pub requests_per_s: u64,
    /// Virtual users that are active.
    pub vus: u64,
    /// Requests that wait for their response.
    pub in_flight: u64,
    /// Slots that are due and wait for a user.
    pub queued: u64,
    /// Requests that are over.
    pub requests: u64,
    /// Of these, failed.
    pub errors: u64,
    /// Slots given up because no user was free.
    pub dropped: u64,
    /// Slots the generator missed.
    pub unsent: u64,
    /// Response times so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time: Option<LiveTimes>,
    /// Workers that make load.
    pub workers: u32,
}

/// Response times of all requests so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveTimes {
    /// The median.
    pub p50_us: LiveTime,
    /// 95 % are at most this.
    pub p95_us: LiveTime,
    /// 99 % are at most this.
    pub p99_us: LiveTime,
}

/// A time of which a part may only be known as a lower bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveTime {
    /// The value.
    pub value: f64,
    /// Whether it is only a lower bound, as among timeouts.
    pub at_least: bool,
}

/// The body of every answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What kind, for programs: `unknown_run`, `idempotency_conflict`, `too_large`, `not_allowed`, …
    pub code: String,
    /// What was wrong and how to mend it, for people.
    pub message: String,
}
