//! The log-linear layout of histograms: `hdrhistogram`'s, index for index.

use std::ops::Range;

/// Which values share a bucket.
///
/// Values are nanoseconds up to [`Shape::LIMIT`]. A bucket is 64 ns wide, or as wide as the significant digits of its
/// values allow. Octave by octave the width doubles; each octave is one block of buckets.
///
/// The formulas are those of HdrHistogram for `new_with_bounds(64, 1 h, digits)`; a test holds both against each
/// other, bucket for bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    significant_digits: u8,
    /// log2 of the buckets in a block: half of the smallest power of two that resolves the digits.
    block_magnitude: u32,
}

/// log2 of the lowest value told apart from zero: 64 ns.
const UNIT_MAGNITUDE: u32 = 6;
/// log2 of the first value that has no bucket: the octave that holds one hour ends at 73 minutes.
const LIMIT_MAGNITUDE: u32 = 42;

impl Shape {
    /// 3 significant digits, for response and service times.
    pub const FINE: Self = Self::new(3);
    /// 2 significant digits, for all other times.
    pub const COARSE: Self = Self::new(2);
    /// The highest value with a bucket of its own, about 73 minutes; what is above counts in the last bucket and as
    /// overflow.
    pub const LIMIT: u64 = (1 << LIMIT_MAGNITUDE) - 1;
    /// The bounds to give to `hdrhistogram`: 64 ns and one hour.
    pub(crate) const HDR_BOUNDS: (u64, u64) = (1 << UNIT_MAGNITUDE, 3_600_000_000_000);

    const fn new(significant_digits: u8) -> Self {
        let resolution = 2 * 10_u32.pow(significant_digits as u32);
        Self { significant_digits, block_magnitude: resolution.next_power_of_two().ilog2() - 1 }
    }

    /// Significant decimal digits.
    pub const fn significant_digits(self) -> u8 {
        self.significant_digits
    }

    /// Buckets in one block.
    pub const fn block_len(self) -> usize {
        1 << self.block_magnitude
    }

    /// Blocks in a histogram. The first two share a bucket width, each later one doubles it.
    pub const fn blocks(self) -> usize {
        (LIMIT_MAGNITUDE - UNIT_MAGNITUDE - self.block_magnitude + 1) as usize
    }

    /// Buckets in a histogram.
    pub const fn buckets(self) -> usize {
        self.blocks() << self.block_magnitude
    }

    /// Rows of a histogram in the ascending order of their values.
    ///
    /// A row is an octave: the first one is two blocks of buckets, each later one is one. Rows are numbered downwards
    /// to the first octave, number [`MAX_ROWS`] − 1: so a number is one of leading zeros, less a constant.
    pub(crate) fn rows(self) -> impl Iterator<Item = usize> {
        (0..self.blocks() - 1).map(|octave| MAX_ROWS - 1 - octave)
    }

    /// The sub-buckets of `row`, one bucket each.
    pub(crate) const fn sub_buckets(self, row: usize) -> Range<usize> {
        let lowest = if row == MAX_ROWS - 1 { 0 } else { self.block_len() };
        lowest..2 * self.block_len()
    }

    /// The bucket that sub-bucket `sub_bucket` of `row` is.
    pub(crate) const fn index_at(self, row: usize, sub_bucket: usize) -> usize {
        ((MAX_ROWS - 1 - row) << self.block_magnitude) + sub_bucket
    }

    /// The bucket of `value`.
    pub const fn index_of(self, value: u64) -> usize {
        let (row, sub_bucket) = self.locate(if value > Self::LIMIT { Self::LIMIT } else { value });
        self.index_at(row, sub_bucket)
    }

    /// The row of `value`, which is at most [`Shape::LIMIT`], and its sub-bucket there.
    ///
    /// # Cost
    /// Six integer instructions without a branch.
    #[inline(always)]
    pub(crate) const fn locate(self, value: u64) -> (usize, usize) {
        let sub_bucket_bits = self.block_magnitude + 1;
        // The mask lifts small values into the first octave.
        let mask = ((1_u64 << sub_bucket_bits) - 1) << UNIT_MAGNITUDE;
        let zeros = (value | mask).leading_zeros();
        let row = zeros as usize - (mask.leading_zeros() as usize - (MAX_ROWS - 1));
        // Shifted up to the highest bit and down again: shorter than the distance in between.
        (row, (value << zeros >> (u64::BITS - sub_bucket_bits)) as usize)
    }

    /// The lowest value of bucket `index`.
    pub const fn lowest_of(self, index: usize) -> u64 {
        let block = index >> self.block_magnitude;
        let octave = block.saturating_sub(1);
        ((index - (octave << self.block_magnitude)) as u64) << (octave as u32 + UNIT_MAGNITUDE)
    }

    /// The highest value of bucket `index`.
    pub const fn highest_of(self, index: usize) -> u64 {
        let octave = (index >> self.block_magnitude).saturating_sub(1) as u32;
        self.lowest_of(index) + ((1 << (octave + UNIT_MAGNITUDE)) - 1)
    }
}

/// No shape has more rows. A power of two: a place is found modulo it, which needs no check of bounds.
pub(crate) const MAX_ROWS: usize = 32;

const _: () = assert!(Shape::COARSE.blocks() <= MAX_ROWS && Shape::FINE.blocks() <= MAX_ROWS);

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    use super::*;

    fn hdr(shape: Shape) -> Histogram<u64> {
        let (low, high) = Shape::HDR_BOUNDS;
        Histogram::new_with_bounds(low, high, shape.significant_digits()).unwrap()
    }

    #[test]
    fn every_bucket_has_the_bounds_that_hdrhistogram_gives_it() {
        for shape in [Shape::FINE, Shape::COARSE] {
            let hdr = hdr(shape);
            assert_eq!(shape.buckets(), hdr.distinct_values());
            for (index, step) in hdr.iter_all().enumerate() {
                let highest = step.value_iterated_to();
                assert_eq!(shape.highest_of(index), highest);
                assert_eq!(shape.lowest_of(index), hdr.lowest_equivalent(highest));
                assert_eq!(shape.index_of(highest), index);
                assert_eq!(shape.index_of(shape.lowest_of(index)), index);
            }
            assert_eq!(shape.highest_of(shape.buckets() - 1), Shape::LIMIT);
        }
    }

    #[test]
    fn coarse_buckets_are_unions_of_fine_ones() {
        for index in 0..Shape::FINE.buckets() {
            assert_eq!(
                Shape::COARSE.index_of(Shape::FINE.lowest_of(index)),
                Shape::COARSE.index_of(Shape::FINE.highest_of(index))
            );
        }
    }

    #[test]
    fn what_is_above_the_limit_counts_in_the_last_bucket() {
        for shape in [Shape::FINE, Shape::COARSE] {
            assert_eq!(shape.index_of(Shape::LIMIT), shape.buckets() - 1);
            assert_eq!(shape.index_of(Shape::LIMIT + 1), shape.buckets() - 1);
            assert_eq!(shape.index_of(u64::MAX), shape.buckets() - 1);
        }
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_value_within_the_stated_width(bits in 0_u32..42, rest: u64) {
            let value = (1_u64 << bits) | (rest & ((1 << bits) - 1));
            for (shape, parts) in [(Shape::FINE, 1_000), (Shape::COARSE, 100)] {
                let index = shape.index_of(value);
                prop_assert!((shape.lowest_of(index)..=shape.highest_of(index)).contains(&value));
                let width = shape.highest_of(index) - shape.lowest_of(index) + 1;
                prop_assert!(width <= (value / parts).max(64), "{value} in a bucket of {width}");
            }
        }
    }
}
