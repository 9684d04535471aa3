//! A connection that speaks HTTP/1, for the command line.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;

use super::{DialError, Endpoint};
use crate::deadline::{Meter, Operation, TimeoutError, within};
use crate::stream::Duplex;
use crate::tls::HandshakeError;

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It took too long.
    #[error(transparent)]
    Timeout(#[from] TimeoutError),
    /// The peer refused the connection after all: its word on our certificate comes with its first answer.
    #[error("cannot talk to {peer}")]
    Handshake {
        /// The peer.
        peer: String,
        /// Why.
        source: HandshakeError,
    },
    /// The connection broke.
    #[error("the connection to {peer} broke")]
    Broken {
        /// The peer.
        peer: String,
        /// How.
        source: hyper::Error,
    },
    /// The answer is too long.
    #[error("the answer of {peer} is longer than {limit} bytes")]
    TooLong {
        /// The peer.
        peer: String,
        /// How long it may be.
        limit: usize,
    },
}

/// One HTTP/1 connection, for one request after another.
#[derive(Debug)]
pub struct Http1 {
    requests: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    peer: Arc<str>,
    meter: Arc<Meter>,
}

impl Http1 {
    pub(super) async fn over(
        io: Box<dyn Duplex>,
        endpoint: &Endpoint,
        meter: Arc<Meter>,
    ) -> Result<Self, DialError> {
        let (requests, connection) = Builder::new()
            .max_headers(64)
            .max_buf_size(64 * 1024)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|_| DialError::Handshake {
                endpoint: endpoint.clone(),
                source: HandshakeError::Closed,
            })?;
        // Ends with the last request or its answer; what broke it comes out of them.
        tokio::spawn(connection);
        let authority = endpoint.authority();
        let host = HeaderValue::from_str(&authority).expect("an endpoint's host was checked");
        Ok(Self { requests, host, peer: authority.into(), meter })
    }

    /// Sends a request, whose URI is a path, and waits for the head of the answer: at most [`Operation::ApiCall`].
    ///
    /// # Errors
    /// When there is no answer in time, or the connection breaks. The request may have had its effect then.
    pub async fn call(&mut self, request: Request<Bytes>) -> Result<Response<ReplyBody>, CallError> {
        let mut request = request.map(Full::new);
        request.headers_mut().insert(HOST, self.host.clone());
        let calling = async {
            self.requests.ready().await?;
            self.requests.send_request(request).await
        };
        let response = within(&self.meter, Operation::ApiCall, &self.peer, calling)
            .await?
            .map_err(|error| broken(&self.peer, error))?;
        Ok(response.map(|body| ReplyBody {
            body,
            peer: Arc::clone(&self.peer),
            meter: Arc::clone(&self.meter),
        }))
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct ReplyBody {
    body: Incoming,
    peer: Arc<str>,
    meter: Arc<Meter>,
}

impl ReplyBody {
    /// Waits for the next bytes, however long that takes; `None` at the end. For a stream of events, which bounds the
    /// wait by its own signs of life.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, CallError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| broken(&self.peer, error))?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Waits for the whole body, of at most `limit` bytes, no longer than [`Operation::ApiBody`].
    ///
    /// # Errors
    /// When it is longer, takes longer or the connection breaks.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, CallError> {
        let (meter, peer) = (Arc::clone(&self.meter), Arc::clone(&self.peer));
        let collecting = async {
            let mut whole = BytesMut::new();
            while let Some(bytes) = self.chunk().await? {
                if whole.len() + bytes.len() > limit {
                    return Err(CallError::TooLong { peer: self.peer.to_string(), limit });
                }
                whole.extend_from_slice(&bytes);
            }
            Ok(whole.freeze())
        };
        within(&meter, Operation::ApiBody, &peer, collecting).await?
    }
}

fn broken(peer: &str, error: hyper::Error) -> CallError {
    let peer = peer.to_owned();
    match HandshakeError::find(&error) {
        Some(source) => CallError::Handshake { peer, source },
        None => CallError::Broken { peer, source: error },
    }
}
