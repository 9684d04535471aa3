//! Reads HTTP/1.x responses: a pure state machine over bytes.
//!
//! ```text
//!          1xx
//!         ┌───┐            ┌─► Sized ──────┐
//!         ▼   │            │               │
//!   ───► Head ┴── status ──┼─► Chunked ────┼──► complete
//!                          ├─► UntilClose ─┤
//!                          └─► (no body) ──┘
//! ```
//!
//! It owns bytes only while a head has come in part. Body framing follows RFC 9112 section 6.3; where that leaves
//! a choice, the response counts and the connection is not used again.

mod chunked;
mod memo;

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Response, Status};
use metrics::ErrorClass;

use crate::image::has_token;
use chunked::Chunks;
pub use memo::HeadMemo;

/// The largest head that is read, the status line included.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Header fields that are parsed at the first try, and before a head counts as too large.
const FEW_HEADERS: usize = 64;
const MAX_HEADERS: usize = 256;

/// A partial head below this size is parsed at every read, so that garbage is noticed at once; above it only when a
/// line has ended, so that a head that drips in costs no quadratic time.
const EAGER_HEAD_BYTES: usize = 512;

/// What a [`Codec`] tells about a response while it reads it.
pub trait Observer {
    /// The head has come; not called for interim (1xx) responses. The headers are as received.
    fn head(&mut self, status: u16, headers: &[Header<'_>]);

    /// The head has come, and is byte for byte the one that [`Observer::head`] was last called with under the same
    /// [`HeadMemo`].
    fn head_again(&mut self);

    /// A piece of the body, without chunk framing; `last` with its last piece, which may be empty.
    fn body(&mut self, piece: &[u8], last: bool);
}

/// How far a response has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Everything was taken in and more must come.
    More,
    /// The response is complete.
    Complete {
        /// How many of the last bytes belong to it; the rest was never asked for.
        consumed: usize,
        /// Whether its framing lets the connection be used again.
        keep_alive: bool,
    },
    /// It can never become a response.
    Failed(ErrorClass),
}

/// Reads the responses of one connection, one after the other.
#[derive(Debug)]
pub struct Codec {
    state: State,
    answers_head: bool,
    keep_alive: bool,
    partial_head: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Head,
    Sized {
        remaining: u64,
    },
    Chunked(Chunks),
    UntilClose,
}

impl Default for Codec {
    fn default() -> Self {
        Self { state: State::Head, answers_head: false, keep_alive: true, partial_head: Vec::new() }
    }
}

impl Codec {
    /// Makes ready for the next response; `answers_head` when it answers a HEAD request and so has no body.
    pub fn begin(&mut self, answers_head: bool) {
        self.state = State::Head;
        self.answers_head = answers_head;
        self.partial_head.clear();
    }

    /// Takes in what was read last; `memo` is that of all responses to the same request.
    ///
    /// # Cost
    /// No allocation when the head comes in one piece.
    pub fn feed(&mut self, bytes: &[u8], memo: &mut HeadMemo, observer: &mut impl Observer) -> Progress {
        let mut consumed = 0;
        loop {
            let rest = &bytes[consumed..];
            match &mut self.state {
                State::Head => match self.take_head(rest, memo, observer) {
                    Ok(Some(length)) => consumed += length,
                    Ok(None) => return Progress::More,
                    Err(class) => return Progress::Failed(class),
                },
                State::Sized { remaining } => {
                    let all = usize::try_from(*remaining).is_ok_and(|remaining| remaining <= rest.len());
                    if all {
                        let length = *remaining as usize;
                        observer.body(&rest[..length], true);
                        return Progress::Complete {
                            consumed: consumed + length,
                            keep_alive: self.keep_alive,
                        };
                    }
                    *remaining -= rest.len() as u64;
                    if !rest.is_empty() {
                        observer.body(rest, false);
                    }
                    return Progress::More;
                }
                State::Chunked(chunks) => {
                    return match chunks.feed(rest, observer) {
                        Ok(Some(length)) => {
                            Progress::Complete { consumed: consumed + length, keep_alive: self.keep_alive }
                        }
                        Ok(None) => Progress::More,
                        Err(class) => Progress::Failed(class),
                    };
                }
                State::UntilClose => {
                    if !rest.is_empty() {
                        observer.body(rest, false);
                    }
                    return Progress::More;
                }
            }
        }
    }

