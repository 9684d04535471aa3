//! Ends before the natural one: stops, losses, and limits that passed.

use control::{CommandBody, StopMode};
use units::{Nanos, Timestamp};

use super::machine::State;
use super::{Actor, Record, RunMachine, Store};
use crate::incident::IncidentKind;
use crate::session::Session;

impl<S: Store> RunMachine<S> {
    /// Somebody asks for the end.
    pub(super) fn stop(&mut self, mode: StopMode, by: Actor) {
        if self.fold.stop >= Some(mode) {
            return;
        }
        self.record(Record::Stopped { at: self.now, mode, by });
        let budget = self.spec.limits.stop;
        match (mode, self.state) {
            (StopMode::Drain, State::Preparing { .. } | State::Once { .. }) => {
                self.collect(budget.after_drain(), StopMode::Drain);
            }
            (StopMode::Cancel, _) | (_, State::Collecting { .. }) => {
                self.collect(budget.after_drain(), StopMode::Cancel);
            }
            (StopMode::Drain, State::Draining { deadline }) => self.drain(budget.drain, Some(deadline)),
            (StopMode::Drain, _) => self.drain(budget.drain, None),
        }
    }

    /// The longest pause is over.
    pub(super) fn end_paused(&mut self) {
        self.drain(self.spec.limits.stop.drain, None);
    }

    fn drain(&mut self, limit: Nanos, agreed: Option<Timestamp>) {
        let deadline = self.now + limit;
        self.command_all(CommandBody::Stop(StopMode::Drain));
        self.state = State::Draining { deadline: agreed.map_or(deadline, |agreed| agreed.min(deadline)) };
    }

    /// Tells all workers to end and waits for their last words, at most `limit` and no longer than already agreed.
    pub(super) fn collect(&mut self, limit: Nanos, mode: StopMode) {
        self.command_all(CommandBody::Stop(mode));
        let deadline = match self.state {
            State::Collecting { deadline } => deadline.min(self.now + limit),
            _ => self.now + limit,
        };
        self.state = State::Collecting { deadline };
    }

    /// Ends the run because it has become pointless.
    pub(super) fn give_up(&mut self) {
        if !matches!(self.state, State::Collecting { .. } | State::Sealed) {
            let limit = self.spec.limits.stop.after_drain();
            self.collect(limit, StopMode::Cancel);
        }
    }

    pub(super) fn watch_silence(&mut self, awake: Nanos) {
        if !matches!(self.state, State::Running { .. } | State::Draining { .. }) {
            return;
        }
        let limit = self.spec.limits.silence;
        for index in 0..self.links.len() {
            if self.fold.sessions[index].is_over() {
                continue;
            }
            let link = &mut self.links[index];
            link.silent = link.silent.saturating_add(awake);
            if link.silent >= limit {
                self.lose(index, format!("it said nothing for {limit}"), true);
            }
        }
    }

    /// The limit of a wait passed: those who are to blame are not waited for any longer.
    pub(super) fn time_out(&mut self, what: &'static str, limit: Nanos, blamed: fn(&Session) -> bool) {
        for index in 0..self.links.len() {
            let session = &self.fold.sessions[index];
            if session.is_over() || !blamed(session) {
                continue;
            }
            let who = session.peer();
            self.note(IncidentKind::TimedOut { who, what, limit });
            self.lose(index, format!("it did not {what} in time"), true);
        }
    }

    /// The last limit passed: who still has something to say is not waited for. Without a start there was no load, so
    /// nothing of it can be missing.
    pub(super) fn leave_behind(&mut self) {
        for index in 0..self.links.len() {
            self.links[index].is_back = false;
            if self.fold.sessions[index].is_over() {
                continue;
            }
            if self.fold.start.is_some() {
                self.lose(index, "its last report did not come in time".to_owned(), true);
            } else {
                self.record(Record::Dismissed { who: self.fold.sessions[index].peer() });
            }
        }
    }
}
