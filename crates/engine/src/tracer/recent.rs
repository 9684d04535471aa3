//! The response times of one scenario's last seconds.

use std::mem;

use metrics::Shape;
use units::Nanos;

/// Response times of the last five to ten seconds, within 1 %: those of the present five seconds and of the five before.
#[derive(Debug, Default)]
pub(super) struct RecentTimes {
    present: Generation,
    before: Generation,
}

#[derive(Debug)]
struct Generation {
    /// By bucket.
    counts: Box<[u32]>,
    count: u64,
    seconds: u32,
}

impl Default for Generation {
    fn default() -> Self {
        Self { counts: vec![0; SHAPE.buckets()].into_boxed_slice(), count: 0, seconds: 0 }
    }
}

impl RecentTimes {
    /// Adds the response time of an iteration.
    ///
    /// # Cost
    /// About 2 ns.
    #[inline]
    pub(super) fn add(&mut self, response_time: Nanos) {
        self.present.counts[SHAPE.index_of(response_time.as_u64())] += 1;
        self.present.count += 1;
    }

    /// Notes that the times added since this was last done are those of `seconds`.
    pub(super) fn pass(&mut self, seconds: u32) {
        self.present.seconds += seconds;
    }

    /// Times added in a second, on average.
    pub(super) fn per_second(&self) -> f64 {
        self.count() as f64 / f64::from((self.present.seconds + self.before.seconds).max(1))
    }

    /// The highest time that is not above `quantile` of them all; without end where there are too few to say.
    ///
    /// # Cost
    /// A walk over 3,840 buckets: some microseconds.
    pub(super) fn bound(&self, quantile: f64) -> Nanos {
        if self.count() < ENOUGH {
            return Nanos::MAX;
        }
        let rank = (quantile * self.count() as f64).ceil() as u64;
        let mut reached = 0;
        let both = self.present.counts.iter().zip(&self.before.counts);
        let last = both.map(|(present, before)| u64::from(*present) + u64::from(*before)).position(|count| {
            reached += count;
            reached >= rank.max(1)
        });
        last.map_or(Nanos::MAX, |bucket| Nanos::new(SHAPE.highest_of(bucket)))
    }

    /// Forgets the times before the present ones, once these are of five seconds.
    pub(super) fn forget(&mut self) {
        if self.present.seconds >= GENERATION_SECONDS {
            mem::swap(&mut self.present, &mut self.before);
            self.present.counts.fill(0);
            (self.present.count, self.present.seconds) = (0, 0);
        }
    }

    fn count(&self) -> u64 {
        self.present.count + self.before.count
    }
}

/// Buckets of 1 %: 15 KiB a generation.
const SHAPE: Shape = Shape::COARSE;

/// The running quantile covers at least as many seconds, and at most twice as many.
const GENERATION_SECONDS: u32 = 5;

/// With fewer times a high quantile is one of the highest of them, whatever they are.
const ENOUGH: u64 = 100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(millis: u64) -> Nanos {
        Nanos::from_millis(millis)
    }

    /// Adds `count` times of a second, each `time`, and gives the bound at `quantile`.
    fn second(recent: &mut RecentTimes, count: u64, time: Nanos, quantile: f64) -> Nanos {
        (0..count).for_each(|_| recent.add(time));
        recent.pass(1);
        let bound = recent.bound(quantile);
        recent.forget();
        bound
    }

    #[test]
    fn a_few_times_have_no_bound() {
        let mut recent = RecentTimes::default();
        assert_eq!(second(&mut recent, ENOUGH - 1, millis(10), 0.5), Nanos::MAX);
        let bound = second(&mut recent, 1, millis(10), 0.99);
        assert!((millis(10)..millis(11)).contains(&bound), "{bound}");
    }

    #[test]
    fn what_is_ten_seconds_old_is_forgotten() {
        let mut recent = RecentTimes::default();
        second(&mut recent, 10_000, millis(900), 0.99);
        let bounds: Vec<_> =
            (0..12).map(|_| second(&mut recent, 100, millis(10), 0.5) < millis(11)).collect();
        // The first second, the four of its generation and the five of the next one.
        assert_eq!(bounds, [vec![false; 9], vec![true; 3]].concat());
        assert!((recent.per_second() - 100.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn no_more_than_its_part_is_above_a_bound(
            times in proptest::collection::vec(1..10_000_000_000_u64, 100..500),
            quantile in 0.0..=1.0_f64,
        ) {
            let mut recent = RecentTimes::default();
            times.iter().for_each(|time| recent.add(Nanos::new(*time)));
            let bound = recent.bound(quantile).as_u64();
            let above = times.iter().filter(|time| **time > bound).count() as f64;
            prop_assert!(above <= (1.0 - quantile) * times.len() as f64 + 1e-6);
            // And it is no higher than it must be: with its own bucket there are too many.
            let from = SHAPE.lowest_of(SHAPE.index_of(bound));
            let from = times.iter().filter(|time| **time >= from).count() as f64;
            prop_assert!(from >= (1.0 - quantile) * times.len() as f64 - 1e-6);
        }
    }
}
