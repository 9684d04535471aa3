//! What others may look at while a worker works.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a worker's process, written by its threads and read by its heartbeats and its probe.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    progress: AtomicU64,
    superseded: AtomicU64,
}

impl Vitals {
    /// Something was done.
    pub(crate) fn progressed(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// Rises whenever something was done: alive without progress is stuck.
    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// So many commands and acknowledgements of a superseded controller, session or token came.
    pub(crate) fn add_superseded(&self, count: u64) {
        self.superseded.fetch_add(count, Ordering::Relaxed);
    }

    /// How many commands and acknowledgements of a superseded controller, session or token came and had no effect.
    pub(crate) fn superseded(&self) -> u64 {
        self.superseded.load(Ordering::Relaxed)
    }
}
