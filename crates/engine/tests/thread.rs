//! A real engine thread: Rust tasks in the same ledgers as steps, a teardown for every init, and no panic kept quiet.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use api::task::{InitError, TaskContext, TaskLifecycle, TaskOutcome, TraceParent};
use loadgen_engine::{
    CallId, ConnectionGauges, Event, IoId, Lease, Order, Outbox, Pacing, Protocol, TaskRegistry,
    ThreadConfig, ThreadReport, Tracer, Watcher, orders, run_thread,
};
use metrics::{
    Activity, DropReason, ErrorClass, ExecutionLog, ExecutionRecord, Gauges, IterationOutcome,
    IterationStart, IterationTimes, Outcome, Period, Propagation, Record, RequestSample, RunKey, Sampling,
    ScenarioKey, TraceOptions, TraceShape, UnsentReason, execution_queue,
};
use plan::{
    Course, LoadModel, Op, OriginId, Program, RequestId, RequestPlan, Revision, RunPlan, ScenarioBody,
    ScenarioId, ScenarioPlan, Seed, Share, Stage, StatusSet, Step, StepId, Template, UserProfile,
};
use units::{Clock, MonotonicClock, Nanos, Ratio};

/// Carries nothing: a plan of tasks has no requests.
struct NoProtocol;

/// Opens a connection and breaks when it is polled, as a fault of our own would.
struct Broken;

impl Protocol for Broken {
    fn start<C: Clock>(
        &mut self,
        _: CallId,
        _: RequestId,
        _: Option<&metrics::TraceParent>,
        _: &C,
        out: &mut Outbox,
    ) {
        out.push(Event::Opened(IoId(0)));
    }

    fn poll_io<C: Clock>(&mut self, _: IoId, _: &mut Context<'_>, _: &C, _: &mut Outbox) -> Poll<()> {
        panic!("declared");
    }

    fn on_timer<C: Clock>(&mut self, _: CallId, _: &C, _: &mut Outbox) {}

    fn cancel<C: Clock>(&mut self, _: CallId, _: &C, _: &mut Outbox) {}

    fn gauges(&self) -> ConnectionGauges {
        ConnectionGauges::default()
    }
}

impl Protocol for NoProtocol {
    fn start<C: Clock>(
        &mut self,
        _: CallId,
        _: RequestId,
        _: Option<&metrics::TraceParent>,
        _: &C,
        _: &mut Outbox,
    ) {
        panic!("a task is no request");
    }

    fn poll_io<C: Clock>(&mut self, _: IoId, _: &mut Context<'_>, _: &C, _: &mut Outbox) -> Poll<()> {
        Poll::Ready(())
    }

    fn on_timer<C: Clock>(&mut self, _: CallId, _: &C, _: &mut Outbox) {}

    fn cancel<C: Clock>(&mut self, _: CallId, _: &C, _: &mut Outbox) {}

    fn gauges(&self) -> ConnectionGauges {
        ConnectionGauges::default()
    }
}

#[derive(Clone, Debug, Default)]
struct Seen {
    started: u64,
    ended: Vec<IterationOutcome>,
    attempted: u64,
    outcomes: Vec<Outcome>,
    finished: bool,
}

#[derive(Clone, Default)]
struct Recording(Rc<RefCell<Seen>>);

impl Record for Recording {
    fn request_started(&mut self, _: usize, _: Period) {
        self.0.borrow_mut().attempted += 1;
    }

    fn request(&mut self, _: usize, sample: &RequestSample, _: Period) {
        self.0.borrow_mut().outcomes.push(sample.outcome);
    }

    fn check(&mut self, _: usize, _: bool, _: Period) {}

    fn slot_due(&mut self, _: usize, _: u128, _: Period) {}

    fn slot_dropped(&mut self, _: usize, _: DropReason, _: u128, _: Period) {}

    fn slot_unsent(&mut self, _: usize, _: UnsentReason, _: u128, _: Period) {}

    fn slots_stopped(&mut self, _: usize, _: u64, _: Period) {}

