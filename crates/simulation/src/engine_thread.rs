//! A model of one engine thread: the real timetables, dealings, lease and recorder, and a target that takes a fixed time.
//!
//! It is called now and then and catches up: what was due in between happens at its own instant, as it would have on a
//! thread that is awake, and in time in which its process was stopped at the end of that. What a request is and how it
//! fails is left out; what a thread takes up, when, and what it books is not.

mod ending;
mod load;

use std::collections::VecDeque;
use std::sync::Arc;

use engine::{Lease, ThreadReport};
use metrics::{
    Activity, DropReason, Gauges, IterationOutcome, IterationStart, IterationTimes, Layout, Outcome, Period,
    Phases, Record, Recorder, RequestSample, RequestTimes, UnsentReason,
};
use plan::{Course, LoadModel, Op, RunPlan, ScenarioBody, ScenarioId, Slot, SlotsDigest};
use units::{Nanos, Timestamp};

use self::load::{Load, Scenario};
use crate::sink::Sent;

/// A slot taken up later than this is not sent.
const MAX_CATCH_UP: Nanos = Nanos::from_millis(100);

/// An iteration with a request that is not answered yet.
#[derive(Clone, Copy, Debug)]
struct Flight {
    answered_at: Timestamp,
    scenario: usize,
    /// Which user, in a closed model.
    user: Option<usize>,
    /// The request under way, as a place in the program.
    op: usize,
    period: Period,
    /// When the iteration was meant to start, and when it did.
    intended: Timestamp,
    started: Timestamp,
    /// When the request was sent.
    sent: Timestamp,
}

/// What a thread is made of.
pub(crate) struct Spec<'a> {
    pub(crate) plan: &'a Arc<RunPlan>,
    pub(crate) layout: &'a Layout,
    pub(crate) course: &'a Course,
    pub(crate) thread: u32,
    pub(crate) lease: &'a Lease,
    /// How long the target takes for an answer.
    pub(crate) service: Nanos,
}

/// One engine thread.
pub(crate) struct EngineThread {
    plan: Arc<RunPlan>,
    /// The scenario slot of the layout for each scenario is its own number here: no scenario is folded away.
    thread: u32,
    lease: Lease,
    service: Nanos,
    recorder: Option<Recorder>,
    start: Timestamp,
    scenarios: Vec<Scenario>,
    flights: VecDeque<Flight>,
    waiting: VecDeque<(Nanos, Arc<Course>)>,
    last_revision: u64,
    revise_at: Timestamp,
    interval: u32,
    rotated_at: Timestamp,
    now: Timestamp,
    /// Nothing happens before.
    asleep_until: Timestamp,
    left_at: Option<Nanos>,
    requests: u64,
    iterations: u64,
    /// What the target saw of it since it was last asked.
    pub(crate) sent: Vec<Sent>,
}

impl EngineThread {
    /// A thread that begins the schedule at `start`; at `now` if that has passed.
    pub(crate) fn begin(spec: &Spec<'_>, recorder: Recorder, now: Timestamp, start: Timestamp) -> Self {
        let scenario = |id| Scenario::new(spec.plan, spec.course, id, spec.thread, start);
        debug_assert_eq!(
            spec.layout.scenario_slots(),
            spec.plan.scenarios.len(),
            "one slot for each scenario"
        );
        Self {
            plan: Arc::clone(spec.plan),
            thread: spec.thread,
            lease: spec.lease.clone(),
            service: spec.service,
            recorder: Some(recorder),
            start,
            scenarios: spec.plan.scenario_ids().map(scenario).collect(),
            flights: VecDeque::new(),
            waiting: VecDeque::new(),
            last_revision: spec.course.revision().share.revision,
            revise_at: Timestamp::NEVER,
            interval: 0,
            rotated_at: start.max(now),
            now,
            asleep_until: now,
            left_at: None,
            requests: 0,
            iterations: 0,
            sent: Vec::new(),
        }
    }

    /// Nothing happens until `until`.
    pub(crate) fn sleep(&mut self, until: Timestamp) {
        self.asleep_until = self.asleep_until.max(until);
    }

