//! What protocols, timers and tasks report, and what follows from it.

use std::rc::Rc;

use metrics::{ErrorClass, Outcome, Phases, Record, RequestSample, RequestTimes};
use plan::{CheckKind, RequestId, ScenarioBody};
use units::{Clock, Timestamp};

use crate::core::{Core, request_step};
use crate::port::{CallId, Completion, Event, Protocol};
use crate::task::Execution;
use crate::user::State;

impl<P: Protocol, R: Record, C: Clock> Core<P, R, C> {
    /// Acts on what the protocol has said, including what it says because of that.
    pub(crate) fn handle_events(&mut self) {
        let mut left = EVENTS_AT_ONCE;
        while let Some(event) = self.outbox.pop() {
            match event {
                Event::Completed(completion) => self.completed(&completion),
                Event::Opened(io) => self.opened.push(io),
                Event::Timer(call, at) => self.timers.set(call.0, at),
            }
            left -= 1;
            if left == 0 {
                self.backlog = true;
                return;
            }
        }
        self.backlog = false;
    }

    pub(crate) fn completed(&mut self, completion: &Completion) {
        let place = completion.call.0;
        self.last_completed = completion.completed_at;
        self.timers.clear(place);
        let user = &mut self.users[place as usize];
        let State::Calling(request) = user.state else {
            debug_assert!(false, "user {place} has no request under way");
            return;
        };
        let mut sample = RequestSample {
            times: RequestTimes {
                intended_start: user.intended,
                released_at: user.released,
                actual_start: completion.actual_start,
                completed_at: completion.completed_at,
            },
            phases: completion.phases,
            outcome: completion.outcome,
            status: completion.status,
            sent_bytes: completion.sent_bytes,
            received_bytes: completion.received_bytes,
            resent: completion.resent,
        };
        self.check(request, completion.checks_held, &mut sample, place);
        self.end_request(place, request_step(&self.plan, request), Some(request), &sample);
        self.run_program(place, completion.completed_at);
    }

    /// Counts the checks of a request; a required one that does not hold fails it.
    pub(crate) fn check(&mut self, request: RequestId, held: u64, sample: &mut RequestSample, place: u32) {
        let checks = &self.plan.requests[request.index()].checks;
        if checks.is_empty() || sample.outcome == Outcome::Cancelled {
            return;
        }
        let period = self.users[place as usize].iteration.period;
        for (bit, id) in checks.iter().enumerate() {
            let check = &self.plan.checks[id.index()];
            let holds = match check.kind {
                CheckKind::ResponseTime(bound) => {
                    sample.status != 0
                        && !sample.outcome.is_censored()
                        && sample.times.response_time() < bound
                }
                _ => held & (1 << bit) != 0,
            };
            if !holds && check.required && sample.outcome == Outcome::Succeeded {
                sample.outcome = Outcome::Failed(ErrorClass::Check);
            }
            self.recorder.check(id.index(), holds, period);
        }
    }

    /// Books the end of a user's request, or of its task's execution, which is none of the plan's.
    // Once for each of its two callers: the call costs 20 instructions a request.
    #[inline(always)]
    pub(crate) fn end_request(
        &mut self,
        place: u32,
        step: usize,
        request: Option<RequestId>,
        sample: &RequestSample,
    ) {
        let user = &mut self.users[place as usize];
        match sample.outcome {
            Outcome::Succeeded => {}
            Outcome::Failed(_) => {
                user.iteration.failed = true;
                user.iteration.marks.fail();
            }
            Outcome::Cancelled => user.iteration.cancelled = true,
        }
        user.intended = sample.times.completed_at;
        user.released = sample.times.completed_at;
        self.requests_in_flight -= 1;
        if user.iteration.marks.is_recorded()
            && let Some(tracing) = &mut self.tracing
        {
            tracing.request_ended(user, step, request, sample);
        }
        self.recorder.request(step, sample, user.iteration.period);
    }

    pub(crate) fn timer_fired(&mut self, place: u32, now: Timestamp) {
        match self.users[place as usize].state {
            State::Thinking => {
                let user = &mut self.users[place as usize];
                user.released = now;
                let lag = now.saturating_since(user.intended);
                self.recorder.dispatch_lag(user.scenario as usize, lag, user.iteration.period);
                self.run_program(place, now);
            }
            State::Calling(_) => self.protocol.on_timer(CallId(place), &self.clock, &mut self.outbox),
            State::Idle | State::Living { .. } => {
                self.start_next(place, now, now);
            }
        }
        self.handle_events();
    }

    /// A task's execution is over.
    pub(crate) fn executed(&mut self, execution: &Execution) {
        let place = execution.user;
        let user = &mut self.users[place as usize];
        let ScenarioBody::Task { step, .. } = &self.plan.scenarios[user.scenario as usize].body else {
            return;
        };
        let step = step.index();
        if execution.spent {
            // Another life takes the place; the old one tears itself down.
            user.state = State::Living { mailbox: Rc::default(), busy: true };
            self.unborn.push(place);
        }
        let sample = RequestSample {
            times: RequestTimes {
                intended_start: user.intended,
                released_at: user.released,
                actual_start: execution.actual_start,
                completed_at: execution.completed_at,
            },
            phases: Phases::default(),
            outcome: execution.outcome,
            status: 0,
            sent_bytes: 0,
            received_bytes: 0,
            resent: false,
        };
        self.end_request(place, step, None, &sample);
        self.end_iteration(place, execution.completed_at);
        self.handle_events();
    }
}

/// Events handled in one go. A target (or a lack of file handles) that answers at once must not keep the thread from
/// its schedule.
const EVENTS_AT_ONCE: u32 = 1_024;
