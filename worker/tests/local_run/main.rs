//! A worker in this process against the built-in target: what it says must be what the target counted.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod exported;
mod run;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use api::task::{InitError, TaskContext, TaskLifecycle, TaskOutcome};
use control::{CommandBody, FactBody, Refusal, StopMode};
use engine::TaskRegistry;
use plan::{Amendment, LoadChange, Revision, ScenarioId, Share};
use units::Nanos;

use crate::run::{HANG, Run, Sum, document, target};

#[test]
fn totals_are_those_of_the_snapshots_and_of_the_target() {
    let target = target();
    let run = Run::start(TaskRegistry::default());
    let scenario = r#"{"executor": "constant-arrival-rate", "rate": "200/s", "warm_up": "500ms", "duration": "1s",
        "max_vus": "auto", "steps": [{"get": "/", "name": "root"}, {"get": "/again", "name": "again"}]}"#;
    run.prepare(&document(&target.url(), scenario), 2, true);
    let prepared = run.prepared();
    assert_eq!(prepared.threads, 2);
    assert!(prepared.max_vus >= 2);
    run.begin();
    let (sum, last) = run.end();
    sum.agrees_with(&last);
    assert_eq!(sum.iterations.due.count, 300, "every slot of the plan");
    assert_eq!(last.requests_attempted, target.stats().arrivals, "the target's own count");
    assert!(sum.snapshots >= 2, "one a second, and the rest");
    assert!(last.health.elapsed >= Nanos::SECOND && last.health.engine_cpu > Nanos::ZERO);
    assert!(last.health.peak_rss_bytes > 0);
}

#[test]
fn a_revision_takes_effect_and_is_told_with_its_instant() {
    let target = target();
    let run = Run::start(TaskRegistry::default());
    let scenario = r#"{"executor": "constant-arrival-rate", "rate": "100/s", "duration": "2s", "max_vus": "auto",
        "steps": [{"get": "/", "name": "root"}]}"#;
    run.prepare(&document(&target.url(), scenario), 2, false);
    run.prepared();
    run.begin();
    let rate = LoadChange::Rate { scenario: ScenarioId(0), rate: "300/s".parse().unwrap() };
    let at = Nanos::from_secs(1);
    run.command(CommandBody::Revise(Box::new(Revision {
        effective: at,
        share: Share { revision: 1, ..Share::whole() },
        amendments: vec![Amendment { at, change: rate }],
    })));
    let mut revised = None;
    let mut sum = Sum::default();
    let last = loop {
        match run.next() {
            FactBody::Revised { revision, effective } => revised = Some((revision, effective)),
            FactBody::Measured(snapshot) => sum.add(&snapshot),
            FactBody::Final(last) => break *last,
            other => panic!("{other:?}"),
        }
    };
    sum.agrees_with(&last);
    let (revision, effective) = revised.unwrap();
    assert_eq!(revision, 1);
    assert!(effective >= at);
    if effective == at {
        assert_eq!(sum.iterations.due.count, 400, "a second at each rate");
    }
    assert_eq!(last.requests_attempted, target.stats().arrivals);
    assert_eq!((last.left_at, run.applied.load(Ordering::Relaxed)), (None, 3));
}

#[test]
fn a_stop_under_load_cancels_what_is_in_flight_and_loses_no_count() {
    let target = target();
    let run = Run::start(TaskRegistry::default());
    let scenario = r#"{"executor": "constant-vus", "vus": 20, "duration": "1h",
        "steps": [{"get": "/delay/fixed?ms=600000", "name": "slow"}]}"#;
    run.prepare(&document(&target.url(), scenario), 2, true);
    assert_eq!(run.prepared().max_vus, 20);
    run.begin();
    let FactBody::Measured(first) = run.next() else { panic!("something is measured each second") };
    run.command(CommandBody::Stop(StopMode::Cancel));
    let (mut sum, last) = run.end();
    sum.add(&first);
    sum.agrees_with(&last);
    assert!(sum.requests.attempted >= 20);
}

