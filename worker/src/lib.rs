//! Places the engine on a machine: the worker's side of a run.
//!
//! [`LocalWorker`] is a worker in this process: commands go in, facts come out. Behind it, `session.rs` is a pure
//! state machine that says what follows from a command or an event; `launch.rs` makes everything ready and
//! `threads.rs` runs the engine; `collector.rs` empties its recorders once a second; `preflight.rs` refuses what this
//! machine cannot carry and `health.rs` tells how it fared. The crate knows no command line, no verdict and opens no
//! file that a scenario names. Start reading at [`LocalWorker`], then `session.rs`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod cgroup;
mod collector;
mod cpus;
mod health;
mod launch;
mod local;
mod machine;
mod outbox;
mod preflight;
mod session;
mod threads;

pub use local::{LocalWorker, WorkerOptions};
pub use preflight::{Demand, ScenarioDemand};
