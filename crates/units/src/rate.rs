//! Rates as exact rationals.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::span::decimal;
use crate::{Nanos, Ratio};

/// How often something happens: `count` times per `per`, an exact rational in lowest terms.
///
/// ```
/// use loadgen_units::{Nanos, Rate};
/// let rate: Rate = "200/s".parse().unwrap();
/// assert_eq!(rate, Rate::new(400, Nanos::from_secs(2)));
/// assert_eq!(rate.per_second(), 200.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    count: u64,
    per: Nanos,
}

impl Rate {
    /// Nothing ever happens.
    pub const ZERO: Self = Self { count: 0, per: Nanos::SECOND };

    /// Makes the rate of `count` per `per`.
    ///
    /// # Panics
    /// When `per` is zero.
    pub const fn new(count: u64, per: Nanos) -> Self {
        assert!(per.as_u64() > 0, "a rate is per a positive span");
        if count == 0 {
            return Self::ZERO;
        }
        let shared = gcd(count as u128, per.as_u64() as u128) as u64;
        Self { count: count / shared, per: Nanos::new(per.as_u64() / shared) }
    }

    /// Makes the rate of `count` per second.
    pub const fn from_per_second(count: u64) -> Self {
        Self::new(count, Nanos::SECOND)
    }

    /// The numerator, in lowest terms.
    pub const fn count(self) -> u64 {
        self.count
    }

    /// The denominator, in lowest terms; never zero.
    pub const fn per(self) -> Nanos {
        self.per
    }

    /// Events per second, rounded to a float: for display, never for the schedule.
    pub fn per_second(self) -> f64 {
        self.count as f64 * 1e9 / self.per.as_u64() as f64
    }

    /// Whether nothing ever happens.
    pub const fn is_zero(self) -> bool {
        self.count == 0
    }

    /// This rate `factor` times, exactly. The factor is taken as the shortest decimal number that says it, `1.1` and
    /// not the binary fraction next to it, so that the result is the one that was meant, on every machine.
    ///
    /// # Errors
    /// When the factor is negative or no number, or the product cannot be held exactly or is above 1,000,000,000/s.
    pub fn checked_mul(self, factor: Ratio) -> Result<Self, ScaleRateError> {
        let (rate, factor) = (self, factor.as_f64());
        if !factor.is_finite() || factor.is_sign_negative() && factor != 0.0 {
            return Err(ScaleRateError::Factor(factor));
        }
        let too_fine = ScaleRateError::TooFine { rate, factor };
        let (digits, scale) = decimal(&factor.abs().to_string()).ok_or(too_fine.clone())?;
        let too_fast = ScaleRateError::TooFast { rate, factor };
        let count = u128::from(self.count).checked_mul(digits).ok_or(too_fast.clone())?;
        if count == 0 {
            return Ok(Self::ZERO);
        }
        let per = u128::from(self.per.as_u64()).checked_mul(scale).ok_or(too_fine.clone())?;
        if count > per {
            return Err(too_fast);
        }
        let shared = gcd(count, per);
        let (count, per) = (count / shared, per / shared);
        if per > u128::from(Nanos::LONGEST.as_u64()) {
            return Err(too_fine);
        }
        Ok(Self::new(count as u64, Nanos::new(per as u64)))
    }
}

/// Why a rate cannot be multiplied.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScaleRateError {
    /// The factor is no sensible number.
    #[error("`{0}` is no factor; it is a number from 0 up, for example 1.5")]
    Factor(f64),
    /// Faster than can be scheduled.
    #[error("{rate} times {factor} is too fast; the highest rate is 1000000000/s")]
    TooFast {
        /// The rate.
        rate: Rate,
        /// The factor.
        factor: f64,
    },
    /// Not a number that can be counted exactly.
    #[error(
        "{rate} times {factor} cannot be held exactly; use a factor with fewer decimals or set the rate itself"
    )]
    TooFine {
        /// The rate.
        rate: Rate,
        /// The factor.
        factor: f64,
    },
}

