use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::{ErrorClass, RequestRecord};
use crate::{Outcome, Phases, RequestSample, RequestTimes};
use units::Timestamp;

const REQUEST: RequestRecord = {
    let at = Timestamp::ORIGIN;
    let times = RequestTimes { intended_start: at, released_at: at, actual_start: at, completed_at: at };
    let phases = Phases { dns: None, connect: None, tls: None, first_byte: None, receive: None };
    let sample = RequestSample {
        times,
        phases,
        outcome: Outcome::Succeeded,
        status: 200,
        sent_bytes: 1,
        received_bytes: 1,
        resent: false,
    };
    RequestRecord { index: 0, step: 0, request: Some(0), sample }
};

fn written(sender: &mut ExecutionSender, iteration: u64) -> Box<ExecutionRecord> {
    let mut record = sender.take();
    assert!(record.requests.is_empty(), "nothing is left of the execution before");
    record.iteration = iteration;
    record.kept.traced = true;
    record.kept.logged = iteration.is_multiple_of(2);
    record.add(REQUEST);
    record
}

fn address(record: &ExecutionRecord) -> *const ExecutionRecord {
    std::ptr::from_ref(record)
}

#[test]
fn records_go_round_and_keep_their_room() {
    let (mut sender, mut drain) = execution_queue(4, 40);
    let record = written(&mut sender, 0);
    let made = address(&record);
    assert_eq!(record.requests.capacity(), MOST_REQUESTS);
    sender.send(record);
    for iteration in 1..100 {
        drain.give_back(drain.full.pop().unwrap());
        let record = written(&mut sender, iteration);
        assert_eq!((address(&record), record.requests.capacity()), (made, MOST_REQUESTS));
        if iteration % 3 == 0 {
            sender.discard(record);
            let record = written(&mut sender, iteration);
            assert_eq!(address(&record), made, "one that was not kept is used next");
            sender.send(record);
        } else {
            sender.send(record);
        }
    }
}

#[test]
fn a_record_has_no_more_room_than_a_program_has_requests() {
    let (mut sender, _drain) = execution_queue(4, 3);
    assert_eq!(sender.take().requests.capacity(), 3);
}

#[test]
fn as_many_records_are_in_use_as_are_needed() {
    let (mut sender, mut drain) = execution_queue(2, 1);
    let in_use: Vec<_> = (0..1_000).map(|iteration| written(&mut sender, iteration)).collect();
    in_use.into_iter().for_each(|record| sender.discard(record));
    assert_eq!(sender.spare.len(), 1_000);
    assert!(drain.next_record().is_none());
}

#[test]
fn what_finds_the_queue_full_is_counted() {
    let (mut sender, mut drain) = execution_queue(3, 1);
    for iteration in 0..10 {
        let record = written(&mut sender, iteration);
        sender.send(record);
    }
    let mut line = written(&mut sender, 10);
    line.kept.traced = false;
    sender.send(line);
    assert_eq!(drain.take_tally(), TraceTally::default(), "it was not told yet");
    sender.tell();
    // Seven executions with a span of their own and one of a request each; of these 4, 6 and 8 had a line.
    let expected = TraceTally { lost_spans: 14, lost_lines: 4, ..TraceTally::default() };
    assert_eq!(drain.take_tally(), expected);
    let iterations: Vec<_> =
        std::iter::from_fn(|| drain.next_record()).map(|record| record.iteration).collect();
    assert_eq!(iterations, [0, 1, 2], "the first ones, in order");
}

#[test]
fn what_was_counted_is_told_at_the_end_by_itself() {
    let (mut sender, mut drain) = execution_queue(1, 1);
    sender.tally().over_budget = 3;
    sender.tell();
    sender.tally().over_budget = 4;
    drop(sender);
    assert_eq!(drain.take_tally().over_budget, 7);
    assert_eq!(drain.take_tally().over_budget, 0);
}

/// What the two ends do, in some order.
#[derive(Clone, Copy, Debug)]
enum Act {
    Send,
    Discard,
    Tell,
    Drain,
    Hold,
    GiveBack,
    Ask,
    Suppress,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => Just(Act::Send),
        1 => Just(Act::Discard),
        1 => Just(Act::Tell),
        2 => Just(Act::Drain),
        1 => Just(Act::Hold),
        1 => Just(Act::GiveBack),
        1 => Just(Act::Ask),
        1 => Just(Act::Suppress),
    ];
    proptest::collection::vec(act, 0..200)
}

proptest! {
    #[test]
    fn every_record_arrives_once_and_in_order_or_is_counted(acts in acts(), records in 1_usize..8) {
        let (mut sender, mut drain) = execution_queue(records, 1);
        let (mut sent, mut suppressed) = (0, 0);
        let mut arrived = Vec::new();
        let mut held = VecDeque::new();
        let mut told = TraceTally::default();
        for act in acts {
            match act {
                Act::Send => {
                    let record = written(&mut sender, sent);
                    sender.send(record);
                    sent += 1;
                }
                Act::Discard => {
                    let record = written(&mut sender, u64::MAX);
                    sender.discard(record);
                }
                Act::Tell => sender.tell(),
                Act::Drain => {
                    if let Some(record) = drain.next_record() {
                        arrived.push(record.iteration);
                        drain.give_back(record);
                    }
                }
                Act::Hold => {
                    if let Some(record) = drain.next_record() {
                        arrived.push(record.iteration);
                        held.push_back(record);
                    }
                }
                Act::GiveBack => {
                    if let Some(record) = held.pop_front() {
                        drain.give_back(record);
                    }
                }
                Act::Ask => told.merge(&drain.take_tally()),
                Act::Suppress => {
                    sender.tally().suppressed[ErrorClass::Dns.index()] += 1;
                    suppressed += 1;
                }
            }
        }
        drop(sender);
        while let Some(record) = drain.next_record() {
            arrived.push(record.iteration);
        }
        told.merge(&drain.take_tally());
        prop_assert_eq!(told.lost_spans, 2 * (sent - arrived.len() as u64));
        prop_assert_eq!(told.suppressed[ErrorClass::Dns.index()], suppressed);
        let even = |iterations: u64| iterations.div_ceil(2);
        let lines = arrived.iter().filter(|iteration| *iteration % 2 == 0).count() as u64;
        prop_assert_eq!(told.lost_lines, even(sent) - lines);
        prop_assert!(arrived.is_sorted_by(|one, next| one < next), "{arrived:?}");
    }
}

#[test]
fn nothing_is_lost_between_two_threads() {
    let (mut sender, mut drain) = execution_queue(8, 1);
    let sending = std::thread::spawn(move || {
        for iteration in 0..20_000 {
            let record = written(&mut sender, iteration);
            sender.send(record);
            sender.tally().over_budget += 1;
            if iteration % 16 == 0 {
                sender.tell();
            }
        }
    });
    let mut arrived = Vec::new();
    let mut told = TraceTally::default();
    loop {
        let is_over = sending.is_finished();
        while let Some(record) = drain.next_record() {
            arrived.push(record.iteration);
            drain.give_back(record);
        }
        told.merge(&drain.take_tally());
        if is_over {
            break;
        }
        std::thread::yield_now();
    }
    sending.join().unwrap();
    assert_eq!(told.over_budget, 20_000);
    assert_eq!(told.lost_spans, 2 * (20_000 - arrived.len() as u64));
    assert!(arrived.is_sorted_by(|one, next| one < next));
}
