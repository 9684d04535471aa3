//! Any order of events: every run ends, and every fact counts once.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The worker's fact of this number arrives, for the first time or again, in order or not.
    Arrives(u64),
    Passes(Nanos),
    Asleep(Nanos),
    Stop,
    Lost,
}

/// The number of the last of a worker's facts: joined, prepared, started, four seconds measured, final.
const LAST: u64 = 8;

fn events() -> impl Strategy<Value = Vec<Event>> {
    let millis = |range: std::ops::Range<u64>| range.prop_map(Nanos::from_millis);
    let event = prop_oneof![
        12 => (1..=LAST).prop_map(Event::Arrives),
        4 => millis(0..1_500).prop_map(Event::Passes),
        1 => millis(0..30_000).prop_map(Event::Asleep),
        1 => Just(Event::Stop),
        1 => Just(Event::Lost),
    ];
    prop::collection::vec(event, 0..80)
}

fn body(bench: &Bench, seq: u64) -> FactBody {
    match seq {
        1 => FactBody::Joined(Box::new(info())),
        2 => FactBody::Prepared(prepared(&bench.spec)),
        3 => FactBody::Started { at: bench.now },
        LAST => FactBody::Final(Box::new(final_fact(4, 4))),
        seq => {
            let second = seq - 4;
            let snapshot = snapshot(&bench.layout(), second as u32, Nanos::ZERO, &[(second * 10, OK)]);
            FactBody::Measured(Box::new(snapshot))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_run_ends_and_every_fact_counts_once(events in events()) {
        let mut bench = Bench::new(&["a"]);
        let limits = bench.spec.limits;
        let mut taken = 0;
        for event in events {
            if bench.machine.is_sealed() {
                break;
            }
            match event {
                Event::Arrives(seq) => {
                    bench.numbered(0, seq, body(&bench, seq));
                    taken += u64::from(seq == taken + 1);
                    prop_assert_eq!(bench.acks().last().copied(), Some(taken));
                }
                Event::Passes(span) => bench.pass(span),
                Event::Asleep(span) => {
                    bench.now = bench.now + span;
                    bench.input(Input::Tick);
                }
                Event::Stop => bench.input(Input::Stop),
                Event::Lost => bench.input(Input::Lost { worker: bench.worker(0), reason: "gone".to_owned() }),
            }
        }
        // From whatever state, no longer than all waits, the plan and its grace together.
        let waits = [limits.join, limits.prepare, limits.start_lead, limits.started, limits.grace_margin, limits.collect];
        let all = waits.into_iter().fold(Nanos::from_secs(5), Nanos::saturating_add);
        bench.pass(all + limits.stop.after_drain());
        let sealed = bench.sealed();

        let totals = sealed.merged.totals();
        prop_assert_eq!(totals.all_steps().requests.attempted, taken.clamp(3, 7) - 3);
        prop_assert_eq!(totals.broken_ledgers(), []);
        prop_assert_eq!(sealed.sessions[0].is_complete(), taken == LAST);
        if !sealed.sessions[0].is_complete() && sealed.start.is_some() {
            prop_assert!(conditions(&sealed).contains(&Condition::InternalError), "a loss is never silent");
        }
    }
}
