//! The end of a run: summary, result, last log line, exit code.

use api::ExitCode;
use api::result::ResultFile;
use report::TextOptions;

use crate::app::{Process, tell_code};
use crate::args::{OutputArgs, OutputFormat};
use crate::console::print_to_stdout;
use crate::failure::Failure;
use crate::output::Output;

/// Prints the summary, writes the result (`json` is its text), logs the last line and returns the code the run ends with.
///
/// # Errors
/// When the result cannot be kept; it is on stdout then.
pub(super) fn present(
    process: &Process,
    result: &ResultFile,
    json: &str,
    place: &mut Output,
    output: &OutputArgs,
) -> Result<ExitCode, Failure> {
    let console = &process.console;
    if output.format == OutputFormat::Text {
        let options = TextOptions { color: console.look().color, width: console.columns() };
        console.print(&format!("\n{}\n", report::text(result, options)));
    } else {
        tell_code(console, result.exit.name);
    }
    let kept = keep(json, place, output.format);
    let path = kept.as_ref().ok().and_then(|path| path.as_ref().map(|path| path.display().to_string()));
    if let Some(path) = &path {
        console.say(&format!("result: {path}"));
    }
    log_end(result, path.as_deref());
    kept.map(|_| result.exit.name)
}

/// Writes the result where it belongs, and to stdout when that was asked for or nothing else is left.
fn keep(json: &str, place: &mut Output, format: OutputFormat) -> Result<Option<std::path::PathBuf>, Failure> {
    let written = place.write(json);
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
