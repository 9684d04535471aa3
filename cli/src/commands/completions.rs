//! `loadgen completions`: the completion script of a shell.

use anyhow::Context as _;
use api::ExitCode;
use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::console::print_to_stdout;
use crate::failure::Failure;

/// Prints the script.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "loadgen", &mut script);
    print_to_stdout(&String::from_utf8_lossy(&script)).context("cannot print the script")?;
    Ok(ExitCode::Passed)
}
