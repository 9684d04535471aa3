//! Revisions, from the command to the word that they hold, and what follows for a worker that wants to go.

use super::*;

fn revised(play: &Play) -> (u64, Nanos) {
    match play.facts.last().unwrap().body {
        FactBody::Revised { revision, effective } => (revision, effective),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_revision_is_told_when_every_thread_that_runs_has_it() {
    let mut play = Play::running(3);
    play.command(revision(1, 5_000, &[1, 1]));
    assert_eq!(play.done(), ["revise 1"]);
    let report = |thread, effective| Input::Revised { thread, revision: 1, effective };
    play.input(report(0, Nanos::from_millis(5_200)));
    play.input(report(0, Nanos::from_millis(5_200)));
    play.input(report(1, Nanos::from_millis(5_100)));
    assert_eq!(play.done(), Vec::<String>::new(), "one thread is missing");
    play.end(2, finished(1, 1));
    assert_eq!(play.done(), ["3:revised"], "and it never will");
    assert_eq!(revised(&play), (1, Nanos::from_millis(5_200)), "the latest instant counts");
}

#[test]
fn a_revision_that_comes_before_the_threads_waits_for_them() {
    let mut play = Play::new();
    play.prepare();
    play.command(revision(1, 0, &[2, 1]));
    play.input(Input::Readiness(Ok(prepared(1))));
    assert_eq!(play.done(), ["prepare", "launch", "1:prepared", "revise 1"]);
}

#[test]
fn a_worker_that_wants_to_go_leaves_when_a_revision_gives_it_nothing() {
    let mut play = Play::running(1);
    play.input(Input::Withdraw);
    play.command(revision(1, 5_000, &[1, 1]));
    play.input(Input::Revised { thread: 0, revision: 1, effective: Nanos::from_millis(5_000) });
    play.tick(6_500);
    assert_eq!(play.done(), ["revise 1", "3:revised"], "it still carries a part");
    play.command(revision(2, 7_000, &[0, 1]));
    play.input(Input::Revised { thread: 0, revision: 2, effective: Nanos::from_millis(7_000) });
    assert_eq!(play.session.wake_at(), at(8_000).min(play.session.outbox.wake_at()));
    play.ack_all();
    assert_eq!(play.session.wake_at(), at(8_000));
    play.tick(7_999);
    assert_eq!(play.done(), ["revise 2", "4:revised"]);
    play.tick(8_003);
    assert_eq!(play.done(), ["leave until 10003"]);
    play.end(0, finished(4, 4));
    play.close(&[(4, 4)]);
    assert_eq!(play.last().left_at, Some(Nanos::from_millis(7_000)));
    assert_eq!(play.last().faults, Vec::<String>::new());
}

#[test]
fn a_worker_that_wants_to_go_stays_when_it_is_given_a_part_again() {
    let mut play = Play::running(1);
    play.input(Input::Withdraw);
    for (number, weights) in [(1, [0, 1]), (2, [1, 1])] {
        play.command(revision(number, 7_000, &weights));
        play.input(Input::Revised { thread: 0, revision: number, effective: Nanos::from_millis(7_000) });
    }
    play.tick(8_500);
    assert_eq!(play.done(), ["revise 1", "3:revised", "revise 2", "4:revised"]);
}
