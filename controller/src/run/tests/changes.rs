//! Other rates while the run is under way.

use plan::{LoadChange, ScenarioId};
use units::Rate;

use super::*;

fn change(bench: &mut Bench, change: LoadChange) {
    assert_eq!(bench.machine.check_change(&change), Ok(()));
    bench.input(Input::Change { change, by: Actor::new("ci") });
}

fn rate(per_second: u64) -> LoadChange {
    LoadChange::Rate { scenario: ScenarioId(0), rate: Rate::from_per_second(per_second) }
}

#[test]
fn a_change_is_told_to_all_in_time_and_stands_in_the_books() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b"], 10));
    change(&mut bench, rate(20));
    let revised = |(to, body)| match body {
        CommandBody::Revise(made) => Some((to, made.effective, made.share.weights, made.amendments.len())),
        _ => None,
    };
    let told: Vec<_> = bench.commands().into_iter().filter_map(revised).collect();
    let at = Nanos::from_millis(350);
    assert_eq!(told, [("a".to_owned(), at, vec![1, 1], 1), ("b".to_owned(), at, vec![1, 1], 1)]);
    let note = &bench.machine.fold().annotations[0];
    assert_eq!(
        (note.by.to_string().as_str(), note.what.to_string().as_str()),
        ("ci", "rate of scenario `browse` 10/s → 20/s")
    );

    // What the plan holds now: 3.5 s at the old rate … of 10 s.
    bench.pass(Nanos::from_secs(10));
    let slots: Vec<(u64, Fate)> = (0..197).map(|n| (n, OK)).collect();
    bench.measured(0, 9, &slots);
    bench.ended(0, final_fact(197, 197));
    bench.ended(1, final_fact(0, 0));
    let sealed = bench.sealed();
    assert_eq!(sealed.planned_and_due(), [(0, 197, 197)]);
    assert_ne!(sealed.plan_hash(), sealed.plan.plan_hash());
}

#[test]
fn a_pause_moves_the_end_of_the_plan_and_lasts_until_somebody_ends_it() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a"], 2));
    change(&mut bench, LoadChange::Pause);
    bench.pass(Nanos::from_secs(30));
    assert_eq!(bench.machine.phase(), RunPhase::Paused);
    change(&mut bench, LoadChange::Resume);
    // Paused at 350 ms, resumed at 30.35 s: 1.65 s are left.
    bench.pass(Nanos::from_millis(1_899));
    assert_eq!(bench.machine.phase(), RunPhase::Running);
    bench.pass(Nanos::from_millis(1));
    assert_eq!(bench.machine.phase(), RunPhase::Draining);
}

#[test]
fn a_paused_run_ends_by_a_stop_or_by_its_limit() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a"], 2));
    change(&mut bench, LoadChange::Pause);
    bench.stop(StopMode::Drain);
    bench.ended(0, final_fact(0, 0));
    assert!(bench.sealed().cut_at().is_some());

    let mut spec = spec_of_seconds(&["a"], 2);
    spec.limits.paused = Some(Nanos::from_secs(60));
    let mut bench = Bench::running_as(spec);
    change(&mut bench, LoadChange::Pause);
    bench.commands();
    for second in 1..=60 {
        bench.measured(0, second, &[]);
        bench.pass(Nanos::SECOND);
    }
    bench.pass(Nanos::SECOND);
    assert_eq!(bench.stops(), [StopMode::Drain]);
    bench.ended(0, final_fact(0, 0));
    assert!(matches!(kinds(&bench.sealed())[0], IncidentKind::PausedTooLong { .. }));
}

