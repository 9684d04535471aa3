//! Plans, targets and runs that the measurements share.
//!
//! A measurement runs what is shipped: a whole engine thread with the HTTP/1.1 protocol, over loopback or over a
//! target in memory that costs no system call. Start reading at [`run`].

pub mod exporter;
pub mod hyper_loop;
pub mod memory;

use std::cell::Cell;
use std::sync::Arc;

use engine::{
    Lease, Order, Pacing, Protocol, TaskRegistry, ThreadConfig, ThreadReport, Tracer, Watcher, orders,
    run_thread,
};
use metrics::{
    Catalog, CatalogScenario, CatalogStep, Drain, Layout, Outcome, Phases, Propagation, Record, Recorder,
    RequestSample, RequestTimes, TraceOptions,
};
use plan::{
    Check, CheckId, CheckKind, Course, LoadModel, Op, Origin, OriginId, Program, RequestId, RequestPlan,
    Revision, RunPlan, ScenarioBody, ScenarioId, ScenarioPlan, Scheme, Seed, StatusSet, Step, StepId,
    Template, TlsPlan,
};
use protocols::{Http1, Memory, Propagated, Secret, Secrets, SystemResolver, TargetPolicy};
use units::{Clock, MonotonicClock, Nanos, Timestamp};

/// What the target in memory answers: four headers, as a small service does.
pub const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: memory\r\nContent-Type: text/plain\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\nContent-Length: 3\r\n\r\nok\n";

/// A plan of one scenario whose one step is `GET /` at `port` of this machine.
pub fn plan(load: LoadModel, ops: Vec<Op>, port: u16) -> RunPlan {
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
    let scenario = ScenarioPlan {
        name: "bench".to_owned(),
        tags: Default::default(),
        load,
        body: ScenarioBody::Program(Program { ops }),
        graceful_stop: Nanos::from_secs(30),
    };
    let origin = Origin {
        scheme: Scheme::Http,
        host: "127.0.0.1".to_owned(),
        port,
        address: None,
        tls: TlsPlan::default(),
        dns_timeout: Nanos::from_secs(5),
        connect_timeout: Nanos::from_secs(5),
        tls_timeout: Nanos::from_secs(5),
    };
    RunPlan {
        scenarios: vec![scenario],
        steps: vec![Step { scenario: ScenarioId(0), name: "get".to_owned() }],
        requests: vec![request],
        origins: vec![origin],
        checks: Vec::new(),
        seed: Seed(1),
    }
}

/// The same plan with two checks on its step.
pub fn with_checks(mut plan: RunPlan) -> RunPlan {
    let check = |name: &str, kind| Check { step: StepId(0), name: name.to_owned(), required: false, kind };
    plan.checks = vec![
        check("status is 200", CheckKind::Status(StatusSet { ranges: vec![200..=200] })),
        check("fast", CheckKind::ResponseTime(Nanos::SECOND)),
    ];
    plan.requests[0].checks = vec![CheckId(0), CheckId(1)];
    plan
}

/// The operation that sends the plan's one request.
pub const GET: Op = Op::Request(RequestId(0));

/// `iterations` dealt to `vus` users as fast as they can.
pub fn quota(vus: u32, iterations: u64) -> LoadModel {
    LoadModel::SharedIterations { vus, iterations, max_duration: Nanos::from_secs(600) }
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn secret(&self, _: &str) -> Option<Secret> {
        None
    }
}

/// The protocol for `plan`, over TCP; with `tracing` the target is told of requests as that says.
pub fn over_tcp(plan: &RunPlan, tracing: Option<&TraceOptions>) -> Http1 {
    let anywhere = Arc::new(TargetPolicy::unrestricted());
    Http1::new(Arc::new(prepared(plan, tracing)), Arc::new(SystemResolver), anywhere)
}

/// The protocol for `plan`, over a target in memory; with `tracing` the target is told of requests as that says.
pub fn over_memory(plan: &RunPlan, tracing: Option<&TraceOptions>) -> Http1<Memory> {
    Http1::over(Memory::answering(ANSWER), Arc::new(prepared(plan, tracing)), Arc::new(SystemResolver))
}

fn prepared(plan: &RunPlan, tracing: Option<&TraceOptions>) -> protocols::Prepared {
    let is_told = tracing.is_some_and(|options| options.propagation != Propagation::Never);
    let propagated = is_told.then_some(Propagated { run_id: RUN_ID });
    protocols::prepare(plan, &NoSecrets, propagated).expect("the plan of a measurement is sound")
}

/// The run that the names in traces are of.
const RUN_ID: u128 = 0x0193_5c1e_0000_7abc_8def_0123_4567_89ab;

/// The series of `plan`.
pub fn layout(plan: &RunPlan) -> Arc<Layout> {
    let catalog = Catalog {
        scenarios: vec![CatalogScenario { name: plan.scenarios[0].name.clone(), ..Default::default() }],
        steps: vec![CatalogStep { scenario: 0, name: plan.steps[0].name.clone() }],
        checks: plan
            .checks
            .iter()
            .map(|check| metrics::CatalogCheck { step: 0, name: check.name.clone() })
            .collect(),
        ..Catalog::default()
    };
    Arc::new(Layout::new(catalog))
}

/// A recorder for `plan`, and what reads it.
pub fn recorder(plan: &RunPlan) -> (Recorder, Drain) {
    metrics::pair(&layout(plan), 0, 4)
}

/// Runs one engine thread here, from its first slot to its end.
pub fn run<P: Protocol, R: Record + 'static>(plan: &Arc<RunPlan>, protocol: P, recorder: R) -> ThreadReport {
    run_with(plan, protocol, recorder, None)
}

/// The same with what keeps executions.
pub fn run_with<P: Protocol, R: Record + 'static>(
    plan: &Arc<RunPlan>,
    protocol: P,
    recorder: R,
    tracer: Option<Tracer>,
) -> ThreadReport {
    let (remote, orders) = orders();
    remote.order(Order::StartAt(MonotonicClock.now()));
    let config = ThreadConfig {
        run_id: Default::default(),
        plan: Arc::clone(plan),
        course: Arc::new(Course::new(plan, Revision::whole(), 1).expect("a whole share")),
        lease: Lease::forever(),
        watcher: Watcher::nobody(),
        thread: 0,
        threads: 1,
        pacing: Pacing::Balanced,
        max_vus: vec![100_000],
    };
    run_thread(config, &TaskRegistry::default(), protocol, recorder, tracer, orders)
        .expect("a runtime can be made")
}

/// The n-th of a row of requests on a kept connection, each a little different from the last.
pub fn sample(n: u64) -> RequestSample {
    let start = Timestamp::from_nanos(1_000_000_000 + n * 10_000);
    RequestSample {
        times: RequestTimes {
            intended_start: start,
            released_at: start + Nanos::new(20_000),
            actual_start: start + Nanos::new(21_000),
            completed_at: start + Nanos::new(80_000 + (n * 7_919) % 400_000),
        },
        phases: Phases {
            first_byte: Some(Nanos::new(70_000)),
            receive: Some(Nanos::new(300)),
            ..Phases::default()
        },
        outcome: Outcome::Succeeded,
        status: 200,
        sent_bytes: 60,
        received_bytes: 120,
        resent: false,
    }
}

thread_local! {
    /// Allocations of this thread, for the counting allocator of the allocation gate.
    pub static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}
