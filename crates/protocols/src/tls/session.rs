//! One TLS session over a stream that never blocks.

use std::io::{self, Read, Write};
use std::task::{Context, Poll, ready};

use metrics::ErrorClass;
use rustls::ClientConnection;

use super::TlsSetup;
use crate::fault;
use crate::http1::Buffers;
use crate::transport::Stream;

/// The client's side of a session. Ciphertext passes through buffers shared by all sessions of the thread.
#[derive(Debug)]
pub(crate) struct Session {
    connection: ClientConnection,
    /// The peer said that nothing more will come.
    closed: bool,
}

impl Session {
    pub(crate) fn new(setup: &TlsSetup) -> Result<Self, rustls::Error> {
        let connection = ClientConnection::new(setup.config.clone(), setup.name.clone())?;
        Ok(Self { connection, closed: false })
    }

    /// Ready once the handshake is over.
    pub(crate) fn poll_handshake(
        &mut self,
        stream: &mut impl Stream,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
    ) -> Poll<Result<(), ErrorClass>> {
        loop {
            while self.connection.wants_write() {
                if !self.flush(stream)? {
                    ready!(stream.poll_write_ready(cx)).map_err(|error| fault::while_open(&error))?;
                }
            }
            if !self.connection.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            let length = ready!(stream.poll_read(cx, &mut buffers.cipher));
            match length.map_err(|error| fault::while_open(&error))? {
                0 => return Poll::Ready(Err(ErrorClass::Tls)),
                length => match self.decrypt(length, buffers) {
                    Ok(0) => {}
                    // Nothing was asked yet.
                    Ok(_) => return Poll::Ready(Err(ErrorClass::Malformed)),
                    Err(class) => {
                        // The peer is told why, if it still listens; the handshake has failed either way.
                        let _ = self.flush(stream);
                        return Poll::Ready(Err(class));
                    }
                },
            }
        }
    }

    /// Reads plaintext to the start of `buffers.plain`; 0 when the peer has ended the session in good order.
    pub(crate) fn poll_read(
        &mut self,
        stream: &mut impl Stream,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
    ) -> Poll<Result<usize, ErrorClass>> {
        loop {
            if self.closed {
                return Poll::Ready(Ok(0));
            }
            let length = ready!(stream.poll_read(cx, &mut buffers.cipher));
            match length.map_err(|error| fault::while_open(&error))? {
                // Without the peer's goodbye somebody on the way may have cut it off.
                0 => return Poll::Ready(Err(ErrorClass::ConnectionClosed)),
                length => match self.decrypt(length, buffers)? {
                    // A ticket, or part of a record.
                    0 => {}
                    plain => return Poll::Ready(Ok(plain)),
                },
            }
            self.flush(stream)?;
        }
    }

    /// Encrypts and writes what of `bytes` was not yet `written`; whether everything is with the kernel.
    pub(crate) fn send(
        &mut self,
        stream: &mut impl Stream,
        bytes: &[u8],
        written: &mut usize,
    ) -> Result<bool, ErrorClass> {
        loop {
            if !self.flush(stream)? {
                return Ok(false);
            }
            if *written == bytes.len() {
                return Ok(true);
            }
            *written +=
                self.connection.writer().write(&bytes[*written..]).map_err(|_| ErrorClass::Internal)?;
        }
    }

    /// Says goodbye, if there is room to.
    pub(crate) fn close(&mut self, stream: &mut impl Stream) {
        self.connection.send_close_notify();
        let _ = self.flush(stream);
    }

    /// Takes in `length` bytes of ciphertext; how many bytes of plaintext came of them.
    fn decrypt(&mut self, length: usize, buffers: &mut Buffers) -> Result<usize, ErrorClass> {
        let mut cipher = &buffers.cipher[..length];
        let mut plain = 0;
        while !cipher.is_empty() {
            let taken = self.connection.read_tls(&mut cipher).map_err(|_| ErrorClass::Tls)?;
            self.connection.process_new_packets().map_err(|_| ErrorClass::Tls)?;
            loop {
                match self.connection.reader().read(&mut buffers.plain[plain..]) {
                    Ok(0) => {
                        self.closed = plain < buffers.plain.len();
                        break;
                    }
                    Ok(more) => plain += more,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => return Err(ErrorClass::Tls),
                }
            }
            if taken == 0 {
                break;
            }
        }
        Ok(plain)
    }

    /// Writes the ciphertext there is; whether all of it is with the kernel.
    fn flush(&mut self, stream: &mut impl Stream) -> Result<bool, ErrorClass> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Outgoing(stream)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(fault::while_open(&error)),
            }
        }
        Ok(true)
    }
}

/// A stream as something to write to.
struct Outgoing<'s, S>(&'s mut S);

impl<S: Stream> Write for Outgoing<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
