//! Our histograms in buckets with exponential bounds, as OTLP and Prometheus' native histograms have them.
//!
//! All values of one of our buckets go where its upper end belongs. So the form does not depend on what else was measured,
//! and forms add up as the histograms do. Buckets of scale 5 grow by 2^(1/32): a quantile taken from them is off by at
//! most 2.2 % of a value, plus the width of our own bucket (0.1 % or 64 ns for response and service times, 1 % or 64 ns
//! for the others).

use std::sync::LazyLock;

use metrics::{Histogram, Shape};

/// The scale: buckets grow by 2^(2^−scale). Prometheus takes −4 to 8.
pub(crate) const SCALE: i32 = 5;
/// Values up to this count as zero, in seconds: 59.6 ns, just under what our histograms tell from zero, and a bound of
/// buckets at every scale.
pub(crate) const ZERO_THRESHOLD: f64 = 1.0 / (1 << 24) as f64;

/// A histogram in that form.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Exponential {
    /// Values that count as zero.
    pub(crate) zero_count: u64,
    /// The used buckets in ascending order, as (index, count): bucket `i` is (2^(i/32), 2^((i+1)/32)].
    pub(crate) buckets: Vec<(i32, u64)>,
}

impl Exponential {
    /// Of times, in seconds.
    ///
    /// # Cost
    /// A look-up for each used bucket.
    pub(crate) fn of(times: &Histogram) -> Self {
        let places = if times.shape() == Shape::FINE { &*FINE } else { &*COARSE };
        let mut form = Self::default();
        for (bucket, count) in times.counts() {
            match (places[bucket], form.buckets.last_mut()) {
                (ZERO, _) => form.zero_count += count,
                (index, Some((last, sum))) if *last == i32::from(index) => *sum += count,
                (index, _) => form.buckets.push((i32::from(index), count)),
            }
        }
        form
    }

    /// Adds another one.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.zero_count += other.zero_count;
        for (index, count) in &other.buckets {
            match self.buckets.binary_search_by_key(index, |(index, _)| *index) {
                Ok(place) => self.buckets[place].1 += count,
                Err(place) => self.buckets.insert(place, (*index, *count)),
            }
        }
    }
}

/// Where the values of each of our buckets go, by shape: its logarithm would be most of the cost of a page.
static FINE: LazyLock<Vec<i16>> = LazyLock::new(|| places(Shape::FINE));
static COARSE: LazyLock<Vec<i16>> = LazyLock::new(|| places(Shape::COARSE));
/// In place of an index: the values count as zero.
const ZERO: i16 = i16::MIN;

fn places(shape: Shape) -> Vec<i16> {
    let seconds = (0..shape.buckets()).map(|bucket| shape.highest_of(bucket) as f64 / 1e9);
    seconds.map(|seconds| if seconds <= ZERO_THRESHOLD { ZERO } else { index_of(seconds) }).collect()
}

/// The bucket of a value above zero, up to our highest (2^12.1 s): it is within ±800.
fn index_of(seconds: f64) -> i16 {
    (seconds.log2() * f64::from(1 << SCALE)).ceil() as i16 - 1
}

#[cfg(test)]
mod tests;
