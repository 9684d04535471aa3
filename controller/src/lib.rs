//! One run across its workers: from the workload to the sealed result.
//!
//! [`RunMachine`] conducts a run without I/O and without a clock: facts, signals and ticks go in, commands come out.
//! What workers measured is added up in [`Merged`]; when the run is sealed, [`verdict`] judges it and [`result`] writes it
//! down as an [`api::result::ResultFile`]. Whoever drives it carries messages and shows the [`LiveView`]: in a local run
//! the command line, in a cluster [`Cluster`](cluster::Cluster), which knows all workers and runs and does no I/O either.
//! Only [`server`] knows sockets; the crate knows no file and no terminal. Start reading at [`run`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod accounting;
pub mod assignment;
pub mod cluster;
mod contribution;
mod explain;
mod incident;
mod limits;
mod live;
mod merge;
pub mod observe;
mod planned;
pub mod result;
pub mod run;
pub mod server;
mod session;
mod slowest;
mod sums;
pub mod verdict;

pub use accounting::{Bound, Missing};
pub use incident::{Incident, IncidentKind};
pub use limits::{Limits, StopBudget};
pub use live::{LivePhase, LiveTimes, LiveView};
pub use merge::Merged;
pub use run::{
    Actor, Annotation, AnnotationKind, ChangeRefusal, Input, MemoryStore, Output, Peer, Record, RecordSeq,
    Revised, RunEvent, RunFold, RunMachine, RunPhase, RunSpec, SealedRun, Store, WorkerSpec, WorkerStanding,
};
pub use session::{Leave, Loss, Session, SessionEnd, Start};
pub use slowest::{SlowTrace, Slowest};
pub use sums::{Standing, Sums};

#[cfg(test)]
mod fixture;
