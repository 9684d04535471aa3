//! A condition that a run must meet.

use std::fmt;

use units::{Bytes, Nanos, Ratio};

use crate::metric::{Metric, MetricKind};
use crate::selector::{Selector, SelectorError};
use crate::statistic::{Bound, Condition, ConditionError, Operator, Statistic};
use crate::time_stats::{Estimate, Outcomes, TimeStats};
use crate::{Catalog, Totals};

/// A condition on what a selector selects: `"response_time{scenario:browse}": "p(99) < 200ms"`.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The selector as it was written.
    pub selector_text: String,
    /// The condition as it was written.
    pub condition_text: String,
    /// What is looked at.
    pub selector: Selector,
    /// What is demanded of it.
    pub condition: Condition,
}

/// Why two texts are no threshold.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ThresholdError {
    /// The selector is at fault; positions are in it.
    #[error(transparent)]
    Selector(#[from] SelectorError),
    /// The condition is at fault; positions are in it.
    #[error(transparent)]
    Condition(#[from] ConditionError),
}

/// Whether a threshold was met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// What was measured; `None` without samples.
    pub measured: Option<Value>,
    /// Whether the condition holds. Without samples it does not, and neither if it might not, once the censored
    /// times were known.
    pub passed: bool,
}

/// A measured value with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A time.
    Time(Estimate),
    /// A share of the whole.
    Share(Ratio),
    /// Events per second.
    PerSecond(f64),
    /// A number of events, or a level.
    Count(u64),
    /// An amount of data.
    Bytes(Bytes),
    /// Bytes per second.
    BytesPerSecond(f64),
}

impl Threshold {
    /// Reads a threshold; what it selects is looked up in `catalog`.
    ///
    /// # Errors
    /// Which of the texts is wrong, where, and how to mend it.
    pub fn parse(selector: &str, condition: &str, catalog: &Catalog) -> Result<Self, ThresholdError> {
        let parsed = Selector::parse(selector, catalog)?;
        let condition_of_metric = Condition::parse(condition, parsed.metric)?;
        Ok(Self {
            selector_text: selector.to_owned(),
            condition_text: condition.to_owned(),
            selector: parsed,
            condition: condition_of_metric,
        })
    }

    /// Holds the threshold against what was measured in `measured` seconds of the run, warm-up left out.
    pub fn evaluate(&self, totals: &Totals, measured: Nanos) -> Evaluation {
        let value = self.measure(totals, measured);
        Evaluation { measured: value, passed: value.is_some_and(|value| value.meets(&self.condition)) }
    }

    fn measure(&self, totals: &Totals, measured: Nanos) -> Option<Value> {
        let selector = &self.selector;
        let steps = || selector.steps.iter().copied();
        let scenarios = || selector.scenarios.iter().copied();
        let statistic = self.condition.statistic;
        match selector.metric {
            Metric::StepTime(time) => {
                time_value(&totals.step_times(time, steps(), selector.outcomes), statistic)
            }
            Metric::ScenarioTime(time) => {
                time_value(&totals.scenario_times(time, scenarios(), selector.outcomes), statistic)
            }
            Metric::Failed => {
                let requests = totals.steps(steps()).requests;
                let failed = requests.failed_total();
                share_value(failed, requests.succeeded + failed, statistic)
            }
            Metric::Checks => {
                let checks = totals.checks(selector.checks.iter().copied());
                share_value(checks.passed, checks.passed + checks.failed, statistic)
            }
            Metric::Requests => {
                let requests = totals.steps(steps()).requests;
                let count = match selector.outcomes {
                    Outcomes::Both => requests.attempted,
                    Outcomes::Succeeded => requests.succeeded,
                    Outcomes::Failed => requests.failed_total(),
                };
                self.count_value(requests.attempted, count, measured)
            }
            Metric::DataSent | Metric::DataReceived => {
                let counts = totals.steps(steps());
                let is_sent = selector.metric == Metric::DataSent;
                let bytes = if is_sent { counts.sent_bytes } else { counts.received_bytes };
                self.count_value(counts.requests.attempted, bytes, measured)
            }
            Metric::Iterations | Metric::Dropped | Metric::Unsent | Metric::Cancelled => {
                let ledger = totals.scenarios(scenarios()).iterations;
                let count = match (selector.metric, selector.outcomes) {
                    (Metric::Dropped, _) => ledger.dropped_total(),
                    (Metric::Unsent, _) => ledger.unsent_total(),
                    (Metric::Cancelled, _) => ledger.cancelled,
                    (_, Outcomes::Both) => ledger.succeeded + ledger.failed,
                    (_, Outcomes::Succeeded) => ledger.succeeded,
                    (_, Outcomes::Failed) => ledger.failed,
                };
                self.count_value(ledger.due.count, count, measured)
            }
            Metric::Users => totals.intervals().map(|_| Value::Count(totals.users_max())),
        }
    }

