//! What is kept, how it is called, and the export thread with queues by hand.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use metrics::{
    Activity, Catalog, CatalogScenario, CatalogStep, ErrorClass, ExecutionSender, Gauges, IterationStart,
    Outcome, Period, Phases, Propagation, Record, Recorder, RequestRecord, RequestSample, RequestTimes,
    RunKey, Sampling, SlowBound, TraceShape, execution_queue,
};
use net::probe::{Form, Page};
use plan::RunPlan;
use scenario::{Files, Telemetry, Workload};
use telemetry::catalogue::{self, Instrument};
use telemetry::spans::{RequestNames, ScenarioNames, StepNames};
use units::{Clock, MonotonicClock, Nanos, Ratio};

use super::*;

const RUN: Uuid = Uuid::from_u128(7);
/// Longer than anything here takes on the busiest machine: only a hang gets there.
const HANG: Duration = Duration::from_secs(60);

fn plan(steps: &str) -> RunPlan {
    let document = format!(
        r#"{{"name": "n", "target": {{"url": "http://shop.test:81"}}, "scenarios": {{"browse": {{
            "executor": "constant-arrival-rate", "rate": "10/s", "duration": "1s", "max_vus": 1, "steps": {steps}}}}}}}"#
    );
    let workload = Workload::from_canonical_json(&document, &Files::default()).unwrap();
    scenario::compile(&workload, &Files::default()).unwrap()
}

fn settings(sampler: Option<&str>, propagators: Option<&str>, endpoint: Option<&str>) -> Settings {
    let variables = |name: &str| match name {
        "OTEL_TRACES_SAMPLER" => sampler.map(str::to_owned),
        "OTEL_PROPAGATORS" => propagators.map(str::to_owned),
        "OTEL_EXPORTER_OTLP_ENDPOINT" => endpoint.map(str::to_owned),
        _ => None,
    };
    Settings::from_variables(variables).unwrap()
}

#[test]
fn variables_come_before_the_file_and_nothing_is_kept_that_goes_nowhere() {
    let plan = plan(r#"[{"get": "/", "name": "list"}]"#);
    let here = Some("http://127.0.0.1:1");
    let of = |propagation, sampling, settings: &Settings| {
        let mut file = Telemetry::default();
        (file.traces.propagation, file.traces.sampling) = (propagation, sampling);
        let keeping = Keeping::new(RUN, &plan, &file, settings);
        (keeping.propagated().is_some(), keeping.tells_target_always(), keeping.tracer().is_some())
    };
    let (ratio, tail) = (Sampling::Ratio(Ratio::new(0.5)), Sampling::Tail(SlowBound::Time(Nanos::SECOND)));
    let sent = settings(None, None, here);
    assert_eq!(of(Propagation::Sampled, ratio, &sent), (true, false, true));
    assert_eq!(of(Propagation::Sampled, tail, &sent), (true, true, true));
    assert_eq!(of(Propagation::Never, ratio, &sent), (false, false, true));
    assert_eq!(of(Propagation::Sampled, Sampling::Off, &sent), (false, false, false));
    assert_eq!(
        of(Propagation::Sampled, ratio, &settings(Some("always_off"), None, here)),
        (false, false, false)
    );
    assert_eq!(
        of(Propagation::Sampled, Sampling::Off, &settings(Some("always_on"), None, here)),
        (true, false, true)
    );
    assert_eq!(of(Propagation::Always, tail, &settings(None, Some("none"), here)), (false, false, true));
    // Nobody takes spans: what was asked to go to the target goes all the same.
    let nowhere = settings(None, None, None);
    assert_eq!(of(Propagation::Sampled, tail, &nowhere), (false, false, false));
    assert_eq!(of(Propagation::Always, ratio, &nowhere), (true, true, true));
}

#[test]
fn a_secret_is_called_one_wherever_a_request_is_shown() {
    let steps = r#"[{"get": "/items", "name": "list", "query": {"q": "${secret.ITEM}", "n": "1"},
        "headers": {"user-agent": "me/${secret.AGENT}"}}, {"post": "/buy", "name": "buy"}]"#;
    let plan = plan(steps);
    let catalog = span_catalog(RUN, "w", &plan, &[RunKey::new(7).scenario(0, TraceShape::Tree)]);
    let shown = format!("{catalog:?}");
    for expected in
        ["GET /items", "http://shop.test:81/items?q=REDACTED&n=1", "me/REDACTED", "POST /buy", "browse/buy"]
    {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
    assert!(
        shown.contains(concat!("loadgen/", env!("CARGO_PKG_VERSION"))),
        "what is sent when the file says nothing"
    );
    let targets = step_targets(&plan);
    let buy = targets[1].as_ref().unwrap();
    assert_eq!((buy.method.as_str(), buy.address.as_str(), buy.port), ("POST", "shop.test", 81));
}

