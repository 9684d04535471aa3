use proptest::prelude::*;

use super::*;

/// What can happen to one slot, in legal order.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Waits,
    Dropped(DropReason),
    Unsent(UnsentReason),
    Runs,
    Ended(IterationOutcome),
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Waits),
        prop::sample::select(&DropReason::ALL[..]).prop_map(Fate::Dropped),
        prop::sample::select(&UnsentReason::ALL[..]).prop_map(Fate::Unsent),
        Just(Fate::Runs),
        prop::sample::select(vec![
            IterationOutcome::Succeeded,
            IterationOutcome::Failed,
            IterationOutcome::Cancelled,
        ])
        .prop_map(Fate::Ended),
    ]
}

/// One entry in a ledger.
type Entry = Box<dyn Fn(&mut IterationLedger)>;

/// The ledger entries of one slot, in order.
fn events(fate: Fate, slot: u128) -> Vec<Entry> {
    let mut events: Vec<Entry> = vec![Box::new(move |ledger| ledger.slot_due(slot))];
    match fate {
        Fate::Waits => {}
        Fate::Dropped(reason) => events.push(Box::new(move |ledger| ledger.slot_dropped(reason, slot))),
        Fate::Unsent(reason) => events.push(Box::new(move |ledger| ledger.slot_unsent(reason, slot))),
        Fate::Runs => events.push(Box::new(move |ledger| ledger.started(slot))),
        Fate::Ended(outcome) => {
            events.push(Box::new(move |ledger| ledger.started(slot)));
            events.push(Box::new(move |ledger| ledger.ended(outcome)));
        }
    }
    events
}

proptest! {
    #[test]
    fn iterations_balance_under_any_legal_order_of_events(
        slots in prop::collection::vec((fates(), any::<u128>()), 0..40),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 120),
        threads in 1_usize..4,
    ) {
        // All about one slot happens on one thread.
        let mut pending: Vec<_> = slots
            .iter()
            .enumerate()
            .map(|(number, (fate, slot))| (number % threads, events(*fate, *slot).into_iter()))
            .collect();
        let mut ledgers = vec![IterationLedger::default(); threads];
        for choice in choices {
            pending.retain(|(_, events)| events.len() > 0);
            if pending.is_empty() {
                break;
            }
            let next = choice.index(pending.len());
            let (thread, events) = &mut pending[next];
            let event = events.next().unwrap();
            event(&mut ledgers[*thread]);
            prop_assert_eq!(ledgers[*thread].check(), Ok(()));
        }
        let mut merged = IterationLedger::default();
        for ledger in &ledgers {
            merged.merge(ledger);
        }
        prop_assert_eq!(merged.check(), Ok(()));
        let left = slots.iter().any(|(fate, _)| matches!(fate, Fate::Waits | Fate::Runs));
        prop_assert_eq!(merged.check_closed().is_err(), left);
        prop_assert_eq!(merged.due.count, slots.len() as u64);
        prop_assert_eq!(merged.due.digest, slots.iter().fold(0_u128, |sum, slot| sum.wrapping_add(slot.1)));
    }

    #[test]
    fn requests_balance_under_any_order_of_events(ends in prop::collection::vec((any::<bool>(), 0..=ErrorClass::COUNT), 0..60)) {
        let mut ledger = RequestLedger::default();
        let mut open = 0;
        for (end, outcome) in ends {
            if end && open > 0 {
                let outcome = ErrorClass::ALL.get(outcome).map_or(Outcome::Cancelled, |class| Outcome::Failed(*class));
                ledger.ended(outcome, false);
                open -= 1;
            } else {
                ledger.started();
                open += 1;
            }
            prop_assert_eq!(ledger.check(), Ok(()));
            prop_assert_eq!(ledger.in_flight, open);
        }
        let left = if open > 0 { Err(LedgerError::RequestsLeft { in_flight: open }) } else { Ok(()) };
        prop_assert_eq!(ledger.check_closed(), left);
    }
}

#[test]
fn a_lost_slot_is_told_by_how_much() {
    let mut ledger = IterationLedger::default();
    ledger.slot_due(7);
    ledger.started(7);
    ledger.ended(IterationOutcome::Succeeded);
    assert_eq!(ledger.check_closed(), Ok(()));
    ledger.due.count += 2;
    let error = ledger.check().unwrap_err();
    assert_eq!(error, LedgerError::Slots { due: 3, accounted: 1 });
    assert_eq!(error.to_string(), "3 slots were due but 1 are accounted for, 2 apart");
}

#[test]
fn other_slots_than_those_due_are_noticed_although_their_number_agrees() {
    let mut ledger = IterationLedger::default();
    ledger.slot_due(7);
    ledger.slot_dropped(DropReason::NoUser, 8);
    assert_eq!(ledger.check(), Err(LedgerError::OtherSlots { due: 7, accounted: 8 }));
}

#[test]
fn slots_of_a_lost_worker_are_unaccounted_for() {
    let mut ledger = IterationLedger::default();
    ledger.due.merge(&SlotTally { count: 5, digest: 99 });
    ledger.unaccounted = 5;
    assert_eq!(ledger.check_closed(), Ok(()));
}

#[test]
fn an_iteration_that_ended_without_a_start_breaks_the_ledger() {
    let mut ledger = IterationLedger::default();
    ledger.ended(IterationOutcome::Failed);
    assert_eq!(ledger.check_closed(), Err(LedgerError::IterationsLeft { in_flight: -1 }));
}

#[test]
fn a_request_counted_twice_is_told_by_how_much() {
    let mut ledger = RequestLedger::default();
    ledger.started();
    ledger.ended(Outcome::Failed(ErrorClass::NoLocalPort), true);
    assert_eq!((ledger.own_faults(), ledger.failed_total(), ledger.resent), (1, 1, 1));
    ledger.succeeded += 1;
    assert_eq!(ledger.check(), Err(LedgerError::Requests { attempted: 1, accounted: 2 }));
}
