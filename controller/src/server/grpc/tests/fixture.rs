//! A served cluster, real or scripted, and workers by hand.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use api::result::Tool;
use control::wire::proto;
use control::wire::proto::control_client::ControlClient;
use control::wire::proto::enrolment_client::EnrolmentClient;
use control::{
    Ack, Beat, ClusterId, Command, CommandBody, CommandId, ContentDigest, ControllerMessage, Enrol,
    EnrolRefusal, Enrolled, Epoch, Fact, FactBody, FromWorker, HostFacts, LeaseToken, ProtocolVersions,
    RunId, SessionId, WorkerId, WorkerInfo, WorkerMessage,
};
use net::WallTime;
use net::deadline::{Limits, Meter, Operation};
use net::dial::{Dialer, Endpoint, Http2};
use net::identity::{Authority, CertificateRequest, Fingerprint, Identity, Revocations};
use net::join_token::{JoinGrant, JoinKey, TokenLedger};
use net::listen::{Caps, ListenCounts, Protocol, Security};
use net::tls::{Alpn, Authorities, ClientCheck, Trust, client_config, server_config};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::{Response, Status, Streaming};
use units::{MonotonicClock, Nanos, Timestamp};
use uuid::Uuid;

use super::super::*;
use crate::cluster::{ClusterOptions, LinkId, WallClock};
use crate::observe::Telemetry;
use crate::server::Host;
use crate::server::contents::Contents;
use crate::server::handle::{BeatCall, Call};

pub(super) type Connection = Http2<Body>;
pub(super) type Client = ControlClient<Connection>;

pub(super) const TOKEN: LeaseToken = LeaseToken { epoch: Epoch(1), counter: 1 };
pub(super) const LINK: LinkId = LinkId(7);

/// A real cluster.
pub(super) fn host() -> Host {
    let wall = WallClock::new(MonotonicClock.now(), "2026-11-21T12:00:00Z".parse().unwrap());
    let options = ClusterOptions::new(ClusterId(Uuid::from_u128(9)), Epoch(3), "0.1.0".to_owned(), wall);
    let tool = Tool { name: "loadgen".to_owned(), version: "0.1.0".to_owned(), git: None };
    Host::start(MonotonicClock, options, tool, 64 << 20, Telemetry::off())
}

/// The way to a cluster that the test itself is.
pub(super) fn scripted() -> (ClusterHandle, mpsc::Receiver<Call>, mpsc::Receiver<BeatCall>) {
    let ((calls, called), (beats, beaten)) = (mpsc::channel(8), mpsc::channel(8));
    let contents = Arc::new(Contents::new(1 << 20));
    (ClusterHandle { calls, beats, contents, board: telemetry::Board::new() }, called, beaten)
}

/// What the disk of a controller holds, and whether it takes more.
#[derive(Default)]
struct Disk {
    full: AtomicBool,
    ledger: Mutex<TokenLedger>,
}

/// The services for workers, on a port of their own.
pub(super) struct Served {
    pub(super) cluster: ClusterHandle,
    address: std::net::SocketAddr,
    certificates: Option<Certificates>,
    disk: Arc<Disk>,
    last_token: Mutex<String>,
    end: oneshot::Sender<()>,
    served: JoinHandle<usize>,
}

impl Served {
    pub(super) async fn with_tls(cluster: ClusterHandle) -> Self {
        Self::start(cluster, true, Limits::default()).await
    }

    pub(super) async fn plain(cluster: ClusterHandle) -> Self {
        Self::start(cluster, false, Limits::default()).await
    }

