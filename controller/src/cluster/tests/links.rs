//! Session streams: hello, who may say what, and facts from whoever has them.

use control::{CommandId, FromWorker, RunStanding};

use super::*;

fn welcomed(bench: &Bench, life: &Life) -> Vec<control::Ack> {
    let welcome = bench.heard(life).first();
    let Some(ControllerMessage::Welcome { acks }) = welcome else { panic!("{welcome:?}") };
    acks.clone()
}

#[test]
fn a_hello_is_answered_with_how_far_each_run_was_taken_and_what_was_not_applied() {
    let mut bench = Bench::new();
    let mut life = bench.worker("a", 1);
    let run = bench.run(1);
    bench.obey(&mut life);
    assert!(life.facts[&run] >= 1);
    let taken = bench.last_ack(&life).unwrap();
    // A run that is not known any more is left out: it can be forgotten.
    life.facts.insert(run_id(77), 5);
    life.applied.insert(run, 0);
    bench.open(&mut life);
    assert_eq!(welcomed(&bench, &life), [taken]);
    let is_prepare = |said: &ControllerMessage| matches!(said, ControllerMessage::Command(command) if command.id == CommandId(1));
    // All of them were applied, whatever the hello says: nothing comes twice.
    assert!(!bench.heard(&life).iter().any(is_prepare));
}

#[test]
fn a_command_that_was_lost_with_its_stream_comes_on_the_next_one() {
    let mut bench = Bench::new();
    let mut life = bench.worker("a", 1);
    bench.run(1);
    let (commands, ..) = bench.counts(&life);
    assert_eq!(commands, 1);
    let first = life.link;
    bench.open(&mut life);
    assert!(bench.closed.contains(&first), "a session has one stream");
    assert_eq!(bench.counts(&life).0, 1);
}

#[test]
fn a_worker_without_a_stream_gets_no_run_until_it_has_one() {
    let mut bench = Bench::new();
    let life = bench.worker("a", 1);
    let now = bench.now;
    bench.cluster.closed(now, life.link);
    let run = bench.run(1);
    assert_eq!(state_of(&bench, "a"), Some(api::http::WorkerState::Detached));
    assert_eq!(bench.cluster.run(run).unwrap().state, api::http::RunState::Queued);
    let mut life = life;
    bench.open(&mut life);
    assert_eq!(bench.cluster.run(run).unwrap().state, api::http::RunState::Preparing);
}

#[test]
fn strangers_and_streams_that_do_not_begin_with_a_hello_are_refused() {
    let mut bench = Bench::new();
    let life = bench.worker("a", 1);
    let mut open = |message: FromWorker| bench.call(|cluster, now, out| cluster.open(now, message, out));
    let hello = || WorkerMessage::Hello { runs: Vec::new() };
    assert_eq!(open(life.says(WorkerMessage::Leave(LeaveMode::Fast))), Err(SessionRefusal::NoHello));
    let mut stranger = life.clone();
    stranger.session = control::SessionId(uuid::Uuid::from_u128(5));
    assert_eq!(open(stranger.says(hello())), Err(SessionRefusal::Unknown));
    stranger.worker = WorkerId::new("b");
    assert_eq!(open(stranger.says(hello())), Err(SessionRefusal::Unknown));
}

#[test]
fn who_speaks_for_another_or_under_a_token_of_the_future_is_cut_off() {
    let mut bench = Bench::new();
    let mut other = bench.worker("b", 2);
    let run = bench.run(1);
    let cut = |bench: &mut Bench, change: &dyn Fn(&mut FromWorker)| {
        let life = bench.worker("a", 1);
        let mut message = life.says(WorkerMessage::Hello { runs: Vec::new() });
        change(&mut message);
        bench.call(|cluster, now, out| cluster.said(now, life.link, message, out));
        bench.closed.contains(&life.link)
    };
    assert!(!cut(&mut bench, &|_| {}));
    assert!(cut(&mut bench, &|message| message.worker = WorkerId::new("b")));
    assert!(cut(&mut bench, &|message| message.session = control::SessionId(uuid::Uuid::from_u128(2))));
    assert!(cut(&mut bench, &|message| message.token.counter = u64::MAX));
    let fact = other.fact(run, FactBody::Once { task: String::new(), failure: None });
    assert!(cut(&mut bench, &|message| message.body = WorkerMessage::Fact(Box::new(fact.clone()))));
}

