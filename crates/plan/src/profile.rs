//! Rate profiles: a rate over time, and when each slot is due.
//!
//! N(t) is the integral of the rate. The planned slots are n = 0, 1, …; slot n is due at the smallest whole
//! nanosecond t with N(t) ≥ n, if that lies inside the profile. Due times are a pure function of n: nothing is
//! accumulated, so nothing drifts, and any worker can answer for any slot. The arithmetic is in `axis`.

use units::{Nanos, Rate};

use crate::Stage;
use crate::axis::Axis;
use crate::stages::Stages;

/// A rate over time.
///
/// ```
/// use loadgen_plan::{RateProfile, Stage};
/// use units::{Nanos, Rate};
/// # fn main() -> Result<(), loadgen_plan::ProfileError> {
/// // From 0/s to 100/s in ten seconds: N(t) = 5t², so slot 20 is due after two seconds.
/// let ramp = Stage {
///     duration: Nanos::from_secs(10),
///     from: Rate::ZERO,
///     to: Rate::from_per_second(100),
///     measured: true,
/// };
/// let profile = RateProfile::new(vec![ramp])?;
/// assert_eq!(profile.due(20), Some(Nanos::from_secs(2)));
/// assert_eq!(profile.total(), 500);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RateProfile {
    stages: Stages<Rate>,
    /// One mark per slot.
    slots: Axis,
    /// 2³² marks per slot, for random arrivals.
    places: Axis,
}

/// Why stages are no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No stages.
    #[error("a profile needs at least one stage")]
    Empty,
    /// A stage lasts no time.
    #[error("stage {stage} lasts 0s; give it a positive duration")]
    EmptyStage {
        /// Which, from 1.
        stage: usize,
    },
    /// Too many slots or too long (over 366 days) to be counted exactly.
    #[error("stage {stage} is too large to be scheduled exactly; lower its rate or its duration")]
    TooLarge {
        /// Which, from 1.
        stage: usize,
    },
}

impl RateProfile {
    /// Makes a profile of `stages`, one after the other.
    ///
    /// # Errors
    /// When there is no stage, one lasts no time, or the slots cannot be counted exactly in 128-bit numbers. Rates
    /// up to 1,000,000,000/s over a day fit, and 1,000,000/s over 30 days, also mixed with rates per hour.
    pub fn new(stages: Vec<Stage<Rate>>) -> Result<Self, ProfileError> {
        let stages = Stages::new(stages)?;
        let axis = |scale| Axis::new(stages.list(), scale).map_err(|stage| ProfileError::TooLarge { stage });
        let (slots, places) = (axis(1)?, axis(1 << PLACE_BITS)?);
        if slots.total() > u128::from(u64::MAX >> 1) {
            return Err(ProfileError::TooLarge { stage: stages.list().len() });
        }
        Ok(Self { slots, places, stages })
    }

    /// The stages.
    pub fn stages(&self) -> &[Stage<Rate>] {
        self.stages.list()
    }

    /// The end of each stage from the profile's start.
    pub fn stage_ends(&self) -> &[Nanos] {
        self.stages.ends()
    }

    /// How long all stages last.
    pub fn duration(&self) -> Nanos {
        self.stages.duration()
    }

    /// When slot `n` is due from the profile's start with uniform arrivals; `None` past its end.
    ///
    /// Slot 0 is due at the start of every profile, also of one that starts with a rate of zero; only a profile
    /// whose rate is zero all along has no slot at all.
    ///
    /// # Cost
    /// A search among the stages, then one division where the rate is constant (about 6 ns) or a square root and
    /// a few multiplications in a ramp (about 40 ns). [`Slots`](crate::Slots) walks without the search.
    pub fn due(&self, n: u64) -> Option<Nanos> {
        self.slots.due(u128::from(n))
    }

    /// How many slots the profile holds with uniform arrivals.
    pub fn total(&self) -> u64 {
        self.slots.total() as u64
    }

    /// How many slots are due before `t` (uniform arrivals).
    ///
    /// # Cost
    /// A bisection: at most 63 times that of [`RateProfile::due`]. Not for the hot path.
    pub fn due_before(&self, t: Nanos) -> u64 {
        self.slots.due_before(t) as u64
    }

    /// The rate per second at `t`, for display; at the border of two stages that of the later one, after the end
    /// zero.
    pub fn rate_at(&self, t: Nanos) -> f64 {
        if t >= self.duration() {
            return 0.0;
        }
        let (stage, x) = self.stages.at(t);
        let (from, to) = (stage.from.per_second(), stage.to.per_second());
        from + (to - from) * (x.as_secs_f64() / stage.duration.as_secs_f64())
    }

    /// Whether what is due at `t` counts (is not warm-up).
    ///
    /// # Cost
    /// A search among the stages.
    pub fn measured_at(&self, t: Nanos) -> bool {
        self.stages.at(t).0.measured
    }

    /// The axis of uniform arrivals, one mark per slot.
    pub(crate) fn slots(&self) -> &Axis {
        &self.slots
    }

    /// The axis of random arrivals, 2^[`PLACE_BITS`] marks per slot.
    pub(crate) fn places(&self) -> &Axis {
        &self.places
    }
}

/// A random arrival lies on a grid of 2³² places between two slots: a microsecond apart when one slot comes in an
/// hour, and finer than the clock from one in four seconds on.
pub(crate) const PLACE_BITS: u32 = 32;

#[cfg(test)]
mod tests;
