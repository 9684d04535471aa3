//! The numbers of one stretch of a timeline.

use crate::Snapshot;

/// What happened in one stretch of a timeline, over all scenarios. Measured only, unless named otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalCounts {
    /// Slots that came due.
    pub due: u64,
    /// Iterations that were started.
    pub started: u64,
    /// Slots that were dropped.
    pub dropped: u64,
    /// Slots that were never released.
    pub unsent: u64,
    /// Iterations that succeeded.
    pub iterations_succeeded: u64,
    /// Iterations that failed.
    pub iterations_failed: u64,
    /// Iterations that were cancelled.
    pub iterations_cancelled: u64,
    /// Requests that were begun.
    pub requests_attempted: u64,
    /// Requests that succeeded.
    pub requests_succeeded: u64,
    /// Requests that failed.
    pub requests_failed: u64,
    /// Requests that were cancelled.
    pub requests_cancelled: u64,
    /// Checks that did not hold.
    pub checks_failed: u64,
    /// Bytes of requests.
    pub sent_bytes: u64,
    /// Bytes of responses.
    pub received_bytes: u64,
    /// Iterations that were started in warm-up.
    pub warm_up_started: u64,
    /// Requests that were begun in warm-up.
    pub warm_up_requests: u64,
}

impl IntervalCounts {
    /// The counts of a snapshot.
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let mut counts = Self::default();
        for scenario in snapshot.scenarios.values() {
            let iterations = &scenario.iterations;
            counts.due += iterations.due.count;
            counts.started += iterations.started.count;
            counts.dropped += iterations.dropped_total();
            counts.unsent += iterations.unsent_total();
            counts.iterations_succeeded += iterations.succeeded;
            counts.iterations_failed += iterations.failed;
            counts.iterations_cancelled += iterations.cancelled;
            counts.warm_up_started += scenario.warm_up_iterations.started.count;
            counts.warm_up_requests += scenario.warm_up_requests.attempted;
        }
        for step in snapshot.steps.values() {
            counts.requests_attempted += step.requests.attempted;
            counts.requests_succeeded += step.requests.succeeded;
            counts.requests_failed += step.requests.failed_total();
            counts.requests_cancelled += step.requests.cancelled;
            counts.sent_bytes += step.sent_bytes;
            counts.received_bytes += step.received_bytes;
        }
        counts.checks_failed = snapshot.checks.values().map(|check| check.failed).sum();
        counts
    }

    /// Adds another stretch, or other threads in this one.
    pub fn merge(&mut self, other: &Self) {
        self.due += other.due;
        self.started += other.started;
        self.dropped += other.dropped;
        self.unsent += other.unsent;
        self.iterations_succeeded += other.iterations_succeeded;
        self.iterations_failed += other.iterations_failed;
        self.iterations_cancelled += other.iterations_cancelled;
        self.requests_attempted += other.requests_attempted;
        self.requests_succeeded += other.requests_succeeded;
        self.requests_failed += other.requests_failed;
        self.requests_cancelled += other.requests_cancelled;
        self.checks_failed += other.checks_failed;
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
        self.warm_up_started += other.warm_up_started;
        self.warm_up_requests += other.warm_up_requests;
    }
}
