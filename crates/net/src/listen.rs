//! Serving HTTP/2 or HTTP/1 with a limit on everything.
//!
//! A connection is *pending* until its TLS handshake is done and the first bytes of its protocol have come: that has a
//! limit in time, and pending connections have a limit in number, beyond which the oldest goes, since an honest peer's
//! handshake is over in no time. So silent and half-open connections keep nobody out. On an encrypted HTTP/2 port a
//! connection without a certificate is a guest: it stays pending, and may send little before it is read. A shutdown drops what is
//! pending at once, lets open requests end, and cuts what is left when its own limit passes: hyper alone would wait
//! for ever for a peer that says nothing.

mod admission;
mod connection;
mod counts;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower::Service;
use units::Nanos;

pub use admission::Caps;
pub(crate) use connection::{KEEP_ALIVE, KEEP_ALIVE_ANSWER};
pub use counts::{ListenCounts, ListenStats};

use crate::deadline::{Meter, Operation};
use crate::identity::CertificateFacts;
pub use crate::stream::Duplex;
use admission::Admissions;

/// The other end of a connection: every request carries it among its extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it calls from.
    pub address: SocketAddr,
    /// The certificate it proved to hold; `None` without TLS or without a certificate.
    pub certificate: Option<Arc<CertificateFacts>>,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2 without a word of HTTP/1 before it: gRPC.
    Http2,
    /// HTTP/1.1.
    Http1,
}

/// Whether connections are encrypted.
#[derive(Clone, Debug)]
pub enum Security {
    /// They are not: `--insecure`.
    Plain,
    /// They are.
    Tls(Arc<ServerConfig>),
}

/// A way to serve.
#[derive(Clone, Debug)]
pub struct Server {
    /// What is spoken.
    pub protocol: Protocol,
    /// How.
    pub security: Security,
    /// How many connections there may be.
    pub caps: Caps,
    /// How long each wait may take.
    pub meter: Arc<Meter>,
    /// What became of connections.
    pub counts: Arc<ListenCounts>,
}

/// A source of connections.
pub trait Accept: Send {
    /// The bytes of one.
    type Io: Duplex;

    /// Waits for the next one.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>> + Send;
}

impl Accept for TcpListener {
    type Io = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, address) = Self::accept(self).await?;
        // Messages are small and one waits for another.
        stream.set_nodelay(true)?;
        Ok((stream, address))
    }
}

/// Why a port cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Others could read and say everything.
    #[error(
        "refusing to listen on {0} without TLS: whoever reaches it could send load from here; use TLS, or 127.0.0.1, or allow it with `--insecure-bind-anywhere`"
    )]
    Exposed(SocketAddr),
    /// The system refuses.
    #[error("cannot listen on {address}")]
    System {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Listens on `address`. Without TLS that is a loopback address, unless `anywhere` says that it need not be.
///
/// # Errors
/// When it would be open to others without TLS, or the system refuses.
pub async fn bind(
    address: SocketAddr,
    security: &Security,
    anywhere: bool,
) -> Result<TcpListener, BindError> {
    if matches!(security, Security::Plain) && !address.ip().to_canonical().is_loopback() && !anywhere {
        return Err(BindError::Exposed(address));
    }
    TcpListener::bind(address).await.map_err(|source| BindError::System { address, source })
}

/// Serves connections until `shutdown` is ready, and then until they have ended or [`Operation::Shutdown`] has passed.
/// Returns how many had to be cut. A service that keeps streams open ends them itself when it wants them to end well.
pub async fn serve<A, S, B>(
    server: Server,
    source: A,
    service: S,
    shutdown: impl Future<Output = ()>,
) -> usize
where
    A: Accept,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let admissions = Admissions::new(server.caps);
    let (end, ending) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = source.accept() => match accepted {
                Ok((io, address)) => {
                    server.counts.accepted();
                    let Some(admission) = admissions.admit(address.ip(), &server.counts) else { continue };
                    let number = admission.number();
                    let connection = connection::Connection {
                        server: server.clone(),
                        address,
                        admission,
                        ending: ending.clone(),
                    };
                    let task = connections.spawn(connection.run(Box::new(io), service.clone()));
                    admissions.started(number, task);
                }
                Err(error) => {
                    // Out of handles, most often: what ends gives some back, and trying at once would spin.
                    tracing::warn!(%error, "cannot accept a connection");
                    server.counts.accept_failed();
                    sleep(ACCEPT_PAUSE.into()).await;
                }
            },
        }
    }
    // Nobody is accepted from here on.
    drop(source);
    end.send_replace(true);
    let began = Instant::now();
    let limit = server.meter.limits().of(Operation::Shutdown);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    let cut = match timeout(limit.into(), all_ended).await {
        Ok(()) => {
            server.meter.completed(Operation::Shutdown, began.elapsed().into());
            0
        }
        Err(_) => {
            let elapsed = Nanos::from(began.elapsed());
            let error = server.meter.timed_out(Operation::Shutdown, "open connections", elapsed);
            tracing::warn!(%error, open = connections.len(), "cutting what is still open");
            connections.len()
        }
    };
    connections.shutdown().await;
    cut
}

/// How long nothing is accepted after the system refused to.
const ACCEPT_PAUSE: Nanos = Nanos::from_millis(50);
