//! What is wrong with a snapshot that no recorder of ours would have made.
//!
//! Snapshots come over a network. Everything that adds them up first looks for what would make it panic, lose counts or
//! take memory without end, and adds all of a snapshot or nothing.

use crate::{Activity, Histogram, Layout, Moments, Shape, ShapeMismatch, Snapshot, SparseHistogram};

/// Why a snapshot cannot be added up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotFault {
    /// Another layout recorded it.
    #[error(transparent)]
    Shape(#[from] ShapeMismatch),
    /// It covers intervals that do not exist.
    #[error("the snapshot covers the intervals {first} to {last}; the run has come to {latest}")]
    Intervals {
        /// The first it covers.
        first: u32,
        /// The last it covers.
        last: u32,
        /// The latest that can be.
        latest: u32,
    },
    /// It holds numbers of something that does not exist.
    #[error("the snapshot holds numbers of {what} {number}; the highest is {highest}")]
    NoSuch {
        /// Of what.
        what: &'static str,
        /// Its number.
        number: u32,
        /// The highest there is, or -1 where there is none.
        highest: i64,
    },
    /// It has levels of an interval that it does not cover.
    #[error("the snapshot covers the intervals {first} to {last} and holds levels of {at}")]
    Levels {
        /// The first it covers.
        first: u32,
        /// The last it covers.
        last: u32,
        /// The interval.
        at: u32,
    },
    /// A histogram is none.
    #[error("histogram {series} of the snapshot is not one")]
    Histogram {
        /// Its number.
        series: u32,
        /// What is wrong with it.
        source: HistogramFault,
    },
    /// What was begun is not what ended and what is under way.
    #[error("the ledger of {what} {number} in the snapshot does not add up")]
    Unbalanced {
        /// Of what.
        what: &'static str,
        /// Its number.
        number: u32,
    },
    /// Counts add up to more than is counted to.
    #[error("the numbers of the snapshot, with what was added before, are above 2^63")]
    TooMuch,
}

/// Why buckets and moments are not of one histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistogramFault {
    /// A bucket is named twice, or after one that is above it.
    #[error("bucket {index} comes after bucket {before}")]
    Order {
        /// The bucket.
        index: u32,
        /// The one before it.
        before: u32,
    },
    /// A bucket holds nothing.
    #[error("bucket {index} is empty")]
    Empty {
        /// The bucket.
        index: u32,
    },
    /// A bucket is above the highest one.
    #[error("there is no bucket {index}; there are {buckets}")]
    NoBucket {
        /// The bucket.
        index: u32,
        /// How many there are.
        buckets: usize,
    },
    /// The buckets hold another number of values than the moments.
    #[error("the buckets hold {found} values, the moments {count}")]
    Count {
        /// What the buckets hold.
        found: u64,
        /// What the moments say.
        count: u64,
    },
    /// The moments are not those of values in these buckets.
    #[error("lowest, highest, sum and overflow are not those of values in these buckets")]
    Moments,
}

impl Snapshot {
    /// The most engine threads of one worker.
    pub const MAX_THREADS: u32 = 1_024;

    /// Looks for what no recorder of `layout` would have made by the end of interval `latest` of a run.
    ///
    /// What adds snapshots up does the same, with no limit to the intervals: who knows how far the run has come calls this
    /// first, since a snapshot of the far future would make a [`Timeline`](crate::Timeline) coarse.
    ///
    /// # Errors
    /// The first fault.
    ///
    /// # Cost
    /// One look at each number.
    pub fn validate(&self, layout: &Layout, latest: u32) -> Result<(), SnapshotFault> {
        self.volume_in(layout)?;
        if self.last > latest {
            return Err(SnapshotFault::Intervals { first: self.first, last: self.last, latest });
        }
        self.ledgers_add_up()
    }

    /// A recorder books both sides of an entry at once, so the ledgers of every interval add up by themselves. Which slots
    /// they are is not looked at: one that waited before may have been started, and another one wait instead.
    fn ledgers_add_up(&self) -> Result<(), SnapshotFault> {
        let requests = |what, number: &u32, ledger: &crate::RequestLedger| {
            ledger.check().map_err(|_| SnapshotFault::Unbalanced { what, number: *number })
        };
        for (slot, step) in &self.steps {
            requests("step slot", slot, &step.requests)?;
        }
        for (slot, counts) in &self.scenarios {
            let both = [&counts.iterations, &counts.warm_up_iterations];
            if both.iter().any(|ledger| ledger.check_counts().is_err()) {
                return Err(SnapshotFault::Unbalanced { what: "scenario slot", number: *slot });
            }
            requests("scenario slot", slot, &counts.warm_up_requests)?;
        }
        Ok(())
    }

