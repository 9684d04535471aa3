//! What became of the run's telemetry, and where to look in it.

use api::Condition;
use api::result::{TelemetryResult, TelemetrySignal};
use metrics::{Delivery, Outcome, Signal, SinkReport};
use units::Ratio;

use super::*;
use crate::fixture::traced;

fn report(signal: Signal, delivery: Delivery) -> SinkReport {
    SinkReport { signal, endpoint: "http://127.0.0.1:4318".to_owned(), delivery }
}

/// The last 1 % and less were lost.
const NEARLY_ALL: Delivery =
    Delivery { produced: 1_000, acknowledged: 990, rejected: 1, lost: 4, unknown: 5, retried: 30 };
const ALL: Delivery =
    Delivery { produced: 70, acknowledged: 70, rejected: 0, lost: 0, unknown: 0, retried: 0 };

/// A run in which all went well, but what its worker and its controller say of their telemetry.
fn telling(
    workload: &Workload,
    change: impl FnOnce(&mut SealedRun),
    worker: Option<Vec<SinkReport>>,
    controller: Vec<SinkReport>,
) -> ResultFile {
    let mut run = sealed(workload, Nanos::ZERO, &all_but(Fate::Succeeds, &[]));
    let session = &mut run.sessions[0];
    match worker {
        Some(telemetry) => {
            let fact = FinalFact { telemetry, executions_over_budget: 17, ..final_fact(20, 20) };
            session.end = Some(SessionEnd::Finished(Box::new(fact)));
        }
        None => {
            session.end = Some(SessionEnd::Lost);
            let reason = "its lease ended".to_owned();
            session.loss = Some(Loss { at: START, reason, may_go_on: true, is_quarantine: false });
        }
    }
    change(&mut run);
    built_with(&run, workload, controller)
}

#[test]
fn every_process_has_a_row_for_each_signal_and_a_loss_within_the_bound_is_none() {
    let workload = workload("0s");
    let worker = vec![report(Signal::Traces, NEARLY_ALL), report(Signal::Metrics, ALL)];
    let result = telling(&workload, |_| (), Some(worker), vec![report(Signal::Traces, ALL)]);
    let telemetry = result.telemetry.as_ref().unwrap();
    let rows: Vec<_> = telemetry
        .sinks
        .iter()
        .map(|sink| (sink.process.as_str(), sink.signal, sink.produced, sink.acknowledged))
        .collect();
    assert_eq!(
        rows,
        [
            ("local", TelemetrySignal::Traces, 1_000, 990),
            ("local", TelemetrySignal::Metrics, 70, 70),
            ("controller", TelemetrySignal::Traces, 70, 70),
        ]
    );
    let sink = &telemetry.sinks[0];
    assert_eq!((sink.rejected, sink.lost, sink.unknown, sink.retried), (1, 4, 5, 30));
    assert_eq!((telemetry.executions_over_budget, telemetry.max_loss, telemetry.held), (17, 0.01, true));
    assert_eq!((result.exit.code, result.verdict.reasons.len()), (0, 0));
}

#[test]
fn a_loss_beyond_the_bound_ends_with_115_and_says_whose_it_was() {
    let mut workload = workload("0s");
    workload.options.telemetry.max_loss = Ratio::new(0.009);
    for by_controller in [false, true] {
        let (lost, whole) = (vec![report(Signal::Logs, NEARLY_ALL)], vec![report(Signal::Logs, ALL)]);
        let (process, result) = if by_controller {
            ("controller", telling(&workload, |_| (), Some(whole), lost))
        } else {
            ("local", telling(&workload, |_| (), Some(lost), whole))
        };
        assert_eq!((result.exit.code, result.exit.name), (115, ExitCode::TelemetryLost));
        assert_eq!(result.verdict.outcome, VerdictOutcome::Passed, "what was measured is none the worse");
        assert_eq!(
            result.verdict.reasons,
            [format!(
                "telemetry: 10 of 1000 log records of `{process}` may be missing at http://127.0.0.1:4318 (1 rejected, 4 lost, 5 without an answer), more than `telemetry.max_loss: 0.90%`"
            )]
        );
        assert!(!result.telemetry.unwrap().held);
    }
}

