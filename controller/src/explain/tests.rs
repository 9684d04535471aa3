use std::collections::BTreeMap;
use std::sync::Arc;

use control::{Fact, FactBody};
use metrics::{
    Activity, ErrorClass, Gauges, IterationOutcome, IterationStart, IterationTimes, Period, Phases,
    Record as _, RequestSample, RequestTimes, Snapshot,
};
use plan::{ScenarioId, Step};
use proptest::prelude::*;
use scenario::LossPolicy;
use units::{Nanos, Timestamp};

use super::*;
use crate::fixture;
use crate::run::{Record, RunFold, RunSpec};

const START: Timestamp = Timestamp::from_nanos(1_000_000_000);

/// Runs of some workers with one scenario of the steps `list` and `pay`.
fn spec(workers: &[&str], thresholds: &[(&str, &str)]) -> RunSpec {
    let mut plan = fixture::plan();
    plan.steps.push(Step { scenario: ScenarioId(0), name: "pay".to_owned() });
    let layout = fixture::layout(&plan);
    let parse = |(selector, condition): &(&str, &str)| {
        Threshold::parse(selector, condition, layout.catalog()).unwrap()
    };
    RunSpec {
        thresholds: thresholds.iter().map(parse).collect(),
        plan: Arc::new(plan),
        layout,
        ..fixture::spec(workers)
    }
}

const LIST: usize = 0;
const PAY: usize = 1;

/// One request, by what it spent its time on in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Sent {
    step: usize,
    lag: u64,
    queue: u64,
    tls: Option<u64>,
    first_byte: Option<u64>,
    /// Time that is in no phase.
    more: u64,
    outcome: Outcome,
}

/// A request that is answered at once.
const FAST: Sent = Sent {
    step: LIST,
    lag: 0,
    queue: 0,
    tls: None,
    first_byte: Some(5),
    more: 0,
    outcome: Outcome::Succeeded,
};

/// What one worker measures in one second: of iterations with one request each.
fn snapshot(layout: &Arc<Layout>, second: u32, sent: &[Sent]) -> Snapshot {
    let (mut recorder, mut drain) = metrics::pair(layout, 0, 2);
    let millis = |time: Option<u64>| time.map(Nanos::from_millis);
    for (n, request) in (0..).zip(sent) {
        let start = IterationStart { dispatch_lag: Nanos::from_millis(request.lag), queue_wait: Nanos::ZERO };
        recorder.slot_due(0, n, Period::Measured);
        recorder.iteration_started(0, start, n, Period::Measured);
        recorder.request_started(request.step, Period::Measured);
        let intended_start = Timestamp::from_nanos(u64::from(second) * 1_000_000_000);
        let released_at = intended_start + Nanos::from_millis(request.lag);
        let actual_start = released_at + Nanos::from_millis(request.queue);
        let phases =
            Phases { tls: millis(request.tls), first_byte: millis(request.first_byte), ..Phases::default() };
        let service = request.tls.unwrap_or(0) + request.first_byte.unwrap_or(0) + request.more;
        let completed_at = actual_start + Nanos::from_millis(service);
        let times = RequestTimes { intended_start, released_at, actual_start, completed_at };
        let sample = RequestSample {
            times,
            phases,
            outcome: request.outcome,
            status: 200,
            sent_bytes: 1,
            received_bytes: 1,
            resent: false,
        };
        recorder.request(request.step, &sample, Period::Measured);
        recorder.check(0, request.outcome == Outcome::Succeeded, Period::Measured);
        let ended = IterationTimes { response_time: times.response_time(), duration: times.service_time() };
        let outcome = if request.outcome == Outcome::Succeeded {
            IterationOutcome::Succeeded
        } else {
            IterationOutcome::Failed
        };
        recorder.iteration_ended(0, outcome, ended, Period::Measured);
    }
    recorder.finish(second, Gauges::default(), Activity::default());
    let mut snapshot = drain.next_snapshot().unwrap();
    while let Some(more) = drain.next_snapshot() {
        snapshot.merge(&more).unwrap();
    }
    snapshot
}

fn fact(spec: &RunSpec, worker: usize, seq: u64, body: FactBody) -> Record {
    let peer = spec.workers[worker].peer();
    let fact = Fact { run_id: fixture::run_id(), worker: peer.worker, session: peer.session, seq, body };
    Record::FactAccepted { at: START + Nanos::from_secs(100), fact: Box::new(fact) }
}

