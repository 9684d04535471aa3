//! `loadgen stop`, `pause`, `resume`, `set-rate` and `drain`: what can be done to a run under way on a controller.

use anyhow::Context as _;
use api::ExitCode;
use api::http::{RunStatus, SetRate};
use net::identity::check_worker_name;

use crate::app::Process;
use crate::args::{
    ConnectionArgs, DrainArgs, LeaveArg, PauseArgs, ResumeArgs, SetRateArgs, StopArgs, Wanted,
};
use crate::failure::Failure;
use crate::remote::{self, Client, Connector};

/// What a command has at hand that asks a controller.
pub(super) struct Asked {
    pub(super) client: Client,
}

/// Does `work` with the controller that `args` name.
pub(super) fn ask<T>(
    args: &ConnectionArgs,
    work: impl AsyncFnOnce(Asked) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let connector = Connector::of_flags(args.controller.as_deref(), &args.trust)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot make a runtime")?;
    let outcome = runtime.block_on(work(Asked { client: Client::new(connector) }));
    // A lookup of a name may hang on a thread of its own, long after it was given up.
    runtime.shutdown_background();
    outcome
}

/// Ends a run.
pub(crate) fn stop(process: &Process, args: &StopArgs) -> Result<ExitCode, Failure> {
    ask(&args.connection, async |Asked { client }| {
        let run = the_run(&client, args.run.as_deref()).await?;
        client.stop(&run.run_id, args.cancel).await?;
        let how = if args.cancel { "cancels what is in flight" } else { "starts nothing new" };
        process.console.say(&format!("run {} ({}) {how} and ends", run.run_id, run.name));
        Ok(ExitCode::Passed)
    })
}

/// Lets a run stand still.
pub(crate) fn pause(process: &Process, args: &PauseArgs) -> Result<ExitCode, Failure> {
    ask(&args.connection, async |Asked { client }| {
        let run = the_run(&client, args.run.as_deref()).await?;
        client.pause(&run.run_id).await?;
        process.console.say(&format!("run {} ({}) is paused; next: loadgen resume", run.run_id, run.name));
        Ok(ExitCode::Passed)
    })
}

/// Lets a paused run go on.
pub(crate) fn resume(process: &Process, args: &ResumeArgs) -> Result<ExitCode, Failure> {
    ask(&args.connection, async |Asked { client }| {
        let run = the_run(&client, args.run.as_deref()).await?;
        client.resume(&run.run_id).await?;
        process.console.say(&format!("run {} ({}) goes on", run.run_id, run.name));
        Ok(ExitCode::Passed)
    })
}

/// Changes the rate of a run.
pub(crate) fn set_rate(process: &Process, args: &SetRateArgs) -> Result<ExitCode, Failure> {
    let wish = args.wish().map_err(|message| Failure::with(ExitCode::Usage, message))?;
    ask(&args.connection, async |Asked { client }| {
        let runs = client.runs().await?;
        let (run, scenario) = named(&runs, &wish.names)?;
        let (rate, text) = match wish.rate {
            Wanted::Rate(rate) => (
                SetRate::Rate { scenario: scenario.clone(), rate: rate.to_string() },
                format!("goes to {rate}"),
            ),
            Wanted::Scale(factor) => {
                (SetRate::Scale { scenario: scenario.clone(), factor }, format!("is multiplied by {factor}"))
            }
        };
        client.set_rate(&run.run_id, &rate).await?;
        let of = scenario.map_or_else(String::new, |scenario| format!(" of {scenario}"));
        process.console.say(&format!("run {} ({}): the rate{of} {text}", run.run_id, run.name));
        Ok(ExitCode::Passed)
    })
}

/// Lets a worker go.
pub(crate) fn drain(process: &Process, args: &DrainArgs) -> Result<ExitCode, Failure> {
    check_worker_name(&args.worker).map_err(Failure::invalid)?;
    ask(&args.connection, async |Asked { client }| {
        let fast = args.fast || args.mode == LeaveArg::Fast;
        client.drain(&args.worker, fast).await?;
        let share = if fast { "its share waits for it" } else { "its share goes to the others first" };
        process.console.say(&format!("worker {} leaves; {share}", args.worker));
        Ok(ExitCode::Passed)
    })
}

async fn the_run(client: &Client, name: Option<&str>) -> Result<RunStatus, Failure> {
    let runs = client.runs().await?;
    remote::the_only(&runs, name).cloned().map_err(Failure::invalid)
}

/// The run and the scenario that `names` mean: both, or one of them. A single name is a run's if there is a run of that
/// name.
fn named<'r>(runs: &'r [RunStatus], names: &[String]) -> Result<(&'r RunStatus, Option<String>), Failure> {
    let (run, scenario) = match names {
        [] => (None, None),
        [name] if runs.iter().any(|run| remote::matches(run, name)) => (Some(&**name), None),
        [name] => (None, Some(name.clone())),
        [run, scenario, ..] => (Some(&**run), Some(scenario.clone())),
    };
    Ok((remote::the_only(runs, run).map_err(Failure::invalid)?, scenario))
}
