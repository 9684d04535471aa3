//! What people ask for, and what is kept for them.

use api::http::{RunEventBody, RunState, WorkerState};

use super::*;
use crate::run::Actor;

fn control(bench: &mut Bench, run: u128, control: RunControl) -> Result<(), ControlError> {
    bench.call(|cluster, now, out| cluster.control(now, run_id(run), &control, Actor::new("token-7"), out))
}

fn drain(bench: &mut Bench, worker: &str, mode: LeaveMode) -> Result<(), DrainError> {
    let worker = WorkerId::new(worker);
    bench.call(|cluster, now, out| cluster.drain(now, &worker, mode, Actor::new("token-7"), out))
}

fn rate(scenario: Option<&str>) -> RunControl {
    let rate = units::Rate::from_per_second(50);
    RunControl::Rate { scenario: scenario.map(str::to_owned), rate }
}

fn running(bench: &mut Bench) -> Life {
    let mut life = bench.worker("a", 1);
    bench.run(1);
    bench.live(3, &mut [&mut life]);
    assert_eq!(bench.cluster.run(run_id(1)).unwrap().state, RunState::Running);
    life
}

/// Who made which change, as those who follow the run see it.
fn annotations(bench: &Bench) -> Vec<(String, String)> {
    let events = bench.events[&run_id(1)].iter();
    let annotated = events.filter_map(|(_, body)| match body {
        RunEventBody::Annotation { by, text } => Some((by.clone(), text.clone())),
        _ => None,
    });
    annotated.collect()
}

#[test]
fn a_change_reaches_the_worker_and_is_annotated_with_who_made_it() {
    let mut bench = Bench::new();
    let life = running(&mut bench);
    let (before, ..) = bench.counts(&life);
    // There is one open scenario: it needs no name.
    control(&mut bench, 1, rate(None)).unwrap();
    control(&mut bench, 1, RunControl::Scale { scenario: None, factor: 1.5 }).unwrap();
    assert_eq!(bench.counts(&life).0, before + 2);
    let annotations = annotations(&bench);
    assert!(annotations.iter().all(|(by, _)| by == "token-7"));
    assert!(annotations[0].1.contains("browse") && annotations[0].1.contains("50/s"), "{annotations:?}");
    let numbers: Vec<u64> = bench.events[&run_id(1)].iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_pause_and_its_end_are_states() {
    let mut bench = Bench::new();
    let mut life = running(&mut bench);
    control(&mut bench, 1, RunControl::Pause).unwrap();
    bench.live(2, &mut [&mut life]);
    assert_eq!(bench.cluster.run(run_id(1)).unwrap().state, RunState::Paused);
    control(&mut bench, 1, RunControl::Resume).unwrap();
    bench.live(2, &mut [&mut life]);
    assert_eq!(bench.cluster.run(run_id(1)).unwrap().state, RunState::Running);
}

#[test]
fn a_change_that_makes_no_sense_is_refused_with_its_reason() {
    let mut bench = Bench::new();
    let life = running(&mut bench);
    let (before, ..) = bench.counts(&life);
    let unknown = control(&mut bench, 1, rate(Some("nothing"))).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no scenario `nothing`; the run has `browse`, `users`");
    let closed = control(&mut bench, 1, rate(Some("users"))).unwrap_err();
    assert!(matches!(closed, ControlError::ClosedScenario { .. }));
    for factor in [-1.0, f64::NAN, f64::INFINITY, 1_000.1] {
        let refused = control(&mut bench, 1, RunControl::Scale { scenario: None, factor });
        assert!(matches!(refused, Err(ControlError::Factor(_))), "{factor}");
    }
    assert_eq!(control(&mut bench, 9, RunControl::Pause), Err(ControlError::UnknownRun(run_id(9))));
    assert_eq!(bench.counts(&life).0, before);
    assert!(annotations(&bench).is_empty());
}

#[test]
fn a_run_that_makes_no_load_cannot_be_changed() {
    let mut bench = Bench::new();
    bench.run(1);
    assert!(matches!(control(&mut bench, 1, rate(None)), Err(ControlError::NotRunning { .. })));
    control(&mut bench, 1, RunControl::Stop { cancel: false }).unwrap();
    let status = bench.cluster.run(run_id(1)).unwrap();
    assert_eq!((status.state, status.exit.unwrap().code), (RunState::Sealed, 105));
    assert!(matches!(
        control(&mut bench, 1, RunControl::Stop { cancel: true }),
        Err(ControlError::NotRunning { .. })
    ));
}

#[test]
fn a_worker_with_nothing_to_do_goes_at_once() {
    let mut bench = Bench::new();
    let mut life = bench.worker("a", 1);
    drain(&mut bench, "a", LeaveMode::Graceful).unwrap();
    assert!(matches!(bench.heard(&life).last(), Some(ControllerMessage::Farewell)));
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Gone));
    assert!(matches!(bench.beat(&mut life).standing, Standing::Fenced { .. }));
    assert!(matches!(drain(&mut bench, "a", LeaveMode::Fast), Err(DrainError::NotThere { .. })));
    assert!(matches!(drain(&mut bench, "b", LeaveMode::Fast), Err(DrainError::UnknownWorker(_))));
    // It may come again.
    bench.worker("a", 2);
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Ready));
}

