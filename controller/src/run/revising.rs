//! Other shares and other rates while the run is under way.

use control::{CommandBody, LeaveMode};
use plan::{Amendment, AmendmentError, LoadChange, Revision, Share, Timetable};
use scenario::OnWorkerLoss;
use units::{Nanos, Rate};

use super::machine::{State, plan_end};
use super::{Actor, Annotation, AnnotationKind, Record, Revised, RunMachine, Store};
use crate::planned::Planned;
use crate::session::{Session, SessionEnd};

/// Why the load of a run cannot be changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ChangeRefusal {
    /// Nobody can change it.
    #[error("the load of this run cannot be changed")]
    NotRevisable,
    /// It has not started yet.
    #[error("the run has not started; change the load when it has")]
    NotStarted,
    /// It ends.
    #[error("the run starts no more load")]
    Ending,
    /// The change makes no sense.
    #[error(transparent)]
    Impossible(#[from] AmendmentError),
}

impl<S: Store> RunMachine<S> {
    /// Whether the load can be changed so now.
    ///
    /// # Errors
    /// Why not.
    pub fn check_change(&self, change: &LoadChange) -> Result<(), ChangeRefusal> {
        if !self.spec.revisable {
            return Err(ChangeRefusal::NotRevisable);
        }
        match self.state {
            State::Arming { .. } | State::Running { .. } if self.fold.stop.is_none() => {}
            State::Preparing { .. } | State::Once { .. } => return Err(ChangeRefusal::NotStarted),
            _ => return Err(ChangeRefusal::Ending),
        }
        let mut amendments = self.fold.amendments();
        amendments.push(Amendment { at: self.next_effective(), change: *change });
        for scenario in self.fold.plan.scenario_ids() {
            Timetable::new(&self.fold.plan, scenario, &amendments)?;
        }
        Ok(())
    }

    pub(super) fn change(&mut self, change: LoadChange, by: Actor) {
        if self.check_change(&change).is_err() {
            return;
        }
        let text = self.text_of(&change);
        let effective = self.revise(self.fold.latest().weights.clone(), Some(change), None);
        let what = AnnotationKind::Load { change, effective, text };
        self.record(Record::Annotated(Annotation { at: self.now, by, what }));
        let start = self.fold.start.unwrap_or(self.now);
        match change {
            LoadChange::Pause => self.paused_at = Some(start + effective),
            LoadChange::Resume => self.paused_at = None,
            LoadChange::Rate { .. } | LoadChange::Scale { .. } => {}
        }
        if let State::Running { plan_end: end } = &mut self.state {
            *end = plan_end(&self.spec, &self.fold, self.paused_at, self.now);
        }
    }

    fn text_of(&self, change: &LoadChange) -> String {
        let planned = Planned::new(&self.fold.plan, &self.fold.amendments());
        let at = self.next_effective();
        let name = |index: usize| &self.fold.plan.scenarios[index].name;
        match change {
            LoadChange::Rate { scenario, rate } => {
                let before = planned.rate_of(scenario.index(), at);
                format!(
                    "rate of scenario `{}` {}/s → {}",
                    name(scenario.index()),
                    plain(before),
                    per_second(*rate)
                )
            }
            LoadChange::Scale { scenario: Some(scenario), factor } => {
                format!("rate of scenario `{}` × {}", name(scenario.index()), factor.as_f64())
            }
            LoadChange::Scale { scenario: None, factor } => {
                format!("rate of every scenario × {}", factor.as_f64())
            }
            LoadChange::Pause => "paused".to_owned(),
            LoadChange::Resume => "resumed".to_owned(),
        }
    }

    /// Deals and shapes the load anew as soon as everybody can know, and returns the run time from which it holds. `also`
    /// is told although it leaves.
    pub(super) fn revise(
        &mut self,
        weights: Vec<u32>,
        change: Option<LoadChange>,
        also: Option<usize>,
    ) -> Nanos {
        let effective = self.next_effective();
        self.deal(weights, effective, change.map(|change| Amendment { at: effective, change }));
        self.broadcast_revision(also);
        effective
    }

    pub(super) fn deal(&mut self, weights: Vec<u32>, effective: Nanos, amendment: Option<Amendment>) {
        let number = self.fold.latest().number + 1;
        self.record(Record::Revised(Revised { at: self.now, number, effective, weights, amendment }));
    }

