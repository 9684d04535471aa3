//! What a threshold demands: a statistic, an operator and a bound: `p(99) < 200ms`.

use std::fmt;
use std::ops::Range;

use units::{Bytes, Nanos, ParseRateError, ParseSpanError, Rate, Ratio};

use crate::metric::{Metric, MetricKind};
use crate::selector::span_of;
use crate::suggestion::{closest, did_you_mean, listed};

/// What is computed of a metric's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// The mean of times.
    Average,
    /// The lowest time.
    Minimum,
    /// The median of times.
    Median,
    /// The highest time or level.
    Maximum,
    /// The time that this many per cent do not exceed, 0 to 100.
    Percentile(f64),
    /// The share that is so, or the number per second of measured time.
    Rate,
    /// The number of values, or of those that are so.
    Count,
}

/// How the measured value is held against the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
}

/// What the measured value is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// A time.
    Time(Nanos),
    /// A share of the whole.
    Share(Ratio),
    /// Events per second.
    PerSecond(f64),
    /// A number of events, or a level.
    Count(f64),
    /// An amount of data.
    Bytes(Bytes),
    /// Data per second.
    BytesPerSecond(Bytes),
}

/// A condition on a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// What is computed.
    pub statistic: Statistic,
    /// How it is compared.
    pub operator: Operator,
    /// What it is compared with.
    pub bound: Bound,
}

/// Why a text is no condition on a metric, and where in it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{problem}")]
pub struct ConditionError {
    /// The bytes of the text that are at fault.
    pub at: Range<usize>,
    /// What is wrong with them.
    pub problem: ConditionProblem,
}

