//! The outbox by hand, then against a controller behind a transport that loses, repeats and reorders.

use std::collections::BTreeMap;

use metrics::Snapshot;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn outbox() -> Outbox {
    Outbox::new(Author {
        run_id: RunId::new(Uuid::nil()),
        worker: WorkerId::new("w"),
        session: SessionId::IN_PROCESS,
    })
}

fn at(millis: u64) -> Timestamp {
    Timestamp::ORIGIN + Nanos::from_millis(millis)
}

fn measured(second: u32) -> FactBody {
    FactBody::Measured(Box::new(Snapshot {
        first: second,
        last: second,
        shape_hash: 7,
        steps: BTreeMap::new(),
        scenarios: BTreeMap::new(),
        checks: BTreeMap::new(),
        histograms: BTreeMap::new(),
        gauges: BTreeMap::new(),
        activity: BTreeMap::new(),
        coalesced: 1,
    }))
}

fn started() -> FactBody {
    FactBody::Started { at: Timestamp::ORIGIN, clock_error: Nanos::ZERO }
}

fn push(outbox: &mut Outbox, now: Timestamp, body: FactBody) -> Vec<Fact> {
    let mut sent = Vec::new();
    outbox.push(now, body, |fact| sent.push(fact));
    sent
}

fn ack(outbox: &mut Outbox, now: Timestamp, through: u64) -> Vec<u64> {
    let mut sent = Vec::new();
    outbox.ack(now, through, |fact| sent.push(fact.seq));
    sent
}

fn tick(outbox: &mut Outbox, now: Timestamp) -> Vec<u64> {
    let mut sent = Vec::new();
    outbox.tick(now, |fact| sent.push(fact.seq));
    sent
}

#[test]
fn facts_are_numbered_without_gaps_and_kept_until_they_are_taken() {
    let mut outbox = outbox();
    for seq in 1..=3 {
        assert_eq!(push(&mut outbox, at(0), measured(0))[0].seq, seq);
    }
    assert!(ack(&mut outbox, at(1), 2).is_empty());
    assert!(!outbox.is_empty());
    assert!(ack(&mut outbox, at(2), 3).is_empty());
    assert!(outbox.is_empty());
    assert_eq!(outbox.wake_at(), Timestamp::NEVER);
}

#[test]
fn an_acknowledgement_of_what_was_never_said_makes_it_forget_nothing() {
    let mut outbox = outbox();
    push(&mut outbox, at(0), measured(0));
    assert!(ack(&mut outbox, at(1), 2).is_empty());
    push(&mut outbox, at(1), started());
    assert_eq!(tick(&mut outbox, at(2_000)), [1, 2]);
}

#[test]
fn what_is_acknowledged_again_is_sent_again_from_there() {
    let mut outbox = outbox();
    for second in 0..4 {
        push(&mut outbox, at(0), measured(second));
    }
    assert!(ack(&mut outbox, at(1), 1).is_empty());
    assert_eq!(ack(&mut outbox, at(2), 1), [2, 3, 4]);
    assert!(ack(&mut outbox, at(3), 9).is_empty(), "a number that was never sent");
    assert!(ack(&mut outbox, at(4), 4).is_empty());
    assert!(ack(&mut outbox, at(5), 4).is_empty());
}

#[test]
fn repeated_acknowledgements_do_not_make_a_flood() {
    let mut outbox = outbox();
    for second in 0..64 {
        push(&mut outbox, at(0), measured(second));
    }
    // Each of 64 facts that came twice is answered by the same number.
    let sent: usize = (0..64).map(|millis| ack(&mut outbox, at(millis), 0).len()).sum();
    assert_eq!(sent, 64, "once");
    assert!(ack(&mut outbox, at(499), 0).is_empty());
    assert_eq!(ack(&mut outbox, at(500), 0).len(), 64, "a wish that is still there half a second later");
}

#[test]
fn silence_of_two_seconds_sends_what_is_out_again() {
    let mut outbox = outbox();
    push(&mut outbox, at(10_000), measured(0));
    push(&mut outbox, at(11_000), measured(1));
    assert_eq!(outbox.wake_at(), at(12_000), "counted from the first that is out");
    assert!(tick(&mut outbox, at(11_999)).is_empty());
    assert_eq!(tick(&mut outbox, at(12_000)), [1, 2]);
    assert_eq!(outbox.wake_at(), at(14_000));
    ack(&mut outbox, at(13_500), 1);
    assert!(tick(&mut outbox, at(14_000)).is_empty(), "somebody answers");
    assert_eq!(tick(&mut outbox, at(15_500)), [2]);
}

#[test]
fn a_new_stream_gets_what_is_out_at_once() {
    let mut outbox = outbox();
    for second in 0..3 {
        push(&mut outbox, at(0), measured(second));
    }
    assert_eq!(ack(&mut outbox, at(10), 0), [1, 2, 3]);
    let mut sent = Vec::new();
    outbox.resume(at(20), 1, |fact| sent.push(fact.seq));
    assert_eq!(sent, [2, 3], "the old stream's damping is not the new one's");
}

