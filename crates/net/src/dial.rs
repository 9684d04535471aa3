//! Opening connections.
//!
//! One call is one attempt: the name is resolved anew, every part has its limit, and the error says which part failed
//! and why. Nothing reconnects by itself; when to try again is decided above.

mod endpoint;
mod http1;
mod http2;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub use endpoint::{Endpoint, EndpointError, Scheme};
pub use http1::{CallError, Http1, ReplyBody};
pub use http2::Http2;

use crate::deadline::{Meter, Operation, TimeoutError, within};
use crate::stream::{Duplex, FirstHeard};
use crate::tls::{HandshakeError, TLS_ALERT, TLS_RECORD};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// A part took too long.
    #[error(transparent)]
    Timeout(#[from] TimeoutError),
    /// The name has no address.
    #[error("cannot find the addresses of `{host}`")]
    Resolve {
        /// The name.
        host: String,
        /// What the system says; a name without any address has none.
        source: Option<io::Error>,
    },
    /// Nobody listens, or not for us.
    #[error("cannot connect to {endpoint} ({address})")]
    Connect {
        /// Where to.
        endpoint: Endpoint,
        /// The last address tried.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// `https` without settings for it, or `http` with them.
    #[error("{endpoint} is dialled {}; give the scheme that the controller prints", if *.tls { "with certificates, which `http://` has no use for" } else { "without certificates, which `https://` needs" })]
    Scheme {
        /// Where to.
        endpoint: Endpoint,
        /// Whether there are settings for TLS.
        tls: bool,
    },
    /// The peers do not get along.
    #[error("cannot talk to {endpoint}")]
    Handshake {
        /// Where to.
        endpoint: Endpoint,
        /// Why.
        source: HandshakeError,
    },
}

/// What is needed to open connections.
#[derive(Clone, Debug)]
pub struct Dialer {
    /// Settings for `https`; `None` dials `http`.
    pub tls: Option<Arc<ClientConfig>>,
    /// How long each part may take.
    pub meter: Arc<Meter>,
}

impl Dialer {
    /// Opens a connection that speaks HTTP/2, for a gRPC client, and waits for the peer's first bytes: a peer that
    /// refuses our certificate says so there.
    ///
    /// # Errors
    /// When there is none in time, or the peers do not get along.
    pub async fn http2<B>(&self, endpoint: &Endpoint) -> Result<Http2<B>, DialError>
    where
        B: hyper::body::Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.http2_over(self.tcp(endpoint).await?, endpoint).await
    }

    /// The same over bytes that lead to `endpoint` already.
    ///
    /// # Errors
    /// When the peers do not get along in time.
    pub async fn http2_over<B>(&self, io: impl Duplex, endpoint: &Endpoint) -> Result<Http2<B>, DialError>
    where
        B: hyper::body::Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (io, heard) = FirstHeard::new(self.secure(io, endpoint).await?);
        let fail = |source| DialError::Handshake { endpoint: endpoint.clone(), source };
        let opening = async {
            let connection = Http2::over(io, endpoint).await.map_err(|_| HandshakeError::Closed)?;
            match heard.await {
                // The length of the peer's settings, which come first, begins with a zero.
                Ok(Ok(0)) => Ok(connection),
                Ok(Ok(TLS_ALERT | TLS_RECORD)) => Err(HandshakeError::NotPlain),
                Ok(Ok(_)) => Err(HandshakeError::Protocol("HTTP/2")),
                Ok(Err(error)) => Err(HandshakeError::of_io(error)),
                // The connection ended without reading anything.
                Err(_) => Err(HandshakeError::Closed),
            }
        };
        let peer = endpoint.authority();
        within(&self.meter, Operation::Preface, &peer, opening).await?.map_err(fail)
    }

    /// Opens a connection that speaks HTTP/1, for the command line.
    ///
    /// # Errors
    /// When there is none in time, or the peers do not get along.
    pub async fn http1(&self, endpoint: &Endpoint) -> Result<Http1, DialError> {
        let io = self.tcp(endpoint).await?;
        let io = self.secure(io, endpoint).await?;
        Http1::over(io, endpoint, Arc::clone(&self.meter)).await
    }

    /// Opens a TCP connection to the first address of the endpoint that answers.
    async fn tcp(&self, endpoint: &Endpoint) -> Result<TcpStream, DialError> {
        let peer = endpoint.authority();
        let lookup = tokio::net::lookup_host((endpoint.host(), endpoint.port()));
        let unresolved = |source| DialError::Resolve { host: endpoint.host().to_owned(), source };
        let addresses: Vec<SocketAddr> = within(&self.meter, Operation::Resolve, &peer, lookup)
            .await?
            .map_err(|source| unresolved(Some(source)))?
            .collect();
        let connecting = async {
            let mut failure = unresolved(None);
            for address in addresses {
                match TcpStream::connect(address).await.and_then(|stream| {
                    stream.set_nodelay(true)?;
                    Ok(stream)
                }) {
                    Ok(stream) => return Ok(stream),
                    Err(source) => {
                        failure = DialError::Connect { endpoint: endpoint.clone(), address, source };
                    }
                }
            }
            Err(failure)
        };
        within(&self.meter, Operation::Connect, &peer, connecting).await?
    }

    /// Encrypts, if that is what the endpoint says.
    async fn secure(&self, io: impl Duplex, endpoint: &Endpoint) -> Result<Box<dyn Duplex>, DialError> {
        let config = match (endpoint.scheme(), &self.tls) {
            (Scheme::Http, None) => return Ok(Box::new(io)),
            (Scheme::Https, Some(config)) => Arc::clone(config),
            (_, tls) => return Err(DialError::Scheme { endpoint: endpoint.clone(), tls: tls.is_some() }),
        };
        let name = ServerName::try_from(endpoint.host().to_owned())
            .map_err(|_| DialError::Resolve { host: endpoint.host().to_owned(), source: None })?;
        let connecting = TlsConnector::from(config).connect(name, io);
        let tls = within(&self.meter, Operation::TlsHandshake, &endpoint.authority(), connecting)
            .await?
            .map_err(|error| DialError::Handshake {
                endpoint: endpoint.clone(),
                source: HandshakeError::of_io(error),
            })?;
        Ok(Box::new(tls))
    }
}