    /// Takes in that no more will come; whether that completes the response.
    pub fn finish(&mut self, observer: &mut impl Observer) -> bool {
        let complete = matches!(self.state, State::UntilClose);
        if complete {
            observer.body(&[], true);
        }
        complete
    }

    /// Takes in a head or a part of it; how many of `bytes` belonged to it when it is complete.
    fn take_head(
        &mut self,
        bytes: &[u8],
        memo: &mut HeadMemo,
        observer: &mut impl Observer,
    ) -> Result<Option<usize>, ErrorClass> {
        if !self.partial_head.is_empty() {
            return self.continue_head(bytes, memo, observer);
        }
        if let Some((length, state, keep_alive)) = memo.recall(bytes) {
            (self.state, self.keep_alive) = (state, keep_alive);
            observer.head_again();
            return Ok(Some(length));
        }
        let length = self.read_head(bytes, memo, observer)?;
        if length.is_none() {
            if bytes.len() >= MAX_HEAD_BYTES {
                return Err(ErrorClass::HeadTooLarge);
            }
            self.partial_head.extend_from_slice(bytes);
        }
        Ok(length)
    }

    #[cold]
    fn continue_head(
        &mut self,
        bytes: &[u8],
        memo: &mut HeadMemo,
        observer: &mut impl Observer,
    ) -> Result<Option<usize>, ErrorClass> {
        let before = self.partial_head.len();
        let piece = &bytes[..bytes.len().min(MAX_HEAD_BYTES - before)];
        self.partial_head.extend_from_slice(piece);
        let full = self.partial_head.len() == MAX_HEAD_BYTES;
        if before >= EAGER_HEAD_BYTES && !full && memchr::memchr(b'\n', piece).is_none() {
            return Ok(None);
        }
        let head = std::mem::take(&mut self.partial_head);
        match self.read_head(&head, memo, observer)? {
            // What was there before was no whole head, so the head ends in this piece.
            Some(length) => Ok(Some(length - before)),
            None if full => Err(ErrorClass::HeadTooLarge),
            None => {
                self.partial_head = head;
                Ok(None)
            }
        }
    }

    /// Parses the head at the start of `bytes` and acts on it; its length, or `None` when it is not all there.
    fn read_head(
        &mut self,
        bytes: &[u8],
        memo: &mut HeadMemo,
        observer: &mut impl Observer,
    ) -> Result<Option<usize>, ErrorClass> {
        let mut headers = [const { MaybeUninit::uninit() }; FEW_HEADERS];
        let length = match self.read_head_into(bytes, &mut headers, observer) {
            Err(TooManyHeaders) => self.read_long_head(bytes, observer),
            Ok(result) => result,
        }?;
        if let Some(length) = length
            // After an interim response the head is still to come.
            && !matches!(self.state, State::Head)
        {
            memo.keep(&bytes[..length], self.state, self.keep_alive);
        }
        Ok(length)
    }

    #[cold]
    #[inline(never)]
    fn read_long_head(
        &mut self,
        bytes: &[u8],
        observer: &mut impl Observer,
    ) -> Result<Option<usize>, ErrorClass> {
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        match self.read_head_into(bytes, &mut headers, observer) {
            Err(TooManyHeaders) => Err(ErrorClass::HeadTooLarge),
            Ok(result) => result,
        }
    }

    fn read_head_into<'b>(
        &mut self,
        bytes: &'b [u8],
        headers: &mut [MaybeUninit<Header<'b>>],
        observer: &mut impl Observer,
    ) -> Result<Result<Option<usize>, ErrorClass>, TooManyHeaders> {
        let mut response = Response::new(&mut []);
        let parsed =
            ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, headers);
        Ok(match parsed {
            Ok(Status::Complete(length)) if length > MAX_HEAD_BYTES => Err(ErrorClass::HeadTooLarge),
            Ok(Status::Complete(length)) => self.begin_body(&response, observer).map(|()| Some(length)),
            Ok(Status::Partial) => Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(TooManyHeaders),
            Err(_) => Err(ErrorClass::Malformed),
        })
    }

