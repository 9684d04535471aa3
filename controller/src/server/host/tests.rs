//! The task that owns the cluster, in simulated time, with workers that live in tasks beside it.

use std::time::Duration;

use api::http::{RunState, WorkerState};
use control::{
    BeatAck, Command, CommandBody, CommandId, ControllerMessage, EnrolRefusal, Fact, FactBody, FromWorker,
    LeaseToken, LeaveMode, Prepared, Refusal, WorkerId, WorkerMessage,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use units::Timestamp;

use super::*;
use crate::cluster::fixture::{document, enrol, options, run_id, submission, submit};
use crate::cluster::{ControlError, DrainError, RunControl, SessionRefusal, SubmitError};
use crate::fixture::final_fact;
use crate::observe::Telemetry;
use crate::server::Watched;

/// A clock that goes with the runtime's.
#[derive(Clone, Copy)]
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp::ORIGIN + Nanos::from_secs(1_000) + Nanos::from(self.0.elapsed())
    }
}

fn host() -> Host {
    let tool = Tool { name: "loadgen".to_owned(), version: "1.2.3".to_owned(), git: None };
    Host::start(RuntimeClock(Instant::now()), options(), tool, 1 << 20, Telemetry::off())
}

/// What a worker says to the order to prepare.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Ready,
    Refuses,
}

/// A worker that does as it is told, for as long as the task is not aborted.
fn worker(handle: &ClusterHandle, name: &str, answer: Answer) -> JoinHandle<()> {
    let (handle, enrol) = (handle.clone(), enrol(name, 1));
    tokio::spawn(async move {
        let (worker, session) = (enrol.worker.clone(), enrol.session);
        let Ok(enrolled) = handle.enrol(None, enrol).await else { return };
        let says = |body| FromWorker { worker: worker.clone(), session, token: enrolled.token, body };
        let (sender, mut said) = mpsc::channel(64);
        let Ok(link) = handle.open_session(says(WorkerMessage::Hello { runs: Vec::new() }), sender).await
        else {
            return;
        };
        let (mut beats, mut facts, mut applied) = (0, 0, 0);
        let mut ends = Instant::now() + Duration::from_secs(1 << 20);
        let mut run = run_id(0);
        loop {
            let mut now_true = Vec::new();
            tokio::select! {
                message = said.recv() => match message.map(|message| message.body) {
                    None | Some(ControllerMessage::Farewell) => return,
                    Some(ControllerMessage::Command(command)) if command.id == CommandId(applied + 1) => {
                        let Command { run_id, id, body, .. } = *command;
                        (applied, run) = (id.0, run_id);
                        let through = WorkerMessage::Applied { run_id, through: id };
                        handle.said(link, says(through)).await.unwrap();
                        match body {
                            CommandBody::Prepare(_) if answer == Answer::Refuses => {
                                let why = vec!["too few handles".to_owned()];
                                now_true.push(FactBody::Refused(Refusal::Impossible(why)));
                            }
                            CommandBody::Prepare(_) => now_true.push(FactBody::Prepared(Prepared {
                                threads: 1,
                                max_vus: 1,
                                shape_hash: submission(1).layout.shape_hash(),
                                notes: Vec::new(),
                            })),
                            CommandBody::Start { at } => {
                                now_true.push(FactBody::Started { at, clock_error: Nanos::ZERO });
                                ends = Instant::now() + Duration::from_secs(21);
                            }
                            CommandBody::Stop(_) => ends = Instant::now(),
                            CommandBody::Revise(_) | CommandBody::Once { .. } => {}
                        }
                    }
                    Some(_) => {}
                },
                () = tokio::time::sleep_until(ends) => {
                    now_true.push(FactBody::Final(Box::new(final_fact(0, 0))));
                    ends = Instant::now() + Duration::from_secs(1 << 20);
                    applied = 0;
                }
                () = sleep(Duration::from_secs(1)) => {
                    beats += 1;
                    beat(&handle, &worker, enrolled.token, beats).await;
                }
            }
            for body in now_true {
                facts += 1;
                let fact = Fact { run_id: run, worker: worker.clone(), session, seq: facts, body };
                handle.said(link, says(WorkerMessage::Fact(Box::new(fact)))).await.unwrap();
            }
        }
    })
}

async fn beat(handle: &ClusterHandle, worker: &WorkerId, token: LeaseToken, number: u64) -> Option<BeatAck> {
    let session = enrol("a", 1).session;
    let beat = control::Beat {
        worker: worker.clone(),
        session,
        token,
        number,
        sent_at: Timestamp::ORIGIN,
        progress: number,
        clock: None,
    };
    handle.beat(beat, Timestamp::NEVER).await.ok()
}

async fn submitted(handle: &ClusterHandle) -> RunId {
    let by = Actor::new("t");
    let submitted = handle.submit(submit(&document()), "key".to_owned(), by).await.unwrap();
    RunId::new(submitted.run_id.parse().unwrap())
}

/// The numbers of all events to the last one.
async fn follow(mut events: Events) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(watched) = events.next().await {
        let Watched::Event(event) = watched else { panic!("{watched:?}") };
        numbers.push(event.event.seq);
        if matches!(event.event.body, RunEventBody::Sealed(_)) {
            assert!(events.next().await.is_none(), "nothing follows the last one");
            break;
        }
    }
    numbers
}

