//! A run in one process: the controller's state machine and one worker, connected through memory.
//!
//! This is the transport and the clock that both lack: it carries commands and facts, tells the time, and asks the
//! machine again when it wants to be asked.

use anyhow::Context as _;
use control::{Fact, WorkerId};
use controller::{Input, Output, RunMachine, RunSpec, SealedRun};
use tokio::sync::mpsc;
use units::{Clock, MonotonicClock, Nanos};
use worker::{LocalWorker, WorkerOptions};

use crate::live::Live;
use crate::signals::Signals;

/// A run that is over, and its worker.
pub(crate) struct Conducted {
    /// Everything the run leaves behind.
    pub(crate) sealed: SealedRun,
    /// Ends when dropped, which may take a while if the run was given up.
    pub(crate) worker: LocalWorker,
}

/// Conducts `spec` with one worker in this process; returns when the run is sealed.
///
/// # Errors
/// When the system gives no thread or timer.
pub(crate) fn conduct(
    spec: RunSpec,
    options: WorkerOptions,
    signals: &mut Signals,
    live: &mut Live,
) -> anyhow::Result<Conducted> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("cannot make a runtime")?;
    runtime.block_on(drive(spec, options, signals, live))
}

async fn drive(
    spec: RunSpec,
    options: WorkerOptions,
    signals: &mut Signals,
    live: &mut Live,
) -> anyhow::Result<Conducted> {
    let clock = MonotonicClock;
    let id = options.id.clone();
    let mut machine = RunMachine::new(clock.now(), spec).context("cannot deal the run to its worker")?;
    let (sender, mut facts) = mpsc::channel::<Fact>(LocalWorker::MOST_UNACKED);
    // A fact that nobody takes any more is one after the seal.
    let worker = LocalWorker::start(options, move |fact| drop(sender.blocking_send(fact)))
        .context("cannot start the worker's thread")?;
    let (mut is_heard, mut has_begun) = (true, false);
    let mut outputs = Vec::new();
    while !machine.is_sealed() {
        let wait = machine.wake_at().saturating_since(clock.now()).min(LONGEST_SLEEP);
        let input = tokio::select! {
            biased;
            _ = signals.next() => Input::Stop,
            fact = facts.recv(), if is_heard => match fact {
                Some(fact) => Input::Fact(Box::new(fact)),
                None => {
                    is_heard = false;
                    lost(&id)
                }
            },
            () = tokio::time::sleep(wait.into()) => Input::Tick,
        };
        machine.step(clock.now(), input, &mut outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Command { command, .. } => worker.command(command),
                Output::Live(view) => {
                    if !std::mem::replace(&mut has_begun, true) {
                        tracing::info!("load started");
                    }
                    live.show(&view);
                }
                Output::Sealed => {}
            }
        }
    }
    live.end();
    Ok(Conducted { sealed: machine.into_sealed(), worker })
}

fn lost(worker: &WorkerId) -> Input {
    Input::Lost { worker: worker.clone(), reason: "its thread ended".to_owned() }
}

/// The machine may want to sleep forever; a timer cannot.
const LONGEST_SLEEP: Nanos = Nanos::from_secs(3_600);