    /// Decides from the head what follows it (RFC 9112 section 6.3).
    fn begin_body(
        &mut self,
        response: &Response<'_, '_>,
        observer: &mut impl Observer,
    ) -> Result<(), ErrorClass> {
        let (Some(status), Some(minor_version)) = (response.code, response.version) else {
            return Err(ErrorClass::Malformed);
        };
        match status {
            // Nobody asked for another protocol.
            0..100 | 101 => return Err(ErrorClass::Malformed),
            // An interim response; the real one follows.
            102..200 | 100 => return Ok(()),
            _ => {}
        }
        let framing = Framing::of(response.headers);
        self.keep_alive =
            if minor_version == 0 { framing.keep_alive && !framing.close } else { !framing.close };
        self.state = if self.answers_head || matches!(status, 204 | 304) {
            State::Sized { remaining: 0 }
        } else if let Some(chunked) = framing.chunked {
            // Both framings, or chunks from a server too old to know them: somebody on the way may have read the
            // message differently, so nothing after it can be trusted.
            self.keep_alive &= matches!(framing.length, Length::None) && minor_version > 0;
            if chunked { State::Chunked(Chunks::default()) } else { State::UntilClose }
        } else {
            match framing.length {
                Length::Bytes(remaining) => State::Sized { remaining },
                Length::None => State::UntilClose,
                Length::Wrong => return Err(ErrorClass::Malformed),
            }
        };
        observer.head(status, response.headers);
        Ok(())
    }
}

struct TooManyHeaders;

/// What the headers say about the body and the connection.
#[derive(Default)]
struct Framing {
    length: Length,
    /// Whether the last transfer coding is `chunked`; `None` without transfer coding.
    chunked: Option<bool>,
    close: bool,
    keep_alive: bool,
}

#[derive(Default)]
enum Length {
    #[default]
    None,
    Bytes(u64),
    /// Not a number, too large to count, or several that differ.
    Wrong,
}

impl Framing {
    fn of(headers: &[Header<'_>]) -> Self {
        let mut framing = Self::default();
        for Header { name, value } in headers {
            // Lengths first: most headers are none of the three, and a length is cheaper than a comparison.
            match name.len() {
                10 if is_named(name, "Connection") => match *value {
                    // As nearly all servers write it.
                    b"keep-alive" => framing.keep_alive = true,
                    options => {
                        framing.close |= has_token(options, b"close");
                        framing.keep_alive |= has_token(options, b"keep-alive");
                    }
                },
                14 if is_named(name, "Content-Length") => framing.length.add(value),
                17 if is_named(name, "Transfer-Encoding") => {
                    let last = value.rsplit(|b| *b == b',').next().unwrap_or_default();
                    framing.chunked = Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
                }
                _ => {}
            }
        }
        framing
    }
}

/// Whether `name` is `header` in any case; at once for the case that nearly all servers write.
fn is_named(name: &str, header: &str) -> bool {
    name == header || name.eq_ignore_ascii_case(header)
}

impl Length {
    /// Takes in another length, which may be a list of equal ones (RFC 9110 section 8.6).
    fn add(&mut self, value: &[u8]) {
        if let (Self::None, Some(bytes)) = (&self, decimal(value)) {
            *self = Self::Bytes(bytes);
            return;
        }
        for entry in value.split(|b| *b == b',') {
            *self = match (&self, decimal(entry.trim_ascii())) {
                (Self::None, Some(bytes)) => Self::Bytes(bytes),
                (Self::Bytes(before), Some(bytes)) if *before == bytes => Self::Bytes(bytes),
                _ => Self::Wrong,
            };
        }
    }
}

/// The number written in `digits`; `None` when there is none or it does not fit.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
