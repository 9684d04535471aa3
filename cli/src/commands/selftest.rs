//! `loadgen selftest`: this machine's instrument error, measured against what the built-in target is known to do.
//!
//! Every experiment goes the same way as `loadgen run`. What the target did is known twice: it was declared before, and
//! it was counted by the target itself.

mod expectation;
mod experiment;

use anyhow::Context as _;
use api::ExitCode;
use controller::observe::Telemetry;

use self::expectation::{Expectation, table};
use self::experiment::Experiment;
use crate::app::{Process, leave_at_once, tell_code};
use crate::args::SelftestArgs;
use crate::console::print_to_stdout;
use crate::execute::{Run, Setup, perform};
use crate::failure::Failure;
use crate::live::Live;
use crate::signals::Signals;

/// Runs all experiments and prints how far the numbers are from the known ones.
pub(crate) fn selftest(process: &Process, args: &SelftestArgs) -> Result<ExitCode, Failure> {
    let console = process.console.clone();
    // Half a selftest says nothing: the first signal is the last.
    let mut signals = Signals::listen(move |_| leave_at_once(&console)).context("cannot take signals")?;
    let mut rows: Vec<Expectation> = Vec::new();
    for experiment in Experiment::all(args.quick) {
        process.console.say(&format!("{} ...", experiment.title()));
        rows.extend(measure(process, &experiment, args.threads, &mut signals)?);
    }
    print_to_stdout(&table(&rows)).context("cannot print the table")?;
    let code =
        if rows.iter().all(Expectation::holds) { ExitCode::Passed } else { ExitCode::MeasurementInvalid };
    tell_code(&process.console, code);
    Ok(code)
}

fn measure(
    process: &Process,
    experiment: &Experiment,
    threads: Option<u32>,
    signals: &mut Signals,
) -> Result<Vec<Expectation>, Failure> {
    let loaded = experiment.load(threads);
    let workload = loaded.workload.as_ref().with_context(|| {
        format!("the selftest's own scenario is wrong:\n{}", loaded.diagnostics.render(false))
    })?;
    let mut live = Live::new(process.console.clone(), true);
    let setup = Setup {
        run: Run::new(process),
        preflight: true,
        target: experiment.target(),
        telemetry: Telemetry::off(),
    };
    let performed = perform(process, &loaded, workload, setup, signals, &mut live)?;
    let rows = experiment.expectations(&performed.result, performed.target.as_ref());
    performed.end();
    Ok(rows)
}
