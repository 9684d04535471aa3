//! A small run that tests are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use control::{
    Epoch, FinalFact, HostFacts, Prepared, RunId, SessionId, TracedRequest, WorkerHealth, WorkerId,
    WorkerInfo,
};
use metrics::{
    Activity, ErrorClass, Gauges, IterationOutcome, IterationStart, IterationTimes, Layout, Outcome, Period,
    Phases, Record, RequestSample, RequestTimes, Snapshot, SpanId, TraceContext, TraceId, UnsentReason,
};
use plan::{
    Arrivals, Check, CheckKind, LoadModel, Op, OriginId, Overload, Program, RateProfile, RequestId,
    RequestPlan, RunPlan, ScenarioBody, ScenarioId, ScenarioPlan, Seed, Slot, SlotsDigest, Stage, StatusSet,
    Step, StepId, Template,
};
use scenario::LossPolicy;
use units::{Nanos, Rate, Ratio, Timestamp};

use crate::limits::Limits;
use crate::run::{RunSpec, WorkerSpec};

/// How long a request takes in these tests.
pub(crate) const SERVICE: Nanos = Nanos::from_millis(4);

/// One open scenario of one step with one check: 10/s for 2 s, 3 s of grace.
pub(crate) fn plan() -> RunPlan {
    let rate = Rate::from_per_second(10);
    let stage = Stage { duration: Nanos::from_secs(2), from: rate, to: rate, measured: true };
    RunPlan {
        scenarios: vec![ScenarioPlan {
            name: "browse".to_owned(),
            tags: BTreeMap::new(),
            load: LoadModel::ArrivalRate {
                profile: RateProfile::new(vec![stage]).unwrap(),
                arrivals: Arrivals::Uniform,
                max_vus: None,
                overload: Overload::Drop,
            },
            body: ScenarioBody::Program(Program { ops: vec![Op::Request(RequestId(0))] }),
            graceful_stop: Nanos::from_secs(3),
        }],
        steps: vec![Step { scenario: ScenarioId(0), name: "list".to_owned() }],
        requests: vec![RequestPlan {
            step: StepId(0),
            origin: OriginId(0),
            method: "POST".to_owned(),
            path: Template::literal(*b"/"),
            headers: Vec::new(),
            body: Template::default(),
            timeout: Nanos::SECOND,
            expected: StatusSet::success(),
            checks: Vec::new(),
        }],
        origins: Vec::new(),
        checks: vec![Check {
            step: StepId(0),
            name: "status is 200".to_owned(),
            required: false,
            kind: CheckKind::Status(StatusSet::success()),
        }],
        seed: Seed(7),
    }
}

pub(crate) fn layout(plan: &RunPlan) -> Arc<Layout> {
    Arc::new(control::layout(plan, BTreeMap::new()))
}

pub(crate) fn run_id() -> RunId {
    RunId::new(uuid::Uuid::from_u128(1))
}

pub(crate) fn spec(workers: &[&str]) -> RunSpec {
    let plan = Arc::new(plan());
    RunSpec {
        run_id: run_id(),
        epoch: Epoch(3),
        document: "{}".to_owned(),
        files: Vec::new(),
        layout: layout(&plan),
        thresholds: Vec::new(),
        plan,
        workers: workers.iter().zip(1..).map(|(name, life)| worker(name, life)).collect(),
        threads: None,
        preflight: true,
        limits: Limits::default(),
        policy: LossPolicy::default(),
        once: None,
        revisable: true,
    }
}

/// Life number `life` of a worker.
pub(crate) fn worker(name: &str, life: u128) -> WorkerSpec {
    WorkerSpec {
        worker: WorkerId::new(name),
        session: SessionId(uuid::Uuid::from_u128(life)),
        weight: 1,
        info: info(),
        labels: BTreeMap::new(),
        rtt: Nanos::from_millis(1),
    }
}

pub(crate) fn info() -> WorkerInfo {
    WorkerInfo {
        version: "1.2.3".to_owned(),
        host: HostFacts { hostname: "bench".to_owned(), ..HostFacts::default() },
    }
}

pub(crate) fn prepared(spec: &RunSpec) -> Prepared {
    Prepared {
        threads: 1,
        max_vus: 64,
        shape_hash: spec.layout.shape_hash(),
        notes: vec!["all is well".to_owned()],
    }
}

