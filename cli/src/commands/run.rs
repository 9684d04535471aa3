//! `loadgen run`: a scenario file, in this process, over worker processes on this machine, or on a controller.

use api::ExitCode;

use crate::app::Process;
use crate::args::RunArgs;
use crate::execute::{
    Attention, RunOrder, Submission, checked, execute, execute_over_workers, execute_remotely,
};
use crate::failure::Failure;
use crate::remote::{Client, Connector};
use crate::source::{self, KeyFlag};

/// Runs the file.
pub(crate) fn run(process: &Process, args: &RunArgs) -> Result<ExitCode, Failure> {
    let trust = &args.cluster.trust;
    if args.cluster.controller.is_none() && !trust.is_empty() {
        let message = "--api-token-file, --ca, --ca-fingerprint and --insecure say how a controller is reached; name it \
                       with --controller URL";
        return Err(Failure::with(ExitCode::Usage, message));
    }
    if args.cluster.controller.is_some() && args.telemetry.listen.is_some() {
        let message = "--listen shows what a run on this machine measures, and this one is on a controller; leave --listen \
                       and --linger out, and look at the /metrics of the controller and its workers (their --probe)";
        return Err(Failure::with(ExitCode::Usage, message));
    }
    let loaded = source::load(&args.workload, &flags(args))?;
    let order = RunOrder {
        loaded: &loaded,
        file: Some(&args.workload.file),
        preflight: !args.no_preflight,
        output: &args.output,
        telemetry: &args.telemetry,
    };
    match (&args.cluster.controller, args.cluster.workers) {
        (Some(url), _) => on_controller(process, args, &order, url),
        (None, Some(workers)) => execute_over_workers(process, &order, workers),
        (None, None) => execute(process, &order),
    }
}

/// What flags of this command set in the file.
fn flags(args: &RunArgs) -> Vec<KeyFlag> {
    let out = args.output.out.clone().map(|value| KeyFlag { flag: "--out", path: "out", value });
    let log = args.telemetry.log_executions().map(|value| KeyFlag {
        flag: "--log-executions",
        path: "telemetry.log_executions",
        value,
    });
    out.into_iter().chain(log).collect()
}

/// Submits the file to a controller.
fn on_controller(
    process: &Process,
    args: &RunArgs,
    order: &RunOrder<'_>,
    url: &str,
) -> Result<ExitCode, Failure> {
    let workload = checked(process, order.loaded)?;
    let cluster = &args.cluster;
    let connector = Connector::of_flags(Some(url), &cluster.trust)?;
    let submission = Submission {
        client: Client::new(connector),
        key: cluster.idempotency_key.clone().unwrap_or_else(Submission::new_key),
        expect_workers: cluster.expect_workers,
        wait: cluster.wait,
        worker_labels: cluster
            .worker_label
            .iter()
            .map(|pair| (pair.key.clone(), pair.value.clone()))
            .collect(),
        detach: cluster.detach,
        workers_are_here: false,
    };
    execute_remotely(process, order, workload, submission, &mut Attention::pay(process)?)
}
