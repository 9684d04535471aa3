//! Empties the recorders of all engine threads once a second.
//!
//! What several threads recorded of the same intervals becomes one snapshot. A thread that is late is waited for until
//! the next second's turn; what it delivers later goes out on its own, and adds up all the same. The collector owns
//! no clock and no thread: [`Collector::wake_at`] says when it wants to be called, once a second.

use std::collections::BTreeMap;

use metrics::{Drain, Snapshot};
use units::{Nanos, Timestamp};

use crate::session::Totals;

/// Threads end an interval by a timer of their own; after this they have done so, unless they are busy.
const AFTER_SECOND: Nanos = Nanos::from_millis(20);

/// The drains of all engine threads of a run.
#[derive(Debug)]
pub struct Collector {
    lanes: Vec<Lane>,
    /// Snapshots that wait for those of other threads, by the intervals they cover.
    pending: BTreeMap<(u32, u32), Snapshot>,
    start: Option<Timestamp>,
    /// The second at whose end the collector is called next.
    second: u64,
    coalesced: u64,
}

#[derive(Debug)]
struct Lane {
    drain: Drain,
    /// The first interval it has not delivered yet.
    next: u32,
    recorded: Totals,
}

impl Collector {
    /// Collects from the drains of all threads of a run.
    pub fn new(drains: Vec<Drain>) -> Self {
        let lane = |drain| Lane { drain, next: 0, recorded: Totals::default() };
        Self {
            lanes: drains.into_iter().map(lane).collect(),
            pending: BTreeMap::new(),
            start: None,
            second: 1,
            coalesced: 0,
        }
    }

    /// Intervals are counted from `start`.
    pub fn begin(&mut self, start: Timestamp) {
        self.start = Some(start);
    }

    /// When [`Collector::poll`] has something to do next.
    pub fn wake_at(&self) -> Timestamp {
        self.start.map_or(Timestamp::NEVER, |start| {
            start + Nanos::from_secs(self.second).saturating_add(AFTER_SECOND)
        })
    }

    /// What is complete at `now`, in the order of time.
    pub fn poll(&mut self, now: Timestamp) -> Vec<Snapshot> {
        let Some(start) = self.start.filter(|_| now >= self.wake_at()) else { return Vec::new() };
        self.drain();
        let passed = now.saturating_since(start + AFTER_SECOND).as_u64() / Nanos::SECOND.as_u64();
        self.second = passed + 1;
        let complete = self.delivered();
        // The interval that ended with this second may wait for one turn, those before it have had theirs.
        let overdue = u32::try_from(passed).unwrap_or(u32::MAX).saturating_sub(1);
        self.release(complete.max(overdue))
    }

    /// Everything that is left; the threads have ended or are given up.
    pub fn finish(&mut self) -> Vec<Snapshot> {
        self.start = None;
        self.drain();
        std::mem::take(&mut self.pending).into_values().collect()
    }

    /// The first interval that some running thread has not delivered; the highest number when none runs.
    pub fn delivered(&self) -> u32 {
        let running = self.lanes.iter().filter(|lane| !lane.drain.is_finished());
        running.map(|lane| lane.next).min().unwrap_or(u32::MAX)
    }

    /// What each thread has delivered in all.
    pub fn recorded(&self) -> Vec<Totals> {
        self.lanes.iter().map(|lane| lane.recorded).collect()
    }

    /// How many intervals were recorded together with the next one, because the collector came late.
    pub fn coalesced(&self) -> u64 {
        self.coalesced
    }

    fn drain(&mut self) {
        for lane in &mut self.lanes {
            while let Some(snapshot) = lane.drain.next_snapshot() {
                lane.next = snapshot.last.saturating_add(1);
                lane.recorded.add(&snapshot);
                self.coalesced += snapshot.coalesced;
                match self.pending.entry((snapshot.first, snapshot.last)) {
                    std::collections::btree_map::Entry::Vacant(place) => {
                        place.insert(snapshot);
                    }
                    std::collections::btree_map::Entry::Occupied(mut place) => {
                        place.get_mut().merge(&snapshot).expect("all threads record in one layout");
                    }
                }
            }
        }
    }

    /// Takes out what ended before interval `before`.
    fn release(&mut self, before: u32) -> Vec<Snapshot> {
        let pending = std::mem::take(&mut self.pending).into_iter();
        let (ready, pending): (BTreeMap<_, _>, _) = pending.partition(|((_, last), _)| *last < before);
        self.pending = pending;
        ready.into_values().collect()
    }
}

impl Totals {
    /// Adds what a snapshot holds; warm-up counts, as it was sent.
    fn add(&mut self, snapshot: &Snapshot) {
        self.requests_attempted += snapshot.requests_attempted();
        self.iterations_started += snapshot.iterations_started();
    }
}

#[cfg(test)]
mod tests;
