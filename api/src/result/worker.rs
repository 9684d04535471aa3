//! The machines that made the load.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::TimeSummary;

/// One worker of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerResult {
    /// Its name.
    pub name: String,
    /// The version of its program; `null` when it never answered.
    pub version: Option<String>,
    /// Its machine; `null` when it never answered.
    pub host: Option<Host>,
    /// Engine threads it used.
    pub threads: u32,
    /// The most virtual users it could have had at once.
    pub max_vus: u32,
    /// How late it took notice of the agreed instant of slot 0; `null` when it never came to that. Its engine threads go by
    /// timers of their own: how late they are is the dispatch lag.
    pub start_offset_us: Option<f64>,
    /// Whether its part was received to the end: the totals it reported agree with the sum of what it sent.
    pub complete: bool,
    /// How it fared; `null` when it was lost before it could say.
    pub health: Option<Health>,
    /// What its checks before the start had to say, one line each.
    pub notes: Vec<String>,
    /// Faults of the generator, one line each.
    pub faults: Vec<String>,
    /// What its operator says of it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its part of the load against those of the others.
    #[serde(default)]
    pub weight: u32,
    /// Its part of all weights: 1 is all of the load.
    #[serde(default)]
    pub share: f64,
    /// How far its idea of the agreed instant may be off: half the round trip of the best clock probe; `null` when it never
    /// came to that.
    #[serde(default)]
    pub clock_error_us: Option<f64>,
    /// What it did.
    #[serde(default)]
    pub sums: WorkerSums,
    /// Its lives in this run, in the order in which they came: one, unless it was started again.
    #[serde(default)]
    pub sessions: Vec<WorkerSession>,
}

/// What one or more workers did. Warm-up counts in all but failures and times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerSums {
    /// Iterations started.
    pub iterations: u64,
    /// Requests attempted.
    pub requests: u64,
    /// Measured requests that failed.
    pub failed: u64,
    /// Response times of all measured requests; `null` without any.
    pub response_time_us: Option<TimeSummary>,
}

/// What the workers with one label did together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LabelResult {
    /// The label.
    pub label: String,
    /// Its value.
    pub value: String,
    /// The workers that have it.
    pub workers: Vec<String>,
    /// What they did.
    pub sums: WorkerSums,
}

/// One life of a worker in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerSession {
    /// Its ID: new with every start of the program.
    pub session: String,
    /// When it came to a run under way, from slot 0; `null` for one that the run was made of.
    pub joined_at_ms: Option<f64>,
    /// How late it took notice of the agreed instant of slot 0; `null` when it never came to that.
    pub start_skew_us: Option<f64>,
    /// How far that may be off.
    pub clock_error_us: Option<f64>,
    /// How it ended.
    pub ended: SessionEnding,
    /// When it was given up or let go, or left by itself, from slot 0; `null` when it stayed.
    pub ended_at_ms: Option<f64>,
    /// How a loss was noticed; `null` when it was not lost.
    pub reason: Option<String>,
    /// Whether its part was received to the end.
    pub complete: bool,
    /// Iterations it reported to have started.
    pub iterations: u64,
    /// Requests it reported to have attempted.
    pub requests: u64,
    /// Requests it may have sent beyond those, at most; `null` when nothing of it is missing.
    pub unaccounted_requests_at_most: Option<u64>,
}

/// How a life of a worker ended in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnding {
    /// It carried its part to the end.
    Finished,
    /// It left before that, and said how far it came.
    Left,
    /// It was lost.
    Lost,
    /// It was lost, but its last word came after that.
    LostAndHeard,
    /// It could not carry its part.
    Refused,
    /// It was let go before there was load.
    Dismissed,
}

/// What is worth knowing of a machine that made load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// Its name.
    pub hostname: String,
    /// Operating system and kernel.
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

/// How a machine fared while it made load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// From the start of load to its end.
    pub elapsed_ms: f64,
    /// CPU time of the engine threads.
    pub engine_cpu_ms: f64,
    /// CPU time of all other threads of the process.
    pub other_cpu_ms: f64,
    /// The busiest engine thread's CPU time as a part of the time.
    pub busiest_thread_ratio: f64,
    /// Time the process was throttled by a CPU quota.
    pub throttled_ms: f64,
    /// Time stolen from the machine's CPUs by its host.
    pub stolen_ms: f64,
    /// The largest step of the wall clock against the monotonic one.
    pub clock_step_ms: f64,
    /// The most memory the process held at once.
    pub peak_rss_bytes: u64,
    /// Intervals that could not be handed over in time and were recorded together with the next one.
    pub coalesced_intervals: u64,
}
