//! What a run leaves behind.

use std::sync::Arc;

use control::RunId;
use plan::{Amendment, PlanHash, RunPlan};
use scenario::LossPolicy;
use units::{Nanos, Timestamp};

use super::{Annotation, Revised, RunFold};
use crate::accounting::{Missing, planned_and_due};
use crate::incident::Incident;
use crate::merge::Merged;
use crate::planned::Planned;
use crate::session::Session;
use crate::slowest::Slowest;

/// A run that is over: everything its result is made of.
#[derive(Debug)]
pub struct SealedRun {
    /// Its name.
    pub run_id: RunId,
    /// What was to be done.
    pub plan: Arc<RunPlan>,
    /// What was to happen when workers are lost.
    pub policy: LossPolicy,
    /// When it was created.
    pub created_at: Timestamp,
    /// When slot 0 was due; `None` when it never came to that.
    pub start: Option<Timestamp>,
    /// When somebody asked for the end.
    pub stopped_at: Option<Timestamp>,
    /// When nothing more was expected.
    pub sealed_at: Timestamp,
    /// The lives of its workers, in the order in which they came.
    pub sessions: Vec<Session>,
    /// What they measured, added up.
    pub merged: Merged,
    /// What went other than planned, in order of time.
    pub incidents: Vec<Incident>,
    /// What was changed, in order of time.
    pub annotations: Vec<Annotation>,
    /// How it was dealt and shaped, in order of time; the first is the plan as it was written.
    pub revisions: Vec<Revised>,
    /// What of the plan nobody carried, and what is not known.
    pub missing: Missing,
    /// The requests worth looking at.
    pub slowest: Slowest,
    /// Facts of sessions that never took part.
    pub refused_facts: u64,
}

impl SealedRun {
    /// What the records of a run come to.
    ///
    /// # Panics
    /// When the last of them is not its seal.
    pub fn of(fold: RunFold, policy: LossPolicy) -> Self {
        let Some(sealed_at) = fold.sealed_at else { panic!("a run has a result once it is sealed") };
        Self {
            run_id: fold.run_id,
            plan: fold.plan,
            policy,
            created_at: fold.created_at,
            start: fold.start,
            stopped_at: fold.stopped_at,
            sealed_at,
            sessions: fold.sessions,
            merged: fold.merged,
            incidents: fold.incidents,
            annotations: fold.annotations,
            revisions: fold.revisions,
            missing: fold.missing,
            slowest: fold.slowest,
            refused_facts: fold.refused_facts,
        }
    }

    /// From slot 0 to the end of the last iteration, as far as the workers said; zero without a start.
    pub fn load_time(&self) -> Nanos {
        let Some(start) = self.start else { return Nanos::ZERO };
        let whole = self.sealed_at.saturating_since(start);
        let said = |session: &Session| {
            let elapsed = session.final_fact()?.health.elapsed;
            // What a worker tells begins with its own start, which for one that came later is not slot 0.
            let began = session.started.map_or(start, |started| started.at).saturating_since(start);
            Some(if session.joined_at.is_some() { elapsed.saturating_add(began) } else { elapsed })
        };
        // A worker that never said so may have sent until the seal, or until it was lost.
        let lost = |session: &Session| match &session.loss {
            Some(loss) if !loss.may_go_on => loss.at.saturating_since(start),
            _ => whole,
        };
        let ends = self.sessions.iter().map(|session| said(session).unwrap_or_else(|| lost(session)));
        ends.max().unwrap_or(whole).min(whole)
    }

    /// The plan with all changes of its load.
    pub(crate) fn planned(&self) -> Planned<'_> {
        Planned::new(&self.plan, &self.amendments())
    }

    /// What the plan holds and what came due, by scenario slot of the layout, where the plan says so.
    pub(crate) fn planned_and_due(&self) -> Vec<(usize, u64, u64)> {
        planned_and_due(&self.planned(), &self.merged)
    }

    /// The fingerprint of the schedule with all changes of its load.
    pub fn plan_hash(&self) -> PlanHash {
        self.plan.plan_hash_with(&self.amendments())
    }

    fn amendments(&self) -> Vec<Amendment> {
        self.revisions.iter().filter_map(|made| made.amendment).collect()
    }

    /// From slot 0 to the last planned instant; to the last pause when the plan never went on after that.
    pub fn planned_time(&self) -> Nanos {
        let held = || self.revisions.last().map_or(Nanos::ZERO, |made| made.effective);
        self.planned().end().unwrap_or_else(held)
    }

    /// From slot 0 to the stop that cut the plan short; `None` when the plan was carried out.
    pub fn cut_at(&self) -> Option<Nanos> {
        let at = self.stopped_at?.saturating_since(self.start?);
        (at < self.planned_time() || self.planned().end().is_none()).then_some(at)
    }

    /// Whether it is less than it was meant to be although it went on: a worker was lost or came late to a change, or part
    /// of the plan was nobody's.
    pub fn is_degraded(&self) -> bool {
        self.incidents.iter().any(|incident| incident.kind.is_degradation()) || self.missing.slots() > 0
    }
}
