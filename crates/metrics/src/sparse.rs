//! A histogram as the list of its used buckets: what travels and what is kept for long.

use serde::{Deserialize, Serialize};

use crate::histogram::Moments;

/// The used buckets of a histogram in ascending order, with its exact moments. The shape is known by the series it
/// belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SparseHistogram {
    pub(crate) moments: Moments,
    pub(crate) counts: Vec<(u32, u64)>,
}

impl SparseHistogram {
    /// Makes one of `moments` and `counts` in strictly ascending order of their indices, none of them zero.
    pub(crate) fn new(moments: Moments, counts: Vec<(u32, u64)>) -> Self {
        debug_assert!(counts.is_sorted_by(|a, b| a.0 < b.0), "buckets are in order");
        Self { moments, counts }
    }

    /// Count, sum, lowest and highest, exactly.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// The used buckets as (index, count).
    pub fn counts(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.counts.iter().map(|(index, count)| (*index as usize, *count))
    }

    /// Adds all values of `other`, which must have the same shape.
    pub fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        let mut merged = Vec::with_capacity(self.counts.len() + other.counts.len());
        let (mut left, mut right) = (self.counts.iter().peekable(), other.counts.iter().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) if l.0 == r.0 => (l.0, l.1 + r.1),
                (Some(l), Some(r)) if l.0 < r.0 => **l,
                (Some(l), None) => **l,
                (_, Some(r)) => **r,
                (None, None) => break,
            };
            left.next_if(|l| l.0 == next.0);
            right.next_if(|r| r.0 == next.0);
            merged.push(next);
        }
        self.counts = merged;
    }
}
