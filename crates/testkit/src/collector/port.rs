//! A port that is the collector's also while nobody listens at it.
//!
//! Otherwise the kernel gives it to whoever asks for a free one: a client that dials a collector that is down would then
//! reach another test's, or itself, as a client that gets the port it dials is connected to itself.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// A port of the loopback address.
#[derive(Debug)]
pub(super) struct Port {
    address: SocketAddr,
    /// Bound, and never listened at: who dials it is refused.
    _place: TcpSocket,
}

impl Port {
    /// Takes a free one.
    pub(super) fn take() -> Self {
        let place = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let address = place.local_addr().expect("a bound socket has an address");
        Self { address, _place: place }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens at it; whoever dials is refused again when the listener is dropped.
    pub(super) fn listen(&self) -> TcpListener {
        bound(self.address).listen(BACKLOG).expect("a bound socket can be listened at")
    }
}

/// A socket that shares its port with others of ours.
fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("the kernel has a socket left");
    socket.set_reuseaddr(true).expect("an option of any socket");
    socket.set_reuseport(true).expect("an option of any socket");
    socket.bind(address).expect("the port is free, or our own");
    socket
}

/// Connections that wait to be taken.
const BACKLOG: u32 = 1_024;

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_port_refuses_while_nobody_listens_and_stays_ones_own() {
        let port = Port::take();
        for _ in 0..3 {
            let refused = TcpStream::connect(port.address()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            let others: Vec<_> =
                (0..100).map(|_| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
            assert!(others.iter().all(|other| other.local_addr().unwrap() != port.address()));
            let listener = port.listen();
            let dialled = TcpStream::connect(port.address()).unwrap();
            let (_, client) = listener.accept().await.unwrap();
            assert_eq!(client, dialled.local_addr().unwrap());
        }
    }
}