    pub(super) async fn start(cluster: ClusterHandle, tls: bool, limits: Limits) -> Self {
        let disk = Arc::<Disk>::default();
        let meter = Arc::new(Meter::new(limits.with(Operation::Shutdown, Nanos::from_millis(500))));
        let (mut security, mut certificates) = (Security::Plain, None);
        if tls {
            let revocations = RevocationList::default();
            let authority = authority();
            let names = ["127.0.0.1".to_owned()];
            let identity = authority.server(&names, WallTime::now(), Nanos::from_secs(60)).unwrap();
            let authorities = Authorities::from_pem(authority.certificate_pem().as_bytes()).unwrap();
            let check = ClientCheck { authorities, revocations: revocations.clone(), required: false };
            security = Security::Tls(server_config(&identity, Some(check), Alpn::Http2).unwrap());
            let kept = Arc::clone(&disk);
            let keep: KeepLedger = Box::new(move |ledger| {
                if kept.full.load(Ordering::Relaxed) {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                *kept.ledger.lock().unwrap() = ledger.clone();
                Ok(())
            });
            let cluster = ClusterId(Uuid::from_u128(9));
            let (key, ledger) = (JoinKey::generate().unwrap(), TokenLedger::default());
            let desk = CertificateDesk::new(cluster, authority, key, revocations.clone(), ledger, keep);
            certificates = Some(Certificates { revocations, desk: Some(Arc::new(desk)) });
        }
        let listener = listen::bind("127.0.0.1:0".parse().unwrap(), &security, false).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server {
            protocol: Protocol::Http2,
            security,
            caps: Caps::default(),
            meter: Arc::clone(&meter),
            counts: Arc::<ListenCounts>::default(),
        };
        let api = WorkerApi {
            cluster: cluster.clone(),
            certificates: certificates.clone(),
            clock: Arc::new(MonotonicClock),
            meter,
        };
        let (end, ended) = oneshot::channel();
        let served = tokio::spawn(api.serve(server, listener, async {
            let _ = ended.await;
        }));
        Self { cluster, address, certificates, disk, last_token: Mutex::default(), end, served }
    }

    pub(super) fn desk(&self) -> &CertificateDesk {
        self.certificates.as_ref().unwrap().desk.as_ref().unwrap()
    }

    /// A new join token.
    pub(super) fn token(&self, uses: u32) -> String {
        let (token, text) = self.desk().issue_token(grant(uses), WallTime::now()).unwrap();
        *self.last_token.lock().unwrap() = token.id;
        text.expose().to_owned()
    }

    pub(super) fn revoke(&self, revocations: Revocations) {
        self.certificates.as_ref().unwrap().revocations.replace(revocations);
    }

    pub(super) fn disk_is_full(&self, full: bool) {
        self.disk.full.store(full, Ordering::Relaxed);
    }

    /// How often the last token was used, as the disk has it.
    pub(super) fn kept_uses(&self) -> usize {
        self.disk.ledger.lock().unwrap().uses(&self.last_token.lock().unwrap())
    }

    pub(super) async fn dial(&self, identity: Option<&Identity>, authority: Fingerprint) -> Connection {
        let config = client_config(&Trust::Fingerprint(authority), identity, Alpn::Http2).unwrap();
        self.dialled("https", Dialer { tls: Some(config), meter: meter() }).await
    }

    pub(super) async fn dial_plain(&self) -> Connection {
        self.dialled("http", Dialer { tls: None, meter: meter() }).await
    }

    async fn dialled(&self, scheme: &str, dialer: Dialer) -> Connection {
        let endpoint: Endpoint = format!("{scheme}://{}", self.address).parse().unwrap();
        dialer.http2(&endpoint).await.unwrap()
    }

    /// A connection of a worker with a certificate.
    pub(super) async fn worker(&self, name: &str) -> Connection {
        let fingerprint = self.desk().authority().fingerprint();
        let identity = join(self.dial(None, fingerprint).await, name, &self.token(1)).await.unwrap();
        self.dial(Some(&identity), fingerprint).await
    }

    /// Ends the service; says how many connections had to be cut.
    pub(super) async fn stop(self) -> usize {
        self.end.send(()).unwrap();
        self.served.await.unwrap()
    }
}

fn meter() -> Arc<Meter> {
    Arc::new(Meter::new(Limits::default()))
}

fn authority() -> Authority {
    Authority::create("test", WallTime::now()).unwrap()
}

/// A desk of the same cluster with other keys.
pub(super) fn desk(key: JoinKey) -> CertificateDesk {
    let (revocations, ledger) = (RevocationList::default(), TokenLedger::default());
    let cluster = ClusterId(Uuid::from_u128(9));
    CertificateDesk::new(cluster, authority(), key, revocations, ledger, Box::new(|_| Ok(())))
}

pub(super) fn grant(uses: u32) -> JoinGrant {
    JoinGrant { uses, validity: Nanos::from_secs(600), workers: None }
}

/// What a new worker does first.
pub(super) async fn join(connection: Connection, worker: &str, token: &str) -> Result<Identity, Status> {
    let request = CertificateRequest::create().unwrap();
    let wish = proto::CertificateRequest {
        worker: worker.to_owned(),
        join_token: token.to_owned(),
        csr_pem: request.pem().to_owned(),
    };
    let grant = EnrolmentClient::new(connection).request_certificate(wish).await?.into_inner();
    Ok(request.complete(grant.certificate_pem.as_bytes()).unwrap())
}

pub(super) fn client(connection: Connection) -> Client {
    ControlClient::new(connection)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// Enrols a worker.
pub(super) async fn enrolled(client: &mut Client, worker: &str) -> Enrolled {
    let reply = client.enrol(proto::EnrolRequest::from(&enrol(worker))).await.unwrap().into_inner();
    Result::<Enrolled, EnrolRefusal>::try_from(reply).unwrap().unwrap()
}

/// Opens a session stream by its first message.
pub(super) async fn talking(
    client: &mut Client,
    first: &FromWorker,
) -> Result<(mpsc::Sender<proto::FromWorker>, Streaming<proto::FromController>), Status> {
    let (say, said) = mpsc::channel(8);
    say.send(proto::FromWorker::try_from(first).unwrap()).await.unwrap();
    let heard = client.session(ReceiverStream::new(said)).await?.into_inner();
    Ok((say, heard))
}

pub(super) async fn residual(client: &mut Client, facts: &[Fact]) -> Result<Vec<Ack>, Status> {
    let facts: Vec<_> = facts.iter().map(|fact| proto::Fact::try_from(fact).unwrap()).collect();
    let reply = client.submit_residual(tokio_stream::iter(facts)).await?.into_inner();
    Ok(Vec::<Ack>::try_from(reply).unwrap())
}

/// What comes of a stream of answers: all of them, or the status that ends it.
pub(super) async fn outcome<T>(opened: Result<Response<Streaming<T>>, Status>) -> Result<Vec<T>, Status> {
    let (mut stream, mut all) = (opened?.into_inner(), Vec::new());
    while let Some(next) = stream.message().await? {
        all.push(next);
    }
    Ok(all)
}

pub(super) fn worker(name: &str) -> WorkerId {
    WorkerId::parse(name).unwrap()
}

pub(super) const SESSION: SessionId = SessionId(Uuid::from_u128(42));

pub(super) fn enrol(name: &str) -> Enrol {
    Enrol {
        worker: worker(name),
        session: SESSION,
        versions: ProtocolVersions::SPOKEN,
        info: WorkerInfo { version: "0.1.0".to_owned(), host: HostFacts::default() },
        labels: [("rack".to_owned(), "a".to_owned())].into(),
        tasks: Vec::new(),
        weight: 1,
    }
}

pub(super) fn from_worker(name: &str, token: LeaseToken, body: WorkerMessage) -> FromWorker {
    FromWorker { worker: worker(name), session: SESSION, token, body }
}

pub(super) fn hello(name: &str, token: LeaseToken) -> FromWorker {
    from_worker(name, token, WorkerMessage::Hello { runs: Vec::new() })
}

pub(super) fn beat(name: &str, token: LeaseToken, number: u64) -> Beat {
    let sent_at = Timestamp::from_nanos(5);
    Beat { worker: worker(name), session: SESSION, token, number, sent_at, progress: 1, clock: None }
}

pub(super) fn fact(name: &str, run_id: RunId) -> Fact {
    let body = FactBody::Revised { revision: 1, effective: Nanos::SECOND };
    Fact { run_id, worker: worker(name), session: SESSION, seq: 1, body }
}

pub(super) fn wish(digest: ContentDigest) -> proto::FetchRequest {
    proto::FetchRequest { digest: digest.0.to_vec() }
}

/// A message of the controller that takes a few hundred bytes.
pub(super) fn long_command() -> ControllerMessage {
    ControllerMessage::Command(Box::new(Command {
        run_id: RunId::new(Uuid::from_u128(5)),
        epoch: Epoch(1),
        id: CommandId(1),
        body: CommandBody::Once { task: "t".repeat(256) },
    }))
}