    /// Catches up to `now`; its report when all is over.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Option<ThreadReport> {
        while self.recorder.is_some() {
            let next = self.next_instant();
            if next == Some(Timestamp::NEVER) {
                break;
            }
            let at = next.unwrap_or(self.now).max(self.asleep_until).max(self.now);
            if at > now {
                break;
            }
            self.now = at;
            if next.is_none() {
                return self.finish();
            }
            self.turn(at);
        }
        self.now = self.now.max(now);
        None
    }

    /// When it is to be looked at again, so that its end is noticed when it comes.
    pub(crate) fn wake_at(&mut self) -> Timestamp {
        if self.recorder.is_none() {
            return Timestamp::NEVER;
        }
        let now = self.now;
        let is_closing =
            self.scenarios.iter_mut().all(|scenario| scenario.stopped || scenario.has_started_all(now));
        if is_closing {
            return self.next_instant().unwrap_or(now);
        }
        let ends = self.scenarios.iter().filter(|scenario| !scenario.stopped && scenario.ends > now);
        ends.map(|scenario| scenario.ends).min().unwrap_or(Timestamp::NEVER)
    }

    /// Takes up a revision; returns from which run time it holds, if it is news.
    pub(crate) fn revise(&mut self, course: Arc<Course>) -> Option<(u64, Nanos)> {
        let number = course.revision().share.revision;
        if number <= self.last_revision || self.left_at.is_some() || self.recorder.is_none() {
            return None;
        }
        let now = self.now.saturating_since(self.start);
        let before = self.waiting.back().map_or(Nanos::ZERO, |(effective, _)| *effective);
        let effective = course.revision().effective.max(now).max(before);
        self.last_revision = number;
        self.waiting.push_back((effective, course));
        self.put_limits();
        Some((number, effective))
    }

    fn put_limits(&mut self) {
        let until = self.waiting.front().map_or(Nanos::MAX, |(effective, _)| *effective);
        self.scenarios.iter_mut().for_each(|scenario| scenario.until = until);
        self.revise_at = self.start + until;
    }

    /// The next instant at which something happens; `None` when everything has.
    fn next_instant(&mut self) -> Option<Timestamp> {
        let (start, now) = (self.start, self.now);
        let mut next = Timestamp::NEVER;
        let mut is_over = true;
        for scenario in &mut self.scenarios {
            if !scenario.is_over(now) {
                is_over = false;
                next = next.min(scenario.next_instant(start, now));
            }
        }
        if is_over {
            return None;
        }
        let boundary = start + Nanos::from_secs(u64::from(self.interval) + 1);
        let answer = self.flights.front().map_or(Timestamp::NEVER, |flight| flight.answered_at);
        Some(next.min(boundary).min(answer).min(self.revise_at))
    }

    fn turn(&mut self, now: Timestamp) {
        self.rotate(now);
        while let Some(flight) = self.flights.front().copied().filter(|flight| flight.answered_at <= now) {
            self.flights.pop_front();
            self.answered(flight, now);
        }
        for scenario in 0..self.scenarios.len() {
            match self.scenarios[scenario].load {
                Load::Open { .. } => self.run_open(scenario, now),
                Load::Closed { .. } => self.run_closed(scenario, now),
            }
            if now >= self.scenarios[scenario].deadline && now < self.revise_at {
                self.cut(scenario, now);
            }
        }
        while now >= self.revise_at
            && self.scenarios.iter_mut().all(|scenario| scenario.next_slot().is_none())
            && let Some((effective, course)) = self.waiting.pop_front()
        {
            self.put_limits();
            for id in self.plan.scenario_ids().collect::<Vec<_>>() {
                self.apply(id, &course, effective, now);
            }
        }
    }

    fn rotate(&mut self, now: Timestamp) {
        let passed = (now.saturating_since(self.start).as_u64() / Nanos::SECOND.as_u64()) as u32;
        if passed > self.interval {
            let (gauges, activity) = (self.gauges(), self.activity(now));
            self.record().rotate(passed - 1, gauges, activity);
            self.interval = passed;
        }
    }

    fn finish(&mut self) -> Option<ThreadReport> {
        let now = self.now;
        let (gauges, activity) = (self.gauges(), self.activity(now));
        let passed = (now.saturating_since(self.start).as_u64() / Nanos::SECOND.as_u64()) as u32;
        self.recorder.take()?.finish(passed.max(self.interval), gauges, activity);
        Some(ThreadReport {
            requests_attempted: self.requests,
            iterations_started: self.iterations,
            started_at: Some(self.start),
            cpu: Nanos::ZERO,
            teardowns_cut: 0,
            left_at: self.left_at,
        })
    }

    fn gauges(&self) -> Gauges {
        let in_flight = self.flights.len() as u64;
        Gauges {
            users: in_flight,
            iterations_in_flight: in_flight,
            requests_in_flight: in_flight,
            ..Gauges::default()
        }
    }

    fn activity(&mut self, now: Timestamp) -> Activity {
        let wall = now.saturating_since(self.rotated_at);
        self.rotated_at = now;
        Activity { wall, ..Activity::default() }
    }

    fn record(&mut self) -> &mut Recorder {
        self.recorder.as_mut().expect("nothing happens on a thread that is over")
    }

    fn run_open(&mut self, index: usize, now: Timestamp) {
        loop {
            if !self.lease.holds(now) {
                return self.lapse(now);
            }
            let start = self.start;
            let scenario = &mut self.scenarios[index];
            let until = scenario.until;
            let Load::Open { slots: Some(slots), .. } = &mut scenario.load else { return };
            let Some(slot) = slots.next_if(|slot| slot.due < until && start + slot.due <= now) else {
                return;
            };
            self.release(index, slot, now);
        }
    }

    fn release(&mut self, index: usize, slot: Slot, now: Timestamp) {
        let (intended, mix) = (self.start + slot.due, digest(index, slot));
        let scenario = &mut self.scenarios[index];
        let period = scenario.period(slot.due);
        let has_user = matches!(&scenario.load, Load::Open { limit, .. } if scenario.in_flight < *limit);
        self.record().slot_due(index, mix, period);
        let lag = now.saturating_since(intended);
        if lag > MAX_CATCH_UP {
            self.record().slot_unsent(index, UnsentReason::GeneratorStall, mix, period);
        } else if has_user {
            self.start_iteration(index, None, slot, intended, now, period);
        } else {
            self.record().dispatch_lag(index, lag, period);
            self.record().slot_dropped(index, DropReason::NoUser, mix, period);
        }
    }

    fn start_iteration(
        &mut self,
        index: usize,
        user: Option<usize>,
        slot: Slot,
        intended: Timestamp,
        now: Timestamp,
        period: Period,
    ) {
        let lag = now.saturating_since(intended);
        let start = IterationStart { dispatch_lag: lag, queue_wait: Nanos::ZERO };
        self.record().iteration_started(index, start, digest(index, slot), period);
        self.iterations += 1;
        self.scenarios[index].in_flight += 1;
        let is_planned = !matches!(self.plan.scenarios[index].load, LoadModel::VirtualUsers { .. });
        let slot = is_planned.then_some(slot.n);
        let flight = Flight {
            answered_at: now,
            scenario: index,
            user,
            op: 0,
            period,
            intended,
            started: now,
            sent: now,
        };
        self.send(flight, slot, now);
    }

    fn send(&mut self, flight: Flight, slot: Option<u64>, now: Timestamp) {
        let step = self.step_of(&flight);
        self.record().request_started(step, flight.period);
        self.requests += 1;
        let is_first = flight.op == 0;
        self.sent.push(Sent { at: now, scenario: flight.scenario as u32, slot, is_first });
        self.flights.push_back(Flight { answered_at: now + self.service, sent: now, ..flight });
    }

    fn step_of(&self, flight: &Flight) -> usize {
        let ScenarioBody::Program(program) = &self.plan.scenarios[flight.scenario].body else {
            unreachable!("simulated workloads have steps")
        };
        let Op::Request(request) = program.ops[flight.op] else {
            unreachable!("simulated steps are requests")
        };
        self.plan.requests[request.index()].step.index()
    }

    fn answered(&mut self, flight: Flight, now: Timestamp) {
        self.end_request(&flight, now, Outcome::Succeeded);
        let ScenarioBody::Program(program) = &self.plan.scenarios[flight.scenario].body else { return };
        if flight.op + 1 == program.ops.len() {
            return self.end_iteration(&flight, now, IterationOutcome::Succeeded);
        }
        if !self.lease.holds(now) {
            self.lapse(now);
            return self.end_iteration(&flight, now, IterationOutcome::Cancelled);
        }
        self.send(Flight { op: flight.op + 1, ..flight }, None, now);
    }

    fn end_request(&mut self, flight: &Flight, now: Timestamp, outcome: Outcome) {
        let intended_start = if flight.op == 0 { flight.intended } else { flight.sent };
        let times = RequestTimes {
            intended_start,
            released_at: flight.sent,
            actual_start: flight.sent,
            completed_at: now,
        };
        let status = if outcome == Outcome::Succeeded { 200 } else { 0 };
        let sample = RequestSample {
            times,
            phases: Phases::default(),
            outcome,
            status,
            sent_bytes: 50,
            received_bytes: 200,
            resent: false,
        };
        let step = self.step_of(flight);
        self.record().request(step, &sample, flight.period);
    }

    fn end_iteration(&mut self, flight: &Flight, now: Timestamp, outcome: IterationOutcome) {
        let times = IterationTimes {
            response_time: now.saturating_since(flight.intended),
            duration: now.saturating_since(flight.started),
        };
        self.record().iteration_ended(flight.scenario, outcome, times, flight.period);
        self.scenarios[flight.scenario].in_flight -= 1;
        if let Some(user) = flight.user {
            if let Load::Closed { users, .. } = &mut self.scenarios[flight.scenario].load {
                users[user].is_busy = false;
            }
            self.start_next(flight.scenario, user, now, now);
        }
    }
}

/// What one slot adds to a digest.
fn digest(scenario: usize, slot: Slot) -> u128 {
    let mut digest = SlotsDigest::default();
    digest.add(ScenarioId(scenario as u32), slot);
    digest.0
}
