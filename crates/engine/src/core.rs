//! The state of one engine thread and what events do to it.
//!
//! Everything here is synchronous and single-threaded. A turn of the pacer, a socket that moved on and a task's end
//! all come in through [`Core`], are acted on to the end, and leave the next instant behind. What is done stands
//! beside its noun: `schedule.rs` starts iterations, `iteration.rs` runs them, `events.rs` takes what comes back,
//! `stop.rs` ends early and `interval.rs` hands over what was recorded.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use metrics::Record;
use plan::{Course, RequestId, RunPlan, ScenarioBody, ScenarioId, Slot, SlotsDigest};
use units::{Clock, Nanos, Timestamp};

use crate::lease::Lease;
use crate::port::{IoId, Outbox, Protocol};
use crate::revise::Revisions;
use crate::scenario::{Load, Scenario};
use crate::schedule::MAX_CATCH_UP;
use crate::stop::MAX_LISTED;
use crate::thread::ThreadConfig;
use crate::timers::Timers;
use crate::tracer::{Tracer, Tracing};
use crate::user::{State, User};

/// One engine thread.
pub(crate) struct Core<P, R, C> {
    pub(crate) clock: C,
    pub(crate) plan: Arc<RunPlan>,
    /// What the thread goes by at its start.
    first: Arc<Course>,
    pub(crate) revisions: Revisions,
    pub(crate) lease: Lease,
    pub(crate) protocol: P,
    pub(crate) recorder: R,
    /// What keeps executions, if anything does.
    pub(crate) tracing: Option<Tracing>,
    pub(crate) outbox: Outbox,
    pub(crate) timers: Timers,
    pub(crate) users: Vec<User>,
    pub(crate) scenarios: Vec<Scenario>,
    /// Slot 0 of every profile.
    pub(crate) start: Timestamp,
    /// The interval at hand, in seconds from the start.
    pub(crate) interval: u32,
    /// The next instant at which a scenario does something by itself.
    pub(crate) next_scheduled: Timestamp,
    /// When the next revision comes into force.
    pub(crate) revise_at: Timestamp,
    /// The run time from which the thread carried nothing although its part was not over.
    pub(crate) left_at: Option<Nanos>,
    /// The latest end of a request.
    pub(crate) last_completed: Timestamp,
    /// Whether the outbox was left before it was empty.
    pub(crate) backlog: bool,
    /// Whether a scenario may just have come to its end.
    pub(crate) ended: bool,
    /// Connections whose task is still to be spawned.
    pub(crate) opened: Vec<IoId>,
    /// Users of tasks whose life is still to be begun.
    pub(crate) unborn: Vec<u32>,
    /// This thread and how many there are: numbers users of open models.
    pub(crate) thread: u32,
    pub(crate) threads: u32,
    pub(crate) requests_attempted: u64,
    pub(crate) iterations_started: u64,
    pub(crate) requests_in_flight: u64,
    /// Slots of stopped schedules that may still be listed one by one.
    pub(crate) listable: usize,
    cpu_at_start: Nanos,
    /// When the pacer meant to take its next turn.
    awaited: Timestamp,
    /// How much later it took its turns, beyond the catch-up, since the last rotation.
    pub(crate) stalled: Nanos,
    /// What the protocol and the clock showed at the last rotation.
    pub(crate) last: Rotation,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rotation {
    pub(crate) opened: u64,
    pub(crate) reused: u64,
    pub(crate) cpu: Nanos,
    pub(crate) at: Timestamp,
}

/// What is to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Something happens at this instant.
    At {
        at: Timestamp,
        /// Whether it is the start of a slot: what precision is for.
        slot: bool,
    },
    /// Every scenario is over.
    Over,
}

impl<P: Protocol, R: Record, C: Clock> Core<P, R, C> {
    pub(crate) fn new(
        config: &ThreadConfig,
        protocol: P,
        recorder: R,
        tracer: Option<Tracer>,
        clock: C,
    ) -> Self {
        let now = clock.now();
        let share = &config.course.revision().share;
        let tracing = tracer.map(|tracer| Tracing::new(tracer, &config.plan, share, config.threads));
        Self {
            clock,
            plan: Arc::clone(&config.plan),
            first: Arc::clone(&config.course),
            revisions: Revisions::new(&config.course, config.watcher.clone()),
            lease: config.lease.clone(),
            protocol,
            recorder,
            tracing,
            outbox: Outbox::default(),
            timers: Timers::new(now),
            users: Vec::new(),
            scenarios: Vec::new(),
            start: now,
            interval: 0,
            next_scheduled: Timestamp::NEVER,
            revise_at: Timestamp::NEVER,
            left_at: None,
            last_completed: now,
            backlog: false,
            ended: false,
            opened: Vec::new(),
            unborn: Vec::new(),
            thread: config.thread,
            threads: config.threads,
            requests_attempted: 0,
            iterations_started: 0,
            requests_in_flight: 0,
            listable: MAX_LISTED,
            cpu_at_start: Nanos::ZERO,
            awaited: Timestamp::NEVER,
            stalled: Nanos::ZERO,
            last: Rotation::default(),
        }
    }

