//! Workers that come and go, and tasks that are executed once.

use control::LeaveMode;

use super::*;

fn leave(bench: &mut Bench, index: usize, mode: LeaveMode) {
    let (who, by) = (bench.peers[index].clone(), Actor::new("ops"));
    bench.input(Input::Leave { who, mode, by });
}

#[test]
fn a_newcomer_gets_nothing_first_and_its_part_when_it_is_ready() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a"], 10));
    let start = bench.machine.fold().start.unwrap();
    let c = bench.join("c");
    let bodies: Vec<CommandBody> = bench.commands().into_iter().map(|(_, body)| body).collect();
    let [CommandBody::Prepare(prepare), CommandBody::Start { at }] = &bodies[..] else {
        panic!("{bodies:?}")
    };
    assert_eq!((prepare.revision.share.weights.clone(), prepare.revision.share.index), (vec![1, 0], 1));
    assert_eq!(*at, start);
    bench.ready(c);
    let expected = |name: &str| (name.to_owned(), 1, 350, vec![1, 1]);
    assert_eq!(bench.revisions(), [expected("a"), expected("c")]);
    let sealed_annotation = bench.machine.fold().annotations[0].clone();
    assert_eq!(sealed_annotation.what.to_string(), "worker `c` came to the run");
}

#[test]
fn a_restarted_worker_takes_its_old_place_and_both_lives_count_once() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b"], 10));
    bench.measured(1, 0, &[(1, OK)]);
    bench.lose(1);
    assert_eq!(bench.revisions(), [("a".to_owned(), 1, 350, vec![1, 0])]);
    let again = bench.join("b");
    bench.ready(again);
    let made = bench.revisions();
    assert_eq!(made.last().unwrap().3, [1, 1], "{made:?}");
    bench.started(again);
    bench.measured(again, 1, &[(11, OK), (13, OK)]);
    // The first life comes back with what it held, and says some of it again.
    let old = snapshot(&bench.layout(), 0, Nanos::ZERO, &[(1, OK)]);
    bench.numbered(1, 3, FactBody::Measured(Box::new(old)));
    bench.measured(1, 1, &[(3, OK)]);
    bench.ended(1, FinalFact { left_at: Some(Nanos::from_millis(400)), ..final_fact(2, 2) });
    bench.ended(again, final_fact(2, 2));
    bench.ended(0, final_fact(0, 0));
    let sealed = bench.sealed();
    assert_eq!(sealed.merged.totals().all_steps().requests.attempted, 4);
    assert_eq!(sealed.sessions.iter().filter(|session| session.place == 1).count(), 2);
    assert!(sealed.sessions[1].is_complete() && sealed.sessions[2].is_complete());
}

#[test]
fn a_new_life_ends_the_old_one_although_nobody_said_it_was_lost() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b"], 10));
    bench.join("b");
    let incident = bench.machine.incidents()[0].kind.to_string();
    assert!(incident.contains("another life of it took its place"), "{incident}");
}

#[test]
fn nobody_comes_to_a_run_that_wants_nobody() {
    let mut never = spec_of_seconds(&["a"], 10);
    never.policy.rejoin = scenario::Rejoin::Never;
    let mut bench = Bench::running_as(never);
    bench.join("c");
    assert_eq!(bench.released(), ["c"]);

    let mut bench = Bench::running_as(spec(&["a"]));
    bench.pass(Nanos::from_secs(3));
    bench.out.clear();
    bench.join("c");
    assert_eq!(bench.released(), ["c"], "its plan is over");
    assert_eq!(bench.machine.fold().sessions.len(), 1);

    let mut bench = Bench::running_as(RunSpec { revisable: false, ..spec(&["a"]) });
    bench.join("c");
    assert_eq!(bench.released(), ["c"]);
}

