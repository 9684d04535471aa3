//! What happened when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::EncodedHistogram;

/// The run over time, in bounded size however long it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// At most 3,600, in order of time and without gaps. Each covers a second; in longer runs, several.
    pub intervals: Vec<Interval>,
    /// At most 128, in order of time and without gaps, with whole histograms. Each covers a second; in longer runs,
    /// several.
    #[serde(default)]
    pub blocks: Vec<Block>,
}

/// The times of some seconds, for those who compute statistics over time. Of all scenarios, steps and outcomes; what
/// is measured only. Censored times count as they were recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// The first second, counted from slot 0.
    pub first_second: u32,
    /// The last second, this one included.
    pub last_second: u32,
    /// Response times; `null` when no request ended.
    pub response_time: Option<EncodedHistogram>,
    /// Service times; `null` when no request ended.
    pub service_time: Option<EncodedHistogram>,
}

/// What happened in some seconds. Counts are of all scenarios and of what is measured, unless named otherwise; levels
/// are those at the end. What a late thread recorded over several seconds counts in the last of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The first second, counted from slot 0.
    pub first_second: u32,
    /// The last second, this one included.
    pub last_second: u32,
    /// Slots that came due (in closed models: users that became free for an iteration). In the second in which a run is
    /// stopped, also all that were left of its plan.
    pub planned: u64,
    /// Iterations that started.
    pub started: u64,
    /// Iterations that ended, in whatever way.
    pub ended: u64,
    /// Slots that were dropped.
    pub dropped: u64,
    /// Slots that were never released.
    pub unsent: u64,
    /// Requests attempted.
    pub requests_attempted: u64,
    /// Requests that succeeded.
    pub requests_succeeded: u64,
    /// Requests that failed.
    pub requests_failed: u64,
    /// Requests cancelled at a stop.
    pub requests_cancelled: u64,
    /// Checks that did not hold.
    pub checks_failed: u64,
    /// Iterations that started in warm-up.
    pub warm_up_started: u64,
    /// Requests attempted in warm-up.
    pub warm_up_requests: u64,
    /// Virtual users.
    pub vus: u64,
    /// Iterations that run.
    pub iterations_in_flight: u64,
    /// Requests that wait for their response.
    pub requests_in_flight: u64,
    /// Slots that are due and wait for a user.
    pub queued: u64,
    /// Connections that are open.
    pub open_connections: u64,
    /// Bytes written for requests.
    pub sent_bytes: u64,
    /// Bytes read for responses.
    pub received_bytes: u64,
    /// Response times; `null` when no request ended.
    pub response_time_us: Option<IntervalTimes>,
    /// Service times; `null` when no request ended.
    pub service_time_us: Option<IntervalTimes>,
    /// The generator's own lateness; `null` when nothing was released.
    pub dispatch_lag_us: Option<IntervalTimes>,
}

/// Times of one interval, to 2 significant digits; the maximum is exact. Censored times count as they were recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IntervalTimes {
    /// How many.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// 90 % are at most this.
    pub p90: f64,
    /// 99 % are at most this.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}
