//! How amendments become segments, and which are impossible.

use units::{Nanos, Rate, Ratio, ScaleRateError};

use super::{RateLaw, Segment, Timetable};
use crate::{Amendment, LoadChange, LoadModel, ProfileError, RateProfile, RunPlan, ScenarioId, Stage};

/// The most amendments of one run: an operator's script changes the load some times a minute, and a fold over them
/// all is to stay a matter of milliseconds.
pub const MOST_AMENDMENTS: usize = 4_096;

/// Why the load of a run cannot be changed so.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AmendmentError {
    /// Too many changes.
    #[error("the load of a run can be changed {MOST_AMENDMENTS} times; begin another run")]
    TooMany,
    /// A change before the one before it.
    #[error("a change at {at} comes after one at {last}; changes follow each other in time")]
    OutOfOrder {
        /// The instant of the change.
        at: Nanos,
        /// That of the one before.
        last: Nanos,
    },
    /// There is no such scenario.
    #[error("there is no scenario number {}; the run has {scenarios}", scenario.0)]
    UnknownScenario {
        /// The scenario asked for.
        scenario: ScenarioId,
        /// How many there are.
        scenarios: usize,
    },
    /// The scenario has no rate.
    #[error(
        "scenario `{scenario}` is a closed model and has no rate; pause it, or change its `vus` in the file"
    )]
    Closed {
        /// Its name.
        scenario: String,
    },
    /// The scenario's plan is over.
    #[error("scenario `{scenario}` has ended at {end}; a change at {at} comes too late")]
    Ended {
        /// Its name.
        scenario: String,
        /// When it ended.
        end: Nanos,
        /// The instant of the change.
        at: Nanos,
    },
    /// The factor is no sensible number, or a product cannot be said.
    #[error("the load of scenario `{scenario}` cannot be multiplied")]
    Scale {
        /// Its name.
        scenario: String,
        /// Why not.
        source: ScaleRateError,
    },
    /// A rate above what can be scheduled.
    #[error("{rate} is too fast for scenario `{scenario}`; the highest rate is 1000000000/s")]
    TooFast {
        /// Its name.
        scenario: String,
        /// The rate.
        rate: Rate,
    },
    /// The slots of the changed profile cannot be counted.
    #[error("the changed rates of scenario `{scenario}` cannot be scheduled")]
    Uncountable {
        /// Its name.
        scenario: String,
        /// Why not.
        source: ProfileError,
    },
    /// A pause within a pause.
    #[error("the run is paused already; resume it first")]
    Paused,
    /// The end of a pause that is none.
    #[error("the run is not paused, so it cannot be resumed")]
    NotPaused,
}

/// What a change does to one scenario.
enum Effect {
    None,
    Hold,
    Move,
    Rates(RateProfile),
}

/// A fold of amendments under way.
struct Fold<'a> {
    plan: &'a RunPlan,
    timetable: Timetable,
    paused: bool,
    last: Nanos,
}

pub(super) fn fold(
    plan: &RunPlan,
    scenario: ScenarioId,
    amendments: &[Amendment],
) -> Result<Timetable, AmendmentError> {
    if amendments.len() > MOST_AMENDMENTS {
        return Err(AmendmentError::TooMany);
    }
    let model = plan.scenarios[scenario.index()].load.clone();
    let laws = match &model {
        LoadModel::ArrivalRate { profile, .. } => vec![RateLaw { profile: profile.clone(), number: 0 }],
        LoadModel::VirtualUsers { .. } | LoadModel::SharedIterations { .. } => Vec::new(),
    };
    let first = Segment { start: Nanos::ZERO, at: Nanos::ZERO, moving: true, law: 0, first: 0 };
    let timetable = Timetable { scenario, seed: plan.seed, model, laws, segments: vec![first] };
    let mut fold = Fold { plan, timetable, paused: false, last: Nanos::ZERO };
    for (number, amendment) in (1..).zip(amendments) {
        fold.amend(number, amendment)?;
    }
    Ok(fold.timetable)
}