    pub(super) fn broadcast_revision(&mut self, also: Option<usize>) {
        let latest = self.fold.latest();
        let (number, effective, weights) = (latest.number, latest.effective, latest.weights.clone());
        let amendments = self.fold.amendments();
        for index in 0..self.links.len() {
            if !self.fold.sessions[index].is_carrying() && also != Some(index) {
                continue;
            }
            let place = self.fold.sessions[index].place as u32;
            let share = Share { revision: number, weights: weights.clone(), index: place };
            let revision = Revision { effective, share, amendments: amendments.clone() };
            self.command(index, CommandBody::Revise(Box::new(revision)));
        }
    }

    /// The run time from which a revision that is made now can hold, no earlier than the last one.
    pub(super) fn next_effective(&self) -> Nanos {
        let next =
            self.fold.start.map_or(Nanos::ZERO, |start| (self.now + self.lead()).saturating_since(start));
        next.max(self.fold.latest().effective)
    }

    /// How long before its instant a revision is made: long enough to reach everybody.
    pub(super) fn lead(&self) -> Nanos {
        LEAST_LEAD.max(Nanos::new(self.worst_rtt().as_u64().saturating_mul(4)))
    }

    /// The longest way to a worker that takes part.
    pub(super) fn worst_rtt(&self) -> Nanos {
        let left = self.links.iter().zip(&self.fold.sessions).filter(|(_, session)| session.is_carrying());
        left.map(|(link, _)| link.rtt).max().unwrap_or(Nanos::ZERO)
    }

    /// A worker that came to the run is ready: it gets its part.
    pub(super) fn give_weight(&mut self, index: usize) {
        let is_under_way = matches!(self.state, State::Arming { .. } | State::Running { .. });
        if self.links[index].wants_weight && is_under_way && self.fold.sessions[index].is_carrying() {
            let weights = self.present_weights();
            self.revise(weights, None, None);
            self.no_one_waits_for_weight();
        }
    }

    /// Everybody who is prepared got a part by the latest revision.
    pub(super) fn no_one_waits_for_weight(&mut self) {
        for (link, session) in self.links.iter_mut().zip(&self.fold.sessions) {
            link.wants_weight &= session.prepared.is_none();
        }
    }

    /// The weights of those who are there, and of those whose share waits for them.
    pub(super) fn present_weights(&self) -> Vec<u32> {
        let gives_away = self.spec.policy.on_worker_loss == OnWorkerLoss::Redistribute;
        let present = self.fold.latest().weights.iter().enumerate();
        let weight = |(place, weight): (usize, &u32)| {
            let had_a_part = |session: &&Session| session.place == place && session.prepared.is_some();
            let Some(last) = self.fold.sessions.iter().rfind(had_a_part) else {
                // Nobody was ever ready to carry it.
                return if gives_away { 0 } else { *weight };
            };
            let is_back = last.joined_at.is_some() && last.is_carrying();
            let is_lost = last.loss.is_some()
                || has_left_by_itself(last)
                || matches!(last.end, Some(SessionEnd::Refused(_)));
            match last.leave.map(|leave| leave.mode) {
                _ if is_back => last.weight,
                // Whose share could go to nobody as it left has it until it ended: others would send it too.
                Some(LeaveMode::Graceful) if last.is_over() || self.fold.start.is_none() => 0,
                Some(LeaveMode::Graceful | LeaveMode::Fast) => *weight,
                None if is_lost && gives_away => 0,
                None => *weight,
            }
        };
        present.map(weight).collect()
    }
}

/// Whether a session ended before its time although nobody asked it to.
pub(super) fn has_left_by_itself(session: &Session) -> bool {
    session.leave.is_none() && session.final_fact().is_some_and(|fact| fact.left_at.is_some())
}

/// At least so long before its instant a revision is made.
const LEAST_LEAD: Nanos = Nanos::from_millis(250);

/// A rate in as many figures as it needs, no more than three after the point.
fn plain(per_second: f64) -> String {
    let text = format!("{per_second:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn per_second(rate: Rate) -> String {
    format!("{}/s", plain(rate.per_second()))
}