/// The greatest common divisor; of zero and `b`, `b`.
const fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl PartialOrd for Rate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rate {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = u128::from(self.count) * u128::from(other.per.as_u64());
        let right = u128::from(other.count) * u128::from(self.per.as_u64());
        left.cmp(&right)
    }
}

/// Why a text is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseRateError {
    /// Nothing was written.
    #[error("a rate is missing; write for example `200/s`")]
    Empty,
    /// A number stands there without "per what".
    #[error("`{0}` has no unit; write `{0}/s` for so many per second")]
    NoUnit(String),
    /// A sign stands in front.
    #[error("`{0}` is negative; a rate is 0/s or more")]
    Negative(String),
    /// What stands after the slash is no span.
    #[error("`{unit}` is not a unit of time; write `/s`, `/m`, `/h` or for example `/250ms`")]
    UnknownUnit {
        /// What stood after the slash.
        unit: String,
    },
    /// What stands there is no number.
    #[error("`{0}` is not a rate; write for example `200/s` or `90/m`")]
    Malformed(String),
    /// Faster than can be scheduled.
    #[error("`{0}` is too fast; the highest rate is 1000000000/s")]
    TooFast(String),
    /// Lower or with more decimals than can be counted exactly.
    #[error(
        "`{0}` is too low or has too many decimals to be held exactly; use fewer decimals or a shorter unit"
    )]
    TooFine(String),
}

