//! TCP through the kernel and tokio's driver: the only place from which connections to targets are opened.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::{Stream, Transport};
use crate::policy::TargetPolicy;

/// Opens TCP connections on the runtime it is used in, which must have its I/O driver on.
///
/// The registration with epoll is edge-triggered, made once per connection and never changed.
#[derive(Clone, Debug)]
pub struct Tcp {
    policy: Arc<TargetPolicy>,
}

impl Tcp {
    /// Opens connections where `policy` allows it.
    pub fn new(policy: Arc<TargetPolicy>) -> Self {
        Self { policy }
    }
}

/// Connects to `address`, which was found by looking up `name`, and waits for it for `limit` at most.
pub(crate) fn connect_and_wait(
    policy: &TargetPolicy,
    name: Option<&str>,
    address: SocketAddr,
    limit: Duration,
) -> io::Result<std::net::TcpStream> {
    allow(policy, name, address)?;
    std::net::TcpStream::connect_timeout(&address, limit)
}

fn allow(policy: &TargetPolicy, name: Option<&str>, address: SocketAddr) -> io::Result<()> {
    policy
        .check(name, address)
        .map_err(|forbidden| io::Error::new(io::ErrorKind::PermissionDenied, forbidden))
}

impl Transport for Tcp {
    type Stream = TcpStream;

    fn connect(&mut self, name: Option<&str>, address: SocketAddr) -> io::Result<TcpStream> {
        allow(&self.policy, name, address)?;
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        // A request leaves in one write: waiting for more to send with it would only be late.
        sockopt::set_tcp_nodelay(&socket, true)?;
        match connect(&socket, &address) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS | rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        // Registered only now: epoll reports a socket that was never connected as hung up.
        TcpStream::from_std(socket.into())
    }
}

impl Stream for TcpStream {
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(TcpStream::poll_write_ready(self, cx))?;
        Poll::Ready(match self.take_error()? {
            Some(error) => Err(error),
            None => Ok(()),
        })
    }

    // `poll_read` forgets readiness after a short read, so the next call waits without asking the kernel again;
    // `try_read` would pay for one EAGAIN per response.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(AsyncRead::poll_read(Pin::new(self), cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TcpStream::try_write(self, bytes)
    }

    fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        TcpStream::poll_write_ready(self, cx)
    }
}
