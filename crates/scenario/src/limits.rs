//! How large the parts of a scenario may be. Everything has a bound, far above what a run on one cluster can use.

use units::{Nanos, Rate};

/// The longest duration in a file, and the longest a scenario may run.
pub(crate) const MAX_DURATION: Nanos = Nanos::from_secs(30 * 86_400);
/// The fastest arrivals: ten times what a large cluster can send.
pub(crate) const MAX_RATE: Rate = Rate::from_per_second(100_000_000);
/// The most virtual users of a scenario.
pub(crate) const MAX_VUS: u32 = 1_000_000;
/// The most iterations of a scenario.
pub(crate) const MAX_ITERATIONS: u64 = 1_000_000_000_000;
/// The most engine threads.
pub(crate) const MAX_THREADS: u32 = 1_024;
/// The most steps of a file.
pub(crate) const MAX_STEPS: usize = 10_000;
/// The most scenarios of a file.
pub(crate) const MAX_SCENARIOS: usize = 1_000;
/// The most stages of a scenario.
pub(crate) const MAX_STAGES: usize = 1_000;
/// The most tags of the run or of a scenario.
pub(crate) const MAX_TAGS: usize = 50;
/// The longest name or tag, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 200;
/// The longest path of a file, in bytes, as Linux has it.
pub(crate) const MAX_PATH_BYTES: usize = 4_096;
/// The most conditions of a run.
pub(crate) const MAX_THRESHOLDS: usize = 1_000;
/// The most spans of a run in a second, as many as requests that a large cluster can send.
pub(crate) const MAX_SPANS_PER_SECOND: u32 = 100_000_000;
/// The most log lines of one kind of error, thread and second.
pub(crate) const MAX_LINES_PER_ERROR: u32 = 100_000;
