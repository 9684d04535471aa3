//! How a worker goes, and how long it takes.

use super::*;

#[test]
fn a_graceful_leave_gives_the_share_back_first() {
    let mut play = Play::running();
    let key = play.key(1);
    play.input(Input::Leave(LeaveMode::Graceful));
    play.check(&["tell Graceful", "run 1: withdraw"]);
    play.tick(1_000);
    play.check(&["tell Graceful"]);
    play.beat();
    play.command(2, 1, stop());
    play.check(&[]);
    play.last_word(key, 1);
    play.input(Input::RunOver(key));
    play.check(&["fact 1"]);
    play.say(ControllerMessage::Farewell);
    play.check(&["beat no more", "exit"]);
    assert_eq!(play.exit, Some(WorkerExit::Left { undelivered: 0 }));
}

#[test]
fn a_graceful_leave_that_nobody_answers_becomes_a_fast_one() {
    let mut play = Play::running();
    play.input(Input::Leave(LeaveMode::Graceful));
    for second in 1..30 {
        play.tick(second * 1_000);
        play.beat();
    }
    play.done();
    play.tick(30_000);
    play.check(&["tell Fast", "run 1: leave in 500ms"]);
    play.beat();
    play.tick(33_999);
    assert_eq!(play.exit, None);
    play.tick(34_000);
    assert_eq!(play.exit, Some(WorkerExit::Left { undelivered: 1 }));
}

#[test]
fn a_fast_leave_stops_at_once_and_a_second_signal_cancels() {
    let mut play = Play::running();
    let key = play.key(1);
    play.input(Input::Leave(LeaveMode::Fast));
    play.check(&["tell Fast", "run 1: leave in 500ms"]);
    play.tick(200);
    play.input(Input::Cancel);
    play.check(&["run 1: stop Cancel"]);
    assert_eq!(play.link.wake_at(), at(1_000), "to tell again");
    play.last_word(key, 1);
    play.tick(2_700);
    assert_eq!(play.exit, Some(WorkerExit::Left { undelivered: 1 }));
}

#[test]
fn an_idle_worker_leaves_when_the_controller_knows_or_soon() {
    let mut answered = Play::attached();
    answered.input(Input::Leave(LeaveMode::Graceful));
    answered.check(&["tell Graceful"]);
    answered.say(ControllerMessage::Farewell);
    answered.check(&["beat no more", "exit"]);

    let mut unheard = Play::attached();
    unheard.input(Input::Leave(LeaveMode::Graceful));
    unheard.tick(1_000);
    assert_eq!(unheard.exit, Some(WorkerExit::Left { undelivered: 0 }));

    let mut alone = Play::new();
    alone.input(Input::Leave(LeaveMode::Graceful));
    alone.check(&["enrol", "beat no more", "exit"]);
}

#[test]
fn a_worker_that_is_sent_away_drains() {
    let mut play = Play::running();
    let key = play.key(1);
    play.say(ControllerMessage::Farewell);
    play.check(&["run 1: leave in 500ms"]);
    play.last_word(key, 1);
    play.input(Input::RunOver(key));
    assert_eq!(play.exit, Some(WorkerExit::Drained { undelivered: 0 }));
}