#[test]
fn a_newcomer_that_cannot_carry_its_share_does_not_end_the_run() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a"], 10));
    let c = bench.join("c");
    bench.out.clear();
    bench.fact(c, FactBody::Refused(Refusal::Impossible(vec!["no memory".to_owned()])));
    assert!(bench.commands().is_empty());
    assert!(!bench.machine.is_sealed());
    let note = bench.machine.fold().annotations.last().unwrap().what.to_string();
    assert_eq!(note, "worker `c` cannot carry its share: no memory; the run goes on without it");
    bench.ended(0, final_fact(0, 0));
    let sealed = bench.sealed();
    assert!(sealed.incidents.is_empty(), "the exit code is that of the run: {:?}", sealed.incidents);
}

#[test]
fn who_leaves_gracefully_gives_its_share_away_first() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b"], 10));
    leave(&mut bench, 1, LeaveMode::Graceful);
    let expected = |name: &str| (name.to_owned(), 1, 350, vec![1, 0]);
    assert_eq!(bench.revisions(), [expected("a"), expected("b")]);
    for index in [0, 1] {
        bench.fact(index, FactBody::Revised { revision: 1, effective: Nanos::from_millis(350) });
    }
    bench.out.clear();
    bench.pass(Nanos::from_millis(249));
    assert!(bench.commands().is_empty());
    bench.pass(Nanos::from_millis(1));
    assert_eq!(bench.commands(), [("b".to_owned(), CommandBody::Stop(StopMode::Drain))]);
    bench.ended(1, final_fact(0, 0));
    assert_eq!(bench.released(), ["b"]);
    assert!(!bench.machine.is_sealed());
    let note = &bench.machine.fold().annotations[0];
    assert_eq!(
        (note.by.to_string().as_str(), note.what.to_string().as_str()),
        ("ops", "worker `b` leaves: its share goes to the others")
    );
    bench.pass(Nanos::from_secs(10));
    let slots: Vec<(u64, Fate)> = (0..100).map(|n| (n, OK)).collect();
    bench.measured(0, 9, &slots);
    bench.ended(0, final_fact(100, 100));
    let sealed = bench.sealed();
    assert!(!sealed.is_degraded(), "{:?}", sealed.incidents);
}

#[test]
fn who_leaves_fast_ends_at_once_and_books_nothing_of_what_waits_for_its_return() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b"], 10));
    leave(&mut bench, 1, LeaveMode::Fast);
    let commands = bench.commands();
    let [(to, CommandBody::Revise(made)), (_, CommandBody::Stop(StopMode::Cancel))] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!((to.as_str(), made.share.weights.clone()), ("b", vec![1, 0]));
    assert_eq!(made.effective, Nanos::from_millis(100), "now");
    bench.ended(1, final_fact(0, 0));
    let again = bench.join("b");
    bench.ready(again);
    assert_eq!(bench.machine.fold().latest().weights, [1, 1]);
    assert!(bench.machine.fold().incidents.is_empty());
}

#[test]
fn the_share_of_one_who_left_fast_waits_although_another_one_is_lost() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b", "c"], 10));
    leave(&mut bench, 1, LeaveMode::Fast);
    bench.commands();
    bench.lose(2);
    let made = bench.revisions();
    assert_eq!(made, [("a".to_owned(), 1, 350, vec![1, 1, 0])]);
}

#[test]
fn a_run_whose_only_worker_is_restarted_waits_for_it() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a"], 100));
    leave(&mut bench, 0, LeaveMode::Fast);
    bench.ended(0, final_fact(0, 0));
    bench.pass(Nanos::from_secs(20));
    assert!(!bench.machine.is_sealed());
    let again = bench.join("a");
    bench.ready(again);
    bench.pass(Nanos::from_secs(20));
    assert!(!bench.machine.is_sealed());

    let mut alone = Bench::running_as(spec_of_seconds(&["a"], 100));
    leave(&mut alone, 0, LeaveMode::Fast);
    alone.ended(0, final_fact(0, 0));
    alone.pass(alone.spec.limits.rejoin);
    assert!(alone.sealed().is_degraded());
}

#[test]
fn the_last_worker_cannot_give_its_share_to_anybody() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a"], 10));
    leave(&mut bench, 0, LeaveMode::Graceful);
    assert!(bench.stops().contains(&StopMode::Cancel));
    bench.ended(0, final_fact(0, 0));
    let sealed = bench.sealed();
    assert_eq!(sealed.missing.slots(), 100);
}

