//! How a worker goes, whatever state it is in: in bounded time, and with its facts delivered if that is possible.

use control::{LeaveMode, StopMode, WorkerMessage};
use units::{Nanos, Timestamp};

use super::message::{Grounds, Output, WorkerExit};
use super::{Link, State};

/// A worker that is going.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    mode: LeaveMode,
    grounds: Grounds,
    deadline: Timestamp,
    /// When the controller is told next.
    tell_at: Timestamp,
    /// Whether the controller said that nothing is needed any more.
    may_go: bool,
    /// Whether all runs are over and delivered, so that only the controller's word is waited for.
    is_done: bool,
}

impl Leaving {
    /// The next instant at which something follows.
    pub(super) fn wake_at(&self) -> Timestamp {
        self.deadline.min(self.tell_at)
    }
}

/// In a fast leave, how long what is in flight may take: the last request goes out within a second.
const FAST_DRAIN: Nanos = Nanos::from_millis(500);
/// After a second signal, everything: teardown, and the last facts.
const CANCEL: Nanos = Nanos::from_millis(2_500);
/// How long the controller's word is waited for once everything is delivered.
const FAREWELL: Nanos = Nanos::SECOND;
/// The stream may have been full when the controller was told.
const TELL_AGAIN: Nanos = Nanos::SECOND;

impl Link {
    /// In a graceful leave, how long the others may take to take over the share.
    pub(crate) const GRACEFUL: Nanos = Nanos::from_secs(30);
    /// In a fast leave, everything: half a second for what is in flight, a second and a half for teardown, and the rest
    /// for the last facts and the controller's word.
    pub(crate) const FAST: Nanos = Nanos::from_secs(4);

    /// Begins to go.
    pub(super) fn leave(&mut self, now: Timestamp, mode: LeaveMode, grounds: Grounds, out: &mut Vec<Output>) {
        if self.leaving.is_some_and(|leaving| leaving.mode >= mode) {
            return;
        }
        let limit = match mode {
            LeaveMode::Graceful => Self::GRACEFUL,
            LeaveMode::Fast => Self::FAST,
        };
        let may_go = self.leaving.is_some_and(|leaving| leaving.may_go);
        let deadline = now + limit;
        self.leaving =
            Some(Leaving { mode, grounds, deadline, tell_at: Timestamp::NEVER, may_go, is_done: false });
        // Before its runs, so that the controller takes their early end for what it is.
        self.tell_leave(now, out);
        for key in self.runs.unended() {
            out.push(match mode {
                LeaveMode::Graceful => Output::Withdraw(key),
                LeaveMode::Fast => Output::Leave(key, FAST_DRAIN),
            });
        }
    }

    /// Goes, and cancels what is in flight.
    pub(super) fn cancel(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        self.leave(now, LeaveMode::Fast, Grounds::Asked, out);
        for key in self.runs.unended() {
            out.push(Output::Stop(key, StopMode::Cancel));
        }
        if let Some(leaving) = &mut self.leaving {
            leaving.deadline = leaving.deadline.min(now + CANCEL);
        }
    }

    /// The controller needs nothing of this worker any more.
    pub(super) fn farewell(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        if self.leaving.is_none() {
            self.leave(now, LeaveMode::Fast, Grounds::Sent, out);
        }
        if let Some(leaving) = &mut self.leaving {
            leaving.may_go = true;
        }
    }

    /// Tells the controller that the worker wants to go.
    pub(super) fn tell_leave(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let is_attached = matches!(self.state, State::Attached { .. });
        let Some(leaving) = &mut self.leaving else { return };
        // Without a stream it is told with the next welcome.
        leaving.tell_at = Timestamp::NEVER;
        if !is_attached || leaving.grounds == Grounds::Sent {
            return;
        }
        leaving.tell_at = now + TELL_AGAIN;
        let body = WorkerMessage::Leave(leaving.mode);
        out.extend(self.envelope(body).map(Output::Send));
    }

    pub(super) fn advance_leaving(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let Some(leaving) = self.leaving else { return };
        let is_attached = matches!(self.state, State::Attached { .. });
        let is_done = self.runs.is_empty();
        if is_done && (leaving.may_go || !is_attached) {
            return self.go(leaving, out);
        }
        if now >= leaving.deadline {
            if leaving.mode == LeaveMode::Graceful && self.runs.any_unended() {
                tracing::warn!("the others did not take over in time; the worker stops now");
                return self.leave(now, LeaveMode::Fast, leaving.grounds, out);
            }
            return self.go(leaving, out);
        }
        if now >= leaving.tell_at {
            self.tell_leave(now, out);
        }
        if let Some(leaving) = &mut self.leaving
            && is_done
            && !std::mem::replace(&mut leaving.is_done, true)
        {
            leaving.deadline = leaving.deadline.min(now + FAREWELL);
        }
    }

    fn go(&mut self, leaving: Leaving, out: &mut Vec<Output>) {
        let undelivered = self.runs.len();
        self.exit(
            match leaving.grounds {
                Grounds::Asked => WorkerExit::Left { undelivered },
                Grounds::Sent => WorkerExit::Drained { undelivered },
            },
            out,
        );
    }
}
