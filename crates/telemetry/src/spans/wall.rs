//! Calendar time of measured instants.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use units::{Clock, Nanos, Timestamp};

/// The calendar read once, beside the monotonic clock: all else is monotonic time from there, so a calendar that is set
/// while a run lasts makes no span negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallAnchor {
    at: Timestamp,
    unix_nanos: u64,
}

impl WallAnchor {
    /// Reads both clocks.
    pub fn read(clock: &impl Clock) -> Self {
        let before = clock.now();
        let unix = jiff::Timestamp::now().as_nanosecond();
        // Between two readings of ours: off by half of what lies between them at most.
        let gap = clock.now().saturating_since(before).as_u64();
        Self { at: before + Nanos::new(gap / 2), unix_nanos: u64::try_from(unix).unwrap_or(0) }
    }

    /// Says that the calendar showed `unix_nanos` at `at`.
    pub const fn new(at: Timestamp, unix_nanos: u64) -> Self {
        Self { at, unix_nanos }
    }

    /// Nanoseconds since the beginning of 1970, UTC.
    pub fn unix_nanos(&self, at: Timestamp) -> u64 {
        if at >= self.at {
            self.unix_nanos.saturating_add(at.saturating_since(self.at).as_u64())
        } else {
            self.unix_nanos.saturating_sub(self.at.saturating_since(at).as_u64())
        }
    }

    /// As people and log lines write it, in UTC.
    pub fn rfc3339(&self, at: Timestamp) -> String {
        let time = jiff::Timestamp::from_nanosecond(i128::from(self.unix_nanos(at)));
        time.map_or_else(|error| error.to_string(), |time| time.to_string())
    }

    /// As the SDK wants it.
    pub(super) fn system_time(&self, at: Timestamp) -> SystemTime {
        system_time(self.unix_nanos(at))
    }
}

/// As the SDK wants it.
pub(super) fn system_time(unix_nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(unix_nanos)
}
