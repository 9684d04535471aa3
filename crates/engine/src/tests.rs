//! The core driven by hand: a clock that stands still, a protocol that does as it is told, a recorder that counts.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use metrics::{
    Activity, DropReason, ErrorClass, Gauges, IterationOutcome, IterationStart, IterationTimes, Outcome,
    Period, Phases, Record, RequestSample, UnsentReason,
};
use plan::{
    Arrivals, Course, LoadModel, Op, Origin, OriginId, Overload, Program, RateProfile, RequestId,
    RequestPlan, Revision, RunPlan, ScenarioBody, ScenarioId, ScenarioPlan, Scheme, Seed, Stage, StatusSet,
    Step, StepId, Template, TlsPlan, UserProfile,
};
use units::{Clock, ManualClock, Nanos, Rate, Timestamp};

use crate::core::{Core, Next};
use crate::port::{CallId, Completion, ConnectionGauges, Event, IoId, Outbox, Protocol};
use crate::{Lease, Pacing, Revised, ThreadConfig, Watcher, deal};

mod closed;
mod lease;
mod revised;

/// Calls under way and how the next ones end.
#[derive(Default)]
struct Script {
    under_way: Vec<(CallId, Timestamp)>,
    /// Ends calls the moment they start.
    immediate: Option<Outcome>,
    timer: Option<Nanos>,
}

#[derive(Clone, Default)]
struct Scripted(Rc<RefCell<Script>>);

