//! How the rest of the program talks to the task that owns the cluster.
//!
//! Every queue is bounded: who asks faster than the task answers waits. Signs of life have a queue of their own that is
//! served first. When the task has ended, every method says so.

use std::sync::Arc;

use api::http::{ClusterStatus, RunStatus, SubmitRun, Submitted};
use api::result::ResultFile;
use control::{
    Ack, Beat, BeatAck, Enrol, EnrolRefusal, Enrolled, Fact, FromController, FromWorker, LeaveMode, RunId,
    WorkerId,
};
use telemetry::Board;
use telemetry::catalogue::CONFIGURATION_LOADS;
use tokio::sync::{mpsc, oneshot};
use units::Timestamp;

use super::contents::Contents;
use super::prepare;
use super::watch::Events;
use crate::cluster::{
    ControlError, DrainError, LinkId, Request, RunControl, SessionRefusal, Submission, SubmitError,
};
use crate::run::Actor;

/// The task that owns the cluster has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the controller has ended")]
pub struct Ended;

/// A way to the cluster; clones lead to the same one.
#[derive(Clone, Debug)]
pub struct ClusterHandle {
    pub(super) calls: mpsc::Sender<Call>,
    pub(super) beats: mpsc::Sender<BeatCall>,
    pub(super) contents: Arc<Contents>,
    pub(super) board: Board,
}

/// A sign of life and where its answer goes.
#[derive(Debug)]
pub(super) struct BeatCall {
    pub(super) beat: Beat,
    pub(super) received_at: Timestamp,
    pub(super) answer: oneshot::Sender<BeatAck>,
}

/// Something to ask of the task that owns the cluster.
#[derive(Debug)]
pub(super) enum Call {
    Enrol(Option<WorkerId>, Box<Enrol>, oneshot::Sender<Result<Enrolled, EnrolRefusal>>),
    Open(Box<FromWorker>, mpsc::Sender<FromController>, oneshot::Sender<Result<LinkId, SessionRefusal>>),
    Said(LinkId, Box<FromWorker>),
    Closed(LinkId),
    Residual(Box<Fact>, oneshot::Sender<Option<Ack>>),
    Repeated(Request, oneshot::Sender<Result<Option<RunId>, SubmitError>>),
    Submit(Box<Submission>, Request, oneshot::Sender<Result<Submitted, SubmitError>>),
    Control(RunId, RunControl, Actor, oneshot::Sender<Result<RunStatus, ControlError>>),
    Drain(WorkerId, LeaveMode, Actor, oneshot::Sender<Result<(), DrainError>>),
    Status(oneshot::Sender<ClusterStatus>),
    Runs(oneshot::Sender<Vec<RunStatus>>),
    Run(RunId, oneshot::Sender<Result<RunStatus, ControlError>>),
    Result(RunId, oneshot::Sender<Result<Arc<ResultFile>, ResultError>>),
    Events(RunId, u64, oneshot::Sender<Result<Events, ControlError>>),
    Readiness(oneshot::Sender<Result<(), String>>),
    Watchers(oneshot::Sender<usize>),
    Shutdown,
}

/// Why there is no result to hand out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// The run is not known, or not any more.
    #[error(transparent)]
    Run(#[from] ControlError),
    /// It is not over.
    #[error("run {0} is not over; its result is made when it is")]
    NotOver(RunId),
    /// It has none.
    #[error("run {run} ended without a result: {}", reasons.join("; "))]
    None {
        /// Which.
        run: RunId,
        /// Why.
        reasons: Vec<String>,
    },
}

impl ClusterHandle {
    /// Takes a worker in. `proven` is the name in its certificate, where certificates are used.
    ///
    /// # Errors
    /// When it cannot take part.
    pub async fn enrol(&self, proven: Option<WorkerId>, enrol: Enrol) -> Result<Enrolled, EnrolRefusal> {
        let asked = self.ask(|answer| Call::Enrol(proven, Box::new(enrol), answer)).await;
        asked.unwrap_or(Err(EnrolRefusal::ShuttingDown))
    }

    /// Opens a session stream by its first message. What the controller says on it goes to `sender`; the stream is to be
    /// ended when the other half of that ends. A stream that is not read is ended once `sender` is full: 64 places are
    /// plenty.
    ///
    /// # Errors
    /// When the message is no hello or the session is not known.
    pub async fn open_session(
        &self,
        hello: FromWorker,
        sender: mpsc::Sender<FromController>,
    ) -> Result<LinkId, SessionRefusal> {
        let asked = self.ask(|answer| Call::Open(Box::new(hello), sender, answer)).await;
        asked.unwrap_or(Err(SessionRefusal::Ended))
    }

    /// Hands on what a worker said on a stream. Waits while the cluster is busy: so does the worker, by flow control.
    ///
    /// # Errors
    /// When the controller has ended.
    pub async fn said(&self, link: LinkId, message: FromWorker) -> Result<(), Ended> {
        self.calls.send(Call::Said(link, Box::new(message))).await.map_err(|_| Ended)
    }

    /// Takes note that a stream ended.
    pub async fn closed(&self, link: LinkId) {
        // Without a cluster there is nothing to be noted.
        drop(self.calls.send(Call::Closed(link)).await);
    }

    /// Takes a sign of life that came at `received_at` on the controller's clock. [`BeatAck::sent_at`] is when the cluster
    /// answered; whoever puts the answer on the wire sets it anew.
    ///
    /// # Errors
    /// When the controller has ended.
    pub async fn beat(&self, beat: Beat, received_at: Timestamp) -> Result<BeatAck, Ended> {
        let (answer, answered) = oneshot::channel();
        self.beats.send(BeatCall { beat, received_at, answer }).await.map_err(|_| Ended)?;
        answered.await.map_err(|_| Ended)
    }

