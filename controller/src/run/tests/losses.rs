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
    bench.fact(1, FactBody::Refused(Refusal::Internal("no thread".to_owned())));
    bench.measured(1, 0, &[(0, OK)]);
    assert!(matches!(bench.machine.incidents().last().unwrap().kind, IncidentKind::Protocol { .. }));
}

#[test]
fn what_a_workers_policy_forbids_has_a_code_of_its_own() {
    let mut bench = Bench::new(&["a"]);
    let lines = vec!["203.0.113.7 is not allowed".to_owned()];
    bench.fact(0, FactBody::Refused(Refusal::Forbidden(lines)));
    assert_eq!(bench.released(), ["a"]);
    assert_eq!(conditions(&bench.sealed()), [Condition::RefusedByPolicy]);
}

#[test]
fn a_worker_with_another_plan_is_found_out_before_the_start() {
    let mut bench = Bench::new(&["a"]);
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
    bench.lose(0);
    let sealed = bench.sealed();
    assert_eq!(conditions(&sealed), [Condition::WorkersLost]);
    let ledger = sealed.merged.totals().all_scenarios().iterations;
    assert_eq!((ledger.due.count, ledger.started.count, ledger.unaccounted), (20, 2, 18));
    assert_eq!(ledger.check_closed(), Ok(()), "what is unaccounted for is said, not hidden");
    assert!(!sealed.sessions[0].is_complete() && sealed.is_degraded());
}

#[test]
fn the_worker_of_a_local_run_is_lost_by_a_fault_of_the_program() {
    let mut spec = spec(&["a"]);
    spec.workers[0].session = control::SessionId::IN_PROCESS;
    let mut bench = Bench::running_as(spec);
    bench.lose(0);
    let sealed = bench.sealed();
    assert_eq!(conditions(&sealed), [Condition::InternalError]);
}

#[test]
fn what_may_have_been_sent_beyond_the_last_report_is_bounded() {
    // 10/s for 10 s, two workers: 5/s each. Lost at 3.1 s; the last report holds the first second.
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b"], 10));
    let own: Vec<u64> = (0..100).filter(|n| n % 2 == 1).collect();
    let told: Vec<(u64, Fate)> = own.iter().filter(|n| **n < 10).map(|n| (*n, OK)).collect();
    bench.measured(1, 0, &told);
    bench.pass(Nanos::from_secs(3));
    bench.lose(1);
    bench.pass(Nanos::from_secs(10));
    bench.ended(0, final_fact(0, 0));
    let bound = bench.sealed().missing.bound().unwrap();
    // Its slots due before 3.1 s less those it told about, whichever half of the table is its own; one request each.
    assert!((10..=11).contains(&bound.requests), "{bound:?}");
    assert!(!bound.is_estimate);
}

#[test]
fn every_request_that_an_iteration_under_way_may_still_have_sent_is_in_the_bound() {
    let mut spec = spec_of_seconds(&["a"], 10);
    let mut plan = (*spec.plan).clone();
    let three = vec![plan::Op::Request(plan::RequestId(0)); 3];
    plan.scenarios[0].body = plan::ScenarioBody::Program(plan::Program { ops: three });
    spec.plan = Arc::new(plan);
    let mut bench = Bench::running_as(spec);
    bench.measured(0, 0, &[(0, OK), (1, Fate::Stays), (2, Fate::Stays)]);
    // At 100 ms: slots 0 and 1 are due, and the third was told about, so there is nothing beyond the two under way.
    bench.lose(0);
    let bound = bench.sealed().missing.bound().unwrap();
    assert_eq!((bound.requests, bound.is_estimate), (2 * 3, false));
}

#[test]
fn who_has_not_said_by_which_dealing_it_went_may_have_gone_by_either() {
    // 10/s, half of it `b`'s, then a third: which `b` never said to have taken up.
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b"], 10));
    let c = bench.join("c");
    bench.ready(c);
    bench.pass(Nanos::from_secs(3));
    bench.lose(1);
    bench.ended(0, final_fact(0, 0));
    bench.ended(c, final_fact(0, 0));
    let bound = bench.sealed().missing.bound().unwrap();
    assert!(bound.requests >= 15, "half of the 31 slots that were due: {bound:?}");
}

