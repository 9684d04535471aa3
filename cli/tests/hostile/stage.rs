//! A controller and workers in this process, and runs of theirs whose counts are held against the target's.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::http::{ClusterStatus, RunState, SubmitRun, WorkerState};
use api::result::{ResultFile, Tool};
use control::{ClusterId, Epoch, LeaseTerms, LeaveMode, RunId, WorkerId};
use controller::cluster::{ClusterOptions, RunControl, WallClock};
use controller::observe::Telemetry;
use controller::run::Actor;
use controller::server::grpc::{CertificateDesk, Certificates};
use controller::server::http::ApiLimits;
use controller::server::{ClusterHandle, Security, Server, ServerOptions, TlsSecurity};
use engine::TaskRegistry;
use net::WallTime;
use net::api_token::TokenList;
use net::deadline::{Limits, Meter};
use net::identity::{Authority, Identity, RevocationList, Secret};
use net::join_token::{JoinGrant, JoinKey, TokenLedger};
use net::tls::{Authorities, Trust};
use protocols::TargetPolicy;
use target::{Config, Target};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use units::{Clock as _, MonotonicClock, Nanos};
use uuid::Uuid;
use worker::{Credentials, DaemonOptions, Keep, LoadLimits, WorkerDaemon, WorkerExit, WorkerTelemetry};

/// Whether connections are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Tls,
    Insecure,
}

/// Longer than anything here takes on the busiest machine: only a hang gets there.
pub(crate) const HANG: Duration = Duration::from_secs(90);

/// A lease that a busy machine does not end by chance, and a test may wait for.
pub(crate) const TERMS: LeaseTerms =
    LeaseTerms { beat: Nanos::from_millis(200), ttl: Nanos::from_secs(3), guard: Nanos::from_millis(100) };

const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(9));

/// A controller that serves, and what it takes to be let in.
pub(crate) struct Stage {
    pub(crate) target: Target,
    pub(crate) revocations: RevocationList,
    pub(crate) link: Link,
    pub(crate) workers: Vec<Worker>,
    /// Its server is the last but the runtime to go.
    server: Option<Server>,
    desk: Option<Arc<CertificateDesk>>,
    runtime: Runtime,
}

/// A worker that runs.
pub(crate) struct Worker {
    pub(crate) exit: JoinHandle<WorkerExit>,
    /// Hangs up when it is dropped; nobody sends anything.
    _signals: mpsc::Sender<()>,
}

