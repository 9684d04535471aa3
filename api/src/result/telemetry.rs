//! What became of the run's telemetry, and where to look in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of everything that was to be sent while the run went on. In each row
/// `produced = acknowledged + rejected + lost + unknown`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TelemetryResult {
    /// One row for each signal of each process that sends it; empty when nothing is sent.
    pub sinks: Vec<SinkResult>,
    /// Executions that sampling would have kept but for the budget of spans.
    pub executions_over_budget: u64,
    /// The part of any row that may be missing at the receiver; more is `telemetry_lost`.
    pub max_loss: f64,
    /// Whether no row lost more.
    pub held: bool,
}

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TelemetrySignal {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
    /// Log records.
    Logs,
}

/// What became of one signal of one process: spans, data points or log records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SinkResult {
    /// The process: a worker's name, or `controller`.
    pub process: String,
    /// What was sent.
    pub signal: TelemetrySignal,
    /// Where to, without credentials.
    pub endpoint: String,
    /// Made to be sent.
    pub produced: u64,
    /// The receiver said that it has them.
    pub acknowledged: u64,
    /// The receiver said that it does not take them.
    pub rejected: u64,
    /// Never reached anybody.
    pub lost: u64,
    /// Sent, and no answer came: the receiver may have them.
    pub unknown: u64,
    /// Sent once more after a failure; no part of the sum.
    pub retried: u64,
}

/// A request that was slow and can be found in traces. The slowest first; only of executions whose spans left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlowRequest {
    /// Who sent it.
    pub worker: String,
    /// Its scenario.
    pub scenario: String,
    /// Its step.
    pub step: String,
    /// The iteration's number in the scenario.
    pub iteration: u64,
    /// The virtual user's number in the scenario.
    pub vu: u32,
    /// Its intended start, from slot 0.
    pub at_ms: f64,
    /// Completion − intended start.
    pub response_time_us: f64,
    /// Completion − actual start.
    pub service_time_us: f64,
    /// Actual start − released.
    pub queue_wait_us: f64,
    /// Looking the host up; `null` where that did not happen, as for all phases.
    pub dns_us: Option<f64>,
    /// The TCP handshake.
    pub connect_us: Option<f64>,
    /// The TLS handshake.
    pub tls_us: Option<f64>,
    /// From the first byte sent to the first byte of the response.
    pub first_byte_us: Option<f64>,
    /// From the first byte of the response to its last.
    pub receive_us: Option<f64>,
    /// `succeeded`, `cancelled`, or the class of its error.
    pub outcome: String,
    /// The status of the response; `null` without one.
    pub status: Option<u16>,
    /// Its trace, 32 hexadecimal digits.
    pub trace_id: String,
    /// Its span, 16 hexadecimal digits.
    pub span_id: String,
}

/// What contributed most to a threshold that was not met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// The scenario of the step.
    pub scenario: String,
    /// The step with most of the values beyond the bound; for a bound on failures, with most failures.
    pub step: String,
    /// Its part of all those values: 1 is all of them.
    pub step_share: f64,
    /// The worker with most of the step's.
    pub worker: String,
    /// Its part of them.
    pub worker_share: f64,
    /// Where most of the time went: `dispatch_lag`, `queue_wait`, `dns`, `connect`, `tls`, `first_byte` or `receive`; for a
    /// bound on failures, the class of most of them. `null` where nothing stands out.
    pub phase: Option<String>,
    /// From when on, from slot 0, …
    pub from_ms: f64,
    /// … to when most of them came.
    pub to_ms: f64,
    /// The part of them that came in that span.
    pub span_share: f64,
    /// All of it as one sentence.
    pub text: String,
    /// Trace IDs of requests to look at, the slowest first; at most 5, none without tracing.
    pub traces: Vec<String>,
}
