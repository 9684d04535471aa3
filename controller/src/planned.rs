//! What a plan holds once its changes are counted in, over all shares and of one.

use std::collections::BTreeSet;

use plan::{Amendment, LoadModel, RunPlan, ScenarioId, Share, Timetable};
use units::Nanos;

/// A plan and the changes of its load. All instants are run time.
///
/// # Cost
/// That of a [`Timetable`] for each scenario.
pub(crate) struct Planned<'a> {
    plan: &'a RunPlan,
    timetables: Vec<Timetable>,
    changed_at: Vec<Nanos>,
}

impl<'a> Planned<'a> {
    /// Works out `plan` with `amendments`, which were looked at before they were recorded.
    ///
    /// # Panics
    /// When an amendment is impossible.
    pub(crate) fn new(plan: &'a RunPlan, amendments: &[Amendment]) -> Self {
        let timetable =
            |id| Timetable::new(plan, id, amendments).expect("only possible changes are recorded");
        Self {
            plan,
            timetables: plan.scenario_ids().map(timetable).collect(),
            changed_at: amendments.iter().map(|amendment| amendment.at).collect(),
        }
    }

    /// When no more iterations start; `None` while a pause holds the plan.
    pub(crate) fn end(&self) -> Option<Nanos> {
        let mut ends = self.timetables.iter().map(Timetable::end);
        ends.try_fold(Nanos::ZERO, |last, end| Some(last.max(end?)))
    }

    /// When no iteration runs any more; `None` while a pause holds the plan.
    pub(crate) fn grace_end(&self) -> Option<Nanos> {
        let ends = self.timetables.iter().zip(&self.plan.scenarios);
        let mut ends =
            ends.map(|(timetable, scenario)| Some(timetable.end()?.saturating_add(scenario.graceful_stop)));
        ends.try_fold(Nanos::ZERO, |last, end| Some(last.max(end?)))
    }

    /// How many iterations a scenario has; `None` where users start as many as they can.
    pub(crate) fn iterations(&self, scenario: usize) -> Option<u64> {
        match self.plan.scenarios[scenario].load {
            LoadModel::ArrivalRate { .. } => Some(self.timetables[scenario].total()),
            LoadModel::SharedIterations { iterations, .. } => Some(iterations),
            LoadModel::VirtualUsers { .. } => None,
        }
    }

    /// How many slots of a scenario are due before each of `edges`, which ascend.
    pub(crate) fn before(&self, scenario: usize, edges: &[Nanos]) -> Vec<u64> {
        let from_start: Vec<Nanos> = std::iter::once(Nanos::ZERO).chain(edges.iter().copied()).collect();
        let counts = self.timetables[scenario].counts(&from_start).into_iter();
        counts
            .scan(0_u64, |sum, count| {
                *sum += count;
                Some(*sum)
            })
            .collect()
    }

    /// How many slots of a scenario are due from `from` up to, not including, `to`.
    pub(crate) fn between(&self, scenario: usize, from: Nanos, to: Nanos) -> u64 {
        self.timetables[scenario].due_between(from, to)
    }

    /// How many of the first `count` slots, users or iterations of a scenario belong to a place under `weights`; none
    /// where there is no such place or nothing is dealt.
    pub(crate) fn owned(&self, scenario: usize, weights: &[u32], place: usize, count: u64) -> u64 {
        let share = Share { revision: 0, weights: weights.to_vec(), index: place as u32 };
        let dealing = self.plan.scenarios[scenario].load.deal(ScenarioId(scenario as u32), &share, 1);
        dealing.map_or(0, |dealing| dealing.count(0, count))
    }

    /// The iterations per second that all open scenarios want at `t`; `None` without one.
    pub(crate) fn rate_at(&self, t: Nanos) -> Option<f64> {
        let mut open = self.timetables.iter().filter(|timetable| timetable.is_open()).peekable();
        open.peek()?;
        Some(open.map(|timetable| timetable.rate_at(t)).sum())
    }

    /// The same of one scenario; zero in a closed one.
    pub(crate) fn rate_of(&self, scenario: usize, t: Nanos) -> f64 {
        self.timetables[scenario].rate_at(t)
    }

