//! What the core is driven with: a clock that stands still, a protocol that does as it is told, a recorder that counts.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use metrics::{
    Activity, DropReason, ErrorClass, Gauges, IterationOutcome, IterationStart, IterationTimes, Outcome,
    Period, Phases, Record, RequestSample, TraceParent, UnsentReason,
};
use plan::{
    Arrivals, Course, LoadModel, Op, Origin, OriginId, Overload, Program, RateProfile, RequestId,
    RequestPlan, Revision, RunPlan, ScenarioBody, ScenarioId, ScenarioPlan, Scheme, Seed, Stage, StatusSet,
    Step, StepId, Template, TlsPlan, UserProfile,
};
use units::{Clock, ManualClock, Nanos, Rate, Timestamp};

use crate::core::{Core, Next};
use crate::port::{CallId, Completion, ConnectionGauges, Event, IoId, Outbox, Protocol};
use crate::{Lease, Pacing, Revised, ThreadConfig, Tracer, Watcher, deal};
/// Calls under way and how the next ones end.
#[derive(Default)]
pub(super) struct Script {
    pub(super) under_way: Vec<(CallId, Timestamp)>,
    /// Ends calls the moment they start.
    pub(super) immediate: Option<Outcome>,
    pub(super) timer: Option<Nanos>,
    /// After how many milliseconds the n-th call ends, and how.
    pub(super) answers: Option<fn(u64) -> (u64, Outcome)>,
    pub(super) answered: HashMap<CallId, Outcome>,
    /// What each call was to tell the target, in the order of their starts.
    pub(super) parents: Vec<Option<TraceParent>>,
}

#[derive(Clone, Default)]
pub(super) struct Scripted(pub(super) Rc<RefCell<Script>>);

pub(super) fn completion(
    call: CallId,
    outcome: Outcome,
    actual_start: Timestamp,
    now: Timestamp,
) -> Completion {
    Completion {
        call,
        outcome,
        actual_start,
        completed_at: now,
        phases: Phases::default(),
        status: if outcome == Outcome::Succeeded { 200 } else { 0 },
        sent_bytes: 1,
        received_bytes: 1,
        resent: false,
        checks_held: 0,
    }
}

impl Protocol for Scripted {
    fn start<C: Clock>(
        &mut self,
        call: CallId,
        _: RequestId,
        parent: Option<&TraceParent>,
        clock: &C,
        out: &mut Outbox,
    ) {
        let mut script = self.0.borrow_mut();
        let now = clock.now();
        let nth = script.parents.len() as u64;
        script.parents.push(parent.copied());
        if let Some(outcome) = script.immediate {
            out.push(Event::Completed(completion(call, outcome, now, now)));
            return;
        }
        if let Some(answers) = script.answers {
            let (millis, outcome) = answers(nth);
            out.push(Event::Timer(call, now + Nanos::from_millis(millis)));
            script.answered.insert(call, outcome);
        }
        if let Some(after) = script.timer {
            out.push(Event::Timer(call, now + after));
        }
        script.under_way.push((call, now));
    }

    /// Ends all calls under way.
    fn poll_io<C: Clock>(&mut self, _: IoId, _: &mut Context<'_>, clock: &C, out: &mut Outbox) -> Poll<()> {
        for (call, started) in self.0.borrow_mut().under_way.drain(..) {
            out.push(Event::Completed(completion(call, Outcome::Succeeded, started, clock.now())));
        }
        Poll::Pending
    }

    fn on_timer<C: Clock>(&mut self, call: CallId, clock: &C, out: &mut Outbox) {
        let outcome = self.0.borrow_mut().answered.remove(&call);
        self.end(call, outcome.unwrap_or(Outcome::Failed(ErrorClass::Timeout)), clock, out);
    }

    fn cancel<C: Clock>(&mut self, call: CallId, clock: &C, out: &mut Outbox) {
        self.end(call, Outcome::Cancelled, clock, out);
    }

    fn gauges(&self) -> ConnectionGauges {
        ConnectionGauges::default()
    }
}

impl Scripted {
    pub(super) fn end<C: Clock>(&self, call: CallId, outcome: Outcome, clock: &C, out: &mut Outbox) {
        let mut script = self.0.borrow_mut();
        let at = script.under_way.iter().position(|(under_way, _)| *under_way == call).unwrap();
        let (_, started) = script.under_way.swap_remove(at);
        out.push(Event::Completed(completion(call, outcome, started, clock.now())));
    }
}

/// What was recorded, counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) due: u64,
    pub(super) due_digest: u128,
    pub(super) rest_digest: u128,
    pub(super) dropped: Vec<DropReason>,
    pub(super) unsent: Vec<UnsentReason>,
    pub(super) stopped: u64,
    pub(super) other_lags: Vec<Nanos>,
    pub(super) starts: Vec<(u64, u64)>,
    pub(super) ended: Vec<IterationOutcome>,
    pub(super) response_times: Vec<u64>,
    pub(super) attempted: u64,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) samples: Vec<RequestSample>,
    pub(super) warm_up: u64,
    pub(super) rotated: Vec<u32>,
    pub(super) users: Vec<u64>,
    pub(super) due_by_then: Vec<u64>,
    /// In milliseconds, as are the times above.
    pub(super) stalled: u64,
    pub(super) queued: u64,
    pub(super) finished: Option<u32>,
}

