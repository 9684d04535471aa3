//! The result file: everything a run found out, as plain types.
//!
//! One JSON document per run, covered by the version through [`ResultFile::schema_version`]. Every number names its unit
//! in its key (`response_time_us.p99`), qualifiers last; what has no value is `null`, never a zero that means nothing. A
//! reader ignores keys it does not know: new ones may appear within a schema version. Start reading at [`ResultFile`];
//! what each number means stands in `docs/measuring.md`.

mod judgement;
mod load;
mod telemetry;
mod time;
mod timeline;
mod worker;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use judgement::{Evidence, ExitStatus, Mark, Severity, ThresholdResult, Unit, Verdict, VerdictOutcome};
pub use load::{
    CheckResult, Connections, Dropped, ErrorCount, IterationCounts, Model, PhaseTimes, RateAccuracy,
    RequestCounts, ScenarioResult, StatusCount, StepResult, Totals, Transfer, Unsent, WarmUp,
};
pub use telemetry::{Explanation, SinkResult, SlowRequest, TelemetryResult, TelemetrySignal};
pub use time::{
    ByOutcome, EncodedHistogram, Histogram, HistogramOf, Metric, OutcomeFilter, Percentile, TimeSummary,
};
pub use timeline::{Block, Interval, IntervalTimes, Timeline};
pub use worker::{Health, Host, LabelResult, SessionEnding, WorkerResult, WorkerSession, WorkerSums};

use crate::{Condition, Conditions};

/// The version of the result file this program writes. Raised when a key changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// The result of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResultFile {
    /// The version of this file's form; see [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program that ran it.
    pub tool: Tool,
    /// What was run, by names that can be compared.
    pub identity: Identity,
    /// What random arrivals and think times were drawn from.
    pub seed: u64,
    /// When, and for how long.
    pub time: RunTime,
    /// The target, as far as the reader must know it.
    pub target: Target,
    /// Labels on everything the run measured.
    pub tags: BTreeMap<String, String>,
    /// The resolved configuration; secrets are references in it.
    pub configuration: serde_json::Value,
    /// Values that do not come from the scenario file or from a default, with their origin.
    pub overrides: Vec<Override>,
    /// How the run is judged.
    pub verdict: Verdict,
    /// The exit code and everything that held.
    pub exit: ExitStatus,
    /// The thresholds in the order of the file.
    pub thresholds: Vec<ThresholdResult>,
    /// The whole run, warm-up left out.
    pub totals: Totals,
    /// The scenarios in the order of the file.
    pub scenarios: Vec<ScenarioResult>,
    /// What happened when.
    pub timeline: Timeline,
    /// All recorded values, for those who compute quantiles of their own.
    pub histograms: Vec<Histogram>,
    /// The machines that made the load, and how they fared.
    pub workers: Vec<WorkerResult>,
    /// What somebody reading the numbers should know, in order of time.
    pub annotations: Vec<Annotation>,
    /// What workers with the same label did together.
    #[serde(default)]
    pub by_label: Vec<LabelResult>,
    /// How the load was dealt and shaped anew while it ran, in order of time.
    #[serde(default)]
    pub revisions: Vec<RevisionResult>,
    /// What is missing because workers did not all stay; `null` when nothing is.
    #[serde(default)]
    pub degraded: Option<Degraded>,
    /// What became of the run's telemetry; `null` where none was sent.
    #[serde(default)]
    pub telemetry: Option<TelemetryResult>,
    /// The slowest of the requests that were traced, the slowest first; at most 20.
    #[serde(default)]
    pub slowest: Vec<SlowRequest>,
}

/// Why a run is less than it was meant to be although it went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Degraded {
    /// Whether `allow_degraded` lets such a run pass.
    pub allowed: bool,
    /// The workers that were lost, by name.
    pub workers_lost: Vec<String>,
    /// Planned iterations that came due when their worker's right to send had ended and nobody else had it yet.
    pub iterations_lease_ended: u64,
    /// Planned iterations of which nobody knows what became of them.
    pub iterations_unaccounted: u64,
    /// The most requests that the target may have seen and this result does not hold.
    pub requests_unaccounted_at_most: u64,
    /// Whether that bound rests on the pace that was observed, as it does where users of a closed model start as often as
    /// the target lets them.
    pub is_estimate: bool,
}

/// A dealing of the load, and a change of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RevisionResult {
    /// Its number, from 1.
    pub number: u64,
    /// From which run time on.
    pub effective_ms: f64,
    /// The weights by worker.
    pub weights: BTreeMap<String, u32>,
    /// The plan hash from then on: chained over all changes of load so far, the same where only shares changed.
    pub plan_hash: String,
}

