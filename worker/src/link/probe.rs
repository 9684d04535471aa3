//! What a worker says of itself to whoever keeps it running.

use std::sync::Arc;

use net::deadline::Meter;
use net::probe::{Page, Vitals as Probed};
use telemetry::{Board, catalogue};
use tokio::sync::watch;

use crate::vitals::Vitals;

/// How a worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Whether it can take part in a run, or why not.
    pub(crate) readiness: Result<(), String>,
    /// Runs that it knows.
    pub(crate) runs: usize,
    /// Messages that came from the past.
    pub(crate) superseded: u64,
}

impl Default for Condition {
    fn default() -> Self {
        Self { readiness: Err("the worker is starting".to_owned()), runs: 0, superseded: 0 }
    }
}

/// Answers for a worker.
pub(crate) struct WorkerVitals {
    pub(crate) condition: watch::Receiver<Condition>,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) board: Board,
}

impl Probed for WorkerVitals {
    async fn ready(&self) -> Result<(), String> {
        self.condition.borrow().readiness.clone()
    }

    async fn metrics(&self) -> Page {
        let Condition { readiness, runs, superseded } = self.condition.borrow().clone();
        let mut page = Page::default();
        page.family(&catalogue::BUILD_INFO)
            .sample(&[("version", env!("CARGO_PKG_VERSION")), ("role", "worker")], 1.0);
        page.family(&catalogue::WORKER_READY).sample(&[], if readiness.is_ok() { 1.0 } else { 0.0 });
        page.family(&catalogue::WORKER_RUNS).sample(&[], runs as f64);
        let superseded = superseded + self.vitals.superseded();
        page.family(&catalogue::WORKER_SUPERSEDED_MESSAGES).sample(&[], superseded as f64);
        page.operations(&self.meter.snapshot());
        self.board.show(&mut page);
        page
    }
}