#[test]
fn who_ended_without_a_word_on_a_revision_in_force_degrades_the_run() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a"], 10));
    let rate =
        plan::LoadChange::Rate { scenario: plan::ScenarioId(0), rate: units::Rate::from_per_second(20) };
    bench.input(Input::Change { change: rate, by: Actor::new("ops") });
    bench.ended(0, final_fact(0, 0));
    let sealed = bench.sealed();
    assert!(matches!(kinds(&sealed)[..], [IncidentKind::RevisionUnknown { revision: 1, .. }]));
    assert!(sealed.is_degraded());
}

#[test]
fn a_session_that_is_only_impatiently_given_up_may_have_gone_on() {
    let mut spec = spec_of_seconds(&["a", "b"], 100);
    spec.limits.silence = Nanos::from_secs(5);
    spec.policy.on_worker_loss = scenario::OnWorkerLoss::Continue;
    let mut bench = Bench::running_as(spec);
    for second in 0..100 {
        bench.measured(0, second, &[]);
        bench.pass(Nanos::SECOND);
    }
    bench.ended(0, final_fact(0, 0));
    let bound = bench.sealed().missing.bound().unwrap();
    assert_eq!(bound.requests, 500, "all of its share up to the end");
}

#[test]
fn users_of_a_closed_model_are_bounded_by_the_fastest_pace_that_was_seen() {
    let mut plan = plan();
    let stage = plan::Stage { duration: Nanos::from_secs(10), from: 4, to: 4, measured: true };
    let profile = plan::UserProfile::new(vec![stage]).unwrap();
    plan.scenarios[0].load = LoadModel::VirtualUsers { profile };
    let mut bench = Bench::running_as(RunSpec { plan: Arc::new(plan), ..spec(&["a", "b"]) });
    bench.measured(0, 0, &[(0, OK)]);
    bench.measured(1, 0, &[(1, OK)]);
    bench.pass(Nanos::from_millis(1_900));
    bench.lose(1);
    bench.pass(Nanos::from_secs(20));
    bench.ended(0, final_fact(1, 1));
    let bound = bench.sealed().missing.bound().unwrap();
    // Two users, one second without a word, 4 ms for the shortest iteration, and a clock that may be 40 µs off.
    assert_eq!((bound.requests, bound.is_estimate), (2 * 251, true));
}

#[test]
fn what_a_lost_worker_left_of_a_quota_is_unaccounted_for() {
    let mut plan = plan();
    plan.scenarios[0].load =
        LoadModel::SharedIterations { vus: 2, iterations: 9, max_duration: Nanos::from_secs(60) };
    let mut bench = Bench::running_as(RunSpec { plan: Arc::new(plan), ..spec(&["a"]) });
    bench.measured(0, 0, &[(0, OK), (1, OK)]);
    bench.lose(0);
    let sealed = bench.sealed();
    let ledger = sealed.merged.totals().all_scenarios().iterations;
    assert_eq!((ledger.due.count, ledger.started.count, ledger.unaccounted), (9, 2, 7));
    assert_eq!(sealed.missing.bound().unwrap().requests, 7);
}

#[test]
fn a_lost_workers_share_goes_to_the_others() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b", "c"], 10));
    bench.lose(1);
    let made = bench.revisions();
    let expected = |name: &str| (name.to_owned(), 1, 350, vec![1, 0, 1]);
    assert_eq!(made, [expected("a"), expected("c")], "100 ms under load, and the lead");
    bench.lose(2);
    assert_eq!(bench.revisions(), [("a".to_owned(), 2, 350, vec![1, 0, 0])]);
}

#[test]
fn a_lost_workers_share_may_be_nobodys() {
    let mut spec = spec_of_seconds(&["a", "b"], 10);
    spec.policy.on_worker_loss = scenario::OnWorkerLoss::Continue;
    let mut bench = Bench::running_as(spec);
    bench.lose(1);
    assert!(bench.commands().is_empty());
    assert!(!bench.machine.is_sealed());
    let c = bench.join("c");
    bench.commands();
    bench.ready(c);
    let weights: Vec<Vec<u32>> = bench.revisions().into_iter().map(|(_, _, _, weights)| weights).collect();
    assert_eq!(weights, [[1, 1, 1], [1, 1, 1]], "a newcomer does not change whose it was");
}

#[test]
fn a_run_that_must_not_lose_a_worker_ends_with_it() {
    let mut spec = spec_of_seconds(&["a", "b"], 10);
    spec.policy.on_worker_loss = scenario::OnWorkerLoss::Fail;
    spec.policy.allow_degraded = true;
    let mut bench = Bench::running_as(spec);
    bench.lose(1);
    assert_eq!(bench.commands(), [("a".to_owned(), CommandBody::Stop(StopMode::Cancel))]);
    bench.ended(0, final_fact(0, 0));
    let sealed = bench.sealed();
    assert!(matches!(kinds(&sealed)[..], [IncidentKind::Lost { .. }, IncidentKind::LossEndsRun]));
    assert!(!kinds(&sealed)[1].is_degradation(), "that it ended is no degradation that could be allowed");
}

