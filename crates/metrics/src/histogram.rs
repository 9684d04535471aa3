//! Counts of many values: exact statistics beside a log-linear distribution.

use base64::Engine as _;
use hdrhistogram::Histogram as HdrHistogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};
use units::Nanos;

use crate::Shape;
use crate::sparse::SparseHistogram;

/// What is known exactly about recorded values, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moments {
    /// How many.
    pub count: u64,
    /// Their sum.
    #[serde(with = "crate::hex_u128")]
    pub sum: u128,
    /// The lowest; `u64::MAX` when there is none.
    pub min: u64,
    /// The highest; 0 when there is none.
    pub max: u64,
    /// How many were above [`Shape::LIMIT`] and so count in the last bucket.
    pub overflow: u64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { count: 0, sum: 0, min: u64::MAX, max: 0, overflow: 0 }
    }
}

impl Moments {
    /// Adds one value, but for its overflow.
    #[inline]
    pub(crate) fn record_one(&mut self, value: u64) {
        self.count += 1;
        self.sum += u128::from(value);
        // Branches, not conditional moves: a new extreme is rare, so they are predicted and nothing is stored.
        if value < self.min {
            self.min = value;
        }
        if value > self.max {
            self.max = value;
        }
    }

    /// Adds what is known of other values.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.overflow += other.overflow;
    }

    /// The mean, rounded down; `None` without values.
    pub fn mean(&self) -> Option<Nanos> {
        let mean = self.sum.checked_div(u128::from(self.count))?;
        Some(Nanos::new(u64::try_from(mean).unwrap_or(u64::MAX)))
    }
}

/// A histogram in which only the octaves that were ever used take memory (8 KiB each in the fine shape).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    shape: Shape,
    moments: Moments,
    blocks: Vec<Option<Box<[u64]>>>,
}

impl Histogram {
    /// Makes an empty histogram.
    pub fn new(shape: Shape) -> Self {
        Self { shape, moments: Moments::default(), blocks: Vec::new() }
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Count, sum, lowest and highest, exactly.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// Counts one value.
    pub fn record(&mut self, value: Nanos) {
        self.moments.record_one(value.as_u64());
        self.moments.overflow += u64::from(value.as_u64() > Shape::LIMIT);
        self.add(self.shape.index_of(value.as_u64()), 1);
    }

    /// Adds all values of `other`.
    ///
    /// # Panics
    /// When the shapes differ.
    pub fn merge(&mut self, other: &Self) {
        assert!(self.shape == other.shape, "only histograms of one shape add up");
        self.moments.merge(&other.moments);
        for (number, block) in other.blocks.iter().enumerate() {
            if let Some(block) = block {
                for (mine, theirs) in self.block(number).iter_mut().zip(block) {
                    *mine += theirs;
                }
            }
        }
    }

    /// Adds all values of `other`, which has this histogram's shape.
    pub(crate) fn merge_sparse(&mut self, other: &SparseHistogram) {
        self.moments.merge(other.moments());
        for (index, count) in other.counts() {
            self.add(index, count);
        }
    }

    /// The used buckets in a form that is kept or sent.
    pub(crate) fn to_sparse(&self) -> SparseHistogram {
        let counts = self.counts().map(|(index, count)| (index as u32, count));
        SparseHistogram::new(self.moments, counts.collect())
    }

    /// The buckets that hold something, in ascending order, as (index, count).
    pub fn counts(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let len = self.shape.block_len();
        let used =
            self.blocks.iter().enumerate().filter_map(|(number, block)| Some((number, block.as_deref()?)));
        used.flat_map(move |(number, block)| {
            block.iter().enumerate().map(move |(place, count)| (number * len + place, *count))
        })
        .filter(|(_, count)| *count > 0)
    }

    /// The same counts for tools of the field: index for index, without what only [`Moments`] know.
    pub fn to_hdr(&self) -> HdrHistogram<u64> {
        let (low, high) = Shape::HDR_BOUNDS;
        let mut hdr = HdrHistogram::new_with_bounds(low, high, self.shape.significant_digits())
            .expect("the bounds are constants that the shape's tests build with");
        for (index, count) in self.counts() {
            hdr.record_n(self.shape.lowest_of(index), count).expect("each bucket here is one there");
        }
        hdr
    }

    /// The histogram in HdrHistogram's compressed V2 encoding, as base64.
    ///
    /// What that encoding rounds (count apart, it knows only buckets) is exact in [`Histogram::moments`].
    pub fn to_base64(&self) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.to_hdr(), &mut bytes)
            .expect("a vector takes every byte, and the histogram has fewer than 2^31 buckets");
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    fn add(&mut self, index: usize, count: u64) {
        let len = self.shape.block_len();
        self.block(index / len)[index % len] += count;
    }

    fn block(&mut self, number: usize) -> &mut [u64] {
        if self.blocks.len() <= number {
            self.blocks.resize(number + 1, None);
        }
        let len = self.shape.block_len();
        self.blocks[number].get_or_insert_with(|| vec![0; len].into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(shape: Shape, values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new(shape);
        for value in values {
            histogram.record(Nanos::new(*value));
        }
        histogram
    }

    #[test]
    fn moments_are_exact() {
        let histogram = filled(Shape::FINE, &[1_000_001, 3, Shape::LIMIT + 7]);
        let moments = histogram.moments();
        assert_eq!((moments.count, moments.min, moments.max, moments.overflow), (3, 3, Shape::LIMIT + 7, 1));
        assert_eq!(moments.sum, u128::from(Shape::LIMIT) + 1_000_011);
        assert_eq!(moments.mean(), Some(Nanos::new((Shape::LIMIT + 1_000_011) / 3)));
        assert_eq!(Moments::default().mean(), None);
    }

    #[test]
    fn only_used_octaves_take_memory() {
        let histogram = filled(Shape::FINE, &[1_000_000_000, 1_000_100_000]);
        assert_eq!(histogram.blocks.iter().flatten().count(), 1);
    }

    proptest! {
        #[test]
        fn counts_convert_to_hdrhistogram_index_for_index(values in prop::collection::vec(0..Shape::LIMIT, 1..60)) {
            for shape in [Shape::FINE, Shape::COARSE] {
                let (low, high) = Shape::HDR_BOUNDS;
                let mut direct = HdrHistogram::<u64>::new_with_bounds(low, high, shape.significant_digits()).unwrap();
                for value in &values {
                    direct.record(*value).unwrap();
                }
                let converted = filled(shape, &values).to_hdr();
                let buckets = |hdr: &HdrHistogram<u64>| {
                    hdr.iter_recorded().map(|at| (at.value_iterated_to(), at.count_at_value())).collect::<Vec<_>>()
                };
                prop_assert_eq!(buckets(&converted), buckets(&direct));
                for quantile in [0.0, 0.5, 0.9, 0.999, 1.0] {
                    prop_assert_eq!(converted.value_at_quantile(quantile), direct.value_at_quantile(quantile));
                }
            }
        }

        #[test]
        fn merging_is_recording_in_one(
            left in prop::collection::vec(any::<u64>(), 0..50),
            right in prop::collection::vec(0_u64..10_000_000, 0..50),
        ) {
            let mut merged = filled(Shape::COARSE, &left);
            merged.merge(&filled(Shape::COARSE, &right));
            let together = filled(Shape::COARSE, &[left, right].concat());
            prop_assert_eq!(merged.moments(), together.moments());
            prop_assert!(merged.counts().eq(together.counts()));
        }
    }
}
