//! The end of a pipeline: until when, and who is waited for.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use units::{Clock as _, MonotonicClock, Nanos, Timestamp};

/// When a pipeline gives up, told to who closes it and to who sends.
#[derive(Debug)]
pub(crate) struct Closing {
    deadline: Mutex<Option<Timestamp>>,
    changed: Condvar,
    told: watch::Sender<Option<Timestamp>>,
}

impl Closing {
    pub(crate) fn new() -> Self {
        Self { deadline: Mutex::new(None), changed: Condvar::new(), told: watch::Sender::new(None) }
    }

    /// Gives up at `deadline`, if not earlier.
    pub(crate) fn give_up_by(&self, deadline: Timestamp) {
        let mut current = self.lock();
        let earliest = current.map_or(deadline, |current| current.min(deadline));
        *current = Some(earliest);
        self.told.send_replace(Some(earliest));
        self.changed.notify_all();
    }

    /// Somebody who is waited for may have ended.
    pub(crate) fn nudge(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }

    /// Blocks until `done` or the deadline, which must have been set.
    pub(crate) fn wait(&self, done: impl Fn() -> bool) {
        let mut deadline = self.lock();
        while !done() {
            let left = deadline.map_or(Nanos::ZERO, time_until);
            if left.is_zero() {
                return;
            }
            deadline =
                self.changed.wait_timeout(deadline, left.into()).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What is told of the deadline from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Timestamp>> {
        self.told.subscribe()
    }

    /// How long there is until the deadline; `None` before there is one.
    pub(crate) fn left(&self) -> Option<Duration> {
        (*self.told.borrow()).map(|deadline| time_until(deadline).into())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn time_until(deadline: Timestamp) -> Nanos {
    let now = MonotonicClock.now();
    if deadline > now { deadline - now } else { Nanos::ZERO }
}
