//! Runs that wait, and what they wait for.

use api::http::{RunEventBody, RunState};

use super::*;

fn state(bench: &Bench, run: u128) -> RunState {
    bench.cluster.run(run_id(run)).unwrap().state
}

fn expecting(run: u128, workers: u32) -> Submission {
    Submission { expect_workers: workers, ..submission(run) }
}

/// How a run ended that never began.
fn reason(bench: &Bench, run: u128) -> (u8, String) {
    let Some(RunEventBody::Sealed(exit)) = bench.last_event(run_id(run)) else {
        panic!("{:?}", bench.events[&run_id(run)])
    };
    (exit.code, exit.reasons.join("; "))
}

#[test]
fn a_run_takes_all_workers_that_are_there() {
    let mut bench = Bench::new();
    bench.worker("a", 1);
    bench.worker("b", 2);
    bench.run(1);
    assert_eq!(state(&bench, 1), RunState::Preparing);
    assert_eq!(bench.cluster.run(run_id(1)).unwrap().workers, ["a", "b"]);
}

#[test]
fn a_run_waits_for_as_many_workers_as_it_expects() {
    let mut bench = Bench::new();
    bench.worker("a", 1);
    bench.submit(expecting(1, 2), "1").unwrap();
    assert_eq!(state(&bench, 1), RunState::Queued);
    let waits_for = bench.cluster.run(run_id(1)).unwrap().waits_for.unwrap();
    assert!(waits_for.contains("1 of 2 workers"), "{waits_for}");
    bench.worker("b", 2);
    assert_eq!(state(&bench, 1), RunState::Preparing);
    assert_eq!(bench.cluster.run(run_id(1)).unwrap().waits_for, None);
}

#[test]
fn without_workers_a_run_fails_and_says_so() {
    let mut bench = Bench::new();
    bench.run(1);
    bench.pass(Nanos::from_secs(60).saturating_sub(Nanos::new(1)));
    assert_eq!(state(&bench, 1), RunState::Queued);
    bench.pass(Nanos::new(1));
    assert_eq!(state(&bench, 1), RunState::Sealed);
    let (code, why) = reason(&bench, 1);
    assert_eq!(code, 117);
    assert!(why.contains("waited 1m") && why.contains("no worker is enrolled"), "{why}");
    assert_eq!(bench.cluster.result(run_id(1)), Ok(ResultOf::Nothing(vec![why])));
}

#[test]
fn the_wait_for_workers_that_are_busy_has_a_limit_of_its_own() {
    let mut impatient = options();
    impatient.queue_limit = Nanos::from_secs(10);
    let mut bench = Bench::with(impatient);
    let mut life = bench.worker("a", 1);
    bench.run(1);
    // Enough workers are there: the limit on the wait for them does not count.
    bench.submit(Submission { wait: SECOND, ..submission(2) }, "2").unwrap();
    bench.live(9, &mut [&mut life]);
    assert_eq!((state(&bench, 1), state(&bench, 2)), (RunState::Running, RunState::Queued));
    bench.live(1, &mut [&mut life]);
    assert_eq!(state(&bench, 2), RunState::Sealed);
    let (code, why) = reason(&bench, 2);
    assert_eq!(code, 117);
    assert!(why.contains("1 of them work for another run"), "{why}");
}

#[test]
fn a_run_begins_when_the_one_before_it_is_over() {
    let mut bench = Bench::new();
    let mut life = bench.worker("a", 1);
    bench.run(1);
    bench.run(2);
    assert_eq!((state(&bench, 1), state(&bench, 2)), (RunState::Preparing, RunState::Queued));
    bench
        .call(|cluster, now, out| {
            let by = crate::run::Actor::new("t");
            cluster.control(now, run_id(1), &RunControl::Stop { cancel: true }, by, out)
        })
        .unwrap();
    bench.live(3, &mut [&mut life]);
    assert_ne!(state(&bench, 2), RunState::Queued);
}

#[test]
fn a_large_run_is_not_starved_by_small_ones_behind_it() {
    let mut bench = Bench::new();
    bench.worker("a", 1);
    bench.submit(expecting(1, 2), "1").unwrap();
    bench.run(2);
    assert_eq!(state(&bench, 2), RunState::Queued, "the worker is kept for the run before it");
    bench.worker("b", 2);
    assert_eq!((state(&bench, 1), state(&bench, 2)), (RunState::Preparing, RunState::Queued));
}

