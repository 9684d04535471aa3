//! The spans that a thread may make in a second.

use plan::Share;

/// One thread's part of a run's budget of spans. Hard: in no second more is spent.
#[derive(Debug)]
pub(super) struct Budget {
    /// Of the whole run.
    run: u64,
    /// A thread that has a part of the run has this at least.
    least: u64,
    per_second: u64,
    /// Spent in the second at hand, …
    spent: u64,
    /// … of that on failed executions.
    spent_on_failures: u64,
}

impl Budget {
    /// Of a run that makes `run` spans a second, nothing yet; `least` is the least that a part is.
    pub(super) fn new(run: u32, least: u64) -> Self {
        Self { run: u64::from(run), least, per_second: 0, spent: 0, spent_on_failures: 0 }
    }

    /// Takes the part that one of `threads` threads of `share` has.
    pub(super) fn set_share(&mut self, share: &Share, threads: u32) {
        let sum: u64 = share.weights.iter().copied().map(u64::from).sum();
        let weight = u64::from(share.weights[share.index as usize]);
        let part = self.run * weight / (sum * u64::from(threads));
        self.per_second = if self.run == 0 || weight == 0 { 0 } else { part.max(self.least) };
    }

    /// What there is for a second.
    pub(super) fn per_second(&self) -> u64 {
        self.per_second
    }

    /// Spends `spans`, if there are so many left.
    #[inline]
    pub(super) fn spend(&mut self, spans: u64) -> bool {
        let fits = self.spent + spans <= self.per_second;
        if fits {
            self.spent += spans;
        }
        fits
    }

    /// Spends `spans` on a failed execution, if there are so many left of the half that is for those.
    pub(super) fn spend_on_failure(&mut self, spans: u64) -> bool {
        let fits = self.spent_on_failures + spans <= self.per_second / 2 && self.spend(spans);
        if fits {
            self.spent_on_failures += spans;
        }
        fits
    }

    /// Begins another second.
    pub(super) fn refill(&mut self) {
        self.spent = 0;
        self.spent_on_failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(run: u32, least: u64, weights: &[u32], index: u32, threads: u32) -> u64 {
        let mut budget = Budget::new(run, least);
        budget.set_share(&Share { revision: 0, weights: weights.to_vec(), index }, threads);
        budget.per_second
    }

    #[test]
    fn a_part_goes_by_the_share_and_the_threads() {
        assert_eq!(part(1_000, 2, &[1], 0, 1), 1_000);
        assert_eq!(part(1_000, 2, &[1, 3], 1, 4), 187);
        assert_eq!(part(1_000, 2, &[1, 0], 1, 4), 0, "who has no part of the load has none of the budget");
        assert_eq!(part(10, 5, &[1, 1], 0, 8), 5, "room for one execution");
        assert_eq!(part(0, 5, &[1], 0, 1), 0, "of nothing there is no part");
    }

    #[test]
    fn failures_take_half_and_leave_the_other() {
        let mut budget = Budget::new(20, 4);
        budget.set_share(&Share::whole(), 1);
        let failures = (0..100).filter(|_| budget.spend_on_failure(2)).count();
        let others = (0..100).filter(|_| budget.spend(2)).count();
        assert_eq!((failures, others), (5, 5));
        budget.refill();
        let others = (0..100).filter(|_| budget.spend(2)).count();
        assert_eq!((others, budget.spend_on_failure(2)), (10, false), "what is spent is spent");
    }

    proptest! {
        #[test]
        fn parts_add_up_to_no_more_than_the_whole(
            run in 0..100_000_u32,
            weights in proptest::collection::vec(0..100_u32, 1..8),
            threads in 1..16_u32,
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let parts = (0..weights.len() as u32).map(|index| part(run, 0, &weights, index, threads));
            let sum: u64 = parts.map(|part| part * u64::from(threads)).sum();
            prop_assert!(sum <= u64::from(run));
            let rounding = u64::from(threads) * weights.len() as u64;
            prop_assert!(sum + rounding >= u64::from(run), "{sum} of {run}");
        }
    }
}
