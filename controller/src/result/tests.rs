mod telemetry;

use std::sync::Arc;

use api::ExitCode;
use api::result::{Mark, Metric, Model, OutcomeFilter, Percentile, SessionEnding, Unit, VerdictOutcome};
use control::{FinalFact, SessionId, WorkerId};
use metrics::{ErrorClass, Period, UnsentReason};
use plan::{RunPlan, ScenarioId, Slot, SlotsDigest};
use scenario::{BaseUrl, LossPolicy, compile};
use units::Nanos;

use super::*;
use crate::accounting::{Bound, Missing};
use crate::fixture::{Fate, SERVICE, final_fact, layout, run_id, snapshot, snapshot_of, worker};
use crate::incident::{Incident, IncidentKind};
use crate::merge::Merged;
use crate::run::{Actor, AnnotationKind, Peer, WorkerSpec};
use crate::session::{Loss, Session, SessionEnd, Start};
use crate::slowest::Slowest;

/// 10/s for 2 s against the built-in target, after `warm_up`.
fn workload(warm_up: &str) -> Workload {
    let document = serde_json::json!({
        "name": "quick start",
        "target": { "url": "demo://" },
        "tags": { "build": "7" },
        "seed": 7,
        "scenarios": {
            "browse": {
                "executor": "constant-arrival-rate",
                "rate": "10/s",
                "warm_up": warm_up,
                "duration": "2s",
                "overload": "drop",
                "tags": { "team": "shop" },
                "steps": [{ "get": "/products", "name": "list", "checks": { "status": 200 } }]
            }
        },
        "thresholds": {
            "response_time{scenario:browse}": ["p(99) < 200ms"],
            "failed": ["rate < 0.1%"]
        }
    });
    Workload::from_canonical_json(&document.to_string(), &Files::default()).unwrap()
}

fn compiled(workload: &Workload) -> RunPlan {
    let mut bound = workload.clone();
    bound.replace_demo_target(&"http://127.0.0.1:8080".parse::<BaseUrl>().unwrap());
    compile(&bound, &Files::default()).unwrap()
}

const CREATED: Timestamp = Timestamp::from_nanos(1_000_000_000);
const START: Timestamp = Timestamp::from_nanos(1_500_000_000);

/// A run of one worker that is over, in which the slots of both seconds met these fates.
fn sealed(workload: &Workload, lag: Nanos, slots: &[(u64, Fate)]) -> SealedRun {
    let plan = Arc::new(compiled(workload));
    let layout = layout(&plan);
    let mut merged = Merged::new(&layout);
    let spec = WorkerSpec {
        session: SessionId::IN_PROCESS,
        labels: [("zone".to_owned(), "north".to_owned())].into(),
        ..worker("local", 0)
    };
    let mut session = Session::new(&spec, 0, &layout);
    for second in [0, 1] {
        let of_second: Vec<(u64, Fate)> = slots.iter().copied().filter(|(n, _)| n / 10 == second).collect();
        let snapshot = snapshot(&layout, second as u32, lag, &of_second);
        merged.add(0, &snapshot, Nanos::from_secs(2)).unwrap();
        session.sums.add(&snapshot, &layout).unwrap();
    }
    let started = merged.totals().all_scenarios().iterations.started.count;
    session.started = Some(Start { at: START + Nanos::from_micros(20), clock_error: Nanos::from_micros(40) });
    session.end = Some(SessionEnd::Finished(Box::new(final_fact(started, started))));
    let first = Revised { at: CREATED, number: 0, effective: Nanos::ZERO, weights: vec![1], amendment: None };
    SealedRun {
        run_id: run_id(),
        plan,
        policy: LossPolicy::default(),
        created_at: CREATED,
        start: Some(START),
        stopped_at: None,
        sealed_at: START + Nanos::from_millis(2_050),
        sessions: vec![session],
        merged,
        incidents: Vec::new(),
        annotations: Vec::new(),
        revisions: vec![first],
        missing: Missing::default(),
        slowest: Slowest::default(),
        refused_facts: 0,
    }
}

