//! `loadgen run`: a scenario file, in this process, over worker processes on this machine, or on a controller.

use api::ExitCode;
use scenario::Loaded;

use crate::app::Process;
use crate::args::RunArgs;
use crate::execute::{Attention, Submission, checked, execute, execute_over_workers, execute_remotely};
use crate::failure::Failure;
use crate::remote::{Client, Connector};
use crate::source;

/// Runs the file.
pub(crate) fn run(process: &Process, args: &RunArgs) -> Result<ExitCode, Failure> {
    let trust = &args.cluster.trust;
    if args.cluster.controller.is_none() && !trust.is_empty() {
        let message = "--api-token-file, --ca, --ca-fingerprint and --insecure say how a controller is reached; name it \
                       with --controller URL";
        return Err(Failure::with(ExitCode::Usage, message));
    }
    let loaded = source::load(&args.workload, args.output.out.as_deref())?;
    match (&args.cluster.controller, args.cluster.workers) {
        (Some(url), _) => on_controller(process, args, &loaded, url),
        (None, Some(workers)) => {
            execute_over_workers(process, &loaded, workers, !args.no_preflight, &args.output)
        }
        (None, None) => execute(process, &loaded, !args.no_preflight, &args.output),
    }
}

/// Submits the file to a controller.
fn on_controller(process: &Process, args: &RunArgs, loaded: &Loaded, url: &str) -> Result<ExitCode, Failure> {
    let workload = checked(process, loaded)?;
    let cluster = &args.cluster;
    let connector = Connector::of_flags(Some(url), &cluster.trust)?;
    let submission = Submission {
        client: Client::new(connector),
        key: cluster.idempotency_key.clone().unwrap_or_else(Submission::new_key),
        preflight: !args.no_preflight,
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
    execute_remotely(process, loaded, workload, submission, Attention::pay(process)?, &args.output)
}
