//! Requests that can be found in traces, and time for the telemetry beside the last words.

use metrics::{Delivery, Signal, SinkReport};

use super::*;
use crate::fixture::traced;
use crate::slowest::SlowTrace;

fn spans(traces: &[SlowTrace]) -> Vec<u64> {
    traces.iter().map(|trace| trace.request.context.span.0).collect()
}

fn told(bench: &mut Bench, worker: usize, requests: &[(u64, u64)]) {
    let request = |(millis, span): &(u64, u64)| traced(0, Nanos::from_millis(*millis), *span);
    bench.fact(worker, FactBody::Traced(requests.iter().map(request).collect()));
}

#[test]
fn the_slowest_requests_of_all_workers_are_kept_whatever_became_of_the_worker() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b"], 10));
    told(&mut bench, 0, &[(3, 1), (50, 2)]);
    bench.lose(1);
    told(&mut bench, 1, &[(20, 3)]);
    let slowest = &bench.machine.fold().slowest;
    assert_eq!(spans(slowest.of_run()), [2, 3, 1]);
    assert_eq!(slowest.of_run()[1].worker.as_str(), "b", "what a lost worker did is still true");
    assert_eq!((spans(slowest.of_step(0)), slowest.of_step(1)), (vec![2, 3, 1], &[][..]));
}

#[test]
fn who_tells_of_a_step_or_a_time_that_cannot_be_is_not_believed_any_more() {
    let lies: [fn(&mut control::TracedRequest); 3] = [
        |request| request.step = 1,
        |request| request.at = Nanos::from_secs(6),
        |request| request.response_time = Nanos::MAX,
    ];
    for lie in lies {
        let mut bench = Bench::running_as(spec_of_seconds(&["a", "b"], 10));
        let mut request = traced(0, Nanos::from_millis(1), 9);
        lie(&mut request);
        bench.fact(1, FactBody::Traced(vec![traced(0, Nanos::from_millis(50), 1), request]));
        assert!(matches!(bench.machine.incidents()[0].kind, IncidentKind::Quarantined { .. }));
        told(&mut bench, 1, &[(50, 2)]);
        assert_eq!(bench.machine.fold().slowest.of_run(), [], "nothing of it counts");
    }
    // As far ahead as a snapshot may be.
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b"], 10));
    let at = Nanos::from_secs(5);
    bench.fact(1, FactBody::Traced(vec![control::TracedRequest { at, ..traced(0, Nanos::ZERO, 1) }]));
    assert!(bench.machine.incidents().is_empty());
}

/// The last word of a worker that lost nothing of its telemetry.
fn last_word() -> FinalFact {
    let delivery = Delivery { produced: 5, acknowledged: 5, ..Delivery::default() };
    let report =
        SinkReport { signal: Signal::Traces, endpoint: "http://127.0.0.1:4318".to_owned(), delivery };
    FinalFact { telemetry: vec![report], ..final_fact(1, 1) }
}

#[test]
fn a_last_word_comes_in_time_after_the_longest_flush_of_a_natural_end() {
    let mut bench = Bench::running();
    bench.measured(0, 0, &[(0, OK)]);
    // The load ends with the plan, and so, within milliseconds, does everything in flight.
    bench.pass(Nanos::from_millis(1_910));
    bench.pass(LONGEST_FLUSH);
    bench.ended(0, last_word());
    let sealed = bench.sealed();
    assert_eq!(sealed.sessions[0].final_fact().map(|fact| fact.telemetry.len()), Some(1));
    assert!(!conditions(&sealed).contains(&Condition::InternalError), "{:?}", sealed.incidents);
}

#[test]
fn a_last_word_comes_in_time_after_the_longest_flush_of_a_stop() {
    for second in [None, Some(Nanos::from_millis(500))] {
        let mut bench = Bench::running();
        bench.measured(0, 0, &[(0, OK)]);
        let stopped_at = bench.now;
        bench.stop(StopMode::Drain);
        // The second stop makes it shorter.
        let last = if let Some(after) = second {
            bench.pass(after);
            bench.stop(StopMode::Cancel);
            Nanos::from_millis(1_800)
        } else {
            Nanos::from_millis(3_800)
        };
        bench.pass(last.saturating_sub(bench.now.saturating_since(stopped_at)));
        bench.ended(0, last_word());
        let sealed = bench.sealed();
        assert!(sealed.sealed_at <= stopped_at + Nanos::from_secs(4));
        assert_eq!(sealed.sessions[0].final_fact().map(|fact| fact.telemetry.len()), Some(1));
        assert_eq!(conditions(&sealed)[0], Condition::StoppedBySignal);
        assert!(!conditions(&sealed).contains(&Condition::InternalError), "{:?}", sealed.incidents);
    }
}

/// What a worker may take for it when its load ended by itself.
const LONGEST_FLUSH: Nanos = Nanos::from_secs(5);
