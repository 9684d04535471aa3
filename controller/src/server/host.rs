//! The task that owns the cluster.
//!
//! It takes calls in order, signs of life first, tells the cluster the time, and carries out what that says: messages to
//! streams, events to watchers, results to be made. It never waits for a peer: a stream or a watcher that does not keep up
//! is ended.

use std::collections::HashMap;
use std::sync::Arc;

use api::http::{RunEventBody, RunState};
use api::result::Tool;
use control::{FromController, RunId};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use units::{Clock, Nanos};

use super::contents::Contents;
use super::handle::{BeatCall, Call, ClusterHandle, ResultError};
use super::outcome;
use super::watch::{Events, Watcher};
use crate::cluster::{
    Build, Cluster, ClusterOptions, ClusterOutput, LinkId, LoggedEvent, Outcome, ResultOf, WallClock,
};
use crate::observe::{About, RunObserver, Telemetry};
use crate::run::Actor;

/// The task that owns a cluster, and the way to it.
#[derive(Debug)]
pub struct Host {
    handle: ClusterHandle,
    /// Becomes true when a shutdown is done.
    over: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Host {
    /// Starts the task on the present runtime. `tool` is the program, for results; `content_bytes` is the memory that
    /// contents may take, and `telemetry` says where to what is known of runs here goes.
    pub fn start(
        clock: impl Clock + Send + 'static,
        options: ClusterOptions,
        tool: Tool,
        content_bytes: usize,
        telemetry: Telemetry,
    ) -> Self {
        let (calls, called) = mpsc::channel(CALLS);
        let (beats, beaten) = mpsc::channel(BEATS);
        let board = telemetry.board.clone();
        let handle = ClusterHandle { calls, beats, contents: Arc::new(Contents::new(content_bytes)), board };
        let (said, over) = watch::channel(false);
        let driver = Driver {
            over: said,
            wall: options.wall,
            cluster: Cluster::new(clock.now(), options),
            clock,
            tool,
            telemetry,
            observers: HashMap::new(),
            links: HashMap::new(),
            watchers: HashMap::new(),
            builds: JoinSet::new(),
            outputs: Vec::new(),
        };
        let task = tokio::spawn(driver.drive(called, beaten));
        Self { handle, over, task }
    }

    /// The way to the cluster.
    pub const fn handle(&self) -> &ClusterHandle {
        &self.handle
    }

    /// Asks for the end and waits for it: runs are stopped, their results made, workers sent away. That takes as long as
    /// the stop of a run; whoever cannot wait so long drops the future. What was made can be asked for until
    /// [`Host::shut_down`].
    pub async fn wind_up(&mut self) {
        self.handle.shut_down().await;
        // Without the task, whose panic was told by the panic hook, there is nothing more to end.
        drop(self.over.wait_for(|over| *over).await);
    }

    /// Winds up, and answers nothing any more.
    pub async fn shut_down(mut self) {
        self.wind_up().await;
        self.end().await;
    }

    /// Answers nothing any more, whatever is under way.
    pub async fn end(self) {
        self.task.abort();
        // Ended by us or by a panic that was told.
        drop(self.task.await);
    }
}

struct Driver<C> {
    over: watch::Sender<bool>,
    clock: C,
    cluster: Cluster,
    wall: WallClock,
    tool: Tool,
    telemetry: Telemetry,
    /// Of the runs under way.
    observers: HashMap<RunId, RunObserver>,
    links: HashMap<LinkId, mpsc::Sender<FromController>>,
    watchers: HashMap<RunId, Vec<Watcher>>,
    builds: JoinSet<(RunId, Outcome)>,
    outputs: Vec<ClusterOutput>,
}

impl<C: Clock> Driver<C> {
    async fn drive(mut self, mut calls: mpsc::Receiver<Call>, mut beats: mpsc::Receiver<BeatCall>) {
        loop {
            let wait = self.cluster.wake_at().saturating_since(self.clock.now()).min(LONGEST_SLEEP);
            tokio::select! {
                biased;
                Some(beat) = beats.recv() => self.beat(beat),
                call = calls.recv() => match call {
                    Some(call) => self.call(call),
                    // Nobody is left who could ask.
                    None => return,
                },
                Some(built) = self.builds.join_next(), if !self.builds.is_empty() => {
                    let (run, outcome) = built.expect("results are made where a panic is caught");
                    self.cluster.built(self.clock.now(), run, outcome, &mut self.outputs);
                }
                () = tokio::time::sleep(wait.into()) => {}
            }
            // Also when there is so much to do that the timer never gets its turn.
            let now = self.clock.now();
            if now >= self.cluster.wake_at() {
                self.cluster.tick(now, &mut self.outputs);
            }
            self.carry_out();
            if self.cluster.has_ended() && !self.over.send_replace(true) {
                // Nothing happens any more: their streams end.
                self.links.clear();
                self.watchers.clear();
            }
        }
    }