#[test]
fn no_more_workers_are_lost_than_may_be() {
    let mut spec = spec_of_seconds(&["a", "b", "c"], 10);
    spec.policy.max_lost = units::Ratio::new(0.4);
    let mut bench = Bench::running_as(spec);
    bench.lose(0);
    assert_eq!(bench.stops(), [], "one of three");
    bench.lose(1);
    assert_eq!(bench.stops(), [StopMode::Cancel], "two of three");
    bench.ended(2, final_fact(0, 0));
    assert!(matches!(kinds(&bench.sealed())[2], IncidentKind::TooManyLost { lost: 2, all: 3 }));

    let mut spec = spec_of_seconds(&["a", "b"], 10);
    spec.policy.max_lost = units::Ratio::new(0.4);
    let mut bench = Bench::running_as(spec);
    bench.ended(1, FinalFact { left_at: Some(Nanos::from_millis(50)), ..final_fact(0, 0) });
    assert_eq!(bench.stops(), [StopMode::Cancel], "who left by itself is missing too");
}

#[test]
fn a_worker_that_is_lost_before_the_start_is_left_out() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.lose(1);
    bench.out.clear();
    bench.ready(0);
    let bodies: Vec<CommandBody> = bench.commands().into_iter().map(|(_, body)| body).collect();
    let [CommandBody::Revise(made), CommandBody::Start { .. }] = &bodies[..] else { panic!("{bodies:?}") };
    assert_eq!(
        (made.effective, made.share.weights.clone(), made.share.revision),
        (Nanos::ZERO, vec![1, 0], 1)
    );
    bench.pass(LEAD);
    bench.started(0);
    bench.measured(0, 1, &(0..20).map(|n| (n, OK)).collect::<Vec<_>>());
    bench.ended(0, final_fact(20, 20));
    let sealed = bench.sealed();
    assert_eq!(sealed.missing.slots(), 0, "all of the plan was carried");
    assert!(sealed.is_degraded());
}

#[test]
fn all_workers_lost_seals_the_run_in_every_state() {
    let lose_both = |mut bench: Bench| {
        for index in [0, 1] {
            bench.lose(index);
        }
        bench.pass(bench.spec.limits.stop.after_drain());
        assert_eq!(bench.sealed().sessions.len(), 2);
    };
    lose_both(Bench::new(&["a", "b"]));
    let mut arming = Bench::new(&["a", "b"]);
    arming.arm();
    lose_both(arming);
    lose_both(Bench::running_as(spec(&["a", "b"])));
    let mut draining = Bench::running_as(spec(&["a", "b"]));
    draining.pass(Nanos::from_secs(3));
    lose_both(draining);
    let mut collecting = Bench::running_as(spec(&["a", "b"]));
    collecting.pass(Nanos::from_secs(7));
    lose_both(collecting);
}

#[test]
fn what_a_worker_did_counts_although_it_was_given_up_meanwhile() {
    let mut bench = Bench::running_as(spec(&["a", "b"]));
    bench.lose(1);
    bench.measured(1, 0, &[(1, OK)]);
    let left_at = Some(Nanos::from_millis(50));
    bench.ended(1, FinalFact { left_at, ..final_fact(1, 1) });
    bench.measured(0, 0, &[(0, OK)]);
    bench.ended(0, final_fact(1, 1));
    let sealed = bench.sealed();
    assert!(sealed.sessions[1].is_complete() && sealed.sessions[1].loss.is_some());
    assert_eq!(sealed.merged.totals().all_steps().requests.attempted, 2);
    assert_eq!(sealed.missing.bound(), None, "it said all");
    let ledger = sealed.merged.totals().all_scenarios().iterations;
    assert_eq!(ledger.unsent[UnsentReason::LeaseEnded.index()].count, 18);
    assert_eq!((ledger.due.count, ledger.unaccounted), (20, 0));
}