/// All 20 slots with one fate, except these.
fn all_but(fate: Fate, others: &[(u64, Fate)]) -> Vec<(u64, Fate)> {
    let other = |n: u64| others.iter().find(|(slot, _)| *slot == n).map(|(_, fate)| *fate);
    (0..20).map(|n| (n, other(n).unwrap_or(fate))).collect()
}

fn built(sealed: &SealedRun, workload: &Workload) -> ResultFile {
    built_with(sealed, workload, Vec::new())
}

fn built_with(sealed: &SealedRun, workload: &Workload, telemetry: Vec<SinkReport>) -> ResultFile {
    let label = |at: Timestamp| format!("label of {}", at.as_nanos());
    let context = ResultContext {
        workload,
        files: &Files::default(),
        tool: Tool { name: "loadgen".to_owned(), version: "0.1.0".to_owned(), git: None },
        overrides: Vec::new(),
        telemetry,
        label: &label,
    };
    let result = build(sealed, &context);
    assert_eq!(ResultFile::from_json(&result.to_json()).unwrap(), result, "what is written reads back");
    result
}

fn result_of(slots: &[(u64, Fate)]) -> ResultFile {
    let workload = workload("0s");
    built(&sealed(&workload, Nanos::from_micros(100), slots), &workload)
}

#[test]
fn a_complete_run_passes_and_every_number_is_there() {
    let result = result_of(&all_but(Fate::Succeeds, &[]));
    assert_eq!(result.verdict.outcome, VerdictOutcome::Passed, "{:?}", result.verdict.reasons);
    assert_eq!((result.exit.code, result.exit.name), (0, ExitCode::Passed));
    assert!(result.thresholds.iter().all(|threshold| threshold.passed));

    let totals = &result.totals;
    assert_eq!((totals.iterations.due, totals.iterations.succeeded, totals.requests.attempted), (20, 20, 20));
    assert!(totals.iterations.balanced && totals.requests.balanced);
    assert_eq!((totals.measured_ms, totals.warm_up), (2_010.0, None));
    assert_eq!(totals.requests_per_s, 20.0 / 2.01);
    let service = totals.service_time_us.all.as_ref().unwrap();
    assert_eq!((service.count, service.min, service.avg, service.max), (20, 4_000.0, 4_000.0, 4_000.0));
    assert_eq!(totals.response_time_us.all.as_ref().unwrap().max, 4_100.0);
    assert_eq!(totals.dispatch_lag_us.as_ref().unwrap().max, 100.0);
    assert_eq!((totals.transfer.sent_bytes, totals.transfer.received_bytes), (1_000, 4_000));
    assert_eq!((totals.vus_max, totals.connections.open_max), (3, 2));

    let scenario = &result.scenarios[0];
    assert_eq!((scenario.executor.as_str(), scenario.model), ("constant-arrival-rate", Model::Open));
    let rate = scenario.rate.unwrap();
    assert_eq!((rate.planned, rate.started, rate.planned_per_s, rate.drift_ratio), (20, 20, 10.0, Some(0.0)));
    let step = &scenario.steps[0];
    assert_eq!((step.name.as_str(), step.checks[0].passed, step.checks[0].failed), ("list", 20, 0));
    assert_eq!(step.statuses[0].status, 200);
    assert_eq!(step.phases.first_byte_us.as_ref().unwrap().count, 20);
    assert_eq!(step.phases.dns_us, None);

    let seconds: Vec<_> =
        result.timeline.intervals.iter().map(|at| (at.first_second, at.planned, at.ended)).collect();
    assert_eq!(seconds, [(0, 10, 10), (1, 10, 10)]);
    assert_eq!(result.workers[0].start_offset_us, Some(20.0));
    assert!(result.workers[0].complete);
}

#[test]
fn labels_and_spans_tell_when_a_run_was() {
    let time = result_of(&all_but(Fate::Succeeds, &[])).time;
    assert_eq!(time.created_at, "label of 1000000000");
    assert_eq!(time.started_at.as_deref(), Some("label of 1500000000"));
    assert_eq!((time.preparing_ms, time.planned_ms, time.load_ms), (500.0, 2_000.0, 2_010.0));
    assert_eq!((time.draining_ms, time.total_ms), (10.0, 2_550.0));
}

