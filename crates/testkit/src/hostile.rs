//! Servers that do to a client what a script says, however wrong it is.
//!
//! ```
//! use std::io::Read;
//! use loadgen_testkit::hostile::{Behaviour, Server};
//!
//! let server = Server::start(Behaviour::close_at_once());
//! let mut client = std::net::TcpStream::connect(server.address())?;
//! assert_eq!(client.read(&mut [0])?, 0);
//! # Ok::<(), std::io::Error>(())
//! ```

mod behaviour;
mod play;

pub use behaviour::{Behaviour, End, Step};

use std::net::SocketAddr;

use crate::acceptor::Acceptor;

/// A server that shows the same behaviour on every connection, or one after the other. Ends when dropped.
#[derive(Debug)]
pub struct Server {
    acceptor: Acceptor,
}

impl Server {
    /// Starts a server on a free port of the loopback address.
    ///
    /// # Panics
    /// When the kernel has no port left.
    pub fn start(behaviour: Behaviour) -> Self {
        Self::start_in_turn(vec![behaviour])
    }

    /// Starts a server that meets its n-th connection with the n-th behaviour, and all further ones with the last.
    ///
    /// # Panics
    /// When there is no behaviour, or the kernel has no port left.
    pub fn start_in_turn(behaviours: Vec<Behaviour>) -> Self {
        assert!(!behaviours.is_empty(), "a server behaves somehow");
        let acceptor = Acceptor::start(move |stream, number, shared| {
            let turn = usize::try_from(number).unwrap_or(usize::MAX).min(behaviours.len() - 1);
            play::play(&behaviours[turn], stream, shared);
        });
        Self { acceptor }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.acceptor.address()
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.acceptor.accepted()
    }

    /// Requests whose head was read so far.
    pub fn requests(&self) -> u64 {
        self.acceptor.requests()
    }

    /// Returns once the heads of so many requests have been read.
    ///
    /// # Panics
    /// When that has not happened within 30 s.
    pub fn await_requests(&self, count: u64) {
        self.acceptor.await_requests(count);
    }
}

#[cfg(test)]
mod tests;
