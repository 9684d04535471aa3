//! One run across its workers: from the workload to the sealed result.
//!
//! [`RunMachine`] conducts a run without I/O and without a clock: facts, signals and ticks go in, commands come out.
//! What workers measured is added up in [`Merged`]; when the run is sealed, [`verdict`] judges it and [`result`] writes it
//! down as an [`api::result::ResultFile`]. The crate knows no socket, no file and no terminal; whoever drives it carries
//! messages and shows the [`LiveView`]. Start reading at [`run`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod assignment;
mod incident;
mod limits;
mod live;
mod merge;
pub mod result;
pub mod run;
mod session;
pub mod verdict;

pub use incident::{Incident, IncidentKind};
pub use limits::{Limits, StopBudget};
pub use live::{LivePhase, LiveTimes, LiveView};
pub use merge::Merged;
pub use run::{Input, Output, RunMachine, RunSpec, SealedRun, WorkerSpec};
pub use session::{Session, SessionEnd};

#[cfg(test)]
mod fixture;