impl Fold<'_> {
    fn amend(&mut self, number: u64, amendment: &Amendment) -> Result<(), AmendmentError> {
        let at = amendment.at;
        if at < self.last {
            return Err(AmendmentError::OutOfOrder { at, last: self.last });
        }
        self.last = at;
        match self.effect(amendment)? {
            Effect::None => {}
            Effect::Hold => self.push(at, |segment| segment.moving = false),
            Effect::Move => self.push(at, |segment| segment.moving = true),
            Effect::Rates(profile) => {
                let law = self.timetable.laws.len();
                self.timetable.laws.push(RateLaw { profile, number });
                self.push(at, |segment| segment.law = law);
            }
        }
        Ok(())
    }

    fn effect(&mut self, amendment: &Amendment) -> Result<Effect, AmendmentError> {
        let at = amendment.at;
        let ended = self.timetable.end().filter(|end| *end <= at);
        match amendment.change {
            LoadChange::Pause if self.paused => Err(AmendmentError::Paused),
            LoadChange::Resume if !self.paused => Err(AmendmentError::NotPaused),
            LoadChange::Pause => {
                self.paused = true;
                Ok(if ended.is_some() { Effect::None } else { Effect::Hold })
            }
            LoadChange::Resume => {
                self.paused = false;
                Ok(if ended.is_some() { Effect::None } else { Effect::Move })
            }
            LoadChange::Rate { scenario, rate } => {
                self.open(scenario)?;
                if scenario != self.timetable.scenario {
                    return Ok(Effect::None);
                }
                self.still_running(ended, at)?;
                if rate > HIGHEST {
                    return Err(AmendmentError::TooFast { scenario: self.name(), rate });
                }
                self.rates(|_| Ok(rate)).map(Effect::Rates)
            }
            LoadChange::Scale { scenario, factor } => {
                check_factor(factor)
                    .map_err(|source| AmendmentError::Scale { scenario: self.name(), source })?;
                match scenario {
                    Some(scenario) => self.open(scenario)?,
                    None if ended.is_some() || !self.timetable.is_open() => return Ok(Effect::None),
                    None => {}
                }
                if scenario.is_some_and(|scenario| scenario != self.timetable.scenario) {
                    return Ok(Effect::None);
                }
                self.still_running(ended, at)?;
                self.rates(|rate| rate.checked_mul(factor)).map(Effect::Rates)
            }
        }
    }

    /// The present rates, changed.
    fn rates(
        &self,
        change: impl Fn(Rate) -> Result<Rate, ScaleRateError>,
    ) -> Result<RateProfile, AmendmentError> {
        let law = &self.timetable.laws[self.timetable.last().law];
        let changed =
            |stage: &Stage<Rate>| Ok(Stage { from: change(stage.from)?, to: change(stage.to)?, ..*stage });
        let stages = law.profile.stages().iter().map(changed).collect::<Result<_, _>>();
        let stages = stages.map_err(|source| AmendmentError::Scale { scenario: self.name(), source })?;
        RateProfile::new(stages)
            .map_err(|source| AmendmentError::Uncountable { scenario: self.name(), source })
    }

    /// Ends the present segment at `at` and begins another, different by `change`.
    fn push(&mut self, at: Nanos, change: impl FnOnce(&mut Segment)) {
        let first = self.timetable.before(at);
        let segments = &mut self.timetable.segments;
        let last = segments[segments.len() - 1];
        let mut next = Segment { start: at, at: last.profile_time(at), first, ..last };
        change(&mut next);
        // Of several changes in one instant the last one holds; a segment is never empty.
        if last.start == at {
            segments.pop();
        }
        segments.push(next);
    }

    fn open(&self, scenario: ScenarioId) -> Result<(), AmendmentError> {
        let scenarios = &self.plan.scenarios;
        let Some(plan) = scenarios.get(scenario.index()) else {
            return Err(AmendmentError::UnknownScenario { scenario, scenarios: scenarios.len() });
        };
        if plan.load.is_open() { Ok(()) } else { Err(AmendmentError::Closed { scenario: plan.name.clone() }) }
    }

    fn still_running(&self, ended: Option<Nanos>, at: Nanos) -> Result<(), AmendmentError> {
        ended.map_or(Ok(()), |end| Err(AmendmentError::Ended { scenario: self.name(), end, at }))
    }

    fn name(&self) -> String {
        self.plan.scenarios[self.timetable.scenario.index()].name.clone()
    }
}

/// Whether `factor` is one, whatever it is applied to.
fn check_factor(factor: Ratio) -> Result<(), ScaleRateError> {
    Rate::ZERO.checked_mul(factor).map(|_| ())
}

/// The highest rate that a scenario file can say too.
const HIGHEST: Rate = Rate::from_per_second(1_000_000_000);