#[test]
fn changes_that_make_no_sense_are_refused() {
    let bench = Bench::new(&["a"]);
    assert_eq!(bench.machine.check_change(&rate(20)), Err(ChangeRefusal::NotStarted));

    let fixed = Bench::running_as(RunSpec { revisable: false, ..spec(&["a"]) });
    assert_eq!(fixed.machine.check_change(&rate(20)), Err(ChangeRefusal::NotRevisable));

    let mut bench = Bench::running_as(spec_of_seconds(&["a"], 10));
    let unknown = LoadChange::Rate { scenario: ScenarioId(9), rate: Rate::from_per_second(1) };
    assert!(matches!(bench.machine.check_change(&unknown), Err(ChangeRefusal::Impossible(_))));
    assert!(matches!(bench.machine.check_change(&LoadChange::Resume), Err(ChangeRefusal::Impossible(_))));
    bench.input(Input::Change { change: LoadChange::Resume, by: Actor::new("ci") });
    assert!(bench.commands().is_empty() && bench.machine.fold().annotations.is_empty());

    bench.stop(StopMode::Drain);
    assert_eq!(bench.machine.check_change(&rate(20)), Err(ChangeRefusal::Ending));
}

#[test]
fn revisions_follow_each_other_in_time_and_number() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a"], 10));
    change(&mut bench, rate(20));
    change(&mut bench, rate(30));
    bench.pass(Nanos::from_millis(10));
    change(&mut bench, rate(40));
    let made: Vec<(u64, u64)> =
        bench.revisions().into_iter().map(|(_, number, millis, _)| (number, millis)).collect();
    assert_eq!(made, [(1, 350), (2, 350), (3, 360)]);
}

#[test]
fn a_lead_that_became_shorter_overtakes_no_revision() {
    let mut spec = spec_of_seconds(&["a", "b"], 10);
    spec.workers[1].rtt = Nanos::from_millis(500);
    let mut bench = Bench::running_as(spec);
    bench.pass(Nanos::from_secs(2));
    let start = bench.machine.fold().start.unwrap();
    let expected = (bench.now + Nanos::from_secs(2)).saturating_since(start).as_u64() / 1_000_000;
    change(&mut bench, rate(20));
    bench.lose(1);
    let made = bench.revisions();
    let made: Vec<(u64, u64)> = made.into_iter().map(|(_, number, millis, _)| (number, millis)).collect();
    assert_eq!(made, [(1, expected), (1, expected), (2, expected)]);
}

#[test]
fn a_worker_that_takes_a_revision_up_late_is_told_about() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a"], 10));
    change(&mut bench, rate(20));
    bench.fact(0, FactBody::Revised { revision: 1, effective: Nanos::from_millis(350) });
    assert!(bench.machine.incidents().is_empty());
    change(&mut bench, rate(30));
    bench.fact(0, FactBody::Revised { revision: 2, effective: Nanos::from_millis(900) });
    assert!(matches!(bench.machine.incidents()[0].kind, IncidentKind::RevisedLate { revision: 2, .. }));
    bench.ended(0, final_fact(0, 0));
    assert!(bench.sealed().is_degraded());
}

#[test]
fn those_who_follow_a_run_are_told_what_changes() {
    let mut bench = Bench::of(spec_of_seconds(&["a", "b"], 10));
    bench.arm();
    bench.pass(LEAD);
    bench.started(0);
    bench.started(1);
    bench.pass(Nanos::from_millis(100));
    bench.lose(1);
    change(&mut bench, LoadChange::Pause);
    let event = |output: &Output| match output {
        Output::Event(event) => Some(match event {
            RunEvent::Phase(phase) => phase.name().to_owned(),
            RunEvent::Incident(incident) => {
                format!("incident {}", incident.kind.to_string().split(' ').next().unwrap())
            }
            RunEvent::Annotated(note) => note.what.to_string(),
            RunEvent::Revised { number, .. } => format!("revision {number}"),
            RunEvent::Worker { who, standing } => format!("{} {standing:?}", who.worker),
        }),
        _ => None,
    };
    let events: Vec<String> = bench.out.iter().filter_map(event).collect();
    let expected = [
        "preparing",
        "arming",
        "a Started",
        "b Started",
        "running",
        "incident worker",
        "revision 1",
        "b Lost",
        "paused",
        "revision 2",
        "paused",
    ];
    assert_eq!(events, expected);
}