#[test]
fn beyond_the_window_measurements_merge_and_other_facts_keep_their_place() {
    let mut outbox = outbox();
    for second in 0..Outbox::WINDOW as u32 {
        assert_eq!(push(&mut outbox, at(0), measured(second)).len(), 1);
    }
    for second in 64..1_000 {
        assert_eq!(push(&mut outbox, at(0), measured(second)).len(), 0);
    }
    assert_eq!(push(&mut outbox, at(0), started()).len(), 0);
    push(&mut outbox, at(0), measured(1_000));
    let mut sent = Vec::new();
    outbox.ack(at(1), 64, |fact| sent.push(fact));
    assert_eq!(sent.iter().map(|fact| fact.seq).collect::<Vec<_>>(), [65, 66, 67]);
    let FactBody::Measured(merged) = &sent[0].body else { panic!("{sent:?}") };
    assert_eq!((merged.first, merged.last, merged.coalesced), (64, 999, 936), "nothing is lost");
    assert!(matches!(sent[1].body, FactBody::Started { .. }));
    assert!(matches!(sent[2].body, FactBody::Measured(_)));
}

#[test]
fn traced_requests_that_wait_become_the_slowest_of_all_and_hold_up_no_merging() {
    let mut outbox = outbox();
    for second in 0..Outbox::WINDOW as u32 {
        push(&mut outbox, at(0), measured(second));
    }
    for second in 64..164 {
        push(&mut outbox, at(0), measured(second));
        push(
            &mut outbox,
            at(0),
            FactBody::Traced((0..16).map(|n| traced(u64::from(second) * 16 + n)).collect()),
        );
    }
    assert_eq!(outbox.waiting.len(), 2);
    let mut sent = Vec::new();
    outbox.ack(at(1), 64, |fact| sent.push(fact));
    let FactBody::Measured(merged) = &sent[0].body else { panic!("{sent:?}") };
    assert_eq!((merged.first, merged.last), (64, 163), "nothing is lost");
    let FactBody::Traced(requests) = &sent[1].body else { panic!("{sent:?}") };
    let times: Vec<_> = requests.iter().map(|request| request.response_time.as_u64()).collect();
    assert_eq!(times, (0..16).map(|n| 163 * 16 + 15 - n).collect::<Vec<_>>());
}

fn traced(response_time: u64) -> TracedRequest {
    TracedRequest {
        step: 0,
        iteration: response_time,
        vu: 0,
        at: Nanos::ZERO,
        response_time: Nanos::new(response_time),
        service_time: Nanos::new(response_time),
        queue_wait: Nanos::ZERO,
        phases: metrics::Phases::default(),
        outcome: metrics::Outcome::Succeeded,
        status: 200,
        context: metrics::RunKey::new(1).context(),
    }
}

/// A controller's rule for facts: in the order of their numbers, each once.
#[derive(Default)]
struct Taker {
    taken: u64,
    coalesced: u64,
}

impl Taker {
    fn take(&mut self, fact: &Fact) -> u64 {
        if fact.seq == self.taken + 1 {
            self.taken += 1;
            if let FactBody::Measured(snapshot) = &fact.body {
                self.coalesced += snapshot.coalesced;
            }
        }
        self.taken
    }
}

proptest! {
    #[test]
    fn every_measurement_arrives_once_over_any_transport(
        // What happens to each message: 0-1 lost, 2 repeated, 3 kept back behind later ones, else delivered.
        fates in prop::collection::vec(0_u8..10, 0..400),
        count in 0_u64..150,
        seconds_apart in prop::collection::vec(0_u64..2_500, 150),
    ) {
        let mut outbox = outbox();
        let mut taker = Taker::default();
        let mut fates = fates.into_iter();
        let mut kept_back: Vec<Fact> = Vec::new();
        let mut now = at(0);
        let mut pushed = 0;
        // After the fates are used up the transport is perfect: then everything must arrive.
        for round in 0..5_000 {
            let mut out = Vec::new();
            if pushed < count {
                now = now + Nanos::from_millis(seconds_apart[pushed as usize]);
                outbox.push(now, measured(pushed as u32), |fact| out.push(fact));
                pushed += 1;
            } else {
                now = now + Nanos::from_millis(250);
            }
            outbox.tick(now, |fact| out.push(fact));
            let mut acks = Vec::new();
            for fact in out {
                match fates.next().unwrap_or(9) {
                    0 | 1 => {}
                    2 => {
                        acks.push(taker.take(&fact));
                        acks.push(taker.take(&fact));
                    }
                    3 => kept_back.push(fact),
                    _ => acks.push(taker.take(&fact)),
                }
            }
            for fact in kept_back.drain(..kept_back.len() / 2) {
                acks.push(taker.take(&fact));
            }
            for through in acks {
                if fates.next().unwrap_or(9) > 1 {
                    // What this makes it send is lost, for once: silence brings it back.
                    outbox.ack(now, through, |_| {});
                }
            }
            prop_assert!(outbox.sent.len() <= Outbox::WINDOW && outbox.waiting.len() <= 1);
            if pushed == count && outbox.is_empty() {
                prop_assert!(round < 4_999);
                break;
            }
        }
        prop_assert!(outbox.is_empty(), "{} of {} taken", taker.taken, outbox.last);
        prop_assert_eq!(taker.taken, outbox.last);
        prop_assert_eq!(taker.coalesced, count, "each interval once");
    }
}
