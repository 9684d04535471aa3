//! What was sent and what became of it: the two ledgers, steps, scenarios, hosts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::{ByOutcome, TimeSummary};

/// The ledger of iterations: `due = started + dropped + unsent + waiting + unaccounted` and
/// `started = succeeded + failed + cancelled + in_flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IterationCounts {
    /// Slots that came due, those a stop came before included.
    pub due: u64,
    /// Slots that became iterations.
    pub started: u64,
    /// Iterations whose every request succeeded.
    pub succeeded: u64,
    /// Iterations of which a request, or whose task, failed.
    pub failed: u64,
    /// Iterations ended by us at the stop.
    pub cancelled: u64,
    /// Iterations whose end is not known since their worker was lost; 0 in a complete run.
    pub in_flight: u64,
    /// Slots given up although the generator was on time.
    pub dropped: Dropped,
    /// Slots never released.
    pub unsent: Unsent,
    /// Slots that wait for a user; 0 in a complete run.
    pub waiting: u64,
    /// Slots whose fate is unknown because a worker was lost.
    pub unaccounted: u64,
    /// Whether both equations hold, nothing waits or runs any more but what lost workers left, and the slots of the classes
    /// are those that were due.
    pub balanced: bool,
}

/// Why slots were given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dropped {
    /// The queue of waiting slots was full.
    pub queue_full: u64,
    /// They waited longer than `queue_timeout`.
    pub queue_timeout: u64,
    /// No user was free, and `overload: drop` was asked for.
    pub no_user: u64,
}

impl Dropped {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.queue_full + self.queue_timeout + self.no_user
    }
}

/// Why slots were never released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unsent {
    /// The generator came more than 100 ms late: its own fault.
    pub generator_stall: u64,
    /// The run was stopped before.
    pub stopped: u64,
    /// The worker's right to send had ended.
    pub lease_ended: u64,
}

impl Unsent {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.generator_stall + self.stopped + self.lease_ended
    }
}

/// The ledger of requests: `attempted = succeeded + failed + cancelled + in_flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestCounts {
    /// Requests that were attempted: what the target's own count is held against.
    pub attempted: u64,
    /// Complete, in time and of an expected status.
    pub succeeded: u64,
    /// Everything else that ended; broken down in `errors`.
    pub failed: u64,
    /// Ended by us at the stop; their ages stand among the failed ones' times, as censored.
    pub cancelled: u64,
    /// Requests whose end is not known; 0 in a complete run.
    pub in_flight: u64,
    /// Of the attempted: sent once more because a kept connection turned out to be closed.
    pub resent: u64,
    /// Whether the equation holds and nothing is in flight any more.
    pub balanced: bool,
}

/// How many responses had one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusCount {
    /// The status, 100 to 999.
    pub status: u16,
    /// How many.
    pub count: u64,
}

/// How many requests failed in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorCount {
    /// The error class, one of a closed set.
    pub class: String,
    /// How many.
    pub count: u64,
    /// Whether the generator, not the target, is to blame.
    pub own_fault: bool,
}

/// How often one check held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// How it is shown, for example `status is 200`.
    pub name: String,
    /// How often it held.
    pub passed: u64,
    /// How often it did not.
    pub failed: u64,
    /// Whether a request fails with it.
    pub required: bool,
}

/// Bytes of requests and responses, before TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transfer {
    /// Written for requests.
    pub sent_bytes: u64,
    /// Read for responses.
    pub received_bytes: u64,
}

/// What became of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connections {
    /// Opened, warm-up included.
    pub opened: u64,
    /// Requests sent on a connection that had carried one before.
    pub reused: u64,
    /// The most that were open at the end of an interval.
    pub open_max: u64,
}

/// Where the time of requests went, each phase only for requests that had it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseTimes {
    /// Actual start − released: no free user or connection.
    pub queue_wait_us: Option<TimeSummary>,
    /// Looking the host up.
    pub dns_us: Option<TimeSummary>,
    /// The TCP handshake.
    pub connect_us: Option<TimeSummary>,
    /// The TLS handshake.
    pub tls_us: Option<TimeSummary>,
    /// From the first byte sent to the first byte of the response.
    pub first_byte_us: Option<TimeSummary>,
    /// From the first byte of the response to its last.
    pub receive_us: Option<TimeSummary>,
}