#[derive(Clone, Default)]
pub(super) struct Counting(pub(super) Rc<RefCell<Tally>>);

impl Record for Counting {
    fn request_started(&mut self, _: usize, _: Period) {
        self.0.borrow_mut().attempted += 1;
    }

    fn request(&mut self, _: usize, sample: &RequestSample, _: Period) {
        let mut tally = self.0.borrow_mut();
        tally.outcomes.push(sample.outcome);
        tally.samples.push(*sample);
    }

    fn check(&mut self, _: usize, _: bool, _: Period) {}

    fn slot_due(&mut self, _: usize, slot: u128, period: Period) {
        let mut tally = self.0.borrow_mut();
        tally.due += 1;
        tally.due_digest = tally.due_digest.wrapping_add(slot);
        tally.warm_up += u64::from(period == Period::WarmUp);
    }

    fn slot_dropped(&mut self, _: usize, reason: DropReason, slot: u128, _: Period) {
        let mut tally = self.0.borrow_mut();
        tally.dropped.push(reason);
        tally.rest_digest = tally.rest_digest.wrapping_add(slot);
    }

    fn slot_unsent(&mut self, _: usize, reason: UnsentReason, slot: u128, _: Period) {
        let mut tally = self.0.borrow_mut();
        tally.unsent.push(reason);
        tally.rest_digest = tally.rest_digest.wrapping_add(slot);
    }

    fn slots_stopped(&mut self, _: usize, count: u64, _: Period) {
        self.0.borrow_mut().stopped += count;
    }

    fn dispatch_lag(&mut self, _: usize, lag: Nanos, _: Period) {
        self.0.borrow_mut().other_lags.push(lag);
    }

    fn iteration_started(&mut self, _: usize, start: IterationStart, slot: u128, _: Period) {
        let mut tally = self.0.borrow_mut();
        tally.starts.push((start.dispatch_lag.as_u64() / 1_000_000, start.queue_wait.as_u64() / 1_000_000));
        tally.rest_digest = tally.rest_digest.wrapping_add(slot);
    }

    fn iteration_ended(&mut self, _: usize, outcome: IterationOutcome, times: IterationTimes, _: Period) {
        let mut tally = self.0.borrow_mut();
        tally.ended.push(outcome);
        tally.response_times.push(times.response_time.as_u64() / 1_000_000);
    }

    fn rotate(&mut self, ended: u32, gauges: Gauges, activity: Activity) {
        let mut tally = self.0.borrow_mut();
        tally.stalled += activity.stalled.as_u64() / 1_000_000;
        tally.rotated.push(ended);
        tally.users.push(gauges.users);
        let due = tally.due;
        tally.due_by_then.push(due);
        tally.queued = gauges.queued;
    }

    fn finish(self, last: u32, _: Gauges, _: Activity) {
        self.0.borrow_mut().finished = Some(last);
    }
}

pub(super) struct Bench {
    pub(super) core: Core<Scripted, Counting, ManualClock>,
    pub(super) clock: ManualClock,
    pub(super) script: Scripted,
    pub(super) tally: Counting,
    pub(super) told: Arc<Mutex<Vec<Revised>>>,
    pub(super) start: Timestamp,
    pub(super) next: Next,
}

pub(super) const STEP: Nanos = Nanos::from_millis(1);

/// What a thread is given beside its plan.
pub(super) struct Part {
    pub(super) revision: Revision,
    pub(super) lease: Lease,
    pub(super) thread: u32,
    pub(super) threads: u32,
    /// How long ago the run began, less 10 ms.
    pub(super) ago: Nanos,
    pub(super) tracer: Option<Tracer>,
}

impl Default for Part {
    fn default() -> Self {
        Self {
            revision: Revision::whole(),
            lease: Lease::forever(),
            thread: 0,
            threads: 1,
            ago: Nanos::ZERO,
            tracer: None,
        }
    }
}

pub(super) const NOW: Timestamp = Timestamp::from_nanos(77_000_000_000);

impl Bench {
    pub(super) fn new(load: LoadModel, ops: Vec<Op>) -> Self {
        Self::of(plan(load, ops), Part::default())
    }

