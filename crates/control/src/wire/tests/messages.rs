//! Any message of the crate that the other side takes.

use std::sync::Arc;

use metrics::{
    Activity, Catalog, CatalogCheck, CatalogScenario, CatalogStep, Delivery, DropReason, ErrorClass, Gauges,
    IterationOutcome, IterationStart, IterationTimes, Layout, Outcome, Period, Phases, Record, RequestSample,
    RequestTimes, Signal, SinkReport, Snapshot, SpanId, TraceContext, TraceId, UnsentReason,
};
use plan::{Amendment, LoadChange, Revision, ScenarioId, Share};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use units::{Nanos, Rate, Ratio, Timestamp};
use uuid::Uuid;

use crate::*;

/// Scenarios `browse` (steps `list` and `order`) and `search` (step `list`), a check in each step.
pub(crate) fn layout() -> Arc<Layout> {
    let scenario = |name: &str| CatalogScenario { name: name.to_owned(), ..CatalogScenario::default() };
    let step = |scenario, name: &str| CatalogStep { scenario, name: name.to_owned() };
    Arc::new(Layout::new(Catalog {
        scenarios: vec![scenario("browse"), scenario("search")],
        steps: vec![step(0, "list"), step(0, "order"), step(1, "list")],
        checks: (0..3).map(|step| CatalogCheck { step, name: "status is 200".to_owned() }).collect(),
        ..Catalog::default()
    }))
}

/// Something that happens to a worker's thread.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Request { step: usize, time: u64, outcome: Outcome, status: u16, period: Period },
    Check { check: usize, passed: bool },
    Dropped { scenario: usize, reason: DropReason, slot: u128 },
    Unsent { scenario: usize, reason: UnsentReason, slot: u128 },
    Iteration { scenario: usize, slot: u128, outcome: IterationOutcome, time: u64, period: Period },
    Begun { scenario: usize, slot: u128 },
}

impl Event {
    fn record(&self, recorder: &mut impl Record) {
        match *self {
            Self::Request { step, time, outcome, status, period } => {
                let at = Timestamp::from_nanos;
                let sample = RequestSample {
                    times: RequestTimes {
                        intended_start: at(0),
                        released_at: at(0),
                        actual_start: at(time / 3),
                        completed_at: at(time),
                    },
                    phases: Phases { first_byte: Some(Nanos::new(time / 5)), ..Phases::default() },
                    outcome,
                    status,
                    sent_bytes: 100,
                    received_bytes: time % 10_000,
                    resent: time % 7 == 0,
                };
                recorder.request_started(step, period);
                recorder.request(step, &sample, period);
            }
            Self::Check { check, passed } => recorder.check(check, passed, Period::Measured),
            Self::Dropped { scenario, reason, slot } => {
                recorder.slot_due(scenario, slot, Period::Measured);
                recorder.slot_dropped(scenario, reason, slot, Period::Measured);
            }
            Self::Unsent { scenario, reason, slot } => {
                recorder.slot_due(scenario, slot, Period::Measured);
                recorder.slot_unsent(scenario, reason, slot, Period::Measured);
            }
            Self::Iteration { scenario, slot, outcome, time, period } => {
                recorder.slot_due(scenario, slot, period);
                let start = IterationStart { dispatch_lag: Nanos::new(time / 9), queue_wait: Nanos::ZERO };
                recorder.iteration_started(scenario, start, slot, period);
                let times = IterationTimes { response_time: Nanos::new(time), duration: Nanos::new(time) };
                recorder.iteration_ended(scenario, outcome, times, period);
            }
            Self::Begun { scenario, slot } => {
                recorder.slot_due(scenario, slot, Period::Measured);
                let start = IterationStart { dispatch_lag: Nanos::ZERO, queue_wait: Nanos::ZERO };
                recorder.iteration_started(scenario, start, slot, Period::Measured);
            }
        }
    }
}