    /// A count or its rate; nothing if none of the `events` it could be counted among happened at all.
    fn count_value(&self, events: u64, count: u64, measured: Nanos) -> Option<Value> {
        if events == 0 {
            return None;
        }
        let is_data = self.selector.metric.kind() == MetricKind::Bytes;
        if self.condition.statistic != Statistic::Rate {
            return Some(if is_data { Value::Bytes(Bytes::new(count)) } else { Value::Count(count) });
        }
        if measured.is_zero() {
            return None;
        }
        let rate = count as f64 / measured.as_secs_f64();
        Some(if is_data { Value::BytesPerSecond(rate) } else { Value::PerSecond(rate) })
    }
}

fn time_value(times: &TimeStats, statistic: Statistic) -> Option<Value> {
    let estimate = match statistic {
        Statistic::Average => times.mean(),
        Statistic::Minimum => times.min(),
        Statistic::Median => times.quantile(0.5),
        Statistic::Maximum => times.max(),
        Statistic::Percentile(percent) => times.quantile(percent / 100.0),
        Statistic::Count | Statistic::Rate => {
            return (times.count() > 0).then(|| Value::Count(times.count()));
        }
    };
    estimate.map(Value::Time)
}

fn share_value(part: u64, whole: u64, statistic: Statistic) -> Option<Value> {
    let value =
        if statistic == Statistic::Rate { Value::Share(Ratio::of(part, whole)) } else { Value::Count(part) };
    (whole > 0).then_some(value)
}

impl Value {
    /// Whether it surely meets `condition`.
    fn meets(&self, condition: &Condition) -> bool {
        let exactly = |value: f64, bound: f64| holds(condition.operator, value, Some(value), bound);
        match (self, condition.bound) {
            (Self::Time(time), Bound::Time(bound)) => {
                holds(condition.operator, time.value, time.at_most, bound)
            }
            (Self::Share(share), Bound::Share(bound)) => exactly(share.as_f64(), bound.as_f64()),
            (Self::PerSecond(rate), Bound::PerSecond(bound)) => exactly(*rate, bound),
            (Self::Count(count), Bound::Count(bound)) => exactly(*count as f64, bound),
            (Self::Bytes(bytes), Bound::Bytes(bound)) => {
                exactly(bytes.as_u64() as f64, bound.as_u64() as f64)
            }
            (Self::BytesPerSecond(rate), Bound::BytesPerSecond(bound)) => {
                exactly(*rate, bound.as_u64() as f64)
            }
            // `Condition::parse` gives each statistic a bound of its own kind.
            _ => false,
        }
    }
}

/// Whether every value from `least` up to `most` (without limit if `None`) compares so with `bound`.
fn holds<T: PartialOrd>(operator: Operator, least: T, most: Option<T>, bound: T) -> bool {
    let all_below = || most.as_ref().is_some_and(|most| *most < bound);
    match operator {
        Operator::Below => all_below(),
        Operator::AtMost => most.is_some_and(|most| most <= bound),
        Operator::Above => least > bound,
        Operator::AtLeast => least >= bound,
        Operator::Equal => least == bound && most == Some(bound),
        Operator::Unequal => least > bound || all_below(),
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => {
                let rounded = |time: Nanos| Nanos::new(significant(time.as_u64()));
                Estimate { value: rounded(time.value), at_most: time.at_most.map(rounded) }.fmt(f)
            }
            Self::Share(share) => write!(f, "{share}"),
            Self::PerSecond(rate) => write!(f, "{rate:.1}/s"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Bytes(bytes) => write!(f, "{bytes}"),
            Self::BytesPerSecond(rate) => write!(f, "{}/s", Bytes::new(*rate as u64)),
        }
    }
}

/// Rounds to 4 significant digits, one more than histograms resolve.
fn significant(value: u64) -> u64 {
    let digits = value.checked_ilog10().unwrap_or(0) + 1;
    let unit = 10_u64.pow(digits.saturating_sub(4));
    value.saturating_add(unit / 2) / unit * unit
}

#[cfg(test)]
mod tests;
