//! The `loadgen` command line, as a program and as a library.
//!
//! A program that wants Rust tasks beside YAML steps registers them with [`App`] and has the whole command line with
//! them; scenarios name a task with `task: NAME`.
//!
//! ```no_run
//! use loadgen::task::{InitError, TaskContext, TaskLifecycle, TaskOutcome};
//!
//! struct Checkout;
//!
//! impl TaskLifecycle for Checkout {
//!     async fn init(&mut self, _: &mut TaskContext) -> Result<(), InitError> {
//!         Ok(())
//!     }
//!     async fn execute(&mut self, _: &mut TaskContext) -> TaskOutcome {
//!         TaskOutcome::Succeeded
//!     }
//!     async fn teardown(&mut self, _: &mut TaskContext) {}
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     loadgen::App::new().task("checkout", || Checkout).main()
//! }
//! ```
//!
//! This crate is where the parts are put together: it reads the command line, opens files, connects a controller with
//! one worker through memory and prints. It measures and judges nothing. Start reading at [`App`], then at
//! `execute.rs`.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod app;
mod args;
mod command_line;
mod commands;
mod conduct;
mod console;
mod crew;
mod demo;
mod execute;
mod failure;
mod hosted;
mod live;
mod local_cluster;
mod logging;
mod manifest;
mod metrics_page;
mod output;
mod panics;
mod policy;
mod remote;
mod secrets;
mod signals;
mod source;
mod state;

pub use api::task;
pub use app::App;