/// An export thread, and what feeds it.
struct Bench {
    exporter: Exporter,
    told: Receiver<Told>,
    sender: Option<ExecutionSender>,
    recorder: Recorder,
    drain: metrics::Drain,
    board: Board,
    routes: LogRoutes,
    intervals: u32,
}

impl Bench {
    fn new(tell: impl Fn(&Told) + Send + 'static) -> Self {
        let layout = Arc::new(Layout::new(Catalog {
            scenarios: vec![CatalogScenario { name: "s".into(), ..CatalogScenario::default() }],
            steps: vec![CatalogStep { scenario: 0, name: "get".into() }],
            ..Catalog::default()
        }));
        let (recorder, drain) = metrics::pair(&layout, 0, 3);
        let (sender, executions) = execution_queue(4, 4);
        let key = RunKey::new(RUN.as_u128()).scenario(0, TraceShape::Tree);
        let request = RequestNames {
            method: "GET".into(),
            scheme: "http",
            host: "shop.test".into(),
            port: 80,
            target: "/".into(),
            user_agent: "me".into(),
        };
        let (board, routes) = (Board::new(), LogRoutes::new());
        let part = Part {
            run_id: RUN,
            worker: "w".into(),
            layout,
            catalog: SpanCatalog::new(
                RUN,
                "w",
                vec![ScenarioNames { name: "s".into(), key, task: None }],
                vec![StepNames { scenario: 0, name: "get".into() }],
                vec![request],
            ),
            targets: vec![None],
            drains: vec![executions],
            tells_target: false,
            excluded_threads: None,
            telemetry: WorkerTelemetry {
                board: board.clone(),
                routes: Some(routes.clone()),
                ..WorkerTelemetry::default()
            },
            pipeline: None,
        };
        let (say, told): (SyncSender<Told>, _) = sync_channel(64);
        let exporter = Exporter::start(part, move |word| {
            tell(&word);
            // A test that is over listens no more.
            drop(say.send(word));
        });
        Self {
            exporter: exporter.unwrap(),
            told,
            sender: Some(sender),
            recorder,
            drain,
            board,
            routes,
            intervals: 0,
        }
    }

    /// One traced execution with one request, of so long.
    fn execute(&mut self, iteration: u64, response_time: Nanos, period: Period) {
        execute(self.sender.as_mut().unwrap(), iteration, response_time, period);
    }

    /// A second in which so many requests were begun.
    fn measure(&mut self, requests: u64) {
        let start = IterationStart { dispatch_lag: Nanos::ZERO, queue_wait: Nanos::ZERO };
        self.recorder.slot_due(0, 1, Period::Measured);
        self.recorder.iteration_started(0, start, 1, Period::Measured);
        (0..requests).for_each(|_| self.recorder.request_started(0, Period::Measured));
        self.recorder.rotate(self.intervals, Gauges::default(), Activity::default());
        self.intervals += 1;
        self.exporter.observe(&self.drain.next_snapshot().unwrap());
    }

    fn flush(&mut self) {
        // As the engine thread ends.
        self.sender = None;
        self.exporter.flush(WorkerHealth::default(), MonotonicClock.now() + Nanos::SECOND);
    }

