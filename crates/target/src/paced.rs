//! Bodies that come at a declared pace.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use units::{Nanos, Timestamp};

use crate::shard::Shard;
use crate::sleeper::Sleep;

/// A body of `x`es in frames, each due at an instant that is a pure function of its number: no pause adds up.
pub(crate) struct Paced {
    /// Bytes of the whole body.
    pub(crate) len: u64,
    /// Bytes of a frame, 1 to [`Paced::MAX_FRAME`]; the last one may be shorter.
    pub(crate) frame: u64,
    pub(crate) pace: Pace,
    /// Whether the length is announced; otherwise the body goes chunked.
    pub(crate) is_len_known: bool,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) progress: Progress,
}

/// When frames are due.
pub(crate) enum Pace {
    /// As fast as the connection takes them.
    Free,
    /// The first at `start`, each further one a pause later.
    Every { pause: Nanos, start: Timestamp, shard: Arc<Shard> },
    /// The n-th byte is due n / `bytes_per_second` after `start`; a frame goes with its last byte.
    Rate { bytes_per_second: u64, start: Timestamp, shard: Arc<Shard> },
}

/// How far a body is; starts as default.
#[derive(Default)]
pub(crate) struct Progress {
    sent: u64,
    sleep: Option<Sleep>,
}

impl Paced {
    /// The largest frame.
    pub(crate) const MAX_FRAME: u64 = FILLER.len() as u64;

    fn next_len(&self) -> u64 {
        self.frame.min(self.len - self.progress.sent)
    }

    /// The sleep before the next frame.
    fn pause(&self) -> Option<Sleep> {
        match &self.pace {
            Pace::Free => None,
            Pace::Every { pause, start, shard } => {
                let frames = self.progress.sent / self.frame;
                let after = Nanos::new(pause.as_u64().saturating_mul(frames));
                Some(shard.sleeper.until(*start + after))
            }
            Pace::Rate { bytes_per_second, start, shard } => {
                let bytes = self.progress.sent + self.next_len();
                let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(*bytes_per_second);
                Some(shard.sleeper.until(*start + Nanos::new(u64::try_from(nanos).unwrap_or(u64::MAX))))
            }
        }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let len = self.next_len();
        if len == 0 {
            return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        if self.progress.sleep.is_none() {
            self.progress.sleep = self.pause();
        }
        if let Some(sleep) = &mut self.progress.sleep {
            ready!(Pin::new(sleep).poll(cx));
        }
        self.progress.sleep = None;
        self.progress.sent += len;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&FILLER[..len as usize])))))
    }

    fn is_end_stream(&self) -> bool {
        self.progress.sent == self.len && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_len_known { SizeHint::with_exact(self.len - self.progress.sent) } else { SizeHint::new() }
    }
}

static FILLER: [u8; 65_536] = [b'x'; 65_536];