#[test]
fn a_stop_before_the_first_slot_ends_with_empty_hands() {
    let target = target();
    let scenario =
        r#"{"executor": "constant-vus", "vus": 2, "duration": "1h", "steps": [{"get": "/", "name": "a"}]}"#;
    let document = document(&target.url(), scenario);

    let idle = Run::start(TaskRegistry::default());
    idle.command(CommandBody::Stop(StopMode::Drain));
    assert_eq!(idle.end().1.requests_attempted, 0);

    let ready = Run::start(TaskRegistry::default());
    ready.prepare(&document, 1, false);
    ready.prepared();
    ready.command(CommandBody::Stop(StopMode::Drain));
    let (sum, last) = ready.end();
    sum.agrees_with(&last);

    let preparing = Run::start(TaskRegistry::default());
    preparing.prepare(&document, 1, true);
    preparing.command(CommandBody::Stop(StopMode::Drain));
    let mut facts = std::iter::repeat_with(|| preparing.next());
    assert!(facts.any(|fact| matches!(fact, FactBody::Final(_))), "whether or not it was prepared in time");
    assert_eq!(target.stats().arrivals, 0);
}

#[test]
fn a_worker_that_is_dropped_under_load_is_over() {
    let target = target();
    let run = Run::start(TaskRegistry::default());
    let scenario =
        r#"{"executor": "constant-vus", "vus": 2, "duration": "1h", "steps": [{"get": "/", "name": "a"}]}"#;
    run.prepare(&document(&target.url(), scenario), 1, false);
    run.prepared();
    run.begin();
    drop(run.worker);
    let mut last = None;
    let end = loop {
        match run.facts.recv_timeout(HANG) {
            Ok(fact) => last = Some(fact.body),
            Err(end) => break end,
        }
    };
    assert_eq!(end, RecvTimeoutError::Disconnected, "nothing is said any more");
    assert!(matches!(last, Some(FactBody::Final(_))));
}

