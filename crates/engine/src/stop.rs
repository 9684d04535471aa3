//! The end of a scenario before its natural one.

use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;

use metrics::{Period, Record, UnsentReason};
use plan::{Course, Dealing, ScenarioId, Slot, Slots, Timetable};
use units::{Clock, Nanos, Timestamp};

use crate::core::{Core, digest};
use crate::port::{CallId, Protocol};
use crate::scenario::{Load, Waiting};
use crate::schedule::MAX_CATCH_UP;
use crate::user::State;

/// What is left of a scenario's schedule by one revision.
struct Rest {
    slots: Peekable<Slots>,
    dealing: Dealing,
    timetable: Arc<Timetable>,
    /// The revision is in force until this run time.
    until: Nanos,
}

impl<P: Protocol, R: Record, C: Clock> Core<P, R, C> {
    /// Starts no more iterations; cancels at `until` what is in flight then. A worker whose lease is over leaves instead:
    /// what is left is not its own to be booked.
    pub(crate) fn drain(&mut self, until: Timestamp) {
        let now = self.clock.now();
        if !self.lease.holds(now) {
            return self.give_up(now, until);
        }
        let revisions = self.revisions.take_waiting();
        for scenario in 0..self.scenarios.len() {
            self.stop_scenario_with(scenario, &revisions);
            let state = &mut self.scenarios[scenario];
            state.deadline = state.deadline.min(until);
        }
        self.revise_at = Timestamp::NEVER;
        // A stopped scenario has no instants of its own left but this one.
        self.next_scheduled = self.next_scheduled.min(until);
    }

    /// As [`Core::drain`], but what is left is no longer this worker's.
    pub(crate) fn leave(&mut self, until: Timestamp) {
        self.give_up(self.clock.now(), until);
    }

    /// Takes note that the lease is over: what is in flight may end, nothing else happens.
    #[cold]
    #[inline(never)]
    pub(crate) fn lapse(&mut self, now: Timestamp) {
        if self.scenarios.iter().any(|scenario| !scenario.stopped) {
            self.give_up(now, now + LAPSE_DRAIN);
        }
    }

    fn give_up(&mut self, now: Timestamp, until: Timestamp) {
        let mut left_at = None;
        for scenario in 0..self.scenarios.len() {
            let state = &mut self.scenarios[scenario];
            state.deadline = state.deadline.min(until);
            if state.stopped {
                continue;
            }
            if !state.has_started_all(now) {
                // What was due before now and is not taken up is not carried either.
                let from = now.saturating_since(self.start);
                let from = state.next_slot().map_or(from, |slot| slot.due.min(from));
                left_at = Some(left_at.map_or(from, |left: Nanos| left.min(from)));
            }
            state.stopped = true;
            match &mut state.load {
                Load::Open(open) => {
                    open.slots = None;
                    for Waiting { slot, period, .. } in open.queue.drain(..) {
                        let mix = digest(scenario, slot);
                        self.recorder.slot_unsent(scenario, UnsentReason::LeaseEnded, mix, period);
                    }
                }
                Load::Closed(_) => self.end_users(scenario),
            }
        }
        self.left_at = self.left_at.or(left_at);
        self.revisions.take_waiting();
        self.revise_at = Timestamp::NEVER;
        self.next_scheduled = self.next_scheduled.min(until);
        self.ended = true;
    }

    /// Lets no user of a closed model start another iteration.
    fn end_users(&mut self, scenario: usize) {
        if let Load::Closed(closed) = &mut self.scenarios[scenario].load {
            closed.next = closed.changes.len();
            closed.active = 0;
        }
        for user in self.users.iter_mut().filter(|user| user.scenario as usize == scenario) {
            user.active = false;
        }
    }

    /// Starts no more iterations of `scenario`; its slots that are left are unsent: stopped, or missed by a stall before.
    pub(crate) fn stop_scenario(&mut self, scenario: usize) {
        self.stop_scenario_with(scenario, &[]);
    }

