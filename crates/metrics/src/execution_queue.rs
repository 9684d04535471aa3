//! The way of kept executions from one engine thread to the exporter.
//!
//! ```text
//!  engine thread                                       exporter
//!  ExecutionSender ── kept record ──▸ ArrayQueue ──▸  ExecutionDrain
//!        ▴────────── empty record ◂── ArrayQueue ◂────── gives back
//! ```
//!
//! Records are made when they are first needed and go round from then on: those that were not kept stay with the engine
//! thread, those that were come back from the exporter. What finds no room is counted, and the counts cannot be lost.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

use crate::{ExecutionRecord, MOST_REQUESTS, TraceTally};

/// Makes the queue between one engine thread and the exporter. At most `records` wait for the exporter; those in use on
/// the engine's thread are beside that, no more than there are virtual users. Each has room for `requests` requests, as
/// many as the longest program has, and for [`MOST_REQUESTS`] at most.
///
/// # Cost
/// 32 bytes for each of `records`; a record takes 200 bytes and 152 for each request once it is needed.
///
/// # Panics
/// When `records` is 0.
///
/// ```
/// use loadgen_metrics::execution_queue;
///
/// let (mut sender, mut drain) = execution_queue(64, 1);
/// let mut record = sender.take();
/// record.iteration = 7;
/// record.kept.traced = true;
/// sender.send(record);
/// let record = drain.next_record().unwrap();
/// assert_eq!(record.iteration, 7);
/// drain.give_back(record);
/// ```
pub fn execution_queue(records: usize, requests: usize) -> (ExecutionSender, ExecutionDrain) {
    let (full, empty) = (Arc::new(ArrayQueue::new(records)), Arc::new(ArrayQueue::new(records)));
    let tally = Arc::new(ArrayQueue::new(1));
    let sender = ExecutionSender {
        full: Arc::clone(&full),
        empty: Arc::clone(&empty),
        tally: Arc::clone(&tally),
        spare: Vec::new(),
        requests: requests.min(MOST_REQUESTS),
        untold: TraceTally::default(),
    };
    (sender, ExecutionDrain { full, empty, tally })
}

type Queue = ArrayQueue<Box<ExecutionRecord>>;

/// The engine thread's end. Dropping it, as a panic does, still tells what was counted.
#[derive(Debug)]
pub struct ExecutionSender {
    full: Arc<Queue>,
    empty: Arc<Queue>,
    /// What was told and not yet asked for.
    tally: Arc<ArrayQueue<TraceTally>>,
    /// Records that are not in use.
    #[expect(clippy::vec_box, reason = "a record goes round in its box")]
    spare: Vec<Box<ExecutionRecord>>,
    /// Requests that a new record has room for.
    requests: usize,
    untold: TraceTally,
}

impl ExecutionSender {
    /// A record to write into, without requests; whatever else it says is of an execution before.
    ///
    /// # Cost
    /// A few nanoseconds; an allocation where more are in use than ever before.
    #[inline]
    pub fn take(&mut self) -> Box<ExecutionRecord> {
        match self.spare.pop() {
            Some(record) => record,
            None => self.take_returned(),
        }
    }

    #[inline(never)]
    fn take_returned(&mut self) -> Box<ExecutionRecord> {
        self.empty.pop().unwrap_or_else(|| Box::new(ExecutionRecord::empty(self.requests)))
    }

    /// Hands a record over; one that finds the queue full is counted as lost.
    pub fn send(&mut self, record: Box<ExecutionRecord>) {
        if let Err(record) = self.full.push(record) {
            if record.kept.traced {
                self.untold.lost_spans += record.spans();
            }
            self.untold.lost_lines += u64::from(record.kept.logged);
            self.discard(record);
        }
    }

    /// Takes a record back that is not kept.
    #[inline]
    pub fn discard(&mut self, mut record: Box<ExecutionRecord>) {
        record.requests.clear();
        self.spare.push(record);
    }

    /// What is counted until it is next told.
    #[inline]
    pub fn tally(&mut self) -> &mut TraceTally {
        &mut self.untold
    }

    /// Tells what was counted since this was last done; once a second, and by itself at the end.
    pub fn tell(&mut self) {
        let mut tally = std::mem::take(&mut self.untold);
        // Nobody else puts one there, so there is room once the last one is out.
        while let Err(mine) = self.tally.push(tally) {
            tally = mine;
            if let Some(unasked) = self.tally.pop() {
                tally.merge(&unasked);
            }
        }
    }
}

impl Drop for ExecutionSender {
    fn drop(&mut self) {
        self.tell();
    }
}

/// The exporter's end.
#[derive(Debug)]
pub struct ExecutionDrain {
    full: Arc<Queue>,
    empty: Arc<Queue>,
    tally: Arc<ArrayQueue<TraceTally>>,
}

impl ExecutionDrain {
    /// The record that was handed over first.
    pub fn next_record(&mut self) -> Option<Box<ExecutionRecord>> {
        self.full.pop()
    }

    /// Gives a record back, to be written into again.
    pub fn give_back(&mut self, mut record: Box<ExecutionRecord>) {
        record.requests.clear();
        // More come back than may wait only after a crowd of them; those are not needed.
        let _ = self.empty.push(record);
    }

    /// What was counted and told since this was last asked.
    pub fn take_tally(&mut self) -> TraceTally {
        self.tally.pop().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
