//! Byte streams under HTTP: plain or TLS, with a few bytes read ahead, or with an ear on the first ones.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

/// A stream of which some bytes were read already.
pub(crate) struct ReadAhead {
    ahead: Vec<u8>,
    taken: usize,
    io: Box<dyn Duplex>,
}

impl ReadAhead {
    /// Waits for the first `len` bytes of `io`.
    pub(crate) async fn new(mut io: Box<dyn Duplex>, len: usize) -> io::Result<Self> {
        let mut ahead = vec![0; len];
        io.read_exact(&mut ahead).await?;
        Ok(Self { ahead, taken: 0, io })
    }

    /// The bytes that were read.
    pub(crate) fn ahead(&self) -> &[u8] {
        &self.ahead
    }
}

impl AsyncRead for ReadAhead {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = &self.ahead[self.taken..];
        if left.is_empty() {
            return Pin::new(&mut self.io).poll_read(context, into);
        }
        let len = left.len().min(into.remaining());
        into.put_slice(&left[..len]);
        self.taken += len;
        Poll::Ready(Ok(()))
    }
}

/// A stream that tells, once, what came of the first read: the first byte, or why there is none.
pub(crate) struct FirstHeard {
    io: Box<dyn Duplex>,
    tell: Option<oneshot::Sender<io::Result<u8>>>,
}

impl FirstHeard {
    pub(crate) fn new(io: Box<dyn Duplex>) -> (Self, oneshot::Receiver<io::Result<u8>>) {
        let (tell, heard) = oneshot::channel();
        (Self { io, tell: Some(tell) }, heard)
    }
}

impl AsyncRead for FirstHeard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(context, into) else {
            return Poll::Pending;
        };
        let Some(tell) = self.tell.take() else { return Poll::Ready(read) };
        let (heard, read) = match (read, into.filled().get(before)) {
            (Ok(()), Some(first)) => (Ok(*first), Ok(())),
            (Ok(()), None) => (Err(io::ErrorKind::UnexpectedEof.into()), Ok(())),
            // The reason goes to who opens the connection; hyper only has to know that it is over.
            (Err(error), _) => {
                let kind = error.kind();
                (Err(error), Err(kind.into()))
            }
        };
        // Nobody listens any more when opening was given up.
        let _ = tell.send(heard);
        Poll::Ready(read)
    }
}

/// Writing goes straight through.
macro_rules! writes_through {
    ($stream:ty) => {
        impl AsyncWrite for $stream {
            fn poll_write(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.io).poll_write(context, bytes)
            }

            fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.io).poll_flush(context)
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.io).poll_shutdown(context)
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.io).poll_write_vectored(context, bytes)
            }

            fn is_write_vectored(&self) -> bool {
                self.io.is_write_vectored()
            }
        }
    };
}

writes_through!(ReadAhead);
writes_through!(FirstHeard);
