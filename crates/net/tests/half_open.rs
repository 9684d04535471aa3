//! A peer that vanishes without a word is found out on both sides, within keepalive's interval and timeout.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use loadgen_net::deadline::{Limits, Meter};
use loadgen_net::dial::{Dialer, Endpoint, Http2};
use loadgen_net::listen::{Accept, Caps, ListenCounts, Protocol, Security, Server, serve};
use tokio::time::{Instant, sleep, timeout};
use tower::{Service as _, ServiceExt as _, service_fn};
use turmoil::net::{TcpListener, TcpStream};

/// Interval and timeout of keepalive, and some of the simulated network's delays.
const FOUND_WITHIN: Duration = Duration::from_secs(17);

struct Simulated(TcpListener);

impl Accept for Simulated {
    type Io = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.accept().await
    }
}

/// Counts the requests that are being answered.
struct Answering(Arc<AtomicUsize>);

impl Answering {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn until(reached: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    let waited = async {
        while !reached() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(100), waited).await.unwrap();
    began.elapsed()
}

#[test]
fn a_peer_behind_a_cut_is_found_out_on_both_sides() {
    let answering = Arc::<AtomicUsize>::default();
    let mut sim = turmoil::Builder::new().simulation_duration(Duration::from_secs(200)).build();
    let seen = Arc::clone(&answering);
    sim.host("controller", move || {
        let seen = Arc::clone(&seen);
        async move {
            let never = service_fn(move |_: Request<_>| {
                let answering = Answering::new(&seen);
                async move {
                    let _answering = answering;
                    std::future::pending::<()>().await;
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
                }
            });
            let server = Server {
                protocol: Protocol::Http2,
                security: Security::Plain,
                caps: Caps::default(),
                meter: Arc::new(Meter::new(Limits::default())),
                counts: Arc::<ListenCounts>::default(),
            };
            let listener = Simulated(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 7700)).await?);
            serve(server, listener, never, std::future::pending()).await;
            Ok(())
        }
    });
    sim.client("worker", async move {
        let endpoint: Endpoint = "http://controller:7700".parse()?;
        let dialer = Dialer { tls: None, meter: Arc::new(Meter::new(Limits::default())) };
        let io = TcpStream::connect(("controller", 7700)).await?;
        let mut connection: Http2<Full<Bytes>> = dialer.http2_over(io, &endpoint).await?;
        let request = Request::post("/").body(Full::default())?;
        let answer = connection.ready().await?.call(request);
        let answer = tokio::spawn(answer);
        until(|| answering.load(Ordering::Relaxed) == 1).await;

        turmoil::partition("controller", "worker");
        let began = Instant::now();
        assert!(timeout(Duration::from_secs(100), answer).await??.is_err());
        assert!(began.elapsed() < FOUND_WITHIN, "the worker took {:?}", began.elapsed());
        until(|| answering.load(Ordering::Relaxed) == 0).await;
        assert!(began.elapsed() < FOUND_WITHIN, "the controller took {:?}", began.elapsed());
        Ok(())
    });
    sim.run().unwrap();
}
