//! What became of telemetry: every item that was produced is in exactly one place.

use serde::{Deserialize, Serialize};

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
    /// Log records.
    Logs,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// The name in results, messages and labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// What became of one signal of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkReport {
    /// Which signal.
    pub signal: Signal,
    /// Where it was sent: scheme, host and port, never credentials.
    pub endpoint: String,
    /// What became of it.
    pub delivery: Delivery,
}

/// The ledger of one signal of one process: `produced = acknowledged + rejected + lost + unknown` once it is flushed, and
/// what is under way beside them before. Spans, data points, log records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Made to be sent.
    pub produced: u64,
    /// The receiver said that it has them.
    pub acknowledged: u64,
    /// The receiver said that it does not take them.
    pub rejected: u64,
    /// Never reached anybody: no room to wait, no connection, no time left.
    pub lost: u64,
    /// Sent, and no answer came: the receiver may have them.
    pub unknown: u64,
    /// Sent once more after a failure; no part of the sum.
    pub retried: u64,
}

impl Delivery {
    /// Items whose end is known or given up.
    pub fn settled(&self) -> u64 {
        self.acknowledged + self.rejected + self.lost + self.unknown
    }

    /// Whether every item that was produced is in exactly one place.
    pub fn balances(&self) -> bool {
        self.produced == self.settled()
    }

    /// Adds what became of other items.
    pub fn merge(&mut self, other: &Self) {
        self.produced += other.produced;
        self.acknowledged += other.acknowledged;
        self.rejected += other.rejected;
        self.lost += other.lost;
        self.unknown += other.unknown;
        self.retried += other.retried;
    }

    /// Items that the receiver is not known to have, as a part of those produced; 0 when there are none.
    pub fn loss(&self) -> f64 {
        if self.produced == 0 { 0.0 } else { 1.0 - self.acknowledged as f64 / self.produced as f64 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A ledger that is flushed: whatever became of the items, they were produced.
    fn settled() -> impl Strategy<Value = Delivery> {
        (0..1_u64 << 40, 0..1_u64 << 40, 0..1_u64 << 40, 0..1_u64 << 40, 0..1_u64 << 40).prop_map(
            |(acknowledged, rejected, lost, unknown, retried)| Delivery {
                produced: acknowledged + rejected + lost + unknown,
                acknowledged,
                rejected,
                lost,
                unknown,
                retried,
            },
        )
    }

    proptest! {
        #[test]
        fn ledgers_that_balance_balance_together(parts in proptest::collection::vec(settled(), 0..8)) {
            let mut sum = Delivery::default();
            for part in &parts {
                prop_assert!(part.balances());
                sum.merge(part);
            }
            prop_assert!(sum.balances());
            prop_assert_eq!(sum.produced, parts.iter().map(|part| part.produced).sum::<u64>());
            prop_assert_eq!(sum.retried, parts.iter().map(|part| part.retried).sum::<u64>());
        }

        #[test]
        fn merging_ledgers_commutes(one in settled(), other in settled()) {
            let (mut forth, mut back) = (one, other);
            forth.merge(&other);
            back.merge(&one);
            prop_assert_eq!(forth, back);
        }

        #[test]
        fn an_item_that_is_nowhere_is_noticed(ledger in settled(), under_way in 1..1_u64 << 40) {
            let ledger = Delivery { produced: ledger.produced + under_way, ..ledger };
            prop_assert!(!ledger.balances());
            prop_assert_eq!(ledger.produced - ledger.settled(), under_way);
        }

        #[test]
        fn a_loss_is_a_part(ledger in settled()) {
            let loss = ledger.loss();
            prop_assert!((0.0..=1.0).contains(&loss));
            prop_assert_eq!(loss == 0.0, ledger.acknowledged == ledger.produced);
        }
    }

    #[test]
    fn what_the_receiver_may_have_counts_as_a_loss() {
        let ledger = Delivery { produced: 8, acknowledged: 4, rejected: 1, lost: 1, unknown: 2, retried: 9 };
        assert_eq!(ledger.loss(), 0.5);
        assert_eq!(Delivery::default().loss(), 0.0);
    }

    #[test]
    fn signals_are_named_alike_everywhere() {
        for signal in Signal::ALL {
            assert_eq!(serde_json::to_value(signal).unwrap(), signal.name());
        }
    }
}
