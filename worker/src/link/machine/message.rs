//! What a link is told and what it says.

use control::{
    Ack, Command, EnrolRefusal, Enrolled, Fact, FromController, FromWorker, LeaveMode, RunId, SessionId,
    StopMode,
};
use units::Nanos;

use crate::link::heart::{Grant, Pulse};
use crate::local::Report;

/// A run as one session of this worker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunKey {
    /// The session.
    pub session: SessionId,
    /// The run.
    pub run_id: RunId,
}

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// What came of [`Output::Enrol`].
    Enrolled(Result<Enrolled, EnrolFailure>),
    /// What the beats of a session say.
    Pulse {
        /// Whose.
        session: SessionId,
        /// What.
        pulse: Pulse,
    },
    /// The controller said something on a stream.
    Received {
        /// The stream's number.
        stream: u64,
        /// What it said.
        message: Box<FromController>,
    },
    /// A stream ended, or could not be opened.
    Closed {
        /// The stream's number.
        stream: u64,
        /// For people.
        why: String,
    },
    /// A run of this worker said something.
    Report(RunKey, Report),
    /// Facts of a session without authority were taken; runs that were told of and are not acknowledged are not known to
    /// the controller any more.
    ResidualTaken {
        /// The session that said them.
        session: SessionId,
        /// The runs that were told of.
        told: Vec<RunId>,
        /// How far those that are known were taken.
        acks: Vec<Ack>,
    },
    /// A run has nothing to do and nothing to say any more.
    RunOver(RunKey),
    /// The worker shall go.
    Leave(LeaveMode),
    /// The worker shall go, and cancel what is in flight.
    Cancel,
    /// Time passed, nothing else.
    Tick,
}

/// Why a worker was not enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnrolFailure {
    /// The controller does not want it.
    Refused(EnrolRefusal),
    /// It is not believed, or does not believe the controller.
    Unauthorised(String),
    /// It did not get through.
    Failed(String),
}

/// Something to do.
#[derive(Debug)]
pub enum Output {
    /// Enrol this session; answered by [`Input::Enrolled`].
    Enrol(SessionId),
    /// Begin to keep a lease; `None`: end it, now.
    Beat(Option<Grant>),
    /// Open a stream and say hello on it, in place of the one before; it tells by [`Input::Closed`] that it ended.
    Open {
        /// The number of the new stream.
        stream: u64,
        /// The first message on it.
        hello: FromWorker,
    },
    /// End the stream.
    Close,
    /// Say this on the stream. What does not get through is said again by whoever said it.
    Send(FromWorker),
    /// Deliver a fact of a session without authority; answered by [`Input::ResidualTaken`] when it was.
    Residual(Box<Fact>),
    /// Make a worker for a run.
    Start(RunKey),
    /// Give it a command.
    Command(RunKey, Box<Command>),
    /// Tell it how far its facts were taken.
    Ack(RunKey, Ack),
    /// The same, and that its words go a new way.
    Resume(RunKey, Ack),
    /// End its load.
    Stop(RunKey, StopMode),
    /// Let it leave; what is in flight has so long to end.
    Leave(RunKey, Nanos),
    /// Let it leave as soon as it carries nothing.
    Withdraw(RunKey),
    /// Nobody wants to hear of it any more.
    Drop(RunKey),
    /// It is over.
    Exit(WorkerExit),
}

/// Why the worker goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grounds {
    /// It was asked to on this side.
    Asked,
    /// The controller said farewell.
    Sent,
}

/// How a worker's membership ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerExit {
    /// It was asked to leave, and did.
    Left {
        /// Runs that the controller may not know to the end: it did not take their last facts in time.
        undelivered: usize,
    },
    /// The controller had no use for it any more.
    Drained {
        /// Runs that the controller may not know to the end: it did not take their last facts in time.
        undelivered: usize,
    },
    /// The controller does not take it.
    Refused(EnrolRefusal),
    /// It is not believed, or does not believe the controller.
    Unauthorised(String),
    /// The controller could not be reached for as long as the worker is to wait.
    Unavailable {
        /// What came of the last attempt.
        why: String,
    },
}
