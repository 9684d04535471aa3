//! What all workers measured, added up.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::{Layout, ShapeMismatch, SlotTally, Snapshot, Timeline, Totals};
use plan::{LoadModel, RunPlan, ScenarioId};

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
        pace.iterations += snapshot.iterations_started();
        pace.requests += snapshot.requests_attempted();
        while self.recent.len() > RECENT {
            self.recent.pop_first();
        }
        Ok(())
    }

    /// Books the planned iterations that nobody told about, as after the loss of a worker.
    ///
    /// # Cost
    /// That of [`Merged::planned_and_due`].
    pub(crate) fn account_for(&mut self, plan: &RunPlan) {
        for (slot, planned, due) in self.planned_and_due(plan) {
            let count = planned.saturating_sub(due);
            self.totals.add_unaccounted(slot, SlotTally { count, digest: 0 });
        }
    }

    /// What `plan` holds and what came due, in iterations, for each slot of scenarios in the layout. Slots with a
    /// scenario whose plan says nothing of iterations, but only of users, are left out.
    ///
    /// # Cost
    /// Counts the whole plan once; see [`plan::Schedule`].
    pub(crate) fn planned_and_due(&self, plan: &RunPlan) -> Vec<(usize, u64, u64)> {
        let layout = self.totals.layout();
        let mut planned = vec![Some(0_u64); layout.scenario_slots()];
        for index in 0..plan.scenarios.len() {
            let sum = &mut planned[layout.scenario_slot(index)];
            *sum = sum.zip(planned_iterations(plan, index)).map(|(sum, more)| sum.saturating_add(more));
        }
        let due = |slot: usize| {
            let counts = self.totals.scenarios([slot]);
            counts.iterations.due.count + counts.warm_up_iterations.due.count
        };
        let known = planned.into_iter().enumerate();
        known.filter_map(|(slot, planned)| Some((slot, planned?, due(slot)))).collect()
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

fn planned_iterations(plan: &RunPlan, scenario: usize) -> Option<u64> {
    match plan.scenarios[scenario].load {
        LoadModel::ArrivalRate { .. } => Some(plan.schedule(ScenarioId(scenario as u32))?.total()),
        LoadModel::SharedIterations { iterations, .. } => Some(iterations),
        LoadModel::VirtualUsers { .. } => None,
    }
}
