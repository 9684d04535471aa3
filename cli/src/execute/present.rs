//! The end of a run: summary, result, last log line, exit code.

use std::path::PathBuf;

use api::ExitCode;
use api::result::ResultFile;
use report::TextOptions;

use super::RunOrder;
use crate::app::{Process, tell_code};
use crate::args::OutputFormat;
use crate::console::print_to_stdout;
use crate::failure::Failure;
use crate::manifest::{self, ConductedBy};
use crate::output::Output;

/// A run that is over.
pub(super) struct Ended<'a> {
    /// What it came to.
    pub(super) result: &'a ResultFile,
    /// The same as text.
    pub(super) json: &'a str,
    /// Who conducted it, where this process did not.
    pub(super) conducted_by: Option<ConductedBy>,
}

/// Prints the summary, writes the result and its manifest, logs the last line and returns the code the run ends with.
///
/// # Errors
/// When the result cannot be kept; it is on stdout then.
pub(super) fn present(
    process: &Process,
    order: &RunOrder<'_>,
    ended: &Ended<'_>,
    place: &mut Output,
) -> Result<ExitCode, Failure> {
    let (console, format) = (&process.console, order.output.format);
    let Ended { result, json, conducted_by } = ended;
    if format == OutputFormat::Text {
        let options = TextOptions { color: console.look().color, width: console.columns() };
        console.print(&format!("\n{}\n", report::text(result, options)));
    } else {
        tell_code(console, result.exit.name);
    }
    let manifest = |name: &str| manifest::text(process, order, result, name, conducted_by.as_ref());
    let kept = keep(json, manifest, place, format);
    let path = kept.as_ref().ok().and_then(|path| path.as_ref().map(|path| path.display().to_string()));
    if let Some(path) = &path {
        console.say(&format!("result: {path}"));
    }
    log_end(result, path.as_deref());
    kept.map(|_| result.exit.name)
}

/// Writes the result where it belongs, and to stdout when that was asked for or nothing else is left.
fn keep(
    json: &str,
    manifest: impl FnOnce(&str) -> String,
    place: &mut Output,
    format: OutputFormat,
) -> Result<Option<PathBuf>, Failure> {
    let written = place.write(json, manifest);
    let is_printed = place.is_stdout();
    if !is_printed && (format == OutputFormat::Json || written.is_err()) {
        print_to_stdout(json).map_err(|error| anyhow::anyhow!("cannot print the result: {error}"))?;
    }
    written.map_err(|error| anyhow::anyhow!("{error}; the result was printed to stdout instead").into())
}

/// The last line of the log.
fn log_end(result: &ResultFile, path: Option<&str>) {
    let (iterations, requests) = (&result.totals.iterations, &result.totals.requests);
    let verdict = serde_json::to_value(result.verdict.outcome).ok();
    tracing::info!(
        verdict = verdict.as_ref().and_then(serde_json::Value::as_str),
        exit_code = result.exit.code,
        exit_name = result.exit.name.name(),
        iterations_due = iterations.due,
        iterations_started = iterations.started,
        requests_attempted = requests.attempted,
        requests_succeeded = requests.succeeded,
        requests_failed = requests.failed,
        requests_cancelled = requests.cancelled,
        slots_digest = result.identity.slots_digest.due,
        result = path,
        "run finished"
    );
}