    /// All that is told to the end.
    fn end(&mut self) -> (Vec<TracedRequest>, Flushed) {
        let mut traced = Vec::new();
        loop {
            match self.told.recv_timeout(HANG).unwrap() {
                Told::Traced(requests) => {
                    assert!(requests.len() <= TracedRequest::MOST);
                    traced.extend(requests);
                }
                Told::Flushed(flushed) => return (traced, flushed),
            }
        }
    }

    /// The value of a counter on the page.
    fn shown(&self, instrument: &Instrument) -> Option<f64> {
        let mut page = Page::default();
        self.board.show(&mut page);
        let text = String::from_utf8(page.encode(Form::Text)).unwrap();
        let name = format!("{}{{", instrument.prometheus_name());
        text.lines().find_map(|line| line.strip_prefix(&name)?.rsplit(' ').next()?.parse().ok())
    }
}

/// One traced execution with one request, of so long.
fn execute(sender: &mut ExecutionSender, iteration: u64, response_time: Nanos, period: Period) {
    let mut record = sender.take();
    let start = MonotonicClock.now();
    let end = start + response_time;
    record.iteration = iteration;
    record.period = period;
    record.kept.traced = true;
    (record.intended_start, record.released_at, record.started_at, record.ended_at) =
        (start, start, start, end);
    let times =
        RequestTimes { intended_start: start, released_at: start, actual_start: start, completed_at: end };
    let phases = Phases::default();
    let sample = RequestSample {
        times,
        phases,
        outcome: Outcome::Succeeded,
        status: 200,
        sent_bytes: 1,
        received_bytes: 1,
        resent: false,
    };
    record.add(RequestRecord { index: 0, step: 0, request: Some(0), sample });
    sender.send(record);
}

#[test]
fn measured_requests_are_told_in_run_time_and_those_of_warm_up_are_not() {
    let mut bench = Bench::new(|_| {});
    bench.exporter.begin(MonotonicClock.now());
    bench.execute(1, Nanos::from_millis(5), Period::Measured);
    bench.execute(2, Nanos::from_millis(7), Period::WarmUp);
    bench.execute(3, Nanos::from_millis(9), Period::Measured);
    bench.flush();
    let (traced, flushed) = bench.end();
    let told: Vec<_> = traced.iter().map(|traced| (traced.iteration, traced.response_time)).collect();
    assert_eq!(told, [(3, Nanos::from_millis(9)), (1, Nanos::from_millis(5))]);
    assert!(traced.iter().all(|traced| traced.at < Nanos::from_secs(60) && traced.status == 200));
    assert_eq!(
        (flushed.telemetry.len(), flushed.fault),
        (0, None),
        "nothing is sent, so nothing became of it"
    );
}

#[test]
fn what_the_engine_did_not_hand_over_is_told_and_shown() {
    let mut bench = Bench::new(|_| {});
    bench.exporter.begin(MonotonicClock.now());
    let tally = bench.sender.as_mut().unwrap().tally();
    tally.over_budget = 5;
    tally.suppressed[ErrorClass::Reset.index()] = 3;
    bench.flush();
    let (_, flushed) = bench.end();
    assert_eq!(flushed.over_budget, 5);
    assert_eq!(bench.shown(&catalogue::EXECUTIONS_OVER_BUDGET), Some(5.0));
    assert_eq!(bench.shown(&catalogue::LINES_SUPPRESSED), Some(3.0));
}

#[test]
fn what_is_measured_while_the_thread_is_busy_is_merged_and_lost_to_nobody() {
    let (go, wait) = sync_channel::<()>(0);
    let (began, has_begun) = sync_channel(1);
    let wait = std::sync::Mutex::new(wait);
    let mut bench = Bench::new(move |told| {
        if matches!(told, Told::Traced(_)) {
            began.send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
        }
    });
    bench.exporter.begin(MonotonicClock.now());
    bench.execute(1, Nanos::from_millis(5), Period::Measured);
    has_begun.recv_timeout(HANG).unwrap();
    for requests in 1..=100 {
        bench.measure(requests);
    }
    assert!(bench.exporter.rest.is_some());
    go.send(()).unwrap();
    bench.flush();
    let (_, flushed) = bench.end();
    assert_eq!(flushed.fault, None);
    assert_eq!(bench.shown(&catalogue::REQUESTS_ATTEMPTED), Some(5_050.0));
}

