//! What a run tells about itself while it runs: which executions become spans and log lines, and how much may be lost.
//!
//! Where telemetry goes is no part of a file: that is said by the `OTEL_…` variables of each process.

use metrics::{ExecutionLog, Propagation, TraceOptions, TraceShape};
use units::Ratio;

/// The file's `telemetry`. In no scenario digest: it does not change the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Telemetry {
    /// Which executions become spans.
    pub traces: TraceOptions,
    /// Which executions have a line in the log.
    pub log: ExecutionLog,
    /// The part of the spans, data points or log records of any process that may be missing at the receiver before the run
    /// ends with `telemetry_lost`; 1 % by default.
    pub max_loss: Ratio,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { traces: TraceOptions::default(), log: ExecutionLog::default(), max_loss: Ratio::new(0.01) }
    }
}

/// How executions hang together, by the words of a file.
pub(crate) const SHAPES: [(&str, TraceShape); 2] =
    [("tree", TraceShape::Tree), ("linked", TraceShape::Linked)];

/// Which requests carry trace headers, by the words of a file.
pub(crate) const PROPAGATIONS: [(&str, Propagation); 3] =
    [("sampled", Propagation::Sampled), ("always", Propagation::Always), ("never", Propagation::Never)];
