//! What was measured in a range of intervals: the unit that travels and adds up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::interval::Interval;
use crate::outcome::Ending;
use crate::sparse::SparseHistogram;
use crate::time_stats::Outcomes;
use crate::{Activity, Gauges, IterationLedger, Layout, RequestLedger, ScenarioTime, StepTime};

/// How often a check held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckCounts {
    /// It held.
    pub passed: u64,
    /// It did not.
    pub failed: u64,
}

impl CheckCounts {
    /// Adds other checks.
    pub fn merge(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// The numbers of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCounts {
    /// Its requests.
    pub requests: RequestLedger,
    /// Bytes of requests, before TLS.
    pub sent_bytes: u64,
    /// Bytes of responses, before TLS.
    pub received_bytes: u64,
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
}

impl StepCounts {
    /// Adds the numbers of another thread, interval or step.
    pub fn merge(&mut self, other: &Self) {
        self.requests.merge(&other.requests);
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
    }
}

/// The numbers of one scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioCounts {
    /// Its measured iterations.
    pub iterations: IterationLedger,
    /// Its iterations in warm-up, which are in no other number.
    pub warm_up_iterations: IterationLedger,
    /// Its requests in warm-up, which are in no other number.
    pub warm_up_requests: RequestLedger,
}

impl ScenarioCounts {
    /// Adds the numbers of another thread, interval or scenario.
    pub fn merge(&mut self, other: &Self) {
        self.iterations.merge(&other.iterations);
        self.warm_up_iterations.merge(&other.warm_up_iterations);
        self.warm_up_requests.merge(&other.warm_up_requests);
    }
}

/// Everything measured in the intervals `first..=last` (seconds since the run's start) by one or more threads.
///
/// Only what happened is in it. Merging is integer addition: exact, and the same in any order and grouping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The first interval it covers.
    pub first: u32,
    /// The last interval it covers.
    pub last: u32,
    /// [`Layout::shape_hash`] of the layout whose slots and series its maps are keyed by.
    pub shape_hash: u64,
    /// Numbers by step slot.
    pub steps: BTreeMap<u32, StepCounts>,
    /// Numbers by scenario slot.
    pub scenarios: BTreeMap<u32, ScenarioCounts>,
    /// Numbers by check.
    pub checks: BTreeMap<u32, CheckCounts>,
    /// Histograms by their number in the layout.
    pub histograms: BTreeMap<u32, SparseHistogram>,
    /// Levels at the ends of intervals, summed over threads.
    pub gauges: BTreeMap<u32, Gauges>,
    /// What engine threads did, by thread.
    pub activity: BTreeMap<u32, Activity>,
    /// Rotations for which the collector was too slow, so that a record covers more than one interval.
    pub coalesced: u64,
}

/// Snapshots of different runs, or of different versions of the program, do not add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot was recorded by layout {found:016x}, not by this run's {expected:016x}")]
pub struct ShapeMismatch {
    /// The layout it was added to.
    pub expected: u64,
    /// Its own layout.
    pub found: u64,
}

impl Snapshot {
    /// Requests attempted, warm-up included: all that were sent.
    pub fn requests_attempted(&self) -> u64 {
        let measured = self.steps.values().map(|step| step.requests.attempted);
        let warm_up = self.scenarios.values().map(|scenario| scenario.warm_up_requests.attempted);
        measured.chain(warm_up).sum()
    }

    /// Iterations started, warm-up included.
    pub fn iterations_started(&self) -> u64 {
        let both = |counts: &ScenarioCounts| {
            counts.iterations.started.count + counts.warm_up_iterations.started.count
        };
        self.scenarios.values().map(both).sum()
    }

    /// One time of the steps of slot `slot` of `layout`, as the histograms of the outcomes that are wanted. `outcomes` matters
    /// only where the time is kept apart by outcome.
    pub fn step_times(
        &self,
        layout: &Layout,
        slot: usize,
        time: StepTime,
        outcomes: Outcomes,
    ) -> impl Iterator<Item = &SparseHistogram> {
        self.times(time.is_split(), outcomes, move |ending| layout.step_series(slot, time, ending))
    }

