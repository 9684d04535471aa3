//! The end of a thread's part before its natural one.

use std::collections::VecDeque;
use std::sync::Arc;

use metrics::{IterationOutcome, Outcome, Period, Record, UnsentReason};
use plan::{Course, ScenarioId, Slot};
use units::{Nanos, Timestamp};

use super::load::Load;
use super::{EngineThread, MAX_CATCH_UP, digest};

/// How long what is in flight may take to end once the lease is over.
const LAPSE_DRAIN: Nanos = Nanos::from_secs(2);

impl EngineThread {
    /// Starts no more; cancels at `until` what is in flight then.
    pub(crate) fn drain(&mut self, until: Timestamp) {
        let now = self.now;
        if !self.lease.holds(now) {
            return self.give_up(now, until);
        }
        let waiting: Vec<(Nanos, Arc<Course>)> = self.waiting.drain(..).collect();
        for scenario in 0..self.scenarios.len() {
            self.stop_scenario(scenario, &waiting, now);
            let state = &mut self.scenarios[scenario];
            state.deadline = state.deadline.min(until);
        }
        self.revise_at = Timestamp::NEVER;
    }

    /// The same, but what is left is no longer this worker's.
    pub(crate) fn leave(&mut self, until: Timestamp) {
        self.give_up(self.now, until);
    }

    /// The lease is over.
    pub(super) fn lapse(&mut self, now: Timestamp) {
        if self.scenarios.iter().any(|scenario| !scenario.stopped) {
            self.give_up(now, now + LAPSE_DRAIN);
        }
    }

    fn give_up(&mut self, now: Timestamp, until: Timestamp) {
        for scenario in &mut self.scenarios {
            scenario.deadline = scenario.deadline.min(until);
            if scenario.stopped {
                continue;
            }
            if !scenario.has_started_all(now) {
                let from = now.saturating_since(self.start);
                let from = scenario.next_slot().map_or(from, |slot| slot.due.min(from));
                self.left_at = Some(self.left_at.map_or(from, |left| left.min(from)));
            }
            scenario.stopped = true;
            match &mut scenario.load {
                Load::Open { slots, .. } => *slots = None,
                Load::Closed { .. } => scenario.end_users(),
            }
        }
        self.waiting.clear();
        self.revise_at = Timestamp::NEVER;
    }

    /// Starts no more iterations of a scenario; what is left of it, also by revisions that wait, is unsent.
    pub(super) fn stop_scenario(&mut self, index: usize, waiting: &[(Nanos, Arc<Course>)], now: Timestamp) {
        let (start, thread) = (self.start, self.thread);
        let scenario = &mut self.scenarios[index];
        if std::mem::replace(&mut scenario.stopped, true) {
            return;
        }
        let until = scenario.until;
        let mut left: Vec<(Slot, Period)> = Vec::new();
        let mut is_quota = false;
        match &mut scenario.load {
            Load::Open { slots, .. } => {
                let rest = slots.take().into_iter().flatten().take_while(|slot| slot.due < until);
                left.extend(
                    rest.map(|slot| (slot, Period::from_measured(scenario.timetable.measured_at(slot.due)))),
                );
                for (place, (from, course)) in waiting.iter().enumerate() {
                    let end = waiting.get(place + 1).map_or(Nanos::MAX, |(next, _)| *next);
                    let id = ScenarioId(index as u32);
                    let rest = course.slots(id, thread).skip_while(|slot| slot.due < *from);
                    let table = course.timetable(id);
                    left.extend(
                        rest.take_while(|slot| slot.due < end)
                            .map(|slot| (slot, Period::from_measured(table.measured_at(slot.due)))),
                    );
                }
            }
            Load::Closed { quota, .. } => {
                is_quota = true;
                let due = now.saturating_since(start);
                if let Some(quota) = quota {
                    let rest = std::iter::from_fn(|| quota.owned.next_if(|n| *n < quota.end));
                    left.extend(rest.map(|n| (Slot { n, due }, Period::Measured)));
                }
                scenario.end_users();
            }
        }
        for (slot, period) in left {
            let is_stalled = !is_quota && now.saturating_since(start + slot.due) > MAX_CATCH_UP;
            let reason = if is_stalled { UnsentReason::GeneratorStall } else { UnsentReason::Stopped };
            self.record().slot_due(index, digest(index, slot), period);
            self.record().slot_unsent(index, reason, digest(index, slot), period);
        }
    }

    /// Ends a scenario now: what is in flight is cancelled.
    pub(super) fn cut(&mut self, index: usize, now: Timestamp) {
        self.stop_scenario(index, &[], now);
        self.scenarios[index].deadline = Timestamp::NEVER;
        let flights = std::mem::take(&mut self.flights);
        let (cut, kept): (VecDeque<_>, _) = flights.into_iter().partition(|flight| flight.scenario == index);
        self.flights = kept;
        for flight in cut {
            self.end_request(&flight, now, Outcome::Cancelled);
            self.end_iteration(&flight, now, IterationOutcome::Cancelled);
        }
    }
}

impl super::Scenario {
    /// Lets no user start another iteration.
    fn end_users(&mut self) {
        if let Load::Closed { changes, next, users, .. } = &mut self.load {
            *next = changes.len();
            users.iter_mut().for_each(|user| user.is_active = false);
        }
    }
}
