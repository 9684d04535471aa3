//! When the iterations of one scenario start, once its load was changed on the way.
//!
//! A timetable is a fold of the plan and the amendments: a chain of segments. A segment plays a law (a profile of
//! rates; for closed models just the scenario's own clock) from some instant of the profile on, or holds it. No
//! change cuts a profile: it makes another one of the same stages and plays it from where the last one stood. So what
//! came before a change stays what it was to the nanosecond, and the numbers of the slots go on across it.
//!
//! ```text
//!  run time      0 s            30 s        40 s          50 s               90 s
//!  profile time  0 ──────────── 30          30 ────────── 40 ─────────────── 80 s (the plan's end)
//!                plan's own     held: pause  plan's own    `set-rate`: its own numbers, and points
//! ```
//!
//! Start reading at [`Timetable`]; how amendments become segments is in `fold`.

mod fold;

use std::sync::Arc;

use units::Nanos;

use crate::arrivals::Walk;
use crate::axis::Axis;
use crate::{Arrivals, Dealing, LoadModel, RateProfile, RunPlan, ScenarioId, Seed, Slots, UserSpan};

pub use fold::{AmendmentError, MOST_AMENDMENTS};

/// The whole schedule of one scenario under all amendments so far, whoever carries it. All instants are run time.
///
/// # Cost
/// What counts slots takes microseconds for uniform arrivals. For random ones it walks from the start of a segment:
/// about 5 ns for each slot up to the last instant asked for.
#[derive(Clone, Debug)]
pub struct Timetable {
    scenario: ScenarioId,
    seed: Seed,
    model: LoadModel,
    /// What segments play; none in a closed model.
    laws: Vec<RateLaw>,
    /// In order of their start; the first starts at zero.
    segments: Vec<Segment>,
}

/// Rates over the time of a profile.
#[derive(Clone, Debug)]
struct RateLaw {
    profile: RateProfile,
    /// Its number in the run: what its random arrivals are drawn by. That of the plan is 0, of others that of the
    /// amendment that made it, from 1.
    number: u64,
}

/// A stretch of run time in which the profile's clock moves, or is held.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Its start.
    start: Nanos,
    /// The profile's time at its start.
    at: Nanos,
    moving: bool,
    /// The law it plays.
    law: usize,
    /// The number of its first slot, or of the first one after it.
    first: u64,
}

/// A segment as [`Slots`] plays it.
#[derive(Debug)]
pub(crate) struct Playing<'a> {
    pub(crate) axis: &'a Axis,
    /// Random arrivals, from the segment's first on.
    pub(crate) walk: Option<Walk>,
    /// What to add to a slot's number for its number on the axis; wraps.
    pub(crate) shift: u64,
    /// What to add to an instant of the profile for one of run time; wraps.
    pub(crate) offset: u64,
    /// The first slot of the next segment, or none.
    pub(crate) end: u64,
}

/// A place in a timetable from which its slots can be walked.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    /// The first slot due from there on.
    pub(crate) n: u64,
    pub(crate) segment: usize,
    /// Random arrivals up to there.
    pub(crate) walk: Option<Walk>,
}

impl Timetable {
    /// The timetable of `scenario` of `plan` with all of `amendments`.
    ///
    /// # Errors
    /// When an amendment is impossible: see [`AmendmentError`].
    ///
    /// # Panics
    /// When there is no such scenario.
    pub fn new(
        plan: &RunPlan,
        scenario: ScenarioId,
        amendments: &[crate::Amendment],
    ) -> Result<Self, AmendmentError> {
        fold::fold(plan, scenario, amendments)
    }

    /// Whether iterations start by schedule.
    pub fn is_open(&self) -> bool {
        self.model.is_open()
    }

    /// When the scenario's plan ends: iterations start before this. `None` while a pause holds it.
    pub fn end(&self) -> Option<Nanos> {
        let last = self.last();
        let left = self.model.duration().saturating_sub(last.at);
        last.moving.then(|| last.start.saturating_add(left))
    }

    /// What the profile's clock shows at `t`; beyond the profile's end when the scenario has ended.
    pub fn profile_time(&self, t: Nanos) -> Nanos {
        self.segments[self.segment_at(t)].profile_time(t)
    }

    /// Whether the profile's clock moves at `t`: no iteration starts where it does not.
    pub fn is_moving(&self, t: Nanos) -> bool {
        self.segments[self.segment_at(t)].moving
    }

