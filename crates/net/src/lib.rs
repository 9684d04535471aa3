//! How controller, worker and command line connect: identity, TLS, deadlines, connections.
//!
//! [`identity`] makes and reads certificates; [`join_token`] and [`api_token`] are what people paste; [`tls`] ties them
//! to connections, with a typed reason for every refusal. [`deadline`] bounds and counts every wait. [`listen`] serves
//! HTTP/2 (gRPC) or HTTP/1 (the API) with a limit on everything, [`dial`] opens connections. The crate knows no
//! message, no run and no file: what is to be kept is handed out as bytes, and who may do what is decided above. Start
//! reading at [`deadline::within`], [`dial::Dialer`] and [`listen::serve`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod api_token;
pub mod deadline;
pub mod dial;
mod hex;
pub mod identity;
pub mod join_token;
pub mod listen;
pub mod probe;
mod stream;
pub mod tls;
mod wall;

pub use wall::WallTime;
