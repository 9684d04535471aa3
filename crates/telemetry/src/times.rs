//! Times in every form in which they are told, made of our histograms without a copy of them.

use metrics::{Histogram, Moments};

use crate::exponential::Exponential;
use crate::prometheus::classic;

/// How often which times were seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Times {
    /// Count, sum, lowest and highest, exactly.
    pub(crate) moments: Moments,
    /// In buckets with exponential bounds.
    pub(crate) exponential: Exponential,
    /// In buckets with explicit bounds.
    pub(crate) classic: [u64; classic::BUCKETS],
}

impl Times {
    /// Of the values of some histograms.
    ///
    /// # Cost
    /// A few nanoseconds for each used bucket.
    pub(crate) fn of<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Self {
        let mut times = Self::default();
        for histogram in histograms {
            let of = Self {
                moments: *histogram.moments(),
                exponential: Exponential::of(histogram),
                classic: classic::counts(histogram),
            };
            times.merge(&of);
        }
        times
    }

    /// Adds other times.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        self.exponential.merge(&other.exponential);
        for (mine, theirs) in self.classic.iter_mut().zip(other.classic) {
            *mine += theirs;
        }
    }

    /// Their sum in seconds.
    pub(crate) fn sum(&self) -> f64 {
        self.moments.sum as f64 / 1e9
    }
}
