//! Ends before the natural one: signals, losses, and limits that passed.

use control::{CommandBody, StopMode, WorkerId};
use units::Nanos;

use super::machine::State;
use super::{Output, RunMachine};
use crate::incident::IncidentKind;
use crate::session::{Session, SessionEnd};

impl RunMachine {
    pub(super) fn stop(&mut self, out: &mut Vec<Output>) {
        self.stops += 1;
        let budget = self.spec.limits.stop;
        match self.stops {
            1 => {
                self.stopped_at = Some(self.now);
                self.note(IncidentKind::Stopped);
                match self.state {
                    State::Created { .. } | State::Preparing { .. } => {
                        self.collect(budget.after_drain(), StopMode::Drain, out);
                    }
                    State::Collecting { .. } => self.collect(budget.after_drain(), StopMode::Cancel, out),
                    _ => {
                        let deadline = match self.state {
                            State::Draining { deadline } => deadline.min(self.now + budget.drain),
                            _ => self.now + budget.drain,
                        };
                        self.command_all(CommandBody::Stop(StopMode::Drain), out);
                        self.state = State::Draining { deadline };
                    }
                }
            }
            2 => {
                self.note(IncidentKind::Cancelled);
                self.collect(budget.after_drain(), StopMode::Cancel, out);
            }
            // The command line leaves at the third one.
            _ => {}
        }
    }

    /// Tells all workers to end and waits for their last words, at most `limit` and no longer than already agreed. Who
    /// has not joined has none.
    pub(super) fn collect(&mut self, limit: Nanos, mode: StopMode, out: &mut Vec<Output>) {
        for session in self.sessions.iter_mut().filter(|session| session.info.is_none() && !session.is_over())
        {
            session.end = Some(SessionEnd::Dismissed);
        }
        self.command_all(CommandBody::Stop(mode), out);
        let deadline = match self.state {
            State::Collecting { deadline } => deadline.min(self.now + limit),
            _ => self.now + limit,
        };
        self.state = State::Collecting { deadline };
    }

    /// Gives a worker up.
    pub(super) fn lose(&mut self, worker: &WorkerId, reason: String, out: &mut Vec<Output>) {
        let Some(session) = self.sessions.iter_mut().find(|session| session.worker == *worker) else {
            return;
        };
        if session.is_over() {
            return;
        }
        session.end = Some(SessionEnd::Lost);
        self.note(IncidentKind::Lost { worker: worker.clone(), reason });
        self.give_up(out);
    }

    /// Ends the run because a part of it is missing: half a load is another test.
    pub(super) fn give_up(&mut self, out: &mut Vec<Output>) {
        if !matches!(self.state, State::Collecting { .. }) {
            let limit = self.spec.limits.stop.after_drain();
            self.collect(limit, StopMode::Cancel, out);
        }
    }

    pub(super) fn watch_silence(&mut self, awake: Nanos, out: &mut Vec<Output>) {
        if !matches!(self.state, State::Running { .. } | State::Draining { .. }) {
            return;
        }
        let limit = self.spec.limits.silence;
        let mut silent = Vec::new();
        for session in self.sessions.iter_mut().filter(|session| !session.is_over()) {
            session.silent = session.silent.saturating_add(awake);
            if session.silent >= limit {
                silent.push(session.worker.clone());
            }
        }
        for worker in silent {
            self.lose(&worker, format!("it said nothing for {limit}"), out);
        }
    }

    /// The limit of a state passed: says who is to blame, and ends the run.
    pub(super) fn time_out(
        &mut self,
        what: &'static str,
        limit: Nanos,
        blamed: fn(&Session) -> bool,
        out: &mut Vec<Output>,
    ) {
        let late: Vec<WorkerId> = self
            .sessions
            .iter()
            .filter(|session| !session.is_over() && blamed(session))
            .map(|session| session.worker.clone())
            .collect();
        for worker in late {
            self.note(IncidentKind::TimedOut { worker, what, limit });
        }
        self.give_up(out);
    }

    /// The last limit passed: who still has something to say is not waited for. Without a start there was no load, so
    /// nothing of it can be missing.
    pub(super) fn leave_behind(&mut self) {
        let armed = self.start.is_some();
        let mut lost = Vec::new();
        for session in self.sessions.iter_mut().filter(|session| !session.is_over()) {
            session.end = Some(if armed { SessionEnd::Lost } else { SessionEnd::Dismissed });
            lost.push(session.worker.clone());
        }
        if armed {
            for worker in lost {
                let reason = "its last report did not come in time".to_owned();
                self.note(IncidentKind::Lost { worker, reason });
            }
        }
    }
}