#[test]
fn a_lost_session_that_came_back_is_waited_for_as_long_as_it_holds_facts() {
    let lost_and_back = || {
        let mut bench = Bench::running_as(spec(&["a", "b"]));
        bench.lose(1);
        let (who, last_fact) = (bench.peers[1].clone(), bench.seqs[1] + 2);
        bench.input(Input::Attached { who, applied: CommandId(2), last_fact });
        bench.ended(0, final_fact(0, 0));
        assert!(!bench.machine.is_sealed(), "`b` has something to say");
        bench
    };
    let mut bench = lost_and_back();
    bench.measured(1, 0, &[(1, OK)]);
    bench.ended(1, final_fact(1, 1));
    assert!(bench.sealed().sessions[1].is_complete());

    let mut silent = lost_and_back();
    silent.pass(silent.spec.limits.collect);
    assert!(!silent.sealed().sessions[1].is_complete());

    let mut lost_again = lost_and_back();
    lost_again.lose(1);
    assert!(lost_again.machine.is_sealed());
}

#[test]
fn a_worker_that_leaves_by_itself_is_missed_like_one_that_is_lost() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b"], 10));
    let left_at = Some(Nanos::from_millis(50));
    bench.ended(1, FinalFact { left_at, ..final_fact(0, 0) });
    assert_eq!(bench.revisions(), [("a".to_owned(), 1, 350, vec![1, 0])]);
    assert!(matches!(bench.machine.incidents()[0].kind, IncidentKind::Left { .. }));
}

#[test]
fn a_worker_that_reports_what_cannot_be_is_not_believed_and_the_run_goes_on() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b"], 10));
    let mut lie = snapshot(&bench.layout(), 0, Nanos::ZERO, &[(1, OK)]);
    lie.scenarios.insert(9_999, metrics::ScenarioCounts::default());
    bench.fact(1, FactBody::Measured(Box::new(lie)));
    assert!(matches!(bench.machine.incidents()[0].kind, IncidentKind::Quarantined { .. }));
    let commands = bench.commands();
    let to_b = commands.iter().filter(|(to, _)| to == "b").map(|(_, body)| body);
    assert!(
        matches!(to_b.collect::<Vec<_>>()[..], [CommandBody::Revise(_), CommandBody::Stop(StopMode::Cancel)]),
        "{commands:?}"
    );
    assert!(commands.iter().any(|(to, body)| to == "a" && matches!(body, CommandBody::Revise(_))));
    bench.measured(1, 0, &[(1, OK)]);
    bench.fact(0, FactBody::Revised { revision: 1, effective: Nanos::from_millis(350) });
    bench.measured(0, 0, &[(0, OK)]);
    bench.ended(0, final_fact(1, 1));
    let sealed = bench.sealed();
    assert_eq!(sealed.merged.totals().all_steps().requests.attempted, 1, "nothing of it counts");
    assert_eq!(conditions(&sealed), [Condition::WorkersLost]);
}

#[test]
fn a_snapshot_of_a_far_future_is_no_snapshot() {
    let mut bench = Bench::running_as(spec(&["a", "b"]));
    bench.measured(1, 3_000_000, &[(1, OK)]);
    assert!(matches!(bench.machine.incidents()[0].kind, IncidentKind::Quarantined { .. }));
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
    arming.ready(0);
    arming.now = arming.now + asleep;
    arming.input(Input::Tick);
    arming.started(0);
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
    check_timeout(bench, limits.prepare, "prepare");

    let mut bench = Bench::of(RunSpec { once: Some("seed".to_owned()), ..spec(&["a"]) });
    bench.ready(0);
    check_timeout(bench, limits.once, "end the task that was to be executed once");

    let mut bench = Bench::new(&["a"]);
    bench.ready(0);
    check_timeout(bench, LEAD + limits.started, "start");
}

fn check_timeout(mut bench: Bench, limit: Nanos, what: &str) {
    bench.pass(limit);
    let incident = bench.machine.incidents()[0].kind.to_string();
    assert!(incident.starts_with(&format!("worker `a` did not {what} within ")), "{incident}");
    bench.pass(bench.spec.limits.stop.after_drain());
    assert!(conditions(&bench.sealed()).contains(&Condition::WorkersLost));
}

#[test]
fn a_run_goes_on_without_a_worker_that_is_never_ready() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.ready(0);
    bench.out.clear();
    bench.pass(bench.spec.limits.prepare);
    let commands = bench.commands();
    assert!(commands.contains(&("b".to_owned(), CommandBody::Stop(StopMode::Cancel))), "{commands:?}");
    assert!(commands.iter().any(|(to, body)| to == "a" && matches!(body, CommandBody::Start { .. })));
}
