//! The slots of one thread.

use units::Nanos;

use crate::arrivals::Walk;
use crate::axis::Axis;
use crate::{Arrivals, Dealing, Owned, RateProfile, ScenarioId, Schedule, Seed, Share, ShareError};

/// One planned start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its number in the scenario, over all shares.
    pub n: u64,
    /// When it is due, from the run's start.
    pub due: Nanos,
}

/// The slots of one scenario that one thread of one share fires, in order of their due time.
///
/// # Cost
/// `next` does not allocate. Uniform arrivals jump from one own slot to the next: one division at a constant
/// rate (about 6 ns), a square root and a few multiplications in a ramp (about 45 ns), however many shares there
/// are. Random arrivals cost about 20 ns more for an own slot, and 5 ns for each foreign slot on the way to it.
#[derive(Clone, Debug)]
pub struct Slots {
    owned: Owned,
    axis: Axis,
    /// Where on the axis the last slot was.
    piece: usize,
    /// For random arrivals, where among the points it was.
    walk: Option<Walk>,
}

impl Slots {
    /// Walks the slots of thread `thread` of `threads` in `share`, for a scenario whose users are not limited; for
    /// one with `max_vus` use [`Schedule::slots`] with what [`LoadModel::deal`](crate::LoadModel::deal) gives.
    ///
    /// # Errors
    /// When the weights of `share` are no dealing or do not hold its index.
    ///
    /// # Panics
    /// When `threads` is 0.
    pub fn new(
        profile: &RateProfile,
        arrivals: Arrivals,
        seed: Seed,
        scenario: ScenarioId,
        share: &Share,
        thread: u32,
        threads: u32,
    ) -> Result<Self, ShareError> {
        let dealing = Dealing::new(share, scenario, None, threads)?;
        Ok(Schedule { profile, arrivals, seed, scenario }.slots(&dealing, thread))
    }

    pub(crate) fn of(schedule: &Schedule<'_>, owned: Owned) -> Self {
        let Schedule { profile, arrivals, seed, scenario } = *schedule;
        let (axis, walk) = match arrivals {
            Arrivals::Uniform => (profile.slots(), None),
            Arrivals::Poisson => (profile.places(), Some(Walk::new(seed, scenario))),
        };
        Self { owned, axis: axis.clone(), piece: 0, walk }
    }
}

impl Iterator for Slots {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        let n = self.owned.next()?;
        let mark = match &mut self.walk {
            None => u128::from(n),
            Some(walk) => walk.mark(n, self.axis.total())?,
        };
        let due = self.axis.due_walking(mark, &mut self.piece)?;
        Some(Slot { n, due })
    }
}

// Indices only grow, and past the profile's end every one of them gives `None`.
impl std::iter::FusedIterator for Slots {}

#[cfg(test)]
mod tests;
