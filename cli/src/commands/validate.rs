//! `loadgen validate`: every problem of a file at once, and with `--resolved` every value and where it comes from.

mod resolved;

use anyhow::Context as _;
use api::ExitCode;
use scenario::{Diagnostics, Loaded};
use serde_json::json;

use crate::app::Process;
use crate::args::{ListingFormat, ValidateArgs};
use crate::console::print_to_stdout;
use crate::failure::Failure;
use crate::source;

/// Checks the file; problems go to stderr for people, to stdout as JSON.
pub(crate) fn validate(process: &Process, args: &ValidateArgs) -> Result<ExitCode, Failure> {
    let loaded = source::load(&args.workload, &[])?;
    let name = args.workload.file.display().to_string();
    match args.format {
        ListingFormat::Text => {
            source::show(&process.console, &loaded.diagnostics);
            process.console.say(&format!("{name}: {}", found(&loaded.diagnostics)));
            if args.resolved && loaded.workload.is_some() {
                print_to_stdout(&resolved::yaml(&loaded.origins(), &name))
                    .context("cannot print the values")?;
            }
        }
        ListingFormat::Json => {
            let mut text = format!("{:#}", document(&loaded, &name, args.resolved));
            text.push('\n');
            print_to_stdout(&text).context("cannot print the problems")?;
        }
    }
    if loaded.workload.is_some() { Ok(ExitCode::Passed) } else { Err(Failure::invalid_and_told()) }
}

fn document(loaded: &Loaded, name: &str, resolved: bool) -> serde_json::Value {
    let mut document = json!({
        "file": name,
        "valid": loaded.workload.is_some(),
        "errors": loaded.diagnostics.error_count(),
        "warnings": loaded.diagnostics.warning_count(),
        "diagnostics": loaded.diagnostics,
    });
    if resolved && loaded.workload.is_some() {
        document["resolved"] = json!(loaded.origins());
    }
    document
}

/// `valid`, `valid, 2 warnings`, `1 error`.
fn found(diagnostics: &Diagnostics) -> String {
    let several = |n: usize, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
    match (diagnostics.error_count(), diagnostics.warning_count()) {
        (0, 0) => "valid".to_owned(),
        (0, warnings) => format!("valid, {}", several(warnings, "warning")),
        (errors, 0) => several(errors, "error"),
        (errors, warnings) => format!("{}, {}", several(errors, "error"), several(warnings, "warning")),
    }
}
