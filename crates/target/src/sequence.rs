//! Which request of its kind a request is.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether request `index` is among those that fail at a rate of `failing` in a million.
///
/// Of the first n requests exactly ⌊n × rate⌋ fail, evenly spread: at 100,000 every tenth, first the one of index 9.
pub fn fails(failing_per_million: u32, index: u64) -> bool {
    let failed_before = |n: u64| u128::from(n) * u128::from(failing_per_million) / 1_000_000;
    failed_before(index + 1) > failed_before(index)
}

/// The parameters that make a sequence of its own: the endpoint and its two numbers.
pub(crate) type SequenceKey = (&'static str, u64, u64);

/// A counter for each endpoint with each of its parameters, so that clients with different ones do not shift each
/// other's sequences.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    next: Mutex<HashMap<SequenceKey, u64>>,
}

/// Beyond so many sets of parameters all further ones of an endpoint share a sequence: memory stays bounded.
const MAX_SEQUENCES: usize = 1_024;

impl Sequences {
    /// Takes the next index, from 0.
    pub(crate) fn take(&self, key: SequenceKey) -> u64 {
        let mut next = self.lock();
        let shared = (key.0, u64::MAX, u64::MAX);
        let key = if next.len() < MAX_SEQUENCES || next.contains_key(&key) { key } else { shared };
        let index = next.entry(key).or_default();
        *index += 1;
        *index - 1
    }

    /// Starts every sequence anew.
    pub(crate) fn reset(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SequenceKey, u64>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_declared_share_fails() {
        for (per_million, n, failed) in
            [(100_000, 1_000, 100), (290_000, 100, 29), (0, 50, 0), (1_000_000, 50, 50)]
        {
            let count = (0..n).filter(|i| fails(per_million, *i)).count();
            assert_eq!(count, failed, "{per_million} per million of {n}");
        }
        assert_eq!((0..20).filter(|i| fails(100_000, *i)).collect::<Vec<_>>(), [9, 19]);
    }

    #[test]
    fn each_set_of_parameters_counts_for_itself() {
        let sequences = Sequences::default();
        assert_eq!(sequences.take(("a", 1, 0)), 0);
        assert_eq!(sequences.take(("a", 1, 0)), 1);
        assert_eq!(sequences.take(("a", 2, 0)), 0);
        sequences.reset();
        assert_eq!(sequences.take(("a", 1, 0)), 0);
    }

    #[test]
    fn endless_parameters_do_not_take_endless_memory() {
        let sequences = Sequences::default();
        for n in 0..3 * MAX_SEQUENCES as u64 {
            sequences.take(("a", n, 0));
        }
        assert_eq!(sequences.lock().len(), MAX_SEQUENCES + 1);
        assert_eq!(sequences.take(("a", 0, 0)), 1, "known parameters keep their own");
    }
}