#[test]
fn the_identity_compares_tests_plans_and_what_was_sent() {
    let lost = (3, Fate::Unsent(UnsentReason::GeneratorStall));
    let (all, some) =
        (result_of(&all_but(Fate::Succeeds, &[])), result_of(&all_but(Fate::Succeeds, &[lost])));
    assert_eq!(all.identity.scenario_digest, some.identity.scenario_digest);
    assert_eq!(all.identity.plan_hash.len(), 64);
    assert_eq!(all.identity.slots_digest.due, some.identity.slots_digest.due);
    assert_eq!(all.identity.slots_digest.due, all.identity.slots_digest.started);
    let digest = |hex: &str| u128::from_str_radix(hex, 16).unwrap();
    let digests = &some.identity.slots_digest;
    let classes = [&digests.started, &digests.dropped, &digests.unsent];
    let sum = classes.iter().fold(0_u128, |sum, class| sum.wrapping_add(digest(class)));
    assert_eq!(sum, digest(&digests.due));
    assert_ne!(digests.started, digests.due);
}

#[test]
fn a_slot_that_is_in_no_ledger_is_found_out() {
    let mut slots = all_but(Fate::Succeeds, &[]);
    slots.remove(7);
    let result = result_of(&slots);
    assert_eq!(result.verdict.outcome, VerdictOutcome::Invalid);
    let reason = "the books do not balance: the plan of scenario `browse` has 20 iterations, but 19 came due";
    assert!(result.verdict.reasons.iter().any(|line| line == reason), "{:?}", result.verdict.reasons);
    assert_eq!(result.exit.name, ExitCode::MeasurementInvalid);
}

#[test]
fn a_threshold_that_is_not_met_is_told_with_its_value() {
    let result = result_of(&all_but(Fate::Succeeds, &[(4, Fate::Fails(ErrorClass::Reset))]));
    assert_eq!((result.verdict.outcome, result.exit.code), (VerdictOutcome::Failed, 99));
    let failed = result.thresholds.iter().find(|threshold| threshold.metric == "failed").unwrap();
    assert_eq!((failed.passed, failed.measured, failed.unit), (false, Some(0.05), Unit::Ratio));
    assert_eq!(result.verdict.reasons, ["threshold `failed: rate < 0.1%` was not met: 5.00%"]);
    let errors = &result.totals.errors;
    assert_eq!((errors.len(), errors[0].class.as_str(), errors[0].own_fault), (1, "reset", false));
    assert_eq!(result.totals.response_time_us.failed.as_ref().unwrap().count, 1);
}

#[test]
fn times_of_which_the_end_was_never_seen_are_lower_bounds() {
    let result = result_of(&all_but(Fate::Succeeds, &[(19, Fate::Fails(ErrorClass::Timeout))]));
    let all = result.totals.response_time_us.all.as_ref().unwrap();
    assert_eq!(all.censored, 1);
    assert_eq!(all.at_least, [Percentile::P99, Percentile::P999, Percentile::Max]);
    let latency = result.thresholds.iter().find(|threshold| threshold.unit == Unit::Us).unwrap();
    assert!(!latency.passed && latency.at_least, "a timeout may have taken any time");
}

#[test]
fn a_generator_that_missed_its_slots_makes_the_run_invalid() {
    let result = result_of(&all_but(Fate::Succeeds, &[(3, Fate::Unsent(UnsentReason::GeneratorStall))]));
    assert_eq!(result.exit.name, ExitCode::MeasurementInvalid);
    let broken: Vec<_> = result.verdict.evidence.iter().filter(|evidence| !evidence.held).collect();
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0].key.as_deref(), Some("verdict.invalid.generator_stall"));
    assert_eq!((broken[0].measured, broken[0].limit), (0.05, 0.005));
    assert_eq!(result.scenarios[0].rate.unwrap().drift_ratio, Some(-0.05));
}

