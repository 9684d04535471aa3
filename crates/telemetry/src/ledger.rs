//! What became of the items of one signal, to the last one.

use metrics::Delivery;

/// The books of one signal. An item is produced when it comes, and settled once.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    delivery: Delivery,
    in_flight: Option<InFlight>,
}

/// A batch that was taken from the queue and has not come to its end.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    items: u64,
    /// Whether bytes of it may have reached the receiver in an attempt whose answer is not known.
    exposed: bool,
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The receiver has it, but for some that it did not want.
    Taken {
        /// How many it did not want, at most all.
        rejected: u64,
    },
    /// The receiver does not want it.
    Rejected,
    /// It was given up, and whether the receiver has it goes by what was sent.
    GivenUp,
}

impl Ledger {
    /// What became of the items so far.
    pub(crate) fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// Whether a batch is under way.
    pub(crate) fn has_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Whether a batch is under way, and whether bytes of it may have left.
    #[cfg(test)]
    pub(crate) fn is_under_way(&self, is_exposed: bool) -> bool {
        self.in_flight.is_some_and(|batch| batch.exposed == is_exposed)
    }

    /// Items were made.
    pub(crate) fn produce(&mut self, items: u64) {
        self.delivery.produced += items;
    }

    /// Items that wait, or were never to be sent, are lost.
    pub(crate) fn lose(&mut self, items: u64) {
        self.delivery.lost += items;
    }

    /// A batch leaves the queue.
    ///
    /// # Panics
    /// When another is under way.
    pub(crate) fn take_up(&mut self, items: u64) {
        assert!(self.in_flight.is_none(), "one batch is under way at a time");
        self.in_flight = Some(InFlight { items, exposed: false });
    }

    /// An attempt begins to send the batch; `None` when it must not: its end is booked already.
    pub(crate) fn expose(&mut self) -> Option<Exposure> {
        let batch = self.in_flight.as_mut()?;
        Some(Exposure(std::mem::replace(&mut batch.exposed, true)))
    }

    /// The attempt that began with `before` came to nothing at the receiver, for certain.
    pub(crate) fn withdraw(&mut self, before: Exposure) {
        if let Some(batch) = &mut self.in_flight {
            batch.exposed = before.0;
        }
    }

    /// The batch under way is sent once more.
    pub(crate) fn retry(&mut self) {
        if let Some(batch) = self.in_flight {
            self.delivery.retried += batch.items;
        }
    }

    /// The attempt that began with `before` was answered, which ends the batch under way.
    pub(crate) fn answered(&mut self, before: Exposure, fate: Fate) {
        self.withdraw(before);
        self.settle(fate);
    }

    /// The batch under way came to its end. Refusals after an attempt without an answer prove nothing about that one.
    pub(crate) fn settle(&mut self, fate: Fate) {
        let Some(InFlight { items, exposed }) = self.in_flight.take() else { return };
        let refused = match fate {
            Fate::Taken { rejected } => rejected.min(items),
            Fate::Rejected | Fate::GivenUp => items,
        };
        self.delivery.acknowledged += items - refused;
        match fate {
            _ if exposed => self.delivery.unknown += refused,
            Fate::GivenUp => self.delivery.lost += refused,
            Fate::Taken { .. } | Fate::Rejected => self.delivery.rejected += refused,
        }
    }

    /// The end: `waiting` items are lost, and the batch under way is given up.
    pub(crate) fn close(&mut self, waiting: u64) {
        self.lose(waiting);
        self.settle(Fate::GivenUp);
    }
}

/// Whether a batch may have reached the receiver before an attempt began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Exposure(bool);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Attempt {
        /// No answer.
        Silent,
        /// For certain, nothing was taken.
        Nothing,
        Answered(Fate),
    }

    fn attempt() -> impl Strategy<Value = Attempt> {
        prop_oneof![
            Just(Attempt::Silent),
            Just(Attempt::Nothing),
            (0..20_u64).prop_map(|rejected| Attempt::Answered(Fate::Taken { rejected })),
            Just(Attempt::Answered(Fate::Rejected)),
        ]
    }

    /// What the books must say of one batch after these attempts, told the long way round.
    fn told(items: u64, attempts: &[Attempt]) -> Delivery {
        let mut is_uncertain = false;
        for (number, attempt) in attempts.iter().enumerate() {
            let base = Delivery { produced: items, retried: number as u64 * items, ..Delivery::default() };
            match attempt {
                Attempt::Silent => is_uncertain = true,
                Attempt::Nothing => {}
                Attempt::Answered(fate) => {
                    let refused = match fate {
                        Fate::Taken { rejected } => *rejected.min(&items),
                        _ => items,
                    };
                    let acknowledged = items - refused;
                    return if is_uncertain {
                        Delivery { acknowledged, unknown: refused, ..base }
                    } else {
                        Delivery { acknowledged, rejected: refused, ..base }
                    };
                }
            }
        }
        let retried = (attempts.len() as u64).saturating_sub(1) * items;
        let base = Delivery { produced: items, retried, ..Delivery::default() };
        if is_uncertain { Delivery { unknown: items, ..base } } else { Delivery { lost: items, ..base } }
    }

    proptest! {
        #[test]
        fn every_batch_ends_in_the_place_that_its_attempts_prove(
            items in 1..15_u64,
            attempts in prop::collection::vec(attempt(), 0..6),
            closes in any::<bool>(),
        ) {
            let mut ledger = Ledger::default();
            ledger.produce(items);
            ledger.take_up(items);
            for (number, attempt) in attempts.iter().enumerate() {
                if number > 0 {
                    ledger.retry();
                }
                let before = ledger.expose().unwrap();
                match attempt {
                    Attempt::Silent => {}
                    Attempt::Nothing => ledger.withdraw(before),
                    Attempt::Answered(fate) => {
                        ledger.answered(before, *fate);
                        break;
                    }
                }
            }
            // What is left is given up, by whom is all the same.
            if closes { ledger.close(0) } else { ledger.settle(Fate::GivenUp) }
            prop_assert_eq!(ledger.delivery(), told(items, &attempts));
            prop_assert!(ledger.delivery().balances());
        }
    }

    #[test]
    fn what_is_found_out_after_the_end_changes_nothing() {
        let mut ledger = Ledger::default();
        ledger.produce(15);
        ledger.take_up(10);
        let before = ledger.expose().unwrap();
        ledger.close(5);
        let closed = ledger.delivery();
        assert_eq!((closed.unknown, closed.lost), (10, 5));
        ledger.retry();
        ledger.answered(before, Fate::Taken { rejected: 0 });
        ledger.settle(Fate::Rejected);
        assert_eq!(ledger.delivery(), closed);
    }

    #[test]
    fn what_was_given_up_is_not_sent_any_more() {
        let mut ledger = Ledger::default();
        ledger.produce(10);
        ledger.take_up(10);
        ledger.close(0);
        assert!(ledger.expose().is_none());
        assert_eq!((ledger.delivery().lost, ledger.delivery().unknown), (10, 0));
    }
}
