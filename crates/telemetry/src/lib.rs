//! Traces, metrics and logs of a run: how they are encoded, sent and counted.
//!
//! [`Settings`] say where to, from the standard `OTEL_…` variables. A [`Pipeline`] sends: a runtime of its own, a bounded
//! queue for each signal, and a ledger in which every item ends in exactly one place. The crate knows no scenario and no
//! control message; worker and controller hand it what they know.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod board;
mod carrier;
pub mod catalogue;
mod exponential;
mod ledger;
mod logs;
mod pipeline;
mod points;
mod process;
mod prometheus;
mod resource;
pub mod settings;
pub mod spans;
mod times;

pub use board::{Board, RunBoard, RunLabels, StepTarget};
pub use logs::{FieldValue, LogLine, LogRoutes};
pub use pipeline::{Outlet, Pipeline};
pub use resource::Identity;
pub use settings::{Destination, HistogramForm, Settings, SettingsError, Temporality};

/// The beginnings of the targets whose own log lines never become telemetry: what is said about sending would be sent,
/// and so on.
pub const OWN_TARGETS: &[&str] = &[
    "loadgen_telemetry",
    "loadgen_net",
    "opentelemetry",
    "hyper",
    "h2",
    "rustls",
    "tower",
    "tokio_util",
    "tonic",
];