    fn beat(&mut self, call: BeatCall) {
        let ack = self.cluster.beat(self.clock.now(), &call.beat, call.received_at);
        // Whoever asked may have gone.
        let _ = call.answer.send(ack);
    }

    fn call(&mut self, call: Call) {
        let now = self.clock.now();
        let Self { cluster, outputs: out, .. } = self;
        // Whoever asked may have gone: an answer that nobody takes is none the worse.
        match call {
            Call::Enrol(proven, enrol, answer) => {
                let (worker, session) = (enrol.worker.clone(), enrol.session);
                let enrolled = cluster.enrol(now, proven.as_ref(), *enrol, out);
                match &enrolled {
                    Ok(_) => tracing::info!(%worker, %session, "worker enrolled"),
                    Err(refusal) => tracing::warn!(%worker, %session, %refusal, "worker refused"),
                }
                drop(answer.send(enrolled));
            }
            Call::Open(hello, sender, answer) => {
                let opened = cluster.open(now, *hello, out);
                if let Ok(link) = opened {
                    self.links.insert(link, sender);
                }
                let _ = answer.send(opened);
            }
            Call::Said(link, message) => cluster.said(now, link, *message, out),
            Call::Closed(link) => {
                self.links.remove(&link);
                cluster.closed(now, link);
            }
            Call::Residual(fact, answer) => drop(answer.send(cluster.residual(now, *fact, out))),
            Call::Repeated(request, answer) => drop(answer.send(cluster.repeated(now, &request))),
            Call::Submit(submission, request, answer) => {
                let by = submission.by.clone();
                let submitted = cluster.submit(now, *submission, request, out);
                if let Ok(submitted) = &submitted {
                    tracing::info!(run_id = submitted.run_id, %by, repeated = submitted.repeated, "run submitted");
                }
                drop(answer.send(submitted));
            }
            Call::Control(run, control, by, answer) => {
                let controlled = cluster.control(now, run, &control, by.clone(), out);
                log_change(&by, &format!("run {run}: {control:?}"), controlled.as_ref().err());
                drop(answer.send(controlled.and_then(|()| cluster.run(run))));
            }
            Call::Drain(worker, mode, by, answer) => {
                let drained = cluster.drain(now, &worker, mode, by.clone(), out);
                log_change(&by, &format!("drain {worker}: {mode:?}"), drained.as_ref().err());
                drop(answer.send(drained));
            }
            Call::Status(answer) => drop(answer.send(cluster.status(now))),
            Call::Runs(answer) => drop(answer.send(cluster.runs())),
            Call::Run(run, answer) => drop(answer.send(cluster.run(run))),
            Call::Result(run, answer) => {
                let result = match cluster.result(run) {
                    Ok(ResultOf::Run(result)) => Ok(result),
                    Ok(ResultOf::Nothing(reasons)) => Err(ResultError::None { run, reasons }),
                    Ok(ResultOf::NotOver) => Err(ResultError::NotOver(run)),
                    Err(error) => Err(error.into()),
                };
                drop(answer.send(result));
            }
            Call::Events(run, after, answer) => drop(answer.send(self.follow(run, after))),
            Call::Readiness(answer) => drop(answer.send(cluster.readiness())),
            Call::Watchers(answer) => {
                let watchers = self.watchers.values().flatten().filter(|watcher| watcher.is_there());
                let _ = answer.send(watchers.count());
            }
            Call::Shutdown => cluster.shut_down(now, out),
        }
    }

