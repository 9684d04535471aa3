//! Workers that come and go.

use control::{CommandBody, LeaveMode, StopMode};
use plan::{Revision, Share};
use scenario::{OnWorkerLoss, Rejoin};
use units::{Nanos, Ratio, Timestamp};

use super::link::Link;
use super::machine::State;
use super::revising::has_left_by_itself;
use super::{Actor, Annotation, AnnotationKind, Output, Peer, Record, RunMachine, Store, WorkerSpec};
use crate::assignment::shares;
use crate::incident::IncidentKind;
use crate::session::{Session, SessionEnd};

impl<S: Store> RunMachine<S> {
    /// A session has no authority any more.
    pub(super) fn lost(&mut self, who: &Peer, reason: String) {
        let Some(index) = self.fold.position(who) else { return };
        self.links[index].is_back = false;
        self.lose(index, reason, false);
    }

    /// Gives a session up.
    pub(super) fn lose(&mut self, index: usize, reason: String, may_go_on: bool) {
        if self.fold.sessions[index].is_over() {
            return;
        }
        let who = self.fold.sessions[index].peer();
        self.record(Record::WorkerLost { at: self.now, who, reason, may_go_on });
    }

    /// Sees to it that every end of a session has its consequences, once.
    pub(super) fn settle(&mut self) {
        for index in 0..self.links.len() {
            let session = &self.fold.sessions[index];
            if !session.is_over() || self.links[index].is_settled {
                continue;
            }
            self.links[index].is_settled = true;
            self.links[index].stop_at = Timestamp::NEVER;
            match &session.loss {
                Some(loss) if loss.may_go_on => self.retire(index),
                Some(_) => self.links[index].outbox.clear(),
                None => {}
            }
            let session = &self.fold.sessions[index];
            let is_missed = session.loss.is_some() || has_left_by_itself(session);
            match session.leave.map(|leave| leave.mode) {
                Some(LeaveMode::Graceful) => self.deal_to_those_present(),
                _ if is_missed => self.miss(index),
                _ => {}
            }
        }
        self.stop_leavers();
    }

    /// What the policy says about a session that is gone.
    fn miss(&mut self, index: usize) {
        if matches!(self.state, State::Draining { .. } | State::Collecting { .. } | State::Sealed) {
            return;
        }
        if let (State::Once { session, .. }, Some(task)) = (self.state, self.spec.once.clone())
            && session == index
            && !self.fold.sessions[index].once_ended
        {
            let worker = self.fold.sessions[index].worker.clone();
            return self.note(IncidentKind::OnceUnknown { worker, task });
        }
        let (lost, all) = self.lost_weight();
        if Ratio::of(lost, all) > self.spec.policy.max_lost {
            return self.too_many_lost();
        }
        match self.spec.policy.on_worker_loss {
            OnWorkerLoss::Fail => {
                self.note(IncidentKind::LossEndsRun);
                self.give_up();
            }
            OnWorkerLoss::Redistribute => self.deal_to_those_present(),
            OnWorkerLoss::Continue => {}
        }
    }

    /// Deals the load anew, if it is under way and those who are there are not those who have it.
    fn deal_to_those_present(&mut self) {
        if !matches!(self.state, State::Arming { .. } | State::Running { .. }) {
            return;
        }
        let weights = self.present_weights();
        if weights != self.fold.latest().weights && weights.iter().any(|weight| *weight > 0) {
            self.revise(weights, None, None);
        }
    }

    pub(super) fn too_many_lost(&mut self) {
        let (lost, all) = self.lost_weight();
        self.note(IncidentKind::TooManyLost { lost, all });
        self.give_up();
    }

    /// The weights of the places whose worker was lost and did not come back, and of all places.
    fn lost_weight(&self) -> (u64, u64) {
        let declared = self.fold.weights();
        let is_lost = |place: usize| {
            let last = self.fold.sessions.iter().rfind(|session| session.place == place);
            last.is_some_and(|session| session.loss.is_some() || has_left_by_itself(session))
        };
        let weight = |place: &usize| u64::from(declared[*place]);
        let lost = (0..declared.len()).filter(|place| is_lost(*place)).map(|place| weight(&place)).sum();
        (lost, declared.iter().copied().map(u64::from).sum())
    }

    /// A worker wants to take part.
    pub(super) fn join(&mut self, worker: WorkerSpec, out: &mut Vec<Output>) {
        if !self.takes(&worker) {
            return out.push(Output::Release { to: worker.peer() });
        }
        let known = |session: &Session| session.worker == worker.worker;
        if let Some(index) =
            self.fold.sessions.iter().position(|session| known(session) && !session.is_over())
        {
            self.lose(index, "another life of it took its place".to_owned(), false);
            self.settle();
        }
        let place = self.fold.sessions.iter().find(|session| known(session)).map(|session| session.place);
        let place = place.unwrap_or(self.fold.latest().weights.len());
        self.links.push(Link { wants_weight: true, ..Link::new(worker.rtt) });
        self.record(Record::WorkerJoined { at: self.now, place, worker: Box::new(worker) });
        let index = self.links.len() - 1;
        let revision = self.nothing_of(index, self.fold.latest().number, self.fold.latest().effective);
        self.prepare(index, revision);
        if let Some(start) = self.fold.start {
            self.command(index, CommandBody::Start { at: start });
        }
    }

