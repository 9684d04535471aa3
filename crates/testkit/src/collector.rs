//! A receiver of telemetry that behaves as scripted: OTLP over gRPC and over HTTP, plain or TLS.
//!
//! [`Collector::behave`] says how it takes requests from now on, [`Collector::script`] how it takes the next ones,
//! [`Collector::go_down`] ends it as a process ends, and [`Collector::rage`] does all of that at random instants drawn
//! from a seed. What it takes it counts, with and without repetitions, and keeps: that is the truth that a sender's own
//! account is held against.
//!
//! ```
//! use loadgen_testkit::collector::{Behaviour, Collector, Signal};
//!
//! let collector = Collector::start();
//! collector.script([Behaviour::Unavailable(None), Behaviour::Accept]);
//! assert_eq!(collector.taken(Signal::Traces).distinct, 0);
//! assert!(collector.http_url().starts_with("http://127.0.0.1:"));
//! ```

mod behaviour;
mod port;
mod rage;
mod serve;
mod shelf;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use rustls::ServerConfig;
use tokio::sync::{oneshot, watch};

pub use behaviour::Behaviour;
use behaviour::Script;
/// The messages it takes, for whoever looks into them.
pub use opentelemetry_proto::tonic as otlp;
use port::Port;
use shelf::Shelves;
pub use shelf::{Export, Seen, Taken};

use crate::tls::{self, Clients};

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
    /// Log records.
    Logs,
}

/// Which form of OTLP a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// gRPC.
    Grpc,
    /// HTTP with protobuf bodies.
    Http,
}

/// A receiver on two free ports of the loopback address. Ends when dropped, and all connections with it.
#[derive(Debug)]
pub struct Collector {
    grpc: SocketAddr,
    http: SocketAddr,
    is_tls: bool,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the collector and its connections have in common.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    is_up: watch::Sender<bool>,
    /// The seed and the longest pause of a random schedule, while there is one.
    rage: watch::Sender<Option<(u64, Duration)>>,
}

#[derive(Debug, Default)]
struct State {
    script: Script,
    shelves: Shelves,
    /// Listeners that are open.
    listening: usize,
    /// Connections accepted.
    connections: u64,
    /// Whether a random schedule may change something yet.
    is_raging: bool,
}

/// How long a test waits for something that will surely happen.
const PATIENCE: Duration = Duration::from_secs(60);

impl Collector {
    /// Starts a receiver that accepts everything.
    ///
    /// # Panics
    /// When the kernel has no port or thread left.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// The same over TLS 1.2 and 1.3.
    ///
    /// # Panics
    /// When the kernel has no port or thread left.
    pub fn start_tls(identity: &tls::Identity, clients: Clients<'_>) -> Self {
        Self::start_with(Some(identity.server_config(clients)))
    }

    fn start_with(tls: Option<ServerConfig>) -> Self {
        let is_tls = tls.is_some();
        let ports = [Form::Grpc, Form::Http].map(|form| (form, Port::take()));
        let [grpc, http] = [ports[0].1.address(), ports[1].1.address()];
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            is_up: watch::Sender::new(true),
            rage: watch::Sender::new(None),
        });
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("collector".to_owned())
            .spawn(move || serve::run(ports, tls, serving, stopped))
            .expect("the kernel has a thread left");
        shared.wait_until(|state| state.listening == 2);
        Self { grpc, http, is_tls, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it takes gRPC.
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc
    }

    /// Where it takes HTTP.
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// The endpoint of its gRPC form.
    pub fn grpc_url(&self) -> String {
        format!("{}://{}", self.scheme(), self.grpc)
    }

    /// The endpoint of its HTTP form, for all signals.
    pub fn http_url(&self) -> String {
        format!("{}://{}", self.scheme(), self.http)
    }

    fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    /// Takes requests like this from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.lock().script.standing = behaviour;
    }

    /// Takes the next requests like this, one by one in the order of their coming, before the standing behaviour holds
    /// again.
    pub fn script(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.shared.lock().script.next.extend(behaviours);
    }

    /// Ends listeners and connections; returns when it is done.
    pub fn go_down(&self) {
        self.shared.is_up.send_replace(false);
        self.shared.wait_until(|state| state.listening == 0);
    }

    /// Listens again at the same ports; returns when it does.
    pub fn come_back(&self) {
        self.shared.is_up.send_replace(true);
        self.shared.wait_until(|state| state.listening == 2);
    }

    /// Changes its behaviour, and goes down and comes back, at random instants, at most `longest` apart.
    pub fn rage(&self, seed: u64, longest: Duration) {
        self.shared.change(|state| state.is_raging = true);
        self.shared.rage.send_replace(Some((seed, longest)));
    }

    /// Accepts everything from now on, whatever was said before.
    pub fn calm_down(&self) {
        self.shared.rage.send_replace(None);
        self.shared.wait_until(|state| !state.is_raging);
        self.come_back();
        self.shared.lock().script = Script::default();
    }

    /// What it took of one signal.
    pub fn taken(&self, signal: Signal) -> Taken {
        self.shared.lock().shelves.taken(signal)
    }

    /// Returns once it has taken so many different items.
    ///
    /// # Panics
    /// When that does not happen within a minute.
    pub fn await_taken(&self, signal: Signal, items: u64) {
        self.shared.wait_until(|state| state.shelves.taken(signal).distinct >= items);
    }

    /// Returns once so many requests of any signal have come, whatever it did with them.
    ///
    /// # Panics
    /// When that does not happen within a minute.
    pub fn await_requests(&self, requests: usize) {
        self.shared.wait_until(|state| state.shelves.seen().len() >= requests);
    }

    /// Returns after `pause`, or when something comes: for tests that look at the sender again and again.
    pub fn pause(&self, pause: Duration) {
        drop(self.shared.changed.wait_timeout(self.shared.lock(), pause));
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.lock().connections
    }

    /// The heads of all requests so far, at most 65,536.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().shelves.seen().to_vec()
    }

    /// The requests with spans that it took, at most 16,384 of all signals; a partly rejected one without what was
    /// rejected.
    pub fn traces(&self) -> Vec<ExportTraceServiceRequest> {
        self.shared.lock().shelves.kept(|export| match export {
            Export::Traces(request) => Some(request.clone()),
            _ => None,
        })
    }

    /// The same of data points.
    pub fn metrics(&self) -> Vec<ExportMetricsServiceRequest> {
        self.shared.lock().shelves.kept(|export| match export {
            Export::Metrics(request) => Some(request.clone()),
            _ => None,
        })
    }

    /// The same of log records.
    pub fn logs(&self) -> Vec<ExportLogsServiceRequest> {
        self.shared.lock().shelves.kept(|export| match export {
            Export::Logs(request) => Some(request.clone()),
            _ => None,
        })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn wait_until(&self, is_so: impl Fn(&State) -> bool) {
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, |state| !is_so(state));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "it did not happen within {PATIENCE:?}: {state:?}");
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
