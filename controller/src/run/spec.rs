//! What a run is made of.

use std::sync::Arc;

use control::{FileContent, RunId, WorkerId};
use metrics::Layout;
use plan::RunPlan;

use crate::limits::Limits;

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// Its name.
    pub run_id: RunId,
    /// The resolved workload as canonical JSON.
    pub document: String,
    /// The files the workload names.
    pub files: Vec<FileContent>,
    /// The same workload, compiled.
    pub plan: Arc<RunPlan>,
    /// The series of the plan; see [`control::layout`].
    pub layout: Arc<Layout>,
    /// Who makes the load.
    pub workers: Vec<WorkerSpec>,
    /// Engine threads each worker shall use; `None` for its own choice.
    pub threads: Option<u32>,
    /// Whether workers shall check handles, ports, memory, names and reachability first.
    pub preflight: bool,
    /// How long each wait may take.
    pub limits: Limits,
}

/// A worker that shall take part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSpec {
    /// Its name.
    pub worker: WorkerId,
    /// Its part of the load against those of the others.
    pub weight: u32,
}
