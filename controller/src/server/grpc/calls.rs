//! The service of the control plane.

use std::sync::Arc;

use control::wire::proto::control_server::Control;
use control::wire::{WireError, proto};
use control::{Enrol, FromWorker};
use net::deadline::{Meter, Operation, TimeoutError, within};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use units::Clock;

use super::access::Caller;
use super::fetch::{Fetched, fetched};
use super::heartbeat::Heartbeat;
use super::link::Link;
use super::{guard, residual};
use crate::cluster::SessionRefusal;
use crate::server::handle::{ClusterHandle, Ended};

/// What serves workers.
pub(super) struct ControlService {
    pub(super) cluster: ClusterHandle,
    pub(super) clock: Arc<dyn Clock + Send + Sync>,
    pub(super) meter: Arc<Meter>,
}

#[tonic::async_trait]
impl Control for ControlService {
    type SessionStream = ReceiverStream<Result<proto::FromController, Status>>;
    type HeartbeatStream = ReceiverStream<Result<proto::BeatAck, Status>>;
    type FetchStream = Fetched;

    async fn enrol(
        &self,
        request: Request<proto::EnrolRequest>,
    ) -> Result<Response<proto::EnrolReply>, Status> {
        let caller = Caller::of(&request)?;
        let enrol = Enrol::try_from(request.into_inner()).map_err(malformed)?;
        // That the name is the proven one is for the cluster to say: its refusal is part of the answer.
        let enrolling = self.cluster.enrol(caller.proven.clone(), enrol);
        let reply = within(&self.meter, Operation::Enrol, &caller.address, enrolling).await.map_err(late)?;
        Ok(Response::new((&reply).into()))
    }

    async fn session(
        &self,
        request: Request<Streaming<proto::FromWorker>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let caller = Caller::of(&request)?;
        let mut inbound = request.into_inner();
        let (to_link, from_cluster) = mpsc::channel(OUTBOUND);
        let opening = async {
            let hello = inbound.message().await?.ok_or_else(|| refused(SessionRefusal::NoHello))?;
            let hello = FromWorker::try_from(hello).map_err(malformed)?;
            caller.may_be(&hello.worker)?;
            let (worker, session) = (hello.worker.clone(), hello.session);
            let link = self.cluster.open_session(hello, to_link).await.map_err(refused)?;
            Ok::<_, Status>((link, worker, session))
        };
        let opened = within(&self.meter, Operation::SessionOpen, &caller.address, opening).await;
        let (id, worker, session) = opened.map_err(late)??;

        let (to_worker, outbound) = mpsc::channel(1);
        let link = Link {
            id,
            caller,
            worker,
            session,
            cluster: self.cluster.clone(),
            inbound,
            from_cluster,
            to_worker: to_worker.clone(),
        };
        let cluster = self.cluster.clone();
        guard::fill(to_worker, link.run(), async move { cluster.closed(id).await });
        Ok(Response::new(ReceiverStream::new(outbound)))
    }

    async fn heartbeat(
        &self,
        request: Request<Streaming<proto::Beat>>,
    ) -> Result<Response<Self::HeartbeatStream>, Status> {
        let caller = Caller::of(&request)?;
        let (acks, outbound) = mpsc::channel(1);
        let beats = Heartbeat {
            caller,
            cluster: self.cluster.clone(),
            clock: Arc::clone(&self.clock),
            inbound: request.into_inner(),
            acks: acks.clone(),
        };
        guard::fill(acks, beats.run(), async {});
        Ok(Response::new(ReceiverStream::new(outbound)))
    }

    async fn submit_residual(
        &self,
        request: Request<Streaming<proto::Fact>>,
    ) -> Result<Response<proto::ResidualReply>, Status> {
        let caller = Caller::of(&request)?;
        let acks = residual::take(&self.cluster, &self.meter, &caller, request.into_inner()).await?;
        Ok(Response::new(acks.as_slice().into()))
    }

    async fn fetch(
        &self,
        request: Request<proto::FetchRequest>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        fetched(self.cluster.contents(), &request.into_inner()).map(Response::new)
    }
}

/// What came is no message.
pub(super) fn malformed(error: WireError) -> Status {
    Status::invalid_argument(error.to_string())
}

/// Something took too long.
pub(super) fn late(error: TimeoutError) -> Status {
    Status::deadline_exceeded(error.to_string())
}

/// There is no cluster any more.
pub(super) fn gone(error: Ended) -> Status {
    Status::unavailable(error.to_string())
}

fn refused(refusal: SessionRefusal) -> Status {
    let why = refusal.to_string();
    match refusal {
        SessionRefusal::NoHello => Status::invalid_argument(why),
        SessionRefusal::Unknown => Status::failed_precondition(why),
        SessionRefusal::Ended => Status::unavailable(why),
    }
}

/// Messages of the controller that may wait for a worker that does not read. With more the stream ends, and what was
/// not applied is said again on the next one.
const OUTBOUND: usize = 64;
