//! Everything a run measured, added up.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::fault::{SnapshotFault, grown};
use crate::outcome::Ending;
use crate::snapshot::merge_maps;
use crate::time_stats::{Outcomes, TimeStats};
use crate::{
    Activity, CheckCounts, Gauges, Histogram, IterationLedger, Layout, LedgerError, RequestLedger,
    ScenarioCounts, ScenarioTime, SlotTally, Snapshot, StepCounts, StepTime, UnsentReason,
};

/// The sum of all snapshots of a run. Memory grows with what was measured how widely, not with how long.
///
/// Steps, scenarios and checks are indices into the layout's catalog. Of those that share the slot `other`, each shows
/// the numbers of all.
#[derive(Clone, Debug)]
pub struct Totals {
    layout: Arc<Layout>,
    intervals: Option<(u32, u32)>,
    steps: Vec<StepCounts>,
    scenarios: Vec<ScenarioCounts>,
    checks: Vec<CheckCounts>,
    /// By the layout's numbers.
    histograms: Vec<Option<Histogram>>,
    /// By worker and thread.
    activity: BTreeMap<(u32, u32), Activity>,
    /// The levels of the latest intervals, which threads may still add to.
    gauges: BTreeMap<u32, Gauges>,
    users_max: u64,
    coalesced: u64,
    /// Of all snapshots: no sum of theirs is above it.
    volume: u64,
}

/// For how many intervals threads may be apart and their levels still add up.
const OPEN_GAUGES: usize = 128;

impl Totals {
    /// Makes totals of nothing.
    pub fn new(layout: &Arc<Layout>) -> Self {
        Self {
            intervals: None,
            steps: vec![StepCounts::default(); layout.step_slots()],
            scenarios: vec![ScenarioCounts::default(); layout.scenario_slots()],
            checks: vec![CheckCounts::default(); layout.catalog().checks.len()],
            histograms: vec![None; layout.series()],
            activity: BTreeMap::new(),
            gauges: BTreeMap::new(),
            users_max: 0,
            coalesced: 0,
            volume: 0,
            layout: Arc::clone(layout),
        }
    }