/// The last word of a worker that did this much.
pub(crate) fn final_fact(requests: u64, iterations: u64) -> FinalFact {
    FinalFact {
        requests_attempted: requests,
        iterations_started: iterations,
        health: WorkerHealth {
            elapsed: Nanos::from_millis(2_010),
            busiest_thread: Ratio::new(0.1),
            ..WorkerHealth::default()
        },
        faults: Vec::new(),
        panicked: false,
        left_at: None,
        telemetry: Vec::new(),
        executions_over_budget: 0,
    }
}

/// A request of this step that took so long and can be found under this span, intended at slot 0.
pub(crate) fn traced(step: u32, response_time: Nanos, span: u64) -> TracedRequest {
    TracedRequest {
        step,
        iteration: span,
        vu: 1,
        at: Nanos::ZERO,
        response_time,
        service_time: response_time,
        queue_wait: Nanos::ZERO,
        phases: Phases { first_byte: Some(response_time), ..Phases::default() },
        outcome: Outcome::Succeeded,
        status: 200,
        context: TraceContext { trace: TraceId(7), span: SpanId(span) },
    }
}

/// What becomes of a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// Its request succeeds after [`SERVICE`].
    Succeeds,
    /// Its request fails with this class after [`SERVICE`].
    Fails(ErrorClass),
    /// Its request is cancelled at the age of [`SERVICE`].
    Cancelled,
    /// Its request is sent, and nothing more is told.
    Stays,
    /// It is never sent.
    Unsent(UnsentReason),
}

/// What a worker measures in second `second` when these slots meet these fates, each taken up `lag` late.
pub(crate) fn snapshot(layout: &Arc<Layout>, second: u32, lag: Nanos, slots: &[(u64, Fate)]) -> Snapshot {
    snapshot_of(Period::Measured, layout, second, lag, slots)
}

/// The same of warm-up or of what is measured.
pub(crate) fn snapshot_of(
    period: Period,
    layout: &Arc<Layout>,
    second: u32,
    lag: Nanos,
    slots: &[(u64, Fate)],
) -> Snapshot {
    let (mut recorder, mut drain) = metrics::pair(layout, 0, 2);
    for (n, fate) in slots {
        record(&mut recorder, period, *n, lag, *fate);
    }
    let gauges = Gauges { users: 3, open_connections: 2, ..Gauges::default() };
    let activity = Activity { connections_opened: 2, ..Activity::default() };
    // Everything up to this second that was not recorded before.
    recorder.finish(second, gauges, activity);
    let mut snapshot = drain.next_snapshot().unwrap();
    while let Some(more) = drain.next_snapshot() {
        snapshot.merge(&more).unwrap();
    }
    snapshot
}

fn record(recorder: &mut impl Record, period: Period, n: u64, lag: Nanos, fate: Fate) {
    let due = Nanos::from_millis(100 * n);
    let mut digest = SlotsDigest::default();
    digest.add(ScenarioId(0), Slot { n, due });
    recorder.slot_due(0, digest.0, period);
    let start = IterationStart { dispatch_lag: lag, queue_wait: Nanos::ZERO };
    let (outcome, ended, status) = match fate {
        Fate::Unsent(reason) => return recorder.slot_unsent(0, reason, digest.0, period),
        Fate::Stays => {
            recorder.iteration_started(0, start, digest.0, period);
            return recorder.request_started(0, period);
        }
        Fate::Succeeds => (Outcome::Succeeded, IterationOutcome::Succeeded, 200),
        Fate::Fails(class) => (Outcome::Failed(class), IterationOutcome::Failed, 0),
        Fate::Cancelled => (Outcome::Cancelled, IterationOutcome::Cancelled, 0),
    };
    recorder.iteration_started(0, start, digest.0, period);
    recorder.request_started(0, period);
    let intended_start = Timestamp::ORIGIN + due;
    let released_at = intended_start + lag;
    let times = RequestTimes {
        intended_start,
        released_at,
        actual_start: released_at,
        completed_at: released_at + SERVICE,
    };
    let phases = Phases { first_byte: Some(SERVICE), ..Phases::default() };
    let sample =
        RequestSample { times, phases, outcome, status, sent_bytes: 50, received_bytes: 200, resent: false };
    recorder.request(0, &sample, period);
    recorder.check(0, status == 200, period);
    let times = IterationTimes { response_time: times.response_time(), duration: times.service_time() };
    recorder.iteration_ended(0, ended, times, period);
}
