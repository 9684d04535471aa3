//! Calendar time.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::Nanos;

/// A second of calendar time, as certificates and tokens are bound to it. Nothing is measured with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(u64);

impl WallTime {
    /// Makes the instant `seconds` after the beginning of 1970, UTC.
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Asks the machine's calendar.
    pub fn now() -> Self {
        Self(u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0))
    }

    /// Seconds since the beginning of 1970, UTC.
    pub const fn as_unix(self) -> u64 {
        self.0
    }

    /// The instant `span` later, whole seconds of it.
    pub fn after(self, span: Nanos) -> Self {
        Self(self.0.saturating_add(Duration::from(span).as_secs()))
    }

    /// The instant `span` earlier, at least the beginning of 1970.
    pub fn before(self, span: Nanos) -> Self {
        Self(self.0.saturating_sub(Duration::from(span).as_secs()))
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i64::try_from(self.0).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()) {
            Some(time) => time.fmt(f),
            None => write!(f, "second {} of the calendar", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_shown_as_people_and_tools_read_it() {
        assert_eq!(WallTime::from_unix(1_795_267_715).to_string(), "2026-11-21T13:28:35Z");
        assert_eq!(WallTime::from_unix(u64::MAX).to_string(), format!("second {} of the calendar", u64::MAX));
    }

    #[test]
    fn the_calendar_has_a_beginning_and_an_end() {
        assert_eq!(WallTime::from_unix(5).before(Nanos::from_secs(9)), WallTime::from_unix(0));
        assert_eq!(WallTime::from_unix(u64::MAX).after(Nanos::SECOND), WallTime::from_unix(u64::MAX));
    }
}
