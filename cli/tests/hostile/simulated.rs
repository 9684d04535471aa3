//! Leases and session streams over the real gRPC stack on a simulated network: the cluster, its services and HTTP/2 as they
//! are shipped; a worker's state machines as they are shipped, with an adapter of the test's own, since the real one has
//! threads and a kernel's sockets. Time is simulated; the same seed gives the same network.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::http::{WorkerState, WorkerStatus};
use api::result::Tool;
use control::wire::Incoming;
use control::wire::proto;
use control::wire::proto::control_client::ControlClient;
use control::{
    BeatAck, ClusterId, Enrol, EnrolRefusal, Enrolled, Epoch, FromController, FromWorker, HostFacts,
    LeaseTerms, MemoryContents, ProtocolVersions, SessionId, WorkerId, WorkerInfo,
};
use controller::cluster::{ClusterOptions, WallClock};
use controller::observe::Telemetry;
use controller::server::Host;
use controller::server::grpc::WorkerApi;
use net::deadline::{Limits, Meter};
use net::dial::{Dialer, Endpoint, Http2};
use net::listen::{Accept, Caps, ListenCounts, Protocol, Security, Server};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use turmoil::net::{TcpListener, TcpStream};
use units::{Clock, Nanos, Timestamp};
use uuid::Uuid;
use worker::machines::link::{EnrolFailure, Input, Output};
use worker::machines::{Grant, Heart, Link, LinkOptions};

/// The clock of the simulated world: one for all.
#[derive(Clone, Copy, Debug)]
struct SimulatedClock;

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let elapsed = turmoil::sim_elapsed().expect("only hosts of the simulation ask");
        // Nothing is at the origin, which stands for never.
        Timestamp::ORIGIN + Nanos::SECOND + Nanos::from(elapsed)
    }
}

struct Simulated(TcpListener);

impl Accept for Simulated {
    type Io = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.accept().await
    }
}

/// What the test sees of both sides.
#[derive(Debug, Default)]
struct Seen {
    /// Until when each worker may send load, as it believes itself.
    leases: BTreeMap<String, Timestamp>,
    /// How the controller sees each worker.
    states: BTreeMap<String, WorkerState>,
    /// Sessions that were ever enrolled.
    sessions: BTreeMap<String, Vec<SessionId>>,
    /// What must not be.
    broken: Vec<String>,
}

impl Seen {
    /// Takes note of how the controller sees its workers.
    fn note(&mut self, workers: Vec<WorkerStatus>) {
        for worker in workers {
            // The promise behind every lease: who is given up has stopped.
            if worker.state == WorkerState::Lost
                && let Some(until) =
                    self.leases.get(&worker.name).filter(|until| **until > SimulatedClock.now())
            {
                self.broken.push(format!("{} is lost and may send until {until:?}", worker.name));
            }
            self.states.insert(worker.name, worker.state);
        }
    }
}

type Shared = Arc<Mutex<Seen>>;

const TERMS: LeaseTerms =
    LeaseTerms { beat: Nanos::from_millis(200), ttl: Nanos::from_secs(2), guard: Nanos::from_millis(100) };
const PORT: u16 = 7700;

fn meter() -> Arc<Meter> {
    Arc::new(Meter::new(Limits::default()))
}

/// The controller, and an eye on it.
async fn controller(seen: Shared) -> turmoil::Result {
    let clock = SimulatedClock;
    let wall = WallClock::new(clock.now(), jiff::Timestamp::UNIX_EPOCH);
    let options = ClusterOptions::new(ClusterId(Uuid::from_u128(9)), Epoch(1), "0.1.0".to_owned(), wall);
    let tool = Tool { name: "loadgen".to_owned(), version: "0.1.0".to_owned(), git: None };
    let host =
        Host::start(clock, ClusterOptions { lease: TERMS, ..options }, tool, 1 << 20, Telemetry::off());
    let handle = host.handle().clone();
    tokio::spawn(async move {
        loop {
            let Ok(status) = handle.status().await else { return };
            seen.lock().unwrap().note(status.workers);
            sleep(Duration::from_millis(20)).await;
        }
    });
    let server = Server {
        protocol: Protocol::Http2,
        security: Security::Plain,
        caps: Caps::default(),
        meter: meter(),
        counts: Arc::<ListenCounts>::default(),
    };
    let api = WorkerApi {
        cluster: host.handle().clone(),
        certificates: None,
        clock: Arc::new(clock),
        meter: meter(),
    };
    let listener = Simulated(TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?);
    api.serve(server, listener, std::future::pending()).await;
    Ok(())
}

type Client = ControlClient<Http2<Body>>;

