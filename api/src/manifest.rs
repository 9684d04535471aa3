//! The run manifest: who ran what when with which programs, in a small document beside the result.
//!
//! It is for whoever finds the files later, by eye or by a catalogue of runs: everything in it names things, nothing is
//! measured. Covered by the version as the result file is, through [`RunManifest::schema_version`]; a reader ignores keys it
//! does not know. It holds no secret: what the command line had of them is left out. Start reading at [`RunManifest`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::result::{Annotation, ExitStatus, Host, ResultFile, Tool};

/// The version of the manifest this program writes. Raised when a key changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// Who ran what when, and with what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunManifest {
    /// The version of this file's form; see [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The run, a UUIDv7: the same on its metrics, traces and logs.
    pub run_id: String,
    /// The result of the run, a file in the manifest's folder.
    pub result: String,
    /// Who started it.
    pub started_by: StartedBy,
    /// When.
    pub time: ManifestTime,
    /// What was run.
    pub workload: ManifestWorkload,
    /// The program that conducted it.
    pub tool: ManifestTool,
    /// The machines that made the load.
    pub workers: Vec<ManifestWorker>,
    /// What somebody reading the numbers should know, in order of time.
    pub annotations: Vec<Annotation>,
    /// How it ended.
    pub exit: ExitStatus,
}

/// Who started a run, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StartedBy {
    /// The user of the command line; `null` where the system does not say.
    pub user: Option<String>,
    /// The machine of the command line.
    pub host: String,
    /// The command line, the program's name first. Of values that may be secrets there is only `…`.
    pub command: Vec<String>,
    /// The controller that conducted the run; `null` when the command line did.
    pub controller: Option<String>,
    /// The ID of the token that the run was submitted with; `null` without a controller.
    pub token: Option<String>,
}

/// When a run was: labels from the wall clock, RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestTime {
    /// When it was created.
    pub created_at: String,
    /// When slot 0 was due; `null` when it never started.
    pub started_at: Option<String>,
    /// When the result was sealed.
    pub sealed_at: String,
}

/// What was run. Digests are lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestWorkload {
    /// The name of the workload.
    pub name: String,
    /// The scenario file as the command line named it; `null` for a run without one.
    pub file: Option<String>,
    /// Equal means "the same test"; as in the result.
    pub scenario_digest: String,
    /// Equal means "the same configuration"; as in the result.
    pub config_digest: String,
    /// Equal means "the same schedule"; as in the result.
    pub plan_hash: String,
    /// What random arrivals and think times were drawn from.
    pub seed: u64,
    /// The labels on everything the run measured.
    pub tags: BTreeMap<String, String>,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestTool {
    /// Its name, version and commit.
    #[serde(flatten)]
    pub tool: Tool,
    /// What it was built for: architecture, operating system and C library.
    pub platform: String,
}

/// A machine that made load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestWorker {
    /// Its name in the run: the value of `worker` on metrics, traces and logs.
    pub name: String,
    /// The version of its program; `null` when it never answered.
    pub version: Option<String>,
    /// Its machine; `null` when it never answered.
    pub host: Option<Host>,
    /// What its operator says of it.
    pub labels: BTreeMap<String, String>,
    /// Its part of the load against those of the others.
    pub weight: u32,
    /// Its part of all weights: 1 is all of the load.
    pub share: f64,
}

