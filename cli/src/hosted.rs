//! A controller in this process, on a thread and a runtime of its own: what `loadgen controller` serves, and what a run
//! over worker processes is conducted by.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use anyhow::Context as _;
use control::LeaseTerms;
use controller::cluster::{ClusterOptions, WallClock};
use controller::observe::Telemetry;
use controller::server::grpc::{CertificateDesk, Certificates};
use controller::server::http::ApiLimits;
use controller::server::{Security, Server, ServerOptions, StartError, TlsSecurity};
use net::WallTime;
use net::api_token::TokenList;
use net::deadline::Limits;
use net::identity::{Authority, Fingerprint, Identity, RevocationList};
use net::listen::BindError;
use net::tls::Authorities;
use tokio::sync::oneshot;
use units::{Clock, MonotonicClock, Nanos};

use crate::execute;
use crate::failure::Failure;
use crate::remote::chain;
use crate::state::{self, Admission, ControllerState, StateLock};

/// What a controller needs.
#[derive(Debug)]
pub(crate) struct HostedOptions {
    /// Where workers connect.
    pub(crate) listen: SocketAddr,
    /// Where people and CI connect.
    pub(crate) api: SocketAddr,
    /// Where its probes are, and the flag that said so; nowhere without one.
    pub(crate) probe: Option<(SocketAddr, &'static str)>,
    /// How connections are kept from others.
    pub(crate) encryption: Encryption,
    /// The most workers.
    pub(crate) max_workers: u32,
    /// How long a worker may go on without being heard.
    pub(crate) lease_ttl: Nanos,
    /// How long each wait may take.
    pub(crate) limits: Limits,
    /// Who it is.
    pub(crate) state: ControllerState,
    /// Where that is kept.
    pub(crate) folder: PathBuf,
    /// Where its telemetry goes.
    pub(crate) telemetry: Telemetry,
}

/// How connections are kept from others.
#[derive(Debug)]
pub(crate) enum Encryption {
    /// Not at all; on loopback only unless `anywhere`.
    None { anywhere: bool },
    /// By certificates of the cluster's own authority; the controller's is for these names.
    OfCluster { names: Vec<String> },
    /// By certificates that its operator brings.
    Own(OwnCertificates),
}

/// Certificates that an operator brings.
#[derive(Debug)]
pub(crate) struct OwnCertificates {
    /// The controller's.
    pub(crate) identity: Identity,
    /// Those that workers have theirs from.
    pub(crate) authorities: Authorities,
}

impl HostedOptions {
    /// A controller that only this machine can reach, on ports that the kernel chooses.
    pub(crate) fn on_loopback(state: ControllerState, folder: PathBuf, telemetry: Telemetry) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: any,
            api: any,
            probe: None,
            encryption: Encryption::OfCluster { names: vec!["127.0.0.1".to_owned()] },
            max_workers: 64,
            lease_ttl: LeaseTerms::default().ttl,
            limits: Limits::default(),
            state,
            folder,
            telemetry,
        }
    }
}

/// Where a controller listens.
#[derive(Clone, Copy, Debug)]
struct Addresses {
    workers: SocketAddr,
    api: SocketAddr,
    probe: Option<SocketAddr>,
}

/// A controller that serves; ended when dropped.
#[derive(Debug)]
pub(crate) struct Hosted {
    addresses: Addresses,
    fingerprint: Option<Fingerprint>,
    tokens: TokenList,
    revocations: RevocationList,
    /// Asks for the end when it is dropped.
    ending: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Nobody else serves with the state meanwhile.
    _lock: StateLock,
}