pub(crate) fn events() -> impl Strategy<Value = Event> {
    let times = || prop_oneof![8 => 0_u64..20_000_000_000, 1 => Just(0), 1 => Just(u64::MAX / 2)];
    let periods = || prop_oneof![1 => Just(Period::WarmUp), 5 => Just(Period::Measured)];
    let outcomes = prop_oneof![
        6 => Just(Outcome::Succeeded),
        3 => prop::sample::select(ErrorClass::ALL).prop_map(Outcome::Failed),
        1 => Just(Outcome::Cancelled),
    ];
    let iteration_outcomes = prop::sample::select(vec![
        IterationOutcome::Succeeded,
        IterationOutcome::Failed,
        IterationOutcome::Cancelled,
    ]);
    prop_oneof![
        6 => (0_usize..3, times(), outcomes, prop::sample::select(vec![0_u16, 100, 200, 503, 999]), periods())
            .prop_map(|(step, time, outcome, status, period)| {
                Event::Request { step, time, outcome, status, period }
            }),
        1 => (0_usize..3, any::<bool>()).prop_map(|(check, passed)| Event::Check { check, passed }),
        1 => (0_usize..2, prop::sample::select(&DropReason::ALL[..]), any::<u128>())
            .prop_map(|(scenario, reason, slot)| Event::Dropped { scenario, reason, slot }),
        1 => (0_usize..2, prop::sample::select(&UnsentReason::ALL[..]), any::<u128>())
            .prop_map(|(scenario, reason, slot)| Event::Unsent { scenario, reason, slot }),
        2 => (0_usize..2, any::<u128>(), iteration_outcomes, times(), periods()).prop_map(
            |(scenario, slot, outcome, time, period)| Event::Iteration { scenario, slot, outcome, time, period }
        ),
        1 => (0_usize..2, any::<u128>()).prop_map(|(scenario, slot)| Event::Begun { scenario, slot }),
    ]
}

/// What thread `number` of a worker makes of `events` in interval `interval`.
pub(crate) fn recorded(layout: &Arc<Layout>, number: u32, interval: u32, events: &[Event]) -> Snapshot {
    let (mut recorder, mut drain) = metrics::pair(layout, number, 2);
    if interval > 0 {
        recorder.rotate(interval - 1, Gauges::default(), Activity::default());
        drain.next_snapshot().unwrap();
    }
    for event in events {
        event.record(&mut recorder);
    }
    let nanos = |n: usize| Nanos::new(n as u64 * 1_000_003);
    let activity = Activity {
        connections_opened: events.len() as u64,
        connections_reused: 7,
        busy: nanos(events.len()),
        cpu: nanos(2),
        stalled: nanos(3),
        wall: Nanos::SECOND,
    };
    let gauges = Gauges { users: events.len() as u64, queued: 3, ..Gauges::default() };
    recorder.finish(interval, gauges, activity);
    drain.next_snapshot().unwrap()
}

fn snapshots() -> impl Strategy<Value = Snapshot> {
    let of_threads = vec(vec(events(), 0..20), 1..4);
    (of_threads, 0_u32..10_000).prop_map(|(threads, interval)| {
        let layout = layout();
        let mut of_threads =
            (0..).zip(threads).map(|(thread, events)| recorded(&layout, thread, interval + thread, &events));
        let mut sum = of_threads.next().unwrap();
        of_threads.for_each(|snapshot| sum.merge(&snapshot).unwrap());
        sum
    })
}

const NUMBERS: std::ops::RangeInclusive<u64> = 0..=i64::MAX as u64;

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![NUMBERS, 0_u64..200, Just(i64::MAX as u64)]
}

fn spans() -> impl Strategy<Value = Nanos> {
    numbers().prop_map(Nanos::new)
}

fn instants() -> impl Strategy<Value = Timestamp> {
    numbers().prop_map(Timestamp::from_nanos)
}

fn uuids() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn runs() -> impl Strategy<Value = RunId> {
    uuids().prop_map(RunId::new)
}

fn sessions() -> impl Strategy<Value = SessionId> {
    uuids().prop_map(SessionId)
}

fn clusters() -> impl Strategy<Value = ClusterId> {
    uuids().prop_map(ClusterId)
}

fn workers() -> impl Strategy<Value = WorkerId> {
    "[a-z0-9][a-z0-9._-]{0,62}".prop_map(WorkerId::new)
}

fn epochs() -> impl Strategy<Value = Epoch> {
    numbers().prop_map(Epoch)
}