#[test]
fn a_target_that_is_down_is_a_refusal_that_names_it() {
    let target = target();
    let url = target.url();
    target.shutdown();
    let run = Run::start(TaskRegistry::default());
    let scenario =
        r#"{"executor": "constant-vus", "vus": 2, "duration": "1h", "steps": [{"get": "/", "name": "a"}]}"#;
    run.prepare(&document(&url, scenario), 1, true);
    match run.next() {
        FactBody::Refused(Refusal::Impossible(lines)) => {
            assert_eq!(lines.len(), 1);
            assert!(lines[0].starts_with(&format!("target {url}: ")), "{lines:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// Counts its lives and executions.
struct Counted {
    lives: Arc<[AtomicU64; 3]>,
}

impl TaskLifecycle for Counted {
    async fn init(&mut self, _: &mut TaskContext) -> Result<(), InitError> {
        self.lives[0].fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn execute(&mut self, cx: &mut TaskContext) -> TaskOutcome {
        self.lives[1].fetch_add(1, Ordering::Relaxed);
        if cx.iteration.is_multiple_of(2) { TaskOutcome::Succeeded } else { TaskOutcome::Failed }
    }

    async fn teardown(&mut self, _: &mut TaskContext) {
        self.lives[2].fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_rust_task_runs_by_its_name_with_the_same_ledgers() {
    let lives = Arc::new([const { AtomicU64::new(0) }; 3]);
    let mut tasks = TaskRegistry::default();
    let counted = Arc::clone(&lives);
    tasks.register("count", move || Counted { lives: Arc::clone(&counted) });
    let run = Run::start(tasks);
    let scenario = r#"{"executor": "shared-iterations", "vus": 4, "iterations": 100, "task": "count"}"#;
    run.prepare(&document("http://127.0.0.1:9", scenario), 2, false);
    run.prepared();
    run.begin();
    let (sum, last) = run.end();
    sum.agrees_with(&last);
    assert_eq!((sum.iterations.succeeded, sum.iterations.failed), (50, 50));
    let [inits, executions, teardowns] = [0, 1, 2].map(|count| lives[count].load(Ordering::Relaxed));
    assert_eq!((inits, executions, teardowns), (4, 100, 4));
}

#[test]
fn a_panic_of_an_engine_thread_is_told_and_ends_the_others() {
    let mut tasks = TaskRegistry::default();
    // Not an execution of the task, which the engine would catch: no user can be made at all.
    tasks.register("bad", || -> Counted { panic!("no user today") });
    let run = Run::start(tasks);
    let scenario = r#"{"executor": "constant-vus", "vus": 1, "duration": "1h", "task": "bad"}"#;
    run.prepare(&document("http://127.0.0.1:9", scenario), 2, false);
    run.prepared();
    let (_, last) = run.end();
    assert!(last.panicked);
    assert_eq!(last.faults, ["engine thread 0 panicked: no user today"]);
}

/// Blocks its engine thread, as no task should, until its test is over.
struct Blocking {
    begun: SyncSender<()>,
    over: Arc<Mutex<Receiver<()>>>,
}

impl TaskLifecycle for Blocking {
    async fn init(&mut self, _: &mut TaskContext) -> Result<(), InitError> {
        Ok(())
    }

    async fn execute(&mut self, _: &mut TaskContext) -> TaskOutcome {
        self.begun.send(()).unwrap();
        // The sender is dropped, or has been.
        let _ = self.over.lock().unwrap().recv();
        TaskOutcome::Succeeded
    }

    async fn teardown(&mut self, _: &mut TaskContext) {}
}

#[test]
fn a_task_that_blocks_its_thread_does_not_keep_the_worker() {
    let (begun, has_begun) = sync_channel(1);
    let (test, over) = sync_channel::<()>(1);
    let over = Arc::new(Mutex::new(over));
    let mut tasks = TaskRegistry::default();
    tasks.register("block", move || Blocking { begun: begun.clone(), over: Arc::clone(&over) });
    let run = Run::start(tasks);
    let scenario = r#"{"executor": "constant-vus", "vus": 1, "duration": "1h", "task": "block"}"#;
    run.prepare(&document("http://127.0.0.1:9", scenario), 1, false);
    run.prepared();
    run.begin();
    has_begun.recv_timeout(HANG).unwrap();
    run.command(CommandBody::Stop(StopMode::Cancel));
    let (sum, last) = run.end();
    assert_eq!(last.faults, ["engine thread 0 did not end in time after it was told to"]);
    assert_eq!(sum.iterations.started.count, last.iterations_started, "what was handed over");
    drop(run);
    drop(test);
}

#[test]
fn a_task_is_executed_once_beside_the_load() {
    let lives = Arc::new([const { AtomicU64::new(0) }; 3]);
    let mut tasks = TaskRegistry::default();
    let counted = Arc::clone(&lives);
    tasks.register("count", move || Counted { lives: Arc::clone(&counted) });
    let run = Run::start(tasks);
    run.command(CommandBody::Once { task: "count".into() });
    assert!(matches!(run.next(), FactBody::Once { task, failure: None } if task == "count"));
    run.command(CommandBody::Once { task: "other".into() });
    match run.next() {
        FactBody::Once { failure: Some(failure), .. } => {
            assert!(failure.contains("no task `other`"), "{failure}")
        }
        other => panic!("{other:?}"),
    }
    let counts = [0, 1, 2].map(|count| lives[count].load(Ordering::Relaxed));
    assert_eq!(counts, [1, 1, 1], "init, execution, teardown");
    run.command(CommandBody::Stop(StopMode::Drain));
    assert_eq!(run.end().1.requests_attempted, 0);
}
