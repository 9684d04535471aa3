//! Stretches of time during which the whole server stands still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use units::{Nanos, Timestamp};

/// A stall that is declared before the target starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// When it begins, counted from the target's epoch.
    pub at: Nanos,
    /// How long it lasts.
    pub lasting: Nanos,
}

/// A stall as instants on the kernel's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StallSpan {
    /// The first nanosecond of standing still.
    pub from_ns: u64,
    /// The first nanosecond after it.
    pub until_ns: u64,
}

/// Says of each instant whether the server stands still: a pure function of the spans it holds.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Start of the earliest span that has not ended; before it nobody needs the lock.
    next_from: AtomicU64,
    spans: Mutex<Vec<StallSpan>>,
}

/// So many spans may be known at once: memory stays bounded.
const MAX_SPANS: usize = 10_000;

impl Gate {
    /// Makes a gate for `stalls`, counted from `epoch`.
    pub(crate) fn new(epoch: Timestamp, stalls: &[Stall]) -> Self {
        let gate = Self { next_from: AtomicU64::new(u64::MAX), spans: Mutex::new(Vec::new()) };
        for stall in stalls {
            gate.add(epoch + stall.at, stall.lasting);
        }
        gate
    }

    /// Declares one more stall; `None` when there are too many already.
    pub(crate) fn add(&self, from: Timestamp, lasting: Nanos) -> Option<StallSpan> {
        let span = StallSpan { from_ns: from.as_nanos(), until_ns: (from + lasting).as_nanos() };
        let mut spans = self.lock();
        if spans.len() >= MAX_SPANS {
            return None;
        }
        spans.push(span);
        self.next_from.fetch_min(span.from_ns, Ordering::Release);
        Some(span)
    }

    /// When the stall that holds `now` ends; `None` when the server runs. Another stall may begin then.
    ///
    /// # Cost
    /// One atomic load while no stall has begun.
    pub(crate) fn closed_until(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.as_nanos();
        if now < self.next_from.load(Ordering::Acquire) {
            return None;
        }
        let spans = self.lock();
        let to_come = spans.iter().filter(|s| s.until_ns > now);
        self.next_from.store(to_come.clone().map(|s| s.from_ns).min().unwrap_or(u64::MAX), Ordering::Release);
        let until = to_come.filter(|s| s.from_ns <= now).map(|s| s.until_ns).max();
        until.map(Timestamp::from_nanos)
    }

    /// Every stall declared so far.
    pub(crate) fn spans(&self) -> Vec<StallSpan> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<StallSpan>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_is_closed_exactly_during_the_stalls() {
        let stall = |at, lasting| Stall { at: Nanos::new(at), lasting: Nanos::new(lasting) };
        let gate = Gate::new(Timestamp::from_nanos(1_000), &[stall(500, 100), stall(50, 10), stall(55, 20)]);
        let check = |at, until: Option<u64>| {
            assert_eq!(
                gate.closed_until(Timestamp::from_nanos(at)),
                until.map(Timestamp::from_nanos),
                "{at}"
            );
        };
        check(1_049, None);
        check(1_050, Some(1_060));
        check(1_057, Some(1_075));
        check(1_074, Some(1_075));
        check(1_075, None);
        check(1_499, None);
        check(1_599, Some(1_600));
        check(1_600, None);
        check(9_999, None);
        gate.add(Timestamp::from_nanos(10_000), Nanos::new(5)).unwrap();
        check(10_004, Some(10_005));
        assert_eq!(gate.spans().len(), 4);
    }
}
