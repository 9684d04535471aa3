//! How long to wait before the next attempt.

use units::{Nanos, Timestamp};

/// Waits that grow with every failure and are spread at random, so that workers that lost their controller together do
/// not come back together ("full jitter").
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    state: u64,
    failures: u32,
}

impl Backoff {
    /// The shortest wait, so that no attempt follows a refusal at once.
    pub(crate) const SHORTEST: Nanos = Nanos::from_millis(100);
    /// The longest wait.
    pub(crate) const LONGEST: Nanos = Nanos::from_secs(5);

    /// Draws from the numbers that follow from `seed`.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { state: seed, failures: 0 }
    }

    /// An attempt failed at `now`; returns when to make the next one.
    pub(crate) fn next(&mut self, now: Timestamp) -> Timestamp {
        self.failures = self.failures.saturating_add(1);
        let (shortest, longest) = (Self::SHORTEST.as_u64(), Self::LONGEST.as_u64());
        let highest = shortest.saturating_mul(1 << self.failures.min(16)).min(longest);
        now + Nanos::new(shortest + self.draw() % (highest - shortest + 1))
    }

    /// An attempt succeeded.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next number of the generator (SplitMix64).
    pub(crate) fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_are_spread() {
        let mut waits = Vec::new();
        for seed in 0..200 {
            let mut backoff = Backoff::seeded(seed);
            let now = Timestamp::from_nanos(7);
            waits.push((0..12).map(|_| backoff.next(now).saturating_since(now)).collect::<Vec<_>>());
            backoff.reset();
            assert!(
                backoff.next(now).saturating_since(now) <= Nanos::from_millis(200),
                "as at the first time"
            );
        }
        for attempt in 0..12 {
            let of_attempt = || waits.iter().map(|waits| waits[attempt]);
            let highest = Nanos::from_millis(100 * (2 << attempt)).min(Backoff::LONGEST);
            assert!(of_attempt().all(|wait| (Backoff::SHORTEST..=highest).contains(&wait)));
            let middle = Nanos::new(highest.as_u64().midpoint(Backoff::SHORTEST.as_u64()));
            let early = of_attempt().filter(|wait| *wait < middle).count();
            assert!((50..150).contains(&early), "{early} of 200 in the first half of attempt {attempt}");
        }
    }

    #[test]
    fn the_same_seed_waits_the_same() {
        let [mut one, mut two] = [3, 3].map(Backoff::seeded);
        let now = Timestamp::ORIGIN;
        assert!((0..9).all(|_| one.next(now) == two.next(now)));
    }
}