    /// One time of the scenarios of slot `slot` of `layout`, as [`Snapshot::step_times`].
    pub fn scenario_times(
        &self,
        layout: &Layout,
        slot: usize,
        time: ScenarioTime,
        outcomes: Outcomes,
    ) -> impl Iterator<Item = &SparseHistogram> {
        self.times(time.is_split(), outcomes, move |ending| layout.scenario_series(slot, time, ending))
    }

    fn times(
        &self,
        is_split: bool,
        outcomes: Outcomes,
        series: impl Fn(Ending) -> usize,
    ) -> impl Iterator<Item = &SparseHistogram> {
        let endings = if is_split { outcomes.endings() } else { &[Ending::Succeeded] };
        endings.iter().filter_map(move |ending| self.histograms.get(&(series(*ending) as u32)))
    }

    /// Copies what an interval holds, for engine thread `thread`.
    pub(crate) fn of(interval: &Interval, layout: &Layout, thread: u32) -> Self {
        let steps = (0..).zip(&interval.steps).filter(|(_, cell)| cell.is_used());
        let scenarios = (0..).zip(&interval.scenarios).filter(|(_, cell)| cell.is_used());
        let checks = (0..).zip(&interval.checks).filter(|(_, counts)| **counts != CheckCounts::default());
        let mut histograms = BTreeMap::new();
        interval.for_each_histogram(layout, |series, histogram| {
            histograms.insert(series as u32, histogram);
        });
        let mut gauges = BTreeMap::<u32, Gauges>::new();
        for (at, levels) in &interval.gauges {
            gauges.insert(*at, *levels);
        }
        Self {
            first: interval.first,
            last: interval.last,
            shape_hash: layout.shape_hash(),
            steps: steps
                .map(|(slot, cell)| {
                    let counts = StepCounts {
                        requests: cell.requests,
                        sent_bytes: cell.sent_bytes,
                        received_bytes: cell.received_bytes,
                        statuses: cell.statuses(&interval.pool).collect(),
                    };
                    (slot, counts)
                })
                .collect(),
            scenarios: scenarios
                .map(|(slot, cell)| {
                    let counts = ScenarioCounts {
                        iterations: cell.iterations,
                        warm_up_iterations: cell.warm_up_iterations,
                        warm_up_requests: cell.warm_up_requests,
                    };
                    (slot, counts)
                })
                .collect(),
            checks: checks.map(|(check, counts)| (check, *counts)).collect(),
            histograms,
            gauges,
            activity: BTreeMap::from([(thread, interval.activity)]),
            coalesced: interval.coalesced,
        }
    }

    /// Adds what another thread measured, or this one in other intervals.
    ///
    /// # Errors
    /// When both were not recorded by the same layout; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), ShapeMismatch> {
        if self.shape_hash != other.shape_hash {
            return Err(ShapeMismatch { expected: self.shape_hash, found: other.shape_hash });
        }
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        merge_maps(&mut self.steps, &other.steps, StepCounts::merge);
        merge_maps(&mut self.scenarios, &other.scenarios, ScenarioCounts::merge);
        merge_maps(&mut self.checks, &other.checks, CheckCounts::merge);
        merge_maps(&mut self.histograms, &other.histograms, SparseHistogram::merge);
        merge_maps(&mut self.gauges, &other.gauges, Gauges::merge);
        merge_maps(&mut self.activity, &other.activity, Activity::merge);
        self.coalesced += other.coalesced;
        Ok(())
    }
}

pub(crate) fn merge_maps<V: Clone + Default>(
    mine: &mut BTreeMap<u32, V>,
    theirs: &BTreeMap<u32, V>,
    merge: impl Fn(&mut V, &V),
) {
    for (key, value) in theirs {
        merge(mine.entry(*key).or_default(), value);
    }
}

#[cfg(test)]
mod tests;
