//! How long to wait before trying again.

use std::time::Duration;

/// Waits that grow from 100 ms to 5 s, each drawn evenly from 0 to its bound, so that many who were cut off at once do
/// not come back at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    tried: u32,
}

impl Backoff {
    /// How long to wait now.
    pub(crate) fn next(&mut self) -> Duration {
        // The random bits of a UUID: nothing that has to be repeated depends on them.
        let random = uuid::Uuid::new_v4().as_u128() as u32;
        let bound = self.bound();
        self.tried = self.tried.saturating_add(1);
        bound.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Something worked: begin anew.
    pub(crate) fn reset(&mut self) {
        self.tried = 0;
    }

    fn bound(self) -> Duration {
        (SHORTEST * 2_u32.pow(self.tried.min(10))).min(LONGEST)
    }
}

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        let bounds: Vec<_> = (0..9)
            .map(|_| {
                let bound = backoff.bound();
                assert!(backoff.next() <= bound);
                bound.as_millis()
            })
            .collect();
        assert_eq!(bounds, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
        backoff.reset();
        assert_eq!(backoff.bound(), SHORTEST);
    }
}