#[test]
fn what_a_session_says_under_an_old_token_has_no_effect_and_is_answered_once() {
    let mut bench = Bench::new();
    let old = bench.worker("a", 1);
    let new = bench.worker("a", 2);
    for _ in 0..1_000 {
        bench.say(&old, WorkerMessage::Leave(LeaveMode::Graceful));
        bench.say(&old, WorkerMessage::Applied { run_id: run_id(1), through: CommandId(1) });
    }
    assert_eq!(bench.counts(&old).2, 2, "once when it was fenced, once when it spoke");
    assert_eq!(state_of(&bench, "a"), Some(api::http::WorkerState::Ready));
    assert_eq!(bench.counts(&new).2, 0);
}

#[test]
fn what_a_session_says_under_its_token_of_before_has_no_effect() {
    let mut bench = Bench::new();
    let before = bench.worker("a", 1).token;
    let again = bench.worker("a", 1);
    assert!(again.token > before);
    let late = Life { token: before, ..again.clone() };
    for _ in 0..1_000 {
        bench.say(&late, WorkerMessage::Leave(LeaveMode::Fast));
    }
    assert_eq!(state_of(&bench, "a"), Some(api::http::WorkerState::Ready));
    assert_eq!(bench.counts(&again).2, 1, "it is told once");
}

#[test]
fn facts_are_taken_without_a_stream_too_and_never_for_a_run_that_is_over() {
    let mut bench = Bench::new();
    let mut life = bench.worker("a", 1);
    let mut other = bench.worker("b", 2);
    let run = bench.run(1);
    bench.live(2, &mut [&mut life, &mut other]);
    let facts = life.facts[&run];
    bench.live(8, &mut [&mut other]);
    assert_eq!(state_of(&bench, "a"), Some(api::http::WorkerState::Lost));
    let fact = life.fact(run, FactBody::Final(Box::new(crate::fixture::final_fact(0, 0))));
    let ack = bench.call(|cluster, now, out| cluster.residual(now, fact.clone(), out));
    assert_eq!(ack.map(|ack| ack.through), Some(facts + 1));
    bench.pass(Nanos::from_secs(60));
    let over = bench.call(|cluster, now, out| cluster.residual(now, fact.clone(), out));
    assert_eq!(over, None);
    // On a stream it is acknowledged: it needs not be kept.
    let mut again = bench.worker("a", 1);
    again.facts = life.facts.clone();
    bench.say(&again, WorkerMessage::Fact(Box::new(fact)));
    assert_eq!(bench.last_ack(&again).map(|ack| ack.through), Some(facts + 1));
}

#[test]
fn a_session_that_was_lost_hands_over_what_it_holds_and_gets_nothing_to_do() {
    let mut bench = Bench::new();
    let mut life = bench.worker("a", 1);
    let mut other = bench.worker("b", 2);
    let run = bench.run(1);
    bench.live(2, &mut [&mut life, &mut other]);
    bench.live(8, &mut [&mut other]);
    bench.open(&mut life);
    let standing = RunStanding { run_id: run, applied: CommandId(2), last_fact: 2 };
    assert_eq!(welcomed(&bench, &life).iter().map(|ack| ack.run_id).collect::<Vec<_>>(), [standing.run_id]);
    let (commands, _, fenced) = bench.counts(&life);
    assert_eq!((commands, fenced), (0, 1));
}