    /// Adds a snapshot of the only worker there is; in any order.
    ///
    /// # Errors
    /// As [`Totals::add_from`].
    pub fn add(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotFault> {
        self.add_from(0, snapshot)
    }

    /// Adds a snapshot of one worker, whose threads are not those of the others; in any order. `worker` is any number
    /// that no other worker of the run has.
    ///
    /// # Errors
    /// When no recorder of this layout would have made it, or sums would become too large; nothing is added then.
    pub fn add_from(&mut self, worker: u32, snapshot: &Snapshot) -> Result<(), SnapshotFault> {
        let volume = grown(self.volume, snapshot.volume_in(&self.layout)?)?;
        let mut activity = Vec::with_capacity(snapshot.activity.len());
        for (thread, did) in &snapshot.activity {
            let place = (worker, *thread);
            let before = self.activity.get(&place).copied().unwrap_or_default();
            activity.push((place, before.checked_add(did)?));
        }
        self.volume = volume;
        self.activity.extend(activity);
        let (first, last) = self.intervals.unwrap_or((snapshot.first, snapshot.last));
        self.intervals = Some((first.min(snapshot.first), last.max(snapshot.last)));
        for (slot, counts) in &snapshot.steps {
            self.steps[*slot as usize].merge(counts);
        }
        for (slot, counts) in &snapshot.scenarios {
            self.scenarios[*slot as usize].merge(counts);
        }
        for (check, counts) in &snapshot.checks {
            self.checks[*check as usize].merge(counts);
        }
        for (series, sparse) in &snapshot.histograms {
            let shape = self.layout.shape_of(*series as usize);
            let total = self.histograms[*series as usize].get_or_insert_with(|| Histogram::new(shape));
            total.merge_sparse(sparse);
        }
        merge_maps(&mut self.gauges, &snapshot.gauges, Gauges::merge);
        for at in snapshot.gauges.keys() {
            self.users_max = self.users_max.max(self.gauges.get(at).map_or(0, |levels| levels.users));
        }
        while self.gauges.len() > OPEN_GAUGES {
            self.gauges.pop_first();
        }
        self.coalesced += snapshot.coalesced;
        Ok(())
    }

    /// Books slots whose worker was lost before it told what became of them.
    pub fn add_unaccounted(&mut self, scenario: usize, slots: SlotTally) {
        let ledger = &mut self.scenarios[self.layout.scenario_slot(scenario)].iterations;
        ledger.due.merge(&slots);
        ledger.unaccounted += slots.count;
    }

    /// Books slots that came due when their worker's right to send had ended and nobody else had it yet.
    pub fn add_lease_ended(&mut self, scenario: usize, slots: SlotTally) {
        let ledger = &mut self.scenarios[self.layout.scenario_slot(scenario)].iterations;
        ledger.due.merge(&slots);
        ledger.unsent[UnsentReason::LeaseEnded.index()].merge(&slots);
    }

    /// The layout it adds up by.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The intervals (seconds since the run's start) in which anything was recorded.
    pub fn intervals(&self) -> Option<RangeInclusive<u32>> {
        self.intervals.map(|(first, last)| first..=last)
    }

    /// The numbers of some steps together.
    pub fn steps(&self, steps: impl IntoIterator<Item = usize>) -> StepCounts {
        let mut sum = StepCounts::default();
        for slot in self.step_slots(steps) {
            sum.merge(&self.steps[slot]);
        }
        sum
    }

    /// The numbers of all steps together.
    pub fn all_steps(&self) -> StepCounts {
        self.steps(0..self.layout.catalog().steps.len())
    }

    /// The numbers of some scenarios together.
    pub fn scenarios(&self, scenarios: impl IntoIterator<Item = usize>) -> ScenarioCounts {
        let mut sum = ScenarioCounts::default();
        for slot in self.scenario_slots(scenarios) {
            sum.merge(&self.scenarios[slot]);
        }
        sum
    }

    /// The numbers of all scenarios together.
    pub fn all_scenarios(&self) -> ScenarioCounts {
        self.scenarios(0..self.layout.catalog().scenarios.len())
    }

    /// The numbers of some checks together.
    pub fn checks(&self, checks: impl IntoIterator<Item = usize>) -> CheckCounts {
        let mut sum = CheckCounts::default();
        for check in checks {
            sum.merge(&self.checks[check]);
        }
        sum
    }

    /// One time of some steps together. `outcomes` matters only where the time is kept apart by outcome.
    pub fn step_times(
        &self,
        time: StepTime,
        steps: impl IntoIterator<Item = usize>,
        outcomes: Outcomes,
    ) -> TimeStats {
        let mut stats = TimeStats::new(time.shape());
        for slot in self.step_slots(steps) {
            self.add_times(&mut stats, time.is_split(), outcomes, |ending| {
                self.layout.step_series(slot, time, ending)
            });
        }
        stats
    }

    /// One time of some scenarios together. `outcomes` matters only where the time is kept apart by outcome.
    pub fn scenario_times(
        &self,
        time: ScenarioTime,
        scenarios: impl IntoIterator<Item = usize>,
        outcomes: Outcomes,
    ) -> TimeStats {
        let mut stats = TimeStats::new(time.shape());
        for slot in self.scenario_slots(scenarios) {
            self.add_times(&mut stats, time.is_split(), outcomes, |ending| {
                self.layout.scenario_series(slot, time, ending)
            });
        }
        stats
    }

    /// The histograms that hold one time of a step, for who needs their buckets.
    pub fn step_histograms(
        &self,
        time: StepTime,
        step: usize,
        outcomes: Outcomes,
    ) -> impl Iterator<Item = &Histogram> {
        let slot = self.layout.step_slot(step);
        let series = move |ending: &Ending| self.layout.step_series(slot, time, *ending);
        kept_apart(time.is_split(), outcomes)
            .iter()
            .filter_map(move |of| self.histograms[series(of)].as_ref())
    }

    /// The histograms that hold one time of a scenario, for who needs their buckets.
    pub fn scenario_histograms(
        &self,
        time: ScenarioTime,
        scenario: usize,
        outcomes: Outcomes,
    ) -> impl Iterator<Item = &Histogram> {
        let slot = self.layout.scenario_slot(scenario);
        let series = move |ending: &Ending| self.layout.scenario_series(slot, time, *ending);
        kept_apart(time.is_split(), outcomes)
            .iter()
            .filter_map(move |of| self.histograms[series(of)].as_ref())
    }

    /// One time of all steps together.
    pub fn all_step_times(&self, time: StepTime, outcomes: Outcomes) -> TimeStats {
        self.step_times(time, 0..self.layout.catalog().steps.len(), outcomes)
    }

    /// One time of all scenarios together.
    pub fn all_scenario_times(&self, time: ScenarioTime, outcomes: Outcomes) -> TimeStats {
        self.scenario_times(time, 0..self.layout.catalog().scenarios.len(), outcomes)
    }

    /// What engine threads did, by worker and thread.
    pub fn activity(&self) -> &BTreeMap<(u32, u32), Activity> {
        &self.activity
    }

    /// The most virtual users in an interval; see [`Gauges::users`](crate::Gauges::users).
    pub fn users_max(&self) -> u64 {
        self.users_max
    }

    /// The latest levels, summed over the threads that have told theirs.
    pub fn latest_gauges(&self) -> Gauges {
        self.gauges.last_key_value().map(|(_, levels)| *levels).unwrap_or_default()
    }

    /// Rotations for which the collector was too slow.
    pub fn coalesced(&self) -> u64 {
        self.coalesced
    }

    /// Whether no request and no iteration succeeded: such a run is failed, thresholds or not.
    pub fn nothing_succeeded(&self) -> bool {
        self.all_steps().requests.succeeded == 0 && self.all_scenarios().iterations.succeeded == 0
    }

    /// The ledgers that do not balance, as of a run that is over.
    pub fn broken_ledgers(&self) -> Vec<BrokenLedger> {
        let iterations = |scenario, period, ledger: &IterationLedger| {
            let error = ledger.check_closed().err()?;
            Some(BrokenLedger { ledger: LedgerName::Iterations { scenario, period }, error })
        };
        let requests = |ledger, requests: &RequestLedger| {
            Some(BrokenLedger { ledger, error: requests.check_closed().err()? })
        };
        let scenarios = self.scenarios.iter().enumerate().flat_map(|(scenario, counts)| {
            [
                iterations(scenario, crate::Period::Measured, &counts.iterations),
                iterations(scenario, crate::Period::WarmUp, &counts.warm_up_iterations),
                requests(LedgerName::WarmUpRequests { scenario }, &counts.warm_up_requests),
            ]
        });
        let steps = self
            .steps
            .iter()
            .enumerate()
            .map(|(step, counts)| requests(LedgerName::Requests { step }, &counts.requests));
        scenarios.chain(steps).flatten().collect()
    }

    fn add_times(
        &self,
        stats: &mut TimeStats,
        is_split: bool,
        outcomes: Outcomes,
        series: impl Fn(Ending) -> usize,
    ) {
        for ending in kept_apart(is_split, outcomes) {
            if let Some(histogram) = &self.histograms[series(*ending)] {
                stats.merge(*ending, histogram);
            }
        }
    }

    /// The slots of `steps`, each once although several may share one.
    fn step_slots(&self, steps: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        steps.into_iter().map(|step| self.layout.step_slot(step)).collect()
    }

    fn scenario_slots(&self, scenarios: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        scenarios.into_iter().map(|scenario| self.layout.scenario_slot(scenario)).collect()
    }
}

/// The endings by which a time is kept; one that is not kept apart lies where what succeeded would.
fn kept_apart(is_split: bool, outcomes: Outcomes) -> &'static [Ending] {
    if is_split { outcomes.endings() } else { &[Ending::Succeeded] }
}

/// A ledger that does not balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenLedger {
    /// Which one.
    pub ledger: LedgerName,
    /// What does not hold in it.
    pub error: LedgerError,
}

/// Which ledger of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LedgerName {
    /// The iterations of a scenario.
    Iterations {
        /// Its index (or slot).
        scenario: usize,
        /// Measured or warm-up.
        period: crate::Period,
    },
    /// The measured requests of a step.
    Requests {
        /// Its index (or slot).
        step: usize,
    },
    /// The requests of a scenario in warm-up.
    WarmUpRequests {
        /// Its index (or slot).
        scenario: usize,
    },
}

#[cfg(test)]
mod tests;