async fn dial() -> Result<Client, String> {
    let endpoint: Endpoint = format!("http://controller:{PORT}").parse().unwrap();
    let opened = async {
        let io = TcpStream::connect(("controller", PORT)).await.map_err(|error| error.to_string())?;
        let dialer = Dialer { tls: None, meter: meter() };
        dialer.http2_over(io, &endpoint).await.map_err(|error| error.to_string())
    };
    let opened = tokio::time::timeout(Duration::from_secs(1), opened).await;
    Ok(ControlClient::new(opened.map_err(|_| "no connection".to_owned())??))
}

/// One life of a worker: its link, and the tasks that carry what it says.
struct Life {
    name: String,
    link: Link,
    seen: Shared,
    events: mpsc::Sender<Input>,
    beating: Option<JoinHandle<()>>,
    stream: Option<(JoinHandle<()>, mpsc::Sender<proto::FromWorker>)>,
}

impl Drop for Life {
    fn drop(&mut self) {
        let tasks = self.beating.take().into_iter().chain(self.stream.take().map(|(task, _)| task));
        tasks.for_each(|task| task.abort());
    }
}

/// A worker from its start to the crash of its host.
async fn life(name: String, session: SessionId, seed: u64, seen: Shared) -> turmoil::Result {
    let (events, mut happened) = mpsc::channel(64);
    let options = LinkOptions {
        worker: WorkerId::new(&name),
        session,
        seed,
        welcome: Nanos::from_secs(2),
        unavailable: None,
    };
    let mut outputs = Vec::new();
    let link = Link::new(SimulatedClock.now(), options, &mut outputs);
    let mut life = Life { name, link, seen, events, beating: None, stream: None };
    life.carry_out(outputs);
    loop {
        let patience = life.link.wake_at().saturating_since(SimulatedClock.now()).min(Nanos::SECOND);
        let input = tokio::select! {
            Some(input) = happened.recv() => input,
            () = sleep(patience.into()) => Input::Tick,
        };
        let mut outputs = Vec::new();
        life.link.step(SimulatedClock.now(), input, &mut outputs);
        life.carry_out(outputs);
    }
}

impl Life {
    fn carry_out(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Enrol(session) => self.enrol(session),
                Output::Beat(grant) => {
                    if let Some(beating) = self.beating.take() {
                        beating.abort();
                    }
                    self.seen.lock().unwrap().leases.remove(&self.name);
                    self.beating = grant.map(|grant| self.beat(grant));
                }
                Output::Open { stream, hello } => self.open(stream, &hello),
                Output::Close => {
                    if let Some((task, _)) = self.stream.take() {
                        task.abort();
                    }
                }
                Output::Send(message) => {
                    let message = proto::FromWorker::try_from(&message).unwrap();
                    if let Some((_, say)) = &self.stream {
                        // What does not get through is said again by whoever said it.
                        let _ = say.try_send(message);
                    }
                }
                other => self.seen.lock().unwrap().broken.push(format!("without a run: {other:?}")),
            }
        }
    }

    fn enrol(&self, session: SessionId) {
        let enrol = Enrol {
            worker: WorkerId::new(&self.name),
            session,
            versions: ProtocolVersions::SPOKEN,
            info: WorkerInfo { version: "0.1.0".to_owned(), host: HostFacts::default() },
            labels: BTreeMap::new(),
            tasks: Vec::new(),
            weight: 1,
        };
        let (events, seen, name) = (self.events.clone(), Arc::clone(&self.seen), self.name.clone());
        tokio::spawn(async move {
            let asked = async {
                let reply = dial().await?.enrol(proto::EnrolRequest::from(&enrol)).await;
                let reply = reply.map_err(|status| status.to_string())?.into_inner();
                Ok::<_, String>(Result::<Enrolled, EnrolRefusal>::try_from(reply).unwrap())
            };
            let result = match tokio::time::timeout(Duration::from_secs(2), asked).await {
                Ok(Ok(Ok(enrolled))) => {
                    seen.lock().unwrap().sessions.entry(name).or_default().push(session);
                    Ok(enrolled)
                }
                Ok(Ok(Err(refusal))) => Err(EnrolFailure::Refused(refusal)),
                Ok(Err(why)) => Err(EnrolFailure::Failed(why)),
                Err(_) => Err(EnrolFailure::Failed("no answer".to_owned())),
            };
            let _ = events.send(Input::Enrolled(result)).await;
        });
    }

    fn beat(&self, grant: Grant) -> JoinHandle<()> {
        let (events, seen, name) = (self.events.clone(), Arc::clone(&self.seen), self.name.clone());
        tokio::spawn(async move {
            let session = grant.session;
            let mut heart = Heart::new(grant);
            loop {
                if let Ok(client) = dial().await {
                    beat_over(client, session, &mut heart, &events, &seen, &name).await;
                }
                sleep(Duration::from_millis(200)).await;
            }
        })
    }

    fn open(&mut self, stream: u64, hello: &FromWorker) {
        let (say, said) = mpsc::channel(16);
        say.try_send(proto::FromWorker::try_from(hello).unwrap()).unwrap();
        let events = self.events.clone();
        let task = tokio::spawn(async move {
            let why = match dial().await {
                Ok(client) => talk(client, stream, said, &events).await,
                Err(why) => why,
            };
            let _ = events.send(Input::Closed { stream, why }).await;
        });
        if let Some((before, _)) = self.stream.replace((task, say)) {
            before.abort();
        }
    }
}