fn tokens() -> impl Strategy<Value = LeaseToken> {
    (epochs(), numbers()).prop_map(|(epoch, counter)| LeaseToken { epoch, counter })
}

/// Texts of up to 120 bytes, without control characters.
fn texts() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 äß€😀`\"{}\\\\-]{0,30}"
}

fn names() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 ä€😀/.-]{1,30}"
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    vec(texts(), 0..5)
}

fn stop_modes() -> impl Strategy<Value = StopMode> {
    prop_oneof![Just(StopMode::Drain), Just(StopMode::Cancel)]
}

fn acks() -> impl Strategy<Value = Ack> {
    (runs(), epochs(), numbers()).prop_map(|(run_id, epoch, through)| Ack { run_id, epoch, through })
}

fn versions() -> impl Strategy<Value = ProtocolVersions> {
    any::<(u32, u32)>()
        .prop_map(|(one, other)| ProtocolVersions { oldest: one.min(other), newest: one.max(other) })
}

fn infos() -> impl Strategy<Value = WorkerInfo> {
    let hosts = (texts(), texts(), texts(), any::<u32>(), numbers(), texts()).prop_map(
        |(hostname, kernel, cpu, cpus_allowed, memory_bytes, clock_source)| HostFacts {
            hostname,
            kernel,
            cpu,
            cpus_allowed,
            memory_bytes,
            clock_source,
        },
    );
    (texts(), hosts).prop_map(|(version, host)| WorkerInfo { version, host })
}

pub(crate) fn enrols() -> impl Strategy<Value = Enrol> {
    let labels = btree_map(names(), texts(), 0..5);
    (workers(), sessions(), versions(), infos(), labels, vec(names(), 0..5), 1_u32..=4_096).prop_map(
        |(worker, session, versions, info, labels, tasks, weight)| Enrol {
            worker,
            session,
            versions,
            info,
            labels,
            tasks,
            weight,
        },
    )
}

pub(crate) fn enrol_replies() -> impl Strategy<Value = Result<Enrolled, EnrolRefusal>> {
    let leases = (1_u64..=i64::MAX as u64, 0_u64..1 << 60, 1_u64..1 << 60).prop_map(|(beat, guard, more)| {
        LeaseTerms { beat: Nanos::new(beat), ttl: Nanos::new(guard + more), guard: Nanos::new(guard) }
    });
    let enrolled = (clusters(), epochs(), tokens(), any::<u32>(), leases).prop_map(
        |(cluster, epoch, token, version, lease)| Enrolled { cluster, epoch, token, version, lease },
    );
    prop_oneof![
        4 => enrolled.prop_map(Ok),
        1 => (versions(), versions())
            .prop_map(|(worker, controller)| Err(EnrolRefusal::Version { worker, controller })),
        1 => (texts(), texts()).prop_map(|(name, why)| Err(EnrolRefusal::Name { name, why })),
        1 => any::<u32>().prop_map(|limit| Err(EnrolRefusal::Full { limit })),
        1 => Just(Err(EnrolRefusal::ShuttingDown)),
    ]
}

pub(crate) fn beats() -> impl Strategy<Value = Beat> {
    let clocks = (-i64::MAX..=i64::MAX, spans()).prop_map(|(nanos, error)| ClockOffset { nanos, error });
    (workers(), sessions(), tokens(), numbers(), instants(), any::<u64>(), option::of(clocks)).prop_map(
        |(worker, session, token, number, sent_at, progress, clock)| Beat {
            worker,
            session,
            token,
            number,
            sent_at,
            progress,
            clock,
        },
    )
}

pub(crate) fn beat_acks() -> impl Strategy<Value = BeatAck> {
    let standings = prop_oneof![
        Just(Standing::Current),
        Just(Standing::Unknown),
        tokens().prop_map(|current| Standing::Fenced { current }),
    ];
    let stops = option::of((runs(), stop_modes()));
    (epochs(), numbers(), standings, instants(), instants(), stops).prop_map(
        |(epoch, number, standing, received_at, sent_at, stop)| BeatAck {
            epoch,
            number,
            standing,
            received_at,
            sent_at,
            stop,
        },
    )
}

fn revisions() -> impl Strategy<Value = Revision> {
    let scenarios = || (0_u32..65_536).prop_map(ScenarioId);
    let rates = (1_u64..=i64::MAX as u64, any::<u64>())
        .prop_map(|(per, count)| Rate::new(count % (per + 1), Nanos::new(per)));
    let changes = prop_oneof![
        (scenarios(), rates).prop_map(|(scenario, rate)| LoadChange::Rate { scenario, rate }),
        (option::of(scenarios()), 0.0_f64..=f64::MAX)
            .prop_map(|(scenario, factor)| LoadChange::Scale { scenario, factor: Ratio::new(factor) }),
        Just(LoadChange::Pause),
        Just(LoadChange::Resume),
    ];
    let shares = (numbers(), vec(0_u32..500, 0..7), 1_u32..500, any::<u32>()).prop_map(
        |(revision, mut weights, weight, index)| {
            weights.push(weight);
            Share { revision, index: index % weights.len() as u32, weights }
        },
    );
    (spans(), shares, vec((spans(), changes), 0..6)).prop_map(|(effective, share, mut amendments)| {
        amendments.sort_by_key(|(at, _)| *at);
        let amendments = amendments.into_iter().map(|(at, change)| Amendment { at, change }).collect();
        Revision { effective, share, amendments }
    })
}

fn prepares() -> impl Strategy<Value = Prepare> {
    let files = (names(), vec(any::<u8>(), 0..60))
        .prop_map(|(path, bytes)| FileContent { path, bytes: bytes.into() });
    (texts(), vec(files, 0..4), revisions(), option::of(1_u32..=1_024), any::<bool>()).prop_map(
        |(document, files, revision, threads, preflight)| Prepare {
            document,
            files,
            revision,
            threads,
            preflight,
        },
    )
}

fn commands() -> impl Strategy<Value = Command> {
    let bodies = prop_oneof![
        3 => prepares().prop_map(|prepare| CommandBody::Prepare(Box::new(prepare))),
        1 => instants().prop_map(|at| CommandBody::Start { at }),
        2 => revisions().prop_map(|revision| CommandBody::Revise(Box::new(revision))),
        1 => names().prop_map(|task| CommandBody::Once { task }),
        1 => stop_modes().prop_map(CommandBody::Stop),
    ];
    (runs(), epochs(), 1_u64..=i64::MAX as u64, bodies).prop_map(|(run_id, epoch, id, body)| Command {
        run_id,
        epoch,
        id: CommandId(id),
        body,
    })
}

pub(crate) fn from_controllers() -> impl Strategy<Value = FromController> {
    let bodies = prop_oneof![
        1 => vec(acks(), 0..5).prop_map(|acks| ControllerMessage::Welcome { acks }),
        6 => commands().prop_map(|command| ControllerMessage::Command(Box::new(command))),
        1 => acks().prop_map(ControllerMessage::Ack),
        1 => tokens().prop_map(|current| ControllerMessage::Fenced { current }),
        1 => Just(ControllerMessage::Farewell),
    ];
    (clusters(), epochs(), bodies).prop_map(|(cluster, epoch, body)| FromController { cluster, epoch, body })
}

fn finals() -> impl Strategy<Value = FinalFact> {
    let healths = (vec(spans(), 6), 0.0_f64..1e9, numbers(), numbers()).prop_map(
        |(times, busiest, peak_rss_bytes, coalesced_intervals)| WorkerHealth {
            elapsed: times[0],
            engine_cpu: times[1],
            other_cpu: times[2],
            busiest_thread: Ratio::new(busiest),
            throttled: times[3],
            stolen: times[4],
            clock_step: times[5],
            peak_rss_bytes,
            coalesced_intervals,
        },
    );
    let totals = (numbers(), numbers(), numbers());
    (totals, healths, lines(), any::<bool>(), option::of(spans()), vec(sink_reports(), 0..=8)).prop_map(
        |(totals, health, faults, panicked, left_at, telemetry)| FinalFact {
            requests_attempted: totals.0,
            iterations_started: totals.1,
            health,
            faults,
            panicked,
            left_at,
            telemetry,
            executions_over_budget: totals.2,
        },
    )
}

fn sink_reports() -> impl Strategy<Value = SinkReport> {
    let signals = prop::sample::select(&Signal::ALL[..]);
    (signals, texts(), vec(0_u64..=1 << 60, 6)).prop_map(|(signal, endpoint, counts)| SinkReport {
        signal,
        endpoint,
        delivery: Delivery {
            produced: counts[0],
            acknowledged: counts[1],
            rejected: counts[2],
            lost: counts[3],
            unknown: counts[4],
            retried: counts[5],
        },
    })
}

fn traced_requests() -> impl Strategy<Value = TracedRequest> {
    let names = (any::<u32>(), numbers(), any::<u32>(), 1..=u128::MAX, 1..=u64::MAX);
    let outcomes = prop_oneof![
        Just(Outcome::Succeeded),
        prop::sample::select(ErrorClass::ALL).prop_map(Outcome::Failed),
        Just(Outcome::Cancelled),
    ];
    let statuses = prop_oneof![Just(0), 100_u16..=999];
    let half = (0_u64..=i64::MAX as u64 / 2).prop_map(Nanos::new);
    (names, vec(half, 2), vec(spans(), 2), vec(option::of(spans()), 5), outcomes, statuses).prop_map(
        |(names, starts, waits, phases, outcome, status)| TracedRequest {
            step: names.0,
            iteration: names.1,
            vu: names.2,
            at: starts[0],
            response_time: starts[1],
            service_time: waits[0],
            queue_wait: waits[1],
            phases: Phases {
                dns: phases[0],
                connect: phases[1],
                tls: phases[2],
                first_byte: phases[3],
                receive: phases[4],
            },
            outcome,
            status,
            context: TraceContext { trace: TraceId(names.3), span: SpanId(names.4) },
        },
    )
}

pub(crate) fn facts() -> impl Strategy<Value = Fact> {
    let prepared = (0_u32..=1_024, any::<u32>(), any::<u64>(), lines())
        .prop_map(|(threads, max_vus, shape_hash, notes)| Prepared { threads, max_vus, shape_hash, notes });
    let refusals = prop_oneof![
        lines().prop_map(Refusal::Impossible),
        lines().prop_map(Refusal::Forbidden),
        texts().prop_map(Refusal::Internal),
    ];
    let bodies = prop_oneof![
        1 => prepared.prop_map(FactBody::Prepared),
        1 => refusals.prop_map(FactBody::Refused),
        1 => (instants(), spans()).prop_map(|(at, clock_error)| FactBody::Started { at, clock_error }),
        1 => (numbers(), spans())
            .prop_map(|(revision, effective)| FactBody::Revised { revision, effective }),
        1 => (names(), option::of(texts())).prop_map(|(task, failure)| FactBody::Once { task, failure }),
        4 => snapshots().prop_map(|snapshot| FactBody::Measured(Box::new(snapshot))),
        1 => vec(traced_requests(), 0..=TracedRequest::MOST).prop_map(FactBody::Traced),
        1 => finals().prop_map(|fact| FactBody::Final(Box::new(fact))),
    ];
    (runs(), workers(), sessions(), 1_u64..=i64::MAX as u64, bodies)
        .prop_map(|(run_id, worker, session, seq, body)| Fact { run_id, worker, session, seq, body })
}

pub(crate) fn from_workers() -> impl Strategy<Value = FromWorker> {
    let standings = (runs(), numbers(), numbers()).prop_map(|(run_id, applied, last_fact)| RunStanding {
        run_id,
        applied: CommandId(applied),
        last_fact,
    });
    let bodies = prop_oneof![
        1 => vec(standings, 0..5).prop_map(|runs| WorkerMessage::Hello { runs }),
        4 => facts().prop_map(|fact| WorkerMessage::Fact(Box::new(fact))),
        1 => (runs(), numbers())
            .prop_map(|(run_id, through)| WorkerMessage::Applied { run_id, through: CommandId(through) }),
        1 => prop_oneof![Just(LeaveMode::Graceful), Just(LeaveMode::Fast)].prop_map(WorkerMessage::Leave),
    ];
    (workers(), sessions(), tokens(), bodies).prop_map(|(worker, session, token, body)| FromWorker {
        worker,
        session,
        token,
        body,
    })
}

pub(crate) fn residual_acks() -> impl Strategy<Value = Vec<Ack>> {
    vec(acks(), 0..5)
}