#[test]
fn a_stopped_run_keeps_what_it_did_and_is_held_against_the_plan_up_to_the_stop() {
    let workload = workload("0s");
    let slots: Vec<_> = (0..20)
        .map(|n| (n, if n < 5 { Fate::Succeeds } else { Fate::Unsent(UnsentReason::Stopped) }))
        .collect();
    let slots = [&slots[..4], &[(4, Fate::Cancelled)], &slots[5..]].concat();
    let mut run = sealed(&workload, Nanos::ZERO, &slots);
    let stopped_at = START + Nanos::from_millis(450);
    run.stopped_at = Some(stopped_at);
    run.incidents.push(Incident { at: stopped_at, kind: IncidentKind::Stopped { by: Actor::local() } });
    let result = built(&run, &workload);

    assert_eq!((result.exit.code, result.exit.name), (105, ExitCode::StoppedBySignal));
    assert_eq!(result.verdict.marks, [Mark::Degraded]);
    let ledger = &result.totals.iterations;
    assert_eq!((ledger.due, ledger.started, ledger.cancelled, ledger.unsent.stopped), (20, 5, 1, 15));
    assert!(ledger.balanced);
    let rate = result.scenarios[0].rate.unwrap();
    assert_eq!((rate.planned, rate.started, rate.drift_ratio), (5, 5, Some(0.0)));
    let cut_off = result.totals.response_time_us.failed.as_ref().unwrap();
    assert_eq!((cut_off.count, cut_off.censored, cut_off.max), (1, 1, SERVICE.as_micros_f64()));
    assert_eq!(result.time.draining_ms, 1_560.0, "from the stop to the last end");
    let stop = result.annotations.iter().find(|note| note.at_ms.is_some()).unwrap();
    assert_eq!((stop.at_ms, stop.text.contains("signal")), (Some(450.0), true));
}

#[test]
fn a_run_that_was_refused_has_a_result_without_numbers() {
    let workload = workload("0s");
    let mut run = sealed(&workload, Nanos::ZERO, &[]);
    run.start = None;
    let session = &mut run.sessions[0];
    (session.started, session.end) = (None, Some(SessionEnd::Dismissed));
    let kind = IncidentKind::Refused { worker: WorkerId::new("local"), reason: "too few handles".to_owned() };
    run.incidents.push(Incident { at: CREATED, kind });
    let result = built(&run, &workload);
    assert_eq!((result.exit.code, result.exit.conditions.iter().count()), (104, 1));
    assert_eq!(result.verdict.outcome, VerdictOutcome::Failed);
    assert_eq!((result.time.started_at, result.time.load_ms), (None, 0.0));
    assert_eq!(result.totals.response_time_us.all, None);
    assert_eq!(result.scenarios[0].rate.unwrap().drift_ratio, None);
}

#[test]
fn warm_up_stands_apart_and_in_no_statistic() {
    let workload = workload("1s");
    let slots: Vec<_> = (10..30).map(|n| (n, Fate::Succeeds)).collect();
    let mut run = sealed(&workload, Nanos::ZERO, &[]);
    let layout = Arc::clone(run.merged.totals().layout());
    let warm: Vec<_> = (0..10).map(|n| (n, Fate::Fails(ErrorClass::Reset))).collect();
    let now = Nanos::from_secs(3);
    run.merged.add(0, &snapshot_of(Period::WarmUp, &layout, 0, Nanos::ZERO, &warm), now).unwrap();
    run.merged.add(0, &snapshot(&layout, 1, Nanos::ZERO, &slots), now).unwrap();
    run.sealed_at = START + Nanos::from_secs(4);
    let fact = final_fact(30, 30);
    let health = control::WorkerHealth { elapsed: Nanos::from_secs(3), ..fact.health };
    run.sessions[0].end = Some(SessionEnd::Finished(Box::new(FinalFact { health, ..fact })));
    let result = built(&run, &workload);

    assert_eq!(result.verdict.outcome, VerdictOutcome::Passed, "{:?}", result.verdict.reasons);
    let warm_up = result.totals.warm_up.unwrap();
    assert_eq!((warm_up.iterations.started, warm_up.requests.failed), (10, 10));
    assert_eq!(result.scenarios[0].warm_up, Some(warm_up));
    let mut all = SlotsDigest::default();
    (0..30).for_each(|n| all.add(ScenarioId(0), Slot { n, due: Nanos::from_millis(100 * n) }));
    assert_eq!(result.identity.slots_digest.due, format!("{:032x}", all.0), "it was sent too");
    assert_eq!((result.totals.requests.attempted, result.totals.requests.failed), (20, 0));
    assert_eq!(result.totals.measured_ms, 2_000.0, "warm-up time is not measured time");
    let rate = result.scenarios[0].rate.unwrap();
    assert_eq!((rate.planned, rate.drift_ratio), (20, Some(0.0)));
}

