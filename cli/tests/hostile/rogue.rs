//! A worker as the tests play it: it speaks the protocol, and says whatever it likes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use control::wire::MAX_MESSAGE_BYTES;
use control::wire::proto::control_client::ControlClient;
use control::wire::proto::{self, command, from_controller};
use control::{
    Beat, CommandId, Enrol, EnrolRefusal, Enrolled, Fact, FactBody, FinalFact, FromWorker, HostFacts,
    LeaseToken, Prepared, ProtocolVersions, RunId, SessionId, WorkerHealth, WorkerId, WorkerInfo,
    WorkerMessage,
};
use metrics::{
    Activity, Gauges, Layout, Outcome, Period, Phases, Record as _, RequestSample, RequestTimes, Snapshot,
};
use net::deadline::{Limits, Meter};
use net::dial::{Dialer, Endpoint, Http2};
use net::identity::Identity;
use net::tls::{Alpn, Trust, client_config};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::{Status, Streaming};
use units::{Clock as _, MonotonicClock, Nanos, Timestamp};
use uuid::Uuid;

pub(crate) type Client = ControlClient<Http2<Body>>;

/// A connection to a controller at `address`; with TLS where it is known by something.
pub(crate) async fn client(address: SocketAddr, tls: Option<(Trust, Option<&Identity>)>) -> Client {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let tls = tls.map(|(trust, identity)| client_config(&trust, identity, Alpn::Http2).unwrap());
    let dialer = Dialer { tls, meter: Arc::new(Meter::new(Limits::default())) };
    let endpoint: Endpoint = format!("{scheme}://{address}").parse().unwrap();
    ControlClient::new(dialer.http2(&endpoint).await.unwrap())
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// Who it says it is.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) worker: WorkerId,
    pub(crate) session: SessionId,
    pub(crate) token: LeaseToken,
}

impl Name {
    pub(crate) fn new(worker: &str) -> Self {
        let token = LeaseToken { epoch: control::Epoch(5), counter: 1 };
        Self { worker: WorkerId::new(worker), session: SessionId(Uuid::new_v4()), token }
    }

    pub(crate) fn enrol(&self) -> Enrol {
        Enrol {
            worker: self.worker.clone(),
            session: self.session,
            versions: ProtocolVersions::SPOKEN,
            info: WorkerInfo { version: "0.1.0".to_owned(), host: HostFacts::default() },
            labels: BTreeMap::new(),
            tasks: Vec::new(),
            weight: 1,
        }
    }

    pub(crate) fn says(&self, body: WorkerMessage) -> proto::FromWorker {
        let message =
            FromWorker { worker: self.worker.clone(), session: self.session, token: self.token, body };
        proto::FromWorker::try_from(&message).unwrap()
    }

    pub(crate) fn beat(&self, number: u64) -> proto::Beat {
        let (worker, sent_at) = (self.worker.clone(), MonotonicClock.now());
        let (session, token) = (self.session, self.token);
        (&Beat { worker, session, token, number, sent_at, progress: number, clock: None }).into()
    }

    pub(crate) fn fact(&self, run_id: RunId, seq: u64, body: FactBody) -> Fact {
        Fact { run_id, worker: self.worker.clone(), session: self.session, seq, body }
    }
}

/// Enrols.
pub(crate) async fn enrol(
    client: &mut Client,
    name: &Name,
) -> Result<Result<Enrolled, EnrolRefusal>, Status> {
    let reply = client.enrol(proto::EnrolRequest::from(&name.enrol())).await?.into_inner();
    Ok(Result::<Enrolled, EnrolRefusal>::try_from(reply).unwrap())
}

/// Opens a session stream.
pub(crate) async fn session(
    client: &mut Client,
    first: proto::FromWorker,
) -> Result<(mpsc::Sender<proto::FromWorker>, Streaming<proto::FromController>), Status> {
    let (say, said) = mpsc::channel(64);
    say.send(first).await.unwrap();
    Ok((say, client.session(ReceiverStream::new(said)).await?.into_inner()))
}

/// What a scripted worker says when load has begun, in order.
pub(crate) type Script = Box<dyn FnOnce(&Scene) -> Vec<FactBody> + Send>;

/// What a script may draw on.
pub(crate) struct Scene {
    pub(crate) layout: Arc<Layout>,
}