impl FromStr for Rate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, ParseRateError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ParseRateError::Empty);
        }
        if text.starts_with('-') {
            return Err(ParseRateError::Negative(text.to_owned()));
        }
        let malformed = || ParseRateError::Malformed(text.to_owned());
        let Some((number, unit)) = text.split_once('/') else {
            return Err(match decimal(text) {
                Some(_) => ParseRateError::NoUnit(text.to_owned()),
                None => malformed(),
            });
        };
        let (number, unit) = (number.trim(), unit.trim());
        let (digits, factor) = match number.as_bytes().last() {
            Some(b'k') => (&number[..number.len() - 1], 1_000_u128),
            Some(b'M') => (&number[..number.len() - 1], 1_000_000),
            _ => (number, 1),
        };
        let spelled = match unit {
            "s" | "sec" | "second" => "1s",
            "m" | "min" | "minute" => "1m",
            "h" | "hour" => "1h",
            "ms" => "1ms",
            "us" => "1us",
            "d" | "day" => "1d",
            other => other,
        };
        let per: Nanos =
            spelled.parse().map_err(|_| ParseRateError::UnknownUnit { unit: unit.to_owned() })?;
        if per.is_zero() {
            return Err(ParseRateError::UnknownUnit { unit: unit.to_owned() });
        }
        let (mantissa, scale) = decimal(digits).ok_or_else(malformed)?;
        let too_fast = || ParseRateError::TooFast(text.to_owned());
        let count = mantissa.checked_mul(factor).ok_or_else(too_fast)?;
        let per = u128::from(per.as_u64()) * scale;
        if count > per {
            return Err(too_fast());
        }
        let shared = gcd(count, per);
        let (count, per) = (count / shared, per / shared);
        // What cannot be held exactly is refused rather than rounded.
        let longest = u128::from(Nanos::LONGEST.as_u64());
        if per > longest {
            return Err(ParseRateError::TooFine(text.to_owned()));
        }
        Ok(Self::new(count as u64, Nanos::new(per as u64)))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = Nanos::SECOND.as_u64();
        let exact = u128::from(self.count) * u128::from(second);
        let per = u128::from(self.per.as_u64());
        if exact.is_multiple_of(per) {
            return write!(f, "{}/s", exact / per);
        }
        for (unit, name) in [(60, "m"), (3_600, "h"), (86_400, "d")] {
            if (exact * unit).is_multiple_of(per) {
                return write!(f, "{}/{name}", exact * unit / per);
            }
        }
        write!(f, "{}/{}", self.count, self.per)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_and_print() {
        let check = |text: &str, printed: &str| {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.to_string(), printed);
            assert_eq!(printed.parse(), Ok(rate));
        };
        check("200/s", "200/s");
        check("90/m", "90/m");
        check("120/m", "2/s");
        check("10k/s", "10000/s");
        check("0.5/s", "30/m");
        check("1/250ms", "4/s");
        check("7/300ms", "1400/m");
        check("0/s", "0/s");
        check("0.5/d", "1/2d");
        check("0.00001/d", "1/100000d");
        check("1/500d", "1/500d");
        check("0.123456789/s", "123456789/11574d1h46m40s");
    }

    #[test]
    fn wrong_rates_say_how_to_mend_them() {
        let check = |text: &str, message: &str| {
            assert_eq!(text.parse::<Rate>().unwrap_err().to_string(), message, "{text}");
        };
        check("200", "`200` has no unit; write `200/s` for so many per second");
        check("-5/s", "`-5/s` is negative; a rate is 0/s or more");
        check("5/parsec", "`parsec` is not a unit of time; write `/s`, `/m`, `/h` or for example `/250ms`");
        check(
            "0.000001/d",
            "`0.000001/d` is too low or has too many decimals to be held exactly; use fewer decimals or a shorter unit",
        );
        check("5/0s", "`0s` is not a unit of time; write `/s`, `/m`, `/h` or for example `/250ms`");
        check("x/s", "`x/s` is not a rate; write for example `200/s` or `90/m`");
        check(
            "99999999999999999999/s",
            "`99999999999999999999/s` is too fast; the highest rate is 1000000000/s",
        );
    }

    #[test]
    fn a_multiple_is_the_decimal_one_that_was_meant() {
        let check = |rate: &str, factor: f64, product: &str| {
            let rate: Rate = rate.parse().unwrap();
            let product: Rate = product.parse().unwrap();
            assert_eq!(rate.checked_mul(Ratio::new(factor)), Ok(product), "{rate} times {factor}");
        };
        check("200/s", 1.1, "220/s");
        check("7/m", 0.1, "0.7/m");
        check("200/s", 0.0, "0/s");
        check("200/s", -0.0, "0/s");
        check("0/s", 1e18, "0/s");
        check("1/s", 1e-7, "0.0000001/s");
        check("1/s", 1e9, "1000000000/s");
    }

    #[test]
    fn a_multiple_that_cannot_be_said_is_refused() {
        let refusal = |rate: &str, factor: f64| {
            let rate: Rate = rate.parse().unwrap();
            rate.checked_mul(Ratio::new(factor)).unwrap_err().to_string()
        };
        assert_eq!(refusal("1/s", -1.0), "`-1` is no factor; it is a number from 0 up, for example 1.5");
        assert!(refusal("1/s", f64::NAN).contains("`NaN` is no factor"));
        assert!(refusal("1/s", f64::INFINITY).contains("`inf` is no factor"));
        assert_eq!(refusal("2/s", 1e9), "2/s times 1000000000 is too fast; the highest rate is 1000000000/s");
        assert!(refusal("1/s", f64::MAX).contains("too fast"));
        assert!(refusal("1/s", 1.0 / 3.0).contains("fewer decimals"));
        assert!(refusal("1/s", f64::MIN_POSITIVE).contains("fewer decimals"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_reads_back(count in 0_u64.., per in 1_u64..=Nanos::LONGEST.as_u64(), shift in 0_u32..63) {
            let rate = Rate::new(count % per, Nanos::new((per >> shift).max(1)));
            if rate.count() <= rate.per().as_u64() {
                proptest::prop_assert_eq!(rate.to_string().parse(), Ok(rate), "{}", rate);
            }
        }
    }

    #[test]
    fn rates_compare_exactly() {
        let third = Rate::new(1, Nanos::new(3));
        assert!(third > Rate::new(333_333_333, Nanos::SECOND));
        assert!(third < Rate::new(333_333_334, Nanos::SECOND));
    }
}