/// What can be wrong with a condition.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConditionProblem {
    /// There is nothing to compare with.
    #[error("an operator is missing; write for example `{0}`")]
    NoOperator(&'static str),
    /// A single `=` or another sign.
    #[error("`{found}` is not an operator{}; there are `<`, `<=`, `>`, `>=`, `==` and `!=`", did_you_mean(*.suggestion))]
    UnknownOperator {
        /// What stands there.
        found: String,
        /// What could be meant.
        suggestion: Option<&'static str>,
    },
    /// No such statistic.
    #[error("`{found}` is not a statistic{}", match .suggestion {
        Some(suggestion) => did_you_mean(Some(suggestion)),
        None => format!("; `{metric}` has {known}"),
    })]
    UnknownStatistic {
        /// What stands there.
        found: String,
        /// A statistic that looks like it.
        suggestion: Option<String>,
        /// The metric.
        metric: &'static str,
        /// The statistics of the metric.
        known: String,
    },
    /// A statistic that the metric does not have.
    #[error("`{metric}` has no `{statistic}`; it has {known}")]
    NotOfMetric {
        /// The statistic.
        statistic: String,
        /// The metric.
        metric: &'static str,
        /// The statistics of the metric.
        known: String,
    },
    /// A percentile that is none.
    #[error("`{0}` is not a percentile; write a number from 0 to 100, for example `p(99.9)`")]
    BadPercentile(String),
    /// Nothing to compare with.
    #[error("a bound is missing; write for example `{0}`")]
    NoBound(&'static str),
    /// The bound is no time.
    #[error(transparent)]
    Time(ParseSpanError),
    /// The bound is no rate.
    #[error(transparent)]
    Rate(ParseRateError),
    /// The bound is no share.
    #[error("`{0}` is not a share; write for example `0.1%` or `0.001`")]
    BadShare(String),
    /// The bound is a share above the whole.
    #[error("`{0}` is more than the whole; did you mean `{0}%`?")]
    ShareAboveWhole(String),
    /// The bound is no number.
    #[error("`{0}` is not a number")]
    BadNumber(String),
    /// The bound is an amount of data without a unit.
    #[error("`{0}` has no unit; write `{0}B` for bytes, or kB, MB, GB, KiB, MiB, GiB")]
    NoDataUnit(String),
    /// The bound is no amount of data.
    #[error("`{0}` is not an amount of data; write for example `{1}`")]
    BadData(String, &'static str),
}

impl Operator {
    const ALL: [(&'static str, Self); 6] = [
        ("<", Self::Below),
        ("<=", Self::AtMost),
        (">", Self::Above),
        (">=", Self::AtLeast),
        ("==", Self::Equal),
        ("!=", Self::Unequal),
    ];
}

impl MetricKind {
    fn has(self, statistic: Statistic) -> bool {
        use Statistic::{Average, Count, Maximum, Median, Minimum, Percentile, Rate};
        match self {
            Self::Time => matches!(statistic, Average | Minimum | Median | Maximum | Percentile(_) | Count),
            Self::Share | Self::Count | Self::Bytes => matches!(statistic, Rate | Count),
            Self::Level => matches!(statistic, Maximum),
        }
    }

    fn statistics(self) -> String {
        const ALL: [&str; 7] = ["avg", "min", "med", "max", "p(99)", "rate", "count"];
        let mine = ALL
            .iter()
            .filter(|name| read_statistic(name).is_ok_and(|found| found.is_some_and(|it| self.has(it))));
        listed(mine)
    }

    /// A condition as an example of the grammar.
    fn example(self) -> &'static str {
        match self {
            Self::Time => "p(99) < 200ms",
            Self::Share => "rate < 0.1%",
            Self::Count => "count > 100",
            Self::Bytes => "rate < 10MB/s",
            Self::Level => "max < 100",
        }
    }
}

impl Condition {
    /// Reads a condition on `metric`.
    ///
    /// # Errors
    /// What is wrong and where, with what could be meant. Numbers that need a unit are wrong without.
    pub fn parse(text: &str, metric: Metric) -> Result<Self, ConditionError> {
        let kind = metric.kind();
        let fail = |at: Range<usize>, problem| Err(ConditionError { at, problem });
        let sign_at = text.find(['<', '>', '=', '!']).unwrap_or(text.len());
        let name = text[..sign_at].trim();
        let rest = &text[sign_at..];
        let sign = &rest[..rest.find(|c| !matches!(c, '<' | '>' | '=' | '!')).unwrap_or(rest.len())];
        if sign.is_empty() {
            return fail(text.len()..text.len(), ConditionProblem::NoOperator(kind.example()));
        }
        let statistic = match read_statistic(name) {
            Ok(Some(statistic)) if kind.has(statistic) => statistic,
            Ok(Some(_)) => {
                let (statistic, known) = (name.to_owned(), kind.statistics());
                let problem = ConditionProblem::NotOfMetric { statistic, metric: metric.name(), known };
                return fail(span_of(text, name), problem);
            }
            Ok(None) => {
                let problem = ConditionProblem::UnknownStatistic {
                    found: name.to_owned(),
                    suggestion: similar_statistic(name),
                    metric: metric.name(),
                    known: kind.statistics(),
                };
                return fail(span_of(text, name), problem);
            }
            Err(number) => {
                return fail(span_of(text, number), ConditionProblem::BadPercentile(number.to_owned()));
            }
        };
        let Some((_, operator)) = Operator::ALL.into_iter().find(|(known, _)| *known == sign) else {
            let suggestion = match sign {
                "=" | "===" => Some("=="),
                "=<" => Some("<="),
                "=>" => Some(">="),
                "!" | "<>" => Some("!="),
                _ => None,
            };
            let problem = ConditionProblem::UnknownOperator { found: sign.to_owned(), suggestion };
            return fail(span_of(text, sign), problem);
        };
        let bound = rest[sign.len()..].trim();
        if bound.is_empty() {
            return fail(text.len()..text.len(), ConditionProblem::NoBound(kind.example()));
        }
        match read_bound(bound, kind, statistic) {
            Ok(bound) => Ok(Self { statistic, operator, bound }),
            Err(problem) => fail(span_of(text, bound), problem),
        }
    }
}

/// The statistic of this name; `Err` with what stands in the place of a percentile's number.
fn read_statistic(name: &str) -> Result<Option<Statistic>, &str> {
    let percentile = name.strip_prefix('p').map(str::trim_start).and_then(|rest| rest.strip_prefix('('));
    if let Some(inside) = percentile {
        let number = inside.strip_suffix(')').unwrap_or(inside).trim();
        return match decimal(number) {
            Some(percent) if percent <= 100.0 && inside.ends_with(')') => {
                Ok(Some(Statistic::Percentile(percent)))
            }
            _ => Err(number),
        };
    }
    Ok(match name {
        "avg" => Some(Statistic::Average),
        "min" => Some(Statistic::Minimum),
        "med" => Some(Statistic::Median),
        "max" => Some(Statistic::Maximum),
        "rate" => Some(Statistic::Rate),
        "count" => Some(Statistic::Count),
        _ => None,
    })
}

/// What a name that is no statistic was probably meant to be.
fn similar_statistic(name: &str) -> Option<String> {
    let number = name.strip_prefix('p').map(|number| number.trim_start_matches('_'));
    if let Some(percent) = number.filter(|number| decimal(number).is_some()) {
        return Some(format!("p({percent})"));
    }
    match name.to_ascii_lowercase().as_str() {
        "mean" | "average" => Some("avg".to_owned()),
        "median" => Some("med".to_owned()),
        "minimum" => Some("min".to_owned()),
        "maximum" | "value" => Some("max".to_owned()),
        name => closest(name, ["avg", "min", "med", "max", "rate", "count"]).map(str::to_owned),
    }
}

fn read_bound(text: &str, kind: MetricKind, statistic: Statistic) -> Result<Bound, ConditionProblem> {
    match (kind, statistic) {
        (MetricKind::Share, Statistic::Rate) => share(text).map(Bound::Share),
        (MetricKind::Count, Statistic::Rate) => match text.parse::<Rate>() {
            Ok(rate) => Ok(Bound::PerSecond(rate.per_second())),
            Err(error) => Err(ConditionProblem::Rate(error)),
        },
        (MetricKind::Bytes, Statistic::Rate) => {
            let amount = text.strip_suffix("/s").map(str::trim_end);
            let amount = amount.ok_or_else(|| ConditionProblem::BadData(text.to_owned(), "10MB/s"))?;
            data(amount, "10MB/s").map(Bound::BytesPerSecond)
        }
        (MetricKind::Bytes, _) => data(text, "10MB").map(Bound::Bytes),
        (_, Statistic::Count) | (MetricKind::Level, _) => {
            decimal(text).map(Bound::Count).ok_or_else(|| ConditionProblem::BadNumber(text.to_owned()))
        }
        _ => text.parse().map(Bound::Time).map_err(ConditionProblem::Time),
    }
}

fn share(text: &str) -> Result<Ratio, ConditionProblem> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), 100.0),
        None => (text, 1.0),
    };
    let value = decimal(number).ok_or_else(|| ConditionProblem::BadShare(text.to_owned()))? / scale;
    if value <= 1.0 {
        Ok(Ratio::new(value))
    } else if scale == 1.0 {
        Err(ConditionProblem::ShareAboveWhole(text.to_owned()))
    } else {
        Err(ConditionProblem::BadShare(text.to_owned()))
    }
}

