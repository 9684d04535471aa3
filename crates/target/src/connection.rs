//! One connection: its socket behind the gate of the stalls, and its end.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use units::{Clock, MonotonicClock, Timestamp};

use crate::shard::Shard;
use crate::sleeper::Sleep;

/// When a request arrived: its head has been read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived(pub(crate) Timestamp);

/// A handler's means to end its connection without an answer.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    asked: Notify,
    reset: AtomicBool,
}

impl Cut {
    /// Ends the connection, with an RST or else with a FIN. What the handler answers afterwards is lost.
    pub(crate) fn ask(&self, reset: bool) {
        self.reset.store(reset, Ordering::Relaxed);
        self.asked.notify_one();
    }
}

/// Serves a connection to its end and counts it.
pub(crate) async fn serve(shard: Arc<Shard>, routes: Router, stream: TcpStream) {
    shard.tally().connect();
    let _open = Open(&shard);
    // Without it small answers wait for acknowledgements. It fails only on a connection that is gone already.
    let _ = stream.set_nodelay(true);
    let cut = Arc::new(Cut::default());
    let io = TokioIo::new(Gated {
        stream,
        shard: Arc::clone(&shard),
        cut: Arc::clone(&cut),
        read: None,
        write: None,
    });
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let arrived = MonotonicClock.now();
        let id = shard.tally().arrive(request.uri().path(), arrived);
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(Arrived(arrived));
        request.extensions_mut().insert(Arc::clone(&cut));
        let (answer, shard) = (routes.call(request), &shard);
        async move {
            let response = answer.await;
            if let Ok(response) = &response {
                shard.tally().answer(id, response.status().as_u16());
            }
            response
        }
    });
    tokio::select! {
        // How a connection ends is the client's business: what was counted says it all.
        _ = http1::Builder::new().serve_connection(io, service) => {}
        () = cut.asked.notified() => {}
    }
}

/// Counts a connection as open while it lives, also when its task is dropped.
struct Open<'a>(&'a Shard);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.tally().disconnect();
    }
}

/// A socket that neither reads nor writes during a stall.
struct Gated {
    stream: TcpStream,
    shard: Arc<Shard>,
    cut: Arc<Cut>,
    read: Option<Sleep>,
    write: Option<Sleep>,
}

/// Ready when the server does not stand still.
fn poll_open(shard: &Shard, waiting: &mut Option<Sleep>, cx: &mut Context<'_>) -> Poll<()> {
    loop {
        let Some(until) = shard.shared.gate.closed_until(MonotonicClock.now()) else {
            *waiting = None;
            return Poll::Ready(());
        };
        if waiting.as_ref().is_none_or(|sleep| sleep.at() != until) {
            *waiting = Some(shard.sleeper.until(until));
        }
        if let Some(sleep) = waiting {
            ready!(Pin::new(sleep).poll(cx));
        }
    }
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(poll_open(&this.shard, &mut this.read, cx));
        Pin::new(&mut this.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(poll_open(&this.shard, &mut this.write, cx));
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(poll_open(&this.shard, &mut this.write, cx));
        Pin::new(&mut this.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(poll_open(&this.shard, &mut this.write, cx));
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        if self.cut.reset.load(Ordering::Relaxed) {
            // Fails only on a connection that is gone already.
            let _ = self.stream.set_zero_linger();
        }
    }
}