    fn dispatch_lag(&mut self, _: usize, _: Nanos, _: Period) {}

    fn iteration_started(&mut self, _: usize, _: IterationStart, _: u128, _: Period) {
        self.0.borrow_mut().started += 1;
    }

    fn iteration_ended(&mut self, _: usize, outcome: IterationOutcome, _: IterationTimes, _: Period) {
        self.0.borrow_mut().ended.push(outcome);
    }

    fn rotate(&mut self, _: u32, _: Gauges, _: Activity) {}

    fn finish(self, _: u32, _: Gauges, _: Activity) {
        self.0.borrow_mut().finished = true;
    }
}

/// What all users of a task did together.
#[derive(Default)]
struct Counts {
    inits: AtomicU32,
    executions: AtomicU32,
    teardowns: AtomicU32,
}

/// A task that behaves as its `execute` says on each of its executions.
struct Probe {
    counts: Arc<Counts>,
    init: fn(u32) -> Result<(), InitError>,
    execute: fn(u32) -> Act,
}

/// What one execution does.
enum Act {
    Succeed,
    Fail,
    Panic,
    Hang,
}

impl TaskLifecycle for Probe {
    async fn init(&mut self, _: &mut TaskContext) -> Result<(), InitError> {
        let nth = self.counts.inits.fetch_add(1, Relaxed);
        (self.init)(nth)
    }

    async fn execute(&mut self, _: &mut TaskContext) -> TaskOutcome {
        let nth = self.counts.executions.fetch_add(1, Relaxed);
        match (self.execute)(nth) {
            Act::Succeed => {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                TaskOutcome::Succeeded
            }
            Act::Fail => TaskOutcome::Failed,
            Act::Panic => panic!("declared"),
            Act::Hang => std::future::pending().await,
        }
    }

    async fn teardown(&mut self, _: &mut TaskContext) {
        self.counts.teardowns.fetch_add(1, Relaxed);
    }
}

fn config(load: LoadModel, body: ScenarioBody) -> ThreadConfig {
    let plan = RunPlan {
        scenarios: vec![ScenarioPlan {
            name: "task".to_owned(),
            tags: Default::default(),
            load,
            body,
            graceful_stop: Nanos::from_millis(50),
        }],
        steps: vec![Step { scenario: ScenarioId(0), name: "probe".to_owned() }],
        requests: vec![RequestPlan {
            step: StepId(0),
            origin: OriginId(0),
            method: "GET".to_owned(),
            path: Template::literal("/"),
            headers: Vec::new(),
            body: Template::default(),
            timeout: Nanos::SECOND,
            expected: StatusSet::success(),
            checks: Vec::new(),
        }],
        origins: Vec::new(),
        checks: Vec::new(),
        seed: Seed(1),
    };
    ThreadConfig {
        run_id: uuid::Uuid::nil(),
        course: Arc::new(Course::new(&plan, Revision::whole(), 1).unwrap()),
        plan: Arc::new(plan),
        lease: Lease::forever(),
        watcher: Watcher::nobody(),
        thread: 0,
        threads: 1,
        pacing: Pacing::Balanced,
        max_vus: vec![100],
    }
}

fn run(load: LoadModel, probe: impl Fn() -> Probe + Send + Sync + 'static) -> (Seen, ThreadReport) {
    let config = config(load, ScenarioBody::Task { task: "probe".to_owned(), step: StepId(0) });
    let mut tasks = TaskRegistry::default();
    tasks.register("probe", probe);
    let (remote, orders) = orders();
    remote.order(Order::StartAt(MonotonicClock.now()));
    let recording = Recording::default();
    let report = run_thread(config, &tasks, NoProtocol, recording.clone(), None, orders).unwrap();
    let seen = recording.0.borrow().clone();
    assert!(seen.finished);
    assert_eq!(seen.started, report.iterations_started);
    assert_eq!(seen.attempted, report.requests_attempted);
    assert_eq!(seen.started as usize, seen.ended.len());
    assert_eq!(seen.attempted as usize, seen.outcomes.len());
    (seen, report)
}

