//! Workers that refuse, fail, disagree or fall silent.

use plan::LoadModel;

use super::*;
use crate::fixture::plan;

#[test]
fn totals_that_are_not_the_sum_of_the_reports_are_an_internal_error() {
    let mut bench = Bench::running();
    bench.measured(0, 0, &[(0, OK)]);
    bench.ended(0, final_fact(2, 1));
    let sealed = bench.sealed();
    assert_eq!(
        kinds(&sealed)[0].to_string(),
        "worker `a` reported 1 requests in all but its totals say 2: reports were lost or counted twice"
    );
    assert_eq!(conditions(&sealed), [Condition::InternalError]);
    assert!(!sealed.sessions[0].is_complete());
}

#[test]
fn totals_of_iterations_are_held_against_the_reports_too() {
    let mut bench = Bench::running();
    bench.measured(0, 0, &[(0, OK)]);
    bench.ended(0, final_fact(1, 2));
    let sealed = bench.sealed();
    assert!(matches!(kinds(&sealed)[..], [IncidentKind::TotalsDisagree { what: "iterations", .. }]));
}

#[test]
fn a_share_that_cannot_be_carried_ends_the_run_before_it_starts() {
    let mut bench = Bench::new(&["a"]);
    bench.fact(0, FactBody::Joined(Box::new(info())));
    let lines = vec!["64 file handles are needed, 16 are allowed".to_owned()];
    bench.fact(0, FactBody::Refused(Refusal::Impossible(lines)));
    let sealed = bench.sealed();
    assert_eq!(conditions(&sealed), [Condition::InvalidInput]);
    assert!(kinds(&sealed)[0].to_string().ends_with("64 file handles are needed, 16 are allowed"));
    assert_eq!((sealed.start, sealed.load_time()), (None, Nanos::ZERO));
}

#[test]
fn one_refusal_ends_the_run_of_all() {
    let mut bench = Bench::new(&["a", "b"]);
    for index in [0, 1] {
        bench.fact(index, FactBody::Joined(Box::new(info())));
    }
    bench.ready(0);
    bench.out.clear();
    bench.fact(1, FactBody::Refused(Refusal::Internal("no thread".to_owned())));
    assert_eq!(bench.commands(), [("a".to_owned(), CommandBody::Stop(StopMode::Cancel))]);
    bench.ended(0, final_fact(0, 0));
    assert_eq!(conditions(&bench.sealed()), [Condition::InternalError]);
}

#[test]
fn who_refused_has_nothing_more_to_say() {
    let mut bench = Bench::new(&["a", "b"]);
    for index in [0, 1] {
        bench.fact(index, FactBody::Joined(Box::new(info())));
    }
    bench.fact(1, FactBody::Refused(Refusal::Internal("no thread".to_owned())));
    bench.measured(1, 0, &[(0, OK)]);
    assert!(matches!(bench.machine.incidents().last().unwrap().kind, IncidentKind::Protocol { .. }));
}

#[test]
fn a_refusal_does_not_wait_for_those_who_have_not_joined() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.fact(0, FactBody::Refused(Refusal::Impossible(vec!["no memory".to_owned()])));
    assert_eq!(conditions(&bench.sealed()), [Condition::InvalidInput]);
}

#[test]
fn a_worker_with_another_plan_is_found_out_before_the_start() {
    let mut bench = Bench::new(&["a"]);
    bench.fact(0, FactBody::Joined(Box::new(info())));
    let mut other = prepared(&bench.spec);
    other.shape_hash ^= 1;
    bench.fact(0, FactBody::Prepared(other));
    assert_eq!(bench.stops(), [StopMode::Cancel]);
    bench.ended(0, final_fact(0, 0));
    let sealed = bench.sealed();
    assert!(matches!(kinds(&sealed)[..], [IncidentKind::OtherPlan { .. }]));
    assert_eq!(sealed.start, None);
}

#[test]
fn faults_and_panics_of_a_worker_stand_in_the_result() {
    let mut bench = Bench::running();
    let fact =
        FinalFact { faults: vec!["thread 0: no timer".to_owned()], panicked: true, ..final_fact(0, 0) };
    bench.ended(0, fact);
    assert_eq!(conditions(&bench.sealed()), [Condition::InternalError, Condition::Panicked]);
}

#[test]
fn a_lost_worker_seals_the_run_with_what_was_received_and_says_what_is_missing() {
    let mut bench = Bench::running();
    bench.measured(0, 0, &[(0, OK), (1, Fate::Fails(ErrorClass::Reset))]);
    bench.input(Input::Lost { worker: bench.worker(0), reason: "its thread ended".to_owned() });
    let sealed = bench.sealed();
    assert_eq!(conditions(&sealed), [Condition::InternalError]);
    let ledger = sealed.merged.totals().all_scenarios().iterations;
    assert_eq!((ledger.due.count, ledger.started.count, ledger.unaccounted), (20, 2, 18));
    assert_eq!(ledger.check_closed(), Ok(()), "what is unaccounted for is said, not hidden");
    assert!(!sealed.sessions[0].is_complete());
}