#[test]
fn books_that_do_not_balance_are_a_loss_whatever_may_be_lost() {
    let mut workload = workload("0s");
    workload.options.telemetry.max_loss = Ratio::new(1.0);
    let open = Delivery { acknowledged: 60, ..ALL };
    let result = telling(&workload, |_| (), Some(vec![report(Signal::Metrics, open)]), Vec::new());
    assert_eq!(result.exit.name, ExitCode::TelemetryLost);
    assert_eq!(
        result.verdict.reasons,
        [
            "telemetry: the books of `local` on its metrics do not balance: 70 were produced, and 60 are accounted for"
        ]
    );
}

#[test]
fn a_worker_that_was_lost_with_its_books_is_told_of_where_it_sent_telemetry() {
    let mut workload = workload("0s");
    // That it sent some is known from its own word, or from the others'.
    let traced = |run: &mut SealedRun| run.sessions[0].is_traced = true;
    let beside = |run: &mut SealedRun| {
        let layout = Arc::clone(run.merged.totals().layout());
        let mut other = Session::new(&worker("other", 2), 1, &layout);
        let telemetry = vec![report(Signal::Traces, ALL)];
        other.end = Some(SessionEnd::Finished(Box::new(FinalFact { telemetry, ..final_fact(0, 0) })));
        run.sessions.push(other);
    };
    let silent = |_: &mut SealedRun| ();
    let changes = [(&traced as &dyn Fn(&mut SealedRun), true), (&beside, true), (&silent, false)];
    for (change, is_told) in changes {
        let result = telling(&workload, change, None, Vec::new());
        let text = "telemetry: worker `local` was lost before it said what became of its own; how much of it is missing is not known";
        assert_eq!(result.verdict.reasons.iter().any(|line| line == text), is_told);
        assert_eq!(result.conditions().contains(Condition::TelemetryLost), is_told);
        assert_eq!(result.telemetry.is_some_and(|telemetry| !telemetry.held), is_told);
    }
    workload.options.telemetry.max_loss = Ratio::new(1.0);
    let result = telling(&workload, traced, None, Vec::new());
    assert!(!result.conditions().contains(Condition::TelemetryLost), "all of it may be lost");
}

#[test]
fn a_run_without_telemetry_says_nothing_of_it() {
    let result = result_of(&all_but(Fate::Succeeds, &[]));
    assert_eq!((result.telemetry, result.slowest), (None::<TelemetryResult>, Vec::new()));
}

#[test]
fn the_slowest_requests_stand_in_the_result_with_the_names_to_find_them_by() {
    let workload = workload("0s");
    let mut failed = traced(0, Nanos::from_millis(30), 0xab);
    failed.outcome = Outcome::Failed(ErrorClass::Timeout);
    failed.status = 0;
    let told: Vec<_> = (1..=30).map(|n| traced(0, Nanos::from_micros(n), n)).chain([failed]).collect();
    let slowest = |run: &mut SealedRun| run.slowest.add(&WorkerId::new("local"), &told);
    let result = telling(&workload, slowest, Some(Vec::new()), Vec::new());
    assert_eq!(result.slowest.len(), 20);
    assert!(result.slowest.is_sorted_by(|one, next| one.response_time_us >= next.response_time_us));
    let worst = &result.slowest[0];
    assert_eq!(
        (worst.worker.as_str(), worst.scenario.as_str(), worst.step.as_str()),
        ("local", "browse", "list")
    );
    assert_eq!((worst.response_time_us, worst.outcome.as_str(), worst.status), (30_000.0, "timeout", None));
    assert_eq!((worst.trace_id.len(), worst.span_id.as_str()), (32, "00000000000000ab"));
    assert_eq!((worst.first_byte_us, worst.dns_us), (Some(30_000.0), None));
    assert_eq!((result.slowest[1].status, result.slowest[1].outcome.as_str()), (Some(200), "succeeded"));
}