fn begun(spec: &RunSpec) -> RunFold {
    let mut fold = RunFold::new(spec);
    fold.apply(&Record::Created { at: Timestamp::ORIGIN, workers: spec.workers.clone() });
    fold.apply(&Record::Armed { start: START });
    fold
}

fn seal(mut fold: RunFold) -> SealedRun {
    fold.apply(&Record::Sealed { at: START + Nanos::from_secs(100), refused_facts: 0 });
    SealedRun::of(fold, LossPolicy::default())
}

/// The run in which worker number `w` sent `sent(w, second)` in each of ten seconds.
fn run(spec: &RunSpec, sent: impl Fn(usize, u32) -> Vec<Sent>) -> SealedRun {
    let mut fold = begun(spec);
    for second in 0..10 {
        for worker in 0..spec.workers.len() {
            let snapshot = snapshot(&spec.layout, second, &sent(worker, second));
            let body = FactBody::Measured(Box::new(snapshot));
            fold.apply(&fact(spec, worker, u64::from(second) + 1, body));
        }
    }
    seal(fold)
}

fn explained(spec: &RunSpec, sealed: &SealedRun) -> Option<Explanation> {
    explain(sealed, 0, &spec.thresholds[0])
}

/// Forty requests, of which one in four was opened over TLS and shook hands for `tls` milliseconds.
fn paid(tls: u64) -> Vec<Sent> {
    let open = Sent { step: PAY, tls: Some(tls), ..FAST };
    (0..40).map(|n| if n % 4 == 0 { open } else { Sent { step: PAY, ..FAST } }).chain([FAST; 40]).collect()
}

#[test]
fn a_worker_with_slow_handshakes_is_named_with_step_phase_and_span() {
    let spec = spec(&["a", "b", "c"], &[("response_time", "p(95) < 100ms")]);
    let sealed =
        run(&spec, |worker, second| paid(if worker == 1 && (3..7).contains(&second) { 300 } else { 20 }));
    let found = explained(&spec, &sealed).unwrap();
    assert_eq!((found.scenario.as_str(), found.step.as_str(), found.step_share), ("browse", "pay", 1.0));
    assert_eq!((found.worker.as_str(), found.worker_share), ("b", 1.0));
    assert_eq!(found.phase.as_deref(), Some("tls"));
    assert_eq!((found.from_ms, found.to_ms, found.span_share), (3_000.0, 7_000.0, 1.0));
    assert_eq!(
        found.text,
        "`browse/pay` has 100% of the `response_time` values of 100ms and more, worker `b` 100% of these, \
         from 3s to 7s (100%); most of their time is `tls`"
    );
    assert_eq!(found.traces, Vec::<String>::new(), "nothing of it needs tracing");
}

#[test]
fn a_rate_of_errors_is_explained_by_the_class_of_most() {
    let spec = spec(&["a", "b"], &[("failed", "rate < 1%")]);
    let failed = |class| Sent { outcome: Outcome::Failed(class), ..FAST };
    let sealed = run(&spec, |worker, second| match (worker, second) {
        (0, 5) => [[failed(ErrorClass::Reset); 3], [failed(ErrorClass::Status); 3], [FAST; 3]].concat(),
        (0, 8) => vec![failed(ErrorClass::Reset), Sent { step: PAY, ..failed(ErrorClass::Timeout) }],
        (1, 5) => vec![failed(ErrorClass::Timeout)],
        _ => vec![FAST; 9],
    });
    let found = explained(&spec, &sealed).unwrap();
    assert_eq!((found.step.as_str(), found.worker.as_str()), ("list", "a"));
    assert_eq!(found.phase.as_deref(), Some("reset"));
    assert_eq!((found.from_ms, found.to_ms), (5_000.0, 9_000.0));
    assert_eq!(
        found.text,
        "`browse/list` has 88% of the failures, worker `a` 87% of these, from 5s to 9s (100%); 57% are `reset`"
    );
}

#[test]
fn a_phase_that_is_always_there_is_not_blamed_for_the_one_that_was_slow() {
    let spec = spec(&["a"], &[("response_time", "p(95) <= 200ms")]);
    // The first byte is near the bound in every request; what is late is late by its handshake.
    let usual = Sent { first_byte: Some(110), ..FAST };
    let sealed = run(&spec, |_, _| [vec![usual; 20], vec![Sent { tls: Some(150), ..usual }; 2]].concat());
    let found = explained(&spec, &sealed).unwrap();
    assert_eq!(found.phase.as_deref(), Some("tls"));
    assert!(!found.text.contains("worker"), "one worker is no news: {}", found.text);
}

