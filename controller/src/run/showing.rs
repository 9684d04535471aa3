//! What those who follow a run are shown and told.

use units::{Nanos, Timestamp};

use super::event::{RunEvent, RunPhase, WorkerStanding};
use super::machine::State;
use super::{Output, RunMachine, Store};
use crate::live::{LivePhase, LiveView};
use crate::session::Session;

/// How much of a run was told already.
#[derive(Debug, Default)]
pub(super) struct Told {
    phase: Option<RunPhase>,
    incidents: usize,
    annotations: usize,
    /// One less than there are: the first is the plan as it was written.
    revisions: usize,
    standings: Vec<Option<WorkerStanding>>,
}

impl<S: Store> RunMachine<S> {
    /// Where the run stands.
    pub const fn phase(&self) -> RunPhase {
        match self.state {
            State::Preparing { .. } => RunPhase::Preparing,
            State::Once { .. } => RunPhase::Once,
            State::Arming { .. } => RunPhase::Arming,
            State::Running { .. } if self.paused_at.is_some() => RunPhase::Paused,
            State::Running { .. } => RunPhase::Running,
            State::Draining { .. } => RunPhase::Draining,
            State::Collecting { .. } => RunPhase::Collecting,
            State::Sealed => RunPhase::Sealed,
        }
    }

    /// Shows the run once a second while there is load.
    pub(super) fn show(&mut self, out: &mut Vec<Output>) {
        let phase = match self.state {
            State::Preparing { .. } | State::Once { .. } | State::Sealed => return,
            State::Arming { .. } | State::Running { .. } => LivePhase::Running,
            State::Draining { .. } | State::Collecting { .. } => LivePhase::Ending,
        };
        let Some(start) = self.fold.start.filter(|_| self.now >= self.next_live) else { return };
        let elapsed = self.now.saturating_since(start);
        out.push(Output::Live(Box::new(LiveView::of(phase, elapsed, &self.fold))));
        let seconds = elapsed.as_u64() / Nanos::SECOND.as_u64();
        self.next_live = start + Nanos::from_secs(seconds + 1);
    }

    /// Tells everything that changed since the last time.
    pub(super) fn tell(&mut self, out: &mut Vec<Output>) {
        let fold = &self.fold;
        let told = &mut self.told;
        let incidents = fold.incidents[told.incidents..].iter().cloned().map(RunEvent::Incident);
        out.extend(incidents.map(Output::Event));
        told.incidents = fold.incidents.len();
        let annotations = fold.annotations[told.annotations..].iter().cloned().map(RunEvent::Annotated);
        out.extend(annotations.map(Output::Event));
        told.annotations = fold.annotations.len();
        for made in &fold.revisions[told.revisions + 1..] {
            let weights = made.weights.clone();
            let event = RunEvent::Revised { number: made.number, effective: made.effective, weights };
            out.push(Output::Event(event));
        }
        told.revisions = fold.revisions.len() - 1;
        told.standings.resize(fold.sessions.len(), None);
        for (session, before) in fold.sessions.iter().zip(&mut told.standings) {
            let standing = standing(session);
            if standing != *before {
                *before = standing;
                let event = standing.map(|standing| RunEvent::Worker { who: session.peer(), standing });
                out.extend(event.map(Output::Event));
            }
        }
        let phase = self.phase();
        if self.told.phase.replace(phase) != Some(phase) {
            out.push(Output::Event(RunEvent::Phase(phase)));
        }
    }
}

fn standing(session: &Session) -> Option<WorkerStanding> {
    if session.final_fact().is_some() {
        return Some(WorkerStanding::Finished);
    }
    if session.loss.is_some() {
        return Some(WorkerStanding::Lost);
    }
    if session.leave.is_some() {
        return Some(WorkerStanding::Leaving);
    }
    if session.started.is_some() {
        return Some(WorkerStanding::Started);
    }
    session.joined_at.map(|_: Timestamp| WorkerStanding::Joined)
}