impl Stage {
    pub(crate) fn new(link: Link) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let revocations = RevocationList::default();
        let desk = (link == Link::Tls).then(|| Arc::new(desk(&revocations)));
        let security = match &desk {
            None => Security::Insecure { anywhere: false },
            Some(desk) => {
                let authority = desk.authority();
                let names = ["127.0.0.1".to_owned()];
                Security::Tls(Box::new(TlsSecurity {
                    identity: authority.server(&names, WallTime::now(), Authority::SERVER_VALIDITY).unwrap(),
                    authorities: Authorities::from_pem(authority.certificate_pem().as_bytes()).unwrap(),
                    certificates: Certificates {
                        revocations: revocations.clone(),
                        desk: Some(Arc::clone(desk)),
                    },
                    tokens: TokenList::default(),
                }))
            }
        };
        let any_port: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let wall = WallClock::new(MonotonicClock.now(), jiff::Timestamp::now());
        let cluster = ClusterOptions::new(CLUSTER, Epoch(5), "0.1.0".to_owned(), wall);
        let options = ServerOptions {
            workers: any_port,
            api: any_port,
            probe: None,
            security,
            cluster: ClusterOptions { lease: TERMS, ..cluster },
            limits: Limits::default(),
            api_limits: ApiLimits::default(),
            content_bytes: 64 << 20,
            tool: Tool { name: "loadgen".to_owned(), version: "0.1.0".to_owned(), git: None },
            telemetry: Telemetry::off(),
        };
        let server = runtime.block_on(Server::start(options)).unwrap();
        let target = Target::bind(Config::default()).unwrap();
        let (server, workers) = (Some(server), Vec::new());
        Self { target, revocations, link, workers, server, desk, runtime }
    }

    /// A controller with this many workers that reach it without a detour; they are called `w1`, `w2`, ….
    pub(crate) fn with_workers(link: Link, count: usize) -> Self {
        let mut stage = Self::new(link);
        for number in 1..=count {
            stage.worker(&format!("w{number}"), stage.worker_address());
        }
        stage.await_ready(count);
        stage
    }

    /// Waits for `future`, which must not hang.
    #[track_caller]
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { timeout(HANG, future).await }).expect("nothing hangs")
    }

    /// Looks again and again whether `met` holds.
    #[track_caller]
    pub(crate) fn until(&self, mut met: impl FnMut() -> bool) {
        self.wait(async {
            while !met() {
                sleep(Duration::from_millis(5)).await;
            }
        });
    }

    /// Lets real time pass: what is tested is that nothing happens, or that something lasts so long.
    pub(crate) fn pause(&self, millis: u64) {
        self.wait(async { sleep(Duration::from_millis(millis)).await });
    }

    /// Does something beside the test.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(future)
    }

    pub(crate) fn handle(&self) -> &ClusterHandle {
        self.server.as_ref().unwrap().handle()
    }

    pub(crate) fn worker_address(&self) -> SocketAddr {
        self.server.as_ref().unwrap().worker_address()
    }

    pub(crate) fn api_address(&self) -> SocketAddr {
        self.server.as_ref().unwrap().api_address()
    }

    pub(crate) fn authority(&self) -> &Authority {
        self.desk.as_ref().unwrap().authority()
    }

    /// A new join token that is good for so many workers.
    pub(crate) fn join_token(&self, uses: u32) -> Secret {
        let grant = JoinGrant { uses, validity: Nanos::from_secs(600), workers: None };
        self.desk.as_ref().unwrap().issue_token(grant, WallTime::now()).unwrap().1
    }

    /// What an honest worker has to show.
    pub(crate) fn credentials(&self) -> Credentials {
        match self.link {
            Link::Insecure => Credentials::Insecure,
            Link::Tls => Credentials::Join {
                token: self.join_token(1),
                trust: Trust::Fingerprint(self.authority().fingerprint()),
            },
        }
    }

    /// What an honest worker is told, which finds its controller at `via`.
    pub(crate) fn options(&self, name: &str, via: SocketAddr) -> DaemonOptions {
        let scheme = if self.link == Link::Tls { "https" } else { "http" };
        DaemonOptions {
            controller: format!("{scheme}://{via}").parse().unwrap(),
            credentials: self.credentials(),
            keep: Keep::nothing(),
            name: WorkerId::new(name),
            labels: BTreeMap::new(),
            weight: Some(1),
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

    /// Starts an honest worker.
    pub(crate) fn worker(&mut self, name: &str, via: SocketAddr) {
        let worker = self.start(self.options(name, via));
        self.workers.push(worker);
    }

    pub(crate) fn start(&self, options: DaemonOptions) -> Worker {
        let (signals, heard) = mpsc::channel(2);
        let daemon = self.wait(WorkerDaemon::start(options)).unwrap();
        Worker { exit: self.spawn(daemon.run(heard)), _signals: signals }
    }

    pub(crate) fn status(&self) -> ClusterStatus {
        self.wait(self.handle().status()).unwrap()
    }

    /// Waits until so many workers are ready: there, and in no run.
    #[track_caller]
    pub(crate) fn await_ready(&self, count: usize) {
        self.until_status(|status| {
            status.workers.iter().filter(|worker| worker.state == WorkerState::Ready).count() >= count
        });
    }

    /// Asks the cluster again and again whether `met` holds.
    #[track_caller]
    pub(crate) fn until_status(&self, met: impl Fn(&ClusterStatus) -> bool) {
        self.wait(async {
            while !met(&self.handle().status().await.unwrap()) {
                sleep(Duration::from_millis(10)).await;
            }
        });
    }

    /// Submits a run of `rate` for `duration` against the target over so many workers.
    pub(crate) fn submit(&self, rate: &str, duration: &str, workers: u32) -> RunId {
        self.submit_to(&self.target.url(), rate, duration, workers)
    }

    pub(crate) fn submit_to(&self, url: &str, rate: &str, duration: &str, workers: u32) -> RunId {
        self.try_submit(document(url, rate, duration, ""), workers).unwrap()
    }

    /// Submits such a run with `options` of its own, as they stand in a file.
    pub(crate) fn submit_with(&self, rate: &str, duration: &str, options: &str, workers: u32) -> RunId {
        self.try_submit(document(&self.target.url(), rate, duration, options), workers).unwrap()
    }

    /// Submits a document; `None` when it is refused.
    pub(crate) fn try_submit(&self, document: String, workers: u32) -> Option<RunId> {
        let run = SubmitRun {
            document,
            files: Vec::new(),
            preflight: true,
            expect_workers: Some(workers),
            wait_ms: None,
            worker_labels: BTreeMap::new(),
            overrides: Vec::new(),
        };
        let submitted = self.handle().submit(run, Uuid::new_v4().to_string(), Actor::local());
        let submitted = self.wait(submitted).ok()?;
        Some(RunId::new(submitted.run_id.parse().unwrap()))
    }

    /// Stops a run; what is in flight ends.
    pub(crate) fn stop(&self, run: RunId) {
        let stop = RunControl::Stop { cancel: false };
        self.wait(self.handle().control(run, stop, Actor::local())).unwrap();
    }

    /// Submits such a run and waits until so many requests of it have arrived.
    pub(crate) fn begin(&self, rate: &str, duration: &str, workers: u32, arrived: u64) -> RunId {
        let run = self.submit(rate, duration, workers);
        self.until(|| self.arrived() >= arrived);
        run
    }

    pub(crate) fn arrived(&self) -> u64 {
        self.target.stats().arrivals
    }

    /// Waits until workers have told the controller of so many requests.
    #[track_caller]
    pub(crate) fn await_told(&self, run: RunId, requests: u64) {
        let told = async || self.handle().run(run).await.unwrap().live.map_or(0, |live| live.requests);
        self.wait(async {
            while told().await < requests {
                sleep(Duration::from_millis(10)).await;
            }
        });
    }

    /// Waits until nothing is expected of a run any more.
    #[track_caller]
    pub(crate) fn sealed(&self, run: RunId) {
        self.wait(async {
            while self.handle().run(run).await.unwrap().state != RunState::Sealed {
                sleep(Duration::from_millis(10)).await;
            }
        });
    }

    /// Waits for the result of a run.
    #[track_caller]
    pub(crate) fn result(&self, run: RunId) -> Arc<ResultFile> {
        self.sealed(run);
        self.wait(self.handle().result(run)).unwrap()
    }

    /// Waits for the result of a run of which nothing may be lost: it planned, reported and sent `planned` requests.
    #[track_caller]
    pub(crate) fn exact(&self, run: RunId, planned: u64) -> Arc<ResultFile> {
        let result = self.result(run);
        self.holds(&result);
        assert_eq!(result.totals.iterations.due, planned);
        let missing = result.totals.iterations.unsent.total();
        assert_eq!(result.totals.requests.attempted + missing, planned, "{:#?}", result.totals);
        assert!(result.degraded.is_none(), "{:#?}", result.annotations);
        for worker in &result.workers {
            assert!(worker.complete && worker.sessions.len() == 1, "{worker:#?}");
        }
        result
    }

    /// Holds what a result says against what the target counted: nothing may be missing and nothing twice.
    #[track_caller]
    pub(crate) fn holds(&self, result: &ResultFile) {
        assert!(result.totals.iterations.balanced && result.totals.requests.balanced, "{:#?}", result.totals);
        let (seen, reported) = (self.arrived(), result.totals.requests.attempted);
        assert_eq!(seen, reported, "{:#?}\n{:#?}", result.annotations, result.degraded);
        let parts: u64 = result.workers.iter().map(|worker| worker.sums.requests).sum();
        assert_eq!(parts, reported);
    }

    /// Ends the controller, which must not take longer than it may.
    #[track_caller]
    pub(crate) fn end(mut self) {
        let server = self.server.take().unwrap();
        let limit = Nanos::from_secs(5);
        let began = MonotonicClock.now();
        self.wait(server.shut_down(limit));
        // Half a second is for a busy machine.
        assert!(MonotonicClock.now() - began <= limit + Nanos::from_millis(500));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for worker in self.workers.drain(..) {
            worker.exit.abort();
        }
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.shut_down(Nanos::from_millis(600)));
        }
    }
}

