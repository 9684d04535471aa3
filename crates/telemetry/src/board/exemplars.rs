//! Requests that stand for others: the latest one of each classic bucket.

use std::collections::BTreeMap;

use metrics::TraceContext;
use units::Nanos;

use crate::prometheus::classic;

/// Which series a request is an example of: its step's slot, whether it succeeded, and the time.
pub(crate) type Key = (usize, bool, Time);

/// A time that has examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Time {
    /// Completion less intended start.
    Response,
    /// Completion less actual start.
    Service,
}

/// An example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exemplar {
    /// The time it took.
    pub(crate) value: Nanos,
    /// Its end, in nanoseconds since the beginning of 1970.
    pub(crate) at_unix_nanos: u64,
    /// The request's span.
    pub(crate) context: TraceContext,
    /// Whether it was in no answer yet.
    is_fresh: bool,
}

/// All examples of a run: of each series, one for each classic bucket.
#[derive(Debug, Default)]
pub(super) struct Exemplars {
    kept: BTreeMap<Key, [Option<Exemplar>; classic::BUCKETS]>,
}

impl Exemplars {
    pub(super) fn keep(&mut self, key: Key, at_unix_nanos: u64, value: Nanos, context: TraceContext) {
        let kept = self.kept.entry(key).or_insert([None; classic::BUCKETS]);
        kept[classic::bucket_of(value)] = Some(Exemplar { value, at_unix_nanos, context, is_fresh: true });
    }

    /// Those of a series, in the order of their times.
    pub(super) fn of(&self, key: Key, fresh_only: bool) -> Vec<Exemplar> {
        let kept = self.kept.get(&key).into_iter().flatten().flatten();
        kept.filter(|exemplar| exemplar.is_fresh || !fresh_only).copied().collect()
    }

    /// Marks all as handed out.
    pub(super) fn hand_out(&mut self) {
        for exemplar in self.kept.values_mut().flatten().flatten() {
            exemplar.is_fresh = false;
        }
    }
}