    /// CPU time of this thread since the start of the schedule.
    pub(crate) fn cpu(&self) -> Nanos {
        thread_cpu().saturating_sub(self.cpu_at_start)
    }

    /// Begins the schedule at `start`; the users of closed models are in the table already.
    pub(crate) fn begin_at(&mut self, start: Timestamp, loads: Vec<Load>) {
        self.start = start;
        let with_ids = loads.into_iter().zip(self.plan.scenario_ids());
        let scenario = |(load, id): (Load, ScenarioId)| {
            let graceful_stop = self.plan.scenarios[id.index()].graceful_stop;
            Scenario::new(load, self.first.timetable(id), start, graceful_stop)
        };
        self.scenarios = with_ids.map(scenario).collect();
        if let Some(tracing) = &self.tracing {
            for (index, scenario) in self.scenarios.iter_mut().enumerate() {
                scenario.marking = tracing.marking(index);
            }
        }
        self.cpu_at_start = thread_cpu();
        let begun = start.max(self.clock.now());
        self.last = Rotation { cpu: self.cpu_at_start, at: begun, ..self.last };
        self.next_scheduled = start;
        // Nobody waited for a thread that joins a run under way and has no part of it yet.
        let share = &self.first.revision().share;
        self.awaited = if share.weights[share.index as usize] == 0 { begun } else { start };
    }

    /// Adds a user to the table; `gained` is the revision that made it this thread's, of meaning in a closed model.
    pub(crate) fn add_user(&mut self, scenario: u32, number: u32, gained: u64) -> u32 {
        let place = self.users.len() as u32;
        let state = match self.plan.scenarios[scenario as usize].body {
            ScenarioBody::Program(_) => State::Idle,
            ScenarioBody::Task { .. } => {
                self.unborn.push(place);
                State::Living { mailbox: Rc::default(), busy: false }
            }
        };
        self.users.push(User::new(scenario, number, gained, state));
        self.timers.grow(self.users.len());
        place
    }

    /// Does everything that is due, and says what comes next.
    ///
    /// # Cost
    /// About 100 ns when nothing is due.
    pub(crate) fn turn(&mut self) -> Next {
        let now = self.clock.now();
        let late = now.saturating_since(self.awaited);
        if late > MAX_CATCH_UP {
            self.stalled += late;
        }
        self.ended = false;
        // First, so that what is due at a full second belongs to the second that begins with it.
        self.rotate(now);
        self.handle_events();
        self.run_schedule(now);
        while let Some(user) = self.timers.pop_due(now) {
            self.timer_fired(user, now);
        }
        self.handle_events();
        let next = self.next(now);
        if let Next::At { at, .. } = next {
            self.awaited = at.max(now);
        }
        next
    }

    /// Lets the protocol move `io` on, then does what follows from it, at once.
    pub(crate) fn poll_io(&mut self, io: IoId, cx: &mut Context<'_>) -> Poll<()> {
        let poll = self.protocol.poll_io(io, cx, &self.clock, &mut self.outbox);
        self.handle_events();
        // A slot that came up while responses were read need not wait for the timer.
        if self.last_completed >= self.next_scheduled {
            let now = self.clock.now();
            self.rotate(now);
            self.run_schedule(now);
            self.next(now);
        }
        poll
    }

    /// The earliest instant at which [`Core::turn`] has something to do.
    pub(crate) fn next_instant(&self) -> Timestamp {
        if self.backlog || self.ended {
            Timestamp::ORIGIN
        } else {
            self.next_scheduled.min(self.timers.next())
        }
    }

    /// Ends the recording.
    pub(crate) fn finish(mut self) {
        let now = self.clock.now();
        let gauges = self.gauges();
        let activity = self.activity(now);
        let elapsed = now.saturating_since(self.start);
        let last = (elapsed.as_u64() / Nanos::SECOND.as_u64()) as u32;
        self.recorder.finish(last.max(self.interval), gauges, activity);
    }

    fn next(&mut self, now: Timestamp) -> Next {
        let start = self.start;
        let mut slot = Timestamp::NEVER;
        let mut scheduled = Timestamp::NEVER;
        let mut over = true;
        for scenario in &mut self.scenarios {
            if scenario.is_over(now) {
                continue;
            }
            over = false;
            scheduled = scheduled.min(scenario.next_instant(start, now));
            if let Some(next) = scenario.next_slot() {
                slot = slot.min(start + next.due);
            }
        }
        if over {
            return Next::Over;
        }
        let interval = start + Nanos::from_secs(u64::from(self.interval) + 1);
        self.next_scheduled = scheduled.min(interval).min(self.revise_at);
        let at = self.next_instant();
        Next::At { at, slot: at == slot }
    }
}

/// What one slot adds to a digest.
pub(crate) fn digest(scenario: usize, slot: Slot) -> u128 {
    let mut digest = SlotsDigest::default();
    digest.add(ScenarioId(scenario as u32), slot);
    digest.0
}

pub(crate) fn request_step(plan: &RunPlan, request: RequestId) -> usize {
    plan.requests[request.index()].step.index()
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Nanos {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Nanos::new(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