    /// Whether a worker can come to the run now.
    fn takes(&self, worker: &WorkerSpec) -> bool {
        let mut weights = self.fold.weights();
        match self.fold.sessions.iter().find(|session| session.worker == worker.worker) {
            Some(known) => weights[known.place] = worker.weight,
            None => weights.push(worker.weight),
        }
        let is_open = match self.state {
            State::Preparing { .. } | State::Once { .. } | State::Arming { .. } => true,
            State::Running { plan_end } => self.now < plan_end,
            State::Draining { .. } | State::Collecting { .. } | State::Sealed => false,
        };
        is_open
            && self.spec.revisable
            && self.spec.policy.rejoin == Rejoin::NextRevision
            && self.fold.stop.is_none()
            && worker.weight > 0
            && shares(&weights).is_ok()
            && self.fold.position(&worker.peer()).is_none()
    }

    /// A worker shall go.
    pub(super) fn leave(&mut self, who: &Peer, mode: LeaveMode, by: Actor) {
        let Some(index) = self.fold.position(who) else { return };
        let session = &self.fold.sessions[index];
        let asked = session.leave.map(|leave| leave.mode);
        if session.is_over() || asked >= Some(mode) {
            return;
        }
        self.record(Record::WorkerLeft { at: self.now, who: who.clone(), mode });
        let text = match mode {
            LeaveMode::Graceful => format!("worker `{}` leaves: its share goes to the others", who.worker),
            LeaveMode::Fast => {
                format!("worker `{}` leaves at once: its share waits for its return", who.worker)
            }
        };
        let what = AnnotationKind::Workers(text);
        self.record(Record::Annotated(Annotation { at: self.now, by, what }));
        match self.state {
            State::Preparing { .. } => self.retire(index),
            State::Once { session, .. } => {
                self.retire(index);
                if let Some(task) = self.spec.once.clone().filter(|_| session == index) {
                    self.note(IncidentKind::OnceUnknown { worker: who.worker.clone(), task });
                }
            }
            State::Arming { .. } | State::Running { .. } => {
                let mut weights = self.present_weights();
                weights[self.fold.sessions[index].place] = 0;
                let has_others = weights.iter().any(|weight| *weight > 0);
                if mode == LeaveMode::Graceful && has_others {
                    let effective = self.revise(weights, None, Some(index));
                    let start = self.fold.start.unwrap_or(self.now);
                    self.links[index].stop_at = start + effective;
                } else {
                    self.retire(index);
                }
            }
            State::Draining { .. } | State::Collecting { .. } | State::Sealed => {}
        }
    }

    /// Tells one session that it carries nothing from now on and shall end. What it would have carried of the plan is not
    /// its own then, so that it books nothing of it.
    fn retire(&mut self, index: usize) {
        self.links[index].stop_at = Timestamp::NEVER;
        // Before the start too: one that is ready would book its part of the whole plan, which others will carry.
        let now = self.fold.run_time(self.now).max(self.fold.latest().effective);
        let revision = self.nothing_of(index, self.fold.latest().number + 1, now);
        self.command(index, CommandBody::Revise(Box::new(revision)));
        self.command(index, CommandBody::Stop(StopMode::Cancel));
    }

    /// A revision that gives a session nothing.
    fn nothing_of(&self, index: usize, number: u64, effective: Nanos) -> Revision {
        let place = self.fold.sessions[index].place;
        let mut weights = self.fold.latest().weights.clone();
        weights[place] = 0;
        if weights.iter().all(|weight| *weight == 0) {
            // Somebody has to have what it has not: a place of nobody.
            weights.push(1);
        }
        let share = Share { revision: number, weights, index: place as u32 };
        Revision { effective, share, amendments: self.fold.amendments() }
    }

    /// Workers whose share went to the others are told to end.
    fn stop_leavers(&mut self) {
        for index in 0..self.links.len() {
            if self.now >= self.links[index].stop_at {
                self.links[index].stop_at = Timestamp::NEVER;
                self.command(index, CommandBody::Stop(StopMode::Drain));
            }
        }
    }

    /// Until when a run that nobody carries waits for a worker that left to come back; `None` when it waits for none.
    pub(super) fn return_deadline(&self) -> Option<Timestamp> {
        let State::Running { plan_end } = self.state else { return None };
        if self.spec.policy.rejoin == Rejoin::Never || self.fold.stop.is_some() || !self.spec.revisable {
            return None;
        }
        let left = |session: &Session| session.leave.filter(|leave| leave.mode == LeaveMode::Fast);
        let until = self
            .fold
            .sessions
            .iter()
            .filter_map(left)
            .map(|leave| leave.at + self.spec.limits.rejoin)
            .max()?;
        let until = until.min(plan_end);
        (self.now < until && self.fold.sessions.iter().all(Session::is_over)).then_some(until)
    }

    /// Whether everything that will ever be said was said.
    pub(super) fn nobody_is_expected(&self) -> bool {
        self.fold.sessions.iter().all(Session::is_over)
            && !(0..self.links.len()).any(|index| self.holds_facts(index))
            && self.return_deadline().is_none()
    }

    /// Whether only sessions that were lost and came back have something to say.
    pub(super) fn only_residue_is_expected(&self) -> bool {
        self.fold.sessions.iter().all(Session::is_over) && self.return_deadline().is_none()
    }

    fn holds_facts(&self, index: usize) -> bool {
        let (link, session) = (&self.links[index], &self.fold.sessions[index]);
        link.is_back && session.end == Some(SessionEnd::Lost) && session.acked < link.last_fact
    }
}
