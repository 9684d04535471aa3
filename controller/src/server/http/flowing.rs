//! Connections whose peers read what they asked for.
//!
//! hyper waits for ever for a peer that asks and then does not read: its place among connections and streams would be
//! lost to others. A connection on which nothing could be written for [`STALL_LIMIT`] ends.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use net::listen::{Accept, Duplex};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A source of such connections.
pub(crate) struct Flowing<A>(pub(crate) A);

impl<A: Accept + Sync> Accept for Flowing<A> {
    type Io = FlowingIo<A::Io>;

    async fn accept(&self) -> io::Result<(Self::Io, SocketAddr)> {
        let (io, address) = self.0.accept().await?;
        Ok((FlowingIo { io, stalled: None }, address))
    }
}

/// Such a connection.
pub(crate) struct FlowingIo<T> {
    io: T,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<T: Duplex> FlowingIo<T> {
    /// Hands on what came of a write, and ends the wait for a peer that takes nothing.
    fn watch<R>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL_LIMIT)));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: Duplex> AsyncRead for FlowingIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl<T: Duplex> AsyncWrite for FlowingIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Four times the distance of signs of life on a stream of events.
const STALL_LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_for_long_is_let_go_and_who_reads_now_and_then_is_not() {
        let (io, mut peer) = duplex(4);
        let mut flowing = FlowingIo { io, stalled: None };
        let writing = tokio::spawn(async move { flowing.write_all(&[7; 12]).await });
        let mut taken = [0; 4];
        // Twice the limit in all, and never the whole of it without a byte.
        for _ in 0..2 {
            sleep(STALL_LIMIT - Duration::from_secs(1)).await;
            peer.read_exact(&mut taken).await.unwrap();
        }
        assert!(writing.await.unwrap().is_ok(), "the last four bytes fit in");

        let (io, _peer) = duplex(4);
        let mut flowing = FlowingIo { io, stalled: None };
        let error = flowing.write_all(&[7; 12]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
