//! What went other than planned.

use api::Condition;
use control::WorkerId;
use metrics::ShapeMismatch;
use units::{Nanos, Timestamp};

/// Something that happened to a run that a reader of its result must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// When the controller learnt of it.
    pub at: Timestamp,
    /// What it was.
    pub kind: IncidentKind,
}

/// What can happen to a run. The texts stand in the result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncidentKind {
    /// A signal asked for the end.
    #[error("a signal stopped the run; what is in flight may end")]
    Stopped,
    /// A second signal asked for it.
    #[error("a second signal cancelled what was in flight")]
    Cancelled,
    /// The share cannot be carried.
    #[error("worker `{worker}` cannot carry its share: {reason}")]
    Refused {
        /// Who.
        worker: WorkerId,
        /// What was wanted and what there is.
        reason: String,
    },
    /// The worker failed.
    #[error("worker `{worker}` failed: {fault}")]
    Fault {
        /// Who.
        worker: WorkerId,
        /// What failed.
        fault: String,
    },
    /// The worker panicked.
    #[error("worker `{worker}` panicked")]
    Panicked {
        /// Who.
        worker: WorkerId,
    },
    /// The worker is gone, or too silent to be waited for. Its last facts are missing.
    #[error("worker `{worker}` was lost: {reason}; what it did after its last report is missing")]
    Lost {
        /// Who.
        worker: WorkerId,
        /// How that was noticed.
        reason: String,
    },
    /// A wait took longer than its limit.
    #[error("worker `{worker}` did not {what} within {limit}")]
    TimedOut {
        /// Who.
        worker: WorkerId,
        /// What it did not do.
        what: &'static str,
        /// The limit.
        limit: Nanos,
    },
    /// A worker counts in other series than the controller.
    #[error("worker `{worker}` prepared another plan")]
    OtherPlan {
        /// Who.
        worker: WorkerId,
        /// By how much.
        #[source]
        source: ShapeMismatch,
    },
    /// The totals a worker gave at its end are not the sum of what it reported.
    #[error(
        "worker `{worker}` reported {received} {what} in all but its totals say {total}: reports were lost or counted twice"
    )]
    TotalsDisagree {
        /// Who.
        worker: WorkerId,
        /// Of what.
        what: &'static str,
        /// The sum of its reports.
        received: u64,
        /// What its totals say.
        total: u64,
    },
    /// A worker said something that cannot be said then.
    #[error("worker `{worker}` broke the protocol: {what}")]
    Protocol {
        /// Who.
        worker: WorkerId,
        /// What it said.
        what: &'static str,
    },
}

impl IncidentKind {
    /// What the exit code has to tell of it.
    pub const fn condition(&self) -> Condition {
        match self {
            Self::Stopped | Self::Cancelled => Condition::StoppedBySignal,
            Self::Refused { .. } => Condition::InvalidInput,
            Self::Panicked { .. } => Condition::Panicked,
            Self::Fault { .. }
            | Self::Lost { .. }
            | Self::TimedOut { .. }
            | Self::OtherPlan { .. }
            | Self::TotalsDisagree { .. }
            | Self::Protocol { .. } => Condition::InternalError,
        }
    }
}
