//! The built-in target: an HTTP/1.1 server whose behaviour is *declared*, so that what a load generator reports can
//! be held against what is known to have happened.
//!
//! [`Target::bind`] starts it on threads of its own (or [`Target::bind_on`] on a given runtime); [`Target::stats`]
//! tells what it counted. Delays are drawn from a [`Law`] as a pure function of seed and index; during a
//! [`Stall`] nothing is read and nothing answered, so a request that arrives then is answered at its end. Methods
//! that are not named below may be any. A request's body is read to its end before anything is done.
//!
#![doc = include_str!("../ENDPOINTS.md")]
//!
//! Delays are counted from the arrival of the request (its head was read) and end on a `timerfd`: never early, and
//! late by what the kernel takes to wake a thread, some tens of microseconds on a machine that is not busy.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod config;
mod connection;
mod law;
mod paced;
mod routes;
mod sequence;
mod server;
mod shard;
mod sleeper;
mod stall;
mod stats;
mod tally;

pub use config::Config;
pub use law::Law;
pub use sequence::fails;
pub use server::Target;
pub use stall::{Stall, StallSpan};
pub use stats::{PathStats, PerSecond, Stats};
