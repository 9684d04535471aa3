//! How far the controller's clock is from ours, from probes with four timestamps.
//!
//! ```text
//! controller        received ─▸ answered          offset = ((received − sent) + (answered − back)) / 2
//!                  ╱                    ╲          error  ≤ half of the time on the way
//! worker        sent                    back
//! ```
//!
//! The way there and the way back may take different times, so the offset is off by at most half of the time that both
//! took together. Waiting in queues only ever adds to that, so the probe that was fastest tells the most.

use std::collections::VecDeque;

use control::ClockOffset;
use units::{Nanos, Timestamp};

/// Probes that are remembered: older ones know nothing of how the clocks drifted since.
const REMEMBERED: usize = 16;

/// One question and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    /// When it was sent, on our clock.
    pub(crate) sent: Timestamp,
    /// When it came, on the controller's.
    pub(crate) received: Timestamp,
    /// When the answer was sent, on the controller's.
    pub(crate) answered: Timestamp,
    /// When that came, on our clock.
    pub(crate) back: Timestamp,
}

impl Probe {
    /// What it says; `None` when it cannot be true: an answer before its question, or more time spent there than
    /// passed here.
    fn offset(&self) -> Option<ClockOffset> {
        let [sent, received, answered, back] =
            [self.sent, self.received, self.answered, self.back].map(|at| i128::from(at.as_nanos()));
        let (here, there) = (back - sent, answered - received);
        if there < 0 || here < there {
            return None;
        }
        let nanos = ((received - sent) + (answered - back)).div_euclid(2);
        // Half a nanosecond is lost at most; the bound is rounded up.
        let error = (here - there + 1) / 2;
        Some(ClockOffset { nanos: i64::try_from(nanos).ok()?, error: Nanos::new(u64::try_from(error).ok()?) })
    }
}

/// What the last probes say together.
#[derive(Clone, Debug, Default)]
pub(crate) struct OffsetEstimate {
    latest: VecDeque<ClockOffset>,
}

impl OffsetEstimate {
    /// Takes note of a probe; one that cannot be true is left out.
    pub(crate) fn observe(&mut self, probe: Probe) {
        let Some(offset) = probe.offset() else { return };
        if self.latest.len() == REMEMBERED {
            self.latest.pop_front();
        }
        self.latest.push_back(offset);
    }

    /// The offset of the fastest probe among the last ones; `None` before the first.
    pub(crate) fn best(&self) -> Option<ClockOffset> {
        // Among equals the latest: it knows most of the drift.
        self.latest.iter().rev().min_by_key(|offset| offset.error).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn probe(times: [u64; 4]) -> Probe {
        let [sent, received, answered, back] = times.map(Timestamp::from_nanos);
        Probe { sent, received, answered, back }
    }

    fn estimate(probes: impl IntoIterator<Item = Probe>) -> Option<ClockOffset> {
        let mut estimate = OffsetEstimate::default();
        probes.into_iter().for_each(|probe| estimate.observe(probe));
        estimate.best()
    }

    #[test]
    fn the_fastest_of_the_last_sixteen_probes_counts() {
        let slow = |n: u64| probe([n, n + 1_000, n + 1_000, n + 500]);
        let fast = probe([0, 705, 705, 10]);
        assert_eq!(estimate([]), None);
        assert_eq!(
            estimate([slow(0), fast, slow(9)]).unwrap(),
            ClockOffset { nanos: 700, error: Nanos::new(5) }
        );
        let forgotten = std::iter::once(fast).chain((0..16).map(slow));
        assert_eq!(estimate(forgotten).unwrap(), ClockOffset { nanos: 750, error: Nanos::new(250) });
    }

    #[test]
    fn what_cannot_be_true_is_left_out() {
        assert_eq!(estimate([probe([10, 0, 0, 5])]), None, "back before it was sent");
        assert_eq!(estimate([probe([0, 9, 3, 20])]), None, "answered before it came");
        assert_eq!(estimate([probe([0, 100, 200, 50])]), None, "longer there than here");
        assert_eq!(estimate([probe([0, u64::MAX, u64::MAX, 10])]), None, "no such clock");
    }

    proptest! {
        #[test]
        fn the_true_offset_is_within_the_bound(
            worker in 0_u64..1 << 50,
            offset in 0_u64..1 << 50,
            ways in prop::collection::vec((0_u64..1 << 34, 0_u64..1 << 34, 0_u64..1 << 30), 1..40),
        ) {
            // The controller's clock is ahead or behind; both ways take what they take.
            for ahead in [true, false] {
                let (start, other) = if ahead { (worker, worker + offset) } else { (worker + offset, worker) };
                let probes = ways.iter().map(|(there, back, within)| {
                    let received = other + there;
                    probe([start, received, received + within, start + there + within + back])
                });
                let found = estimate(probes).unwrap();
                let truth = i128::from(other) - i128::from(start);
                let off = (i128::from(found.nanos) - truth).unsigned_abs();
                prop_assert!(off <= u128::from(found.error.as_u64()), "{off} > {}", found.error);
                let last = &ways[ways.len().saturating_sub(16)..];
                let least = last.iter().map(|(there, back, _)| there + back).min().unwrap();
                prop_assert!(found.error.as_u64() <= least / 2 + 1);
            }
        }
    }
}
