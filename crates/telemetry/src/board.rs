//! What a process shows on `/metrics` and sends as data points: the numbers of its runs, each under the run's labels.
//!
//! A [`Board`] is of the process, a [`RunBoard`] of one part in one run. What a worker measures comes as snapshots, once a
//! second; everything else is told by name. Pages and points are two ways to write the same series. Nothing here is on
//! the way of a request: the collector adds snapshots, a scraper or the export asks, and a lock is between them.

mod exemplars;
#[cfg(test)]
pub(crate) mod fixture;
mod measured;
mod run;
mod series;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use net::probe::Page;
use units::{Clock, MonotonicClock, Nanos, Timestamp};
use uuid::Uuid;

use crate::catalogue::{Instrument, Kind, Scope};
use crate::process::Process;
use crate::prometheus;

pub(crate) use exemplars::Exemplar;
pub(crate) use run::Run;
pub use run::{RunBoard, StepTarget};
pub(crate) use series::{Labels, Series, Value};

/// Whose numbers they are: the labels on everything of a part in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLabels {
    /// The run.
    pub run_id: Uuid,
    /// The worker's name; `controller` for the side that conducts.
    pub worker: String,
}

/// The numbers of a process. Clones are the same board.
#[derive(Clone, Debug)]
pub struct Board {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    runs: Mutex<Vec<Arc<Run>>>,
    /// Numbers of the process that are counted up, by name and labels.
    counted: Mutex<BTreeMap<&'static str, Counted>>,
    process: Process,
    /// How often everything was shown.
    shown: AtomicU64,
}

#[derive(Debug)]
struct Counted {
    instrument: &'static Instrument,
    values: BTreeMap<Labels, u64>,
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

impl Board {
    /// Makes the board of this process.
    pub fn new() -> Self {
        let process = Process::current();
        let shared =
            Shared { runs: Mutex::default(), counted: Mutex::default(), process, shown: AtomicU64::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// Begins the numbers of a part in a run. One that was open under the same labels is gone.
    pub fn open(&self, labels: RunLabels) -> RunBoard {
        let now = jiff::Timestamp::now().as_nanosecond();
        let run = Arc::new(Run::new(labels, u64::try_from(now).unwrap_or(0)));
        let mut runs = lock(&self.shared.runs);
        forget(&mut runs, MonotonicClock.now());
        runs.retain(|other| other.labels() != run.labels());
        runs.push(Arc::clone(&run));
        RunBoard::new(run)
    }

    /// Counts one event of the process. Beyond the most series a metric may have, nothing is counted.
    ///
    /// # Panics
    /// When the metric is none of the process, or no counter.
    pub fn count(&self, instrument: &'static Instrument, labels: &[(&'static str, &str)]) {
        assert!(instrument.scope == Scope::Process, "`{}` is of a run", instrument.name);
        assert!(instrument.kind == Kind::Counter, "`{}` is no counter", instrument.name);
        let mut counted = lock(&self.shared.counted);
        let of =
            counted.entry(instrument.name).or_insert_with(|| Counted { instrument, values: BTreeMap::new() });
        let labels = series::owned(instrument, labels);
        if of.values.len() < series::MOST_SERIES || of.values.contains_key(&labels) {
            *of.values.entry(labels).or_default() += 1;
        }
    }

    /// Adds everything to a page.
    ///
    /// # Cost
    /// Milliseconds for 50 steps; what is measured meanwhile waits in the collector, not in the engine.
    pub fn show(&self, page: &mut Page) {
        let runs = {
            let mut runs = lock(&self.shared.runs);
            forget(&mut runs, MonotonicClock.now());
            runs.clone()
        };
        for run in runs {
            prometheus::show(&run, page);
        }
        for counted in lock(&self.shared.counted).values() {
            let mut family = page.family(counted.instrument);
            for (labels, value) in &counted.values {
                family.sample(&series::borrowed(labels), *value as f64);
            }
        }
        self.shared.process.show(page);
        self.shared.shown.fetch_add(1, Ordering::Relaxed);
    }

    /// How often everything was shown: for whoever waits for a last scrape.
    pub fn times_shown(&self) -> u64 {
        self.shared.shown.load(Ordering::Relaxed)
    }
}

/// Drops the runs whose last scrape is over.
fn forget(runs: &mut Vec<Arc<Run>>, now: Timestamp) {
    runs.retain(|run| run.ended_at().is_none_or(|ended| now.saturating_since(ended) < LAST_SCRAPE));
}

/// Takes a lock. After a panic elsewhere what it holds is as whole as before: whatever adds to it checks first.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For how long the counters of a run that is over are shown: four scrapes at the common interval of 15 s.
const LAST_SCRAPE: Nanos = Nanos::from_millis(60_000);

#[cfg(test)]
mod tests;
