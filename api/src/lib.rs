//! What outsiders build against: tasks, the result file and exit codes.
//!
//! Plain types, covered by the version: a task implements [`task::TaskLifecycle`], a program that reads results starts
//! at [`result::ResultFile`], and a script that looks at exit codes finds them in [`ExitCode`]. The crate knows neither
//! the engine that runs tasks nor the run that makes results.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod exit_code;
pub mod http;
pub mod manifest;
pub mod result;
pub mod task;

pub use exit_code::{Condition, Conditions, ExitCode};
