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
use http2::Pings;

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

    /// The same without signs of life between requests, for a server that is not ours: those of others end the
    /// connections of clients that ping more often than every five minutes (gRPC's `too_many_pings`). Whoever sends a
    /// request bounds its time.
    ///
    /// # Errors
    /// When there is none in time, or the peers do not get along.
    pub async fn http2_without_pings<B>(&self, endpoint: &Endpoint) -> Result<Http2<B>, DialError>
    where
        B: hyper::body::Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.open_http2(self.tcp(endpoint).await?, endpoint, Pings::Never).await
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
        self.open_http2(io, endpoint, Pings::Always).await
    }

    async fn open_http2<B>(
        &self,
        io: impl Duplex,
        endpoint: &Endpoint,
        pings: Pings,
    ) -> Result<Http2<B>, DialError>
    where
        B: hyper::body::Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (io, heard) = FirstHeard::new(self.secure(io, endpoint).await?);
        let fail = |source| DialError::Handshake { endpoint: endpoint.clone(), source };
        let opening = async {
            let connection = Http2::over(io, endpoint, pings).await.map_err(|_| HandshakeError::Closed)?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::timeout;

    use super::*;
    use crate::deadline::Limits;

    /// The types of the frames after the client's preface.
    fn frame_types(mut bytes: &[u8]) -> Vec<u8> {
        bytes = bytes.strip_prefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let mut types = Vec::new();
        while let [high, middle, low, kind, ..] = *bytes {
            types.push(kind);
            let len = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            bytes = &bytes[(9 + len).min(bytes.len())..];
        }
        types
    }

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_are_asked_for_unless_the_server_is_not_ours() {
        const PING: u8 = 6;
        let dialer = Dialer { tls: None, meter: Arc::new(Meter::new(Limits::default())) };
        let endpoint: Endpoint = "http://peer:1".parse().unwrap();
        for (pings, expected) in [(Pings::Always, true), (Pings::Never, false)] {
            let (ours, mut theirs) = duplex(64 * 1024);
            let empty_settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
            theirs.write_all(&empty_settings).await.unwrap();
            let _open: Http2<Full<Bytes>> = dialer.open_http2(ours, &endpoint, pings).await.unwrap();
            let mut heard = Vec::new();
            let listening = async { while theirs.read_buf(&mut heard).await.unwrap() > 0 {} };
            // Without pings nothing more comes, and nothing ends the connection.
            assert_eq!(timeout(Duration::from_secs(600), listening).await.is_ok(), expected);
            assert_eq!(frame_types(&heard).contains(&PING), expected);
        }
    }
}