fn quota(vus: u32, iterations: u64) -> LoadModel {
    LoadModel::SharedIterations { vus, iterations, max_duration: Nanos::from_secs(20) }
}

fn all_well(_: u32) -> Result<(), InitError> {
    Ok(())
}

#[test]
fn a_task_is_set_up_once_a_user_and_torn_down_once_a_user() {
    let counts = Arc::new(Counts::default());
    let shared = Arc::clone(&counts);
    let (seen, report) = run(quota(4, 40), move || Probe {
        counts: Arc::clone(&shared),
        init: all_well,
        execute: |nth| if nth % 4 == 3 { Act::Fail } else { Act::Succeed },
    });
    assert_eq!(report.teardowns_cut, 0);
    assert_eq!(counts.executions.load(Relaxed), 40);
    assert_eq!((counts.inits.load(Relaxed), counts.teardowns.load(Relaxed)), (4, 4));
    let failed =
        seen.outcomes.iter().filter(|outcome| **outcome == Outcome::Failed(ErrorClass::Task)).count();
    assert_eq!(failed, 10);
    assert_eq!(seen.ended.iter().filter(|outcome| **outcome == IterationOutcome::Failed).count(), 10);
}

#[test]
#[should_panic(expected = "declared")]
fn a_panic_of_our_own_in_a_connections_task_ends_the_thread() {
    let config = config(quota(1, 1), ScenarioBody::Program(Program { ops: vec![Op::Request(RequestId(0))] }));
    let (remote, orders) = orders();
    remote.order(Order::StartAt(MonotonicClock.now()));
    let _ = run_thread(config, &TaskRegistry::default(), Broken, Recording::default(), None, orders);
}

#[test]
fn a_panic_is_an_outcome_of_its_own_and_replaces_the_user() {
    let counts = Arc::new(Counts::default());
    let shared = Arc::clone(&counts);
    let (seen, _) = run(quota(2, 20), move || Probe {
        counts: Arc::clone(&shared),
        init: all_well,
        execute: |nth| if nth == 5 { Act::Panic } else { Act::Succeed },
    });
    let panicked = Outcome::Failed(ErrorClass::TaskPanic);
    assert_eq!(seen.outcomes.iter().filter(|outcome| **outcome == panicked).count(), 1);
    assert_eq!(seen.outcomes.len(), 20);
    assert_eq!((counts.inits.load(Relaxed), counts.teardowns.load(Relaxed)), (3, 3));
}

/// A task that says what it was told of its span, by iteration.
struct Telling(Arc<Mutex<BTreeMap<u64, Option<TraceParent>>>>);

impl TaskLifecycle for Telling {
    async fn init(&mut self, cx: &mut TaskContext) -> Result<(), InitError> {
        assert_eq!(cx.traceparent, None);
        Ok(())
    }

    async fn execute(&mut self, cx: &mut TaskContext) -> TaskOutcome {
        self.0.lock().unwrap().insert(cx.iteration, cx.traceparent);
        if cx.iteration == 3 { TaskOutcome::Failed } else { TaskOutcome::Succeeded }
    }

    async fn teardown(&mut self, _: &mut TaskContext) {}
}

/// What 20 executions of a task were told, and which were kept.
fn told_and_kept(propagation: Propagation) -> (Vec<Option<TraceParent>>, Vec<ExecutionRecord>) {
    let config = config(quota(2, 20), ScenarioBody::Task { task: "probe".to_owned(), step: StepId(0) });
    let told = Arc::<Mutex<BTreeMap<_, _>>>::default();
    let telling = Arc::clone(&told);
    let mut tasks = TaskRegistry::default();
    tasks.register("probe", move || Telling(Arc::clone(&telling)));
    let (sender, mut drain) = execution_queue(64, 1);
    let sampling = Sampling::Ratio(Ratio::new(0.5));
    let options = TraceOptions { sampling, propagation, ..TraceOptions::default() };
    let tracer = Tracer::new(vec![KEY], options, ExecutionLog::default(), sender);
    let (remote, orders) = orders();
    remote.order(Order::StartAt(MonotonicClock.now()));
    let recording = Recording::default();
    run_thread(config, &tasks, NoProtocol, recording.clone(), Some(tracer), orders).unwrap();
    let kept = std::iter::from_fn(|| drain.next_record()).map(|record| *record).collect();
    let told = told.lock().unwrap().values().copied().collect();
    (told, kept)
}

