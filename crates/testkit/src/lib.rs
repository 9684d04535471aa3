//! Peers that tests need and production does not: servers that misbehave as scripted, a corpus of responses with
//! what a correct client must conclude, certificates good and bad, ports that refuse, a network that cannot be relied
//! on, clients that no server wants, a receiver of telemetry, and folders that clean up.
//!
//! Start at [`corpus()`] to test a codec without sockets, at [`hostile::Server`] to test a client with them, at
//! [`tls::Authority`] for TLS, at [`chaos::Proxy`] to put a bad network between two peers, at [`rogue`] to test a
//! server, at [`collector::Collector`] to test a sender of telemetry. The crate knows nothing of what it tests. It is
//! for tests only: what a test cannot do without (a socket, a folder) panics when it is not to be had.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod acceptor;
pub mod chaos;
pub mod collector;
pub mod corpus;
pub mod hostile;
pub mod ports;
pub mod rogue;
mod scratch;
pub mod tls;

pub use corpus::corpus;
pub use scratch::Scratch;
