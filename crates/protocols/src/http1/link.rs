//! An established connection, plain or with TLS: requests in, response bytes out.

use std::io;
use std::task::{Context, Poll, ready};

use metrics::ErrorClass;

use super::{Buffers, READ_BYTES};
use crate::fault;
use crate::tls::{Session, TlsSetup};
use crate::transport::Stream;

/// A stream and, for `https`, the session on it.
#[derive(Debug)]
pub(super) struct Link<S> {
    stream: S,
    /// Boxed: a session is large, and plain connections must stay small.
    session: Option<Box<Session>>,
}

impl<S: Stream> Link<S> {
    /// A link over `stream`; a session with `tls` still has to shake hands.
    pub(super) fn new(stream: S, tls: Option<&TlsSetup>) -> Result<Self, rustls::Error> {
        let session = tls.map(Session::new).transpose()?.map(Box::new);
        Ok(Self { stream, session })
    }

    /// Ready once the handshake is over; at once without TLS.
    pub(super) fn poll_handshake(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
    ) -> Poll<Result<(), ErrorClass>> {
        match &mut self.session {
            None => Poll::Ready(Ok(())),
            Some(session) => session.poll_handshake(&mut self.stream, cx, buffers),
        }
    }

    /// Reads to the start of `buffers.plain`; 0 when no more will come.
    #[inline]
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
    ) -> Poll<Result<usize, ErrorClass>> {
        match &mut self.session {
            None => {
                let read = ready!(self.stream.poll_read(cx, &mut buffers.plain[..READ_BYTES]));
                Poll::Ready(read.map_err(|error| fault::while_open(&error)))
            }
            Some(session) => session.poll_read(&mut self.stream, cx, buffers),
        }
    }

    /// Sends what of `bytes` was not yet `written`; whether all of it is with the kernel.
    pub(super) fn send(&mut self, bytes: &[u8], written: &mut usize) -> Result<bool, ErrorClass> {
        if let Some(session) = &mut self.session {
            return session.send(&mut self.stream, bytes, written);
        }
        while *written < bytes.len() {
            match self.stream.try_write(&bytes[*written..]) {
                Ok(more) => *written += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(fault::while_open(&error)),
            }
        }
        Ok(true)
    }

    /// Ready when there may be room to send; an error shows when it is tried.
    pub(super) fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_write_ready(cx).map(|_| ())
    }

    /// Takes leave; the stream closes when the link is dropped.
    pub(super) fn close(&mut self) {
        if let Some(session) = &mut self.session {
            session.close(&mut self.stream);
        }
    }
}