impl Scene {
    /// What an honest worker would have measured in a second in which it sent so many requests that all succeeded.
    pub(crate) fn snapshot(&self, second: u32, requests: u64) -> Snapshot {
        let (mut recorder, mut drain) = metrics::pair(&self.layout, 0, 2);
        for request in 0..requests {
            recorder.request_started(0, Period::Measured);
            let intended_start = Timestamp::ORIGIN + Nanos::from_secs(u64::from(second));
            let times = RequestTimes {
                intended_start,
                released_at: intended_start,
                actual_start: intended_start,
                completed_at: intended_start + Nanos::from_micros(300 + request % 700),
            };
            let sample = RequestSample {
                times,
                phases: Phases { first_byte: Some(Nanos::from_micros(200)), ..Phases::default() },
                outcome: Outcome::Succeeded,
                status: 200,
                sent_bytes: 50,
                received_bytes: 200,
                resent: false,
            };
            recorder.request(0, &sample, Period::Measured);
        }
        recorder.finish(second, Gauges::default(), Activity::default());
        let mut snapshot = drain.next_snapshot().unwrap();
        while let Some(more) = drain.next_snapshot() {
            snapshot.merge(&more).unwrap();
        }
        snapshot
    }

    /// The last word of a worker that sent so many requests.
    pub(crate) fn last(requests: u64) -> FinalFact {
        FinalFact {
            requests_attempted: requests,
            iterations_started: 0,
            health: WorkerHealth { elapsed: Nanos::from_secs(3), ..WorkerHealth::default() },
            faults: Vec::new(),
            panicked: false,
            left_at: None,
            telemetry: Vec::new(),
            executions_over_budget: 0,
        }
    }
}

/// The series of a workload.
pub(crate) fn layout(document: &str) -> Arc<Layout> {
    let files = scenario::Files::default();
    let workload = scenario::Workload::from_canonical_json(document, &files).unwrap();
    let plan = scenario::compile(&workload, &files).unwrap();
    Arc::new(control::layout(&plan, workload.tags))
}

/// How a scripted worker brings its facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Each once.
    Plain,
    /// Each three times, and all of them again on a stream of its own at the end.
    Parrot,
}

/// Takes part in one run: prepares and starts as it is told, then says what the script says, to the end of the stream.
/// Without TLS.
pub(crate) async fn play(
    address: SocketAddr,
    worker: String,
    layout: Arc<Layout>,
    manner: Manner,
    script: Script,
) {
    let mut name = Name::new(&worker);
    let mut client = client(address, None).await;
    name.token = enrol(&mut client, &name).await.unwrap().unwrap().token;
    tokio::spawn(keep_lease(address, name.clone()));
    let hello = name.says(WorkerMessage::Hello { runs: Vec::new() });
    let (say, mut heard) = session(&mut client, hello.clone()).await.unwrap();
    let scene = Scene { layout };
    let (mut applied, mut facts, mut script) = (0, Vec::new(), Some(script));
    while let Ok(Some(message)) = heard.message().await {
        let Some(from_controller::Body::Command(command)) = message.body else { continue };
        if command.id != applied + 1 {
            continue;
        }
        applied = command.id;
        let run_id = RunId::new(Uuid::from_slice(&command.run_id).unwrap());
        let through = CommandId(applied);
        let _ = say.send(name.says(WorkerMessage::Applied { run_id, through })).await;
        let bodies = match command.body {
            Some(command::Body::Prepare(_)) => {
                let shape_hash = scene.layout.shape_hash();
                vec![FactBody::Prepared(Prepared { threads: 1, max_vus: 1, shape_hash, notes: Vec::new() })]
            }
            Some(command::Body::Start(_)) => {
                // Nobody can have measured a second that has not been.
                tokio::time::sleep(Duration::from_millis(2_200)).await;
                let started = FactBody::Started { at: MonotonicClock.now(), clock_error: Nanos::ZERO };
                let mut bodies = vec![started];
                bodies.extend(script.take().map(|script| script(&scene)).unwrap_or_default());
                bodies
            }
            _ => Vec::new(),
        };
        for body in bodies {
            let fact = name.fact(run_id, facts.len() as u64 + 1, body);
            facts.push(name.says(WorkerMessage::Fact(Box::new(fact))));
            for _ in 0..if manner == Manner::Parrot { 3 } else { 1 } {
                // Whoever was thrown out says nothing more.
                let _ = say.send(facts.last().unwrap().clone()).await;
            }
        }
        if manner == Manner::Parrot && script.is_none() {
            // What a stranger would have recorded, once more from the beginning.
            if let Ok((again, _answers)) = session(&mut client, hello.clone()).await {
                for fact in &facts {
                    let _ = again.send(fact.clone()).await;
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            return;
        }
    }
}

/// Beats until nobody answers.
async fn keep_lease(address: SocketAddr, name: Name) {
    let mut client = client(address, None).await;
    let (say, said) = mpsc::channel(4);
    say.send(name.beat(1)).await.unwrap();
    let Ok(acks) = client.heartbeat(ReceiverStream::new(said)).await else { return };
    let mut acks = acks.into_inner();
    for number in 2.. {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if say.send(name.beat(number)).await.is_err() || !matches!(acks.message().await, Ok(Some(_))) {
            return;
        }
    }
}
