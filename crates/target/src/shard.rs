//! What the serving threads share, and what each has for itself.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use units::{Clock, MonotonicClock, Timestamp};

use crate::Config;
use crate::sequence::Sequences;
use crate::sleeper::Sleeper;
use crate::stall::Gate;
use crate::stats::Stats;
use crate::tally::Tally;

/// The state of the whole target.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) seed: u64,
    pub(crate) epoch: Timestamp,
    pub(crate) gate: Gate,
    pub(crate) sequences: Sequences,
    pub(crate) next_order: AtomicU64,
    tallies: Vec<Mutex<Tally>>,
}

impl Shared {
    /// Makes the state of a target with `shards` serving threads.
    pub(crate) fn new(config: &Config, shards: usize) -> Self {
        let epoch = config.epoch.unwrap_or_else(|| MonotonicClock.now());
        Self {
            seed: config.seed,
            epoch,
            gate: Gate::new(epoch, &config.stalls),
            sequences: Sequences::default(),
            next_order: AtomicU64::new(0),
            tallies: (0..shards).map(|_| Mutex::new(Tally::new(epoch, config.log_arrivals))).collect(),
        }
    }

    /// What was counted so far.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats =
            Stats { epoch_ns: self.epoch.as_nanos(), stalls: self.gate.spans(), ..Stats::default() };
        (0..self.tallies.len()).for_each(|shard| self.tally(shard).add_to(&mut stats));
        stats
    }

    /// When the requests kept in the logs arrived, in order.
    pub(crate) fn arrivals(&self) -> Vec<u64> {
        let mut arrivals = Vec::new();
        (0..self.tallies.len()).for_each(|shard| arrivals.extend(self.tally(shard).log()));
        arrivals.sort_unstable();
        arrivals
    }

    /// Starts counts and sequences anew; what was counted until then.
    pub(crate) fn reset(&self) -> Stats {
        let mut stats =
            Stats { epoch_ns: self.epoch.as_nanos(), stalls: self.gate.spans(), ..Stats::default() };
        for shard in 0..self.tallies.len() {
            let mut tally = self.tally(shard);
            tally.add_to(&mut stats);
            tally.reset();
        }
        self.sequences.reset();
        stats
    }

    fn tally(&self, shard: usize) -> MutexGuard<'_, Tally> {
        self.tallies[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One serving thread's view of the target.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sleeper: Sleeper,
    index: usize,
}

impl Shard {
    /// Makes the shard with this index, on the current runtime.
    ///
    /// # Errors
    /// When the kernel gives no timer.
    pub(crate) fn new(shared: Arc<Shared>, index: usize) -> io::Result<Self> {
        Ok(Self { shared, sleeper: Sleeper::new()?, index })
    }

    /// The counts of this thread.
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.shared.tally(self.index)
    }
}
