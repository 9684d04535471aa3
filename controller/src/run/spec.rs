//! What a run is made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use control::{Epoch, FileContent, RunId, SessionId, WorkerId, WorkerInfo};
use metrics::{Layout, Threshold};
use plan::RunPlan;
use scenario::LossPolicy;
use units::Nanos;

use super::Peer;
use crate::limits::Limits;

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// Its name.
    pub run_id: RunId,
    /// The controller's life that conducts it; zero in a local run.
    pub epoch: Epoch,
    /// The resolved workload as canonical JSON.
    pub document: String,
    /// The files the workload names.
    pub files: Vec<FileContent>,
    /// The same workload, compiled.
    pub plan: Arc<RunPlan>,
    /// The series of the plan; see [`control::layout`].
    pub layout: Arc<Layout>,
    /// The thresholds of the workload: what contributes to each is kept, so that one that is not met can be explained.
    pub thresholds: Vec<Threshold>,
    /// Who makes the load.
    pub workers: Vec<WorkerSpec>,
    /// Engine threads each worker shall use; `None` for its own choice.
    pub threads: Option<u32>,
    /// Whether workers shall check handles, ports, memory, names and reachability first.
    pub preflight: bool,
    /// How long each wait may take.
    pub limits: Limits,
    /// What happens when workers are lost or come.
    pub policy: LossPolicy,
    /// A task to run once, on one worker, when all are prepared and before the load starts.
    pub once: Option<String>,
    /// Whether the load may be changed and workers may come and go while it runs. A local run has one worker and nobody
    /// who could ask.
    pub revisable: bool,
}

/// A worker that shall take part.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerSpec {
    /// Its name.
    pub worker: WorkerId,
    /// This life of it.
    pub session: SessionId,
    /// Its part of the load against those of the others.
    pub weight: u32,
    /// Its program and machine.
    pub info: WorkerInfo,
    /// What its operator says of it.
    pub labels: BTreeMap<String, String>,
    /// The round trip to it: that of the fastest probe of late.
    pub rtt: Nanos,
}

impl WorkerSpec {
    /// Its name and life.
    pub fn peer(&self) -> Peer {
        Peer::new(self.worker.clone(), self.session)
    }
}