impl Hosted {
    /// Starts a controller; it serves when this returns.
    ///
    /// # Errors
    /// When it cannot listen, or its certificates are of no use.
    pub(crate) fn start(options: HostedOptions) -> Result<Self, Failure> {
        let HostedOptions { listen, api, probe, encryption, max_workers, lease_ttl, limits, .. } = options;
        let HostedOptions { state, folder, telemetry, .. } = options;
        let probe_flag = probe.map_or("--probe", |(_, flag)| flag);
        let ControllerState { cluster, epoch, authority, join_key, ledger, tokens, revocations, lock } =
            state;
        let (tokens, revocations) = (TokenList::from(tokens), RevocationList::new(revocations));
        let is_of_cluster = matches!(encryption, Encryption::OfCluster { .. });
        let fingerprint = is_of_cluster.then(|| authority.fingerprint());
        let known = |desk| Certificates { revocations: revocations.clone(), desk };
        let security = match encryption {
            Encryption::None { anywhere } => Security::Insecure { anywhere },
            Encryption::Own(OwnCertificates { identity, authorities }) => {
                Security::Tls(Box::new(TlsSecurity {
                    identity,
                    authorities,
                    certificates: known(None),
                    tokens: tokens.clone(),
                }))
            }
            Encryption::OfCluster { names } => {
                let identity = authority.server(&names, WallTime::now(), Authority::SERVER_VALIDITY);
                let authorities = Authorities::from_pem(authority.certificate_pem().as_bytes());
                let keep =
                    move |ledger: &_| state::keep_ledger(&folder, ledger).map_err(std::io::Error::other);
                let desk = CertificateDesk::new(
                    cluster,
                    authority,
                    join_key,
                    revocations.clone(),
                    ledger,
                    Box::new(keep),
                );
                Security::Tls(Box::new(TlsSecurity {
                    identity: identity.map_err(|error| Failure::invalid(chain(&error)))?,
                    authorities: authorities.map_err(|error| Failure::invalid(chain(&error)))?,
                    certificates: known(Some(Arc::new(desk))),
                    tokens: tokens.clone(),
                }))
            }
        };
        let wall = WallClock::new(MonotonicClock.now(), jiff::Timestamp::now());
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let lease = lease(lease_ttl)?;
        let cluster =
            ClusterOptions { lease, max_workers, ..ClusterOptions::new(cluster, epoch, version, wall) };
        let options = ServerOptions {
            workers: listen,
            api,
            probe: probe.map(|(address, _)| address),
            security,
            cluster,
            limits,
            api_limits: ApiLimits::default(),
            content_bytes: CONTENT_BYTES,
            tool: execute::tool(),
            telemetry,
        };
        let (ending, ended) = oneshot::channel();
        let (started, start) = oneshot::channel();
        let serve = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    drop(
                        started.send(Err(anyhow::Error::from(error).context("cannot make a runtime").into())),
                    );
                    return;
                }
            };
            runtime.block_on(serve(options, probe_flag, started, ended));
            // Results that are still being made are of no use to anybody.
            runtime.shutdown_background();
        };
        let thread =
            Builder::new().name("controller".to_owned()).spawn(serve).context("cannot start a thread")?;
        let addresses = start.blocking_recv().context("the controller's thread ended")??;
        let (ending, thread) = (Some(ending), Some(thread));
        Ok(Self { addresses, fingerprint, tokens, revocations, ending, thread, _lock: lock })
    }

    /// Whether it still serves: it does until it is ended, unless its thread panicked.
    pub(crate) fn is_serving(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Where workers connect.
    pub(crate) fn workers(&self) -> SocketAddr {
        self.addresses.workers
    }

    /// Where people and CI connect.
    pub(crate) fn api(&self) -> SocketAddr {
        self.addresses.api
    }

    /// Where its probes are.
    pub(crate) fn probe(&self) -> Option<SocketAddr> {
        self.addresses.probe
    }

    /// What workers know the cluster's own authority by; `None` where it signs nothing.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// Puts other tokens and revocations in force.
    pub(crate) fn admit(&self, admission: &Admission) {
        self.tokens.replace(admission.tokens.clone());
        self.revocations.replace(admission.revocations.clone());
    }

    /// Ends it: runs are stopped, workers sent away, connections ended; at most 5 s.
    pub(crate) fn end(mut self) {
        self.wind_up();
    }

    fn wind_up(&mut self) {
        drop(self.ending.take());
        if let Some(thread) = self.thread.take() {
            // A panic of it was told by the hook.
            let _ = thread.join();
        }
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        self.wind_up();
    }
}

/// Serves until `ended` is ready. `started` is told the addresses, or why there are none.
async fn serve(
    options: ServerOptions,
    probe_flag: &str,
    started: oneshot::Sender<Result<Addresses, Failure>>,
    ended: oneshot::Receiver<()>,
) {
    let workers = options.workers;
    let server = match Server::start(options).await {
        Ok(server) => server,
        Err(error) => {
            let message = chain(&error) + &cure(&error, workers, probe_flag);
            // Whoever started it waits for this.
            drop(started.send(Err(Failure::invalid(message))));
            return;
        }
    };
    let addresses = Addresses {
        workers: server.worker_address(),
        api: server.api_address(),
        probe: server.probe_address(),
    };
    drop(started.send(Ok(addresses)));
    // Whether it was asked for, or whoever could ask is gone.
    drop(ended.await);
    if !server.shut_down(SHUTDOWN).await {
        tracing::warn!("not everything ended within {SHUTDOWN}; the rest was cut");
    }
}

/// What helps where an address cannot be listened on; `workers` is that for workers, `probe_flag` what names that of the
/// probes.
fn cure(error: &StartError, workers: SocketAddr, probe_flag: &str) -> String {
    let flag = match error {
        StartError::Bind(BindError::System { address, .. }) if *address == workers => "--listen",
        StartError::Bind(BindError::System { .. }) => "--api",
        StartError::Probe(_) => probe_flag,
        StartError::Bind(BindError::Exposed(_)) | StartError::Tls(_) => return String::new(),
    };
    format!("; end what uses it, or name another with {flag}")
}

/// A lease of this length, with beats and a guard in proportion where it is shorter than usual.
fn lease(ttl: Nanos) -> Result<LeaseTerms, Failure> {
    if ttl < LEAST_LEASE {
        return Err(Failure::invalid(format!(
            "--lease-ttl {ttl} is too short; give it at least {LEAST_LEASE}"
        )));
    }
    let usual = LeaseTerms::default();
    let part = |usual: Nanos| usual.min(Nanos::new(ttl.as_u64() / 6));
    Ok(LeaseTerms { beat: part(usual.beat), ttl, guard: part(usual.guard) })
}

/// Some beats must fit into a lease.
const LEAST_LEASE: Nanos = Nanos::from_millis(500);
/// Memory that contents may take.
const CONTENT_BYTES: usize = 256 << 20;
/// Everything together ends 5 s after a signal.
const SHUTDOWN: Nanos = Nanos::from_millis(4_700);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_beats_fit_into_any_lease() {
        assert_eq!(lease(Nanos::from_secs(6)).unwrap(), LeaseTerms::default());
        let short = lease(Nanos::SECOND).unwrap();
        assert!(
            short.beat.as_u64() * 4 < short.ttl.as_u64() && short.guard.as_u64() * 4 < short.ttl.as_u64()
        );
        assert!(lease(Nanos::from_millis(499)).unwrap_err().message().contains("at least 500ms"));
    }
}
