//! Schedule, pacer, executors and virtual users: the hot path.
//!
//! An engine thread carries its part of a run alone: [`run_thread`] builds a single-threaded runtime, a table of
//! virtual users and one kernel timer, and turns until the plan is over. What a request is, the engine does not know:
//! a [`Protocol`] carries it. What is measured goes to a [`metrics::Record`]; single executions that are worth keeping
//! leave by a [`Tracer`]. Under way it may be given another part ([`Order::Revise`]); once its [`Lease`] is over it
//! starts nothing more. The crate knows no YAML, no control message, no exporter and no file; start reading at
//! [`Protocol`], then `core.rs`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod core;
mod deal;
mod events;
mod interval;
mod iteration;
mod lease;
mod once;
mod pacer;
mod port;
mod revise;
mod scenario;
mod schedule;
mod shell;
mod stop;
mod task;
#[cfg(test)]
mod tests;
mod thread;
mod timers;
mod tracer;
mod user;

pub use lease::{Lease, LeaseKeeper};
pub use once::execute_once;
pub use port::{CallId, Completion, ConnectionGauges, Event, IoId, Outbox, Protocol};
pub use revise::{Revised, Watcher};
pub use task::TaskRegistry;
pub use thread::{Order, Orders, Pacing, Remote, ThreadConfig, ThreadReport, orders, run_thread};
pub use tracer::Tracer;
