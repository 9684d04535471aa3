//! What the simulated clusters are asked to run.

use std::collections::BTreeMap;
use std::sync::Arc;

use control::RunId;
use controller::Actor;
use controller::cluster::Submission;
use scenario::{Files, LossPolicy, Workload};
use units::Nanos;
use uuid::Uuid;

/// Loads of every model, from 2 to 30 s long, as the `scenarios` of a document.
const LOADS: &[&str] = &[
    r#""a": {"executor": "constant-arrival-rate", "rate": "20/s", "duration": "4s", STOP "steps": [{"get": "/"}]}"#,
    r#""a": {"executor": "constant-arrival-rate", "rate": "50/s", "duration": "8s", STOP "steps": [{"get": "/"}]}"#,
    r#""a": {"executor": "constant-arrival-rate", "rate": "30/s", "duration": "6s", "arrivals": "poisson", STOP
        "steps": [{"get": "/"}]}"#,
    r#""a": {"executor": "ramping-arrival-rate", "start_rate": "5/s", STOP "stages": [
        {"duration": "4s", "target": "40/s"}, {"duration": "3s", "target": "40/s"}, {"duration": "3s", "target": "0/s"}],
        "steps": [{"get": "/"}]}"#,
    r#""a": {"executor": "constant-vus", "vus": 4, "duration": "5s", STOP "steps": [{"get": "/"}]}"#,
    r#""a": {"executor": "shared-iterations", "vus": 5, "iterations": 70, "max_duration": "9s", STOP
        "steps": [{"get": "/"}]}"#,
    r#""a": {"executor": "constant-arrival-rate", "rate": "15/s", "duration": "8s", STOP "steps": [{"get": "/"}]},
       "b": {"executor": "constant-vus", "vus": 3, "duration": "7s", STOP "steps": [{"get": "/"}]}"#,
    r#""a": {"executor": "constant-arrival-rate", "rate": "8/s", "duration": "30s", STOP "steps": [{"get": "/"}]}"#,
    r#""a": {"executor": "constant-arrival-rate", "rate": "25/s", "duration": "5s", "max_vus": 8, "overload": "drop", STOP
        "steps": [{"get": "/"}]}"#,
    r#""a": {"executor": "constant-arrival-rate", "rate": "12/s", "duration": "6s", STOP
        "steps": [{"get": "/one"}, {"get": "/two"}]}"#,
    r#""a": {"executor": "constant-arrival-rate", "rate": "20/s", "warm_up": "2s", "duration": "5s", STOP
        "steps": [{"get": "/"}]},
       "b": {"executor": "constant-arrival-rate", "rate": "7/s", "duration": "9s", STOP "steps": [{"get": "/"}]}"#,
    r#""a": {"executor": "constant-arrival-rate", "rate": "40/s", "duration": "2s", STOP "steps": [{"get": "/"}]}"#,
];

/// All loads, read and compiled once for all schedules.
pub struct Workloads(Vec<Submission>);

impl Default for Workloads {
    /// Reads and compiles them.
    ///
    /// # Panics
    /// When one is no valid workload.
    fn default() -> Self {
        Self(LOADS.iter().map(|load| compiled(load)).collect())
    }
}

impl Workloads {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Number `index` as a run of its own.
    pub(crate) fn submission(
        &self,
        index: usize,
        run: u64,
        loss: LossPolicy,
        expect_workers: u32,
    ) -> Submission {
        let mut submission = self.0[index].clone();
        submission.run_id = run_id(run);
        submission.workload.options.loss = loss;
        submission.expect_workers = expect_workers;
        submission
    }
}

/// Run number `run` of a schedule.
pub(crate) fn run_id(run: u64) -> RunId {
    RunId::new(Uuid::from_u128(0x10_0000 + u128::from(run)))
}

fn compiled(load: &str) -> Submission {
    let scenarios = load.replace("STOP", r#""graceful_stop": "1s","#);
    let document = format!(
        r#"{{"name": "simulated", "target": {{"url": "http://127.0.0.1:9"}}, "scenarios": {{{scenarios}}}}}"#
    );
    let files = Files::default();
    let workload =
        Workload::from_canonical_json(&document, &files).expect("the simulation's own workloads are valid");
    let plan = scenario::compile(&workload, &files).expect("a valid workload compiles");
    Submission {
        run_id: run_id(0),
        document: workload.to_canonical_json(),
        layout: Arc::new(control::layout(&plan, BTreeMap::new())),
        plan: Arc::new(plan),
        files,
        workload,
        preflight: false,
        expect_workers: 1,
        wait: Nanos::from_secs(60),
        worker_labels: BTreeMap::new(),
        overrides: Vec::new(),
        by: Actor::new("simulation"),
    }
}
