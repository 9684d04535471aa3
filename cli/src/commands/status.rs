//! `loadgen status`: the workers and runs of a controller, or one run.

mod listing;

use anyhow::Context as _;
use api::ExitCode;

use crate::args::{ListingFormat, StatusArgs};
use crate::commands::steer::{Asked, ask};
use crate::console::print_to_stdout;
use crate::failure::Failure;
use crate::remote;

/// Prints where the cluster, or one run, stands.
pub(crate) fn status(args: &StatusArgs) -> Result<ExitCode, Failure> {
    let text = ask(&args.connection, async |Asked { client }| match &args.run {
        None => {
            let status = client.status().await?;
            Ok(match args.format {
                ListingFormat::Text => listing::cluster(&status, &client.controller()),
                ListingFormat::Json => json(&status)?,
            })
        }
        Some(name) => {
            let runs = client.runs().await?;
            let run = remote::the_only(&runs, Some(name)).map_err(Failure::invalid)?;
            // A list may leave out what one run has to say of itself.
            let run = client.run(&run.run_id).await?;
            Ok(match args.format {
                ListingFormat::Text => listing::run(&run),
                ListingFormat::Json => json(&run)?,
            })
        }
    })?;
    print_to_stdout(&text).context("cannot print the status")?;
    Ok(ExitCode::Passed)
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value).context("cannot write the status")? + "\n")
}