#[test]
fn a_run_takes_only_workers_with_its_labels_and_others_run_beside_it() {
    let mut bench = Bench::new();
    bench.worker("a", 1);
    let mut labelled = submission(1);
    labelled.worker_labels.insert("zone".to_owned(), "x".to_owned());
    bench.submit(labelled, "1").unwrap();
    let waits_for = bench.cluster.run(run_id(1)).unwrap().waits_for.unwrap();
    assert!(waits_for.contains("1 more lack the labels"), "{waits_for}");
    bench.run(2);
    assert_eq!(bench.cluster.run(run_id(2)).unwrap().workers, ["a"]);
    let mut there = enrol("b", 2);
    there.labels.insert("zone".to_owned(), "x".to_owned());
    bench.worker_of(there);
    assert_eq!(bench.cluster.run(run_id(1)).unwrap().workers, ["b"]);
}

#[test]
fn a_run_takes_only_workers_that_have_its_tasks() {
    let mut bench = Bench::new();
    bench.worker("a", 1);
    let mut with_task = submission(1);
    let mut plan = (*with_task.plan).clone();
    let step = plan::StepId(0);
    plan.scenarios[0].body = plan::ScenarioBody::Task { task: "shop".to_owned(), step };
    with_task.plan = plan.into();
    bench.submit(with_task, "1").unwrap();
    let waits_for = bench.cluster.run(run_id(1)).unwrap().waits_for.unwrap();
    assert!(waits_for.contains("1 more do not have the task `shop`"), "{waits_for}");
    let mut able = enrol("b", 2);
    able.tasks = vec!["shop".to_owned()];
    bench.worker_of(able);
    assert_eq!(bench.cluster.run(run_id(1)).unwrap().workers, ["b"]);
}

#[test]
fn the_seventeenth_run_that_would_wait_is_refused() {
    let mut bench = Bench::new();
    for run in 1..=16 {
        assert!(bench.cluster.readiness().is_ok());
        bench.run(run);
    }
    let refused = bench.submit(submission(17), "17").unwrap_err();
    assert!(matches!(refused, SubmitError::QueueFull { limit: 16, .. }));
    assert!(bench.cluster.readiness().is_err());
    // Its key is free: it can come again.
    bench.pass(Nanos::from_secs(61));
    assert!(!bench.submit(submission(17), "17").unwrap().repeated);
}

#[test]
fn the_same_request_is_the_same_run_and_another_body_is_refused() {
    let mut bench = Bench::new();
    let first = bench.submit(submission(1), "key").unwrap();
    let again = bench.submit(submission(2), "key").unwrap();
    assert_eq!((first.repeated, again.repeated), (false, true));
    assert_eq!(first.run_id, again.run_id);
    assert_eq!(bench.cluster.runs().len(), 1);
    let other = Request { body: control::ContentDigest::of(b"other"), ..request("key") };
    let refused = bench.call(|cluster, now, out| cluster.submit(now, submission(3), other, out));
    assert_eq!(refused, Err(SubmitError::Conflict { run: run_id(1) }));
    for key in [String::new(), "x".repeat(129)] {
        assert!(matches!(bench.submit(submission(4), &key), Err(SubmitError::Key { .. })));
    }
}

#[test]
fn a_worker_that_comes_while_a_run_is_under_way_joins_it_unless_another_waits_for_it() {
    let mut bench = Bench::new();
    let mut a = bench.worker("a", 1);
    bench.run(1);
    bench.live(2, &mut [&mut a]);
    let mut b = bench.worker("b", 2);
    bench.live(2, &mut [&mut a, &mut b]);
    assert_eq!(bench.cluster.run(run_id(1)).unwrap().workers, ["a", "b"]);
    bench.submit(expecting(2, 2), "2").unwrap();
    let mut c = bench.worker("c", 3);
    bench.live(2, &mut [&mut a, &mut b, &mut c]);
    assert_eq!(bench.cluster.run(run_id(1)).unwrap().workers, ["a", "b"]);
    assert_eq!(state(&bench, 2), RunState::Queued);
    bench.worker("d", 4);
    assert_eq!(bench.cluster.run(run_id(2)).unwrap().workers, ["c", "d"]);
}

#[test]
fn a_run_that_forbids_it_is_joined_by_nobody() {
    let mut bench = Bench::new();
    let mut a = bench.worker("a", 1);
    let mut fixed = submission(1);
    fixed.workload.options.loss.rejoin = scenario::Rejoin::Never;
    bench.submit(fixed, "1").unwrap();
    bench.live(2, &mut [&mut a]);
    let mut b = bench.worker("b", 2);
    bench.live(2, &mut [&mut a, &mut b]);
    assert_eq!(bench.cluster.run(run_id(1)).unwrap().workers, ["a"]);
    assert_eq!(state_of(&bench, "b"), Some(api::http::WorkerState::Ready));
}
