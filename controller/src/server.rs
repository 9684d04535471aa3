//! The controller as a service: the cluster, on a network.
//!
//! One task owns the [`Cluster`](crate::cluster::Cluster); everybody else has a [`ClusterHandle`] to it. [`grpc`] is for
//! workers, [`http`] for people and programs. What takes long — reading and compiling a workload, making a result — is
//! done away from that task, so that signs of life are never kept waiting. Start reading at [`Server`].

mod contents;
pub mod grpc;
pub mod handle;
mod host;
pub mod http;
mod outcome;
mod prepare;
mod service;
pub mod watch;

pub use contents::{ContentError, Contents};
pub use handle::{ClusterHandle, Ended, ResultError};
pub use host::Host;
pub use service::{Security, Server, ServerOptions, StartError, TlsSecurity};
pub use watch::{Events, Watched};
