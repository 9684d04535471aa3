//! The state of one scenario on one thread: what starts its iterations, and when it is over.

use std::collections::VecDeque;
use std::iter::Peekable;

use metrics::Period;
use plan::{Dealing, Overload, RateProfile, ScenarioPlan, Slot, Slots, UserProfile};
use units::{Nanos, Timestamp};

use crate::deal::Quota;

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
    /// Whether an order or the deadline has ended it early.
    pub(crate) stopped: bool,
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
    pub(crate) profile: RateProfile,
    pub(crate) overload: Overload,
    /// Slots that were released and wait for a user, oldest first.
    pub(crate) queue: VecDeque<Waiting>,
    /// Users without an iteration, the one used last on top: its connection is warm.
    pub(crate) free: Vec<u32>,
    /// Users made so far.
    pub(crate) made: u32,
    /// The most there may be.
    pub(crate) limit: u32,
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
    pub(crate) kind: ClosedKind,
    /// Users of the scenario over all workers: iterations of user u are numbered u, u + this, u + 2 × this, …
    pub(crate) all_users: u64,
    pub(crate) active: u32,
}

/// What bounds a closed model.
#[derive(Debug)]
pub(crate) enum ClosedKind {
    /// A number of users over time.
    Users(UserProfile),
    /// A quota of iterations.
    Quota(Quota),
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
    /// A scenario whose profile starts at `start`.
    pub(crate) fn new(load: Load, plan: &ScenarioPlan, start: Timestamp) -> Self {
        let ends = start + plan.load.duration();
        Self { load, in_flight: 0, peak: 0, ends, deadline: ends + plan.graceful_stop, stopped: false }
    }

    /// Whether no iteration runs and none will be started.
    pub(crate) fn is_over(&mut self, now: Timestamp) -> bool {
        if self.in_flight > 0 {
            return false;
        }
        match &mut self.load {
            Load::Open(open) => {
                (self.stopped || now >= self.ends) && open.next_slot().is_none() && open.queue.is_empty()
            }
            Load::Closed(closed) => match &mut closed.kind {
                ClosedKind::Users(_) => self.stopped || now >= self.ends,
                ClosedKind::Quota(quota) => self.stopped || quota.is_empty(),
            },
        }
    }

    /// The next instant after `now` at which the scenario does something by itself; an instant that has passed
    /// where it has not got round to something.
    pub(crate) fn next_instant(&mut self, start: Timestamp, now: Timestamp) -> Timestamp {
        let mut next = if self.in_flight > 0 { self.deadline } else { Timestamp::NEVER };
        if !self.stopped && self.ends > now {
            next = next.min(self.ends);
        }
        match &mut self.load {
            Load::Open(open) => {
                if let Some(slot) = open.next_slot() {
                    next = next.min(start + slot.due);
                }
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
    /// The next slot that is to be released.
    pub(crate) fn next_slot(&mut self) -> Option<Slot> {
        self.slots.as_mut()?.peek().copied()
    }

    /// The period of a slot due at `due`.
    pub(crate) fn period(&self, due: Nanos) -> Period {
        Period::from_measured(self.profile.measured_at(due))
    }
}

impl Closed {
    /// The period of an iteration that starts `after` the run's start.
    pub(crate) fn period(&self, after: Nanos) -> Period {
        match &self.kind {
            ClosedKind::Users(profile) => Period::from_measured(profile.measured_at(after)),
            ClosedKind::Quota(_) => Period::Measured,
        }
    }
}
