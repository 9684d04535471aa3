//! Weights over the time of a run, in bounded memory.

/// Weights by second, in blocks of equal length: a power of two of seconds, the shortest of which so many last for the
/// whole run. When there are too many, neighbours become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    most: usize,
    seconds: u32,
    sums: Vec<u64>,
}

/// A stretch of a run, in seconds from slot 0, and the part of the whole weight that fell into it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) share: f64,
}

impl Blocks {
    /// No weight at all; at most `most` blocks, of which there must be one at least.
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), seconds: 1, sums: Vec::new() }
    }

    /// Adds `weight` to a second; sums stop at the highest number there is.
    pub(crate) fn add(&mut self, second: u32, weight: u64) {
        while self.block_of(second) >= self.most {
            self.widen();
        }
        let block = self.block_of(second);
        if self.sums.len() <= block {
            self.sums.resize(block + 1, 0);
        }
        self.sums[block] = self.sums[block].saturating_add(weight);
    }

    /// Adds the weights of `other`, which has as many blocks at most.
    pub(crate) fn merge(&mut self, other: &Self) {
        while self.seconds < other.seconds {
            self.widen();
        }
        for (block, weight) in (0..).zip(&other.sums) {
            self.add(block * other.seconds, *weight);
        }
    }

    /// The whole weight.
    pub(crate) fn total(&self) -> u64 {
        self.sums.iter().fold(0, |sum, weight| sum.saturating_add(*weight))
    }

    /// The shortest stretch that `part` of the whole weight fell into, the earliest of several; `None` without weight.
    pub(crate) fn span(&self, part: f64) -> Option<Span> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let wanted = total as f64 * part;
        let mut best: Option<(usize, usize, u64)> = None;
        let (mut first, mut inside) = (0, 0_u64);
        for (last, weight) in self.sums.iter().enumerate() {
            inside = inside.saturating_add(*weight);
            while (inside - self.sums[first]) as f64 >= wanted && first < last {
                inside -= self.sums[first];
                first += 1;
            }
            let is_shorter = best.is_none_or(|(from, to, _)| last - first < to - from);
            if inside as f64 >= wanted && is_shorter {
                best = Some((first, last, inside));
            }
        }
        let (first, last, inside) = best?;
        let seconds = u64::from(self.seconds);
        Some(Span {
            from: first as u64 * seconds,
            to: (last as u64 + 1) * seconds,
            share: inside as f64 / total as f64,
        })
    }

    fn block_of(&self, second: u32) -> usize {
        (second / self.seconds) as usize
    }

    fn widen(&mut self) {
        self.seconds *= 2;
        self.sums = self
            .sums
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |sum, weight| weight.saturating_add(sum)))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn of(most: usize, weights: &[(u32, u64)]) -> Blocks {
        let mut blocks = Blocks::new(most);
        weights.iter().for_each(|(second, weight)| blocks.add(*second, *weight));
        blocks
    }

    #[test]
    fn the_span_is_the_shortest_with_most_of_the_weight() {
        let check = |weights: &[(u32, u64)], expected: (u64, u64, f64)| {
            let span = of(128, weights).span(0.9).unwrap();
            assert_eq!((span.from, span.to, span.share), expected, "{weights:?}");
        };
        check(&[(3, 1)], (3, 4, 1.0));
        check(&[(0, 1), (10, 5), (11, 5), (12, 8), (40, 1)], (10, 13, 0.9));
        check(&[(0, 10), (9, 10)], (0, 10, 1.0));
        assert_eq!(of(8, &[]).span(0.9), None);
        assert_eq!(of(8, &[(3, 0)]).span(0.9), None);
    }

    #[test]
    fn a_long_run_has_long_blocks() {
        let span = of(4, &[(0, 1), (1_000_000, 99)]).span(0.9).unwrap();
        assert_eq!((span.from, span.to), (786_432, 1_048_576));
        assert_eq!(of(4, &[(u32::MAX, 7)]).total(), 7);
    }

    proptest! {
        #[test]
        fn weights_are_the_same_in_any_order_and_grouping(
            most in 1_usize..9,
            (weights, shuffled) in vec((0_u32..5_000, 0_u64..9), 0..40)
                .prop_flat_map(|weights| (Just(weights.clone()), Just(weights).prop_shuffle())),
            cut in 0_usize..40,
        ) {
            let whole = of(most, &weights);
            prop_assert!(whole.sums.len() <= most);
            prop_assert_eq!(whole.total(), weights.iter().map(|(_, weight)| weight).sum::<u64>());
            prop_assert_eq!(&of(most, &shuffled), &whole);
            let (left, right) = weights.split_at(cut.min(weights.len()));
            let mut merged = of(most, left);
            merged.merge(&of(most, right));
            prop_assert_eq!(merged, whole);
        }
    }
}
