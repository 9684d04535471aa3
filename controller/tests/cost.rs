//! What a controller costs, and how late its events are: a real one with its listeners, on a thread of its own whose CPU
//! time is read, and workers that beat and report once a second over connections of their own.
//!
//! `cargo test --release -p loadgen-controller --test cost -- --ignored --nocapture` prints the figures.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "what it is run for are the figures")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use api::http::{RunState, SubmitRun};
use api::result::Tool;
use control::wire::proto::control_client::ControlClient;
use control::wire::proto::{self, command, from_controller};
use control::{
    Beat, ClusterId, Enrol, EnrolRefusal, Enrolled, Epoch, Fact, FactBody, FromWorker, HostFacts, Prepared,
    ProtocolVersions, RunId, SessionId, WorkerId, WorkerInfo, WorkerMessage,
};
use loadgen_controller::cluster::{ClusterOptions, WallClock};
use loadgen_controller::run::Actor;
use loadgen_controller::server::http::ApiLimits;
use loadgen_controller::server::{ClusterHandle, Security, Server, ServerOptions};
use metrics::{
    Activity, Gauges, Layout, Outcome, Period, Phases, Record as _, RequestSample, RequestTimes, Snapshot,
};
use net::deadline::{Limits, Meter};
use net::dial::{Dialer, Http2};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use units::{Clock as _, MonotonicClock, Nanos, Timestamp};
use uuid::Uuid;

/// Steps of the workload, each with its own times and counts.
const SERIES: usize = 50;

/// What a controller took.
#[derive(Debug)]
struct Cost {
    /// CPU time of its thread as a share of the time.
    cpu: f64,
    /// By how many bytes the whole process grew, its workers included.
    growth: i64,
}

/// A controller that serves, and the instant at which its wall clock shows the beginning of 1970.
struct Serving {
    workers: SocketAddr,
    api: SocketAddr,
    epoch: Timestamp,
    handle: ClusterHandle,
}

/// Runs a controller with so many workers, and measures it for so long after a while of running in.
fn cost(workers: usize, run_in: Duration, measured: Duration) -> Cost {
    let (started, starting) = sync_channel(1);
    let (end, ending) = tokio::sync::oneshot::channel();
    let (asked, answers) = sync_channel::<SyncSender<Duration>>(1);
    let serving = std::thread::spawn(move || serve(&started, &answers, ending));
    let Serving { workers: address, handle, .. } = starting.recv().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cpu_time = || {
        let (sender, receiver) = sync_channel(1);
        asked.send(sender).unwrap();
        receiver.recv().unwrap()
    };
    let cost = runtime.block_on(async {
        let run = begin(address, &handle, workers).await;
        tokio::time::sleep(run_in).await;
        let (cpu_before, memory_before, began) = (cpu_time(), memory(), MonotonicClock.now());
        tokio::time::sleep(measured).await;
        let elapsed = (MonotonicClock.now() - began).as_secs_f64();
        let cpu = (cpu_time() - cpu_before).as_secs_f64() / elapsed;
        let status = handle.status().await.unwrap();
        assert!(status.workers.iter().all(|worker| worker.run_id.is_some()), "all of them work to the end");
        assert!(handle.run(run).await.unwrap().live.unwrap().requests > 0, "what they report is counted");
        Cost { cpu, growth: memory() - memory_before }
    });
    runtime.shutdown_background();
    end.send(()).unwrap();
    serving.join().unwrap();
    cost
}

