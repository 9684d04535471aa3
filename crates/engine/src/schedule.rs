//! What starts iterations: slots that come due, users that become active.

use metrics::{DropReason, Period, Record, UnsentReason};
use plan::{Overload, Slot};
use units::{Clock, Nanos, Timestamp};

use crate::core::{Core, digest};
use crate::port::Protocol;
use crate::scenario::{Load, MAX_QUEUE, Waiting};
use crate::user::Iteration;

impl<P: Protocol, R: Record, C: Clock> Core<P, R, C> {
    pub(crate) fn run_schedule(&mut self, now: Timestamp) {
        if now < self.next_scheduled {
            return;
        }
        for scenario in 0..self.scenarios.len() {
            match self.scenarios[scenario].load {
                Load::Open(_) => self.run_open(scenario, now),
                Load::Closed(_) => self.run_closed(scenario, now),
            }
            // A revision that is due may move the end.
            if now >= self.scenarios[scenario].deadline && now < self.revise_at {
                self.cut(scenario);
            }
        }
        if now >= self.revise_at {
            self.apply_revisions(now);
        }
        self.handle_events();
    }

    /// Releases the slots that are due, and gives up those that waited too long.
    pub(crate) fn run_open(&mut self, scenario: usize, now: Timestamp) {
        let start = self.start;
        let mut now = now;
        for _ in 0..SLOTS_AT_ONCE {
            if !self.lease.holds(now) {
                return self.lapse(now);
            }
            let state = &mut self.scenarios[scenario];
            let Load::Open(open) = &mut state.load else { return };
            let is_due = |slot: &Slot| slot.due < state.until && start + slot.due <= now;
            let Some(slot) = open.slots.as_mut().and_then(|slots| slots.next_if(is_due)) else { break };
            let period = state.period(slot.due);
            self.release(scenario, slot, period, now);
            // The next one is released after this one was sent, and says so.
            now = self.clock.now();
        }
        while let Load::Open(open) = &mut self.scenarios[scenario].load
            && let Overload::Queue { timeout } = open.overload
            && let Some(waiting) = open.queue.front()
            && start + waiting.slot.due + timeout <= now
        {
            let Waiting { slot, period, .. } = *waiting;
            open.queue.pop_front();
            self.recorder.slot_dropped(scenario, DropReason::QueueTimeout, digest(scenario, slot), period);
        }
    }

    /// Takes up one slot: starts its iteration, queues it or counts why not.
    pub(crate) fn release(&mut self, scenario: usize, slot: Slot, period: Period, now: Timestamp) {
        let mix = digest(scenario, slot);
        self.recorder.slot_due(scenario, mix, period);
        let intended = self.start + slot.due;
        if now.saturating_since(intended) > MAX_CATCH_UP {
            self.recorder.slot_unsent(scenario, UnsentReason::GeneratorStall, mix, period);
            return;
        }
        let waiting = Waiting { slot, released: now, period };
        if let Some(user) = self.take_user(scenario) {
            return self.start_slot(user, waiting, now);
        }
        let Load::Open(open) = &mut self.scenarios[scenario].load else { return };
        if open.overload != Overload::Drop && open.queue.len() < MAX_QUEUE {
            open.queue.push_back(waiting);
        } else {
            // Our own lateness bunches slots, and a bunch finds no users: that must show.
            self.recorder.dispatch_lag(scenario, now.saturating_since(intended), period);
            let queued = open.overload != Overload::Drop;
            let reason = if queued { DropReason::QueueFull } else { DropReason::NoUser };
            self.recorder.slot_dropped(scenario, reason, mix, period);
        }
    }

    /// A user of an open model for an iteration; `None` when there may be no more.
    pub(crate) fn take_user(&mut self, scenario: usize) -> Option<u32> {
        let Load::Open(open) = &mut self.scenarios[scenario].load else { return None };
        if let Some(user) = open.free.pop() {
            return Some(user);
        }
        if open.made >= open.limit {
            return None;
        }
        let number = open.made * self.threads + self.thread;
        open.made += 1;
        open.retired.pop().or_else(|| Some(self.add_user(scenario as u32, number, 0)))
    }

    pub(crate) fn start_slot(&mut self, user: u32, waiting: Waiting, now: Timestamp) {
        let Waiting { slot, released, period } = waiting;
        let iteration = Iteration::new(slot.n, self.start + slot.due, released, now, period);
        let mix = digest(self.users[user as usize].scenario as usize, slot);
        self.start_iteration(user, iteration, mix);
    }

    /// Makes users active and inactive as their profile says.
    pub(crate) fn run_closed(&mut self, scenario: usize, now: Timestamp) {
        let start = self.start;
        while let Load::Closed(closed) = &mut self.scenarios[scenario].load
            && let Some(change) = closed.changes.get(closed.next).copied()
            && start + change.at <= now
        {
            closed.next += 1;
            let user = &mut self.users[change.user as usize];
            user.active = change.active;
            if !change.active {
                closed.active -= 1;
                continue;
            }
            closed.active += 1;
            if !user.is_busy() {
                self.start_next(change.user, start + change.at, now);
                self.handle_events();
            }
        }
        let state = &self.scenarios[scenario];
        if now >= state.ends && !state.stopped && now < self.revise_at {
            self.stop_scenario(scenario);
        }
    }

    /// Starts the next iteration of a closed model's user that became free at `intended`.
    pub(crate) fn start_next(&mut self, user: u32, intended: Timestamp, now: Timestamp) {
        let place = user as usize;
        let scenario = self.users[place].scenario as usize;
        let state = &mut self.scenarios[scenario];
        let after = now.saturating_since(self.start);
        // After the end of the revision in force it is for the next one to say whether the user goes on.
        if !self.users[place].active || state.stopped || now >= state.ends || after >= state.until {
            return;
        }
        if !self.lease.holds(now) {
            return self.lapse(now);
        }
        let period = state.period(after);
        let Load::Closed(closed) = &mut state.load else { return };
        let n = match &mut closed.quota {
            None => self.users[place].next_iteration(closed.all_users),
            Some(quota) => match quota.next() {
                Some(n) => n,
                None => return,
            },
        };
        let mix = digest(scenario, Slot { n, due: intended.saturating_since(self.start) });
        self.recorder.slot_due(scenario, mix, period);
        let iteration = Iteration::new(n, intended, now, now, period);
        self.start_iteration(user, iteration, mix);
    }
}

/// A slot taken up later than this is not sent: it would be a burst, not the schedule.
pub(crate) const MAX_CATCH_UP: Nanos = Nanos::from_millis(100);

/// Slots of one scenario released in one go, before sockets are looked at again.
const SLOTS_AT_ONCE: u32 = 64;