    /// Looks for what no recorder would have made, whatever its layout: afterwards no sum within the snapshot overflows.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), SnapshotFault> {
        self.volume().map(|_| ())
    }

    /// As [`Snapshot::validate`], for every interval; gives [`Snapshot::volume`].
    pub(crate) fn volume_in(&self, layout: &Layout) -> Result<u64, SnapshotFault> {
        let (expected, found) = (layout.shape_hash(), self.shape_hash);
        if expected != found {
            return Err(ShapeMismatch { expected, found }.into());
        }
        let below = |what, highest: Option<&u32>, count: usize| match highest {
            Some(number) if *number as usize >= count => {
                Err(SnapshotFault::NoSuch { what, number: *number, highest: count as i64 - 1 })
            }
            _ => Ok(()),
        };
        below("step slot", self.steps.keys().next_back(), layout.step_slots())?;
        below("scenario slot", self.scenarios.keys().next_back(), layout.scenario_slots())?;
        below("check", self.checks.keys().next_back(), layout.catalog().checks.len())?;
        below("histogram", self.histograms.keys().next_back(), layout.series())?;
        for (series, histogram) in &self.histograms {
            let fits = histogram.check_shape(layout.shape_of(*series as usize));
            fits.map_err(|source| SnapshotFault::Histogram { series: *series, source })?;
        }
        self.volume()
    }

    /// All that is counted in it, added up: no sum of some of it is above that.
    fn volume(&self) -> Result<u64, SnapshotFault> {
        let (first, last) = (self.first, self.last);
        if first > last {
            return Err(SnapshotFault::Intervals { first, last, latest: u32::MAX });
        }
        if let Some(at) = self.gauges.keys().find(|at| !(first..=last).contains(at)) {
            return Err(SnapshotFault::Levels { first, last, at: *at });
        }
        if let Some(number) = self.activity.keys().next_back().filter(|thread| **thread >= Self::MAX_THREADS)
        {
            let highest = i64::from(Self::MAX_THREADS) - 1;
            return Err(SnapshotFault::NoSuch { what: "thread", number: *number, highest });
        }
        for step in self.steps.values() {
            if let Some(status) = step.statuses.keys().find(|status| !(100..1_000).contains(*status)) {
                let number = u32::from(*status);
                return Err(SnapshotFault::NoSuch { what: "status", number, highest: 999 });
            }
        }
        let mut sum = Volume::default();
        sum.add(self.coalesced);
        for step in self.steps.values() {
            sum.add_requests(&step.requests);
            sum.add_all([step.sent_bytes, step.received_bytes]);
            sum.add_all(step.statuses.values().copied());
        }
        for scenario in self.scenarios.values() {
            sum.add_iterations(&scenario.iterations);
            sum.add_iterations(&scenario.warm_up_iterations);
            sum.add_requests(&scenario.warm_up_requests);
        }
        for check in self.checks.values() {
            sum.add_all([check.passed, check.failed]);
        }
        for (series, histogram) in &self.histograms {
            let is_one = histogram.check();
            is_one.map_err(|source| SnapshotFault::Histogram { series: *series, source })?;
            sum.add(histogram.moments().count);
        }
        for did in self.activity.values() {
            sum.add_all([did.connections_opened, did.connections_reused]);
        }
        sum.within_limit()
    }
}

/// A sum that cannot overflow.
#[derive(Default)]
struct Volume(u128);

impl Volume {
    fn add(&mut self, count: u64) {
        // 2^64 of the highest numbers fit.
        self.0 += u128::from(count);
    }

    fn add_all(&mut self, counts: impl IntoIterator<Item = u64>) {
        counts.into_iter().for_each(|count| self.add(count));
    }

    fn add_requests(&mut self, ledger: &crate::RequestLedger) {
        self.add_all([ledger.attempted, ledger.succeeded, ledger.cancelled, ledger.resent]);
        self.add_all(ledger.failed);
        self.add(ledger.in_flight.unsigned_abs());
    }

