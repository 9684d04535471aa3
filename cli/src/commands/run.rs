//! `loadgen run`: a scenario file.

use api::ExitCode;

use crate::app::Process;
use crate::args::RunArgs;
use crate::execute::execute;
use crate::failure::Failure;
use crate::source;

/// Runs the file.
pub(crate) fn run(process: &Process, args: &RunArgs) -> Result<ExitCode, Failure> {
    let loaded = source::load(&args.workload, args.output.out.as_deref())?;
    execute(process, &loaded, !args.no_preflight, &args.output)
}
