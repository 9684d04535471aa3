//! A controller as the tests play it: real sockets, gRPC and TLS, and behind them whatever a test wants.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use control::wire::proto::control_server::{Control, ControlServer};
use control::wire::proto::enrolment_server::{Enrolment, EnrolmentServer};
use control::wire::{CertificateGrant, CertificateRequest, MAX_MESSAGE_BYTES, chunks, proto};
use control::{
    Ack, Beat, BeatAck, ClusterId, Command, CommandBody, CommandId, ContentDigest, ContentStore,
    ControllerMessage, Enrol, Enrolled, Epoch, Fact, FromController, FromWorker, LeaseTerms, LeaseToken,
    MemoryContents, RunId, SessionId, Standing, StopMode, WorkerMessage,
};
use net::WallTime;
use net::deadline::{Limits, Meter};
use net::identity::Authority;
use net::listen::{Caps, ListenCounts, Peer, Protocol, Security, Server, serve};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::{Body, BoxFuture, Service, StdError, http};
use tonic::{Request, Response, Status, Streaming};
use units::{Clock, MonotonicClock, Nanos, Timestamp};
use uuid::Uuid;

/// How beats are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beats {
    /// As a controller does that is content.
    Answered,
    /// With the order to end a run.
    Stop(RunId, StopMode),
    /// Every stream of beats is refused as UNAVAILABLE.
    Unavailable,
    /// Not at all.
    Silent,
}

/// A session stream as the controller sees it.
pub(crate) struct Session {
    pub(crate) hello: FromWorker,
    pub(crate) inbound: Streaming<proto::FromWorker>,
    outbound: mpsc::Sender<Result<proto::FromController, Status>>,
    contents: Arc<MemoryContents>,
}

/// What the tests look at and change.
struct Shared {
    beats: Mutex<Beats>,
    /// Beats that came, and streams of them that were refused.
    beaten: Mutex<Vec<Beat>>,
    refused: Mutex<u64>,
    enrolled: Mutex<Vec<Enrol>>,
    tokens: Mutex<u64>,
    contents: Arc<MemoryContents>,
    sessions: mpsc::Sender<Session>,
    residual: mpsc::Sender<Fact>,
    authority: Option<Authority>,
    /// Workers that got a certificate, and whether for a token.
    certified: Mutex<Vec<(String, bool)>>,
}

/// A controller that serves until it is dropped.
pub(crate) struct Controller {
    shared: Arc<Shared>,
    pub(crate) address: SocketAddr,
    pub(crate) sessions: mpsc::Receiver<Session>,
    pub(crate) residual: mpsc::Receiver<Fact>,
    serving: tokio::task::JoinHandle<usize>,
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(77));
pub(crate) const EPOCH: Epoch = Epoch(3);
pub(crate) const TOKEN: &str = "a join token";

/// The controller's clock is an hour ahead, so that nothing works by luck.
const AHEAD: Nanos = Nanos::from_secs(3_600);

pub(crate) fn controller_now() -> Timestamp {
    MonotonicClock.now() + AHEAD
}

/// A lease that ends soon.
pub(crate) const TERMS: LeaseTerms = LeaseTerms {
    beat: Nanos::from_millis(100),
    ttl: Nanos::from_millis(1_200),
    guard: Nanos::from_millis(100),
};

impl Controller {
    pub(crate) async fn start(security: Security, authority: Option<Authority>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (to_sessions, sessions) = mpsc::channel(16);
        let (to_residual, residual) = mpsc::channel(256);
        let shared = Arc::new(Shared {
            beats: Mutex::new(Beats::Answered),
            beaten: Mutex::default(),
            refused: Mutex::default(),
            enrolled: Mutex::default(),
            tokens: Mutex::default(),
            contents: Arc::new(MemoryContents::new(1 << 20)),
            sessions: to_sessions,
            residual: to_residual,
            authority,
            certified: Mutex::default(),
        });
        let router = Router {
            control: ControlServer::new(Served(Arc::clone(&shared)))
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            enrolment: EnrolmentServer::new(Served(Arc::clone(&shared))),
        };
        let server = Server {
            protocol: Protocol::Http2,
            security,
            caps: Caps::default(),
            meter: Arc::new(Meter::new(Limits::default())),
            counts: Arc::<ListenCounts>::default(),
        };
        let serving = tokio::spawn(serve(server, listener, router, std::future::pending()));
        Self { shared, address, sessions, residual, serving }
    }