#[test]
fn every_series_with_a_value_is_there_as_a_histogram() {
    let result = result_of(&all_but(Fate::Succeeds, &[(4, Fate::Fails(ErrorClass::Reset))]));
    let find = |metric, step: Option<&str>, outcome| {
        let mut found = result
            .histograms
            .iter()
            .filter(|h| h.of.metric == metric && h.of.step.as_deref() == step && h.of.outcome == outcome);
        let histogram = found.next().unwrap_or_else(|| panic!("{metric:?} {outcome:?} is there")).clone();
        assert!(found.next().is_none(), "each series once");
        histogram
    };
    let succeeded = find(Metric::ServiceTime, Some("list"), OutcomeFilter::Succeeded).values;
    assert_eq!((succeeded.count, succeeded.min_ns, succeeded.max_ns), (19, 4_000_000, 4_000_000));
    assert_eq!((succeeded.sum_ns, succeeded.significant_digits, succeeded.saturated), (19 * 4_000_000, 3, 0));
    assert!(succeeded.hdr_v2_deflate_base64.starts_with("HISTF"), "the magic number of the encoding");
    assert_eq!(find(Metric::ResponseTime, Some("list"), OutcomeFilter::Failed).values.count, 1);
    assert_eq!(find(Metric::DispatchLag, None, OutcomeFilter::All).values.significant_digits, 2);
    assert!(result.histograms.iter().all(|histogram| histogram.values.count > 0));
}

#[test]
fn the_timeline_has_whole_histograms_too() {
    let blocks = result_of(&all_but(Fate::Succeeds, &[])).timeline.blocks;
    assert_eq!(
        blocks.iter().map(|at| (at.first_second, at.last_second)).collect::<Vec<_>>(),
        [(0, 0), (1, 1)]
    );
    let (response, service) =
        (blocks[1].response_time.as_ref().unwrap(), blocks[1].service_time.as_ref().unwrap());
    assert_eq!((response.count, response.min_ns, response.max_ns), (10, 4_100_000, 4_100_000));
    assert_eq!((service.count, service.sum_ns, service.significant_digits), (10, 40_000_000, 3));
    assert!(service.hdr_v2_deflate_base64.starts_with("HISTF"), "the magic number of the encoding");
    assert_ne!(response.hdr_v2_deflate_base64, service.hdr_v2_deflate_base64);

    let workload = workload("0s");
    let silent = sealed(&workload, Nanos::ZERO, &[(0, Fate::Unsent(UnsentReason::Stopped))]);
    assert_eq!(built(&silent, &workload).timeline.blocks[0].service_time, None);
}

#[test]
fn what_a_stop_left_of_the_plan_does_not_hide_a_stall() {
    let workload = workload("0s");
    let fate = |n| match n {
        0..4 => Fate::Succeeds,
        4 => Fate::Unsent(UnsentReason::GeneratorStall),
        _ => Fate::Unsent(UnsentReason::Stopped),
    };
    let slots: Vec<_> = (0..20).map(|n| (n, fate(n))).collect();
    let mut run = sealed(&workload, Nanos::ZERO, &slots);
    run.stopped_at = Some(START + Nanos::from_millis(450));
    let result = built(&run, &workload);
    let stall = |e: &&api::result::Evidence| e.key.as_deref() == Some("verdict.invalid.generator_stall");
    let evidence = result.verdict.evidence.iter().find(stall).unwrap();
    assert_eq!((evidence.measured, evidence.held), (0.2, false), "one of five");
}

#[test]
fn certificates_that_were_not_verified_are_noted() {
    let noted = |verify| {
        let mut workload = workload("0s");
        workload.target.tls.verify = verify;
        let run = sealed(&workload, Nanos::ZERO, &[]);
        built(&run, &workload).annotations.iter().any(|note| note.text.contains("not verified"))
    };
    assert_eq!((noted(true), noted(false)), (false, true));
}

