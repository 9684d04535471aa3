//! A cluster whose answers are written down: it answers what it is told and notes what it is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use api::http::{
    ClusterStatus, RunEvent, RunEventBody, RunExit, RunState, RunStatus, Submitted, WorkerState, WorkerStatus,
};
use api::result::ResultFile;
use control::{LeaveMode, RunId};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::cluster::{ControlError, DrainError, LoggedEvent, Request, RunControl, SubmitError};
use crate::server::contents::Contents;
use crate::server::handle::{Call, ClusterHandle, ResultError};
use crate::server::watch::Watcher;

pub(super) fn run(number: u128) -> RunId {
    RunId::new(Uuid::from_u128(0x0190_c0de_0000_7000_8000_0000_0000_0000 + number))
}

/// Makes load.
pub(super) const RUNNING: u128 = 1;
/// Is over, with a result.
pub(super) const SEALED: u128 = 2;
/// Is over, without one.
pub(super) const FAILED: u128 = 3;
/// Is not kept any more.
pub(super) const FORGOTTEN: u128 = 4;
/// What nobody ever heard of.
pub(super) const UNKNOWN: u128 = 99;

pub(super) const RESULT: &str = include_str!("result.json");

/// What the cluster is told and what it noted.
#[derive(Default)]
pub(super) struct Script {
    /// Changes of runs, and by whom.
    pub(super) changes: Vec<(RunId, RunControl, String)>,
    /// Workers that were asked to go.
    pub(super) drained: Vec<(String, LeaveMode, String)>,
    /// Who submitted.
    pub(super) submitted_by: Vec<String>,
    /// Answers nothing from now on.
    pub(super) is_silent: bool,
    requests: HashMap<String, (Request, RunId)>,
    log: Vec<Arc<LoggedEvent>>,
    watchers: Vec<Watcher>,
    /// Calls that will never be answered: to drop them would be an answer.
    unanswered: Vec<Call>,
    /// Numbers up to this one are not kept.
    compacted: u64,
}

pub(super) type Shared = Arc<Mutex<Script>>;

pub(super) fn lock(script: &Shared) -> MutexGuard<'_, Script> {
    script.lock().unwrap()
}

/// A way to a cluster that goes by `script`.
pub(super) fn play(script: &Shared, contents: Contents) -> ClusterHandle {
    let (calls, mut called) = mpsc::channel(16);
    let (beats, _) = mpsc::channel(1);
    let script = Arc::clone(script);
    tokio::spawn(async move {
        while let Some(call) = called.recv().await {
            lock(&script).answer(call);
        }
    });
    ClusterHandle { calls, beats, contents: Arc::new(contents), board: telemetry::Board::new() }
}

pub(super) fn status(run: RunId, state: RunState) -> RunStatus {
    let exit = RunExit { code: 0, name: "passed".into(), reasons: Vec::new() };
    RunStatus {
        run_id: run.to_string(),
        name: "checkout".into(),
        state,
        created_at: "2026-11-21T10:00:00Z".into(),
        submitted_by: "0011".into(),
        started_at: None,
        waits_for: None,
        workers: vec!["w1".into()],
        degraded: false,
        live: None,
        exit: (state == RunState::Sealed).then_some(exit),
    }
}

fn worker(name: &str, state: WorkerState) -> WorkerStatus {
    WorkerStatus {
        name: name.into(),
        session: Uuid::nil().to_string(),
        state,
        version: "0.1.0".into(),
        hostname: "vm".into(),
        labels: [("zone".to_owned(), "a".to_owned())].into(),
        weight: 2,
        cpus: 2,
        tasks: Vec::new(),
        run_id: None,
        last_beat_ms: 250,
        clock_error_us: Some(12.5),
    }
}

fn known(id: RunId) -> Result<RunStatus, ControlError> {
    if id == run(RUNNING) {
        Ok(status(id, RunState::Running))
    } else if id == run(SEALED) || id == run(FAILED) {
        Ok(status(id, RunState::Sealed))
    } else if id == run(FORGOTTEN) {
        Err(ControlError::Forgotten(id))
    } else {
        Err(ControlError::UnknownRun(id))
    }
}

