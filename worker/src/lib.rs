//! Places the engine on a machine: the worker's side of a run, and of a cluster.
//!
//! [`LocalWorker`] is a worker in this process: commands go in, facts come out. Behind it, `session.rs` is a pure
//! state machine that says what follows from a command or an event; `launch.rs` makes everything ready and
//! `threads.rs` runs the engine; `collector.rs` empties its recorders once a second; `preflight.rs` refuses what this
//! machine cannot carry, `limits.rs` and `secrets.rs` what its operator does not allow, and `health.rs` tells how it fared.
//! `export.rs` and below make spans, exemplars and log lines of the executions that are kept, and send them and the metrics.
//!
//! [`WorkerDaemon`] is a worker of a cluster: `link.rs` and below enrol it, keep its lease, and give each run a
//! [`LocalWorker`] of its own. The crate knows no command line, no verdict and opens no file that a
//! scenario or a message names. Start reading at [`LocalWorker`], then `session.rs`; for the cluster at `link/machine.rs`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod cgroup;
mod clock_offset;
mod collector;
mod cpus;
mod export;
mod health;
mod launch;
mod limits;
mod link;
mod local;
mod machine;
mod once;
mod outbox;
mod preflight;
mod secrets;
mod session;
mod threads;
mod vitals;

/// The pure machines behind a worker, for a simulator that drives them: they do no I/O and own no clock.
pub mod machines {
    pub use crate::collector::Collector;
    pub use crate::link::{Grant, Heart, Link, LinkOptions, Pulse, RunKey};
    pub use crate::outbox::Author;
    pub use crate::session::Session;

    /// What goes into a [`Link`] and comes out of it.
    pub mod link {
        pub use crate::link::{EnrolFailure, Input, Output};
    }

    /// What goes into a [`Session`] and comes out of it.
    pub mod session {
        pub use crate::session::{Closing, Departure, Input, Output, ThreadEnd, Totals};
    }
}

pub use export::WorkerTelemetry;
pub use limits::{FilePolicy, LoadLimits};
pub use link::{Credentials, DaemonError, DaemonOptions, Issued, Keep, WorkerDaemon, WorkerExit};
pub use local::{LocalWorker, Report, WorkerOptions};
pub use preflight::{Demand, ScenarioDemand};
pub use secrets::AllowedSecrets;