#[test]
fn requests_that_the_generator_failed_itself_make_the_run_invalid() {
    let result = result_of(&all_but(Fate::Succeeds, &[(4, Fate::Fails(ErrorClass::NoFileHandle))]));
    assert_eq!(result.verdict.outcome, VerdictOutcome::Invalid);
    let own = |e: &&api::result::Evidence| e.key.as_deref() == Some("verdict.invalid.own_faults");
    let evidence = result.verdict.evidence.iter().find(own).unwrap();
    assert_eq!((evidence.measured, evidence.held), (0.05, false));
}

#[test]
fn a_target_in_our_own_process_is_noted_and_not_judged() {
    let result = result_of(&all_but(Fate::Succeeds, &[]));
    assert!(result.target.in_process);
    assert_eq!(result.target.url, "demo://");
    assert!(result.annotations[0].text.contains("noted, not judged"));
    assert!(result.verdict.marks.is_empty());
}

#[test]
fn every_worker_and_every_label_has_sums_of_its_own() {
    let result = result_of(&all_but(Fate::Succeeds, &[(4, Fate::Fails(ErrorClass::Reset))]));
    let worker = &result.workers[0];
    assert_eq!((worker.weight, worker.share, worker.clock_error_us), (1, 1.0, Some(40.0)));
    assert_eq!((worker.sums.iterations, worker.sums.requests, worker.sums.failed), (20, 20, 1));
    assert_eq!(worker.sums.response_time_us, result.totals.response_time_us.all);
    assert_eq!(worker.sessions.len(), 1);
    let life = &worker.sessions[0];
    assert_eq!((life.start_skew_us, life.ended, life.complete), (Some(20.0), SessionEnding::Finished, true));
    assert_eq!((life.joined_at_ms, life.ended_at_ms, life.unaccounted_requests_at_most), (None, None, None));
    let label = &result.by_label[0];
    assert_eq!((label.label.as_str(), label.value.as_str()), ("zone", "north"));
    assert_eq!((label.workers.as_slice(), &label.sums), (["local".to_owned()].as_slice(), &worker.sums));
    assert_eq!((result.degraded, result.revisions), (None, Vec::new()));
}

/// A run that lost its worker at 1.5 s, after it had told about the first second and about one request under way.
fn degraded(allow_degraded: bool) -> ResultFile {
    let workload = workload("0s");
    let mut run = sealed(&workload, Nanos::ZERO, &all_but(Fate::Succeeds, &[])[..10]);
    run.policy.allow_degraded = allow_degraded;
    let at = START + Nanos::from_millis(1_500);
    let who = Peer::new(WorkerId::new("local"), SessionId(uuid::Uuid::from_u128(9)));
    let session = &mut run.sessions[0];
    let layout = Arc::clone(run.merged.totals().layout());
    let mut open = snapshot(&layout, 1, Nanos::ZERO, &[(10, Fate::Succeeds)]);
    let iterations = &mut open.scenarios.get_mut(&0).unwrap().iterations;
    (iterations.succeeded, iterations.in_flight) = (0, 1);
    let requests = &mut open.steps.get_mut(&0).unwrap().requests;
    (requests.succeeded, requests.in_flight) = (0, 1);
    run.merged.add(0, &open, Nanos::from_secs(2)).unwrap();
    session.sums.add(&open, &layout).unwrap();
    session.session = who.session;
    session.end = Some(SessionEnd::Lost);
    let reason = "its lease ended".to_owned();
    session.loss = Some(Loss { at, reason: reason.clone(), may_go_on: false, is_quarantine: false });
    run.incidents.push(Incident { at, kind: IncidentKind::Lost { who, reason } });
    run.missing.unaccounted = vec![(0, 9)];
    run.missing.bounds = vec![(0, Bound { requests: 5, is_estimate: false })];
    let missing = run.missing.clone();
    run.merged.account_for(&missing);
    built(&run, &workload)
}