    pub(crate) fn answer_beats(&self, beats: Beats) {
        *self.shared.beats.lock().unwrap() = beats;
    }

    pub(crate) fn beats(&self) -> Vec<Beat> {
        self.shared.beaten.lock().unwrap().clone()
    }

    pub(crate) fn refused_beats(&self) -> u64 {
        *self.shared.refused.lock().unwrap()
    }

    pub(crate) fn enrolled(&self) -> Vec<Enrol> {
        self.shared.enrolled.lock().unwrap().clone()
    }

    pub(crate) fn certified(&self) -> Vec<(String, bool)> {
        self.shared.certified.lock().unwrap().clone()
    }
}

impl Session {
    pub(crate) fn id(&self) -> SessionId {
        self.hello.session
    }

    pub(crate) async fn say(&self, body: ControllerMessage) {
        let message = FromController { cluster: CLUSTER, epoch: EPOCH, body };
        self.outbound.send(Ok(message.to_wire(&*self.contents).unwrap())).await.unwrap();
    }

    pub(crate) async fn command(&self, run_id: RunId, id: u64, body: CommandBody) {
        let command = Command { run_id, epoch: EPOCH, id: CommandId(id), body };
        self.say(ControllerMessage::Command(Box::new(command))).await;
    }

    pub(crate) async fn ack(&self, run_id: RunId, through: u64) {
        self.say(ControllerMessage::Ack(Ack { run_id, epoch: EPOCH, through })).await;
    }

    /// The next message of the worker; `None` when the stream is over.
    pub(crate) async fn next(&mut self) -> Option<WorkerMessage> {
        let message = self.inbound.message().await.ok()??;
        Some(FromWorker::try_from(message).unwrap().body)
    }

    /// The next fact, acknowledged; what else the worker says is left out.
    pub(crate) async fn fact(&mut self) -> Fact {
        loop {
            match self.next().await {
                Some(WorkerMessage::Fact(fact)) => {
                    self.ack(fact.run_id, fact.seq).await;
                    return *fact;
                }
                Some(_) => {}
                None => panic!("the worker ended the stream"),
            }
        }
    }
}

