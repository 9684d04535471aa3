//! What controller and worker say to each other.
//!
//! Plain enums, written by hand; a transport carries them through memory in a local run, and over a network in the form
//! that is published in `api/proto` ([`wire`]). Authority (a [`Command`]) and facts (a [`Fact`]) follow different rules: a
//! command is applied once and only while its run is the worker's; a fact, once true, is accepted exactly once by its
//! number. The crate knows no socket and no clock; start reading at [`Command`].
//!
//! ```text
//! worker     Enrol ▸            ▸ Hello           ▸ Prepared | Refused      ▸ Started ▸ Measured … [▸ Revised …] ▸ Final
//! controller       ▸ Enrolled           ▸ Prepare                   ▸ Start                [▸ Revise …]  [▸ Stop]
//! beside it  Beat ▸ ◂ BeatAck, on a connection of its own       both directions: Ack for facts, Applied for commands
//! ```
//!
//! A worker that has a run answers a [`CommandBody::Stop`] with [`FactBody::Final`] in every state; one that refused
//! has nothing more to say.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod command;
mod content;
mod envelope;
mod fact;
mod identity;
mod membership;
mod series;
pub mod wire;

pub use command::{Ack, Command, CommandBody, FileContent, LeaveMode, Prepare, StopMode};
pub use content::{Content, ContentError, ContentStore, MAX_CONTENT_BYTES, MemoryContents};
pub use envelope::{ControllerMessage, FromController, FromWorker, RunStanding, WorkerMessage};
pub use fact::{
    Fact, FactBody, FinalFact, HostFacts, Prepared, Refusal, TracedRequest, WorkerHealth, WorkerInfo,
};
pub use identity::{
    ClusterId, CommandId, ContentDigest, Epoch, LeaseToken, RunId, SessionId, WorkerId, WorkerIdError,
};
pub use membership::{
    Beat, BeatAck, ClockOffset, Enrol, EnrolRefusal, Enrolled, LeaseTerms, ProtocolVersions, Standing,
};
pub use series::layout;
