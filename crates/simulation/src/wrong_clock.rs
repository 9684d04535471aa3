//! Clocks that show another time than there is, and run at another speed.

use units::{Nanos, Timestamp};

/// A process's clock against the simulation's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrongClock {
    /// What it shows when the simulation begins.
    pub(crate) origin: u64,
    /// By how much it is too fast, in millionths; negative when it is slow.
    pub(crate) drift_ppm: i64,
}

impl WrongClock {
    /// What it shows at the instant `real`.
    pub(crate) fn shows(self, real: Timestamp) -> Timestamp {
        let passed = i128::from(real.as_nanos());
        let drift = passed * i128::from(self.drift_ppm) / 1_000_000;
        Timestamp::from_nanos(self.origin + (passed + drift) as u64)
    }

    /// The first instant at which it shows `shown` or later.
    pub(crate) fn reaches(self, shown: Timestamp) -> Timestamp {
        if shown == Timestamp::NEVER {
            return Timestamp::NEVER;
        }
        let passed = shown.saturating_since(Timestamp::from_nanos(self.origin));
        let guess = i128::from(passed.as_u64()) * 1_000_000 / i128::from(1_000_000 + self.drift_ppm);
        let mut real = Timestamp::from_nanos(guess as u64);
        while self.shows(real) < shown {
            real = real + Nanos::new(1);
        }
        real
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_reached_when_it_is_shown() {
        for drift_ppm in [-5_000, -1, 0, 3, 5_000] {
            let clock = WrongClock { origin: 77, drift_ppm };
            for nanos in [0, 1, 999_999, 1_000_001, 123_456_789_012] {
                let shown = clock.shows(Timestamp::from_nanos(nanos));
                let real = clock.reaches(shown);
                assert!(clock.shows(real) >= shown && real.as_nanos() <= nanos + 2);
            }
        }
    }
}
