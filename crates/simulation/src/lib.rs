//! A whole cluster on simulated time: the machines that are shipped, and everything around them that can go wrong.
//!
//! ```text
//! seed ─▸ Weather: who is there, what is run, what goes wrong when
//!           ▾
//! Simulation: one event after the other
//!   controller::Cluster  ◂── network: late, lost, twice, out of order, cut ──▸  Link, Heart, Session, Collector
//!           ▾                                                                     ▾
//!   SealedRun, result ──────────▸ judgement ◂── Sink: what the target saw ◂── EngineThread (a model)
//! ```
//!
//! The same seed gives the same schedule to the nanosecond. Nothing ships this crate; its tests run thousands of seeds, and
//! one that fails is run again with `SIMULATION_SEED=… cargo test -p loadgen-simulation`, which writes down what
//! happened. Start reading at [`simulate`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod dice;
mod engine_thread;
mod judgement;
mod life;
mod simulation;
mod sink;
mod trace;
mod weather;
mod worker_run;
mod workloads;
mod wrong_clock;

pub use judgement::Verdict;
pub use simulation::{Outcome, simulate};
pub use workloads::Workloads;
