//! How a run is judged: thresholds, verdict and exit code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Explanation;
use crate::{Conditions, ExitCode};

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictOutcome {
    /// Something succeeded and every threshold was met.
    Passed,
    /// A threshold was not met, or nothing succeeded.
    Failed,
    /// The numbers are no measurement of the target; whether thresholds were met says nothing.
    Invalid,
}

/// What a reader of the numbers must bear in mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The generator was near its limits.
    Suspect,
    /// Part of the run is missing: it was cut short, or a worker was lost.
    Degraded,
}

/// The unit of a measured value and its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Microseconds.
    Us,
    /// A part of a whole: 1 is all of it.
    Ratio,
    /// So many.
    Count,
    /// So many per second.
    PerS,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerS,
}

/// What a bound that does not hold does to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The measurement is marked suspect.
    Suspect,
    /// The measurement is invalid.
    Invalid,
}

/// One bound that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What was bounded, in words: `dispatch lag p99`.
    pub bound: String,
    /// What happens when it does not hold.
    pub severity: Severity,
    /// The largest value that still holds.
    pub limit: f64,
    /// The value that was measured.
    pub measured: f64,
    /// Of both.
    pub unit: Unit,
    /// Whether it held.
    pub held: bool,
    /// The key that sets the limit, `verdict.invalid.dispatch_lag_p99`; `null` for what cannot be set.
    pub key: Option<String>,
    /// What to change so that it holds, with the key or flag.
    pub advice: String,
}

/// How the run is judged, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// What it came to.
    pub outcome: VerdictOutcome,
    /// What to bear in mind, each once.
    pub marks: Vec<Mark>,
    /// Why it is not simply passed, one line each, gravest first.
    pub reasons: Vec<String>,
    /// Every bound that was looked at.
    pub evidence: Vec<Evidence>,
}

/// One threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdResult {
    /// What is judged, as the file writes it: `response_time{scenario:browse}`.
    pub metric: String,
    /// What must hold: `p(99) < 200ms`.
    pub expression: String,
    /// Whether it held.
    pub passed: bool,
    /// The measured value; `null` without a sample, and then it did not hold.
    pub measured: Option<f64>,
    /// Whether the measured value is only a lower bound.
    pub at_least: bool,
    /// Of the measured value.
    pub unit: Unit,
    /// What contributed most; `null` when it held, or when nothing can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// How the process ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExitStatus {
    /// The number.
    pub code: u8,
    /// Its name.
    pub name: ExitCode,
    /// Everything that held, by precedence; the first decides the code.
    pub conditions: Conditions,
}

impl From<Conditions> for ExitStatus {
    fn from(conditions: Conditions) -> Self {
        let name = conditions.exit_code();
        Self { code: name.code(), name, conditions }
    }
}
