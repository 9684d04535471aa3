//! Addresses on which nobody answers.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};

/// A port that refuses connections for as long as this lives: nobody else can be given it meanwhile.
#[derive(Debug)]
pub struct ClosedPort {
    address: SocketAddr,
    _bound: OwnedFd,
}

impl ClosedPort {
    /// The address that refuses.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Takes a port that refuses connections.
///
/// # Panics
/// When the kernel has no port left.
pub fn closed_port() -> ClosedPort {
    let (address, bound) = bound_socket();
    ClosedPort { address, _bound: bound }
}

/// A port whose backlog is full: handshakes are left unanswered, so connecting takes until the client's timeout.
#[derive(Debug)]
pub struct SilentPort {
    address: SocketAddr,
    _listening: OwnedFd,
    _waiting: Vec<TcpStream>,
}

impl SilentPort {
    /// The address that leaves handshakes unanswered.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Takes a port that leaves handshakes unanswered.
///
/// # Panics
/// When the kernel has no port left, or goes on accepting connections for a socket with a backlog of none.
pub fn silent_port() -> SilentPort {
    const ENOUGH: usize = 64;
    let (address, listening) = bound_socket();
    listen(&listening, 0).expect("a bound socket can listen");
    let mut waiting = Vec::new();
    // The kernel lets in one more than the backlog; then a handshake is dropped, and tried again after a second.
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        waiting.push(stream);
        assert!(waiting.len() < ENOUGH, "the backlog of {address} is never full");
    }
    SilentPort { address, _listening: listening, _waiting: waiting }
}

fn bound_socket() -> (SocketAddr, OwnedFd) {
    let bound = socket(AddressFamily::INET, SocketType::STREAM, None).expect("tests may open sockets");
    bind(&bound, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("the kernel has a port left");
    let address = getsockname(&bound).expect("a bound socket has a name");
    (SocketAddr::V4(address.try_into().expect("an IPv4 socket has an IPv4 name")), bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    #[test]
    fn a_closed_port_refuses() {
        let port = closed_port();
        assert_eq!(TcpStream::connect(port.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_silent_port_leaves_the_handshake_unanswered() {
        let port = silent_port();
        let error = TcpStream::connect_timeout(&port.address(), Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
