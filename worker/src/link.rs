//! A worker's place in a cluster: enrolment, lease, session stream, and the runs it takes part in.
//!
//! ```text
//! machine.rs    pure: what follows from an answer, a message, a beat, a signal      heart.rs    pure: the lease
//!    ▴ │                                                                              ▴ │
//!    │ ▾                                                                              │ ▾
//! daemon.rs     one task: carries inputs and outputs, owns the runs     ◂── watch ── heartbeat.rs   a thread of its own
//!    ├─ stream.rs      the session stream, bounded both ways                            on a connection of its own
//!    ├─ residual.rs    facts of sessions whose authority ended
//!    └─ contact.rs     connections, enrolment, certificates, contents
//! ```
//!
//! Nothing the control plane does or fails to do holds up the engine: facts wait in the outbox of their run, and the
//! heartbeats have a thread, a runtime and a connection of their own. Start reading at `machine.rs`.

mod backoff;
mod contact;
mod credentials;
mod daemon;
mod heart;
mod heartbeat;
mod machine;
mod probe;
mod residual;
mod stream;

pub use credentials::{Credentials, Issued, Keep};
pub use daemon::{DaemonError, DaemonOptions, WorkerDaemon};
pub use heart::{Grant, Heart, Pulse};
pub use machine::{EnrolFailure, Input, Link, LinkOptions, Output, RunKey, WorkerExit};
