//! Iterations drawn by a ratio.

use units::Ratio;

/// Which draws are taken. Where those of a second come to more spans than the budget has, only the lower ones are taken in
/// the next: so that the budget lasts for all of the second, and not for its first part, which may be unlike the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lots {
    /// The highest draw that is taken by the ratio …
    highest: u64,
    /// … and by the budget as well.
    affordable: u64,
    /// The spans of those that were taken by the ratio in the second at hand.
    demand: u64,
}

impl Lots {
    /// Takes the part `ratio` of all draws; `None` when that is none.
    pub(super) fn new(ratio: Ratio) -> Option<Self> {
        // Of 2⁶⁴ draws so many are taken; a cast from a float stops at the bounds.
        let taken = ((ratio.as_f64() * 2.0_f64.powi(64)) as u128).min(1 << 64);
        let highest = taken.checked_sub(1)? as u64;
        Some(Self { highest, affordable: highest, demand: 0 })
    }

    /// The highest draw that is taken by the ratio.
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether `draw`, which is taken by the ratio and means `spans`, is among those that the budget is spent on.
    pub(super) fn can_afford(&mut self, draw: u64, spans: u64) -> bool {
        self.demand += spans;
        draw <= self.affordable
    }

    /// Begins another second, after one that was `seconds` long, with a budget of `budget` spans.
    pub(super) fn adapt(&mut self, seconds: u32, budget: u64) {
        let demand = std::mem::take(&mut self.demand) / u64::from(seconds.max(1));
        self.affordable = if demand > budget {
            (u128::from(self.highest) * u128::from(budget) / u128::from(demand)) as u64
        } else {
            self.highest
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_takes_its_part_of_the_draws() {
        assert!(Lots::new(Ratio::ZERO).is_none() && Lots::new(Ratio::new(-1.0)).is_none());
        let highest = |ratio| Lots::new(Ratio::new(ratio)).unwrap().highest();
        assert_eq!((highest(1.0), highest(2.0), highest(0.25)), (u64::MAX, u64::MAX, (1 << 62) - 1));
    }

    #[test]
    fn a_budget_is_spread_and_comes_back() {
        let mut lots = Lots::new(Ratio::new(0.5)).unwrap();
        assert!(
            (0..1_000).all(|_| lots.can_afford((1 << 63) - 1, 2)),
            "nothing is known of the first second"
        );
        lots.adapt(2, 250);
        assert!(lots.can_afford(1 << 60, 2) && !lots.can_afford(1 << 62, 2), "a quarter of the draws");
        lots.adapt(1, 250);
        assert!(lots.can_afford((1 << 63) - 1, 2), "there were few");
    }
}