#[test]
fn a_degraded_run_is_marked_bounded_and_no_pass() {
    let result = degraded(false);
    assert_eq!(
        (result.exit.code, result.exit.name),
        (114, ExitCode::WorkersLost),
        "{:?}",
        result.verdict.reasons
    );
    assert_eq!(
        (result.verdict.outcome, &result.verdict.marks[..]),
        (VerdictOutcome::Failed, &[Mark::Degraded][..])
    );
    let degraded = result.degraded.as_ref().unwrap();
    assert_eq!((degraded.requests_unaccounted_at_most, degraded.iterations_unaccounted), (5, 9));
    assert_eq!(degraded.workers_lost, ["local"]);
    let ledger = &result.totals.iterations;
    assert_eq!((ledger.due, ledger.started, ledger.in_flight, ledger.unaccounted), (20, 11, 1, 9));
    assert!(
        ledger.balanced && result.totals.requests.balanced,
        "what a lost worker left open is no broken ledger"
    );
    assert!(
        result.verdict.reasons[0].contains("at most 5 requests unaccounted"),
        "{:?}",
        result.verdict.reasons
    );
    let life = &result.workers[0].sessions[0];
    assert_eq!((life.ended, life.ended_at_ms), (SessionEnding::Lost, Some(1_500.0)));
    assert_eq!(
        (life.reason.as_deref(), life.unaccounted_requests_at_most),
        (Some("its lease ended"), Some(5))
    );
}

#[test]
fn a_degraded_run_passes_where_that_is_allowed_and_is_still_marked() {
    let result = degraded(true);
    assert_eq!(
        (result.exit.code, result.verdict.outcome),
        (0, VerdictOutcome::Passed),
        "{:?}",
        result.verdict
    );
    assert_eq!(result.verdict.marks, [Mark::Degraded]);
    assert!(result.degraded.unwrap().allowed);
}

#[test]
fn what_is_left_open_by_nobody_who_was_lost_is_a_broken_ledger() {
    let workload = workload("0s");
    let mut run = sealed(&workload, Nanos::ZERO, &all_but(Fate::Succeeds, &[]));
    let layout = Arc::clone(run.merged.totals().layout());
    let mut open = snapshot(&layout, 1, Nanos::ZERO, &[]);
    let requests = metrics::RequestLedger { attempted: 1, in_flight: 1, ..Default::default() };
    open.steps.insert(0, metrics::StepCounts { requests, ..Default::default() });
    run.merged.add(0, &open, Nanos::from_secs(2)).unwrap();
    let result = built(&run, &workload);
    assert_eq!(result.verdict.outcome, VerdictOutcome::Invalid);
    assert!(!result.totals.requests.balanced);
}

#[test]
fn changes_and_dealings_stand_in_the_result_with_who_made_them() {
    let workload = workload("0s");
    let mut run = sealed(&workload, Nanos::ZERO, &all_but(Fate::Succeeds, &[]));
    let (at, effective) = (START + Nanos::from_millis(250), Nanos::from_millis(500));
    let change = plan::LoadChange::Scale { scenario: None, factor: units::Ratio::new(1.0) };
    let amendment = Some(plan::Amendment { at: effective, change });
    run.revisions.push(Revised { at, number: 1, effective, weights: vec![1], amendment });
    run.revisions.push(Revised { at, number: 2, effective, weights: vec![1], amendment: None });
    let text = "rate of every scenario × 1".to_owned();
    let what = AnnotationKind::Load { change, effective, text: text.clone() };
    run.annotations.push(crate::run::Annotation { at, by: Actor::new("ci"), what });
    let result = built(&run, &workload);
    let note = result.annotations.iter().find(|note| note.by.is_some()).unwrap();
    assert_eq!((note.at_ms, note.by.as_deref(), &note.text), (Some(250.0), Some("ci"), &text));
    let [first, second] = &result.revisions[..] else { panic!("{:?}", result.revisions) };
    assert_eq!((first.number, first.effective_ms, first.weights["local"]), (1, 500.0, 1));
    assert_eq!(
        (&first.plan_hash, &second.plan_hash),
        (&result.identity.plan_hash, &result.identity.plan_hash)
    );
    assert_ne!(first.plan_hash, run.plan.plan_hash().to_string());
}
