//! What goes into a run's state machine, and what comes out.

use std::fmt;

use control::{Ack, Command, CommandId, Fact, LeaveMode, SessionId, StopMode, WorkerId};
use plan::LoadChange;

use super::{RunEvent, WorkerSpec};
use crate::live::LiveView;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time passed, nothing else.
    Tick,
    /// A worker said something. Taken from every session that took part, whatever became of it, until the run is sealed.
    Fact(Box<Fact>),
    /// A session applied every command of this run up to one.
    Applied {
        /// Which session.
        who: Peer,
        /// The last command.
        through: CommandId,
    },
    /// A session's stream was opened (again): what it has not applied is sent again, and how far its facts were taken.
    /// Also for a session that was lost and wants to hand over what it still holds.
    Attached {
        /// Which session.
        who: Peer,
        /// The last command it applied.
        applied: CommandId,
        /// The number of the last fact it has sent or wants to send.
        last_fact: u64,
    },
    /// A session has no authority any more: its lease ended, it was fenced, its thread ended. Its facts are still taken.
    Lost {
        /// Which session.
        who: Peer,
        /// How that was noticed.
        reason: String,
    },
    /// A worker is there that the run does not have: a new one, or a known one with a new session, after the
    /// [`Input::Lost`] of its old one. [`Output::Release`] is the answer when it is not taken.
    Join(Box<WorkerSpec>),
    /// A worker shall go, or wants to.
    Leave {
        /// Which session.
        who: Peer,
        /// How.
        mode: LeaveMode,
        /// On whose word: a token's id, or the worker itself.
        by: Actor,
    },
    /// Change the load. Ask [`RunMachine::check_change`](super::RunMachine::check_change) first: what it refuses has no
    /// effect here.
    Change {
        /// What.
        change: LoadChange,
        /// Who wants it.
        by: Actor,
    },
    /// End the load: by draining what is in flight, or, at once or after that, by cancelling it. The milder one has no
    /// effect after the graver one, and neither has a repetition.
    Stop {
        /// How.
        mode: StopMode,
        /// Who wants it.
        by: Actor,
    },
}

/// One life of one worker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The worker.
    pub worker: WorkerId,
    /// Its life.
    pub session: SessionId,
}

impl Peer {
    /// The life `session` of `worker`.
    pub const fn new(worker: WorkerId, session: SessionId) -> Self {
        Self { worker, session }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.worker, self.session)
    }
}

/// On whose word something was done: the id of a token, never its secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Actor(String);

impl Actor {
    /// Takes a token's id.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Whoever sits at the terminal of this process: a signal.
    pub fn local() -> Self {
        Self(LOCAL.to_owned())
    }

    /// The worker itself.
    pub fn worker(worker: &WorkerId) -> Self {
        Self(format!("worker {worker}"))
    }

    /// Whether it is [`Actor::local`].
    pub fn is_local(&self) -> bool {
        self.0 == LOCAL
    }
}

const LOCAL: &str = "local";

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Hand this to a session; no need to keep it: it comes again until it was applied.
    Command {
        /// To whom.
        to: Peer,
        /// What it shall do.
        command: Command,
    },
    /// Tell a session how far its facts were taken.
    Ack {
        /// To whom.
        to: Peer,
        /// How far.
        ack: Ack,
    },
    /// The run needs nothing more of a session, or never took it: it may forget the run.
    Release {
        /// Which session.
        to: Peer,
    },
    /// Show this: once a second while there is load.
    Live(Box<LiveView>),
    /// Tell whoever follows the run.
    Event(RunEvent),
    /// The run is over; [`RunMachine::into_sealed`](super::RunMachine::into_sealed) has all of it.
    Sealed,
}
