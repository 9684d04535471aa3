//! What controller and worker say to each other.
//!
//! Plain enums, written by hand; a transport carries them through memory in a local run and, later, over a network in
//! the wire form that stands beside them. Authority (a [`Command`]) and facts (a [`Fact`]) follow different rules: a
//! command is applied once and only while its run is the worker's; a fact, once true, is accepted exactly once by its
//! number. The crate knows no socket and no clock; start reading at [`Command`].
//!
//! ```text
//! worker       Joined ▸            ▸ Prepared | Refused      ▸ Started ▸ Measured … ▸ Final
//! controller          ▸ Prepare               ▸ Start                  ▸ Ack …  [▸ Stop]
//! ```
//!
//! A worker that has joined answers a [`CommandBody::Stop`] with [`FactBody::Final`] in every state; one that refused
//! has nothing more to say.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod command;
mod fact;
mod identity;
mod series;

pub use command::{Command, CommandBody, FileContent, Prepare, StopMode};
pub use fact::{Fact, FactBody, FinalFact, HostFacts, Prepared, Refusal, WorkerHealth, WorkerInfo};
pub use identity::{CommandId, RunId, WorkerId};
pub use series::layout;
