//! How a cluster looks from outside.

use api::http::{ClusterStatus, Live, LiveTime, LiveTimes, RunState, RunStatus, WorkerState, WorkerStatus};
use control::RunId;
use metrics::Estimate;
use units::Timestamp;

use super::member::{Member, Standing};
use super::run::{Run, Stage};
use super::{Cluster, ControlError, Submission};
use crate::live::{LivePhase, LiveView};
use crate::run::RunFold;

impl Cluster {
    /// Its workers, and the runs that are not over.
    pub fn status(&self, now: Timestamp) -> ClusterStatus {
        let is_open = |run: &Run| run.state != RunState::Sealed;
        let open = self.runs.iter().filter(|(_, run)| is_open(run));
        ClusterStatus {
            cluster_id: self.options.cluster.to_string(),
            epoch: self.options.epoch.0,
            version: self.options.version.clone(),
            workers: self.members.values().map(|member| self.worker_status(now, member)).collect(),
            runs: open.map(|(id, run)| self.run_status(*id, run)).collect(),
        }
    }

    /// All runs that are kept, in order of submission.
    pub fn runs(&self) -> Vec<RunStatus> {
        self.runs.iter().map(|(id, run)| self.run_status(*id, run)).collect()
    }

    /// Where a run stands.
    ///
    /// # Errors
    /// When there is no such run, or not any more.
    pub fn run(&self, id: RunId) -> Result<RunStatus, ControlError> {
        Ok(self.run_status(id, self.find(id)?))
    }

    /// How a run was asked for, for as long as it is kept.
    pub fn submission(&self, id: RunId) -> Option<&Submission> {
        self.runs.get(&id).map(|run| &*run.submission)
    }

    /// What is recorded of a run that is under way.
    pub fn fold(&self, id: RunId) -> Option<&RunFold> {
        match &self.runs.get(&id)?.stage {
            Stage::UnderWay(machine) => Some(machine.fold()),
            Stage::Queued { .. } | Stage::Building | Stage::Over { .. } => None,
        }
    }

    pub(super) fn run_status(&self, id: RunId, run: &Run) -> RunStatus {
        let label = |at| self.options.wall.label(at);
        RunStatus {
            run_id: id.to_string(),
            name: run.submission.workload.name.clone(),
            state: run.state,
            created_at: label(run.created_at),
            submitted_by: run.submission.by.to_string(),
            started_at: run.started_at.map(label),
            waits_for: run.waits_for.clone(),
            workers: run.places.iter().map(ToString::to_string).collect(),
            degraded: run.is_degraded,
            live: run.live.clone(),
            exit: match &run.stage {
                Stage::Over { exit, .. } => Some(exit.clone()),
                Stage::Queued { .. } | Stage::UnderWay(_) | Stage::Building => None,
            },
        }
    }

    fn worker_status(&self, now: Timestamp, member: &Member) -> WorkerStatus {
        let enrol = &member.enrol;
        let state = match member.standing {
            Standing::Lost { .. } => WorkerState::Lost,
            Standing::Gone { .. } => WorkerState::Gone,
            Standing::Live if member.leaving.is_some() => WorkerState::Leaving,
            Standing::Live if !self.streams.contains_key(&member.peer()) => WorkerState::Detached,
            Standing::Live if member.run.is_some() => WorkerState::Working,
            Standing::Live => WorkerState::Ready,
        };
        WorkerStatus {
            name: enrol.worker.to_string(),
            session: enrol.session.to_string(),
            state,
            version: enrol.info.version.clone(),
            hostname: enrol.info.host.hostname.clone(),
            labels: enrol.labels.clone(),
            weight: enrol.weight,
            cpus: enrol.info.host.cpus_allowed,
            tasks: enrol.tasks.clone(),
            run_id: member.run.map(|run| run.to_string()),
            last_beat_ms: now.saturating_since(member.last_beat).as_u64() / 1_000_000,
            clock_error_us: member.clock.map(|clock| clock.error.as_micros_f64()),
        }
    }
}

/// A look at a run as it goes over the wire.
pub(super) fn live(view: &LiveView, workers: u32) -> Live {
    let time = |estimate: Estimate| LiveTime {
        value: estimate.value.as_micros_f64(),
        at_least: estimate.is_lower_bound(),
    };
    Live {
        running: view.phase == LivePhase::Running,
        elapsed_ms: view.elapsed.as_u64() / 1_000_000,
        remaining_ms: view.remaining.as_u64() / 1_000_000,
        progress: view.progress.as_f64(),
        warming_up: view.warming_up,
        planned_per_s: view.planned_rate,
        iterations_per_s: view.iterations_per_s,
        requests_per_s: view.requests_per_s,
        vus: view.vus,
        in_flight: view.in_flight,
        queued: view.queued,
        requests: view.requests,
        errors: view.errors,
        dropped: view.dropped,
        unsent: view.unsent,
        response_time: view.response_time.map(|times| LiveTimes {
            p50_us: time(times.p50),
            p95_us: time(times.p95),
            p99_us: time(times.p99),
        }),
        workers,
    }
}
