//! What went other than planned.

use api::Condition;
use control::{SessionId, WorkerId};
use metrics::ShapeMismatch;
use units::{Nanos, Timestamp};

use crate::run::{Actor, Peer};

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
    /// Somebody asked for the end.
    #[error("{} stopped the run; what is in flight may end", subject(.by, "a signal"))]
    Stopped {
        /// Who.
        by: Actor,
    },
    /// Somebody asked for it at once.
    #[error("{} cancelled what was in flight", subject(.by, "a second signal"))]
    Cancelled {
        /// Who.
        by: Actor,
    },
    /// The share cannot be carried.
    #[error("worker `{worker}` cannot carry its share: {reason}")]
    Refused {
        /// Who.
        worker: WorkerId,
        /// What was wanted and what there is.
        reason: String,
    },
    /// The worker's own policy forbids the run.
    #[error("worker `{worker}` may not carry its share: {reason}")]
    Forbidden {
        /// Who.
        worker: WorkerId,
        /// What its policy says.
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
    /// The worker has no authority any more, or is too silent to be waited for.
    #[error("worker `{}` was lost: {reason}; what it did after its last report is missing unless it comes back", .who.worker)]
    Lost {
        /// Which life of it.
        who: Peer,
        /// How that was noticed.
        reason: String,
    },
    /// The worker left before the end without having been asked to.
    #[error("worker `{}` left the run at {at} of it; its last report is there", .who.worker)]
    Left {
        /// Which life of it.
        who: Peer,
        /// The run time from which it carried nothing any more.
        at: Nanos,
    },
    /// More workers were lost than may be.
    #[error("{lost} of {all} parts of the load were lost, more than `max_lost` allows: the run ends")]
    TooManyLost {
        /// The weights of those that were lost.
        lost: u64,
        /// Of all.
        all: u64,
    },
    /// The policy wants no run without all its workers.
    #[error("the run ends with its worker, as `on_worker_loss: fail` says")]
    LossEndsRun,
    /// A wait took longer than its limit.
    #[error("worker `{}` did not {what} within {limit}", .who.worker)]
    TimedOut {
        /// Which life of it.
        who: Peer,
        /// What it did not do.
        what: &'static str,
        /// The limit.
        limit: Nanos,
    },
    /// A run that was paused was not resumed.
    #[error("the run was paused for {limit} and ends")]
    PausedTooLong {
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
    /// A worker reported what cannot be: nothing of it counts from then on.
    #[error("worker `{worker}` reported what cannot be and is not believed any more: {why}")]
    Quarantined {
        /// Who.
        worker: WorkerId,
        /// What cannot be.
        why: String,
    },
    /// A worker took up a revision after the instant it was meant for: until then some slots had no owner, or two.
    #[error(
        "worker `{worker}` took up revision {revision} at {effective} instead of {asked}: the dealing overlapped or had a gap"
    )]
    RevisedLate {
        /// Who.
        worker: WorkerId,
        /// Which revision.
        revision: u64,
        /// The run time it was to hold from.
        asked: Nanos,
        /// The run time it holds from.
        effective: Nanos,
    },
    /// Whether a worker took up a revision in time is not known: it ended before it said so.
    #[error(
        "worker `{worker}` ended before it said that it took up revision {revision}: the dealing may have overlapped until then"
    )]
    RevisionUnknown {
        /// Who.
        worker: WorkerId,
        /// Which revision.
        revision: u64,
    },
    /// The task that was to be executed once before the load failed.
    #[error("task `{task}`, which was to be executed once on worker `{worker}`, failed: {failure}")]
    OnceFailed {
        /// Where.
        worker: WorkerId,
        /// The task.
        task: String,
        /// Why.
        failure: String,
    },
    /// The worker that was to execute a task once was lost in it. It is never given to another one.
    #[error(
        "what came of task `{task}` is unknown: worker `{worker}` was lost in it; see whether it took effect"
    )]
    OnceUnknown {
        /// Where.
        worker: WorkerId,
        /// The task.
        task: String,
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
    /// What the exit code has to tell of it; [`Condition::WorkersLost`] only unless the run may be degraded.
    pub fn condition(&self) -> Condition {
        match self {
            Self::Stopped { .. } | Self::Cancelled { .. } => Condition::StoppedBySignal,
            Self::Refused { .. } => Condition::InvalidInput,
            Self::Forbidden { .. } => Condition::RefusedByPolicy,
            Self::Panicked { .. } => Condition::Panicked,
            Self::OnceFailed { .. } => Condition::NothingSucceeded,
            // A worker in our own process is lost by a fault of the program.
            Self::Lost { who, .. } | Self::Left { who, .. } | Self::TimedOut { who, .. }
                if who.session == SessionId::IN_PROCESS =>
            {
                Condition::InternalError
            }
            Self::Lost { .. }
            | Self::Left { .. }
            | Self::TimedOut { .. }
            | Self::TooManyLost { .. }
            | Self::LossEndsRun
            | Self::Quarantined { .. }
            | Self::RevisedLate { .. }
            | Self::RevisionUnknown { .. }
            | Self::OnceUnknown { .. } => Condition::WorkersLost,
            Self::PausedTooLong { .. } => Condition::StoppedBySignal,
            Self::Fault { .. }
            | Self::OtherPlan { .. }
            | Self::TotalsDisagree { .. }
            | Self::Protocol { .. } => Condition::InternalError,
        }
    }

    /// Whether it ends a run whose load has not started, whatever the policy on losses says.
    pub(crate) const fn ends_preparation(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::Forbidden { .. }
            | Self::Fault { .. }
            | Self::Panicked { .. }
            | Self::OtherPlan { .. }
            | Self::OnceFailed { .. }
            | Self::OnceUnknown { .. }
            | Self::TooManyLost { .. }
            | Self::LossEndsRun
            | Self::TotalsDisagree { .. }
            | Self::Protocol { .. } => true,
            Self::Stopped { .. }
            | Self::Cancelled { .. }
            | Self::Lost { .. }
            | Self::Left { .. }
            | Self::TimedOut { .. }
            | Self::PausedTooLong { .. }
            | Self::Quarantined { .. }
            | Self::RevisedLate { .. }
            | Self::RevisionUnknown { .. } => false,
        }
    }

    /// Whether the dealing may have had an overlap or a gap by it: then what came due is not exactly what was planned.
    pub(crate) const fn is_misdealing(&self) -> bool {
        matches!(self, Self::RevisedLate { .. } | Self::RevisionUnknown { .. })
    }

    /// Whether it made the run less than was planned although it went on: whether that is a failure is for the policy to
    /// say. What ended the run is none.
    pub(crate) fn is_degradation(&self) -> bool {
        let is_kind = matches!(
            self,
            Self::Lost { .. }
                | Self::Left { .. }
                | Self::TimedOut { .. }
                | Self::Quarantined { .. }
                | Self::RevisedLate { .. }
                | Self::RevisionUnknown { .. }
        );
        is_kind && self.condition() == Condition::WorkersLost
    }
}

fn subject(by: &Actor, local: &str) -> String {
    if by.is_local() { local.to_owned() } else { format!("`{by}`") }
}
