//! Where time comes from.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::{Nanos, Timestamp};

/// Tells what time it is.
///
/// # Cost
/// [`MonotonicClock`] reads the kernel's clock page without a system call: about 23 ns.
pub trait Clock {
    /// The present instant; never earlier than one told before.
    fn now(&self) -> Timestamp;
}

/// Wakes a task at an instant.
pub trait Timer {
    /// Sets the one instant at which the timer fires next; an instant that has passed fires at once.
    fn arm(&mut self, at: Timestamp);

    /// Ready once after the armed instant has come; otherwise the task of `cx` is woken when it comes.
    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// The time since the machine started, never set back: the kernel's `CLOCK_BOOTTIME`, a clock that `timerfd` counts on.
///
/// Unlike `CLOCK_MONOTONIC` it goes on while the machine is suspended: a lease that ended meanwhile is over when it
/// wakes, and what was missed shows as a stall. Reading it costs the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct MonotonicClock;

impl Clock for MonotonicClock {
    fn now(&self) -> Timestamp {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Timestamp::from_nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }
}

/// A clock that stands still until a test moves it. Clones share the same time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    now: Rc<Cell<Timestamp>>,
}

impl ManualClock {
    /// Makes a clock that shows `now`.
    pub fn starting_at(now: Timestamp) -> Self {
        Self { now: Rc::new(Cell::new(now)) }
    }

    /// Moves the clock on by `span`.
    pub fn advance(&self, span: Nanos) {
        self.now.set(self.now.get() + span);
    }

    /// Moves the clock on to `instant`.
    ///
    /// # Panics
    /// When that would set the clock back.
    pub fn advance_to(&self, instant: Timestamp) {
        assert!(instant >= self.now.get(), "a clock does not run backwards");
        self.now.set(instant);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.now.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_goes_forward() {
        let first = MonotonicClock.now();
        assert!(MonotonicClock.now() >= first);
        assert!(first > Timestamp::ORIGIN);
    }

    #[test]
    fn clones_of_a_manual_clock_share_their_time() {
        let clock = ManualClock::default();
        let copy = clock.clone();
        clock.advance(Nanos::from_millis(5));
        assert_eq!(copy.now(), Timestamp::from_nanos(5_000_000));
    }
}