/// How exactly the planned rate was kept; for open models.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RateAccuracy {
    /// Measured slots of the plan.
    pub planned: u64,
    /// Iterations that were started.
    pub started: u64,
    /// Planned slots per second of the plan's measured time.
    pub planned_per_s: f64,
    /// Iterations started per second of the same time.
    pub achieved_per_s: f64,
    /// `(started − planned) / planned`: 0 when every slot was sent; `null` without slots.
    pub drift_ratio: Option<f64>,
}

/// What warm-up sent; in no statistic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WarmUp {
    /// Its iterations.
    pub iterations: IterationCounts,
    /// Its requests.
    pub requests: RequestCounts,
}

/// The whole run: every measured iteration and request of all scenarios.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// The ledger of iterations.
    pub iterations: IterationCounts,
    /// The ledger of requests.
    pub requests: RequestCounts,
    /// Requests per second of measured load.
    pub requests_per_s: f64,
    /// The measured part of the load's time.
    pub measured_ms: f64,
    /// Response times of requests.
    pub response_time_us: ByOutcome,
    /// Service times of requests.
    pub service_time_us: ByOutcome,
    /// Phases of requests.
    pub phases: PhaseTimes,
    /// The generator's own lateness, per iteration.
    pub dispatch_lag_us: Option<TimeSummary>,
    /// Waiting for a free user, per iteration.
    pub queue_wait_us: Option<TimeSummary>,
    /// Statuses, ascending.
    pub statuses: Vec<StatusCount>,
    /// Errors by class, in the order of the classes; those that occurred.
    pub errors: Vec<ErrorCount>,
    /// All checks together.
    pub checks_passed: u64,
    /// All checks together.
    pub checks_failed: u64,
    /// Bytes.
    pub transfer: Transfer,
    /// Connections.
    pub connections: Connections,
    /// The most virtual users at once: at the full seconds in a closed model, at any instant in an open one.
    pub vus_max: u64,
    /// What warm-up sent; `null` when no scenario has one.
    pub warm_up: Option<WarmUp>,
}

/// How iterations of a scenario start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// By schedule, whatever the target does.
    Open,
    /// When a user is free. Without think time response and service time of a first step are equal.
    Closed,
}

/// One scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioResult {
    /// Its name.
    pub name: String,
    /// Labels on everything it measured.
    pub tags: BTreeMap<String, String>,
    /// The executor, as the file writes it.
    pub executor: String,
    /// Open or closed.
    pub model: Model,
    /// How exactly the rate was kept; `null` in closed models.
    pub rate: Option<RateAccuracy>,
    /// The ledger of iterations.
    pub iterations: IterationCounts,
    /// The ledger of requests.
    pub requests: RequestCounts,
    /// From an iteration's slot to its end.
    pub iteration_response_time_us: ByOutcome,
    /// From an iteration's actual start to its end, think times included.
    pub iteration_duration_us: ByOutcome,
    /// The generator's own lateness, per iteration.
    pub dispatch_lag_us: Option<TimeSummary>,
    /// Waiting for a free user, per iteration.
    pub queue_wait_us: Option<TimeSummary>,
    /// Its steps in order.
    pub steps: Vec<StepResult>,
    /// What warm-up sent; `null` when it has none.
    pub warm_up: Option<WarmUp>,
}

/// One step of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepResult {
    /// Its name, unique in the scenario.
    pub name: String,
    /// The ledger of its requests.
    pub requests: RequestCounts,
    /// Completion − intended start: what a user would have waited.
    pub response_time_us: ByOutcome,
    /// Completion − actual start: what the target took.
    pub service_time_us: ByOutcome,
    /// Its phases.
    pub phases: PhaseTimes,
    /// Statuses, ascending.
    pub statuses: Vec<StatusCount>,
    /// Errors by class, in the order of the classes; those that occurred.
    pub errors: Vec<ErrorCount>,
    /// Its checks in order.
    pub checks: Vec<CheckResult>,
    /// Bytes.
    pub transfer: Transfer,
}
