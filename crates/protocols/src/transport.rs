//! What carries bytes: the kernel's TCP, or memory for measurements without a kernel.

mod memory;
mod tcp;

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

pub use memory::{Memory, MemoryStream};
pub use tcp::Tcp;
pub(crate) use tcp::connect_and_wait;

/// Opens streams.
pub trait Transport: 'static {
    /// What it opens.
    type Stream: Stream;

    /// Begins to connect to `address`, which was found by looking up `name`; without one it was given.
    ///
    /// # Errors
    /// When it is clear at once that there will be no connection: with a [`Forbidden`](crate::Forbidden) inside when a
    /// policy is against it.
    fn connect(&mut self, name: Option<&str>, address: SocketAddr) -> io::Result<Self::Stream>;
}

/// A stream of bytes in both directions that never blocks.
pub trait Stream: 'static {
    /// Ready once the connection is established, or will not be.
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads into `buffer`; 0 when the peer will send no more.
    ///
    /// # Cost
    /// One system call per wake-up, as long as a read does not fill the buffer.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes from `bytes` as much as there is room for.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room; [`Stream::poll_write_ready`] tells when there is again.
    ///
    /// # Cost
    /// One system call.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Ready when there may be room to write.
    fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}
