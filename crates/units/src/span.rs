//! Spans and instants in nanoseconds.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time in whole nanoseconds, 0 to about 584 years.
///
/// Reads and prints as people write it: `250ms`, `1m30s`, `1.5s`.
///
/// ```
/// use loadgen_units::Nanos;
/// assert_eq!("1m30s".parse::<Nanos>().unwrap(), Nanos::from_secs(90));
/// assert_eq!(Nanos::from_micros(1500).to_string(), "1.5ms");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(u64);

impl Nanos {
    /// The empty span.
    pub const ZERO: Self = Self(0);
    /// The longest span that can be counted.
    pub const MAX: Self = Self(u64::MAX);
    /// The longest span that a text can say: half of [`Nanos::MAX`], so that sums of a few can still be counted.
    pub(crate) const LONGEST: Self = Self(u64::MAX / 2);
    /// One second.
    pub const SECOND: Self = Self(1_000_000_000);

    /// Makes a span of `nanos` nanoseconds.
    pub const fn new(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Makes a span of `micros` microseconds; saturates.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// Makes a span of `millis` milliseconds; saturates.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Makes a span of `secs` seconds; saturates.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// The number of nanoseconds.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The number of microseconds, with fractions.
    pub fn as_micros_f64(self) -> f64 {
        self.0 as f64 / 1e3
    }

    /// The number of milliseconds, with fractions.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The number of seconds, with fractions.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The sum, at most [`Nanos::MAX`].
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, at least zero.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether this is the empty span.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Add for Nanos {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Nanos {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl From<Duration> for Nanos {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanos> for Duration {
    fn from(span: Nanos) -> Self {
        Self::from_nanos(span.0)
    }
}

/// The units a span may be written in, longest first; also the order in which they may follow each other.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Why a text is not a span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseSpanError {
    /// Nothing was written.
    #[error("a duration is missing; write for example `30s`")]
    Empty,
    /// A number stands there without a unit.
    #[error("`{0}` has no unit; write `{0}s` for seconds or `{0}ms` for milliseconds")]
    NoUnit(String),
    /// The unit is none of ours.
    #[error("`{unit}` is not a unit of time; use d, h, m, s, ms, us or ns")]
    UnknownUnit {
        /// What stood where a unit was expected.
        unit: String,
    },
    /// A sign stands in front.
    #[error("`{0}` is negative; a duration is 0 or more")]
    Negative(String),
    /// What stands there is not a number with a unit.
    #[error("`{0}` is not a duration; write for example `30s`, `250ms` or `1m30s`")]
    Malformed(String),
    /// Longer than can be counted.
    #[error("`{0}` is too long; the longest duration is 106751 days")]
    TooLong(String),
}

impl FromStr for Nanos {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Self, ParseSpanError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ParseSpanError::Empty);
        }
        if text.starts_with('-') {
            return Err(ParseSpanError::Negative(text.to_owned()));
        }
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let malformed = || ParseSpanError::Malformed(text.to_owned());
        let mut rest = text;
        let mut total: u128 = 0;
        let mut next_unit = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, tail) = rest.split_at(digits);
            if number.is_empty() {
                return Err(malformed());
            }
            let letters = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            if unit.is_empty() {
                return Err(if tail.is_empty() {
                    ParseSpanError::NoUnit(text.to_owned())
                } else {
                    malformed()
                });
            }
            let unit = if unit == "µs" || unit == "μs" { "us" } else { unit };
            let Some(at) = UNITS.iter().position(|(name, _)| *name == unit) else {
                return Err(ParseSpanError::UnknownUnit { unit: unit.to_owned() });
            };
            if at < next_unit {
                return Err(malformed());
            }
            next_unit = at + 1;
            total += decimal_times(number, UNITS[at].1).ok_or_else(malformed)?;
            if total > u128::from(Self::LONGEST.0) {
                return Err(ParseSpanError::TooLong(text.to_owned()));
            }
            rest = tail;
        }
        Ok(Self(total as u64))
    }
}

/// `number * unit`, rounded down to a whole nanosecond; `None` when `number` is no decimal number.
fn decimal_times(number: &str, unit: u64) -> Option<u128> {
    let (mantissa, scale) = decimal(number)?;
    let unit = u128::from(unit);
    Some(mantissa / scale * unit + mantissa % scale * unit / scale)
}