impl Script {
    /// Something happens in the run that makes load.
    pub(super) fn happens(&mut self, body: RunEventBody) {
        let seq = self.log.len() as u64 + 1;
        let event = Arc::new(LoggedEvent::new(RunEvent { seq, at: "2026-11-21T10:00:00Z".into(), body }));
        self.log.push(Arc::clone(&event));
        self.watchers.retain_mut(|watcher| watcher.give(&event));
    }

    /// Events up to this number are not kept any more.
    pub(super) fn forgets(&mut self, through: u64) {
        self.compacted = through;
    }

    pub(super) fn watchers(&self) -> usize {
        self.watchers.len()
    }

    fn answer(&mut self, call: Call) {
        if self.is_silent {
            self.unanswered.push(call);
            return;
        }
        // Whoever asked may have gone.
        match call {
            Call::Repeated(request, answer) => drop(answer.send(self.standing(&request))),
            Call::Submit(submission, request, answer) => {
                self.submitted_by.push(submission.by.to_string());
                let run_id = submission.run_id;
                self.requests.insert(request.key.clone(), (request, run_id));
                drop(answer.send(Ok(Submitted { run_id: run_id.to_string(), repeated: false })));
            }
            Call::Control(run, control, by, answer) => {
                let known = known(run).and_then(|status| match status.state {
                    RunState::Sealed => Err(ControlError::NotRunning { run, state: "sealed" }),
                    _ => Ok(status),
                });
                self.changes.push((run, control, by.to_string()));
                drop(answer.send(known));
            }
            Call::Drain(worker, mode, by, answer) => {
                let known = worker.as_str() == "w1";
                self.drained.push((worker.as_str().to_owned(), mode, by.to_string()));
                let unknown = DrainError::UnknownWorker(worker.as_str().to_owned());
                drop(answer.send(if known { Ok(()) } else { Err(unknown) }));
            }
            Call::Status(answer) => drop(answer.send(ClusterStatus {
                cluster_id: Uuid::nil().to_string(),
                epoch: 1,
                version: "0.1.0".into(),
                workers: vec![worker("w1", WorkerState::Ready), worker("w2", WorkerState::Lost)],
                runs: vec![status(run(RUNNING), RunState::Running)],
            })),
            Call::Runs(answer) => {
                let runs = [RUNNING, SEALED, FAILED].map(|number| known(run(number)).unwrap());
                drop(answer.send(runs.into()));
            }
            Call::Run(id, answer) => {
                let state = if self.is_over() { RunState::Sealed } else { RunState::Running };
                let is_running = id == run(RUNNING);
                drop(answer.send(if is_running { Ok(status(id, state)) } else { known(id) }));
            }
            Call::Result(id, answer) => {
                let result = known(id).map_err(ResultError::from).and_then(|status| match status.state {
                    _ if id == run(FAILED) => {
                        Err(ResultError::None { run: id, reasons: vec!["no worker was ready".into()] })
                    }
                    RunState::Sealed => Ok(Arc::new(ResultFile::from_json(RESULT).unwrap())),
                    _ => Err(ResultError::NotOver(id)),
                });
                drop(answer.send(result));
            }
            Call::Events(run, after, answer) => drop(answer.send(known(run).map(|status| {
                let mut past: Vec<_> =
                    self.log.iter().filter(|event| event.event.seq > after).cloned().collect();
                if after < self.compacted {
                    past.retain(|event| event.event.seq > self.compacted);
                    let body =
                        RunEventBody::Compacted { oldest: self.compacted + 1, status: Box::new(status) };
                    let event = RunEvent { seq: self.compacted, at: "2026-11-21T10:00:00Z".into(), body };
                    past.insert(0, Arc::new(LoggedEvent::new(event)));
                }
                let (watcher, events) = Watcher::new(after, past);
                if !self.is_over() {
                    self.watchers.push(watcher);
                }
                events
            }))),
            Call::Watchers(answer) => drop(answer.send(2)),
            Call::Readiness(answer) => drop(answer.send(Err("no workers".into()))),
            other => panic!("the API has no use for {other:?}"),
        }
    }

    fn is_over(&self) -> bool {
        self.log.last().is_some_and(|last| matches!(last.event.body, RunEventBody::Sealed(_)))
    }

    fn standing(&self, request: &Request) -> Result<Option<RunId>, SubmitError> {
        match self.requests.get(&request.key) {
            None => Ok(None),
            Some((taken, run)) if taken == request => Ok(Some(*run)),
            Some((_, run)) => Err(SubmitError::Conflict { run: *run }),
        }
    }
}
