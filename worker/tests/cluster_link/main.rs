//! A worker of a cluster over real sockets: what it does is what its controller says, and load ends with its lease.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod controller;
mod exported;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use control::{
    CommandBody, ControllerMessage, FactBody, LeaveMode, Prepare, Refusal, RunId, StopMode, WorkerId,
    WorkerMessage,
};
use engine::TaskRegistry;
use loadgen_worker::{
    Credentials, DaemonOptions, Issued, Keep, LoadLimits, WorkerDaemon, WorkerExit, WorkerTelemetry,
};
use net::WallTime;
use net::deadline::{Limits, Meter};
use net::identity::{Authority, RevocationList, Revocations, Secret};
use net::listen::Security;
use net::tls::{Alpn, Authorities, ClientCheck, Trust, server_config};
use plan::{Revision, Share};
use protocols::TargetPolicy;
use target::{Config, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use units::{Nanos, Timestamp};
use uuid::Uuid;

use crate::controller::{Beats, Controller, Session, TOKEN, controller_now};

/// Longer than anything here takes on the busiest machine: only a hang gets there.
const HANG: Duration = Duration::from_secs(60);

/// A worker that runs, and the way to send it signals.
struct Worker {
    signals: mpsc::Sender<()>,
    exit: JoinHandle<WorkerExit>,
}

fn options(controller: &Controller, credentials: Credentials) -> DaemonOptions {
    let scheme = if matches!(credentials, Credentials::Insecure) { "http" } else { "https" };
    DaemonOptions {
        controller: format!("{scheme}://{}", controller.address).parse().unwrap(),
        credentials,
        keep: Keep::nothing(),
        name: WorkerId::new("w1"),
        labels: BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
        weight: Some(3),
        threads: Some(1),
        pin: false,
        limits: LoadLimits { targets: TargetPolicy::loopback_only(), ..LoadLimits::default() },
        tasks: TaskRegistry::default(),
        leave: LeaveMode::Fast,
        unavailable: None,
        probe: None,
        meter: Arc::new(Meter::new(Limits::default())),
        telemetry: WorkerTelemetry::default(),
    }
}

impl Worker {
    async fn start(options: DaemonOptions) -> Self {
        let (signals, heard) = mpsc::channel(2);
        let daemon = WorkerDaemon::start(options).await.unwrap();
        Self { signals, exit: tokio::spawn(daemon.run(heard)) }
    }

    async fn exit(self) -> WorkerExit {
        wait(self.exit).await.unwrap()
    }
}

async fn wait<T>(future: impl Future<Output = T>) -> T {
    timeout(HANG, future).await.expect("nothing hangs")
}

/// Waits until `condition` holds.
async fn until(mut condition: impl FnMut() -> bool) {
    wait(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn plain() -> (Controller, Worker, Session) {
    let mut controller = Controller::start(Security::Plain, None).await;
    let worker = Worker::start(options(&controller, Credentials::Insecure)).await;
    let session = welcome(&mut controller).await;
    (controller, worker, session)
}

/// The next session stream, welcomed as a controller does that knows nothing of any run.
async fn welcome(controller: &mut Controller) -> Session {
    let session = wait(controller.sessions.recv()).await.unwrap();
    assert!(matches!(session.hello.body, WorkerMessage::Hello { .. }));
    session.say(ControllerMessage::Welcome { acks: Vec::new() }).await;
    session
}

fn run_id() -> RunId {
    RunId::new(Uuid::from_u128(5))
}

fn prepare(target: &str, rate: &str, duration: &str) -> CommandBody {
    let document = format!(
        r#"{{"name": "test", "target": {{"url": "{target}"}}, "scenarios": {{"s": {{"executor": "constant-arrival-rate",
            "rate": "{rate}", "duration": "{duration}", "max_vus": "auto", "steps": [{{"get": "/", "name": "root"}}]}}}}}}"#
    );
    CommandBody::Prepare(Box::new(Prepare {
        document,
        files: Vec::new(),
        revision: Revision::first(Share::whole()),
        threads: Some(2),
        preflight: true,
    }))
}

/// Lets a worker make load at `rate`; returns when it has begun, on the controller's clock.
async fn begin(
    session: &mut Session,
    target: &Target,
    rate: &str,
    duration: &str,
) -> (Timestamp, Timestamp, Nanos) {
    session.command(run_id(), 1, prepare(&target.url(), rate, duration)).await;
    let prepared = wait(session.fact()).await;
    assert_eq!((prepared.seq, prepared.session), (1, session.id()));
    let FactBody::Prepared(prepared) = prepared.body else { panic!("{prepared:?}") };
    assert_eq!(prepared.threads, 1, "its operator's word counts more than the run's");
    let at = controller_now() + Nanos::from_millis(100);
    session.command(run_id(), 2, CommandBody::Start { at }).await;
    let started = wait(session.fact()).await;
    let FactBody::Started { at: started, clock_error } = started.body else { panic!("{started:?}") };
    (at, started, clock_error)
}

