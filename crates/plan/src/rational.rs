//! Sums of fractions, exact or refused.

/// A sum `whole + part/of` in lowest terms with `part < of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    whole: u128,
    part: u128,
    of: u128,
}

impl Sum {
    pub(crate) const ZERO: Self = Self { whole: 0, part: 0, of: 1 };

    pub(crate) fn whole(self) -> u128 {
        self.whole
    }

    pub(crate) fn part(self) -> u128 {
        self.part
    }

    pub(crate) fn of(self) -> u128 {
        self.of
    }

    /// Adds `count/per`; `None` when the sum does not fit.
    pub(crate) fn checked_add(self, count: u128, per: u128) -> Option<Self> {
        let shared = gcd(self.of, per);
        let (mine, theirs) = (per / shared, self.of / shared);
        let of = self.of.checked_mul(mine)?;
        let part = self.part.checked_mul(mine)?.checked_add((count % per).checked_mul(theirs)?)?;
        // Marks are counted with this one above the whole, so the last value is kept out.
        let whole =
            self.whole.checked_add(count / per)?.checked_add(part / of).filter(|sum| *sum < u128::MAX)?;
        let shared = gcd(part % of, of);
        Some(Self { whole, part: part % of / shared, of: of / shared })
    }
}

/// The greatest common divisor of two numbers that are not both 0.
pub(crate) fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_add_up_exactly() {
        let sum = Sum::ZERO.checked_add(1, 3).unwrap().checked_add(1, 6).unwrap().checked_add(7, 4).unwrap();
        assert_eq!((sum.whole(), sum.part(), sum.of()), (2, 1, 4));
        assert_eq!(sum.checked_add(3, 4), Sum::ZERO.checked_add(3, 1));
    }

    #[test]
    fn a_sum_that_does_not_fit_is_refused() {
        let large = Sum::ZERO.checked_add(u128::MAX - 1, 1).unwrap();
        assert_eq!(large.checked_add(1, 1), None);
        let primes = Sum::ZERO.checked_add(1, u128::MAX / 2).unwrap();
        assert_eq!(primes.checked_add(1, 1_000_003), None);
    }
}