#[test]
fn what_was_given_up_was_in_the_phase_that_it_had_not_ended() {
    let spec = spec(&["a"], &[("response_time", "max < 500ms")]);
    let gone = |class| Sent { first_byte: None, more: 1_000, outcome: Outcome::Failed(class), ..FAST };
    for (class, phase) in [(ErrorClass::Timeout, "first_byte"), (ErrorClass::ConnectTimeout, "connect")] {
        let sealed = run(&spec, |_, second| if second == 4 { vec![gone(class); 3] } else { vec![FAST; 3] });
        assert_eq!(explained(&spec, &sealed).unwrap().phase.as_deref(), Some(phase));
    }
}

#[test]
fn lateness_of_the_generator_and_of_the_plan_are_phases_too() {
    let spec = spec(&["a"], &[("response_time", "p(99) < 50ms")]);
    let check = |late: Sent, phase: Option<&str>| {
        let sealed = run(&spec, |_, _| vec![late; 5]);
        assert_eq!(explained(&spec, &sealed).unwrap().phase.as_deref(), phase);
    };
    check(Sent { lag: 80, ..FAST }, Some("dispatch_lag"));
    check(Sent { queue: 80, ..FAST }, Some("queue_wait"));
    // A task has no phases; nothing can be said of why.
    check(Sent { first_byte: None, more: 80, ..FAST }, None);
}

#[test]
fn an_iteration_is_explained_by_the_step_that_took_its_time() {
    let spec =
        spec(&["a", "b"], &[("iteration_response_time", "p(95) < 100ms"), ("dispatch_lag", "p(99) < 10ms")]);
    let slow = Sent { step: PAY, lag: 20, first_byte: Some(180), ..FAST };
    let sealed = run(&spec, |worker, _| if worker == 1 { vec![slow, FAST, FAST] } else { vec![FAST; 3] });
    let found = explained(&spec, &sealed).unwrap();
    assert_eq!((found.step.as_str(), found.worker.as_str()), ("pay", "b"));
    assert_eq!(found.phase.as_deref(), Some("first_byte"));
    assert!(found.step_share > 0.9, "{found:?}");
    let lag = explain(&sealed, 1, &spec.thresholds[1]).unwrap();
    // It is the first step of an iteration that a late start delays.
    assert_eq!(
        (lag.step.as_str(), lag.worker.as_str(), lag.phase.as_deref()),
        ("list", "b", Some("dispatch_lag"))
    );
}

#[test]
fn checks_that_did_not_hold_are_counted_for_their_step() {
    let spec = spec(&["a", "b"], &[("checks", "rate > 99%")]);
    let bad = Sent { outcome: Outcome::Failed(ErrorClass::Check), ..FAST };
    let sealed = run(&spec, |worker, second| vec![if worker == 1 && second > 7 { bad } else { FAST }; 4]);
    let found = explained(&spec, &sealed).unwrap();
    assert_eq!((found.step.as_str(), found.worker.as_str(), found.phase), ("list", "b", None));
    assert_eq!((found.from_ms, found.to_ms), (8_000.0, 10_000.0));
}

#[test]
fn there_is_nothing_to_explain_where_nothing_is_beyond_or_nobody_to_blame() {
    let good = |_: usize, _: u32| vec![FAST; 4];
    for (selector, condition) in [
        ("response_time", "p(95) < 100ms"),
        ("failed", "rate < 1%"),
        ("checks", "rate > 99%"),
        // Too few of something is nobody's.
        ("requests", "rate > 1000/s"),
        ("dropped", "count < 1"),
        ("vus", "max > 10"),
        ("response_time", "p(50) > 1ms"),
    ] {
        let spec = spec(&["a", "b"], &[(selector, condition)]);
        assert_eq!(explained(&spec, &run(&spec, good)), None, "{selector}: {condition}");
    }
}

#[test]
fn workers_that_are_all_alike_are_not_blamed() {
    let spec = spec(&["a", "b", "c"], &[("response_time", "avg < 50ms")]);
    let sealed = run(&spec, |_, _| vec![Sent { first_byte: Some(80), ..FAST }; 4]);
    let text = explained(&spec, &sealed).unwrap().text;
    assert!(text.contains(", spread over the workers, most on `a` 33% of these"), "{text}");
}

