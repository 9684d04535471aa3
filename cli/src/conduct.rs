//! A run in one process: the controller's state machine and one worker, connected through memory.
//!
//! This is the transport and the clock that both lack: it carries commands and facts, tells the time, and asks the
//! machine again when it wants to be asked.

use std::collections::BTreeMap;

use anyhow::Context as _;
use control::{SessionId, StopMode, WorkerId};
use controller::observe::RunObserver;
use controller::{Actor, Input, Output, Peer, RunMachine, RunSpec, SealedRun, WorkerSpec};
use metrics::SinkReport;
use tokio::sync::mpsc;
use units::{Clock, MonotonicClock, Nanos};
use worker::{LocalWorker, Report, WorkerOptions};

use crate::live::Live;
use crate::signals::Signals;

/// A run that is over, and its worker.
pub(crate) struct Conducted {
    /// Everything the run leaves behind.
    pub(crate) sealed: SealedRun,
    /// What became of the telemetry of this side of it.
    pub(crate) telemetry: Vec<SinkReport>,
    /// Ends when dropped, which may take a while if the run was given up.
    pub(crate) worker: LocalWorker,
}

/// Conducts `spec` with one worker in this process, watched by `observer`; returns when the run is sealed and its telemetry is
/// flushed.
///
/// # Errors
/// When the system gives no thread or timer.
pub(crate) fn conduct(
    spec: RunSpec,
    options: WorkerOptions,
    mut observer: RunObserver,
    signals: &mut Signals,
    live: &mut Live,
) -> anyhow::Result<Conducted> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("cannot make a runtime")?;
    let (sealed, worker) = runtime.block_on(drive(spec, options, &mut observer, signals, live))?;
    let telemetry = observer.close(&sealed);
    Ok(Conducted { sealed, telemetry, worker })
}

async fn drive(
    spec: RunSpec,
    options: WorkerOptions,
    observer: &mut RunObserver,
    signals: &mut Signals,
    live: &mut Live,
) -> anyhow::Result<(SealedRun, LocalWorker)> {
    let clock = MonotonicClock;
    let who = Peer::new(options.id.clone(), SessionId::IN_PROCESS);
    let mut machine = RunMachine::new(clock.now(), spec).context("cannot deal the run to its worker")?;
    let (sender, mut reports) = mpsc::channel::<Report>(LocalWorker::MOST_UNACKED);
    // A report that nobody takes any more is one after the seal.
    let worker = LocalWorker::start(options, move |report| drop(sender.blocking_send(report)))
        .context("cannot start the worker's thread")?;
    let (mut is_heard, mut has_begun) = (true, false);
    let mut stops = [StopMode::Drain, StopMode::Cancel].into_iter();
    let mut outputs = Vec::new();
    while !machine.is_sealed() {
        let wait = machine.wake_at().saturating_since(clock.now()).min(LONGEST_SLEEP);
        let input = tokio::select! {
            biased;
            _ = signals.next() => {
                // The command line leaves at the third one.
                let mode = stops.next().unwrap_or(StopMode::Cancel);
                Input::Stop { mode, by: Actor::local() }
            }
            report = reports.recv(), if is_heard => match report {
                Some(Report::Fact(fact)) => Input::Fact(fact),
                Some(Report::Applied(through)) => Input::Applied { who: who.clone(), through },
                None => {
                    is_heard = false;
                    Input::Lost { who: who.clone(), reason: "its thread ended".to_owned() }
                }
            },
            () = tokio::time::sleep(wait.into()) => Input::Tick,
        };
        machine.step(clock.now(), input, &mut outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Command { command, .. } => worker.command(command),
                Output::Ack { ack, .. } => worker.ack(ack),
                Output::Live(view) => {
                    if !std::mem::replace(&mut has_begun, true) {
                        tracing::info!("load started");
                    }
                    live.show(&view);
                    observer.live(clock.now(), machine.fold());
                }
                // There is one worker, which ends with the run, and nobody else who follows it.
                Output::Release { .. } | Output::Event(_) | Output::Sealed => {}
            }
        }
    }
    live.end();
    Ok((machine.into_sealed(), worker))
}

/// The worker of a run in this process.
pub(crate) fn worker_here(worker: WorkerId) -> WorkerSpec {
    WorkerSpec {
        worker,
        session: SessionId::IN_PROCESS,
        weight: 1,
        info: LocalWorker::info(),
        labels: BTreeMap::new(),
        rtt: Nanos::ZERO,
    }
}

/// The machine may want to sleep forever; a timer cannot.
const LONGEST_SLEEP: Nanos = Nanos::from_secs(3_600);
