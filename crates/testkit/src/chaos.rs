//! A bad network between two good peers: a proxy that delays, slows, slices, holds back and cuts what passes.
//!
//! TCP loses nothing for good: what a partition swallows is sent again when it is over. So a partition here is
//! [`Flow::is_held`]: bytes, ends of streams and new connections wait, and come when it is released, unless their
//! connection was given up meanwhile. Delays are drawn from a seed; everything may be changed while bytes pass.
//!
//! ```
//! use std::io::Write;
//! use loadgen_testkit::chaos::{Flow, Proxy};
//! use loadgen_testkit::hostile::{Behaviour, Server};
//!
//! let server = Server::start(Behaviour::good());
//! let proxy = Proxy::start(server.address(), 1);
//! proxy.shape(Flow { slice: Some(1), ..Flow::default() });
//! let mut client = std::net::TcpStream::connect(proxy.address())?;
//! client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
//! server.await_requests(1);
//! # Ok::<(), std::io::Error>(())
//! ```

mod pipe;
mod weather;

pub use weather::{Cut, Flow, Traffic, Way};

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::acceptor::Acceptor;
use weather::Weather;

/// A proxy on a free port of the loopback address. Ends when dropped, and all connections with it.
#[derive(Debug)]
pub struct Proxy {
    weather: Arc<Weather>,
    acceptor: Acceptor,
}

impl Proxy {
    /// Starts a proxy that leads to `upstream` and changes nothing yet. The jitter of delays is drawn from `seed`.
    ///
    /// # Panics
    /// When the kernel has no port left.
    pub fn start(upstream: SocketAddr, seed: u64) -> Self {
        let weather = Arc::new(Weather::new(seed));
        let seen = Arc::clone(&weather);
        let acceptor = Acceptor::start(move |client, number, _| carry(client, number, upstream, &seen));
        Self { weather, acceptor }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.acceptor.address()
    }

    /// Lets both directions of all connections, also of those to come, flow like this.
    pub fn shape(&self, flow: Flow) {
        self.weather.change(|state| state.flows = [flow; 2]);
    }

    /// Lets one direction of all connections flow like this.
    pub fn shape_way(&self, way: Way, flow: Flow) {
        self.weather.change(|state| state.flows[way.index()] = flow);
    }

    /// Lets both directions of one connection flow like this, whatever holds for the others.
    pub fn shape_one(&self, connection: u64, flow: Flow) {
        self.weather.change(|state| {
            if let Some(one) = state.connections.get_mut(&connection) {
                one.flow = Some(flow);
            }
        });
    }

    /// Ends the connections that are open now, but for bytes that wait already.
    pub fn cut(&self, cut: Cut) {
        self.weather.change(|state| {
            for connection in state.connections.values_mut().filter(|connection| connection.traffic.is_open) {
                connection.cut = Some(cut);
            }
        });
    }

    /// Resets every connection, also one to come, once so many bytes in all have passed over it; `None` for never.
    pub fn cut_after(&self, bytes: Option<u64>) {
        self.weather.change(|state| state.cut_after = bytes);
    }

    /// Ends connections on which nothing has passed for so long, as proxies do; `None` for never.
    pub fn cut_idle(&self, limit: Option<Duration>) {
        self.weather.change(|state| state.idle_limit = limit);
    }

    /// All connections so far, in order.
    pub fn connections(&self) -> Vec<Traffic> {
        self.weather.look(|state| state.connections.values().map(|connection| connection.traffic).collect())
    }

    /// The open connection over which the most bytes have gone to the server.
    pub fn busiest(&self) -> Option<Traffic> {
        let open = self.connections().into_iter().filter(|traffic| traffic.is_open);
        open.max_by_key(|traffic| traffic.to_server)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.weather.change(|state| state.is_stopping = true);
    }
}

/// Carries a connection to its end, on a thread for every end of both directions.
fn carry(client: &TcpStream, number: u64, upstream: SocketAddr, weather: &Weather) {
    weather.opened(number);
    // A connection that cannot come through because of a partition is not refused: it waits.
    if weather.wait_for_passage(number)
        && let Ok(server) = TcpStream::connect(upstream)
    {
        let ends = [client, &server].map(pipe::prepare);
        if ends.iter().all(Result::is_ok) {
            let (up, down) = (pipe::Pipe::default(), pipe::Pipe::default());
            std::thread::scope(|threads| {
                threads.spawn(|| pipe::read(client, &up, weather, number, Way::ToServer));
                threads.spawn(|| pipe::read(&server, &down, weather, number, Way::ToClient));
                threads.spawn(|| pipe::write(&server, &up, weather, number, Way::ToServer));
                pipe::write(client, &down, weather, number, Way::ToClient);
            });
            if weather.cut(number) == Some(Cut::Reset) {
                for end in [client, &server] {
                    // Fails only on a connection that is gone already.
                    let _ = rustix::net::sockopt::set_socket_linger(end, Some(Duration::ZERO));
                }
            } else {
                // Somebody else may hold a handle still.
                let _ = client.shutdown(Shutdown::Both);
            }
        }
    }
    weather.closed(number);
}

#[cfg(test)]
mod tests;