fn data(text: &str, example: &'static str) -> Result<Bytes, ConditionProblem> {
    const UNITS: [(&str, f64); 8] = [
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
        ("kB", 1e3),
        ("KB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("B", 1.0),
    ];
    if decimal(text).is_some() {
        return Err(ConditionProblem::NoDataUnit(text.to_owned()));
    }
    let bad = || ConditionProblem::BadData(text.to_owned(), example);
    let (number, unit) =
        UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).ok_or_else(bad)?;
    let amount = decimal(number.trim_end()).ok_or_else(bad)? * unit;
    // 2^53: beyond that a number with fractions no longer counts single bytes.
    if amount <= 9_007_199_254_740_992.0 { Ok(Bytes::new(amount as u64)) } else { Err(bad()) }
}

/// A number of digits with at most one point, without sign or exponent.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let framed =
        text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(|c: char| c.is_ascii_digit());
    if plain && framed { text.parse().ok() } else { None }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = Self::ALL.iter().find(|(_, operator)| operator == self).map_or("", |(sign, _)| sign);
        f.write_str(sign)
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Average => f.write_str("avg"),
            Self::Minimum => f.write_str("min"),
            Self::Median => f.write_str("med"),
            Self::Maximum => f.write_str("max"),
            Self::Percentile(percent) => write!(f, "p({percent})"),
            Self::Rate => f.write_str("rate"),
            Self::Count => f.write_str("count"),
        }
    }
}

#[cfg(test)]
mod tests;