    pub(super) fn of(plan: RunPlan, part: Part) -> Self {
        let plan = Arc::new(plan);
        let clock = ManualClock::starting_at(NOW);
        let (script, tally) = (Scripted::default(), Counting::default());
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = Arc::clone(&told);
        let config = ThreadConfig {
            run_id: uuid::Uuid::nil(),
            course: Arc::new(Course::new(&plan, part.revision, part.threads).unwrap()),
            lease: part.lease,
            watcher: Watcher::new(move |revised| telling.lock().unwrap().push(revised)),
            thread: part.thread,
            threads: part.threads,
            pacing: Pacing::Balanced,
            max_vus: vec![1_000; plan.scenarios.len()],
            plan,
        };
        let mut core = Core::new(&config, script.clone(), tally.clone(), part.tracer, clock.clone());
        let loads = deal::loads(&config, &mut core);
        let start = clock.now().saturating_sub(part.ago) + Nanos::from_millis(10);
        core.begin_at(start, loads);
        let next = core.turn();
        Self { core, clock, script, tally, told, start, next }
    }

    /// Tells the thread of a revision.
    pub(super) fn revise(&mut self, revision: Revision) {
        let course = Course::new(&self.core.plan, revision, self.core.threads).unwrap();
        self.core.revise(Arc::new(course));
        self.next = self.core.turn();
    }

    /// The revisions that were taken up, and the milliseconds from which they hold.
    pub(super) fn told(&self) -> Vec<(u64, u64)> {
        let told = self.told.lock().unwrap();
        told.iter().map(|told| (told.revision, told.effective.as_u64() / 1_000_000)).collect()
    }

    /// Turns the core at every instant it asks for up to `millis` after the start, then stands there.
    pub(super) fn run_to(&mut self, millis: u64) {
        let end = self.start + Nanos::from_millis(millis);
        for _ in 0..100_000 {
            match self.next {
                Next::At { at, .. } if at <= end => {
                    if at > self.clock.now() {
                        self.clock.advance_to(at);
                    }
                    self.next = self.core.turn();
                }
                _ => break,
            }
        }
        if end > self.clock.now() {
            self.clock.advance_to(end);
        }
    }

    /// Ends all requests under way, now.
    pub(super) fn respond(&mut self) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(self.core.poll_io(IoId(0), &mut cx).is_pending());
        self.next = self.core.turn();
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally.0.borrow().clone()
    }

    /// Every due slot is in one other class too, and the thread is at its end.
    pub(super) fn assert_balanced_and_over(&self) {
        let tally = self.tally();
        assert_eq!(self.next, Next::Over);
        assert_eq!(tally.due_digest, tally.rest_digest);
        assert_eq!(tally.due as usize, tally.starts.len() + tally.dropped.len() + tally.unsent.len());
        assert_eq!(tally.starts.len(), tally.ended.len());
        assert_eq!(tally.attempted as usize, tally.outcomes.len());
    }
}

pub(super) fn plan(load: LoadModel, ops: Vec<Op>) -> RunPlan {
    let request = RequestPlan {
        step: StepId(0),
        origin: OriginId(0),
        method: "GET".to_owned(),
        path: Template::literal("/"),
        headers: Vec::new(),
        body: Template::default(),
        timeout: Nanos::from_secs(30),
        expected: StatusSet::success(),
        checks: Vec::new(),
    };
    RunPlan {
        scenarios: vec![ScenarioPlan {
            name: "browse".to_owned(),
            tags: Default::default(),
            load,
            body: ScenarioBody::Program(Program { ops }),
            graceful_stop: Nanos::from_secs(1),
        }],
        steps: vec![Step { scenario: ScenarioId(0), name: "home".to_owned() }],
        requests: vec![request],
        origins: vec![Origin {
            scheme: Scheme::Http,
            host: "localhost".to_owned(),
            port: 80,
            address: None,
            tls: TlsPlan::default(),
            dns_timeout: Nanos::SECOND,
            connect_timeout: Nanos::SECOND,
            tls_timeout: Nanos::SECOND,
        }],
        checks: Vec::new(),
        seed: Seed(1),
    }
}

pub(super) const GET: Op = Op::Request(RequestId(0));

pub(super) fn think(millis: u64) -> Op {
    Op::Think { min: Nanos::from_millis(millis), max: Nanos::from_millis(millis) }
}

pub(super) fn stage<T: Copy>(millis: u64, level: T) -> Stage<T> {
    Stage { duration: Nanos::from_millis(millis), from: level, to: level, measured: true }
}

/// Evenly spaced arrivals.
pub(super) fn arrivals(stages: Vec<Stage<Rate>>, max_vus: Option<u32>, overload: Overload) -> LoadModel {
    let profile = RateProfile::new(stages).unwrap();
    LoadModel::ArrivalRate { profile, arrivals: Arrivals::Uniform, max_vus, overload }
}

/// 100/s for one second.
pub(super) fn open(max_vus: u32, overload: Overload) -> LoadModel {
    arrivals(vec![stage(1_000, Rate::from_per_second(100))], Some(max_vus), overload)
}

pub(super) fn queue(millis: u64) -> Overload {
    Overload::Queue { timeout: Nanos::from_millis(millis) }
}

pub(super) fn users(count: u32) -> LoadModel {
    LoadModel::VirtualUsers { profile: UserProfile::new(vec![stage(1_000, count)]).unwrap() }
}