/// The decimal number `number` as a fraction: digits over a power of ten, at most 10^18. `None` when it is none or has
/// more decimals than that; larger than any span or rate when it has too many digits before the point.
pub(crate) fn decimal(number: &str) -> Option<(u128, u128)> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 18 {
        return None;
    }
    if whole.len() > 19 {
        return Some((u128::from(u64::MAX), 1));
    }
    let scale = 10_u128.pow(fraction.len() as u32);
    Some((format!("{whole}{fraction}").parse().ok()?, scale))
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 >= 1_000_000_000 && self.0.is_multiple_of(1_000_000) {
            let mut rest = self.0;
            for (name, unit) in &UNITS[..3] {
                if rest >= *unit {
                    write!(f, "{}{name}", rest / unit)?;
                    rest %= unit;
                }
            }
            if rest > 0 {
                write_decimal(f, rest, 1_000_000_000)?;
                f.write_str("s")?;
            }
            return Ok(());
        }
        let (name, unit) = UNITS[3..].iter().find(|(_, unit)| self.0 >= *unit).copied().unwrap_or(("ns", 1));
        write_decimal(f, self.0, unit)?;
        f.write_str(name)
    }
}

/// Writes `value / unit` exactly, without trailing zeros; `unit` is a power of ten.
fn write_decimal(f: &mut fmt::Formatter<'_>, value: u64, unit: u64) -> fmt::Result {
    let (whole, fraction) = (value / unit, value % unit);
    if fraction == 0 {
        return write!(f, "{whole}");
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{fraction:0width$}");
    write!(f, "{whole}.{}", digits.trim_end_matches('0'))
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An instant on one monotonic clock of this machine, in nanoseconds since an origin that has no meaning.
///
/// Only differences mean anything, and only between timestamps of the same clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The origin of the clock.
    pub const ORIGIN: Self = Self(0);
    /// An instant that is never reached.
    pub const NEVER: Self = Self(u64::MAX);

    /// Makes the instant `nanos` after the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub const fn saturating_since(self, earlier: Self) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    /// The instant `span` later; [`Timestamp::NEVER`] when that cannot be counted.
    pub const fn saturating_add(self, span: Nanos) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The instant `span` earlier, at least the origin.
    pub const fn saturating_sub(self, span: Nanos) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Sub for Timestamp {
    type Output = Nanos;

    /// The span from `earlier` to `self`.
    ///
    /// # Panics
    /// In debug builds when `earlier` is later: an instant was taken from another clock or out of order.
    fn sub(self, earlier: Self) -> Nanos {
        debug_assert!(self.0 >= earlier.0, "{} is before {}", self.0, earlier.0);
        self.saturating_since(earlier)
    }
}

impl Add<Nanos> for Timestamp {
    type Output = Self;
    fn add(self, span: Nanos) -> Self {
        self.saturating_add(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_write_them() {
        let check = |text: &str, nanos: u64| assert_eq!(text.parse(), Ok(Nanos(nanos)), "{text}");
        check("250ms", 250_000_000);
        check("1h30m", 5_400_000_000_000);
        check("1.5s", 1_500_000_000);
        check("2us", 2_000);
        check("3µs", 3_000);
        check("0", 0);
        check("1d", 86_400_000_000_000);
    }

    #[test]
    fn wrong_spans_say_how_to_mend_them() {
        let check = |text: &str, message: &str| {
            assert_eq!(text.parse::<Nanos>().unwrap_err().to_string(), message, "{text}");
        };
        check("30", "`30` has no unit; write `30s` for seconds or `30ms` for milliseconds");
        check("-5s", "`-5s` is negative; a duration is 0 or more");
        check("5 parsecs", "`5 parsecs` is not a duration; write for example `30s`, `250ms` or `1m30s`");
        check("5lightyears", "`lightyears` is not a unit of time; use d, h, m, s, ms, us or ns");
        check("", "a duration is missing; write for example `30s`");
        check("30s1h", "`30s1h` is not a duration; write for example `30s`, `250ms` or `1m30s`");
        check(
            "999999999999999999d",
            "`999999999999999999d` is too long; the longest duration is 106751 days",
        );
    }

    #[test]
    fn what_is_printed_reads_back() {
        for nanos in
            [0, 1, 999, 1_500, 250_000_000, 999_999_999, 1_000_000_001, 90_500_000_000, 86_461_000_000_000]
        {
            let span = Nanos(nanos);
            assert_eq!(span.to_string().parse(), Ok(span), "{span}");
        }
        assert_eq!(Nanos::from_secs(90).to_string(), "1m30s");
        assert_eq!(Nanos::from_millis(250).to_string(), "250ms");
    }
}
