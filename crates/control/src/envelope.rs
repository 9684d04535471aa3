//! What goes over the session stream, in both directions.

use crate::{
    Ack, ClusterId, Command, CommandId, Epoch, Fact, LeaseToken, LeaveMode, RunId, SessionId, WorkerId,
};

/// Something a worker says on its session stream.
#[derive(Clone, Debug, PartialEq)]
pub struct FromWorker {
    /// Who.
    pub worker: WorkerId,
    /// Which life of it.
    pub session: SessionId,
    /// The lease it believes it has. Authority goes by it; facts are taken whatever it is.
    pub token: LeaseToken,
    /// What.
    pub body: WorkerMessage,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkerMessage {
    /// The first message on every stream: what the worker holds of the runs it knows.
    Hello {
        /// Its runs.
        runs: Vec<RunStanding>,
    },
    /// Something is true.
    Fact(Box<Fact>),
    /// Every command of a run up to this one was applied.
    Applied {
        /// The run.
        run_id: RunId,
        /// The last command.
        through: CommandId,
    },
    /// The worker wants to go.
    Leave(LeaveMode),
}

/// How far a worker is with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunStanding {
    /// The run.
    pub run_id: RunId,
    /// The last command it applied.
    pub applied: CommandId,
    /// The number of the last fact it has sent or wants to send.
    pub last_fact: u64,
}

/// Something a controller says on a session stream.
#[derive(Clone, Debug, PartialEq)]
pub struct FromController {
    /// The cluster.
    pub cluster: ClusterId,
    /// The controller's life.
    pub epoch: Epoch,
    /// What.
    pub body: ControllerMessage,
}

/// What a controller says.
#[derive(Clone, Debug, PartialEq)]
pub enum ControllerMessage {
    /// The answer to a hello: how far each run it named was taken. What was taken need not be sent again; a run that is
    /// missing is not known here any more and can be forgotten.
    Welcome {
        /// The last fact taken of each.
        acks: Vec<Ack>,
    },
    /// Something to do.
    Command(Box<Command>),
    /// Facts were taken.
    Ack(Ack),
    /// The session has no authority any more: another token counts.
    Fenced {
        /// That token.
        current: LeaseToken,
    },
    /// The worker may go: nothing of it is needed any more.
    Farewell,
}
