//! The whole schedule of one open scenario: how many slots, and when, over all shares.

use units::Nanos;

use crate::arrivals::Walk;
use crate::{
    Amendment, AmendmentError, Arrivals, Dealing, LoadModel, RateProfile, RunPlan, ScenarioId, Seed, Slots,
    Timetable,
};

/// The whole schedule of one open scenario, whoever fires it.
///
/// # Cost
/// What counts slots takes no time worth mentioning for uniform arrivals. For random ones it walks from the start:
/// about 5 ns for each slot up to the last instant asked for, so half a second for 24 h at 1,000/s.
#[derive(Clone, Copy, Debug)]
pub struct Schedule<'a> {
    /// The rate over time.
    pub profile: &'a RateProfile,
    /// Evenly spaced or random.
    pub arrivals: Arrivals,
    /// What random arrivals are drawn from.
    pub seed: Seed,
    /// The scenario; each has random arrivals of its own.
    pub scenario: ScenarioId,
}

impl Schedule<'_> {
    /// How many slots there are.
    pub fn total(&self) -> u64 {
        self.before(self.profile.duration())
    }

    /// How many slots are due before `t`.
    pub fn before(&self, t: Nanos) -> u64 {
        self.counts(&[Nanos::ZERO, t])[0]
    }

    /// How many slots are due from each of `edges` up to, not including, the next: one number fewer than edges.
    /// Given whole seconds, the planned rate; given the ends of stages, what each stage holds.
    ///
    /// # Panics
    /// When `edges` do not ascend.
    pub fn counts(&self, edges: &[Nanos]) -> Vec<u64> {
        assert!(edges.is_sorted(), "windows follow each other");
        let places = self.profile.places();
        let mut walk = Walk::new(self.seed, self.scenario, 0);
        let mut before = |t: Nanos| match self.arrivals {
            Arrivals::Uniform => self.profile.due_before(t),
            Arrivals::Poisson => walk.points_before(places.due_before(t).min(places.total())),
        };
        let reached: Vec<u64> = edges.iter().map(|edge| before(*edge)).collect();
        reached.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// The slots of `thread` in its share, in order of their due time; none when it does not take part.
    pub fn slots(&self, dealing: &Dealing, thread: u32) -> Slots {
        Slots::of(self, dealing.owned(thread))
    }
}

impl RunPlan {
    /// The schedule of `scenario`; `None` when it has none because its load is closed.
    ///
    /// # Panics
    /// When there is no such scenario.
    pub fn schedule(&self, scenario: ScenarioId) -> Option<Schedule<'_>> {
        match &self.scenarios[scenario.index()].load {
            LoadModel::ArrivalRate { profile, arrivals, .. } => {
                Some(Schedule { profile, arrivals: *arrivals, seed: self.seed, scenario })
            }
            LoadModel::VirtualUsers { .. } | LoadModel::SharedIterations { .. } => None,
        }
    }
    /// The run time at which the plan of every scenario is over: no iteration starts from then on. `None` while a pause
    /// holds one that is not.
    ///
    /// # Errors
    /// When an amendment is impossible.
    pub fn ends_at(&self, amendments: &[Amendment]) -> Result<Option<Nanos>, AmendmentError> {
        let mut last = Some(Nanos::ZERO);
        for scenario in self.scenario_ids() {
            let end = Timetable::new(self, scenario, amendments)?.end();
            last = last.zip(end).map(|(last, end)| last.max(end));
        }
        Ok(last)
    }
}
