//! All of a controller: the cluster, and the listeners before it.

use std::net::SocketAddr;
use std::sync::Arc;

use api::result::Tool;
use net::api_token::TokenList;
use net::deadline::{Limits, Meter, Operation};
use net::identity::Identity;
use net::listen::{self, BindError, Caps, ListenCounts, Protocol, Security as Encryption};
use net::probe::{Probe, ProbeError};
use net::tls::{Alpn, Authorities, ClientCheck, TlsError, server_config};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use units::{MonotonicClock, Nanos};

use super::grpc::{Certificates, WorkerApi};
use super::handle::ClusterHandle;
use super::host::Host;
use super::http::{Access, ApiLimits, ClusterVitals, HttpApi, LastWord};
use crate::cluster::ClusterOptions;
use crate::observe::Telemetry;

/// What a controller is made of.
#[derive(Debug)]
pub struct ServerOptions {
    /// Where workers call; port 0 for one that is free.
    pub workers: SocketAddr,
    /// Where people and programs call.
    pub api: SocketAddr,
    /// Where whoever keeps it running asks after it; nowhere if `None`.
    pub probe: Option<SocketAddr>,
    /// Who may call.
    pub security: Security,
    /// What the cluster goes by. How long it waits comes from [`ServerOptions::limits`].
    pub cluster: ClusterOptions,
    /// How long each wait may take.
    pub limits: Limits,
    /// What the API allows.
    pub api_limits: ApiLimits,
    /// Memory that contents may take, in bytes.
    pub content_bytes: usize,
    /// The program, for results.
    pub tool: Tool,
    /// Where what is known of runs here goes.
    pub telemetry: Telemetry,
}

/// Who may call.
#[derive(Debug)]
pub enum Security {
    /// Everybody who can: `--insecure`.
    Insecure {
        /// Not only from this machine.
        anywhere: bool,
    },
    /// Workers with a certificate, people and programs with a token.
    Tls(Box<TlsSecurity>),
}

/// What it takes to know who calls, and to be known.
#[derive(Debug)]
pub struct TlsSecurity {
    /// The controller's own certificate.
    pub identity: Identity,
    /// Whose certificates of workers count.
    pub authorities: Authorities,
    /// What workers' certificates come from, and which count no more.
    pub certificates: Certificates,
    /// Who may use the API.
    pub tokens: TokenList,
}

/// Why a controller cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The one for probes cannot.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The certificates are of no use.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
}

/// A controller that runs: its cluster and its listeners, on the runtime it was started on.
#[derive(Debug)]
pub struct Server {
    host: Host,
    workers: SocketAddr,
    api: SocketAddr,
    probe: Option<SocketAddr>,
    /// Whether the API has handed out all that it owes.
    last_word: LastWord,
    /// Whether the listeners shall end.
    ending: watch::Sender<bool>,
    listeners: JoinSet<()>,
    /// Ends with this.
    probes: JoinSet<()>,
}

