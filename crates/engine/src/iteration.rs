//! Iterations: from a slot or a free user through the program to the end.

use std::rc::Rc;

use metrics::{IterationOutcome, IterationStart, IterationTimes, Record};
use plan::{Op, RequestId, ScenarioBody, ScenarioId};
use units::{Clock, Timestamp};

use crate::core::{Core, request_step};
use crate::port::{CallId, Protocol};
use crate::scenario::Load;
use crate::task::Work;
use crate::user::{Iteration, State};

impl<P: Protocol, R: Record, C: Clock> Core<P, R, C> {
    pub(crate) fn start_iteration(&mut self, place: u32, iteration: Iteration, mix: u128) {
        let user = &mut self.users[place as usize];
        let scenario = user.scenario as usize;
        user.iteration = iteration;
        user.op = 0;
        user.begun += 1;
        user.calls = 0;
        user.intended = iteration.intended;
        user.released = iteration.released;
        let start = IterationStart {
            dispatch_lag: iteration.released.saturating_since(iteration.intended),
            queue_wait: iteration.started.saturating_since(iteration.released),
        };
        self.recorder.iteration_started(scenario, start, mix, iteration.period);
        self.iterations_started += 1;
        let state = &mut self.scenarios[scenario];
        state.in_flight += 1;
        state.peak = state.peak.max(state.in_flight);
        user.iteration.marks = state.marking.marks;
        if let Some(draw) = state.marking.draw(iteration.n)
            && let Some(tracing) = &mut self.tracing
        {
            user.iteration.marks = tracing.mark_drawn(scenario, draw);
        }
        if let State::Living { mailbox, busy } = &mut user.state {
            *busy = true;
            let mailbox = Rc::clone(mailbox);
            self.count_attempt(place);
            let user = &self.users[place as usize];
            let tracing = self.tracing.as_ref().filter(|_| user.iteration.marks.is_told());
            let parent = tracing.map(|tracing| tracing.parent(user.scenario, &user.iteration, 0));
            mailbox.put(Work { iteration: iteration.n, intended_start: iteration.intended, parent });
        } else {
            self.run_program(place, iteration.started);
        }
    }

    /// A task's execution is the one request of its iteration.
    pub(crate) fn count_attempt(&mut self, place: u32) {
        let user = &mut self.users[place as usize];
        if let ScenarioBody::Task { step, .. } = &self.plan.scenarios[user.scenario as usize].body {
            user.calls += 1;
            self.requests_attempted += 1;
            self.requests_in_flight += 1;
            self.recorder.request_started(step.index(), user.iteration.period);
        }
    }

    /// Goes on with a user's program until it has to wait; `now` is the end of what came before.
    ///
    /// # Cost
    /// A few nanoseconds an operation; no allocation.
    pub(crate) fn run_program(&mut self, place: u32, now: Timestamp) {
        let user = &mut self.users[place as usize];
        let ScenarioBody::Program(program) = &self.plan.scenarios[user.scenario as usize].body else {
            return;
        };
        match program.ops.get(user.op as usize).copied() {
            Some(Op::Request(_)) if !self.lease.holds(now) => {
                user.iteration.cancelled = true;
                self.lapse(now);
                self.end_iteration(place, now);
            }
            Some(Op::Request(request)) => {
                user.op += 1;
                user.state = State::Calling(request);
                self.recorder.request_started(request_step(&self.plan, request), user.iteration.period);
                self.requests_attempted += 1;
                self.requests_in_flight += 1;
                user.calls += 1;
                if user.iteration.marks.is_told() {
                    return self.start_told(place, request);
                }
                self.protocol.start(CallId(place), request, None, &self.clock, &mut self.outbox);
            }
            Some(Op::Think { min, max }) => {
                user.op += 1;
                user.state = State::Thinking;
                let scenario = ScenarioId(user.scenario);
                let op = user.op as usize;
                user.intended =
                    now + plan::think_time(self.plan.seed, scenario, user.iteration.n, op, min, max);
                self.timers.set(place, user.intended);
            }
            None => self.end_iteration(place, now),
        }
    }

    /// Starts a request of which the target is told.
    #[inline(never)]
    fn start_told(&mut self, place: u32, request: RequestId) {
        let user = &self.users[place as usize];
        let tracing = self.tracing.as_ref();
        let parent = tracing.map(|tracing| tracing.parent(user.scenario, &user.iteration, user.calls - 1));
        self.protocol.start(CallId(place), request, parent.as_ref(), &self.clock, &mut self.outbox);
    }

    pub(crate) fn end_iteration(&mut self, place: u32, now: Timestamp) {
        let user = &mut self.users[place as usize];
        let scenario = user.scenario as usize;
        let Iteration { intended, started, period, failed, cancelled, .. } = user.iteration;
        let outcome = if cancelled {
            IterationOutcome::Cancelled
        } else if failed {
            IterationOutcome::Failed
        } else {
            IterationOutcome::Succeeded
        };
        match &mut user.state {
            State::Living { busy, .. } => *busy = false,
            state => *state = State::Idle,
        }
        let times = IterationTimes {
            response_time: now.saturating_since(intended),
            duration: now.saturating_since(started),
        };
        if user.iteration.marks.is_recorded()
            && let Some(tracing) = &mut self.tracing
        {
            tracing.iteration_ended(user, outcome, now);
        }
        self.recorder.iteration_ended(scenario, outcome, times, period);
        if !self.lease.holds(now) {
            // Before a slot that waits for this user is started.
            self.lapse(now);
        }
        let state = &mut self.scenarios[scenario];
        state.in_flight -= 1;
        match &mut state.load {
            Load::Open(open) => match open.queue.pop_front() {
                Some(waiting) => self.start_slot(place, waiting, now),
                None => {
                    open.free.push(place);
                    open.retire();
                }
            },
            // An iteration that took no time at all would keep the thread from everything else.
            Load::Closed(_) if times.duration.is_zero() => self.timers.set(place, now),
            Load::Closed(_) => self.start_next(place, now, now),
        }
        let state = &self.scenarios[scenario];
        let all_started = state.stopped || now >= state.ends || matches!(state.load, Load::Closed(_));
        self.ended |= state.in_flight == 0 && all_started;
    }
}
