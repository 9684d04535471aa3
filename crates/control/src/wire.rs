//! The wire form of the messages: what is published in `api/proto`, as generated code, and its conversions.
//!
//! What is sent is made of the crate's own types by `From`, or by `TryFrom` where it can be too large. What comes is
//! turned into them by `TryFrom`, which trusts nothing: a message that is not whole, a number that is none, a name that
//! is no name and a list that is too long are a [`WireError`]; nothing panics, and no memory is taken because a number
//! claims that it will be needed. Texts for people are cut to what the other side takes. Contents stay behind: a
//! [`Prepare`](crate::Prepare) names them by digest ([`PrepareRefs`]), so a message of a controller is [`Incoming`] until
//! they are there.

mod command;
mod enrolment;
mod envelope;
mod fact;
mod field;
mod histogram;
mod ledger;
mod membership;
mod prepare;
mod snapshot;
mod trace;
mod transfer;

/// The generated messages, clients and servers.
#[rustfmt::skip]
#[path = "wire/generated/loadgen_v1.rs"]
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "a program wrote it; `cargo xtask codegen --check` keeps it what the proto files say"
)]
pub mod proto;

pub use enrolment::{CertificateGrant, CertificateRequest};
pub use envelope::{AwaitingContents, Incoming};
pub use prepare::{AssembleError, ContentRef, FileRef, PrepareRefs};
pub use transfer::{Assembly, MAX_CHUNK_BYTES, TransferError, chunks};

/// The largest message, encoded, in bytes: what both sides set as tonic's limit in both directions, whose default of
/// 4 MiB for what is received is too low.
///
/// The largest messages are a snapshot ([`MAX_SNAPSHOT_BYTES`]) and a [`Prepare`](crate::Prepare) with 1,024 files of the
/// longest names (4.3 MiB).
pub const MAX_MESSAGE_BYTES: usize = 8 << 20;

/// The largest snapshot, encoded, in bytes; what is around it has the rest of [`MAX_MESSAGE_BYTES`]. A thousand series
/// make up to 6,500 histograms, so each may be of 1,250 bytes: 400 different times at 3 bytes each.
pub const MAX_SNAPSHOT_BYTES: usize = MAX_MESSAGE_BYTES - (256 << 10);

/// Why what came is not a message, or what was to go is none that the other side takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` of `{message}` {why}")]
pub struct WireError {
    /// The message of the protocol.
    pub message: &'static str,
    /// Its field.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

#[cfg(test)]
mod tests;