/// Begins a run over so many workers, which report from then on.
async fn begin(address: SocketAddr, handle: &ClusterHandle, workers: usize) -> RunId {
    let document = document();
    let layout = layout(&document);
    for number in 0..workers {
        tokio::spawn(worker(address, number, Arc::clone(&layout)));
    }
    let run = SubmitRun {
        document,
        files: Vec::new(),
        preflight: false,
        expect_workers: Some(workers as u32),
        wait_ms: None,
        worker_labels: BTreeMap::new(),
        overrides: Vec::new(),
    };
    let run = handle.submit(run, "cost".to_owned(), Actor::local()).await.unwrap().run_id;
    let run = RunId::new(run.parse().unwrap());
    while handle.run(run).await.unwrap().state != RunState::Running {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    run
}

/// Follows a run of so many workers over HTTP; how late so many events were, in order.
fn lags(workers: usize, events: usize) -> Vec<Nanos> {
    let (started, starting) = sync_channel(1);
    let (end, ending) = tokio::sync::oneshot::channel();
    let (_asked, answers) = sync_channel::<SyncSender<Duration>>(1);
    let serving = std::thread::spawn(move || serve(&started, &answers, ending));
    let Serving { workers: address, api, epoch, handle } = starting.recv().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut lags = runtime.block_on(async {
        let run = begin(address, &handle, workers).await;
        let mut stream = TcpStream::connect(api).await.unwrap();
        let ask = format!("GET /api/v1/runs/{run}/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let (mut lags, mut text, began) = (Vec::new(), String::new(), MonotonicClock.now());
        while lags.len() < events {
            let mut part = [0; 4_096];
            let len = stream.read(&mut part).await.unwrap();
            assert!(len > 0, "the run goes on, so its events do: {text}");
            let now = MonotonicClock.now();
            text.push_str(std::str::from_utf8(&part[..len]).unwrap());
            while let Some((label, rest)) =
                text.split_once(r#""at":""#).and_then(|(_, rest)| rest.split_once('"'))
            {
                let label: jiff::Timestamp = label.parse().unwrap();
                let at = epoch + Nanos::new(label.as_nanosecond() as u64);
                // What was before it asked came late by its own doing.
                lags.extend((at > began).then(|| now.saturating_since(at)));
                text = rest.to_owned();
            }
        }
        lags
    });
    runtime.shutdown_background();
    end.send(()).unwrap();
    serving.join().unwrap();
    lags.sort_unstable();
    lags
}

/// A controller on this thread alone.
fn serve(
    started: &SyncSender<Serving>,
    answers: &Receiver<SyncSender<Duration>>,
    mut ending: tokio::sync::oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let any_port: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let epoch = MonotonicClock.now();
        let wall = WallClock::new(epoch, jiff::Timestamp::UNIX_EPOCH);
        let server = Server::start(ServerOptions {
            workers: any_port,
            api: any_port,
            probe: None,
            security: Security::Insecure { anywhere: false },
            cluster: ClusterOptions::new(ClusterId(Uuid::from_u128(1)), Epoch(1), String::new(), wall),
            limits: Limits::default(),
            api_limits: ApiLimits::default(),
            content_bytes: 1 << 20,
            tool: Tool { name: "loadgen".to_owned(), version: String::new(), git: None },
            telemetry: loadgen_controller::observe::Telemetry::off(),
        });
        let server = server.await.unwrap();
        let (workers, api) = (server.worker_address(), server.api_address());
        started.send(Serving { workers, api, epoch, handle: server.handle().clone() }).unwrap();
        loop {
            // Asked seldom, so that looking costs nothing.
            tokio::select! {
                _ = &mut ending => break,
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
            if let Ok(answer) = answers.try_recv() {
                let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
                answer.send(Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)).unwrap();
            }
        }
        // Its workers are gone.
        server.shut_down(Nanos::SECOND).await;
    });
}

/// Memory of this process, in bytes.
fn memory() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<i64>().unwrap() * 1024
}

fn document() -> String {
    let steps: Vec<String> = (0..SERIES).map(|step| format!(r#"{{ "get": "/{step}" }}"#)).collect();
    format!(
        r#"{{ "name": "cost", "target": {{ "url": "http://127.0.0.1:9" }}, "scenarios": {{ "s": {{
            "executor": "constant-arrival-rate", "rate": "1000/s", "duration": "1h", "steps": [{}] }} }} }}"#,
        steps.join(",")
    )
}