#[test]
fn lives_of_one_worker_are_added_up() {
    let mut spec = spec(&["a", "b", "b"], &[("response_time", "max < 50ms")]);
    spec.workers[2].session = control::SessionId(uuid::Uuid::from_u128(99));
    let slow = Sent { first_byte: Some(80), ..FAST };
    let sealed = run(&spec, |worker, _| vec![slow; if worker == 0 { 3 } else { 2 }]);
    let found = explained(&spec, &sealed).unwrap();
    assert_eq!((found.worker.as_str(), found.worker_share), ("b", 4.0 / 7.0));
}

#[test]
fn traces_to_look_at_are_of_the_worker_and_the_span() {
    let spec = spec(&["a", "b"], &[("response_time", "max < 50ms"), ("failed", "rate < 1%")]);
    let slow = Sent { first_byte: Some(80), ..FAST };
    let failed = Sent { outcome: Outcome::Failed(ErrorClass::Reset), ..FAST };
    let mut fold = begun(&spec);
    let mut seqs = [0; 2];
    let mut tell = |worker: usize, body| {
        seqs[worker] += 1;
        fold.apply(&fact(&spec, worker, seqs[worker], body));
    };
    for second in 0..10 {
        let sent = if second == 6 { vec![slow, failed] } else { vec![FAST] };
        tell(1, FactBody::Measured(Box::new(snapshot(&spec.layout, second, &sent))));
    }
    let traced = |at: u64, time: u64, span: u64| {
        let mut request = fixture::traced(0, Nanos::from_millis(time), span);
        request.at = Nanos::from_secs(at);
        request.context.trace.0 = u128::from(span);
        request
    };
    let reset = TracedRequest { outcome: Outcome::Failed(ErrorClass::Reset), ..traced(6, 5, 5) };
    tell(0, FactBody::Traced(vec![traced(6, 90, 1)]));
    tell(1, FactBody::Traced(vec![traced(2, 85, 2), traced(6, 80, 3), traced(6, 40, 4), reset]));
    let sealed = seal(fold);
    let id = |n: u64| format!("{n:032x}");
    assert_eq!(explained(&spec, &sealed).unwrap().traces, [id(3)]);
    assert_eq!(explain(&sealed, 1, &spec.thresholds[1]).unwrap().traces, [id(5)]);
}

/// A few requests of any kind.
fn sent() -> impl Strategy<Value = Vec<Sent>> {
    let request = (0_usize..2, 0_u64..3, prop::option::of(0_u64..200), 0_u64..120, any::<bool>()).prop_map(
        |(step, lag, tls, first_byte, fails)| Sent {
            step,
            lag: 20 * lag,
            tls,
            first_byte: Some(first_byte),
            outcome: if fails { Outcome::Failed(ErrorClass::Status) } else { Outcome::Succeeded },
            ..FAST
        },
    );
    prop::collection::vec(request, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn in_whatever_order_workers_report_the_explanation_is_the_same(
        told in prop::collection::vec((0_usize..3, sent()), 1..12),
        order in Just((0..12).collect::<Vec<usize>>()).prop_shuffle(),
        cut in 0_usize..12,
    ) {
        let thresholds = [
            ("response_time", "p(90) < 60ms"),
            ("failed", "rate < 1%"),
            ("iteration_duration", "p(90) < 60ms"),
            ("dispatch_lag", "max < 10ms"),
        ];
        let spec = spec(&["a", "b", "c"], &thresholds);
        // The facts of one worker come in their order; those of different workers come in any.
        let mut facts: BTreeMap<usize, Vec<Record>> = BTreeMap::new();
        for (second, (worker, sent)) in (0..).zip(&told) {
            let list = facts.entry(*worker).or_default();
            let body = FactBody::Measured(Box::new(snapshot(&spec.layout, second, sent)));
            list.push(fact(&spec, *worker, list.len() as u64 + 1, body));
        }
        let mut places: Vec<usize> = told.iter().map(|(worker, _)| *worker).collect();
        let in_order = |places: &[usize]| {
            let mut next = facts.clone();
            let mut fold = begun(&spec);
            for (number, worker) in places.iter().enumerate() {
                if number == cut {
                    // As from a checkpoint on.
                    fold = fold.clone();
                }
                fold.apply(&next.get_mut(worker).unwrap().remove(0));
            }
            seal(fold)
        };
        let one = in_order(&places);
        let mut keyed: Vec<(usize, usize)> = order.iter().copied().zip(places.iter().copied()).collect();
        keyed.sort_unstable();
        places = keyed.into_iter().map(|(_, worker)| worker).collect();
        let other = in_order(&places);
        for (number, threshold) in spec.thresholds.iter().enumerate() {
            prop_assert_eq!(explain(&one, number, threshold), explain(&other, number, threshold));
        }
    }
}
