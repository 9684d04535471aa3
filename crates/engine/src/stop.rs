//! The end of a scenario before its natural one.

use metrics::{Period, Record, UnsentReason};
use plan::{ScenarioId, Slot};
use units::{Clock, Timestamp};

use crate::core::{Core, digest};
use crate::port::{CallId, Protocol};
use crate::scenario::{ClosedKind, Load, Waiting};
use crate::schedule::MAX_CATCH_UP;
use crate::user::State;

impl<P: Protocol, R: Record, C: Clock> Core<P, R, C> {
    /// Starts no more iterations of `scenario`; its slots that are left are unsent: stopped, or missed by a stall before.
    pub(crate) fn stop_scenario(&mut self, scenario: usize) {
        let state = &mut self.scenarios[scenario];
        if std::mem::replace(&mut state.stopped, true) {
            return;
        }
        let now = self.clock.now();
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
                let mut slots = open.slots.take().into_iter().flatten();
                for slot in slots.by_ref().take(self.listable) {
                    self.listable -= 1;
                    let period = open.period(slot.due);
                    // What was overdue already was not kept from its start by the stop.
                    let stalled = now.saturating_since(self.start + slot.due) > MAX_CATCH_UP;
                    let reason = if stalled { UnsentReason::GeneratorStall } else { UnsentReason::Stopped };
                    self.recorder.slot_due(scenario, digest(scenario, slot), period);
                    self.recorder.slot_unsent(scenario, reason, digest(scenario, slot), period);
                }
                if let Some(slot) = slots.next() {
                    let id = ScenarioId(scenario as u32);
                    let schedule = self.plan.schedule(id).expect("an open model has a schedule");
                    let (all, listed) = (schedule.total(), slot.n);
                    let left = open.dealing.count(self.thread, all) - open.dealing.count(self.thread, listed);
                    self.recorder.slots_stopped(scenario, left, open.period(slot.due));
                }
            }
            Load::Closed(closed) => {
                closed.next = closed.changes.len();
                closed.active = 0;
                if let ClosedKind::Quota(quota) = &mut closed.kind {
                    let due = now.saturating_since(self.start);
                    for n in quota.by_ref().take(self.listable) {
                        self.listable -= 1;
                        let mix = digest(scenario, Slot { n, due });
                        self.recorder.slot_due(scenario, mix, Period::Measured);
                        self.recorder.slot_unsent(scenario, UnsentReason::Stopped, mix, Period::Measured);
                    }
                    self.recorder.slots_stopped(scenario, quota.take_rest(), Period::Measured);
                }
                for user in self.users.iter_mut().filter(|user| user.scenario as usize == scenario) {
                    user.active = false;
                }
            }
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

/// Slots of stopped schedules that a thread lists one by one with their digests: some 50 ms, in which it reads no
/// response. Those beyond are counted; what was never sent needs no proof.
pub(crate) const MAX_LISTED: usize = if cfg!(test) { 1 << 10 } else { 1 << 20 };