#[test]
fn a_worker_that_leaves_before_the_start_is_left_out() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.arm();
    let mut bench = Bench::new(&["a", "b"]);
    leave(&mut bench, 1, LeaveMode::Graceful);
    assert_eq!(bench.stops(), [StopMode::Cancel]);
    bench.ended(1, final_fact(0, 0));
    bench.ready(0);
    assert_eq!(bench.machine.fold().latest().weights, [1, 0]);
    assert!(bench.machine.fold().incidents.is_empty());
}

#[test]
fn a_worker_that_is_ready_and_leaves_before_the_start_books_nothing_of_the_plan() {
    for mode in [LeaveMode::Graceful, LeaveMode::Fast] {
        let mut bench = Bench::new(&["a", "b"]);
        bench.ready(1);
        bench.out.clear();
        leave(&mut bench, 1, mode);
        let bodies: Vec<CommandBody> = bench.commands().into_iter().map(|(_, body)| body).collect();
        let [CommandBody::Revise(nothing), CommandBody::Stop(StopMode::Cancel)] = &bodies[..] else {
            panic!("{bodies:?}")
        };
        // What it is told last before its end is what it books by: others carry its part.
        let share = &nothing.share;
        assert_eq!((nothing.effective, share.weights[share.index as usize]), (Nanos::ZERO, 0));
        assert!(share.revision > 0);
    }
}

fn with_task() -> Bench {
    let mut bench = Bench::of(RunSpec { once: Some("seed".to_owned()), ..spec(&["a", "b"]) });
    bench.arm();
    bench
}

fn once(bench: &mut Bench, failure: Option<&str>) {
    let failure = failure.map(str::to_owned);
    bench.fact(0, FactBody::Once { task: "seed".to_owned(), failure });
}

#[test]
fn a_task_is_executed_once_on_one_worker_before_the_load() {
    let mut bench = with_task();
    let tasks = |(to, body)| match body {
        CommandBody::Once { task } => Some((to, task)),
        CommandBody::Start { .. } => panic!("not before the task"),
        _ => None,
    };
    let told: Vec<(String, String)> = bench.commands().into_iter().filter_map(tasks).collect();
    assert_eq!(told, [("a".to_owned(), "seed".to_owned())]);
    once(&mut bench, None);
    let started = bench.commands().into_iter().filter(|(_, body)| matches!(body, CommandBody::Start { .. }));
    assert_eq!(started.count(), 2);
}

#[test]
fn a_task_that_fails_ends_the_run() {
    let mut bench = with_task();
    bench.out.clear();
    once(&mut bench, Some("no database"));
    assert_eq!(bench.stops(), [StopMode::Cancel, StopMode::Cancel]);
    for index in [0, 1] {
        bench.ended(index, final_fact(0, 0));
    }
    let sealed = bench.sealed();
    assert!(kinds(&sealed)[0].to_string().ends_with("failed: no database"));
    assert_eq!((sealed.start, conditions(&sealed)), (None, vec![Condition::NothingSucceeded]));
}

#[test]
fn a_task_whose_worker_is_lost_is_never_given_to_another_one() {
    let mut bench = with_task();
    bench.out.clear();
    bench.lose(0);
    let commands = bench.commands();
    assert_eq!(commands, [("b".to_owned(), CommandBody::Stop(StopMode::Cancel))]);
    bench.ended(1, final_fact(0, 0));
    let sealed = bench.sealed();
    assert!(matches!(kinds(&sealed)[1], IncidentKind::OnceUnknown { .. }));
    assert_eq!(sealed.start, None);
}

#[test]
fn the_loss_of_another_worker_does_not_end_the_task() {
    let mut bench = with_task();
    bench.lose(1);
    once(&mut bench, None);
    assert_eq!(bench.machine.fold().latest().weights, [1, 0]);
    assert!(bench.machine.fold().start.is_some());
}
