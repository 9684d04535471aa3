//! What somebody wants to be run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::result::Override;
use control::{FileContent, RunId};
use metrics::Layout;
use plan::{RunPlan, ScenarioBody};
use scenario::{Files, Workload};
use units::Nanos;

use crate::run::Actor;

/// A run that was asked for, read and compiled.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Its name.
    pub run_id: RunId,
    /// The resolved workload as canonical JSON.
    pub document: String,
    /// The same.
    pub workload: Workload,
    /// What the files it names hold.
    pub files: Files,
    /// The same workload, compiled.
    pub plan: Arc<RunPlan>,
    /// The series of the plan.
    pub layout: Arc<Layout>,
    /// Whether workers check handles, ports, memory, names and reachability first.
    pub preflight: bool,
    /// How many workers it waits for; at least one in any case.
    pub expect_workers: u32,
    /// How long it waits for them.
    pub wait: Nanos,
    /// Only workers with all of these labels.
    pub worker_labels: BTreeMap<String, String>,
    /// Values from outside the scenario file.
    pub overrides: Vec<Override>,
    /// Who asked for it.
    pub by: Actor,
}

impl Submission {
    /// The Rust tasks its workers must have.
    pub(super) fn tasks(&self) -> BTreeSet<&str> {
        let bodies = self.plan.scenarios.iter().map(|scenario| &scenario.body);
        let tasks = bodies.filter_map(|body| match body {
            ScenarioBody::Task { task, .. } => Some(task.as_str()),
            ScenarioBody::Program(_) => None,
        });
        tasks.collect()
    }

    /// The files as they travel.
    pub(super) fn contents(&self) -> Vec<FileContent> {
        let content = |(path, content): (&str, &scenario::FileContent)| FileContent {
            path: path.to_owned(),
            bytes: Arc::clone(&content.bytes),
        };
        self.files.iter().map(content).collect()
    }
}