    /// Whether an iteration that starts at `t` counts (is not warm-up).
    ///
    /// # Cost
    /// A search among the segments and the stages.
    pub fn measured_at(&self, t: Nanos) -> bool {
        let segment = &self.segments[self.segment_at(t)];
        match &self.model {
            // A change of rates leaves the stages what they are.
            LoadModel::ArrivalRate { profile, .. } => profile.measured_at(segment.profile_time(t)),
            LoadModel::VirtualUsers { profile } => profile.measured_at(segment.profile_time(t)),
            LoadModel::SharedIterations { .. } => true,
        }
    }

    /// The rate per second at `t`, for display; zero in a pause, after the end and in a closed model.
    pub fn rate_at(&self, t: Nanos) -> f64 {
        let segment = &self.segments[self.segment_at(t)];
        match self.laws.get(segment.law) {
            Some(law) if segment.moving => law.profile.rate_at(segment.profile_time(t)),
            _ => 0.0,
        }
    }

    /// When slot `n` is due; `None` when the plan holds fewer, and in a closed model.
    pub fn due(&self, n: u64) -> Option<Nanos> {
        let playing = self.playing(self.segment_of(n)?)?;
        let index = n.wrapping_add(playing.shift);
        let mark = match playing.walk {
            None => u128::from(index),
            Some(mut walk) => walk.mark(index, playing.axis.total())?,
        };
        let due = playing.axis.due(mark)?;
        Some(Nanos::new(due.as_u64().wrapping_add(playing.offset)))
    }

    /// How many slots are due before `t`: also the number of the first one from `t` on. None in a closed model.
    pub fn before(&self, t: Nanos) -> u64 {
        self.cursor(t).n
    }

    /// How many slots there are; while a pause holds the profile, up to there.
    pub fn total(&self) -> u64 {
        self.before(self.end().unwrap_or(Nanos::MAX))
    }

