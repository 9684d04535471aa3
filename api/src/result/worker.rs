//! The machines that made the load.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
