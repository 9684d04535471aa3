//! Times in the result: summaries for people, histograms for programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A quantile that every summary has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Percentile {
    /// The median.
    P50,
    /// 90 % are at most this.
    P90,
    /// 95 % are at most this.
    P95,
    /// 99 % are at most this.
    P99,
    /// 99.9 % are at most this.
    #[serde(rename = "p99_9")]
    P999,
    /// All are at most this.
    Max,
}

impl Percentile {
    /// All of them, ascending.
    pub const ALL: &'static [Self] = &[Self::P50, Self::P90, Self::P95, Self::P99, Self::P999, Self::Max];

    /// The part of the values that is at most the percentile's value: 0.5 for the median.
    pub const fn quantile(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P90 => 0.9,
            Self::P95 => 0.95,
            Self::P99 => 0.99,
            Self::P999 => 0.999,
            Self::Max => 1.0,
        }
    }

    /// How people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::Max => "max",
        }
    }
}

/// What remains of many times, in the unit its key names. It exists only where there is at least one value.
///
/// Quantiles are the upper end of their histogram bucket, as everywhere in the field; `min`, `max`, `sum` are exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimeSummary {
    /// How many values, censored ones included.
    pub count: u64,
    /// How many of them are only lower bounds: timeouts and cancelled requests.
    pub censored: u64,
    /// The smallest.
    pub min: f64,
    /// The mean; a lower bound when there are censored values.
    pub avg: f64,
    /// The median.
    pub p50: f64,
    /// 90 % are at most this.
    pub p90: f64,
    /// 95 % are at most this.
    pub p95: f64,
    /// 99 % are at most this.
    pub p99: f64,
    /// 99.9 % are at most this.
    pub p99_9: f64,
    /// The largest.
    pub max: f64,
    /// The sum.
    pub sum: f64,
    /// Which of the quantiles fall among censored values and are lower bounds: printed as `≥`.
    pub at_least: Vec<Percentile>,
}

impl TimeSummary {
    /// The value of a percentile.
    pub const fn value(&self, percentile: Percentile) -> f64 {
        match percentile {
            Percentile::P50 => self.p50,
            Percentile::P90 => self.p90,
            Percentile::P95 => self.p95,
            Percentile::P99 => self.p99,
            Percentile::P999 => self.p99_9,
            Percentile::Max => self.max,
        }
    }

    /// Whether the true value may be larger.
    pub fn is_lower_bound(&self, percentile: Percentile) -> bool {
        self.at_least.contains(&percentile)
    }
}

/// One time, kept apart by how requests ended. `null` where there is no value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ByOutcome {
    /// Of all requests: the default view.
    pub all: Option<TimeSummary>,
    /// Of those that succeeded.
    pub succeeded: Option<TimeSummary>,
    /// Of those that failed, timed out or were cancelled; the latter two by their age, which is a lower bound.
    pub failed: Option<TimeSummary>,
}

/// A time that is kept as a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Completion − intended start.
    ResponseTime,
    /// Completion − actual start.
    ServiceTime,
    /// From the first byte sent to the first byte of the response.
    FirstByte,
    /// From the first byte of the response to its last.
    Receive,
    /// Looking a host up.
    Dns,
    /// The TCP handshake.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The generator's own lateness.
    DispatchLag,
    /// Waiting for a free user or connection.
    QueueWait,
    /// From an iteration's slot to its end.
    IterationResponseTime,
    /// From an iteration's actual start to its end.
    IterationDuration,
}

/// Which requests or iterations a histogram holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeFilter {
    /// All: the time is not kept apart by outcome.
    All,
    /// Those that succeeded.
    Succeeded,
    /// Those that failed, timed out or were cancelled.
    Failed,
}

/// What a histogram is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistogramOf {
    /// The time.
    pub metric: Metric,
    /// The scenario.
    pub scenario: String,
    /// The step; `null` for times of iterations.
    pub step: Option<String>,
    /// The outcome.
    pub outcome: OutcomeFilter,
}

/// All values of one series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// What it is of.
    pub of: HistogramOf,
    /// How many of the values are only lower bounds.
    pub censored: u64,
    /// The values.
    #[serde(flatten)]
    pub values: EncodedHistogram,
}

/// Many values, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EncodedHistogram {
    /// How many values; exact.
    pub count: u64,
    /// The sum; exact, at most 2⁶⁴ − 1.
    pub sum_ns: u64,
    /// The smallest; exact.
    pub min_ns: u64,
    /// The largest; exact.
    pub max_ns: u64,
    /// How many values are above the histogram's range and stand in its last bucket.
    pub saturated: u64,
    /// Significant decimal digits of the encoded values.
    pub significant_digits: u8,
    /// Base64 of the HdrHistogram V2 compressed encoding.
    pub hdr_v2_deflate_base64: String,
}
