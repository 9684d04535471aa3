//! A connection that speaks HTTP/2.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::uri::{Authority, Parts, PathAndQuery, Scheme as UriScheme, Uri};
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tower::Service;

use super::{Endpoint, Scheme};
use crate::listen::{KEEP_ALIVE, KEEP_ALIVE_ANSWER};
use crate::stream::FirstHeard;

/// Whether a connection asks its peer for signs of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pings {
    /// All the time, requests or not.
    Always,
    /// Not at all.
    Never,
}

/// One HTTP/2 connection: what a gRPC client sends its requests over. Clones share the connection, which ends with the
/// last of them and of their streams. One that broke stays broken.
pub struct Http2<B> {
    requests: SendRequest<B>,
    scheme: UriScheme,
    authority: Authority,
}

impl<B> Clone for Http2<B> {
    fn clone(&self) -> Self {
        Self {
            requests: self.requests.clone(),
            scheme: self.scheme.clone(),
            authority: self.authority.clone(),
        }
    }
}

impl<B> fmt::Debug for Http2<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http2({})", self.authority)
    }
}

impl<B> Http2<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Begins to speak; the peer's first words come later.
    pub(super) async fn over(
        io: FirstHeard,
        endpoint: &Endpoint,
        pings: Pings,
    ) -> Result<Self, hyper::Error> {
        let mut builder = Builder::new(TokioExecutor::new());
        if pings == Pings::Always {
            builder
                .keep_alive_interval(std::time::Duration::from(KEEP_ALIVE))
                .keep_alive_timeout(KEEP_ALIVE_ANSWER.into())
                .keep_alive_while_idle(true);
        }
        let (requests, connection) = builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(MAX_FRAME)
            .max_header_list_size(MAX_HEAD)
            .max_send_buf_size(STREAM_WINDOW as usize)
            .max_concurrent_streams(0)
            .handshake(TokioIo::new(io))
            .await?;
        // Ends with the connection, which its signs of life or its requests' limits bound; what broke it comes out of the requests.
        tokio::spawn(connection);
        let scheme = match endpoint.scheme() {
            Scheme::Http => UriScheme::HTTP,
            Scheme::Https => UriScheme::HTTPS,
        };
        let authority = Authority::try_from(endpoint.authority()).expect("an endpoint's host was checked");
        Ok(Self { requests, scheme, authority })
    }
}

impl<B> Service<Request<B>> for Http2<B>
where
    B: Body + Send + Unpin + 'static,
{
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.requests.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // HTTP/2 wants scheme and authority with every request; clients only know the path.
        let path = request.uri().path_and_query().cloned();
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        *request.uri_mut() = Uri::from_parts(parts).expect("scheme, authority and path make a URI");
        Box::pin(self.requests.send_request(request))
    }
}

/// Bytes that the peer may send on one stream before they are read.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// Bytes that the peer may send on the connection before they are read.
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
/// Bytes of a frame.
const MAX_FRAME: u32 = 64 * 1024;
/// Bytes of an answer's head.
const MAX_HEAD: u32 = 32 * 1024;