/// Beats over one connection until it fails, or no answer comes for a second.
async fn beat_over(
    mut client: Client,
    session: SessionId,
    heart: &mut Heart,
    events: &mpsc::Sender<Input>,
    seen: &Shared,
    name: &str,
) {
    let (say, said) = mpsc::channel(8);
    let mut opening = Box::pin(client.heartbeat(ReceiverStream::new(said)));
    let mut answers: Option<tonic::Streaming<proto::BeatAck>> = None;
    let mut heard_at = SimulatedClock.now();
    loop {
        let now = SimulatedClock.now();
        if now >= heart.next_beat() {
            let _ = say.try_send(proto::Beat::from(&heart.beat(now, 1)));
        }
        let until = heart.next_beat().min(heard_at + Nanos::SECOND);
        tokio::select! {
            opened = &mut opening, if answers.is_none() => match opened {
                Ok(opened) => answers = Some(opened.into_inner()),
                Err(_) => return,
            },
            answer = next(&mut answers) => {
                let Ok(Some(answer)) = answer else { return };
                heard_at = SimulatedClock.now();
                heart.hear(heard_at, &BeatAck::try_from(answer).unwrap());
                let pulse = heart.pulse();
                seen.lock().unwrap().leases.insert(name.to_owned(), pulse.lease_until);
                let _ = events.send(Input::Pulse { session, pulse }).await;
            }
            () = sleep(until.saturating_since(now).into()) => {}
        }
        if SimulatedClock.now() >= heard_at + Nanos::SECOND {
            return;
        }
    }
}

/// The next answer; never while the stream is not open.
async fn next(
    answers: &mut Option<tonic::Streaming<proto::BeatAck>>,
) -> Result<Option<proto::BeatAck>, tonic::Status> {
    match answers {
        Some(answers) => answers.message().await,
        None => std::future::pending().await,
    }
}

/// Carries a session stream to its end; says why it ended.
async fn talk(
    mut client: Client,
    stream: u64,
    said: mpsc::Receiver<proto::FromWorker>,
    events: &mpsc::Sender<Input>,
) -> String {
    let mut heard = match client.session(ReceiverStream::new(said)).await {
        Ok(heard) => heard.into_inner(),
        Err(status) => return status.to_string(),
    };
    loop {
        match heard.message().await {
            Ok(Some(message)) => {
                let message: Box<FromController> = match Incoming::try_from(message).unwrap() {
                    Incoming::Whole(message) => message,
                    Incoming::Awaiting(awaiting) => {
                        Box::new(awaiting.complete(&MemoryContents::new(1)).unwrap())
                    }
                };
                let _ = events.send(Input::Received { stream, message }).await;
            }
            Ok(None) => return "it ended".to_owned(),
            Err(status) => return status.to_string(),
        }
    }
}

/// A session whose name says where it comes from.
fn session(seed: u64, worker: u64, life: u64) -> SessionId {
    SessionId(Uuid::from_u128(u128::from(seed) << 64 | u128::from(worker) << 32 | u128::from(life)))
}

const WORKERS: [&str; 3] = ["w1", "w2", "w3"];

/// A cluster of three workers on a network of this seed that loses nothing by itself.
fn simulation<'a>(seed: u64, seen: &Shared) -> turmoil::Sim<'a> {
    let mut sim = turmoil::Builder::new()
        .simulation_duration(Duration::from_secs(300))
        .tick_duration(Duration::from_millis(2))
        .max_message_latency(Duration::from_millis(40))
        .rng_seed(seed)
        .build();
    let shared = Arc::clone(seen);
    sim.host("controller", move || controller(Arc::clone(&shared)));
    for (number, name) in WORKERS.into_iter().enumerate() {
        let shared = Arc::clone(seen);
        let lives = Cell::new(0);
        sim.host(name, move || {
            lives.set(lives.get() + 1);
            let (number, seen) = (number as u64, Arc::clone(&shared));
            seen.lock().unwrap().leases.remove(name);
            life(name.to_owned(), session(seed, number, lives.get()), seed ^ number << 8 ^ lives.get(), seen)
        });
    }
    sim
}

