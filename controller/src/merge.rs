//! What all workers measured, added up.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::{Layout, SlotTally, Snapshot, SnapshotFault, Timeline, Totals};
use units::Nanos;

use crate::accounting::Missing;

/// The sum of all snapshots of a run, in any order: over the whole run, over time, and of the last seconds.
#[derive(Clone, Debug)]
pub struct Merged {
    totals: Totals,
    timeline: Timeline,
    recent: BTreeMap<u32, Pace>,
}

/// What was begun in one interval, warm-up included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pace {
    iterations: u64,
    requests: u64,
}

/// Intervals whose pace is kept: workers are at most this far apart when the live view looks for a complete one.
const RECENT: usize = 8;

/// How far a worker's clock of the run may be ahead of ours before what it tells is of a future that cannot be.
pub(crate) const AHEAD: Nanos = Nanos::from_secs(5);

impl Merged {
    /// The sum of nothing.
    pub fn new(layout: &Arc<Layout>) -> Self {
        Self { totals: Totals::new(layout), timeline: Timeline::new(layout), recent: BTreeMap::new() }
    }

    /// Adds a snapshot of worker number `worker` that came at the run time `now`.
    ///
    /// # Errors
    /// When no recorder of this run would have made it; nothing is added then.
    pub fn add(&mut self, worker: u32, snapshot: &Snapshot, now: Nanos) -> Result<(), SnapshotFault> {
        let latest = now.saturating_add(AHEAD).as_u64() / Nanos::SECOND.as_u64();
        snapshot.validate(self.totals.layout(), u32::try_from(latest).unwrap_or(u32::MAX))?;
        self.totals.add_from(worker, snapshot)?;
        self.timeline.add(snapshot)?;
        let pace = self.recent.entry(snapshot.last).or_default();
        pace.iterations += snapshot.iterations_started();
        pace.requests += snapshot.requests_attempted();
        while self.recent.len() > RECENT {
            self.recent.pop_first();
        }
        Ok(())
    }

    /// Books the planned iterations that nobody told about, as after the loss of a worker.
    pub(crate) fn account_for(&mut self, missing: &Missing) {
        let tally = |count: u64| SlotTally { count, digest: 0 };
        for (slot, count) in &missing.unaccounted {
            self.totals.add_unaccounted(*slot, tally(*count));
        }
        for (slot, count) in &missing.lease_ended {
            self.totals.add_lease_ended(*slot, tally(*count));
        }
    }

    /// Everything over the whole run.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Everything over time.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Iterations and requests begun per second in the last interval that is not after `judged`, or in the first there is.
    pub fn pace_per_s(&self, judged: Option<u32>) -> (u64, u64) {
        let last = judged.and_then(|judged| self.recent.range(..=judged).next_back());
        last.or(self.recent.first_key_value()).map_or((0, 0), |(_, pace)| (pace.iterations, pace.requests))
    }
}
