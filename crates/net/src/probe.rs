//! Whether a process lives, whether it is ready, and what it counts: a plain listener of its own.
//!
//! Three pages, for whoever keeps the process running and for Prometheus: `/healthz` says that the process lives,
//! `/readyz` whether it can do its work, and why not if not, `/metrics` what it counts, in the [`Form`] that the one who asks puts first. The listener carries no secrets
//! and takes no orders, so it needs neither TLS nor a token; it is on loopback unless its operator says otherwise.
//! [`Probe::serve`] never ends: who drops it ends every connection at once, silent ones included.

mod form;
mod instrument;
mod own;
mod page;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::deadline::Meter;
use crate::listen::{self, Caps, ListenCounts, Protocol, Security, Server};

pub use form::Form;
pub use instrument::{Instrument, Kind, Scope, Sender};
pub use own::{CONNECTIONS, OPERATION_LONGEST, OPERATION_TIME, OPERATIONS, OWN};
pub use page::{Buckets, ClassicBucket, Exemplar, Family, Native, Page};

/// What a process says of itself.
pub trait Vitals: Send + Sync + 'static {
    /// Whether it can do its work.
    ///
    /// # Errors
    /// Why not, for people.
    fn ready(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// What it counts.
    fn metrics(&self) -> impl Future<Output = Page> + Send;
}

/// The listener.
#[derive(Debug)]
pub struct Probe {
    listener: TcpListener,
    address: SocketAddr,
}

/// Why there is no [`Probe`].
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for `/healthz`, `/readyz` and `/metrics`")]
pub struct ProbeError {
    /// Where it should have listened.
    pub address: SocketAddr,
    /// What the kernel said.
    pub source: io::Error,
}

impl Probe {
    /// Listens on `address`; with port 0 the kernel chooses one.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub async fn bind(address: SocketAddr) -> Result<Self, ProbeError> {
        let of = |source| ProbeError { address, source };
        let listener = TcpListener::bind(address).await.map_err(of)?;
        let address = listener.local_addr().map_err(of)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers, with the limits of `meter`, until it is dropped.
    pub async fn serve(self, vitals: impl Vitals, meter: Arc<Meter>) {
        let server = Server {
            protocol: Protocol::Http1,
            security: Security::Plain,
            caps: CAPS,
            meter,
            counts: Arc::<ListenCounts>::default(),
        };
        let vitals = Arc::new(vitals);
        let answer = tower::service_fn(move |request: Request<Incoming>| {
            let vitals = Arc::clone(&vitals);
            async move { Ok::<_, Infallible>(answer(&request, &*vitals).await) }
        });
        listen::serve(server, self.listener, answer, std::future::pending()).await;
    }
}

async fn answer<B>(request: &Request<B>, vitals: &impl Vitals) -> Response<Full<Bytes>> {
    let page = request.uri().path();
    if !matches!(page, "/healthz" | "/readyz" | "/metrics") {
        return text(StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n".into());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".into());
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match page {
        "/healthz" => text(StatusCode::OK, "alive\n".into()),
        "/readyz" => match timeout(ANSWER_LIMIT, vitals.ready()).await {
            Ok(Ok(())) => text(StatusCode::OK, "ready\n".into()),
            Ok(Err(reason)) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
            Err(_) => late(),
        },
        _ => match timeout(ANSWER_LIMIT, vitals.metrics()).await {
            Ok(page) => {
                let form = Form::wanted(&accepted(request));
                let mut answer = with_body(StatusCode::OK, page.encode(form));
                let headers = answer.headers_mut();
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
                headers.insert(header::VARY, HeaderValue::from_static("accept"));
                answer
            }
            Err(_) => late(),
        },
    }
}

/// What is asked does not answer: it stands still, or has more to do than it can.
fn late() -> Response<Full<Bytes>> {
    let limit = ANSWER_LIMIT.as_secs();
    text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: no answer from within in {limit} s\n"))
}

/// What the request would take, its lines as one.
fn accepted<B>(request: &Request<B>) -> String {
    let lines = request.headers().get_all(header::ACCEPT).iter();
    lines.filter_map(|line| line.to_str().ok()).collect::<Vec<_>>().join(",")
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    with_body(status, text.into_bytes())
}

fn with_body(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Whoever asks comes again after seconds; until then its place is for others.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Supervisors and scrapers open one each.
const CAPS: Caps = Caps { connections: 64, per_address: 64, pending: 32, pending_per_address: 32 };
/// For an answer from within; supervisors give up after 1 to 10 s.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
