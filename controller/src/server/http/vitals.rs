//! What the controller says of itself to whoever keeps it running: [`net::probe`].

use std::sync::Arc;

use api::http::{ClusterStatus, RunState, WorkerState};
use net::deadline::Meter;
use net::listen::ListenCounts;
use net::probe::{Exposition, Kind, Vitals};
use serde::Serialize;

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
}

impl Vitals for ClusterVitals {
    async fn ready(&self) -> Result<(), String> {
        self.host.readiness().await
    }

    async fn metrics(&self) -> Exposition {
        let mut page = Exposition::default();
        // A cluster that has ended has no numbers; the process still has.
        if let Ok(status) = self.host.status().await {
            show(&status, &mut page);
        }
        let listeners: Vec<_> =
            self.listeners.iter().map(|(name, counts)| (*name, counts.snapshot())).collect();
        page.listeners(&listeners);
        page.operations(&self.meter.snapshot());
        page
    }
}

fn show(status: &ClusterStatus, page: &mut Exposition) {
    page.family("loadgen_build_info", Kind::Gauge, "The program; always 1.")
        .sample(&[("version", &status.version), ("role", "controller")], 1.0);
    page.family("loadgen_controller_epoch", Kind::Gauge, "The controller's life, from 1.")
        .sample(&[], status.epoch as f64);
    let mut workers = page.family("loadgen_workers", Kind::Gauge, "Workers, by where they stand.");
    for state in WORKER_STATES {
        let count = status.workers.iter().filter(|worker| worker.state == state).count();
        workers.sample(&[("state", &name(state))], count as f64);
    }
    let mut beats = page.family(
        "loadgen_worker_beat_age_seconds",
        Kind::Gauge,
        "Time since a worker's last sign of life.",
    );
    let has_lease =
        |state| matches!(state, WorkerState::Ready | WorkerState::Working | WorkerState::Detached);
    for worker in status.workers.iter().filter(|worker| has_lease(worker.state)) {
        beats.sample(&[("worker", &worker.name)], worker.last_beat_ms as f64 / 1e3);
    }
    let mut runs = page.family("loadgen_runs", Kind::Gauge, "Runs that are not over, by where they stand.");
    for state in RUN_STATES {
        let count = status.runs.iter().filter(|run| run.state == state).count();
        runs.sample(&[("state", &name(state))], count as f64);
    }
    let mut info = page.family("loadgen_run_info", Kind::Gauge, "Runs that are not over; always 1.");
    for run in &status.runs {
        info.sample(&[("run_id", &run.run_id), ("name", &run.name)], 1.0);
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
