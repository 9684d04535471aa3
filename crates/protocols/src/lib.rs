//! HTTP/1.1, TLS and DNS behind the engine's port.
//!
//! [`prepare`] turns a plan into [`Prepared`]: request images, checks and TLS settings, shared by all threads and
//! never written again. [`Http1`] is the state machine of one engine thread: connections, pools, look-ups and
//! deadlines, over a [`Transport`] (the kernel's TCP, or memory for measurements). [`Codec`] reads responses and
//! knows no socket. The crate knows no scenario file, no schedule and no recorder; start reading at [`Http1`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod checks;
mod codec;
mod dns;
mod fault;
mod http1;
mod image;
mod policy;
mod prepared;
mod probe;
mod propagation;
mod tls;
mod transport;

pub use codec::{Codec, HeadMemo, MAX_HEAD_BYTES, Observer, Progress};
pub use dns::{Resolve, SystemResolver};
pub use http1::Http1;
pub use image::{Secret, Secrets};
pub use policy::{AllowedTarget, Forbidden, ParseTargetError, TargetPolicy};
pub use prepared::{PrepareError, Prepared, prepare};
pub use probe::{Probe, ProbeError, probe};
pub use propagation::Propagated;
pub use tls::TlsError;
pub use transport::{Memory, MemoryStream, Stream, Tcp, Transport};