const KEY: ScenarioKey = RunKey::new(7).scenario(0, TraceShape::Tree);

#[test]
fn an_execution_of_a_task_is_kept_and_can_pass_its_span_on() {
    let (told, kept) = told_and_kept(Propagation::Sampled);
    let is_drawn = |n: &u64| KEY.draw(*n) < 1 << 63;
    let drawn: Vec<_> = (0..20).filter(is_drawn).collect();
    assert!(!drawn.is_empty() && !drawn.contains(&3), "or the test says less than it could: {drawn:?}");
    for (n, told) in (0..20).zip(&told) {
        let span = KEY.execution(n).request(0);
        let expected = TraceParent { trace_id: span.trace.0, parent_id: span.span.0, sampled: true };
        assert_eq!(*told, is_drawn(&n).then_some(expected));
    }
    let mut traced: Vec<_> = kept.iter().filter(|record| record.kept.traced).collect();
    traced.sort_unstable_by_key(|record| record.iteration);
    assert!(traced.iter().map(|record| record.iteration).eq(drawn));
    for record in traced {
        assert_eq!((record.requests.len(), record.more_requests, record.spans()), (1, 0, 2));
        assert_eq!((record.requests[0].index, record.requests[0].request), (0, None));
        assert_eq!(record.context, KEY.execution(record.iteration));
    }
    let failed: Vec<_> = kept.iter().filter(|record| !record.kept.traced).collect();
    assert_eq!((failed.len(), failed[0].iteration), (1, 3), "a line of the log");
    assert_eq!(failed[0].first_failure(), Some(ErrorClass::Task));
}

#[test]
fn a_task_is_told_of_its_span_as_propagation_says() {
    assert_eq!(told_and_kept(Propagation::Never).0, [None; 20]);
    let (told, _) = told_and_kept(Propagation::Always);
    let sampled = told.iter().map(|parent| parent.unwrap().sampled);
    assert!(sampled.eq((0..20).map(|n| KEY.draw(n) < 1 << 63)));
}

#[test]
fn a_user_that_cannot_be_set_up_fails_and_is_not_torn_down() {
    let counts = Arc::new(Counts::default());
    let shared = Arc::clone(&counts);
    let (seen, _) = run(quota(1, 5), move || Probe {
        counts: Arc::clone(&shared),
        init: |nth| if nth < 2 { Err(InitError::new("declared")) } else { Ok(()) },
        execute: |_| Act::Succeed,
    });
    let failed =
        seen.outcomes.iter().filter(|outcome| **outcome == Outcome::Failed(ErrorClass::Task)).count();
    assert_eq!((failed, seen.outcomes.len()), (2, 5));
    assert_eq!((counts.inits.load(Relaxed), counts.teardowns.load(Relaxed)), (3, 1));
}

#[test]
fn an_execution_that_hangs_is_cancelled_and_still_torn_down() {
    let counts = Arc::new(Counts::default());
    let shared = Arc::clone(&counts);
    let stage = Stage { duration: Nanos::from_millis(30), from: 3, to: 3, measured: true };
    let load = LoadModel::VirtualUsers { profile: UserProfile::new(vec![stage]).unwrap() };
    let (seen, report) =
        run(load, move || Probe { counts: Arc::clone(&shared), init: all_well, execute: |_| Act::Hang });
    assert_eq!(seen.outcomes, vec![Outcome::Cancelled; 3]);
    assert_eq!(seen.ended, vec![IterationOutcome::Cancelled; 3]);
    assert_eq!(report.teardowns_cut, 0);
    assert_eq!(counts.teardowns.load(Relaxed), 3);
}

