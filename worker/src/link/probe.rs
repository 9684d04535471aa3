//! What a worker says of itself to whoever keeps it running.

use std::sync::Arc;

use net::deadline::Meter;
use net::probe::{Exposition, Kind, Vitals as Probed};
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
}

impl Probed for WorkerVitals {
    async fn ready(&self) -> Result<(), String> {
        self.condition.borrow().readiness.clone()
    }

    async fn metrics(&self) -> Exposition {
        let Condition { readiness, runs, superseded } = self.condition.borrow().clone();
        let mut page = Exposition::default();
        page.family("loadgen_worker_ready", Kind::Gauge, "Whether the worker can take part in a run.")
            .sample(&[], if readiness.is_ok() { 1.0 } else { 0.0 });
        page.family("loadgen_worker_runs", Kind::Gauge, "Runs the worker takes part in or holds facts of.")
            .sample(&[], runs as f64);
        let superseded = superseded + self.vitals.superseded();
        page.family(
            "loadgen_worker_superseded_messages_total",
            Kind::Counter,
            "Commands and acknowledgements of a superseded controller, session or lease, without effect.",
        )
        .sample(&[], superseded as f64);
        page.operations(&self.meter.snapshot());
        page
    }
}
