//! What goes over the session stream, and the answers that are lists of acks.

use super::command::{self, IncomingCommand};
use super::field::{MAX_ENTRIES, Reader, uuid};
use super::prepare::{AssembleError, PrepareRefs};
use super::{WireError, proto};
use crate::content::{ContentError, ContentStore};
use crate::{
    Ack, ClusterId, Command, CommandBody, CommandId, ControllerMessage, Epoch, FromController, FromWorker,
    LeaveMode, RunId, RunStanding, WorkerMessage,
};

/// A message of a controller as it comes off the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// Nothing is missing.
    Whole(Box<FromController>),
    /// It tells to prepare with contents that have to be there first.
    Awaiting(Box<AwaitingContents>),
}

/// A [`CommandBody::Prepare`] whose contents may have to be fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct AwaitingContents {
    /// The cluster that says so.
    pub cluster: ClusterId,
    /// The controller's life that says so.
    pub epoch: Epoch,
    /// The run to prepare.
    pub run_id: RunId,
    /// The life of the controller in the command.
    pub command_epoch: Epoch,
    /// The command's number: whoever has applied it needs no contents.
    pub id: CommandId,
    /// What to prepare.
    pub refs: PrepareRefs,
}

impl AwaitingContents {
    /// The whole message, with contents that `contents` has.
    ///
    /// # Errors
    /// When a content is not there, or not what its digest says.
    pub fn complete(&self, contents: &dyn ContentStore) -> Result<FromController, AssembleError> {
        let prepare = self.refs.assemble(contents)?;
        let command = Command {
            run_id: self.run_id,
            epoch: self.command_epoch,
            id: self.id,
            body: CommandBody::Prepare(Box::new(prepare)),
        };
        let body = ControllerMessage::Command(Box::new(command));
        Ok(FromController { cluster: self.cluster, epoch: self.epoch, body })
    }
}

impl TryFrom<proto::FromController> for Incoming {
    type Error = WireError;

    fn try_from(message: proto::FromController) -> Result<Self, WireError> {
        use proto::from_controller::Body;

        let of = Reader("FromController");
        let cluster = of.cluster(&message.cluster)?;
        let epoch = Epoch(of.number("epoch", message.epoch)?);
        let body = match of.required("body", message.body)? {
            Body::Welcome(welcome) => ControllerMessage::Welcome { acks: acks("Welcome", welcome.acks)? },
            Body::Command(command) => match IncomingCommand::try_from(command)? {
                IncomingCommand::Whole(command) => ControllerMessage::Command(command),
                IncomingCommand::Prepare { run_id, epoch: command_epoch, id, refs } => {
                    let awaiting = AwaitingContents { cluster, epoch, run_id, command_epoch, id, refs };
                    return Ok(Self::Awaiting(Box::new(awaiting)));
                }
            },
            Body::Ack(ack) => ControllerMessage::Ack(ack.try_into()?),
            Body::Fenced(current) => {
                ControllerMessage::Fenced { current: of.token("fenced", Some(current))? }
            }
            Body::Farewell(proto::Farewell {}) => ControllerMessage::Farewell,
        };
        Ok(Self::Whole(Box::new(FromController { cluster, epoch, body })))
    }
}

impl FromController {
    /// The message as it goes over the wire. What a [`CommandBody::Prepare`] carries is put into `contents`, to be fetched
    /// from there, unless it is there already.
    ///
    /// # Errors
    /// When `contents` has no room.
    ///
    /// # Cost
    /// For a `Prepare` one SHA-256 of the document, and of each file that `contents` does not hold the same memory of.
    pub fn to_wire(&self, contents: &dyn ContentStore) -> Result<proto::FromController, ContentError> {
        use proto::from_controller::Body;

        let body = match &self.body {
            ControllerMessage::Welcome { acks } => {
                Body::Welcome(proto::Welcome { acks: acks.iter().map(|ack| (*ack).into()).collect() })
            }
            ControllerMessage::Command(command) => Body::Command(command::to_wire(command, contents)?),
            ControllerMessage::Ack(ack) => Body::Ack((*ack).into()),
            ControllerMessage::Fenced { current } => Body::Fenced((*current).into()),
            ControllerMessage::Farewell => Body::Farewell(proto::Farewell {}),
        };
        Ok(proto::FromController { cluster: uuid(self.cluster.0), epoch: self.epoch.0, body: Some(body) })
    }
}

impl TryFrom<proto::FromWorker> for FromWorker {
    type Error = WireError;