/// The orders of a thread that runs elsewhere, and what it says of revisions.
struct Running {
    remote: loadgen_engine::Remote,
    told: std::sync::mpsc::Receiver<loadgen_engine::Revised>,
    thread: std::thread::JoinHandle<(Seen, ThreadReport)>,
}

/// Starts a thread that is told its share later, as one that joins a run 200 ms old.
fn joining(load: LoadModel, lease: Lease) -> Running {
    let (tell, told) = std::sync::mpsc::sync_channel(8);
    let (remote, orders) = orders();
    remote.order(Order::StartAt(MonotonicClock.now().saturating_sub(Nanos::from_millis(200))));
    let thread = std::thread::spawn(move || {
        let body = ScenarioBody::Task { task: "probe".to_owned(), step: StepId(0) };
        let config = config(load, body);
        let share = Share { revision: 1, weights: vec![1, 0], index: 1 };
        let course = Arc::new(Course::new(&config.plan, Revision::first(share), 1).unwrap());
        let watcher = Watcher::new(move |revised| tell.send(revised).unwrap());
        let config = ThreadConfig { course, lease, watcher, ..config };
        let mut tasks = TaskRegistry::default();
        let probe = || Probe { counts: Arc::default(), init: all_well, execute: |_| Act::Succeed };
        tasks.register("probe", probe);
        let recording = Recording::default();
        let report = run_thread(config, &tasks, NoProtocol, recording.clone(), None, orders).unwrap();
        let seen = recording.0.borrow().clone();
        (seen, report)
    });
    Running { remote, told, thread }
}

fn users_for_a_minute() -> LoadModel {
    let stage = Stage { duration: Nanos::from_secs(60), from: 3, to: 3, measured: true };
    LoadModel::VirtualUsers { profile: UserProfile::new(vec![stage]).unwrap() }
}

/// Gives everything to the thread that had nothing.
fn take_over(running: &Running, load: LoadModel, number: u64) {
    let plan = config(load, ScenarioBody::Program(Program::default())).plan;
    let share = Share { revision: number, weights: vec![0, 1], index: 1 };
    let revision = Revision { effective: Nanos::from_millis(100), share, amendments: Vec::new() };
    assert!(running.remote.order(Order::Revise(Arc::new(Course::new(&plan, revision, 1).unwrap()))));
}

#[test]
fn a_thread_that_joins_takes_a_share_over_and_stops_when_its_lease_is_ended() {
    let (mut keeper, lease) = Lease::until(units::Timestamp::NEVER);
    let running = joining(users_for_a_minute(), lease);
    take_over(&running, users_for_a_minute(), 2);
    let told = running.told.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
    assert_eq!((told.thread, told.revision), (0, 2));
    assert!(told.effective >= Nanos::from_millis(200), "it came too late to hold from 100 ms on: {told:?}");
    keeper.end(MonotonicClock.now());
    let (seen, report) = running.thread.join().unwrap();
    assert_eq!(seen.started as usize, seen.ended.len());
    assert!(report.left_at.unwrap() >= told.effective, "{report:?}");
}

#[test]
fn revisions_leave_room_for_a_stop() {
    // Nobody takes the orders yet.
    let (remote, orders) = orders();
    let plan = config(users_for_a_minute(), ScenarioBody::Program(Program::default())).plan;
    let course = Arc::new(Course::new(&plan, Revision::whole(), 1).unwrap());
    let taken = (0..1_000).take_while(|_| remote.order(Order::Revise(Arc::clone(&course)))).count();
    assert!((16..1_000).contains(&taken), "{taken}");
    assert!(remote.order(Order::Drain { until: units::Timestamp::NEVER }) && remote.order(Order::Cancel));
    drop(orders);
    assert!(remote.order(Order::Revise(course)), "one given after the end is forgotten");
}