#[test]
fn a_worker_that_works_gives_its_share_back_before_it_goes() {
    let mut bench = Bench::new();
    let mut a = bench.worker("a", 1);
    let mut b = bench.worker("b", 2);
    bench.run(1);
    bench.live(3, &mut [&mut a, &mut b]);
    bench.say(&a, WorkerMessage::Leave(LeaveMode::Graceful));
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Leaving));
    bench.live(3, &mut [&mut a, &mut b]);
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Gone));
    assert_eq!(state_of(&bench, "b"), Some(WorkerState::Working));
    let farewell = |said: &ControllerMessage| matches!(said, ControllerMessage::Farewell);
    assert!(bench.heard(&a).iter().any(farewell));
    assert!(!bench.heard(&b).iter().any(farewell));
    assert!(annotations(&bench).iter().any(|(by, _)| by.contains('a')), "{:?}", annotations(&bench));
}

#[test]
fn a_shutdown_ends_every_run_and_sends_all_workers_away() {
    let mut bench = Bench::new();
    let mut life = running(&mut bench);
    let mut other = submission(2);
    other.expect_workers = 5;
    bench.submit(other, "2").unwrap();
    bench.call(|cluster, now, out| cluster.shut_down(now, out));
    assert_eq!(bench.cluster.run(run_id(2)).unwrap().state, RunState::Sealed);
    assert!(bench.cluster.readiness().is_err());
    assert_eq!(bench.submit(submission(3), "3"), Err(SubmitError::Ended));
    bench.live(2, &mut [&mut life]);
    assert!(!bench.cluster.has_ended(), "the result is not made yet");
    bench.build();
    assert!(bench.cluster.has_ended());
    assert!(bench.heard(&life).iter().any(|said| matches!(said, ControllerMessage::Farewell)));
    assert!(bench.closed.contains(&life.link));
}

#[test]
fn a_shutdown_without_answers_still_ends_within_the_budget_of_a_stop() {
    let mut bench = Bench::new();
    running(&mut bench);
    bench.call(|cluster, now, out| cluster.shut_down(now, out));
    let stop = crate::Limits::default().stop;
    bench.pass(stop.drain + stop.after_drain());
    bench.build();
    assert!(bench.cluster.has_ended());
}

#[test]
fn the_last_results_are_kept_and_the_others_said_to_be_forgotten() {
    let mut small = options();
    small.kept_runs = 3;
    let mut bench = Bench::with(small);
    for run in 1..=5 {
        bench.run(run);
        control(&mut bench, run, RunControl::Stop { cancel: true }).unwrap();
    }
    assert_eq!(bench.cluster.runs().len(), 3);
    for run in [1, 2] {
        assert_eq!(bench.cluster.run(run_id(run)), Err(ControlError::Forgotten(run_id(run))));
        assert_eq!(
            bench.cluster.events(run_id(run), 0).map(|_| ()),
            Err(ControlError::Forgotten(run_id(run)))
        );
    }
    assert!(bench.cluster.result(run_id(3)).is_ok());
}

#[test]
fn results_that_take_too_much_memory_make_room_but_for_the_last() {
    let mut small = options();
    small.kept_bytes = 10;
    let mut bench = Bench::with(small);
    for run in 1..=3 {
        bench.run(run);
        control(&mut bench, run, RunControl::Stop { cancel: true }).unwrap();
    }
    assert_eq!(
        bench.cluster.runs().iter().map(|run| run.run_id.clone()).collect::<Vec<_>>(),
        [run_id(3).to_string()]
    );
}

#[test]
fn who_follows_a_run_that_is_over_gets_all_of_it_and_waits_for_nothing() {
    let mut bench = Bench::new();
    bench.run(1);
    let (events, more_will_come) = bench.cluster.events(run_id(1), 0).unwrap();
    assert!(more_will_come && !events.is_empty());
    control(&mut bench, 1, RunControl::Stop { cancel: true }).unwrap();
    let (events, more_will_come) = bench.cluster.events(run_id(1), 0).unwrap();
    assert!(!more_will_come);
    assert!(matches!(events.last().unwrap().event.body, RunEventBody::Sealed(_)));
}