#[tokio::test]
async fn a_run_over_the_wire_counts_what_the_target_counts() {
    let target = Target::bind(Config::default()).unwrap();
    let (controller, worker, mut session) = plain().await;
    let enrol = &controller.enrolled()[0];
    assert_eq!((enrol.worker.as_str(), enrol.weight, enrol.session), ("w1", 3, session.id()));
    assert_eq!(enrol.labels["zone"], "a");
    assert!(enrol.info.host.cpus_allowed > 0);

    let (at, started, clock_error) = begin(&mut session, &target, "200/s", "1s").await;
    assert!(started + clock_error >= at, "{started:?} is before {at:?} by more than {clock_error}");
    assert!(clock_error < Nanos::SECOND);
    let (mut measured, mut seq) = (0, 2);
    let last = loop {
        let fact = wait(session.fact()).await;
        if fact.seq <= seq {
            continue;
        }
        seq += 1;
        assert_eq!(fact.seq, seq, "no gap");
        match fact.body {
            FactBody::Measured(snapshot) => measured += snapshot.requests_attempted(),
            FactBody::Final(last) => break last,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((measured, last.requests_attempted, last.left_at), (200, 200, None));
    assert_eq!(target.stats().arrivals, 200);
    let beats = controller.beats();
    assert!(beats.last().unwrap().progress > beats[0].progress, "it shows that it moves");
    assert!(beats.last().unwrap().clock.is_some());

    worker.signals.send(()).await.unwrap();
    while !matches!(wait(session.next()).await, Some(WorkerMessage::Leave(LeaveMode::Fast))) {}
    session.say(ControllerMessage::Farewell).await;
    assert_eq!(worker.exit().await, WorkerExit::Left { undelivered: 0 });
}

#[tokio::test]
async fn a_start_that_comes_right_behind_its_preparation_is_not_left() {
    let target = Target::bind(Config::default()).unwrap();
    let (_controller, _worker, mut session) = plain().await;
    // As a worker hears it that comes to a run under way. This controller says nothing twice.
    session.command(run_id(), 1, prepare(&target.url(), "100/s", "1s")).await;
    session.command(run_id(), 2, CommandBody::Start { at: controller_now() }).await;
    assert!(matches!(wait(session.fact()).await.body, FactBody::Prepared(_)));
    assert!(matches!(wait(session.fact()).await.body, FactBody::Started { .. }));
}

#[tokio::test]
async fn a_session_stream_that_stands_still_changes_nothing_but_the_news() {
    let target = Target::bind(Config::default()).unwrap();
    let (controller, worker, mut session) = plain().await;
    begin(&mut session, &target, "100/s", "3s").await;
    // From here on the controller reads nothing; the whole run passes, heartbeats go on.
    until(|| target.stats().arrivals >= 300).await;
    let beats = controller.beats().len();
    until(|| controller.beats().len() > beats + 2).await;
    assert_eq!(controller.enrolled().len(), 1, "the lease went on");
    let mut measured = BTreeMap::new();
    let last = loop {
        let fact = wait(session.fact()).await;
        match fact.body {
            FactBody::Measured(snapshot) => {
                measured.insert(fact.seq, snapshot.requests_attempted());
            }
            FactBody::Final(last) => break last,
            _ => {}
        }
    };
    assert_eq!((measured.values().sum::<u64>(), last.requests_attempted), (300, 300));
    assert_eq!(target.stats().arrivals, 300);
    drop(worker);
}

#[tokio::test]
async fn load_ends_with_the_lease_and_what_is_true_is_delivered_all_the_same() {
    let target = Target::bind(Config::default()).unwrap();
    let (mut controller, worker, mut session) = plain().await;
    begin(&mut session, &target, "200/s", "1h").await;
    until(|| target.stats().arrivals > 20).await;
    controller.answer_beats(Beats::Silent);
    // The lease ends, the run says its last word, and the worker comes again as another session.
    until(|| controller.enrolled().len() == 2).await;
    assert_ne!(controller.enrolled()[1].session, session.id());
    let sent = target.stats().arrivals;
    controller.answer_beats(Beats::Answered);
    let again = welcome(&mut controller).await;
    let WorkerMessage::Hello { runs } = &again.hello.body else { panic!() };
    assert!(runs.is_empty(), "the run is the old session's");
    let last = loop {
        let fact = wait(controller.residual.recv()).await.unwrap();
        assert_eq!((fact.session, fact.run_id), (session.id(), run_id()));
        if let FactBody::Final(last) = fact.body {
            break last;
        }
    };
    assert!(last.left_at.is_some());
    assert_eq!(last.requests_attempted, target.stats().arrivals);
    assert_eq!(target.stats().arrivals, sent, "no request without a lease");
    assert_eq!(last.faults, Vec::<String>::new());
    drop(worker);
}

#[tokio::test]
async fn kf_30_three_unavailable_beats_in_a_row_cost_no_lease() {
    let target = Target::bind(Config::default()).unwrap();
    let (controller, worker, mut session) = plain().await;
    begin(&mut session, &target, "50/s", "1h").await;
    controller.answer_beats(Beats::Unavailable);
    until(|| controller.refused_beats() >= 3).await;
    controller.answer_beats(Beats::Answered);
    let beats = controller.beats().len();
    until(|| controller.beats().len() > beats + 3).await;
    let sent = target.stats().arrivals;
    until(|| target.stats().arrivals > sent + 5).await;
    assert_eq!(controller.enrolled().len(), 1);
    drop(worker);
}

#[tokio::test]
async fn a_stop_on_the_heartbeat_ends_load_though_nobody_reads_the_stream() {
    let target = Target::bind(Config::default()).unwrap();
    let (controller, worker, mut session) = plain().await;
    begin(&mut session, &target, "50/s", "1h").await;
    controller.answer_beats(Beats::Stop(run_id(), StopMode::Cancel));
    let last = loop {
        if let FactBody::Final(last) = wait(session.fact()).await.body {
            break last;
        }
    };
    assert_eq!((last.left_at, last.requests_attempted), (None, target.stats().arrivals));
    drop(worker);
}

#[tokio::test]
async fn a_cut_stream_is_opened_again_and_the_rest_is_said_on_it() {
    let target = Target::bind(Config::default()).unwrap();
    let (mut controller, worker, mut session) = plain().await;
    begin(&mut session, &target, "100/s", "2s").await;
    let id = session.id();
    drop(session);
    let mut again = wait(controller.sessions.recv()).await.unwrap();
    assert_eq!(again.id(), id, "the same life");
    let WorkerMessage::Hello { runs } = &again.hello.body else { panic!() };
    assert_eq!((runs.len(), runs[0].run_id, runs[0].applied.0), (1, run_id(), 2));
    let acks = vec![control::Ack { run_id: run_id(), epoch: controller::EPOCH, through: 2 }];
    again.say(ControllerMessage::Welcome { acks }).await;
    let mut facts = BTreeMap::new();
    loop {
        let fact = wait(again.fact()).await;
        let is_last = matches!(fact.body, FactBody::Final(_));
        if let FactBody::Measured(snapshot) = fact.body {
            facts.insert(fact.seq, snapshot.requests_attempted());
        }
        if is_last {
            break;
        }
    }
    assert_eq!(facts.keys().next(), Some(&3));
    assert_eq!(facts.values().sum::<u64>(), 200);
    drop(worker);
}

#[tokio::test]
async fn a_target_that_the_operator_did_not_allow_is_forbidden() {
    let (_controller, worker, mut session) = plain().await;
    // An address of documentation (RFC 5737): nothing is sent there.
    session.command(run_id(), 1, prepare("http://192.0.2.1:80", "1/s", "1s")).await;
    match wait(session.fact()).await.body {
        FactBody::Refused(Refusal::Forbidden(lines)) => {
            assert!(lines[0].contains("192.0.2.1") && lines[0].contains("--allow-target"), "{lines:?}");
        }
        other => panic!("{other:?}"),
    }
    drop(worker);
}

/// The answer of the worker's probe.
async fn probe(address: SocketAddr, page: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("GET {page} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    wait(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn a_worker_is_ready_when_its_controller_has_welcomed_it() {
    let mut controller = Controller::start(Security::Plain, None).await;
    controller.answer_beats(Beats::Silent);
    let anywhere = Some("127.0.0.1:0".parse().unwrap());
    let options = DaemonOptions { probe: anywhere, ..options(&controller, Credentials::Insecure) };
    let daemon = WorkerDaemon::start(options).await.unwrap();
    let address = daemon.probe_address().unwrap();
    let (_signals, heard) = mpsc::channel(1);
    let running = tokio::spawn(daemon.run(heard));
    let early = probe(address, "/readyz").await;
    assert!(early.starts_with("HTTP/1.1 503") && early.contains("not ready: the worker"), "{early}");
    assert!(probe(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    controller.answer_beats(Beats::Answered);
    let _session = welcome(&mut controller).await;
    wait(async { while !probe(address, "/readyz").await.starts_with("HTTP/1.1 200") {} }).await;
    let metrics = probe(address, "/metrics").await;
    assert!(metrics.contains("loadgen_worker_ready 1"), "{metrics}");
    running.abort();
}

/// A controller with TLS whose authority signs workers' certificates.
async fn encrypted() -> (Controller, Authority) {
    let now = WallTime::now();
    let authority = Authority::create("test", now).unwrap();
    let identity = authority.server(&["127.0.0.1".to_owned()], now, Authority::SERVER_VALIDITY).unwrap();
    let clients = ClientCheck {
        authorities: Authorities::from_pem(authority.certificate_pem().as_bytes()).unwrap(),
        revocations: RevocationList::new(Revocations::default()),
        required: false,
    };
    let config = server_config(&identity, Some(clients), Alpn::Http2).unwrap();
    let copy =
        Authority::from_pem(authority.certificate_pem().as_bytes(), authority.key_pem().expose().as_bytes());
    (Controller::start(Security::Tls(config), Some(authority)).await, copy.unwrap())
}

#[tokio::test]
async fn a_worker_joins_with_a_token_and_comes_again_with_its_certificate() {
    let (mut controller, authority) = encrypted().await;
    let trust = Trust::Fingerprint(authority.fingerprint());
    let join = Credentials::Join { token: Secret::new(TOKEN), trust };
    let kept = Arc::new(Mutex::new(None::<Issued>));
    let place = Arc::clone(&kept);
    let keep = Keep::with(move |issued| {
        *place.lock().unwrap() = Some(issued.clone());
        Ok(())
    });
    let worker = Worker::start(DaemonOptions { keep, ..options(&controller, join) }).await;
    welcome(&mut controller).await;
    assert_eq!(controller.certified(), [("w1".to_owned(), true)]);
    drop(worker);

    let issued = kept.lock().unwrap().clone().unwrap();
    let facts = issued.identity().unwrap().facts().clone();
    assert_eq!(facts.worker.as_deref(), Some("w1"));
    let again = Worker::start(options(&controller, Credentials::Issued { issued, trust: None })).await;
    welcome(&mut controller).await;
    assert_eq!(controller.certified().len(), 1, "no second token is needed");
    drop(again);
}

#[tokio::test]
async fn a_certificate_past_half_of_its_life_is_renewed_with_itself() {
    let (mut controller, authority) = encrypted().await;
    let request = net::identity::CertificateRequest::create().unwrap();
    let now = WallTime::now();
    let issued = Issued {
        certificate_pem: authority.sign_worker(request.pem(), "w1", now, Nanos::from_secs(60)).unwrap(),
        key_pem: request.key_pem(),
        authority_pem: authority.certificate_pem().to_owned(),
    };
    let worker = Worker::start(options(&controller, Credentials::Issued { issued, trust: None })).await;
    welcome(&mut controller).await;
    until(|| controller.certified() == [("w1".to_owned(), false)]).await;
    drop(worker);
}

#[tokio::test]
async fn a_wrong_token_and_a_wrong_authority_end_the_worker_with_the_reason() {
    let (controller, authority) = encrypted().await;
    let join = |token, trust| Credentials::Join { token: Secret::new(token), trust };
    let trust = Trust::Fingerprint(authority.fingerprint());
    let wrong = Worker::start(options(&controller, join("another", trust))).await;
    match wrong.exit().await {
        WorkerExit::Unauthorised(why) => assert!(why.contains("no such token"), "{why}"),
        other => panic!("{other:?}"),
    }
    let stranger = Authority::create("other", WallTime::now()).unwrap();
    let trust = Trust::Fingerprint(stranger.fingerprint());
    let fooled = Worker::start(options(&controller, join(TOKEN, trust))).await;
    match fooled.exit().await {
        WorkerExit::Unauthorised(why) => assert!(why.contains("fingerprint"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(controller.certified().is_empty());
}

#[tokio::test]
async fn a_worker_without_a_controller_leaves_at_once_or_gives_up_when_it_is_to() {
    let controller = Controller::start(Security::Plain, None).await;
    let gone = options(&controller, Credentials::Insecure);
    let given_up = options(&controller, Credentials::Insecure);
    drop(controller);
    let worker = Worker::start(gone).await;
    worker.signals.send(()).await.unwrap();
    assert_eq!(worker.exit().await, WorkerExit::Left { undelivered: 0 });
    let limit = Some(Nanos::from_millis(300));
    let worker = Worker::start(DaemonOptions { unavailable: limit, ..given_up }).await;
    assert!(matches!(worker.exit().await, WorkerExit::Unavailable { .. }));
}