#[derive(Clone)]
struct Served(Arc<Shared>);

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Control for Served {
    type SessionStream = ReceiverStream<Result<proto::FromController, Status>>;
    type HeartbeatStream = Replies<proto::BeatAck>;
    type FetchStream = Replies<proto::Chunk>;

    async fn enrol(
        &self,
        request: Request<proto::EnrolRequest>,
    ) -> Result<Response<proto::EnrolReply>, Status> {
        let enrol = Enrol::try_from(request.into_inner()).unwrap();
        self.0.enrolled.lock().unwrap().push(enrol);
        let counter = {
            let mut tokens = self.0.tokens.lock().unwrap();
            *tokens += 1;
            *tokens
        };
        let token = LeaseToken { epoch: EPOCH, counter };
        let reply = Ok(Enrolled { cluster: CLUSTER, epoch: EPOCH, token, version: 1, lease: TERMS });
        Ok(Response::new((&reply).into()))
    }

    async fn session(
        &self,
        request: Request<Streaming<proto::FromWorker>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut inbound = request.into_inner();
        let (outbound, replies) = mpsc::channel(64);
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let Ok(Some(hello)) = inbound.message().await else { return };
            let hello = FromWorker::try_from(hello).unwrap();
            let contents = Arc::clone(&shared.contents);
            let _ = shared.sessions.send(Session { hello, inbound, outbound, contents }).await;
        });
        Ok(Response::new(ReceiverStream::new(replies)))
    }

    async fn heartbeat(
        &self,
        request: Request<Streaming<proto::Beat>>,
    ) -> Result<Response<Self::HeartbeatStream>, Status> {
        let mut inbound = request.into_inner();
        if *self.0.beats.lock().unwrap() == Beats::Unavailable {
            *self.0.refused.lock().unwrap() += 1;
            return Err(Status::unavailable("not now"));
        }
        let (answers, replies) = mpsc::channel(64);
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            while let Ok(Some(beat)) = inbound.message().await {
                let received_at = controller_now();
                let beat = Beat::try_from(beat).unwrap();
                let number = beat.number;
                shared.beaten.lock().unwrap().push(beat);
                let beats = *shared.beats.lock().unwrap();
                let stop = match beats {
                    Beats::Answered => None,
                    Beats::Stop(run, mode) => Some((run, mode)),
                    Beats::Silent => continue,
                    Beats::Unavailable => {
                        *shared.refused.lock().unwrap() += 1;
                        let _ = answers.send(Err(Status::unavailable("not now"))).await;
                        return;
                    }
                };
                let (epoch, standing, sent_at) = (EPOCH, Standing::Current, controller_now());
                let ack = BeatAck { epoch, number, standing, received_at, sent_at, stop };
                if answers.send(Ok((&ack).into())).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(replies))))
    }

    async fn submit_residual(
        &self,
        request: Request<Streaming<proto::Fact>>,
    ) -> Result<Response<proto::ResidualReply>, Status> {
        let mut facts = request.into_inner();
        let mut acks = Vec::new();
        while let Some(fact) = facts.message().await? {
            let fact = Fact::try_from(fact).unwrap();
            acks = vec![Ack { run_id: fact.run_id, epoch: EPOCH, through: fact.seq }];
            let _ = self.0.residual.send(fact).await;
        }
        Ok(Response::new(acks.as_slice().into()))
    }

    async fn fetch(
        &self,
        request: Request<proto::FetchRequest>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let digest = ContentDigest::try_from(request.into_inner()).unwrap();
        let content = self.0.contents.get(digest).ok_or_else(|| Status::not_found("no such content"))?;
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks(content).map(Ok)))))
    }
}

#[tonic::async_trait]
impl Enrolment for Served {
    async fn request_certificate(
        &self,
        request: Request<proto::CertificateRequest>,
    ) -> Result<Response<proto::CertificateGrant>, Status> {
        let certificate = request.extensions().get::<Peer>().and_then(|peer| peer.certificate.clone());
        let proven = certificate.and_then(|facts| facts.worker.clone());
        let authority =
            self.0.authority.as_ref().ok_or_else(|| Status::failed_precondition("no authority"))?;
        let request = CertificateRequest::try_from(request.into_inner()).unwrap();
        let renews = proven.as_deref() == Some(request.worker.as_str()) && request.join_token.is_empty();
        if request.join_token != TOKEN && !renews {
            return Err(Status::unauthenticated("no such token"));
        }
        let validity = Authority::WORKER_VALIDITY;
        let worker = request.worker.as_str();
        let certificate_pem =
            authority.sign_worker(&request.csr_pem, worker, WallTime::now(), validity).unwrap();
        self.0.certified.lock().unwrap().push((worker.to_owned(), !renews));
        let authority_pem = authority.certificate_pem().to_owned();
        Ok(Response::new((&CertificateGrant { certificate_pem, authority_pem }).into()))
    }
}

/// Both services on one port.
#[derive(Clone)]
struct Router {
    control: ControlServer<Served>,
    enrolment: EnrolmentServer<Served>,
}

impl<B> Service<http::Request<B>> for Router
where
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if request.uri().path().starts_with("/loadgen.v1.Enrolment/") {
            self.enrolment.call(request)
        } else {
            self.control.call(request)
        }
    }
}