impl RunManifest {
    /// What `result`, which lies beside it as the file `name`, says of its run; `file` is the scenario file and `platform`
    /// what the program was built for.
    pub fn of(
        result: &ResultFile,
        name: impl Into<String>,
        file: Option<String>,
        started_by: StartedBy,
        platform: impl Into<String>,
    ) -> Self {
        let (identity, time) = (&result.identity, &result.time);
        let workers = result.workers.iter().map(|worker| ManifestWorker {
            name: worker.name.clone(),
            version: worker.version.clone(),
            host: worker.host.clone(),
            labels: worker.labels.clone(),
            weight: worker.weight,
            share: worker.share,
        });
        Self {
            schema_version: SCHEMA_VERSION,
            run_id: identity.run_id.clone(),
            result: name.into(),
            started_by,
            time: ManifestTime {
                created_at: time.created_at.clone(),
                started_at: time.started_at.clone(),
                sealed_at: time.sealed_at.clone(),
            },
            workload: ManifestWorkload {
                name: identity.name.clone(),
                file,
                scenario_digest: identity.scenario_digest.clone(),
                config_digest: identity.config_digest.clone(),
                plan_hash: identity.plan_hash.clone(),
                seed: result.seed,
                tags: result.tags.clone(),
            },
            tool: ManifestTool { tool: result.tool.clone(), platform: platform.into() },
            workers: workers.collect(),
            annotations: result.annotations.clone(),
            exit: result.exit.clone(),
        }
    }

    /// The document as it is written to disk: indented JSON with a final newline.
    ///
    /// # Panics
    /// Never: all keys are strings.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a manifest has string keys only");
        text.push('\n');
        text
    }
}

/// The JSON Schema of [`RunManifest`] (draft 2020-12), as the committed `api/schema/manifest.schema.json` has it.
///
/// # Panics
/// Never: a schema is plain JSON.
pub fn schema_json() -> String {
    let schema = schemars::schema_for!(RunManifest);
    let mut text =
        serde_json::to_string_pretty(&schema).expect("a schema has string keys and finite numbers only");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conditions, ExitCode};

    fn sample() -> RunManifest {
        RunManifest {
            schema_version: SCHEMA_VERSION,
            run_id: "0190c0de-0000-7000-8000-000000000001".into(),
            result: "result.json".into(),
            started_by: StartedBy {
                user: Some("mia".into()),
                host: "bench-1".into(),
                command: vec![
                    "loadgen".into(),
                    "run".into(),
                    "shop.yaml".into(),
                    "-e".into(),
                    "TOKEN=…".into(),
                ],
                controller: Some("https://ctl.test:7401".into()),
                token: Some("3f2a90c1d4e5".into()),
            },
            time: ManifestTime {
                created_at: "2026-01-02T03:04:05.000000Z".into(),
                started_at: None,
                sealed_at: "2026-01-02T03:05:05.000000Z".into(),
            },
            workload: ManifestWorkload {
                name: "shop".into(),
                file: Some("shop.yaml".into()),
                scenario_digest: "00".repeat(32),
                config_digest: "11".repeat(32),
                plan_hash: "22".repeat(32),
                seed: u64::MAX,
                tags: [("team".to_owned(), "shop".to_owned())].into(),
            },
            tool: ManifestTool {
                tool: Tool { name: "loadgen".into(), version: "0.1.0".into(), git: None },
                platform: "x86_64-linux-gnu".into(),
            },
            workers: vec![ManifestWorker {
                name: "local".into(),
                version: None,
                host: None,
                labels: BTreeMap::new(),
                weight: 1,
                share: 1.0,
            }],
            annotations: vec![Annotation { at_ms: None, by: None, text: "preflight was skipped".into() }],
            exit: Conditions::default().into(),
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let manifest = sample();
        assert_eq!(serde_json::from_str::<RunManifest>(&manifest.to_json()).unwrap(), manifest);
        assert_eq!(manifest.exit.name, ExitCode::Passed);
    }

    #[test]
    fn a_manifest_satisfies_its_schema() {
        let schema: serde_json::Value = serde_json::from_str(&schema_json()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mut document = serde_json::to_value(sample()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(document["tool"]["version"], "0.1.0", "name, version and platform stand side by side");
        document["workers"][0]["weight"] = "heavy".into();
        assert!(!validator.is_valid(&document));
    }

    #[test]
    fn the_committed_schema_is_the_one_of_this_program() {
        let committed = include_str!("../schema/manifest.schema.json");
        assert!(
            committed == schema_json(),
            "api/schema/manifest.schema.json is out of date: run `cargo xtask schema`"
        );
    }
}
