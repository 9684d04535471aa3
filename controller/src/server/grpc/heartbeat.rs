//! Signs of life.

use std::sync::Arc;

use control::Beat;
use control::wire::proto;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use units::Clock;

use super::access::Caller;
use super::calls::{gone, malformed};
use crate::server::handle::ClusterHandle;

/// A stream of beats and their answers.
pub(super) struct Heartbeat {
    pub(super) caller: Caller,
    pub(super) cluster: ClusterHandle,
    pub(super) clock: Arc<dyn Clock + Send + Sync>,
    pub(super) inbound: Streaming<proto::Beat>,
    pub(super) acks: mpsc::Sender<Result<proto::BeatAck, Status>>,
}

impl Heartbeat {
    /// Answers every beat until the worker ends the stream.
    ///
    /// # Errors
    /// The status with which it ends, if it does not end well.
    pub(super) async fn run(mut self) -> Result<(), Status> {
        while let Some(beat) = self.inbound.message().await? {
            // Before anything else: the difference to `sent_at` below is what the worker takes off its round trip.
            let received_at = self.clock.now();
            let beat = Beat::try_from(beat).map_err(malformed)?;
            self.caller.may_be(&beat.worker)?;
            let mut ack = self.cluster.beat(beat, received_at).await.map_err(gone)?;
            let Ok(place) = self.acks.reserve().await else { return Ok(()) };
            ack.sent_at = self.clock.now();
            place.send(Ok((&ack).into()));
        }
        Ok(())
    }
}
