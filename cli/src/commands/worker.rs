//! `loadgen worker`: makes load for a controller until a signal.

mod credentials;

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::Builder;

use anyhow::Context as _;
use api::ExitCode;
use control::{EnrolRefusal, LeaveMode, WorkerId};
use net::deadline::Meter;
use net::dial::Endpoint;
use net::identity::check_worker_name;
use protocols::TargetPolicy;
use telemetry::Board;
use tokio::sync::mpsc;
use worker::{
    AllowedSecrets, DaemonError, DaemonOptions, LoadLimits, WorkerDaemon, WorkerExit, WorkerTelemetry,
};

use self::credentials::WorkerState;
use super::controller::limits;
use crate::app::{Process, leave_at_once};
use crate::args::{LeaveArg, ProbeArg, TargetArg, WorkerArgs};
use crate::console::print_to_stdout;
use crate::failure::Failure;
use crate::policy;
use crate::remote::chain;
use crate::signals::Signals;
use crate::state::Folders;

/// Makes load until a signal, or until the controller has no use for it.
pub(crate) fn worker(process: &Process, args: &WorkerArgs) -> Result<ExitCode, Failure> {
    let console = process.console.clone();
    let signals = Signals::listen(move |count| match count {
        1 => console.say("leaving; a second signal cancels what is in flight"),
        2 => console.say("cancelling what is in flight; a third signal leaves at once"),
        _ => leave_at_once(&console),
    })
    .context("cannot take signals")?;
    let controller: Endpoint = args.join.parse().map_err(Failure::invalid)?;
    let name = args.name.clone().unwrap_or_else(hostname);
    check_worker_name(&name).map_err(|error| Failure::invalid(format!("{error}; give one with --name")))?;
    process.label.set_process(&name);
    let folder = args.state.clone().unwrap_or_else(|| Folders::of_user().worker(&name));
    let state = (!args.insecure).then(|| WorkerState::open(&folder)).transpose().map_err(Failure::invalid)?;
    let (credentials, keep) = credentials::of(args, state.as_ref())?;
    let options = DaemonOptions {
        controller,
        credentials,
        keep,
        name: WorkerId::new(&name),
        labels: args.label.iter().map(|label| (label.key.clone(), label.value.clone())).collect(),
        weight: args.weight,
        threads: args.threads,
        pin: !args.no_pinning,
        limits: LoadLimits {
            targets: targets(&args.allow_target),
            max_rate: args.max_rate,
            secrets: AllowedSecrets::Only(args.allow_secret.iter().cloned().collect()),
            file: policy::of_this_machine(&process.console)?,
        },
        tasks: process.tasks.clone(),
        leave: match args.leave {
            LeaveArg::Graceful => LeaveMode::Graceful,
            LeaveArg::Fast => LeaveMode::Fast,
        },
        unavailable: None,
        probe: probe(args.probe),
        meter: Arc::new(Meter::new(limits(&args.limit)?)),
        telemetry: WorkerTelemetry {
            settings: process.settings.clone(),
            board: Board::new(),
            routes: Some(process.routes.clone()),
        },
    };
    let (sender, receiver) = mpsc::channel(MOST_SIGNALS);
    if args.until_stdin_ends {
        leave_at_the_end_of_stdin(sender.clone()).context("cannot start a thread")?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot make a runtime")?;
    let exit = runtime.block_on(async {
        let daemon = WorkerDaemon::start(options).await.map_err(unable)?;
        if let Some(address) = daemon.probe_address() {
            tracing::info!("probes are at http://{address}");
            if args.until_stdin_ends {
                // Whoever started it reads this, whatever is logged.
                print_to_stdout(&format!("{address}\n")).context("cannot print the address of the probes")?;
            }
        }
        tracing::info!(worker = name, controller = args.join, "joining");
        tokio::spawn(hand_on(signals, sender));
        Ok::<_, Failure>(daemon.run(receiver).await)
    });
    // What hangs on threads of its own, such as the look-up of a name, is not waited for.
    runtime.shutdown_background();
    told(process, exit?)
}

/// Why it cannot begin, and what helps.
fn unable(error: DaemonError) -> Failure {
    let cure = match error {
        DaemonError::Probe(_) => "; end what uses it, or name another with --probe, or `--probe off`",
        DaemonError::Heartbeat(_) => "",
    };
    Failure::invalid(chain(&error) + cure)
}

/// What the worker's end means for whoever started it.
fn told(process: &Process, exit: WorkerExit) -> Result<ExitCode, Failure> {
    match exit {
        WorkerExit::Left { undelivered: 0 } => Ok(ExitCode::Passed),
        WorkerExit::Drained { undelivered: 0 } => {
            process.console.say("the controller let this worker go");
            Ok(ExitCode::Passed)
        }
        WorkerExit::Left { undelivered } | WorkerExit::Drained { undelivered } => {
            let message = format!(
                "the controller did not take the last word of {undelivered} runs in time; their results bound what is \
                 missing"
            );
            Err(Failure::with(ExitCode::ClusterUnavailable, message))
        }
        WorkerExit::Refused(refusal) => {
            let code = match refusal {
                EnrolRefusal::Full { .. } | EnrolRefusal::ShuttingDown => ExitCode::ClusterUnavailable,
                EnrolRefusal::Version { .. } | EnrolRefusal::Name { .. } => ExitCode::InvalidInput,
            };
            Err(Failure::with(code, format!("the controller does not take this worker: {refusal}")))
        }
        WorkerExit::Unauthorised(why) => Err(Failure::invalid(format!("this worker cannot join: {why}"))),
        WorkerExit::Unavailable { why } => {
            let message = format!("the controller cannot be reached: {why}");
            Err(Failure::with(ExitCode::ClusterUnavailable, message))
        }
    }
}

fn targets(allowed: &[TargetArg]) -> TargetPolicy {
    if allowed.contains(&TargetArg::All) {
        return TargetPolicy::unrestricted();
    }
    let only = allowed.iter().filter_map(|target| match target {
        TargetArg::All => None,
        TargetArg::Only(target) => Some(target.clone()),
    });
    TargetPolicy::allowing(only)
}

/// Where the probes are: as it was said, or at the usual address unless another worker of this machine is there.
fn probe(said: Option<ProbeArg>) -> Option<SocketAddr> {
    match said {
        Some(ProbeArg::Off) => None,
        Some(ProbeArg::At(address)) => Some(address),
        None => {
            let usual = SocketAddr::from(USUAL_PROBE);
            let is_free = TcpListener::bind(usual).is_ok();
            Some(if is_free { usual } else { SocketAddr::new(usual.ip(), 0) })
        }
    }
}

fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Tells the worker of every signal.
async fn hand_on(mut signals: Signals, sender: mpsc::Sender<()>) {
    loop {
        signals.next().await;
        // A worker that has ended needs no more of them.
        if sender.send(()).await.is_err() {
            return;
        }
    }
}

/// Whoever holds the other end of stdin has ended, or wants this worker to.
fn leave_at_the_end_of_stdin(sender: mpsc::Sender<()>) -> std::io::Result<()> {
    let watch = move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = [0; 256];
        while let Ok(1..) = stdin.read(&mut buffer) {}
        let _ = sender.blocking_send(());
    };
    Builder::new().name("stdin".to_owned()).spawn(watch).map(drop)
}

/// The variable that holds a join token.
pub(crate) const JOIN_TOKEN_VARIABLE: &str = "LOADGEN_JOIN_TOKEN";
/// More than two have no further effect.
const MOST_SIGNALS: usize = 4;
/// Where probes of a worker are unless it was told otherwise.
const USUAL_PROBE: ([u8; 4], u16) = ([127, 0, 0, 1], 7403);