    fn add_iterations(&mut self, ledger: &crate::IterationLedger) {
        let tallies = [&ledger.due, &ledger.started].into_iter().chain(&ledger.dropped).chain(&ledger.unsent);
        self.add_all(tallies.map(|tally| tally.count));
        self.add_all([ledger.unaccounted, ledger.succeeded, ledger.failed, ledger.cancelled]);
        self.add_all([ledger.waiting.unsigned_abs(), ledger.in_flight.unsigned_abs()]);
    }

    /// Half of what 64 bits hold, since some sums have a sign.
    fn within_limit(self) -> Result<u64, SnapshotFault> {
        i64::try_from(self.0).map(i64::unsigned_abs).map_err(|_| SnapshotFault::TooMuch)
    }
}

/// `volume`, that of everything added before, and `more`, as long as it is within the limit.
pub(crate) fn grown(volume: u64, more: u64) -> Result<u64, SnapshotFault> {
    Volume(u128::from(volume) + u128::from(more)).within_limit()
}

impl Activity {
    /// The sum with `other`, unless a time of it would be more than is counted to.
    pub(crate) fn checked_add(&self, other: &Self) -> Result<Self, SnapshotFault> {
        let times = [
            (self.busy, other.busy),
            (self.cpu, other.cpu),
            (self.stalled, other.stalled),
            (self.wall, other.wall),
        ];
        if times.iter().any(|(mine, theirs)| mine.as_u64().checked_add(theirs.as_u64()).is_none()) {
            return Err(SnapshotFault::TooMuch);
        }
        let mut sum = *self;
        sum.merge(other);
        Ok(sum)
    }
}

impl SparseHistogram {
    /// Makes one of what is known exactly of some values and of the buckets they are in, as (index, count) in ascending
    /// order. Its shape is looked at where it is added up.
    ///
    /// # Errors
    /// When the buckets are out of order or empty, or hold another number of values.
    pub fn from_parts(moments: Moments, counts: Vec<(u32, u64)>) -> Result<Self, HistogramFault> {
        let histogram = Self { moments, counts };
        histogram.check()?;
        Ok(histogram)
    }

    fn check(&self) -> Result<(), HistogramFault> {
        let mut found = 0_u64;
        for (place, (index, count)) in self.counts.iter().enumerate() {
            if let Some((before, _)) = place.checked_sub(1).map(|place| self.counts[place])
                && before >= *index
            {
                return Err(HistogramFault::Order { index: *index, before });
            }
            if *count == 0 {
                return Err(HistogramFault::Empty { index: *index });
            }
            found = found.saturating_add(*count);
        }
        // A sum that overflowed is no count: `u64::MAX` values are above what is counted to.
        if found != self.moments.count || found == u64::MAX {
            return Err(HistogramFault::Count { found, count: self.moments.count });
        }
        Ok(())
    }

    /// What can only be said of buckets in order that hold something, which [`SparseHistogram::check`] makes sure of too:
    /// either may come first.
    fn check_shape(&self, shape: Shape) -> Result<(), HistogramFault> {
        let Moments { count, sum, min, max, overflow } = self.moments;
        let (Some((lowest, _)), Some((highest, in_highest))) = (self.counts.first(), self.counts.last())
        else {
            let is_empty = self.moments == *Histogram::new(shape).moments();
            return if is_empty { Ok(()) } else { Err(HistogramFault::Moments) };
        };
        if let Some((index, _)) = self.counts.iter().find(|(index, _)| *index as usize >= shape.buckets()) {
            return Err(HistogramFault::NoBucket { index: *index, buckets: shape.buckets() });
        }
        let (count, low, high) = (u128::from(count), u128::from(min), u128::from(max));
        // Each product is below 2^128: both factors are below 2^64.
        let are_theirs = min <= max
            && shape.index_of(min) == *lowest as usize
            && shape.index_of(max) == *highest as usize
            && (count * low..=count * high).contains(&sum)
            && overflow <= *in_highest
            && (overflow > 0) == (max > Shape::LIMIT);
        if are_theirs { Ok(()) } else { Err(HistogramFault::Moments) }
    }
}

#[cfg(test)]
mod tests;
