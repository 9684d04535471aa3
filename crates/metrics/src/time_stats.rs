//! Statistics of times, some of which are only lower bounds.

use std::fmt;

use units::Nanos;

use crate::outcome::Ending;
use crate::{Histogram, Layout, Moments, Shape, ShapeMismatch, Snapshot, StepTime};

/// Which outcomes a view of times takes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcomes {
    /// All of them: the default view.
    #[default]
    Both,
    /// Only what succeeded.
    Succeeded,
    /// Only what failed, timed out or was cancelled.
    Failed,
}

impl Outcomes {
    pub(crate) fn endings(self) -> &'static [Ending] {
        match self {
            Self::Both => &Ending::ALL,
            Self::Succeeded => &[Ending::Succeeded],
            Self::Failed => &[Ending::Failed, Ending::Censored],
        }
    }
}

/// A statistic of times, with what is not known about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The statistic of the times as they were recorded. Censored times are lower bounds, and so is this.
    pub value: Nanos,
    /// The highest it can be, however long the censored times would have become; `None` when there is no limit.
    pub at_most: Option<Nanos>,
}

impl Estimate {
    /// A statistic that no censored time touches.
    pub const fn exact(value: Nanos) -> Self {
        Self { value, at_most: Some(value) }
    }

    /// Whether [`Estimate::value`] is only a lower bound; such values print with `≥`.
    pub fn is_lower_bound(&self) -> bool {
        self.at_most != Some(self.value)
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_lower_bound() {
            f.write_str("≥")?;
        }
        write!(f, "{}", self.value)
    }
}

/// The times of one view: exact ones, and the ages at which others were given up (*censored*).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeStats {
    exact: Histogram,
    censored: Histogram,
}

impl TimeStats {
    /// Makes statistics of no times.
    pub fn new(shape: Shape) -> Self {
        Self { exact: Histogram::new(shape), censored: Histogram::new(shape) }
    }

    /// Adds times that ended in one way.
    pub(crate) fn merge(&mut self, ending: Ending, times: &Histogram) {
        match ending {
            Ending::Succeeded | Ending::Failed => self.exact.merge(times),
            Ending::Censored => self.censored.merge(times),
        }
    }

    /// Adds all times of `other`.
    ///
    /// # Panics
    /// When the shapes differ.
    pub fn add(&mut self, other: &Self) {
        self.exact.merge(&other.exact);
        self.censored.merge(&other.censored);
    }

    /// Adds one time of all steps from a snapshot that totals of `layout` have taken.
    ///
    /// # Errors
    /// When another layout recorded it; nothing is added then.
    pub fn add_steps(
        &mut self,
        snapshot: &Snapshot,
        layout: &Layout,
        time: StepTime,
    ) -> Result<(), ShapeMismatch> {
        let (expected, found) = (layout.shape_hash(), snapshot.shape_hash);
        if expected != found {
            return Err(ShapeMismatch { expected, found });
        }
        let endings = if time.is_split() { &Ending::ALL[..] } else { &[Ending::Succeeded] };
        for slot in 0..layout.step_slots() {
            for ending in endings {
                let Some(times) = snapshot.histograms.get(&(layout.step_series(slot, time, *ending) as u32))
                else {
                    continue;
                };
                match ending {
                    Ending::Succeeded | Ending::Failed => self.exact.merge_sparse(times),
                    Ending::Censored => self.censored.merge_sparse(times),
                }
            }
        }
        Ok(())
    }

    /// How many times there are, censored ones included.
    pub fn count(&self) -> u64 {
        self.exact.moments().count + self.censored.moments().count
    }

    /// How many of them are lower bounds.
    pub fn censored(&self) -> u64 {
        self.censored.moments().count
    }

    /// Count, sum, lowest and highest of all times as recorded.
    pub fn moments(&self) -> Moments {
        let mut moments = *self.exact.moments();
        moments.merge(self.censored.moments());
        moments
    }

    /// The lowest time; `None` without times.
    pub fn min(&self) -> Option<Estimate> {
        let exact = self.exact.moments();
        let at_most = (exact.count > 0).then(|| Nanos::new(exact.min));
        (self.count() > 0).then(|| Estimate { value: Nanos::new(self.moments().min), at_most })
    }

    /// The mean, rounded down; `None` without times.
    pub fn mean(&self) -> Option<Estimate> {
        self.moments().mean().map(|value| self.unless_censored(value))
    }

    /// The highest time; `None` without times.
    pub fn max(&self) -> Option<Estimate> {
        (self.count() > 0).then(|| self.unless_censored(Nanos::new(self.moments().max)))
    }

    fn unless_censored(&self, value: Nanos) -> Estimate {
        Estimate { value, at_most: (self.censored() == 0).then_some(value) }
    }

    /// The time that the part `quantile` (0 to 1) of all times does not exceed: that of rank ⌈quantile · count⌉, at
    /// least 1. `None` without times.
    ///
    /// It is the upper end of that time's bucket, as in HdrHistogram, but within the lowest and highest time. It is
    /// a lower bound if moving censored times upwards could move it: if fewer than *rank* exact times lie in its
    /// bucket or below.
    pub fn quantile(&self, quantile: f64) -> Option<Estimate> {
        let count = self.count();
        let moments = self.moments();
        if count == 0 {
            return None;
        }
        // 0.07 · 100 is 7.000000000000001 in binary fractions, and its rank is 7.
        let rank = (quantile.clamp(0.0, 1.0) * count as f64 * (1.0 - 1e-12)).ceil().max(1.0) as u64;
        let bucket = bucket_of_rank(self.all_counts(), rank);
        let value = self.value_of(bucket, &moments);
        let exact = self.exact.moments();
        let at_most = (rank <= exact.count).then(|| {
            let highest = bucket_of_rank(self.exact.counts(), rank);
            if highest == bucket { value } else { self.value_of(highest, exact) }
        });
        Some(Estimate { value, at_most })
    }

    /// All times as a histogram for tools of the field.
    pub fn to_hdr(&self) -> hdrhistogram::Histogram<u64> {
        self.all().to_hdr()
    }

    /// All times in the encoding of [`Histogram::to_base64`].
    pub fn to_base64(&self) -> String {
        self.all().to_base64()
    }

    fn all(&self) -> Histogram {
        let mut all = self.exact.clone();
        all.merge(&self.censored);
        all
    }

    /// The used buckets of both kinds, in ascending order; a bucket of both comes twice.
    fn all_counts(&self) -> impl Iterator<Item = (usize, u64)> {
        let mut exact = self.exact.counts().peekable();
        let mut censored = self.censored.counts().peekable();
        std::iter::from_fn(move || match (exact.peek(), censored.peek()) {
            (Some(left), Some(right)) if left.0 > right.0 => censored.next(),
            (Some(_), _) => exact.next(),
            (None, _) => censored.next(),
        })
    }

    fn value_of(&self, bucket: usize, moments: &Moments) -> Nanos {
        let shape = self.exact.shape();
        let is_overflow = moments.overflow > 0 && bucket + 1 == shape.buckets();
        let highest = if is_overflow { moments.max } else { shape.highest_of(bucket) };
        Nanos::new(highest.clamp(moments.min, moments.max))
    }
}

/// The bucket that holds the `rank`th value, counted from 1; the last used one if there are fewer.
fn bucket_of_rank(counts: impl Iterator<Item = (usize, u64)>, rank: u64) -> usize {
    let mut seen = 0;
    let mut bucket = 0;
    for (index, count) in counts {
        bucket = index;
        seen += count;
        if seen >= rank {
            break;
        }
    }
    bucket
}

#[cfg(test)]
mod tests;