fn completion(call: CallId, outcome: Outcome, actual_start: Timestamp, now: Timestamp) -> Completion {
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
    fn start<C: Clock>(&mut self, call: CallId, _: RequestId, clock: &C, out: &mut Outbox) {
        let mut script = self.0.borrow_mut();
        let now = clock.now();
        if let Some(outcome) = script.immediate {
            out.push(Event::Completed(completion(call, outcome, now, now)));
            return;
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
        self.end(call, Outcome::Failed(ErrorClass::Timeout), clock, out);
    }

    fn cancel<C: Clock>(&mut self, call: CallId, clock: &C, out: &mut Outbox) {
        self.end(call, Outcome::Cancelled, clock, out);
    }

    fn gauges(&self) -> ConnectionGauges {
        ConnectionGauges::default()
    }
}

impl Scripted {
    fn end<C: Clock>(&self, call: CallId, outcome: Outcome, clock: &C, out: &mut Outbox) {
        let mut script = self.0.borrow_mut();
        let at = script.under_way.iter().position(|(under_way, _)| *under_way == call).unwrap();
        let (_, started) = script.under_way.swap_remove(at);
        out.push(Event::Completed(completion(call, outcome, started, clock.now())));
    }
}

/// What was recorded, counted.
#[derive(Clone, Debug, Default, PartialEq)]
struct Tally {
    due: u64,
    due_digest: u128,
    rest_digest: u128,
    dropped: Vec<DropReason>,
    unsent: Vec<UnsentReason>,
    stopped: u64,
    other_lags: Vec<Nanos>,
    starts: Vec<(u64, u64)>,
    ended: Vec<IterationOutcome>,
    response_times: Vec<u64>,
    attempted: u64,
    outcomes: Vec<Outcome>,
    samples: Vec<RequestSample>,
    warm_up: u64,
    rotated: Vec<u32>,
    users: Vec<u64>,
    due_by_then: Vec<u64>,
    /// In milliseconds, as are the times above.
    stalled: u64,
    queued: u64,
    finished: Option<u32>,
}

#[derive(Clone, Default)]
struct Counting(Rc<RefCell<Tally>>);

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

struct Bench {
    core: Core<Scripted, Counting, ManualClock>,
    clock: ManualClock,
    script: Scripted,
    tally: Counting,
    told: Arc<Mutex<Vec<Revised>>>,
    start: Timestamp,
    next: Next,
}

const STEP: Nanos = Nanos::from_millis(1);

/// What a thread is given beside its plan.
struct Part {
    revision: Revision,
    lease: Lease,
    thread: u32,
    threads: u32,
    /// How long ago the run began, less 10 ms.
    ago: Nanos,
}

impl Default for Part {
    fn default() -> Self {
        Self { revision: Revision::whole(), lease: Lease::forever(), thread: 0, threads: 1, ago: Nanos::ZERO }
    }
}

const NOW: Timestamp = Timestamp::from_nanos(77_000_000_000);

impl Bench {
    fn new(load: LoadModel, ops: Vec<Op>) -> Self {
        Self::of(plan(load, ops), Part::default())
    }

    fn of(plan: RunPlan, part: Part) -> Self {
        let plan = Arc::new(plan);
        let clock = ManualClock::starting_at(NOW);
        let (script, tally) = (Scripted::default(), Counting::default());
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = Arc::clone(&told);
        let config = ThreadConfig {
            run_id: uuid::Uuid::nil(),
            course: Arc::new(Course::new(&plan, part.revision, part.threads).unwrap()),
            plan,
            lease: part.lease,
            watcher: Watcher::new(move |revised| telling.lock().unwrap().push(revised)),
            thread: part.thread,
            threads: part.threads,
            pacing: Pacing::Balanced,
            max_vus: vec![1_000],
        };
        let mut core = Core::new(&config, script.clone(), tally.clone(), clock.clone());
        let loads = deal::loads(&config, &mut core);
        let start = clock.now().saturating_sub(part.ago) + Nanos::from_millis(10);
        core.begin_at(start, loads);
        let next = core.turn();
        Self { core, clock, script, tally, told, start, next }
    }

    /// Tells the thread of a revision.
    fn revise(&mut self, revision: Revision) {
        let course = Course::new(&self.core.plan, revision, self.core.threads).unwrap();
        self.core.revise(Arc::new(course));
        self.next = self.core.turn();
    }

    /// The revisions that were taken up, and the milliseconds from which they hold.
    fn told(&self) -> Vec<(u64, u64)> {
        let told = self.told.lock().unwrap();
        told.iter().map(|told| (told.revision, told.effective.as_u64() / 1_000_000)).collect()
    }

    /// Turns the core at every instant it asks for up to `millis` after the start, then stands there.
    fn run_to(&mut self, millis: u64) {
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
    fn respond(&mut self) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(self.core.poll_io(IoId(0), &mut cx).is_pending());
        self.next = self.core.turn();
    }

    fn tally(&self) -> Tally {
        self.tally.0.borrow().clone()
    }

    /// Every due slot is in one other class too, and the thread is at its end.
    fn assert_balanced_and_over(&self) {
        let tally = self.tally();
        assert_eq!(self.next, Next::Over);
        assert_eq!(tally.due_digest, tally.rest_digest);
        assert_eq!(tally.due as usize, tally.starts.len() + tally.dropped.len() + tally.unsent.len());
        assert_eq!(tally.starts.len(), tally.ended.len());
        assert_eq!(tally.attempted as usize, tally.outcomes.len());
    }
}

fn plan(load: LoadModel, ops: Vec<Op>) -> RunPlan {
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

const GET: Op = Op::Request(RequestId(0));

fn think(millis: u64) -> Op {
    Op::Think { min: Nanos::from_millis(millis), max: Nanos::from_millis(millis) }
}

fn stage<T: Copy>(millis: u64, level: T) -> Stage<T> {
    Stage { duration: Nanos::from_millis(millis), from: level, to: level, measured: true }
}

/// Evenly spaced arrivals.
fn arrivals(stages: Vec<Stage<Rate>>, max_vus: Option<u32>, overload: Overload) -> LoadModel {
    let profile = RateProfile::new(stages).unwrap();
    LoadModel::ArrivalRate { profile, arrivals: Arrivals::Uniform, max_vus, overload }
}

/// 100/s for one second.
fn open(max_vus: u32, overload: Overload) -> LoadModel {
    arrivals(vec![stage(1_000, Rate::from_per_second(100))], Some(max_vus), overload)
}

fn queue(millis: u64) -> Overload {
    Overload::Queue { timeout: Nanos::from_millis(millis) }
}

fn users(count: u32) -> LoadModel {
    LoadModel::VirtualUsers { profile: UserProfile::new(vec![stage(1_000, count)]).unwrap() }
}

#[test]
fn every_slot_starts_at_its_instant() {
    let mut bench = Bench::new(open(1_000, queue(30_000)), vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(3_000);
    let tally = bench.tally();
    assert_eq!(tally.starts, vec![(0, 0); 100]);
    assert_eq!(tally.outcomes, vec![Outcome::Succeeded; 100]);
    bench.assert_balanced_and_over();
}

#[test]
fn late_iterations_keep_their_intended_start() {
    let mut bench = Bench::new(open(1_000, queue(30_000)), vec![GET]);
    bench.run_to(95);
    bench.clock.advance(Nanos::from_millis(55));
    bench.next = bench.core.turn();
    let tally = bench.tally();
    // Slots of 100 ms to 150 ms, all taken up at 150 ms.
    assert_eq!(tally.starts[10..], [(50, 0), (40, 0), (30, 0), (20, 0), (10, 0), (0, 0)]);
}

#[test]
fn a_stall_beyond_the_catch_up_is_counted_and_never_burst() {
    let mut bench = Bench::new(open(1_000, queue(30_000)), vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(95);
    bench.clock.advance(Nanos::from_millis(500));
    bench.next = bench.core.turn();
    bench.run_to(3_000);
    let tally = bench.tally();
    // Due 100 ms to 490 ms at 595 ms: more than 100 ms late.
    assert_eq!(tally.unsent, vec![UnsentReason::GeneratorStall; 40]);
    assert_eq!(tally.starts.len(), 60);
    bench.assert_balanced_and_over();
}

#[test]
fn a_stall_across_the_end_of_the_plan_is_a_stall_and_not_a_stop() {
    // More slots are left than are released in one go before the grace of one second is looked at.
    let load = arrivals(vec![stage(1_000, Rate::from_per_second(1_000))], None, queue(30_000));
    let mut bench = Bench::new(load, vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(500);
    bench.clock.advance(Nanos::from_secs(3));
    bench.next = bench.core.turn();
    bench.run_to(9_000);
    assert_eq!(bench.tally().unsent, vec![UnsentReason::GeneratorStall; 499]);
    bench.assert_balanced_and_over();
}

#[test]
fn users_of_an_open_model_are_the_most_at_once_in_each_interval() {
    let load = arrivals(vec![stage(2_000, Rate::from_per_second(10))], None, queue(30_000));
    let mut bench = Bench::new(load, vec![GET]);
    bench.run_to(550);
    bench.respond();
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(2_500);
    assert_eq!(bench.tally().users, [6, 1]);
}

#[test]
fn a_slot_that_finds_no_user_tells_how_late_we_were() {
    let mut bench = Bench::new(open(1, Overload::Drop), vec![GET]);
    bench.run_to(95);
    bench.clock.advance(Nanos::from_millis(55));
    bench.next = bench.core.turn();
    let late: Vec<u64> = bench.tally().other_lags.iter().map(|lag| lag.as_u64() / 1_000_000).collect();
    // Nine dropped on time, then six in one go.
    assert_eq!(late[9..], [50, 40, 30, 20, 10, 0]);
}

#[test]
fn a_slot_without_a_free_user_waits_and_its_response_time_runs() {
    let mut bench = Bench::new(open(1, queue(30_000)), vec![GET]);
    bench.run_to(25);
    bench.respond();
    bench.respond();
    let tally = bench.tally();
    // Slots of 0, 10 and 20 ms on one user, who is free at 25 ms: the waiting is queue wait, not dispatch lag.
    assert_eq!(tally.starts, [(0, 0), (0, 15), (0, 5)]);
    assert_eq!(tally.response_times, [25, 15]);
}

#[test]
fn a_slot_that_waited_too_long_is_dropped() {
    let mut bench = Bench::new(open(1, queue(35)), vec![GET]);
    bench.run_to(60);
    assert_eq!(bench.tally().dropped, vec![DropReason::QueueTimeout; 2]);
    bench.run_to(900);
    bench.respond();
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.respond();
    bench.run_to(3_000);
    bench.assert_balanced_and_over();
}

#[test]
fn overload_drop_drops_at_once() {
    let mut bench = Bench::new(open(1, Overload::Drop), vec![GET]);
    bench.run_to(25);
    assert_eq!(bench.tally().dropped, vec![DropReason::NoUser; 2]);
}

#[test]
fn think_time_belongs_to_no_request() {
    let mut bench = Bench::new(open(1_000, queue(30_000)), vec![GET, think(200), GET]);
    bench.run_to(3);
    bench.respond();
    bench.run_to(207);
    let first_of_two = bench.tally().samples.len();
    bench.respond();
    let sample = bench.tally().samples[first_of_two..]
        .iter()
        .copied()
        .max_by_key(|sample| sample.times.released_at)
        .unwrap();
    let times = sample.times;
    assert!(times.dispatch_lag() <= Nanos::from_micros(40), "{}", times.dispatch_lag());
    assert!(bench.tally().other_lags.iter().all(|lag| *lag <= Nanos::from_micros(40)));
    assert!(!bench.tally().other_lags.is_empty());
    let second_step = bench.start + Nanos::from_millis(203);
    assert!(bench.tally().samples.iter().any(|sample| sample.times.intended_start == second_step));
}

#[test]
fn what_is_in_flight_after_the_graceful_stop_is_cancelled() {
    let mut bench = Bench::new(open(1_000, queue(30_000)), vec![GET, think(5_000), GET]);
    bench.run_to(500);
    bench.respond();
    bench.run_to(1_999);
    assert!(bench.tally().ended.is_empty());
    bench.run_to(2_100);
    let tally = bench.tally();
    assert_eq!(tally.ended, vec![IterationOutcome::Cancelled; 100]);
    assert_eq!(tally.outcomes.iter().filter(|outcome| **outcome == Outcome::Cancelled).count(), 49);
    bench.assert_balanced_and_over();
}

#[test]
fn a_drain_accounts_for_every_slot_that_was_planned() {
    let mut bench = Bench::new(open(2, queue(30_000)), vec![GET]);
    bench.run_to(495);
    let until = bench.clock.now() + Nanos::from_millis(200);
    bench.core.drain(until);
    bench.next = bench.core.turn();
    bench.run_to(800);
    let tally = bench.tally();
    assert_eq!(tally.due, 100);
    assert_eq!(tally.unsent, vec![UnsentReason::Stopped; 98]);
    assert_eq!(tally.ended, vec![IterationOutcome::Cancelled; 2]);
    bench.assert_balanced_and_over();
}

#[test]
fn a_long_schedule_that_is_stopped_is_counted_to_its_end() {
    let load = arrivals(vec![stage(3_600_000, Rate::from_per_second(1_000))], None, queue(1));
    let mut bench = Bench::new(load, vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(10);
    bench.core.drain(bench.clock.now());
    bench.next = bench.core.turn();
    let tally = bench.tally();
    assert!(tally.stopped > 0, "the schedule is longer than what is listed");
    assert_eq!(tally.due + tally.stopped, 3_600_000);
    bench.assert_balanced_and_over();
}

#[test]
fn a_target_that_answers_at_once_does_not_keep_the_thread_from_its_schedule() {
    let mut bench = Bench::new(users(1), vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Failed(ErrorClass::NoFileHandle));
    // Would not return if iterations without duration were started from within each other.
    bench.run_to(5);
    assert!(bench.tally().starts.len() > 10);
    assert_ne!(bench.next, Next::Over);
}

#[test]
fn the_protocols_timer_ends_a_call() {
    let mut bench = Bench::new(open(1_000, queue(30_000)), vec![GET]);
    bench.script.0.borrow_mut().timer = Some(Nanos::from_millis(40));
    bench.run_to(3_000);
    let tally = bench.tally();
    assert_eq!(tally.outcomes, vec![Outcome::Failed(ErrorClass::Timeout); 100]);
    assert!(tally.response_times.iter().all(|millis| *millis == 40));
    bench.assert_balanced_and_over();
}

#[test]
fn warm_up_is_told_from_what_is_measured() {
    let rate = Rate::from_per_second(100);
    let warm = Stage { measured: false, ..stage(300, rate) };
    let load = arrivals(vec![warm, stage(700, rate)], None, Overload::Drop);
    let mut bench = Bench::new(load, vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(3_000);
    assert_eq!((bench.tally().due, bench.tally().warm_up), (100, 30));
}

#[test]
fn intervals_end_with_the_seconds_of_the_run() {
    let load = arrivals(vec![stage(3_500, Rate::from_per_second(10))], None, Overload::Drop);
    let mut bench = Bench::new(load, vec![GET]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(4_000);
    assert_eq!(bench.tally().rotated, [0, 1, 2]);
    assert_eq!(bench.tally().users, [1, 1, 1], "gone at once, and yet one at a time");
    // What is due at a full second belongs to the second that begins with it.
    assert_eq!(bench.tally().due_by_then, [10, 20, 30]);
    let Bench { core, tally, .. } = bench;
    core.finish();
    assert_eq!(tally.0.borrow().finished, Some(4));
}
