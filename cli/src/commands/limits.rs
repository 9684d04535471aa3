//! `loadgen limits`: how long controller, worker and command line wait for what.

use anyhow::Context as _;
use api::ExitCode;
use net::deadline::Operation;
use serde::Serialize;

use crate::args::{LimitsArgs, ListingFormat};
use crate::console::print_to_stdout;
use crate::failure::Failure;

/// A row of the table.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    default_ms: f64,
    /// What is known of its effect when the limit passes: `not_sent` or `unknown`.
    after_it: &'static str,
    meaning: &'static str,
}

/// Prints the table on stdout.
pub(crate) fn limits(args: &LimitsArgs) -> Result<ExitCode, Failure> {
    let text = match args.format {
        ListingFormat::Text => table(),
        ListingFormat::Json => {
            let rows: Vec<Row> = Operation::ALL.iter().copied().map(row).collect();
            serde_json::to_string_pretty(&rows).context("cannot write the limits")? + "\n"
        }
    };
    print_to_stdout(&text).context("cannot print the limits")?;
    Ok(ExitCode::Passed)
}

fn row(operation: Operation) -> Row {
    Row {
        name: operation.name(),
        default_ms: operation.default_limit().as_millis_f64(),
        after_it: match operation.outcome() {
            net::deadline::TimeoutOutcome::NotSent => "not_sent",
            net::deadline::TimeoutOutcome::Unknown => "unknown",
        },
        meaning: operation.meaning(),
    }
}

fn table() -> String {
    let mut text = format!("{:<15} {:>8}  {:<8}  what\n", "name", "default", "effect");
    for operation in Operation::ALL.iter().copied() {
        let row = row(operation);
        let effect = row.after_it.replace('_', " ");
        let default = operation.default_limit().to_string();
        text.push_str(&format!("{:<15} {default:>8}  {effect:<8}  {}\n", row.name, row.meaning));
    }
    text.push_str("\nset with --limit NAME=DURATION of controller and worker\n");
    text
}
