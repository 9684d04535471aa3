//! A run over worker processes on this machine: a cluster that lives as long as it.

use api::ExitCode;
use scenario::Loaded;
use units::Nanos;

use super::{Attention, Submission, checked, execute_remotely};
use crate::app::Process;
use crate::args::OutputArgs;
use crate::failure::Failure;
use crate::local_cluster::LocalCluster;
use crate::{demo, policy};

/// Starts a controller in this process and `workers` beside it, submits what was loaded to them, and goes on as for a run
/// on any controller.
pub(crate) fn execute_over_workers(
    process: &Process,
    loaded: &Loaded,
    workers: u32,
    preflight: bool,
    output: &OutputArgs,
) -> Result<ExitCode, Failure> {
    let workload = checked(process, loaded)?;
    let mut planned = workload.clone();
    // Its own address is not known before it is started, and says nothing of rates and secrets.
    planned.replace_demo_target(&demo::placeholder());
    let plan = scenario::compile(&planned, &loaded.files).map_err(Failure::invalid)?;
    policy::check_rate(policy::of_this_machine(&process.console)?, &plan)?;
    let secrets = plan.secrets().into_iter().map(str::to_owned).collect();
    let attention = Attention::pay(process)?;
    let cluster = LocalCluster::start(process, workers, secrets, &attention)?;
    let submission = Submission {
        client: cluster.client()?,
        key: Submission::new_key(),
        preflight,
        expect_workers: Some(workers),
        wait: COMING,
        worker_labels: Vec::new(),
        detach: false,
        workers_are_here: true,
    };
    let outcome = execute_remotely(process, loaded, workload, submission, attention, output);
    cluster.end();
    outcome
}

/// How long workers on this machine may take to start and join.
const COMING: Nanos = Nanos::from_secs(30);
