//! What all workers measured, added up.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::{Layout, ShapeMismatch, SlotTally, Snapshot, Timeline, Totals};
use plan::{RunPlan, ScenarioId};

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

impl Merged {
    /// The sum of nothing.
    pub fn new(layout: &Arc<Layout>) -> Self {
        Self { totals: Totals::new(layout), timeline: Timeline::new(layout), recent: BTreeMap::new() }
    }

    /// Adds a snapshot.
    ///
    /// # Errors
    /// When another layout recorded it; nothing is added then.
    pub fn add(&mut self, snapshot: &Snapshot) -> Result<(), ShapeMismatch> {
        self.totals.add(snapshot)?;
        self.timeline.add(snapshot)?;
        let pace = self.recent.entry(snapshot.last).or_default();
        for scenario in snapshot.scenarios.values() {
            pace.iterations += scenario.iterations.started.count + scenario.warm_up_iterations.started.count;
            pace.requests += scenario.warm_up_requests.attempted;
        }
        pace.requests += snapshot.steps.values().map(|step| step.requests.attempted).sum::<u64>();
        while self.recent.len() > RECENT {
            self.recent.pop_first();
        }
        Ok(())
    }

    /// Books the slots of open scenarios that nobody told about, as after the loss of a worker.
    ///
    /// # Cost
    /// Counts the whole plan once; see [`plan::Schedule`].
    pub(crate) fn account_for(&mut self, plan: &RunPlan) {
        for index in 0..plan.scenarios.len() {
            let Some(schedule) = plan.schedule(ScenarioId(index as u32)) else { continue };
            let told = self.totals.scenarios([index]);
            let told = told.iterations.due.count + told.warm_up_iterations.due.count;
            let count = schedule.total().saturating_sub(told);
            self.totals.add_unaccounted(index, SlotTally { count, digest: 0 });
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

    /// Iterations and requests begun per second, of the last interval that all workers have told about: the last but one.
    pub fn pace_per_s(&self) -> (u64, u64) {
        let complete = self.recent.iter().rev().nth(1).or(self.recent.last_key_value());
        complete.map_or((0, 0), |(_, pace)| (pace.iterations, pace.requests))
    }
}
