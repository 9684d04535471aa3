//! Beats and answers by hand, then in any order.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn at(millis: u64) -> Timestamp {
    Timestamp::ORIGIN + Nanos::from_millis(millis)
}

fn heart() -> Heart {
    Heart::new(Grant {
        worker: WorkerId::new("w"),
        session: SessionId(Uuid::from_u128(1)),
        epoch: Epoch(2),
        token: LeaseToken { epoch: Epoch(2), counter: 5 },
        terms: LeaseTerms::default(),
    })
}

fn ack(number: u64, received: Timestamp) -> BeatAck {
    BeatAck {
        epoch: Epoch(2),
        number,
        standing: Standing::Current,
        received_at: received,
        sent_at: received,
        stop: None,
    }
}

#[test]
fn the_lease_counts_from_the_sending_of_the_last_acknowledged_beat() {
    let mut heart = heart();
    assert_eq!(heart.pulse().lease_until, Timestamp::ORIGIN, "no right before the first answer");
    let beat = heart.beat(at(100), 7);
    assert_eq!((beat.number, beat.sent_at, beat.progress, beat.clock), (1, at(100), 7, None));
    assert!(heart.hear(at(300), &ack(1, at(5_200))));
    assert_eq!(heart.pulse().lease_until, at(100 + 6_000 - 250));
    heart.beat(at(1_100), 8);
    heart.beat(at(2_100), 9);
    assert!(heart.hear(at(2_200), &ack(3, at(7_200))));
    assert_eq!(heart.pulse().lease_until, at(7_850));
    assert!(heart.hear(at(2_300), &ack(2, at(7_200))), "a late answer to an earlier beat");
    assert_eq!(heart.pulse().lease_until, at(7_850), "does not shorten it");
    assert!(!heart.hear(at(2_400), &ack(3, at(7_200))) && !heart.hear(at(2_400), &ack(9, at(7_200))));
}

#[test]
fn the_first_beats_follow_each_other_faster() {
    let mut heart = heart();
    let mut now = at(0);
    for _ in 0..7 {
        heart.beat(now, 0);
        assert_eq!(heart.next_beat(), now + FIRST_PAUSE);
        now = heart.next_beat();
    }
    heart.beat(now, 0);
    assert_eq!(heart.next_beat(), now + Nanos::SECOND);
}

#[test]
fn kf_30_three_failed_beats_in_a_row_do_not_cost_the_lease() {
    let mut heart = heart();
    heart.beat(at(0), 0);
    heart.hear(at(1), &ack(1, at(0)));
    for second in 1..=3 {
        // UNAVAILABLE: nothing is heard of them.
        heart.beat(at(second * 1_000), 0);
    }
    assert!(at(3_900) < heart.pulse().lease_until);
    heart.beat(at(4_000), 0);
    assert!(heart.hear(at(4_001), &ack(5, at(4_000))));
    assert_eq!(heart.pulse().lease_until, at(9_750));
    assert_eq!(heart.pulse().standing, Standing::Current);
}

#[test]
fn a_lease_that_has_ended_does_not_come_back() {
    let mut heart = heart();
    heart.beat(at(0), 0);
    heart.hear(at(1), &ack(1, at(0)));
    heart.beat(at(5_700), 0);
    heart.hear(at(5_750), &ack(2, at(5_700)));
    assert_eq!(heart.pulse().lease_until, at(5_750), "slots may have been left out by now");
}

#[test]
fn an_answer_that_took_longer_than_the_lease_gives_none() {
    let mut heart = heart();
    heart.beat(at(0), 0);
    heart.hear(at(6_000), &ack(1, at(0)));
    assert_eq!(heart.pulse().lease_until, Timestamp::ORIGIN);
}

#[test]
fn a_thousand_of_a_thousand_answers_of_a_superseded_controller_are_refused() {
    let mut heart = heart();
    heart.beat(at(0), 0);
    heart.hear(at(1), &BeatAck { epoch: Epoch(4), ..ack(1, at(0)) });
    let before = heart.pulse();
    for number in 0..1_000 {
        let beat = heart.beat(at(1_000 + number), 0).number;
        let stale = BeatAck { epoch: Epoch(number % 4), ..ack(beat, at(0)) };
        assert!(!heart.hear(at(1_001 + number), &stale));
    }
    assert_eq!((heart.pulse(), heart.superseded()), (before, 1_000));
}

#[test]
fn a_fence_stays_and_a_stop_is_passed_on() {
    let mut heart = heart();
    let run = RunId::new(Uuid::from_u128(3));
    let beats: Vec<u64> = (0..3).map(|second| heart.beat(at(second * 1_000), 0).number).collect();
    heart.hear(at(2_001), &BeatAck { stop: Some((run, StopMode::Cancel)), ..ack(beats[0], at(0)) });
    assert_eq!(heart.pulse().stop, Some((run, StopMode::Cancel)));
    let current = LeaseToken { epoch: Epoch(2), counter: 6 };
    let fenced = Standing::Fenced { current };
    heart.hear(at(2_002), &BeatAck { standing: fenced, ..ack(beats[1], at(0)) });
    let until = heart.pulse().lease_until;
    heart.hear(at(2_003), &ack(beats[2], at(0)));
    assert_eq!((heart.pulse().standing, heart.pulse().lease_until), (fenced, until));
}

#[test]
fn the_controllers_clock_is_learnt_and_told() {
    let mut heart = heart();
    heart.beat(at(1_000), 0);
    heart.hear(at(1_010), &ack(1, at(61_005)));
    let offset = ClockOffset { nanos: 60_000_000_000, error: Nanos::from_millis(5) };
    assert_eq!(heart.pulse().clock, Some(offset));
    assert_eq!(heart.beat(at(2_000), 0).clock, Some(offset));
}

proptest! {
    /// The controller gives the share away `ttl + guard` after it received the last beat it answered with `Current`.
    #[test]
    fn no_order_of_answers_makes_the_lease_longer_than_the_controllers(
        steps in prop::collection::vec((0_u64..3_000, 0_usize..6, 0_u64..1_500, 0_u64..4), 1..120),
    ) {
        let mut heart = heart();
        let terms = LeaseTerms::default();
        let mut now = at(1);
        let mut unanswered = Vec::new();
        let mut last_received = None;
        for (pause, which, delay, fate) in steps {
            now = now + Nanos::from_millis(pause);
            let beat = heart.beat(now, 0);
            unanswered.push((beat.number, now + Nanos::from_millis(delay)));
            if fate == 0 {
                continue;
            }
            // Any of the latest, in any order, also twice.
            let (number, received) = unanswered[unanswered.len().saturating_sub(which + 1)];
            if received > now {
                continue;
            }
            last_received = last_received.max(Some(received));
            heart.hear(now, &ack(number, received));
            let until = heart.pulse().lease_until;
            prop_assert!(until + terms.guard + terms.guard <= last_received.unwrap() + terms.ttl + terms.guard);
        }
    }
}