    /// How many users a closed scenario wants at `t`; none in an open one and after the end.
    pub(crate) fn users_of(&self, scenario: usize, t: Nanos) -> u32 {
        let timetable = &self.timetables[scenario];
        match &self.plan.scenarios[scenario].load {
            LoadModel::VirtualUsers { profile } => profile.users_at(timetable.profile_time(t)),
            LoadModel::SharedIterations { vus, .. } if timetable.end().is_none_or(|end| t < end) => *vus,
            LoadModel::SharedIterations { .. } | LoadModel::ArrivalRate { .. } => 0,
        }
    }

    /// What the clock of each scenario's profile shows at `t`.
    pub(crate) fn passed(&self, t: Nanos) -> Vec<Nanos> {
        self.timetables.iter().map(|timetable| timetable.profile_time(t)).collect()
    }

    /// Whether the clocks of the profiles move at `t`.
    pub(crate) fn is_moving(&self, t: Nanos) -> bool {
        self.timetables.iter().any(|timetable| timetable.is_moving(t))
    }

    /// Whether everything that is under way at `t` is warm-up.
    pub(crate) fn is_warming_up(&self, t: Nanos) -> bool {
        let is_under_way = |timetable: &&Timetable| timetable.end().is_none_or(|end| t < end);
        let mut under_way = self.timetables.iter().filter(is_under_way).peekable();
        under_way.peek().is_some() && under_way.all(|timetable| !timetable.measured_at(t))
    }

    /// The windows in which what starts of a scenario is measured, ascending; pauses are in none.
    pub(crate) fn measured_windows(&self, scenario: usize) -> Vec<(Nanos, Nanos)> {
        let timetable = &self.timetables[scenario];
        let stage_ends = match &self.plan.scenarios[scenario].load {
            LoadModel::ArrivalRate { profile, .. } => profile.stage_ends(),
            LoadModel::VirtualUsers { profile } => profile.stage_ends(),
            LoadModel::SharedIterations { .. } => &[],
        };
        let held = self.changed_at.last().copied().unwrap_or(Nanos::ZERO);
        let end = timetable.end().unwrap_or(held);
        let mut edges: BTreeSet<Nanos> =
            self.changed_at.iter().copied().chain([Nanos::ZERO, end]).filter(|edge| *edge <= end).collect();
        // Between two changes a clock moves or stands: where it moves, stages end as far after the change as its profile
        // has left of them.
        for from in edges.clone() {
            let at = timetable.profile_time(from);
            let ahead = stage_ends.iter().filter(|stage_end| **stage_end > at);
            let until = edges.range(from..).nth(1).copied().unwrap_or(end);
            let images: Vec<Nanos> = ahead
                .map(|stage_end| from.saturating_add(*stage_end - at))
                .filter(|edge| *edge < until)
                .collect();
            edges.extend(images);
        }
        let edges: Vec<Nanos> = edges.into_iter().collect();
        let mut windows: Vec<(Nanos, Nanos)> = Vec::new();
        for pair in edges.windows(2) {
            if !timetable.is_moving(pair[0]) || !timetable.measured_at(pair[0]) {
                continue;
            }
            match windows.last_mut() {
                Some(last) if last.1 == pair[0] => last.1 = pair[1],
                _ => windows.push((pair[0], pair[1])),
            }
        }
        windows
    }
}

#[cfg(test)]
mod tests {
    use units::Rate;

    use super::*;
    use crate::fixture;

    #[test]
    fn a_plan_ends_with_its_last_scenario_and_no_iteration_outlives_the_longest_grace() {
        let mut plan = fixture::plan();
        let mut longer = plan.scenarios[0].clone();
        let rate = Rate::from_per_second(10);
        let stage = plan::Stage { duration: Nanos::from_secs(9), from: rate, to: rate, measured: true };
        if let LoadModel::ArrivalRate { profile, .. } = &mut longer.load {
            *profile = plan::RateProfile::new(vec![stage]).unwrap();
        }
        longer.graceful_stop = Nanos::SECOND;
        plan.scenarios.insert(0, longer);
        for _ in 0..2 {
            plan.scenarios.reverse();
            let planned = Planned::new(&plan, &[]);
            assert_eq!(planned.end(), Some(Nanos::from_secs(9)));
            assert_eq!(planned.grace_end(), Some(Nanos::from_secs(10)));
        }
    }
}
