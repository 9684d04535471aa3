//! The wall clock's time, for labels.

use units::Timestamp;

/// What the wall clock showed at one instant: all labels go by that, so that a step of the wall clock bends none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    at: Timestamp,
    shown: jiff::Timestamp,
}

impl WallClock {
    /// At `at`, the wall clock shows `shown`.
    pub const fn new(at: Timestamp, shown: jiff::Timestamp) -> Self {
        Self { at, shown }
    }

    /// What the wall clock showed, or would have without steps, at `instant`: RFC 3339 in UTC.
    pub fn label(&self, instant: Timestamp) -> String {
        let (after, before) = (instant.saturating_since(self.at), self.at.saturating_since(instant));
        let nanos = i128::from(after.as_u64()) - i128::from(before.as_u64());
        let at = jiff::Timestamp::from_nanosecond(self.shown.as_nanosecond() + nanos);
        at.unwrap_or(self.shown).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }
}

#[cfg(test)]
mod tests {
    use units::Nanos;

    use super::*;

    #[test]
    fn instants_before_and_after_the_known_one_are_labelled() {
        let at = Timestamp::from_nanos(5_000_000_000);
        let wall = WallClock::new(at, "2026-11-21T12:00:00Z".parse().unwrap());
        assert_eq!(wall.label(at + Nanos::from_millis(1_500)), "2026-11-21T12:00:01.500000Z");
        assert_eq!(wall.label(Timestamp::ORIGIN), "2026-11-21T11:59:55.000000Z");
        assert_eq!(wall.label(Timestamp::NEVER).len(), "2026-11-21T11:59:55.000000Z".len());
    }
}
