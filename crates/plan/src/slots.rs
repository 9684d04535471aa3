//! The slots of one thread.

use std::sync::Arc;

use units::Nanos;

use crate::arrivals::Walk;
use crate::axis::Axis;
use crate::timetable::{Cursor, Timetable};
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
/// Where the load of the run was changed, the first slot after the change costs a copy of the new law's axis.
#[derive(Clone, Debug)]
pub struct Slots {
    owned: Owned,
    axis: Axis,
    /// Where on the axis the last slot was.
    piece: usize,
    /// For random arrivals, where among the points it was.
    walk: Option<Walk>,
    /// What to add to a slot's number for its number on the axis; wraps.
    shift: u64,
    /// What to add to an instant on the axis for one of run time; wraps.
    offset: u64,
    /// The first slot that is none of this segment's.
    end: u64,
    /// What the segments come from, where the load may have been changed.
    rest: Option<Arc<Timetable>>,
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
            Arrivals::Poisson => (profile.places(), Some(Walk::new(seed, scenario, 0))),
        };
        Self { owned, axis: axis.clone(), piece: 0, walk, shift: 0, offset: 0, end: u64::MAX, rest: None }
    }

    /// Those of `owned` in `timetable` from `cursor` on.
    pub(crate) fn from_cursor(timetable: Arc<Timetable>, cursor: &Cursor, owned: Owned) -> Self {
        let owned = owned.starting_at(cursor.n);
        let Some(playing) = timetable.playing(cursor.segment) else {
            // Nothing before a later segment, if there is one.
            let (axis, rest) = (Axis::default(), Some(timetable));
            return Self { owned, axis, piece: 0, walk: None, shift: 0, offset: 0, end: 0, rest };
        };
        Self {
            owned,
            axis: playing.axis.clone(),
            piece: 0,
            walk: cursor.walk.clone().or(playing.walk),
            shift: playing.shift,
            offset: playing.offset,
            end: playing.end,
            rest: Some(timetable),
        }
    }

    /// Goes on to the segment that holds slot `n`; whether there is one.
    #[cold]
    #[inline(never)]
    fn enter_segment_of(&mut self, n: u64) -> bool {
        let Some(timetable) = &self.rest else { return false };
        let Some(playing) = timetable.segment_of(n).and_then(|index| timetable.playing(index)) else {
            return false;
        };
        self.axis = playing.axis.clone();
        self.piece = 0;
        (self.walk, self.shift, self.offset) = (playing.walk, playing.shift, playing.offset);
        self.end = playing.end;
        true
    }
}

impl Iterator for Slots {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        let n = self.owned.next()?;
        if n >= self.end && !self.enter_segment_of(n) {
            return None;
        }
        let index = n.wrapping_add(self.shift);
        let mark = match &mut self.walk {
            None => u128::from(index),
            Some(walk) => walk.mark(index, self.axis.total())?,
        };
        let due = self.axis.due_walking(mark, &mut self.piece)?;
        Some(Slot { n, due: Nanos::new(due.as_u64().wrapping_add(self.offset)) })
    }
}

// Indices only grow, and past the last segment's end every one of them gives `None`.
impl std::iter::FusedIterator for Slots {}

#[cfg(test)]
mod tests;
