//! The state of one scenario on one thread: what starts its iterations, and when it is over.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::Arc;

use metrics::Period;
use plan::{Dealing, Overload, Slot, Slots, Timetable};
use units::{Nanos, Timestamp};

use crate::deal::Quota;
use crate::tracer::Marking;

/// One scenario on one thread.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) load: Load,
    /// Iterations that run.
    pub(crate) in_flight: u32,
    /// The most that ran at once in the interval at hand.
    pub(crate) peak: u32,
    /// When no more iterations start by themselves.
    pub(crate) ends: Timestamp,
    /// When what is still in flight is cancelled.
    pub(crate) deadline: Timestamp,
    /// Whether an order, the deadline or the end of the lease has ended it early.
    pub(crate) stopped: bool,
    /// When iterations start, over all shares.
    pub(crate) timetable: Arc<Timetable>,
    /// What is due from this run time on is by a revision that is not in force yet.
    pub(crate) until: Nanos,
    /// How its iterations are marked for tracing.
    pub(crate) marking: Marking,
}

/// What starts iterations.
#[derive(Debug)]
pub(crate) enum Load {
    Open(Box<Open>),
    Closed(Box<Closed>),
}

/// An open model: slots by schedule, users as they are needed.
#[derive(Debug)]
pub(crate) struct Open {
    /// Slots that are not released yet; `None` once the schedule has been stopped.
    pub(crate) slots: Option<Peekable<Slots>>,
    /// Whose the slots are.
    pub(crate) dealing: Dealing,
    pub(crate) overload: Overload,
    /// Slots that were released and wait for a user, oldest first.
    pub(crate) queue: VecDeque<Waiting>,
    /// Users without an iteration, the one used last on top: its connection is warm.
    pub(crate) free: Vec<u32>,
    /// Users that are too many for the present share, kept for a larger one.
    pub(crate) retired: Vec<u32>,
    /// Users at hand: busy or free.
    pub(crate) made: u32,
    /// The most there may be.
    pub(crate) limit: u32,
    /// Users of the scenario over all workers, if they are limited.
    pub(crate) all_users: Option<u32>,
    /// The most there may be whatever the share is.
    pub(crate) bound: u32,
}

/// A slot that found no free user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) slot: Slot,
    pub(crate) released: Timestamp,
    pub(crate) period: Period,
}

/// A closed model: a user starts its next iteration when it is free.
#[derive(Debug)]
pub(crate) struct Closed {
    /// When users become active and inactive, in order of time.
    pub(crate) changes: Vec<Change>,
    /// The next change.
    pub(crate) next: usize,
    /// What bounds it beside time, if anything does.
    pub(crate) quota: Option<Quota>,
    /// Users of the scenario over all workers: iterations of user u are numbered u, u + this, u + 2 × this, …
    pub(crate) all_users: u64,
    pub(crate) active: u32,
}

/// A user becomes active or inactive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    pub(crate) at: Nanos,
    /// Inactive sorts first: a user that ends and starts in the same instant goes on.
    pub(crate) active: bool,
    pub(crate) user: u32,
}

/// More slots than this wait on no thread: 6 MiB.
pub(crate) const MAX_QUEUE: usize = 262_144;

impl Scenario {
    /// A scenario that goes by `timetable`, whose run time starts at `start`.
    pub(crate) fn new(
        load: Load,
        timetable: &Arc<Timetable>,
        start: Timestamp,
        graceful_stop: Nanos,
    ) -> Self {
        let mut scenario = Self {
            load,
            in_flight: 0,
            peak: 0,
            ends: start,
            deadline: start,
            stopped: false,
            timetable: Arc::clone(timetable),
            until: Nanos::MAX,
            marking: Marking::default(),
        };
        scenario.set_timetable(timetable, start, graceful_stop);
        scenario
    }

    /// Goes by `timetable` from now on.
    pub(crate) fn set_timetable(
        &mut self,
        timetable: &Arc<Timetable>,
        start: Timestamp,
        graceful_stop: Nanos,
    ) {
        self.timetable = Arc::clone(timetable);
        // While a pause holds it, it has no end.
        self.ends = timetable.end().map_or(Timestamp::NEVER, |end| start + end);
        self.deadline = self.ends + graceful_stop;
    }

    /// Whether no iteration runs and none will be started.
    pub(crate) fn is_over(&mut self, now: Timestamp) -> bool {
        self.in_flight == 0 && (self.stopped || self.has_started_all(now)) && !self.has_waiting()
    }

    /// Whether no iteration will be started, unless it waits already.
    pub(crate) fn has_started_all(&mut self, now: Timestamp) -> bool {
        match &mut self.load {
            Load::Open(_) => now >= self.ends && self.next_slot().is_none(),
            Load::Closed(closed) => match &mut closed.quota {
                None => now >= self.ends,
                Some(quota) => quota.is_empty(),
            },
        }
    }

    fn has_waiting(&self) -> bool {
        matches!(&self.load, Load::Open(open) if !open.queue.is_empty())
    }

    /// The next slot that is to be released by the revision in force.
    pub(crate) fn next_slot(&mut self) -> Option<Slot> {
        let Load::Open(open) = &mut self.load else { return None };
        let next = open.slots.as_mut()?.peek().copied();
        next.filter(|slot| slot.due < self.until)
    }

    /// The period of an iteration that starts at `after` of run time.
    pub(crate) fn period(&self, after: Nanos) -> Period {
        Period::from_measured(self.timetable.measured_at(after))
    }

    /// The next instant after `now` at which the scenario does something by itself; an instant that has passed
    /// where it has not got round to something.
    pub(crate) fn next_instant(&mut self, start: Timestamp, now: Timestamp) -> Timestamp {
        let mut next = if self.in_flight > 0 { self.deadline } else { Timestamp::NEVER };
        if !self.stopped && self.ends > now {
            next = next.min(self.ends);
        }
        if let Some(slot) = self.next_slot() {
            next = next.min(start + slot.due);
        }
        match &self.load {
            Load::Open(open) => {
                if let (Some(waiting), Overload::Queue { timeout }) = (open.queue.front(), open.overload) {
                    next = next.min(start + waiting.slot.due + timeout);
                }
            }
            Load::Closed(closed) => {
                if let Some(change) = closed.changes.get(closed.next) {
                    next = next.min(start + change.at);
                }
            }
        }
        next
    }
}

impl Open {
    /// Puts users aside that are more than there may be, of those without an iteration.
    pub(crate) fn retire(&mut self) {
        while self.made > self.limit
            && let Some(user) = self.free.pop()
        {
            self.made -= 1;
            self.retired.push(user);
        }
    }
}

impl Closed {
    /// A closed model with `all_users` users over all workers.
    pub(crate) fn new(all_users: u32, quota: Option<Quota>, changes: Vec<Change>) -> Self {
        Self { changes, next: 0, quota, all_users: u64::from(all_users), active: 0 }
    }
}