    fn follow(&mut self, run: RunId, after: u64) -> Result<Events, crate::cluster::ControlError> {
        let (past, more_will_come) = self.cluster.events(run, after)?;
        let (watcher, events) = Watcher::new(after, past);
        // Without the watcher, the events end with those of the past.
        if more_will_come {
            self.watchers.entry(run).or_default().push(watcher);
        }
        Ok(events)
    }

    fn carry_out(&mut self) {
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain(..) {
            match output {
                ClusterOutput::Send { link, message } => self.send(link, *message),
                ClusterOutput::Close { link } => drop(self.links.remove(&link)),
                ClusterOutput::Event { run, event } => {
                    self.observe(run, &event);
                    self.show(run, &event);
                }
                ClusterOutput::Build(build) => self.build(*build),
            }
        }
        self.outputs = outputs;
    }

    fn send(&mut self, link: LinkId, message: FromController) {
        let Some(sender) = self.links.get(&link) else { return };
        // A stream that is not read, or has ended: its worker opens another one, and what it missed is said again.
        if sender.try_send(message).is_err() {
            self.links.remove(&link);
            self.cluster.closed(self.clock.now(), link);
        }
    }

    fn show(&mut self, run: RunId, event: &Arc<LoggedEvent>) {
        if let Some(watchers) = self.watchers.get_mut(&run) {
            watchers.retain_mut(|watcher| watcher.give(event));
        }
        if matches!(event.event.body, RunEventBody::Sealed(_)) {
            self.watchers.remove(&run);
            tracing::info!(run_id = %run, "run sealed");
        }
    }

    /// Begins to observe a run when it leaves the queue, and looks at it as often as those who follow it do.
    fn observe(&mut self, run: RunId, event: &LoggedEvent) {
        match &event.event.body {
            RunEventBody::State { state: RunState::Preparing, .. } if !self.observers.contains_key(&run) => {
                let Some(submission) = self.cluster.submission(run) else { return };
                let about = About {
                    run_id: run,
                    workload: &submission.workload,
                    files: &submission.files,
                    plan: &submission.plan,
                };
                match RunObserver::start(&self.telemetry, &about) {
                    Ok(observer) => drop(self.observers.insert(run, observer)),
                    Err(error) => tracing::error!(run_id = %run, %error, "the run has no telemetry"),
                }
            }
            RunEventBody::Live(_) => {
                let observed = self.observers.get_mut(&run).zip(self.cluster.fold(run));
                if let Some((observer, fold)) = observed {
                    observer.live(self.clock.now(), fold);
                }
            }
            _ => {}
        }
    }

    fn build(&mut self, build: Build) {
        let (run, tool, wall) = (build.submission.run_id, self.tool.clone(), self.wall);
        let observer = self.observers.remove(&run);
        self.builds.spawn(async move {
            let built = spawn_blocking(move || outcome::of(&build, observer, &tool, &wall)).await;
            (run, built.unwrap_or_else(|fault| outcome::broken(&fault)))
        });
    }
}

/// Every change stands in the log with who made it.
fn log_change(by: &Actor, what: &str, refusal: Option<&impl std::fmt::Display>) {
    match refusal {
        None => tracing::info!(%by, what, "changed"),
        Some(refusal) => tracing::info!(%by, what, %refusal, "change refused"),
    }
}

/// Calls that may wait; whoever comes then waits to be one of them.
const CALLS: usize = 1_024;
/// One for each worker of a large cluster.
const BEATS: usize = 1_024;
/// The cluster may want to sleep forever; a timer cannot.
const LONGEST_SLEEP: Nanos = Nanos::from_secs(3_600);

#[cfg(test)]
mod tests;