impl Server {
    /// Listens on all addresses, and begins to serve when it has them.
    ///
    /// # Errors
    /// When an address is not to be had, or the certificates are of no use.
    pub async fn start(options: ServerOptions) -> Result<Self, StartError> {
        let ServerOptions {
            workers,
            api,
            probe,
            security,
            mut cluster,
            limits,
            api_limits,
            content_bytes,
            tool,
            telemetry,
        } = options;
        let (encryption, anywhere) = encryption(&security)?;
        let (worker_listener, workers) = bind(workers, &encryption.workers, anywhere).await?;
        let (api_listener, api) = bind(api, &encryption.api, anywhere).await?;
        let probe = match probe {
            Some(address) => Some(Probe::bind(address).await?),
            None => None,
        };
        bound(&mut cluster, &limits);
        let caps = caps(&cluster);
        let board = telemetry.board.clone();
        let host = Host::start(MonotonicClock, cluster, tool, content_bytes, telemetry);
        let handle = host.handle();
        let meter = Arc::new(Meter::new(limits));
        let (ending, told) = watch::channel(false);
        let (certificates, access) = match security {
            Security::Insecure { .. } => (None, Access::Open),
            Security::Tls(tls) => (Some(tls.certificates), Access::Tokens(tls.tokens)),
        };

        let mut listeners = JoinSet::new();
        let of_workers = listen::Server {
            protocol: Protocol::Http2,
            security: encryption.workers,
            caps,
            meter: Arc::clone(&meter),
            counts: Arc::default(),
        };
        let of_api = listen::Server {
            protocol: Protocol::Http1,
            security: encryption.api,
            caps: Caps::default(),
            meter: Arc::clone(&meter),
            counts: Arc::default(),
        };
        let counts: Vec<(&'static str, Arc<ListenCounts>)> =
            vec![("workers", Arc::clone(&of_workers.counts)), ("api", Arc::clone(&of_api.counts))];
        let services = WorkerApi {
            cluster: handle.clone(),
            certificates,
            clock: Arc::new(MonotonicClock),
            meter: Arc::clone(&meter),
        };
        let end = told.clone();
        listeners.spawn(async move {
            services.serve(of_workers, worker_listener, told_to_end(end)).await;
        });
        let http = HttpApi::new(handle.clone(), access, api_limits, Arc::clone(&meter));
        let last_word = http.last_word();
        listeners.spawn(async move {
            http.serve(of_api, api_listener, told_to_end(told)).await;
        });
        let mut probes = JoinSet::new();
        let probe_address = probe.as_ref().map(Probe::local_addr);
        if let Some(probe) = probe {
            let vitals =
                ClusterVitals { host: handle.clone(), meter: Arc::clone(&meter), listeners: counts, board };
            probes.spawn(probe.serve(vitals, meter));
        }
        Ok(Self { host, workers, api, probe: probe_address, last_word, ending, listeners, probes })
    }

    /// The way to the cluster.
    pub const fn handle(&self) -> &ClusterHandle {
        self.host.handle()
    }

    /// Where workers call.
    pub const fn worker_address(&self) -> SocketAddr {
        self.workers
    }

    /// Where people and programs call.
    pub const fn api_address(&self) -> SocketAddr {
        self.api
    }

    /// Where probes are answered.
    pub const fn probe_address(&self) -> Option<SocketAddr> {
        self.probe
    }

    /// Ends all of it within `limit`: runs are stopped and their results made, workers sent away, followers told; those
    /// have a second to fetch their results; then the listeners end. Returns whether all of that was done when the limit passed; what was not is cut.
    pub async fn shut_down(mut self, limit: Nanos) -> bool {
        let began = Instant::now();
        let for_runs = began + limit.saturating_sub(FOR_LISTENERS).into();
        self.last_word.begin();
        let runs_ended = timeout_at(for_runs, self.host.wind_up()).await.is_ok();
        let for_followers = Instant::now() + FOR_FOLLOWERS.into();
        let for_followers = for_followers.min(began + limit.saturating_sub(FOR_CONNECTIONS).into());
        // Who does not come for a result has seen how the run ended.
        let _ = timeout_at(for_followers, self.last_word.said()).await;
        self.ending.send_replace(true);
        let all_ended = async { while self.listeners.join_next().await.is_some() {} };
        let listeners_ended = timeout_at(began + limit.into(), all_ended).await.is_ok();
        self.listeners.shutdown().await;
        self.probes.shutdown().await;
        self.host.end().await;
        runs_ended && listeners_ended
    }
}

/// How both listeners are encrypted.
struct EncryptionOf {
    workers: Encryption,
    api: Encryption,
}

fn encryption(security: &Security) -> Result<(EncryptionOf, bool), TlsError> {
    Ok(match security {
        Security::Insecure { anywhere } => {
            (EncryptionOf { workers: Encryption::Plain, api: Encryption::Plain }, *anywhere)
        }
        Security::Tls(tls) => {
            let check = ClientCheck {
                authorities: tls.authorities.clone(),
                revocations: tls.certificates.revocations.clone(),
                // A new worker has none before it has got one here.
                required: tls.certificates.desk.is_none(),
            };
            let workers = server_config(&tls.identity, Some(check), Alpn::Http2)?;
            let api = server_config(&tls.identity, None, Alpn::Http1)?;
            (EncryptionOf { workers: Encryption::Tls(workers), api: Encryption::Tls(api) }, false)
        }
    })
}

async fn bind(
    address: SocketAddr,
    encryption: &Encryption,
    anywhere: bool,
) -> Result<(TcpListener, SocketAddr), BindError> {
    let listener = listen::bind(address, encryption, anywhere).await?;
    let bound = listener.local_addr().map_err(|source| BindError::System { address, source })?;
    Ok((listener, bound))
}

/// The waits of the cluster and its runs go by the limits of the process.
fn bound(cluster: &mut ClusterOptions, limits: &Limits) {
    cluster.queue_limit = limits.of(Operation::Queue);
    cluster.limits.prepare = limits.of(Operation::Prepare);
    cluster.limits.collect = limits.of(Operation::Collect);
    cluster.limits.stop.drain = limits.of(Operation::Drain);
    cluster.limits.stop.teardown = limits.of(Operation::Teardown);
}

/// Every worker has a stream, beats beside it, and may be about to open either anew; all may come from one address.
fn caps(cluster: &ClusterOptions) -> Caps {
    let usual = Caps::default();
    let of_workers = cluster.max_workers as usize * 4;
    Caps {
        connections: usual.connections.max(of_workers),
        per_address: usual.per_address.max(of_workers),
        ..usual
    }
}

async fn told_to_end(mut told: watch::Receiver<bool>) {
    // Whoever could say so is gone: that is an end too.
    let _ = told.wait_for(|ending| *ending).await;
}

/// What of a shutdown is kept for followers and listeners, once runs are over.
const FOR_LISTENERS: Nanos = Nanos::from_millis(500);
/// What of that is kept for the connections to end.
const FOR_CONNECTIONS: Nanos = Nanos::from_millis(200);
/// How long those who followed runs have to fetch their results, where there is as much left.
const FOR_FOLLOWERS: Nanos = Nanos::SECOND;

#[cfg(test)]
mod tests;
