//! `loadgen plan`: what would be sent when, and what it takes, without sending it.

mod forecast;
mod listing;
mod shares;

use anyhow::Context as _;
use api::ExitCode;

use self::forecast::Forecast;
use self::shares::Shares;
use crate::app::Process;
use crate::args::{ListingFormat, PlanArgs};
use crate::console::print_to_stdout;
use crate::failure::Failure;
use crate::{demo, source};

/// Prints the plan on stdout.
pub(crate) fn plan(process: &Process, args: &PlanArgs) -> Result<ExitCode, Failure> {
    let loaded = source::load(&args.workload, &[])?;
    source::show(&process.console, &loaded.diagnostics);
    let workload = loaded.workload.ok_or_else(Failure::invalid_and_told)?;
    let mut resolved = workload.clone();
    // Nothing is sent: any address stands for the one the built-in target would have.
    resolved.replace_demo_target(&demo::placeholder());
    let plan = scenario::compile(&resolved, &loaded.files).map_err(Failure::invalid)?;
    let mut forecast = Forecast::of(&workload, &loaded.files, &plan).map_err(Failure::invalid)?;
    if let Some(workers) = args.workers {
        let weights = weights(workers, &args.weights)?;
        forecast.shares = Some(Shares::of(&plan, &forecast.scenarios, weights).map_err(Failure::invalid)?);
    }
    let text = match args.format {
        ListingFormat::Text => listing::text(&forecast),
        ListingFormat::Json => {
            serde_json::to_string_pretty(&forecast).context("cannot write the plan")? + "\n"
        }
    };
    print_to_stdout(&text).context("cannot print the plan")?;
    Ok(ExitCode::Passed)
}

/// One weight for each of `workers`: those that were `given`, or all alike.
fn weights(workers: u32, given: &[u32]) -> Result<Vec<u32>, Failure> {
    let workers = workers as usize;
    if given.is_empty() {
        return Ok(vec![1; workers]);
    }
    if given.len() != workers {
        let message =
            format!("--weights has {} numbers for {workers} workers; give one for each", given.len());
        return Err(Failure::invalid(message));
    }
    Ok(given.to_vec())
}
