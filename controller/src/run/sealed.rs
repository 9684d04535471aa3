//! What a run leaves behind.

use std::sync::Arc;

use control::RunId;
use plan::RunPlan;
use units::{Nanos, Timestamp};

use crate::incident::Incident;
use crate::merge::Merged;
use crate::session::Session;

/// A run that is over: everything its result is made of.
#[derive(Debug)]
pub struct SealedRun {
    /// Its name.
    pub run_id: RunId,
    /// What was to be done.
    pub plan: Arc<RunPlan>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When slot 0 was due; `None` when it never came to that.
    pub start: Option<Timestamp>,
    /// When a signal asked for the end.
    pub stopped_at: Option<Timestamp>,
    /// When nothing more was expected.
    pub sealed_at: Timestamp,
    /// The workers, in the order of their shares.
    pub sessions: Vec<Session>,
    /// What they measured, added up.
    pub merged: Merged,
    /// What went other than planned, in order of time.
    pub incidents: Vec<Incident>,
}

impl SealedRun {
    /// From slot 0 to the end of the last iteration, as far as the workers said; zero without a start.
    pub fn load_time(&self) -> Nanos {
        let Some(start) = self.start else { return Nanos::ZERO };
        let whole = self.sealed_at.saturating_since(start);
        let said = |session: &Session| session.final_fact().map(|fact| fact.health.elapsed);
        // A worker that never said so may have sent until the seal.
        self.sessions.iter().map(|session| said(session).unwrap_or(whole)).max().unwrap_or(whole).min(whole)
    }

    /// From slot 0 to the last planned instant.
    pub fn planned_time(&self) -> Nanos {
        self.plan.scenarios.iter().map(|scenario| scenario.load.duration()).max().unwrap_or(Nanos::ZERO)
    }

    /// From slot 0 to the signal that cut the plan short; `None` when the plan was carried out.
    pub fn cut_at(&self) -> Option<Nanos> {
        let at = self.stopped_at?.saturating_since(self.start?);
        (at < self.planned_time()).then_some(at)
    }
}
