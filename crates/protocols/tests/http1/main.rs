//! The protocol against real sockets and hostile peers, driven as the engine drives it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod corpus;
mod driver;
mod faults;
mod lookup;
mod memory;
mod oracle;
mod pool;
mod propagation;
mod secure;