#[test]
fn an_engine_that_is_faster_than_the_thread_does_not_keep_it() {
    let mut bench = Bench::new(|_| {});
    bench.exporter.begin(MonotonicClock.now());
    let mut sender = bench.sender.take().unwrap();
    let (stop, stopped) = sync_channel::<()>(1);
    let engine = std::thread::spawn(move || {
        while stopped.try_recv().is_err() {
            execute(&mut sender, 1, Nanos::SECOND, Period::Measured);
        }
    });
    bench.flush();
    let (_, flushed) = bench.end();
    stop.send(()).unwrap();
    engine.join().unwrap();
    assert_eq!(flushed.fault, None);
}

#[test]
fn a_thread_that_hangs_holds_up_nobody() {
    let (go, wait) = sync_channel::<()>(0);
    let (began, has_begun) = sync_channel(1);
    let wait = std::sync::Mutex::new(wait);
    let mut bench = Bench::new(move |told| {
        if matches!(told, Told::Traced(_)) {
            began.send(()).unwrap();
            // Until the test is over.
            let _ = wait.lock().unwrap().recv();
        }
    });
    bench.exporter.begin(MonotonicClock.now());
    bench.execute(1, Nanos::from_millis(5), Period::Measured);
    has_begun.recv_timeout(HANG).unwrap();
    for requests in 1..=100 {
        bench.measure(requests);
    }
    let (done, is_done) = sync_channel(1);
    std::thread::spawn(move || {
        bench.exporter.flush(WorkerHealth::default(), MonotonicClock.now() + Nanos::from_millis(20));
        done.send(bench.exporter.give_up().fault.is_some()).unwrap();
    });
    assert!(is_done.recv_timeout(HANG).unwrap());
    drop(go);
}

#[test]
fn a_panic_of_the_export_thread_is_told_and_ends_nothing_else() {
    let mut bench = Bench::new(|told| assert!(!matches!(told, Told::Traced(_)), "boom"));
    assert_eq!(bench.routes.run(), Some(RUN), "lines are about it from its beginning");
    bench.exporter.begin(MonotonicClock.now());
    bench.execute(1, Nanos::from_millis(5), Period::Measured);
    let (_, flushed) = bench.end();
    let fault = flushed.fault.unwrap();
    assert!(fault.contains("panicked") && fault.contains("boom"), "{fault}");
    assert_eq!(bench.routes.run(), None, "lines of later runs are about those");
    // Whoever goes on measuring is not held up.
    for requests in 1..=100 {
        bench.measure(requests);
    }
    bench.flush();
}

#[test]
fn what_nobody_waits_for_any_longer_is_unknown() {
    let settings = settings(None, None, Some("http://127.0.0.1:1"));
    let identity = telemetry::Identity { run_id: RUN, process: "w".into(), version: "0" };
    let pipeline = Pipeline::start(&settings, &identity).unwrap();
    let outlet = pipeline.outlet();
    outlet.lost(metrics::Signal::Traces, 2);
    let key = RunKey::new(7).scenario(0, TraceShape::Tree);
    let span = telemetry::spans::ScenarioSpan { run_id: RUN, name: "s", key, started: 1, ended: 2 };
    outlet.spans(vec![span.span()]);
    let reports = given_up(Some(&outlet));
    let traces = reports.iter().find(|report| report.signal == metrics::Signal::Traces).unwrap().delivery;
    assert!(traces.balances(), "{traces:?}");
    assert_eq!((traces.produced, traces.lost + traces.unknown), (3, 3));
}
