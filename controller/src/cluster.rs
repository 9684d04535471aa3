//! Many workers, many runs, one controller: who is there, who may send load, and what waits.
//!
//! ```text
//! Enrol ▸ Live ─lease ended, stuck, superseded─▸ Lost ─10 min─▸ (forgotten)
//!           └─drained, nothing left to do─▸ Gone ─┘
//! submit ▸ Queued ─enough workers─▸ UnderWay (a RunMachine) ─sealed─▸ Building ─result─▸ Over ─64 later─▸ (forgotten)
//!            └─nobody came, 5 min, stopped──────────────────────────────────────────────▴
//! ```
//!
//! [`Cluster`] does no I/O and owns no clock: every method takes the instant and appends what is to be done. It wants its
//! [`Cluster::tick`] at [`Cluster::wake_at`] at the latest. Authority goes by [`control::LeaseToken`]: what a session
//! without it says has no effect, but for facts, which are handed to their run whoever tells them. Start reading at
//! [`Cluster`]; [`crate::server`] connects it to a network.

mod authority;
mod beat;
mod enrolment;
mod event_log;
mod fact;
mod idempotency;
mod link;
mod machine;
mod member;
mod message;
mod operator;
mod queue;
mod retention;
mod run;
mod status;
mod submission;
mod wall;

pub use event_log::LoggedEvent;
pub use machine::{Cluster, ClusterOptions};
pub use message::{
    Build, ClusterOutput, ControlError, DrainError, LinkId, Outcome, Request, ResultOf, RunControl,
    SessionRefusal, SubmitError,
};
pub use submission::Submission;
pub use wall::WallClock;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