    fn try_from(message: proto::FromWorker) -> Result<Self, WireError> {
        use proto::from_worker::Body;

        let of = Reader("FromWorker");
        let body = match of.required("body", message.body)? {
            Body::Hello(hello) => {
                let runs = Reader("Hello").at_most("runs", hello.runs, MAX_ENTRIES)?;
                let runs = runs.into_iter().map(RunStanding::try_from).collect::<Result<_, _>>()?;
                WorkerMessage::Hello { runs }
            }
            Body::Fact(fact) => WorkerMessage::Fact(Box::new(fact.try_into()?)),
            Body::Applied(applied) => {
                let of = Reader("Applied");
                WorkerMessage::Applied {
                    run_id: of.run(&applied.run_id)?,
                    through: CommandId(of.number("through", applied.through)?),
                }
            }
            Body::Leave(mode) => WorkerMessage::Leave(match proto::LeaveMode::try_from(mode) {
                Ok(proto::LeaveMode::Graceful) => LeaveMode::Graceful,
                Ok(proto::LeaveMode::Fast) => LeaveMode::Fast,
                Ok(proto::LeaveMode::Unspecified) | Err(_) => return Err(of.unknown("leave", mode)),
            }),
        };
        Ok(Self {
            worker: of.worker(&message.worker)?,
            session: of.session(&message.session)?,
            token: of.token("token", message.token)?,
            body,
        })
    }
}

impl TryFrom<&FromWorker> for proto::FromWorker {
    type Error = WireError;

    /// Fails for a snapshot that is too large.
    fn try_from(message: &FromWorker) -> Result<Self, WireError> {
        use proto::from_worker::Body;

        let body = match &message.body {
            WorkerMessage::Hello { runs } => {
                Body::Hello(proto::Hello { runs: runs.iter().map(|run| (*run).into()).collect() })
            }
            WorkerMessage::Fact(fact) => Body::Fact(fact.as_ref().try_into()?),
            WorkerMessage::Applied { run_id, through } => {
                Body::Applied(proto::Applied { run_id: uuid(run_id.as_uuid()), through: through.0 })
            }
            WorkerMessage::Leave(mode) => Body::Leave(proto::LeaveMode::from(*mode).into()),
        };
        Ok(Self {
            worker: message.worker.as_str().to_owned(),
            session: uuid(message.session.0),
            token: Some(message.token.into()),
            body: Some(body),
        })
    }
}

impl TryFrom<proto::RunStanding> for RunStanding {
    type Error = WireError;

    fn try_from(standing: proto::RunStanding) -> Result<Self, WireError> {
        let of = Reader("RunStanding");
        Ok(Self {
            run_id: of.run(&standing.run_id)?,
            applied: CommandId(of.number("applied", standing.applied)?),
            last_fact: of.number("last_fact", standing.last_fact)?,
        })
    }
}

impl From<RunStanding> for proto::RunStanding {
    fn from(standing: RunStanding) -> Self {
        Self {
            run_id: uuid(standing.run_id.as_uuid()),
            applied: standing.applied.0,
            last_fact: standing.last_fact,
        }
    }
}

impl From<LeaveMode> for proto::LeaveMode {
    fn from(mode: LeaveMode) -> Self {
        match mode {
            LeaveMode::Graceful => Self::Graceful,
            LeaveMode::Fast => Self::Fast,
        }
    }
}

impl TryFrom<proto::Ack> for Ack {
    type Error = WireError;

    fn try_from(ack: proto::Ack) -> Result<Self, WireError> {
        let of = Reader("Ack");
        Ok(Self {
            run_id: of.run(&ack.run_id)?,
            epoch: Epoch(of.number("epoch", ack.epoch)?),
            through: of.number("through", ack.through)?,
        })
    }
}

impl From<Ack> for proto::Ack {
    fn from(ack: Ack) -> Self {
        Self { run_id: uuid(ack.run_id.as_uuid()), epoch: ack.epoch.0, through: ack.through }
    }
}

impl TryFrom<proto::ResidualReply> for Vec<Ack> {
    type Error = WireError;

    fn try_from(reply: proto::ResidualReply) -> Result<Self, WireError> {
        acks("ResidualReply", reply.acks)
    }
}

impl From<&[Ack]> for proto::ResidualReply {
    fn from(acks: &[Ack]) -> Self {
        Self { acks: acks.iter().map(|ack| (*ack).into()).collect() }
    }
}

fn acks(message: &'static str, acks: Vec<proto::Ack>) -> Result<Vec<Ack>, WireError> {
    let acks = Reader(message).at_most("acks", acks, MAX_ENTRIES)?;
    acks.into_iter().map(Ack::try_from).collect()
}