fn desk(revocations: &RevocationList) -> CertificateDesk {
    let authority = Authority::create("test", WallTime::now()).unwrap();
    let (key, ledger) = (JoinKey::generate().unwrap(), TokenLedger::default());
    CertificateDesk::new(CLUSTER, authority, key, revocations.clone(), ledger, Box::new(|_| Ok(())))
}

/// A certificate of `authority` for a worker called `name`, from `from` on for `validity`.
pub(crate) fn certificate(authority: &Authority, name: &str, from: WallTime, validity: Nanos) -> Identity {
    let request = net::identity::CertificateRequest::create().unwrap();
    let pem = authority.sign_worker(request.pem(), name, from, validity).unwrap();
    Identity::from_pem(pem.as_bytes(), request.key_pem().expose().as_bytes()).unwrap()
}

/// A workload of `rate` for `duration` against `url`, with bounds on the generator that only a broken one exceeds.
pub(crate) fn document(url: &str, rate: &str, duration: &str, options: &str) -> String {
    format!(
        r#"{{ "name": "test", "target": {{ "url": "{url}" }}, "options": {{ {options} }},
            "verdict": {{ "invalid": {{ "dispatch_lag_p99": "10s", "generator_stall": "100%", "throttled": "100%" }} }},
            "scenarios": {{ "s": {{ "executor": "constant-arrival-rate", "rate": "{rate}", "duration": "{duration}",
            "max_vus": "auto", "steps": [{{ "get": "/", "name": "root" }}] }} }} }}"#
    )
}