    /// The same, where slots belong to `revisions` that were not in force yet.
    fn stop_scenario_with(&mut self, scenario: usize, revisions: &[(Range<Nanos>, Arc<Course>)]) {
        let state = &mut self.scenarios[scenario];
        if std::mem::replace(&mut state.stopped, true) {
            return;
        }
        let (now, until) = (self.clock.now(), state.until);
        match &mut state.load {
            Load::Open(open) => {
                for Waiting { slot, period, .. } in open.queue.drain(..) {
                    self.recorder.slot_unsent(
                        scenario,
                        UnsentReason::Stopped,
                        digest(scenario, slot),
                        period,
                    );
                }
                let Some(slots) = open.slots.take() else { return };
                let (dealing, timetable) = (open.dealing.clone(), Arc::clone(&state.timetable));
                self.book_rest(scenario, now, Rest { slots, dealing, timetable, until });
                let id = ScenarioId(scenario as u32);
                for (in_force, course) in revisions {
                    let mut slots = course.slots(id, self.thread).peekable();
                    while slots.next_if(|slot| slot.due < in_force.start).is_some() {}
                    let (dealing, timetable) = (course.dealing(id).clone(), Arc::clone(course.timetable(id)));
                    self.book_rest(scenario, now, Rest { slots, dealing, timetable, until: in_force.end });
                }
            }
            Load::Closed(closed) => {
                if let Some(quota) = &mut closed.quota {
                    let due = now.saturating_since(self.start);
                    for n in quota.by_ref().take(self.listable) {
                        self.listable -= 1;
                        let mix = digest(scenario, Slot { n, due });
                        self.recorder.slot_due(scenario, mix, Period::Measured);
                        self.recorder.slot_unsent(scenario, UnsentReason::Stopped, mix, Period::Measured);
                    }
                    self.recorder.slots_stopped(scenario, quota.take_rest(), Period::Measured);
                }
                self.end_users(scenario);
            }
        }
    }

    /// Books what is left: one by one with the digests as far as that is quick, the others by their count.
    fn book_rest(&mut self, scenario: usize, now: Timestamp, mut rest: Rest) {
        let until = rest.until;
        while self.listable > 0
            && let Some(slot) = rest.slots.next_if(|slot| slot.due < until)
        {
            self.listable -= 1;
            let period = Period::from_measured(rest.timetable.measured_at(slot.due));
            // What was overdue already was not kept from its start by the stop.
            let stalled = now.saturating_since(self.start + slot.due) > MAX_CATCH_UP;
            let reason = if stalled { UnsentReason::GeneratorStall } else { UnsentReason::Stopped };
            self.recorder.slot_due(scenario, digest(scenario, slot), period);
            self.recorder.slot_unsent(scenario, reason, digest(scenario, slot), period);
        }
        if let Some(slot) = rest.slots.next_if(|slot| slot.due < until) {
            let all = rest.timetable.before(rest.until);
            let left = rest.dealing.count(self.thread, all) - rest.dealing.count(self.thread, slot.n);
            let period = Period::from_measured(rest.timetable.measured_at(slot.due));
            self.recorder.slots_stopped(scenario, left, period);
        }
    }

    /// Ends `scenario` now: what is in flight is cancelled.
    pub(crate) fn cut(&mut self, scenario: usize) {
        self.stop_scenario(scenario);
        self.scenarios[scenario].deadline = Timestamp::NEVER;
        if self.scenarios[scenario].in_flight == 0 {
            return;
        }
        let now = self.clock.now();
        for place in 0..self.users.len() as u32 {
            let user = &mut self.users[place as usize];
            if user.scenario as usize != scenario {
                continue;
            }
            match &user.state {
                State::Calling(_) => {
                    // The program does not go on after it.
                    user.op = u32::MAX;
                    self.protocol.cancel(CallId(place), &self.clock, &mut self.outbox);
                }
                State::Thinking => {
                    user.iteration.cancelled = true;
                    self.timers.clear(place);
                    self.end_iteration(place, now);
                }
                State::Living { mailbox, busy: true } => mailbox.cancel(),
                State::Living { .. } | State::Idle => {}
            }
            self.handle_events();
        }
    }
}

/// How long what is in flight may take to end once the lease is over, unless an order says otherwise.
const LAPSE_DRAIN: Nanos = Nanos::from_secs(2);

/// Slots of stopped schedules that a thread lists one by one with their digests: some 50 ms, in which it reads no
/// response. Those beyond are counted; what was never sent needs no proof.
pub(crate) const MAX_LISTED: usize = if cfg!(test) { 1 << 10 } else { 1 << 20 };
