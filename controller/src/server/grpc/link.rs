//! One session stream, between the cluster and a worker.

use std::sync::Arc;

use control::wire::proto;
use control::{Command, CommandBody, ControllerMessage, FromController, FromWorker, SessionId, WorkerId};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::access::Caller;
use super::calls::{gone, malformed};
use crate::cluster::LinkId;
use crate::server::handle::ClusterHandle;

/// A session stream after its hello.
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) caller: Caller,
    /// Whom the hello was from.
    pub(super) worker: WorkerId,
    pub(super) session: SessionId,
    pub(super) cluster: ClusterHandle,
    pub(super) inbound: Streaming<proto::FromWorker>,
    pub(super) from_cluster: mpsc::Receiver<FromController>,
    pub(super) to_worker: mpsc::Sender<Result<proto::FromController, Status>>,
}

impl Link {
    /// Carries messages both ways until either side ends the stream.
    ///
    /// # Errors
    /// The status with which it ends, if it does not end well.
    pub(super) async fn run(mut self) -> Result<(), Status> {
        let mut next = None;
        let mut last_word = false;
        let mut was_full = false;
        loop {
            was_full |= self.from_cluster.len() == self.from_cluster.max_capacity();
            tokio::select! {
                said = self.inbound.message() => match said? {
                    Some(message) => {
                        let message = self.checked(message)?;
                        self.cluster.said(self.id, message).await.map_err(gone)?;
                    }
                    None => return Ok(()),
                },
                told = self.from_cluster.recv(), if next.is_none() => match told {
                    Some(message) => {
                        self.caller.may_be(&self.worker)?;
                        last_word = matches!(
                            message.body,
                            ControllerMessage::Farewell | ControllerMessage::Fenced { .. }
                        );
                        next = Some(self.encoded(message).await?);
                    }
                    None if last_word => return Ok(()),
                    None => return Err(ended(was_full)),
                },
                place = self.to_worker.reserve(), if next.is_some() => match (place, next.take()) {
                    (Ok(place), Some(message)) => place.send(Ok(message)),
                    // The worker hung up.
                    _ => return Ok(()),
                },
            }
        }
    }

    /// What the worker said, if it is a message and its own.
    fn checked(&self, message: proto::FromWorker) -> Result<FromWorker, Status> {
        self.caller.may_be(&self.worker)?;
        let message = FromWorker::try_from(message).map_err(malformed)?;
        if message.worker != self.worker || message.session != self.session {
            return Err(Status::permission_denied(format!(
                "the stream is of worker {} in session {}, the message of {} in {}",
                self.worker, self.session, message.worker, message.session
            )));
        }
        if let control::WorkerMessage::Fact(fact) = &message.body
            && fact.worker != self.worker
        {
            return Err(Status::permission_denied(format!(
                "worker {} brings a fact of worker {}",
                self.worker, fact.worker
            )));
        }
        Ok(message)
    }

    async fn encoded(&self, message: FromController) -> Result<proto::FromController, Status> {
        let contents = self.cluster.contents().store();
        let is_large = matches!(
            &message.body,
            ControllerMessage::Command(command) if matches!(**command, Command { body: CommandBody::Prepare(_), .. })
        );
        let encoded = if is_large {
            // It hashes contents, which takes as long as a beat may: not on the thread that answers beats.
            let contents = Arc::clone(contents);
            let hashing = tokio::task::spawn_blocking(move || message.to_wire(&*contents));
            hashing.await.map_err(|_| Status::internal("cannot prepare a run's contents"))?
        } else {
            message.to_wire(&**contents)
        };
        encoded.map_err(|error| Status::resource_exhausted(error.to_string()))
    }
}

/// The cluster dropped the stream without a last word.
fn ended(was_full: bool) -> Status {
    if was_full {
        return Status::resource_exhausted(
            "the worker did not read its session stream in time; it opens another one and what it missed is said again",
        );
    }
    Status::aborted("the controller ended the stream: another one took its place, or the controller ends")
}