/// The program that ran a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The commit it was built from, when the build knew.
    pub git: Option<String>,
}

/// What was run. Digests are lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// This execution, a UUIDv7.
    pub run_id: String,
    /// The name of the workload.
    pub name: String,
    /// SHA-256 of the workload without base URL, tags, secrets, output and telemetry: equal means "the same test".
    pub scenario_digest: String,
    /// SHA-256 of the whole configuration but secret values.
    pub config_digest: String,
    /// SHA-256 of profiles, arrival law, seed, law version and all changes of load: equal means "the same schedule".
    pub plan_hash: String,
    /// What became of the planned slots, as additive digests.
    pub slots_digest: SlotsDigests,
}

/// Additive digests of slots, 32 hexadecimal digits each: `started + dropped + unsent = due` (mod 2¹²⁸).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlotsDigests {
    /// Of every slot that came due.
    pub due: String,
    /// Of those that became iterations.
    pub started: String,
    /// Of those given up because no user or no place in the queue was free.
    pub dropped: String,
    /// Of those never released.
    pub unsent: String,
}

/// When a run was, and how long its parts took. Instants are labels from the wall clock; spans are measured on a
/// monotonic clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunTime {
    /// When the run was created, RFC 3339 in UTC.
    pub created_at: String,
    /// When slot 0 was due, RFC 3339 in UTC; `null` when the run never started.
    pub started_at: Option<String>,
    /// When the result was sealed, RFC 3339 in UTC.
    pub sealed_at: String,
    /// From creation to the start of load.
    pub preparing_ms: f64,
    /// From slot 0 to the last planned instant.
    pub planned_ms: f64,
    /// From slot 0 to the end of the last request or iteration, at most to the seal.
    pub load_ms: f64,
    /// How much of the load was the drain: from the end of the plan, or from the stop, to the last end.
    pub draining_ms: f64,
    /// From creation to the seal.
    pub total_ms: f64,
}

/// Where requests went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// The base URL, without credentials.
    pub url: String,
    /// Whether it ran inside the generator's own process and shared its CPUs: noted, not judged.
    pub in_process: bool,
}

/// A value that was given from outside the scenario file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Override {
    /// Where it stands: `scenarios.browse.rate`.
    pub path: String,
    /// The value as JSON text.
    pub value: String,
    /// Where it comes from, as the user wrote it: `-r`, `--set scenarios.browse.rate`, `LOADGEN_SEED`.
    pub origin: String,
}

/// Something worth knowing that happened to the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Annotation {
    /// When, from slot 0; negative before it; `null` when it belongs to no instant.
    pub at_ms: Option<f64>,
    /// On whose word, where somebody did it: the id of a token, `local`, or `worker NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What happened.
    pub text: String,
}

/// The JSON Schema of [`ResultFile`] (draft 2020-12), as the committed `api/schema/result.schema.json` has it.
///
/// # Panics
/// Never: a schema is plain JSON.
pub fn schema_json() -> String {
    let schema = schemars::schema_for!(ResultFile);
    let mut text =
        serde_json::to_string_pretty(&schema).expect("a schema has string keys and finite numbers only");
    text.push('\n');
    text
}

impl ResultFile {
    /// The document as it is written to disk: indented JSON with a final newline.
    ///
    /// # Panics
    /// Never: all keys are strings.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a result has string keys only");
        text.push('\n');
        text
    }

    /// Reads a document that [`to_json`](Self::to_json) of this or an earlier program of the same schema version wrote.
    ///
    /// # Errors
    /// When it is no JSON, of another schema version, or lacks a key.
    pub fn from_json(text: &str) -> Result<Self, ReadError> {
        let head: Head = serde_json::from_str(text)?;
        if head.schema_version != SCHEMA_VERSION {
            return Err(ReadError::Version { found: head.schema_version });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Notes that `condition` held too, as when the result could not be delivered; the exit code follows.
    pub fn add_condition(&mut self, condition: Condition) {
        let mut conditions = std::mem::take(&mut self.exit.conditions);
        conditions.insert(condition);
        self.exit = conditions.into();
    }

    /// What held when the run ended.
    pub fn conditions(&self) -> &Conditions {
        &self.exit.conditions
    }
}

/// The part of a result that says how to read the rest.
#[derive(Deserialize)]
struct Head {
    schema_version: u32,
}

/// Why a text is not a result this program can read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not JSON of the right form.
    #[error("this is not a result file")]
    Form(#[from] serde_json::Error),
    /// It is of another version.
    #[error("this result has schema_version {found}; this program reads {SCHEMA_VERSION}")]
    Version {
        /// The version it says.
        found: u32,
    },
}

#[cfg(test)]
mod tests;
