//! What the controller says of itself to whoever keeps it running: [`net::probe`].

use std::sync::Arc;

use api::http::{ClusterStatus, RunState, WorkerState};
use net::deadline::Meter;
use net::listen::ListenCounts;
use net::probe::{Page, Vitals};
use serde::Serialize;
use telemetry::{Board, catalogue};

use crate::server::handle::ClusterHandle;

/// What the controller says of itself.
#[derive(Clone, Debug)]
pub struct ClusterVitals {
    /// The way to the cluster: it is ready when that says so.
    pub host: ClusterHandle,
    /// What waits took.
    pub meter: Arc<Meter>,
    /// What became of connections, by listener.
    pub listeners: Vec<(&'static str, Arc<ListenCounts>)>,
    /// The numbers of its runs.
    pub board: Board,
}

impl Vitals for ClusterVitals {
    async fn ready(&self) -> Result<(), String> {
        self.host.readiness().await
    }

    async fn metrics(&self) -> Page {
        let mut page = Page::default();
        // A cluster that has ended has no numbers; the process still has.
        if let Ok(status) = self.host.status().await {
            show(&status, &mut page);
        }
        if let Ok(watchers) = self.host.watchers().await {
            page.family(&catalogue::WATCHERS).sample(&[], watchers as f64);
        }
        let listeners: Vec<_> =
            self.listeners.iter().map(|(name, counts)| (*name, counts.snapshot())).collect();
        page.listeners(&listeners);
        page.operations(&self.meter.snapshot());
        self.board.show(&mut page);
        page
    }
}

fn show(status: &ClusterStatus, page: &mut Page) {
    page.family(&catalogue::BUILD_INFO).sample(&[("version", &status.version), ("role", "controller")], 1.0);
    page.family(&catalogue::CONTROLLER_EPOCH).sample(&[], status.epoch as f64);
    let mut workers = page.family(&catalogue::WORKERS);
    for state in WORKER_STATES {
        let count = status.workers.iter().filter(|worker| worker.state == state).count();
        workers.sample(&[("state", &name(state))], count as f64);
    }
    let mut beats = page.family(&catalogue::WORKER_BEAT_AGE);
    let has_lease =
        |state| matches!(state, WorkerState::Ready | WorkerState::Working | WorkerState::Detached);
    for worker in status.workers.iter().filter(|worker| has_lease(worker.state)) {
        beats.sample(&[("worker", &worker.name)], worker.last_beat_ms as f64 / 1e3);
    }
    let mut runs = page.family(&catalogue::RUNS);
    for state in RUN_STATES {
        let count = status.runs.iter().filter(|run| run.state == state).count();
        runs.sample(&[("state", &name(state))], count as f64);
    }
    let mut states = page.family(&catalogue::RUN_STATE);
    for run in &status.runs {
        states.sample(&[("run_id", &run.run_id), ("name", &run.name), ("state", &name(run.state))], 1.0);
    }
}

/// The state as JSON has it.
fn name(state: impl Serialize) -> String {
    let value = serde_json::to_value(state).expect("a state is a word");
    value.as_str().expect("a state is a word").to_owned()
}

const WORKER_STATES: [WorkerState; 6] = [
    WorkerState::Ready,
    WorkerState::Working,
    WorkerState::Detached,
    WorkerState::Leaving,
    WorkerState::Lost,
    WorkerState::Gone,
];
/// Those of runs that are not over.
const RUN_STATES: [RunState; 7] = [
    RunState::Queued,
    RunState::Preparing,
    RunState::Arming,
    RunState::Running,
    RunState::Paused,
    RunState::Draining,
    RunState::Collecting,
];