#[test]
fn what_a_lost_worker_left_of_a_quota_is_unaccounted_for() {
    let mut plan = plan();
    plan.scenarios[0].load =
        LoadModel::SharedIterations { vus: 2, iterations: 9, max_duration: Nanos::from_secs(60) };
    let mut bench = Bench::running_as(RunSpec { plan: Arc::new(plan), ..spec(&["a"]) });
    bench.measured(0, 0, &[(0, OK), (1, OK)]);
    bench.input(Input::Lost { worker: bench.worker(0), reason: "its thread ended".to_owned() });
    let ledger = bench.sealed().merged.totals().all_scenarios().iterations;
    assert_eq!((ledger.due.count, ledger.started.count, ledger.unaccounted), (9, 2, 7));
}

#[test]
fn the_loss_of_one_worker_ends_the_run_of_all() {
    let mut bench = Bench::new(&["a", "b"]);
    for index in [0, 1] {
        bench.fact(index, FactBody::Joined(Box::new(info())));
    }
    for index in [0, 1] {
        bench.ready(index);
    }
    bench.out.clear();
    bench.input(Input::Lost { worker: bench.worker(1), reason: "its thread ended".to_owned() });
    assert_eq!(bench.commands(), [("a".to_owned(), CommandBody::Stop(StopMode::Cancel))]);
    bench.ended(0, final_fact(0, 0));
    bench.sealed();
}

#[test]
fn what_a_worker_did_counts_although_it_was_given_up_meanwhile() {
    let mut bench = Bench::new(&["a", "b"]);
    for index in [0, 1] {
        bench.fact(index, FactBody::Joined(Box::new(info())));
    }
    for index in [0, 1] {
        bench.ready(index);
    }
    bench.input(Input::Lost { worker: bench.worker(1), reason: "no word".to_owned() });
    bench.measured(1, 0, &[(1, OK)]);
    bench.ended(1, final_fact(1, 1));
    bench.ended(0, final_fact(0, 0));
    let sealed = bench.sealed();
    assert!(sealed.sessions[1].is_complete());
    assert_eq!(sealed.merged.totals().all_steps().requests.attempted, 1);
}

#[test]
fn a_worker_that_says_nothing_under_load_is_given_up() {
    let mut spec = spec(&["a"]);
    spec.limits.silence = Nanos::from_millis(1_500);
    let mut bench = Bench::running_as(spec);
    bench.pass(Nanos::from_millis(1_400));
    assert!(!bench.machine.is_sealed());
    bench.pass(Nanos::from_millis(600));
    let sealed = bench.sealed();
    assert!(kinds(&sealed)[0].to_string().contains("it said nothing for 1.5s"), "{:?}", sealed.incidents);
}

#[test]
fn a_controller_that_was_stopped_itself_does_not_blame_its_workers() {
    let mut bench = Bench::running();
    // SIGSTOP for a minute: nobody called the machine, nobody could have said anything.
    let asleep = Nanos::from_secs(62);
    bench.now = bench.now + asleep;
    bench.input(Input::Tick);
    assert!(bench.machine.incidents().is_empty());
    bench.measured(0, 1, &[(0, OK)]);
    bench.ended(0, final_fact(1, 1));
    assert!(bench.sealed().incidents.is_empty());
}

#[test]
fn a_worker_that_was_stopped_together_with_the_controller_is_not_late() {
    let asleep = Nanos::from_secs(40);
    let mut arming = Bench::new(&["a"]);
    arming.fact(0, FactBody::Joined(Box::new(info())));
    arming.ready(0);
    arming.now = arming.now + asleep;
    arming.input(Input::Tick);
    arming.fact(0, FactBody::Started { at: arming.now });
    assert!(arming.machine.incidents().is_empty());

    let mut collecting = Bench::running();
    collecting.pass(Nanos::from_secs(7));
    collecting.now = collecting.now + asleep;
    collecting.input(Input::Tick);
    collecting.ended(0, final_fact(0, 0));
    assert!(collecting.sealed().incidents.is_empty());
}

#[test]
fn every_wait_before_the_load_has_a_limit() {
    let bench = Bench::new(&["a"]);
    let limits = bench.spec.limits;
    check_timeout(bench, limits.join, "join");

    let mut bench = Bench::new(&["a"]);
    bench.fact(0, FactBody::Joined(Box::new(info())));
    check_timeout(bench, limits.prepare, "prepare");

    let mut bench = Bench::new(&["a"]);
    bench.fact(0, FactBody::Joined(Box::new(info())));
    bench.ready(0);
    check_timeout(bench, limits.start_lead + limits.started, "start");
}

fn check_timeout(mut bench: Bench, limit: Nanos, what: &str) {
    bench.pass(limit);
    let incident = bench.machine.incidents()[0].kind.to_string();
    assert!(incident.starts_with(&format!("worker `a` did not {what} within ")), "{incident}");
    bench.pass(bench.spec.limits.stop.after_drain());
    assert!(conditions(&bench.sealed()).contains(&Condition::InternalError));
}