/// Lets the simulated world go on until `met` holds; at most two simulated minutes.
#[track_caller]
fn until(sim: &mut turmoil::Sim<'_>, seen: &Shared, what: &str, met: impl Fn(&Seen) -> bool) {
    let began = sim.elapsed();
    while !met(&seen.lock().unwrap()) {
        sim.step().unwrap();
        assert!(
            sim.elapsed() - began < Duration::from_secs(120),
            "{what} never came: {:#?}",
            seen.lock().unwrap()
        );
    }
}

fn lets_pass(sim: &mut turmoil::Sim<'_>, span: Duration) {
    let began = sim.elapsed();
    while sim.elapsed() - began < span {
        sim.step().unwrap();
    }
}

fn all_ready(seen: &Seen) -> bool {
    WORKERS.iter().all(|name| seen.states.get(*name) == Some(&WorkerState::Ready))
}

/// Partitions of all lengths, in both directions or one, and crashes: leases are kept, and in the end all are there.
#[track_caller]
fn troubles(seed: u64) {
    let seen = Shared::default();
    let mut sim = simulation(seed, &seen);
    let mut draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: u64| {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        draw % below
    };
    until(&mut sim, &seen, "the first readiness", all_ready);
    for _ in 0..4 {
        let victim = WORKERS[next(3) as usize];
        let trouble = next(4);
        match trouble {
            0 => sim.partition(victim, "controller"),
            1 => sim.partition_oneway(victim, "controller"),
            2 => sim.partition_oneway("controller", victim),
            _ => sim.crash(victim),
        }
        lets_pass(&mut sim, Duration::from_millis(100 + next(6_000)));
        match trouble {
            0 => sim.repair(victim, "controller"),
            1 => sim.repair_oneway(victim, "controller"),
            2 => sim.repair_oneway("controller", victim),
            _ => sim.bounce(victim),
        }
        lets_pass(&mut sim, Duration::from_millis(next(2_000)));
    }
    until(&mut sim, &seen, "readiness after all of it", all_ready);
    let seen = seen.lock().unwrap();
    assert!(seen.broken.is_empty(), "seed {seed}: {:#?}", seen.broken);
}

#[test]
fn a_partition_shorter_than_the_lease_is_not_noticed() {
    let seen = Shared::default();
    let mut sim = simulation(1, &seen);
    until(&mut sim, &seen, "readiness", all_ready);
    let before = seen.lock().unwrap().sessions.clone();
    // A network that holds messages back, as one that sends them again does.
    sim.hold("w2", "controller");
    lets_pass(&mut sim, Duration::from_millis(1_200));
    sim.release("w2", "controller");
    lets_pass(&mut sim, Duration::from_secs(4));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.sessions, before, "nobody had to enrol again");
    assert!(all_ready(&seen) && seen.broken.is_empty(), "{seen:#?}");
}

#[test]
fn a_partition_longer_than_the_lease_ends_it_on_both_sides_and_the_worker_comes_again() {
    let seen = Shared::default();
    let mut sim = simulation(2, &seen);
    until(&mut sim, &seen, "readiness", all_ready);
    sim.partition("w2", "controller");
    until(&mut sim, &seen, "the loss", |seen| seen.states["w2"] == WorkerState::Lost);
    sim.repair("w2", "controller");
    until(&mut sim, &seen, "readiness again", all_ready);
    let seen = seen.lock().unwrap();
    assert!(seen.sessions["w2"].len() > seen.sessions["w1"].len(), "{seen:#?}");
    assert!(seen.broken.is_empty(), "{seen:#?}");
}

#[test]
fn a_worker_whose_host_crashed_comes_again_as_another_life() {
    let seen = Shared::default();
    let mut sim = simulation(3, &seen);
    until(&mut sim, &seen, "readiness", all_ready);
    sim.crash("w3");
    lets_pass(&mut sim, Duration::from_millis(300));
    sim.bounce("w3");
    until(&mut sim, &seen, "the second life", |seen| seen.sessions["w3"].len() == 2 && all_ready(seen));
    assert!(seen.lock().unwrap().broken.is_empty(), "{seen:#?}");
}

#[test]
fn ten_networks_of_partitions_and_crashes_break_no_lease() {
    (0..10).for_each(troubles);
}

#[test]
#[ignore = "minutes of simulated networks"]
fn five_thousand_networks_of_partitions_and_crashes_break_no_lease() {
    (0..5_000).for_each(troubles);
}

mod bounded {
    #[test]
    #[ignore = "half a minute of simulated networks; CI runs this short form"]
    fn a_hundred_networks_of_partitions_and_crashes_break_no_lease() {
        (0..100).for_each(super::troubles);
    }
}