    /// Takes a fact from a session that has no stream, after its authority ended. `None` when nobody knows the run or the
    /// session's part in it: there is nothing to keep it for.
    ///
    /// # Errors
    /// When the controller has ended.
    pub async fn residual(&self, fact: Fact) -> Result<Option<Ack>, Ended> {
        self.ask(|answer| Call::Residual(Box::new(fact), answer)).await
    }

    /// The contents that were put, by digest.
    pub fn contents(&self) -> &Arc<Contents> {
        &self.contents
    }

    /// Submits a run: reads and compiles its workload, away from the task that owns the cluster, and puts it in the queue.
    /// The same key with the same body is the same run.
    ///
    /// # Errors
    /// When it is not valid, a content is missing, the key stands for another body or the queue is full.
    pub async fn submit(&self, run: SubmitRun, key: String, by: Actor) -> Result<Submitted, SubmitError> {
        let request = prepare::request(&run, key)?;
        let repeated = self.ask(|answer| Call::Repeated(request.clone(), answer)).await;
        if let Some(run_id) = repeated.map_err(|Ended| SubmitError::Ended)?? {
            return Ok(Submitted { run_id: run_id.to_string(), repeated: true });
        }
        let contents = Arc::clone(&self.contents);
        let prepared = tokio::task::spawn_blocking(move || prepare::submission(run, by, &contents)).await;
        let prepared = prepared.map_err(|fault| SubmitError::Invalid(fault.to_string()))?;
        match &prepared {
            Ok(_) => self.count_load("loaded"),
            Err(SubmitError::Invalid(_)) => self.count_load("refused"),
            // It will be submitted again with what is missing.
            Err(_) => {}
        }
        let submission = prepared?;
        let asked = self.ask(|answer| Call::Submit(Box::new(submission), request, answer)).await;
        asked.unwrap_or(Err(SubmitError::Ended))
    }

    fn count_load(&self, outcome: &str) {
        self.board.count(&CONFIGURATION_LOADS, &[("kind", "scenario"), ("outcome", outcome)]);
    }

    /// Changes a run; answers with where it stands then.
    ///
    /// # Errors
    /// When there is no such run, it is not in a state for it, or the change makes no sense.
    pub async fn control(
        &self,
        run: RunId,
        control: RunControl,
        by: Actor,
    ) -> Result<RunStatus, ControlError> {
        self.ask(|answer| Call::Control(run, control, by, answer)).await.unwrap_or(Err(ControlError::Ended))
    }

    /// Lets a worker go.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn drain(&self, worker: WorkerId, mode: LeaveMode, by: Actor) -> Result<(), DrainError> {
        self.ask(|answer| Call::Drain(worker, mode, by, answer)).await.unwrap_or(Err(DrainError::Ended))
    }

    /// How the cluster is.
    ///
    /// # Errors
    /// When the controller has ended.
    pub async fn status(&self) -> Result<ClusterStatus, Ended> {
        self.ask(Call::Status).await
    }

    /// All runs that are kept, in order of submission.
    ///
    /// # Errors
    /// When the controller has ended.
    pub async fn runs(&self) -> Result<Vec<RunStatus>, Ended> {
        self.ask(Call::Runs).await
    }

    /// Where a run stands.
    ///
    /// # Errors
    /// When there is no such run, or not any more.
    pub async fn run(&self, run: RunId) -> Result<RunStatus, ControlError> {
        self.ask(|answer| Call::Run(run, answer)).await.unwrap_or(Err(ControlError::Ended))
    }

    /// What came of a run.
    ///
    /// # Errors
    /// When there is no such run, it is not over, or it ended without a result.
    pub async fn result(&self, run: RunId) -> Result<Arc<ResultFile>, ResultError> {
        let asked = self.ask(|answer| Call::Result(run, answer)).await;
        asked.unwrap_or(Err(ResultError::Run(ControlError::Ended)))
    }

    /// The events of a run after number `after`; 0 for all. A number that is still to come is waited for.
    ///
    /// # Errors
    /// When there is no such run, or not any more.
    pub async fn events(&self, run: RunId, after: u64) -> Result<Events, ControlError> {
        self.ask(|answer| Call::Events(run, after, answer)).await.unwrap_or(Err(ControlError::Ended))
    }

    /// Whether work can be taken.
    ///
    /// # Errors
    /// Says why not.
    pub async fn readiness(&self) -> Result<(), String> {
        self.ask(Call::Readiness).await.unwrap_or_else(|ended| Err(ended.to_string()))
    }

    /// How many follow a run.
    ///
    /// # Errors
    /// When the controller has ended.
    pub async fn watchers(&self) -> Result<usize, Ended> {
        self.ask(Call::Watchers).await
    }

    /// Asks for the end: runs are stopped, workers sent away. [`Host::shut_down`](super::host::Host::shut_down) waits for it.
    pub(super) async fn shut_down(&self) {
        // Whoever has ended needs not be asked to.
        drop(self.calls.send(Call::Shutdown).await);
    }

    async fn ask<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> Call) -> Result<T, Ended> {
        let (answer, answered) = oneshot::channel();
        self.calls.send(call(answer)).await.map_err(|_| Ended)?;
        answered.await.map_err(|_| Ended)
    }
}