    /// How many slots are due from each of `edges` up to, not including, the next: one number fewer than edges.
    ///
    /// # Panics
    /// When `edges` do not ascend.
    pub fn counts(&self, edges: &[Nanos]) -> Vec<u64> {
        assert!(edges.is_sorted(), "windows follow each other");
        let mut cursor = self.cursor(Nanos::ZERO);
        let reach = |edge: &Nanos| {
            self.advance(&mut cursor, *edge);
            cursor.n
        };
        let reached: Vec<u64> = edges.iter().map(reach).collect();
        reached.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// How many slots are due from `from` up to, not including, `to`.
    ///
    /// # Cost
    /// That of the slots in between, for random arrivals, wherever they are.
    pub fn due_between(&self, from: Nanos, to: Nanos) -> u64 {
        let mut count = 0;
        for (index, segment) in self.segments.iter().enumerate() {
            let until = self.segments.get(index + 1).map_or(Nanos::MAX, |next| next.start);
            let (from, to) = (from.max(segment.start), to.min(until));
            let Some(law) = self.laws.get(segment.law).filter(|_| segment.moving && from < to) else {
                continue;
            };
            let end = law.profile.duration();
            let (from, to) = (segment.profile_time(from).min(end), segment.profile_time(to).min(end));
            count += match self.arrivals() {
                Arrivals::Uniform => law.count(from, to, None),
                _ => law.count(from, to, Some(&mut law.walk(self.seed, self.scenario, from))),
            };
        }
        count
    }

    /// The slots of `thread` in its share that are due from `from` on, in order of their due time; none when it does
    /// not take part.
    pub fn slots(self: &Arc<Self>, dealing: &Dealing, thread: u32, from: Nanos) -> Slots {
        Slots::from_cursor(Arc::clone(self), &self.cursor(from), dealing.owned(thread))
    }

    /// When user `user` of a closed model starts iterations, in order; spans that touch are one. In an open model never.
    pub fn spans(&self, user: u32) -> Vec<UserSpan> {
        let whole = UserSpan { start: Nanos::ZERO, end: self.model.duration() };
        let active = match &self.model {
            LoadModel::ArrivalRate { .. } => Vec::new(),
            LoadModel::VirtualUsers { profile } => profile.spans(user),
            LoadModel::SharedIterations { vus, .. } if user < *vus => vec![whole],
            LoadModel::SharedIterations { .. } => Vec::new(),
        };
        let mut spans: Vec<UserSpan> = Vec::new();
        for (index, segment) in self.segments.iter().enumerate().filter(|(_, segment)| segment.moving) {
            let until = self.segments.get(index + 1).map_or(Nanos::MAX, |next| next.start);
            for span in &active {
                let at = |profile_time: Nanos| {
                    segment.start.saturating_add(profile_time.saturating_sub(segment.at)).min(until)
                };
                let span = UserSpan { start: at(span.start), end: at(span.end) };
                match spans.last_mut() {
                    _ if span.start >= span.end => {}
                    Some(last) if last.end == span.start => last.end = span.end,
                    _ => spans.push(span),
                }
            }
        }
        spans
    }

    /// Where the slots due from `t` on begin.
    pub(crate) fn cursor(&self, t: Nanos) -> Cursor {
        let segment = self.segments.partition_point(|segment| segment.start < t).saturating_sub(1);
        let walk = self.playing(segment).and_then(|playing| playing.walk);
        let mut cursor = Cursor { n: self.segments[segment].first, segment, walk };
        self.advance(&mut cursor, t);
        cursor
    }

    /// Moves `cursor` on to the slots due from `t` on, no earlier than it is.
    pub(crate) fn advance(&self, cursor: &mut Cursor, t: Nanos) {
        let index = self.segments.partition_point(|segment| segment.start < t).saturating_sub(1);
        let segment = &self.segments[index];
        if index != cursor.segment {
            *cursor = Cursor {
                n: segment.first,
                segment: index,
                walk: self.playing(index).and_then(|playing| playing.walk),
            };
        }
        let Some(law) = self.laws.get(segment.law).filter(|_| segment.moving) else { return };
        let to = segment.profile_time(t).min(law.profile.duration());
        cursor.n = segment.first + law.count(segment.at, to, cursor.walk.as_mut());
    }

    /// The last segment that begins with slot `n` or one before it.
    pub(crate) fn segment_of(&self, n: u64) -> Option<usize> {
        let after = self.segments.partition_point(|segment| segment.first <= n);
        let index = after.checked_sub(1)?;
        (self.segments[index].moving && !self.laws.is_empty()).then_some(index)
    }

    /// How to play segment `index`; `None` when it is held or has no slots by its nature.
    pub(crate) fn playing(&self, index: usize) -> Option<Playing<'_>> {
        let segment = self.segments.get(index)?;
        let law = self.laws.get(segment.law).filter(|_| segment.moving)?;
        let end = self.segments.get(index + 1).map_or(u64::MAX, |next| next.first);
        let offset = segment.start.as_u64().wrapping_sub(segment.at.as_u64());
        let Arrivals::Uniform = self.arrivals() else {
            let axis = law.profile.places();
            let walk = law.walk(self.seed, self.scenario, segment.at);
            let shift = 0_u64.wrapping_sub(segment.first);
            return Some(Playing { axis, walk: Some(walk), shift, offset, end });
        };
        let shift = law.profile.due_before(segment.at).wrapping_sub(segment.first);
        Some(Playing { axis: law.profile.slots(), walk: None, shift, offset, end })
    }

    fn arrivals(&self) -> Arrivals {
        match &self.model {
            LoadModel::ArrivalRate { arrivals, .. } => *arrivals,
            _ => Arrivals::Uniform,
        }
    }

    /// The segment in force at `t`.
    fn segment_at(&self, t: Nanos) -> usize {
        self.segments.partition_point(|segment| segment.start <= t).saturating_sub(1)
    }

    fn last(&self) -> &Segment {
        &self.segments[self.segments.len() - 1]
    }
}

impl Segment {
    /// What the profile's clock shows at `t`, not before the segment's start.
    fn profile_time(&self, t: Nanos) -> Nanos {
        if self.moving { self.at.saturating_add(t.saturating_sub(self.start)) } else { self.at }
    }
}

impl RateLaw {
    /// Its random arrivals, point 0 being the first that is due from `at` on.
    fn walk(&self, seed: Seed, scenario: ScenarioId, at: Nanos) -> Walk {
        Walk::new(seed, scenario, self.number).starting_at(self.profile.places().due_before(at))
    }

    /// How many slots are due from `from` up to, not including, `to`; `walk`, for random arrivals, began at `from`.
    fn count(&self, from: Nanos, to: Nanos, walk: Option<&mut Walk>) -> u64 {
        match walk {
            None => self.profile.due_before(to) - self.profile.due_before(from),
            Some(walk) => walk.points_before(self.profile.places().due_before(to)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
