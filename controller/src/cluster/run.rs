//! A run, as the cluster knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::http::{Live, RunEventBody, RunExit, RunState};
use api::result::ResultFile;
use control::{RunId, WorkerId};
use units::Timestamp;

use super::event_log::EventLog;
use super::{Cluster, ClusterOutput, Submission};
use crate::run::{Peer, RunEvent, RunMachine, RunPhase, WorkerStanding};

/// A run that was submitted.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) submission: Arc<Submission>,
    pub(super) created_at: Timestamp,
    pub(super) stage: Stage,
    /// What those who follow it were told last.
    pub(super) state: RunState,
    pub(super) started_at: Option<Timestamp>,
    pub(super) waits_for: Option<String>,
    pub(super) log: EventLog,
    /// The sessions that took part: their facts are taken.
    pub(super) took_part: BTreeSet<Peer>,
    /// Its workers, in the order of their weights.
    pub(super) places: Vec<WorkerId>,
    pub(super) is_degraded: bool,
    pub(super) live: Option<Live>,
}

/// What is done with a run.
#[derive(Debug)]
pub(super) enum Stage {
    /// It waits for workers.
    Queued {
        /// At most until then.
        until: Timestamp,
        /// Since when there are too few of them, working or not; `None` when there are enough.
        short_since: Option<Timestamp>,
    },
    /// It is carried out.
    UnderWay(Box<RunMachine>),
    /// It is over, and its result is being made.
    Building,
    /// It is over.
    Over {
        /// How it ended.
        exit: RunExit,
        /// What came of it.
        result: Option<Arc<ResultFile>>,
        /// Memory all of it takes, about.
        bytes: usize,
    },
}

impl Run {
    pub(super) fn new(now: Timestamp, submission: Submission, until: Timestamp) -> Self {
        Self {
            submission: Arc::new(submission),
            created_at: now,
            stage: Stage::Queued { until, short_since: Some(now) },
            state: RunState::Queued,
            started_at: None,
            waits_for: None,
            log: EventLog::default(),
            took_part: BTreeSet::new(),
            places: Vec::new(),
            is_degraded: false,
            live: None,
        }
    }

    pub(super) const fn is_under_way(&self) -> bool {
        matches!(self.stage, Stage::UnderWay(_))
    }

    /// Whether its machine wants to be asked.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        matches!(&self.stage, Stage::UnderWay(machine) if machine.wake_at() <= now)
    }

    /// Whether its workers have something to do all the time.
    pub(super) fn makes_load(&self) -> bool {
        self.is_under_way() && self.state == RunState::Running
    }
}

impl Cluster {
    /// Passes on what a run says to those who follow it.
    pub(super) fn follow(&mut self, id: RunId, event: RunEvent, out: &mut Vec<ClusterOutput>) {
        match event {
            RunEvent::Phase(phase) => {
                let note = (phase == RunPhase::Once).then(|| "a task is executed once".to_owned());
                if let Some(state) = state(phase) {
                    self.reach(id, state, note, out);
                }
            }
            RunEvent::Incident(incident) => {
                self.log(id, RunEventBody::Incident { text: incident.kind.to_string() }, out);
            }
            RunEvent::Annotated(annotation) => {
                let body = RunEventBody::Annotation {
                    by: annotation.by.to_string(),
                    text: annotation.what.to_string(),
                };
                self.log(id, body, out);
            }
            RunEvent::Revised { number, effective, weights } => {
                let Some(run) = self.runs.get(&id) else { return };
                let names = run.places.iter().map(ToString::to_string);
                let weights: BTreeMap<String, u32> = names.zip(weights).collect();
                let effective_ms = effective.as_u64() / 1_000_000;
                self.log(id, RunEventBody::Revision { revision: number, effective_ms, weights }, out);
            }
            RunEvent::Worker { standing: WorkerStanding::Lost, .. } => {
                if let Some(run) = self.runs.get_mut(&id) {
                    run.is_degraded = true;
                }
            }
            // Who comes and goes by somebody's word is annotated, and the status lists who is there.
            RunEvent::Worker { .. } => {}
        }
    }
}

/// The state by which those who follow a run know its phase; none for the last, which they learn with the result.
const fn state(phase: RunPhase) -> Option<RunState> {
    Some(match phase {
        RunPhase::Preparing | RunPhase::Once => RunState::Preparing,
        RunPhase::Arming => RunState::Arming,
        RunPhase::Running => RunState::Running,
        RunPhase::Paused => RunState::Paused,
        RunPhase::Draining => RunState::Draining,
        RunPhase::Collecting => RunState::Collecting,
        RunPhase::Sealed => return None,
    })
}