#[tokio::test(start_paused = true)]
async fn a_run_is_submitted_followed_and_its_result_kept() {
    let host = host();
    let handle = host.handle();
    let lives = [worker(handle, "a", Answer::Ready), worker(handle, "b", Answer::Ready)];
    let run = submitted(handle).await;
    assert!(matches!(handle.result(run).await, Err(ResultError::NotOver(_))));
    let numbers = follow(handle.events(run, 0).await.unwrap()).await;
    assert!(numbers.len() > 20, "one look a second, and more");
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());

    let result = handle.result(run).await.unwrap();
    assert_eq!(result.identity.run_id, run.to_string());
    assert_eq!(result.workers.len(), 2);
    let status = handle.run(run).await.unwrap();
    assert_eq!((status.state, status.exit.map(|exit| exit.code)), (RunState::Sealed, Some(result.exit.code)));
    // Who comes after the end gets what there was, and no more.
    assert_eq!(follow(handle.events(run, 3).await.unwrap()).await, numbers[3..]);
    // The same request is the same run, also now.
    let again = handle.submit(submit(&document()), "key".to_owned(), Actor::new("t")).await.unwrap();
    assert_eq!((again.run_id, again.repeated), (run.to_string(), true));
    for life in lives {
        life.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_cuts_lose_and_repeat_nothing() {
    let host = host();
    let handle = host.handle();
    let life = worker(handle, "a", Answer::Ready);
    let run = submitted(handle).await;
    let (mut last, mut is_over) = (0, false);
    for cut in 0..1_000 {
        let mut events = handle.events(run, last).await.unwrap();
        // None, one or two are read before the connection breaks.
        for _ in 0..cut % 3 {
            let Ok(Some(watched)) = timeout(Duration::from_millis(40), events.next()).await else { break };
            let Watched::Event(event) = watched else { panic!("{watched:?}") };
            assert_eq!(event.event.seq, last + 1);
            last += 1;
            is_over |= matches!(event.event.body, RunEventBody::Sealed(_));
        }
    }
    assert!(is_over && last > 20, "{last}");
    life.abort();
}

#[tokio::test(start_paused = true)]
async fn what_a_worker_refuses_is_the_reason_why_there_is_no_result() {
    let host = host();
    let handle = host.handle();
    let life = worker(handle, "a", Answer::Refuses);
    let run = submitted(handle).await;
    follow(handle.events(run, 0).await.unwrap()).await;
    let Err(ResultError::None { reasons, .. }) = handle.result(run).await else { panic!("a result") };
    assert_eq!(reasons, ["too few handles"]);
    assert_eq!(handle.run(run).await.unwrap().exit.map(|exit| exit.code), Some(104));
    life.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_read_is_ended_and_its_worker_is_not_lost() {
    let host = host();
    let handle = host.handle();
    let enrolled = handle.enrol(None, enrol("a", 1)).await.unwrap();
    let worker = WorkerId::new("a");
    let body = WorkerMessage::Hello { runs: Vec::new() };
    let hello =
        FromWorker { worker: worker.clone(), session: enrol("a", 1).session, token: enrolled.token, body };
    let (sender, mut said) = mpsc::channel(2);
    handle.open_session(hello, sender).await.unwrap();
    submitted(handle).await;
    // Nothing is read, while the same command is said again and again.
    for number in 1..=30 {
        assert_eq!(
            beat(handle, &worker, enrolled.token, number).await.unwrap().standing,
            control::Standing::Current
        );
        sleep(Duration::from_secs(1)).await;
    }
    let mut count = 0;
    while said.recv().await.is_some() {
        count += 1;
    }
    assert_eq!(count, 2);
    assert_eq!(handle.status().await.unwrap().workers[0].state, WorkerState::Detached);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_within_its_five_seconds_and_tells_everybody() {
    let host = host();
    let handle = host.handle().clone();
    let life = worker(&handle, "a", Answer::Ready);
    let run = submitted(&handle).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(handle.run(run).await.unwrap().state, RunState::Running);
    let events = handle.events(run, 0).await.unwrap();
    assert!(handle.readiness().await.is_ok());
    timeout(Duration::from_secs(5), host.shut_down()).await.unwrap();
    follow(events).await;
    // Its stream was ended, after a farewell.
    life.await.unwrap();

    assert_eq!(handle.enrol(None, enrol("b", 2)).await, Err(EnrolRefusal::ShuttingDown));
    let hello = FromWorker {
        worker: WorkerId::new("a"),
        session: enrol("a", 1).session,
        token: LeaseToken::default(),
        body: WorkerMessage::Hello { runs: Vec::new() },
    };
    let (sender, _said) = mpsc::channel(1);
    assert_eq!(handle.open_session(hello.clone(), sender).await, Err(SessionRefusal::Ended));
    assert!(handle.said(LinkId(1), hello).await.is_err());
    assert!(beat(&handle, &WorkerId::new("a"), LeaseToken::default(), 9).await.is_none());
    let by = || Actor::new("t");
    assert_eq!(handle.submit(submit(&document()), "k".to_owned(), by()).await, Err(SubmitError::Ended));
    assert_eq!(handle.control(run, RunControl::Pause, by()).await, Err(ControlError::Ended));
    let drained = handle.drain(WorkerId::new("a"), LeaveMode::Fast, by()).await;
    assert_eq!(drained, Err(DrainError::Ended));
    assert_eq!(handle.result(run).await, Err(ResultError::Run(ControlError::Ended)));
    assert_eq!(handle.events(run, 0).await.map(|_| ()), Err(ControlError::Ended));
    assert!(handle.status().await.is_err() && handle.runs().await.is_err());
    assert_eq!(handle.readiness().await, Err("the controller has ended".to_owned()));
}
