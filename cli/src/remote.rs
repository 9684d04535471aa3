//! A controller elsewhere, through its HTTP API: from an address to a run that is followed to its end.
//!
//! [`Client`] asks, [`Follower`] follows; both know no terminal. Parsing and ordering events is pure and stands apart,
//! in `sse.rs` and `sequence.rs`.

mod backoff;
mod client;
mod connector;
mod error;
mod events;
mod follow;
mod pick;
mod sequence;
mod sse;

pub(crate) use backoff::Backoff;
pub(crate) use client::Client;
pub(crate) use connector::{Connector, TOKEN_VARIABLE, chain};
pub(crate) use error::RemoteError;
pub(crate) use follow::{Follower, PATIENCE};
pub(crate) use pick::{matches, the_only};