fn layout(document: &str) -> Arc<Layout> {
    let files = scenario::Files::default();
    let workload = scenario::Workload::from_canonical_json(document, &files).unwrap();
    let plan = scenario::compile(&workload, &files).unwrap();
    Arc::new(control::layout(&plan, workload.tags))
}

type Client = ControlClient<Http2<Body>>;

async fn client(address: SocketAddr) -> Client {
    let dialer = Dialer { tls: None, meter: Arc::new(Meter::new(Limits::default())) };
    let connection = dialer.http2(&format!("http://{address}").parse().unwrap()).await.unwrap();
    ControlClient::new(connection)
}

/// A worker without an engine: reports every second what one would have measured.
async fn worker(address: SocketAddr, number: usize, layout: Arc<Layout>) {
    let mut client = client(address).await;
    let name = WorkerId::parse(&format!("w{number}")).unwrap();
    let session = SessionId(Uuid::from_u128(number as u128 + 1));
    let enrol = Enrol {
        worker: name.clone(),
        session,
        versions: ProtocolVersions::SPOKEN,
        info: WorkerInfo { version: String::new(), host: HostFacts::default() },
        labels: BTreeMap::new(),
        tasks: Vec::new(),
        weight: 1,
    };
    let reply = client.enrol(proto::EnrolRequest::from(&enrol)).await.unwrap().into_inner();
    let enrolled = Result::<Enrolled, EnrolRefusal>::try_from(reply).unwrap().unwrap();
    let token = enrolled.token;
    let says = |body| {
        let message = FromWorker { worker: name.clone(), session, token, body };
        proto::FromWorker::try_from(&message).unwrap()
    };
    tokio::spawn(beats(address, name.clone(), session, token));
    let (say, said) = mpsc::channel(64);
    say.send(says(WorkerMessage::Hello { runs: Vec::new() })).await.unwrap();
    let mut heard = client.session(ReceiverStream::new(said)).await.unwrap().into_inner();
    let (mut facts, mut applied, mut second) = (0, 0, 0);
    let mut run: Option<RunId> = None;
    let mut is_running = false;
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        let mut now_true = None;
        tokio::select! {
            message = heard.message() => {
                let Ok(Some(message)) = message else { return };
                let Some(from_controller::Body::Command(command)) = message.body else { continue };
                if command.id != applied + 1 {
                    continue;
                }
                applied = command.id;
                let run_id = RunId::new(Uuid::from_slice(&command.run_id).unwrap());
                run = Some(run_id);
                let through = control::CommandId(applied);
                say.send(says(WorkerMessage::Applied { run_id, through })).await.unwrap();
                match command.body {
                    Some(command::Body::Prepare(_)) => {
                        let shape_hash = layout.shape_hash();
                        now_true = Some(FactBody::Prepared(Prepared { threads: 1, max_vus: 1, shape_hash, notes: Vec::new() }));
                    }
                    Some(command::Body::Start(_)) => {
                        is_running = true;
                        now_true = Some(FactBody::Started { at: MonotonicClock.now(), clock_error: Nanos::ZERO });
                    }
                    _ => {}
                }
            }
            _ = seconds.tick() => if is_running {
                now_true = Some(FactBody::Measured(Box::new(snapshot(&layout, second))));
                second += 1;
            }
        }
        if let (Some(body), Some(run_id)) = (now_true, run) {
            facts += 1;
            let fact = Fact { run_id, worker: name.clone(), session, seq: facts, body };
            if say.send(says(WorkerMessage::Fact(Box::new(fact)))).await.is_err() {
                return;
            }
        }
    }
}

