//! How a request is taken.

use std::collections::VecDeque;
use std::time::Duration;

/// How a request is taken. gRPC statuses and HTTP statuses are those that OTLP sets equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Its items are taken.
    #[default]
    Accept,
    /// They are taken after this time.
    Slow(Duration),
    /// They are refused for good: `INVALID_ARGUMENT`, 400.
    Reject,
    /// The sender's word on who it is is not believed: `UNAUTHENTICATED`, 401.
    Unauthenticated,
    /// They are not taken now: `UNAVAILABLE`, 503, with the time after which to try again.
    Unavailable(Option<Duration>),
    /// There is no room: `RESOURCE_EXHAUSTED`, 429, with the time after which to try again.
    Exhausted(Option<Duration>),
    /// All are taken but so many, and the answer says so.
    Partial(u64),
    /// They are taken, and no answer comes; the connection stays open.
    Mute,
    /// They are taken, and the connection ends without an answer.
    AcceptThenDie,
    /// Half of them are taken, and the connection ends without an answer.
    HalfThenDie,
    /// The connection ends, and nothing is taken.
    Die,
    /// Nothing is taken, and no answer comes; the connection stays open.
    Hang,
    /// They are taken, and the answer is longer than anybody wants to read.
    Verbose,
}

/// What is to be done with the requests that come.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) next: VecDeque<Behaviour>,
    pub(super) standing: Behaviour,
}

impl Script {
    /// For the request that came.
    pub(super) fn take(&mut self) -> Behaviour {
        self.next.pop_front().unwrap_or(self.standing)
    }
}
