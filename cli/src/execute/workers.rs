//! A run over worker processes on this machine: a cluster that lives as long as it.

use api::ExitCode;
use units::Nanos;

use super::{Attention, RunOrder, Submission, checked, execute_remotely, telemetry_of};
use crate::app::Process;
use crate::failure::Failure;
use crate::local_cluster::LocalCluster;
use crate::metrics_page::linger;
use crate::{demo, policy};

/// Starts a controller in this process and `workers` beside it, submits what was loaded to them, and goes on as for a run
/// on any controller.
pub(crate) fn execute_over_workers(
    process: &Process,
    order: &RunOrder<'_>,
    workers: u32,
) -> Result<ExitCode, Failure> {
    let loaded = order.loaded;
    let workload = checked(process, loaded)?;
    let mut planned = workload.clone();
    // Its own address is not known before it is started, and says nothing of rates and secrets.
    planned.replace_demo_target(&demo::placeholder());
    let plan = scenario::compile(&planned, &loaded.files).map_err(Failure::invalid)?;
    policy::check_rate(policy::of_this_machine(&process.console)?, &plan)?;
    let secrets = plan.secrets().into_iter().map(str::to_owned).collect();
    let mut attention = Attention::pay(process)?;
    let (telemetry, flags) = (telemetry_of(process), order.telemetry);
    let board = telemetry.board.clone();
    let cluster = LocalCluster::start(process, workers, secrets, telemetry, flags.listen, &attention)?;
    let submission = Submission {
        client: cluster.client()?,
        key: Submission::new_key(),
        expect_workers: Some(workers),
        wait: COMING,
        worker_labels: Vec::new(),
        detach: false,
        workers_are_here: true,
    };
    let outcome = execute_remotely(process, order, workload, submission, &mut attention);
    // Without a run there is nothing to show.
    if let (Ok(_), Some(limit)) = (&outcome, flags.linger) {
        attention.run_is_over();
        linger(&process.console, &board, limit, attention.signals())?;
    }
    cluster.end();
    outcome
}

/// How long workers on this machine may take to start and join.
const COMING: Nanos = Nanos::from_secs(30);