/// The signs of life of a worker, on a connection of their own.
async fn beats(address: SocketAddr, worker: WorkerId, session: SessionId, token: control::LeaseToken) {
    let mut client = client(address).await;
    let (say, said) = mpsc::channel(4);
    let opening = client.heartbeat(ReceiverStream::new(said));
    let (opened, ()) = tokio::join!(opening, async {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        for number in 1..3 {
            seconds.tick().await;
            drop(say.send(beat(&worker, session, token, number)).await);
        }
    });
    let mut acks = opened.unwrap().into_inner();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for number in 3.. {
        seconds.tick().await;
        if say.send(beat(&worker, session, token, number)).await.is_err() || acks.message().await.is_err() {
            return;
        }
    }
}

fn beat(worker: &WorkerId, session: SessionId, token: control::LeaseToken, number: u64) -> proto::Beat {
    let sent_at = MonotonicClock.now();
    let beat =
        Beat { worker: worker.clone(), session, token, number, sent_at, progress: number, clock: None };
    (&beat).into()
}

/// What a worker measures in a second: some requests of every step, of different lengths.
fn snapshot(layout: &Arc<Layout>, second: u32) -> Snapshot {
    let (mut recorder, mut drain) = metrics::pair(layout, 0, 2);
    for step in 0..SERIES {
        for request in 0..20 {
            recorder.request_started(step, Period::Measured);
            let intended_start = Timestamp::ORIGIN + Nanos::from_secs(u64::from(second));
            let length = Nanos::from_micros(300 + (step as u64 * 131 + request * 977) % 20_000);
            let times = RequestTimes {
                intended_start,
                released_at: intended_start,
                actual_start: intended_start,
                completed_at: intended_start + length,
            };
            let sample = RequestSample {
                times,
                phases: Phases { first_byte: Some(length), ..Phases::default() },
                outcome: Outcome::Succeeded,
                status: 200,
                sent_bytes: 50,
                received_bytes: 200,
                resent: false,
            };
            recorder.request(step, &sample, Period::Measured);
        }
    }
    recorder.finish(second, Gauges::default(), Activity::default());
    let mut snapshot = drain.next_snapshot().unwrap();
    while let Some(more) = drain.next_snapshot() {
        snapshot.merge(&more).unwrap();
    }
    snapshot
}

#[test]
#[ignore = "three minutes; only a quiet machine and a release build say something"]
fn a_hundred_workers_cost_less_than_a_seventh_of_a_core_and_no_more_memory_with_time() {
    let cost = cost(100, Duration::from_secs(120), Duration::from_secs(60));
    println!(
        "100 workers x {SERIES} series x 1/s: {:.1} % of a core, {:+} bytes",
        cost.cpu * 100.0,
        cost.growth
    );
    assert!(cost.growth < 4 << 20, "{cost:?}");
    if !cfg!(debug_assertions) {
        assert!(cost.cpu <= 0.15, "{cost:?}");
    }
}

#[test]
#[ignore = "half a minute; only a quiet machine and a release build say something"]
fn nineteen_of_twenty_events_of_a_hundred_workers_are_less_than_200_ms_late() {
    let lags = lags(100, 30);
    let p95 = lags[lags.len() * 19 / 20];
    println!("100 workers: {} events, p95 {p95} late, the last {}", lags.len(), lags[lags.len() - 1]);
    if !cfg!(debug_assertions) {
        assert!(p95 < Nanos::from_millis(200), "{lags:?}");
    }
}

mod bounded {
    use super::*;

    #[test]
    #[ignore = "some seconds of real time"]
    fn events_come_while_workers_report_and_before_the_next_second_is_over() {
        let lags = lags(10, 4);
        assert!(lags[lags.len() / 2] < Nanos::SECOND, "{lags:?}");
    }

    #[test]
    #[ignore = "some seconds of real time"]
    fn workers_that_report_over_real_connections_are_all_counted_and_cost_memory_that_is_bounded() {
        let cost = cost(10, Duration::from_secs(2), Duration::from_secs(4));
        assert!(cost.growth < 32 << 20, "{cost:?}");
    }
}
