//! A target in memory: every request is answered with the same bytes, without a system call.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::{Stream, Transport};

/// Answers every request with the same response: what is left is the cost of the generator itself.
///
/// ```
/// use loadgen_protocols::Memory;
/// let at_once = Memory::answering(*b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
/// let after_three_turns_of_the_runtime = at_once.after_turns(3);
/// ```
#[derive(Clone, Debug)]
pub struct Memory {
    response: Rc<[u8]>,
    turns: u32,
}

impl Memory {
    /// Answers with `response`, at once.
    pub fn answering(response: impl Into<Rc<[u8]>>) -> Self {
        Self { response: response.into(), turns: 0 }
    }

    /// Answers after the connection's task was polled `turns` times more.
    pub fn after_turns(self, turns: u32) -> Self {
        Self { turns, ..self }
    }
}

impl Transport for Memory {
    type Stream = MemoryStream;

    fn connect(&mut self, _: Option<&str>, _: SocketAddr) -> io::Result<MemoryStream> {
        Ok(MemoryStream { target: self.clone(), answer: Answer::None, reader: None })
    }
}

/// A connection of [`Memory`]. Each write is one request.
#[derive(Debug)]
pub struct MemoryStream {
    target: Memory,
    answer: Answer,
    reader: Option<Waker>,
}

#[derive(Debug)]
enum Answer {
    None,
    /// Comes after this many turns.
    Due {
        turns: u32,
    },
    /// Is being read; this many bytes of it were.
    Coming {
        read: usize,
    },
}

impl Stream for MemoryStream {
    fn poll_connected(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = match self.answer {
            Answer::None => {
                if !self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
                    self.reader = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
            Answer::Due { turns: 0 } => 0,
            Answer::Due { turns } => {
                self.answer = Answer::Due { turns: turns - 1 };
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Answer::Coming { read } => read,
        };
        let rest = &self.target.response[read..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.answer =
            if length == rest.len() { Answer::None } else { Answer::Coming { read: read + length } };
        Poll::Ready(Ok(length))
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.answer = Answer::Due { turns: self.target.turns };
        if let Some(reader) = &self.reader {
            reader.wake_by_ref();
        }
        Ok(bytes.len())
    }

    fn poll_write_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
