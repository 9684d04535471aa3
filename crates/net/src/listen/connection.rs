//! One accepted connection, from its first byte to its last.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower::Service;
use tower::util::{Oneshot, ServiceExt as _};
use units::Nanos;

use super::admission::Admission;
use super::{Peer, Protocol, Security, Server};
use crate::deadline::{Operation, TimeoutError, within};
use crate::identity::CertificateFacts;
use crate::stream::{Duplex, ReadAhead};
use crate::tls::{HandshakeError, TLS_RECORD};

pub(super) struct Connection {
    pub(super) server: Server,
    pub(super) address: SocketAddr,
    pub(super) admission: Admission,
    pub(super) ending: watch::Receiver<bool>,
}

/// Why a connection came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Timeout(#[from] TimeoutError),
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

impl Connection {
    /// Serves the connection to its end.
    pub(super) async fn run<S, B>(mut self, io: Box<dyn Duplex>, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let mut ending = self.ending.clone();
        let opened = tokio::select! {
            biased;
            // Whoever has not said anything yet loses nothing.
            () = told(&mut ending) => return,
            opened = self.open(io) => opened,
        };
        let counts = &self.server.counts;
        let (io, peer) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                match &error {
                    Failure::Timeout(_) => counts.timed_out(),
                    Failure::Handshake(_) => counts.handshake_failed(),
                }
                tracing::debug!(peer = %self.address, error = &error as &dyn StdError, "connection refused");
                return;
            }
        };
        counts.established();
        // Where certificates are shown, one without can get its own here, and is in nobody's way until it has it.
        let is_guest =
            matches!((&self.server.security, self.server.protocol), (Security::Tls(_), Protocol::Http2))
                && peer.certificate.is_none();
        if !is_guest {
            self.admission.established();
        }
        let service = WithPeer { service, peer };
        match self.server.protocol {
            Protocol::Http2 => {
                let connection = http2_settings(is_guest).serve_connection(TokioIo::new(io), service);
                let mut connection = std::pin::pin!(connection);
                let ended = tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = told(&mut self.ending) => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                };
                self.log(ended);
            }
            Protocol::Http1 => {
                let head = self.server.meter.limits().of(Operation::RequestHead);
                let connection = http1_settings(head).serve_connection(TokioIo::new(io), service);
                let mut connection = std::pin::pin!(connection);
                let ended = tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = told(&mut self.ending) => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                };
                self.log(ended);
            }
        }
    }

    /// Does what comes before the first request.
    async fn open(&self, io: Box<dyn Duplex>) -> Result<(ReadAhead, Peer), Failure> {
        let meter = &self.server.meter;
        let who = self.address.to_string();
        let mut peer = Peer { address: self.address, certificate: None };
        let io: Box<dyn Duplex> = match &self.server.security {
            Security::Plain => io,
            Security::Tls(config) => {
                let accept = TlsAcceptor::from(Arc::clone(config)).accept(io);
                let tls = within(meter, Operation::TlsHandshake, &who, accept)
                    .await?
                    .map_err(HandshakeError::of_io)?;
                let certificate = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
                peer.certificate = match certificate.map(CertificateFacts::read) {
                    None => None,
                    Some(Ok(facts)) => Some(Arc::new(facts)),
                    Some(Err(_)) => return Err(HandshakeError::Purpose.into()),
                };
                Box::new(tls)
            }
        };
        let wanted = match self.server.protocol {
            Protocol::Http2 => PREFACE.len(),
            Protocol::Http1 => 1,
        };
        let io = within(meter, Operation::Preface, &who, ReadAhead::new(io, wanted))
            .await?
            .map_err(HandshakeError::of_io)?;
        match self.server.protocol {
            _ if io.ahead()[0] == TLS_RECORD => Err(HandshakeError::NotPlain.into()),
            Protocol::Http2 if io.ahead() != PREFACE => Err(HandshakeError::Protocol("HTTP/2").into()),
            _ => Ok((io, peer)),
        }
    }

    fn log(&self, ended: Result<(), hyper::Error>) {
        if let Err(error) = ended {
            tracing::debug!(peer = %self.address, error = &error as &dyn StdError, "connection broke");
        }
    }
}

/// Waits for the word that the listener ends; one that is gone has ended.
async fn told(ending: &mut watch::Receiver<bool>) {
    let _ = ending.wait_for(|ending| *ending).await;
}

/// Tells the service who calls.
struct WithPeer<S> {
    service: S,
    peer: Peer,
}

impl<S: Service<Request<Incoming>> + Clone> hyper::service::Service<Request<Incoming>> for WithPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Oneshot<S, Request<Incoming>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer.clone());
        self.service.clone().oneshot(request)
    }
}

/// HTTP/2 with a bound on everything a peer can make us keep.
fn http2_settings(is_guest: bool) -> http2::Builder<TokioExecutor> {
    let mut settings = http2::Builder::new(TokioExecutor::new());
    let (streams, stream_window, connection_window) = if is_guest {
        (GUEST_STREAMS, GUEST_WINDOW, GUEST_WINDOW)
    } else {
        (MAX_STREAMS, STREAM_WINDOW, CONNECTION_WINDOW)
    };
    settings
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        .max_header_list_size(MAX_HEAD)
        .header_table_size(4096)
        .max_frame_size(MAX_FRAME)
        .initial_stream_window_size(stream_window)
        .initial_connection_window_size(connection_window)
        .max_send_buf_size(STREAM_WINDOW as usize)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1024)
        .keep_alive_interval(std::time::Duration::from(KEEP_ALIVE))
        .keep_alive_timeout(KEEP_ALIVE_ANSWER.into());
    settings
}

/// HTTP/1 with a bound on the head, in bytes and in time; bodies are the service's to bound.
fn http1_settings(head: Nanos) -> http1::Builder {
    let mut settings = http1::Builder::new();
    settings
        .timer(TokioTimer::new())
        .header_read_timeout(std::time::Duration::from(head))
        .max_headers(64)
        .max_buf_size(MAX_HEAD as usize)
        .half_close(false);
    settings
}

/// What every HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Requests at once on one connection: a worker has three.
const MAX_STREAMS: u32 = 32;
/// Bytes of a request's head.
const MAX_HEAD: u32 = 32 * 1024;
/// Bytes of a frame: what is larger comes in several, and a short message does not wait for a long one.
const MAX_FRAME: u32 = 64 * 1024;
/// Bytes that a peer may send on one stream before they are read.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// Bytes that a peer may send on one connection before they are read.
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
/// Requests at once of one who has proven nothing.
const GUEST_STREAMS: u32 = 4;
/// Bytes that one who has proven nothing may send before they are read: HTTP/2's own default, below which no
/// connection can go.
const GUEST_WINDOW: u32 = 65_535;
/// From one sign of life to the next.
pub(crate) const KEEP_ALIVE: Nanos = Nanos::from_secs(10);
/// How long a peer may take to answer one.
pub(crate) const KEEP_ALIVE_ANSWER: Nanos = Nanos::from_secs(5);
