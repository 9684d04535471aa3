//! What users see of the command line, tested through the real binary against the built-in target.
//!
//! One module per behaviour. No test looks at how fast something was, beside the limits that users are promised.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod bad_input;
mod chaos;
mod cluster;
mod engine_threads;
mod execution_lines;
mod exit_codes;
mod explain;
mod exported_lines;
mod harness;
mod help;
mod http_mode;
mod https;
mod logs;
mod long_plans;
mod manifest;
mod metrics_page;
mod new_file;
mod output_files;
mod policy;
mod quick_start;
mod run_against_the_target;
mod rust_tasks;
mod scenario_files;
mod selftest;
mod stops;
mod telemetry_settings;
mod validate_and_plan;
