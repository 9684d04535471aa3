//! One connection: where it is on its way, and the request it carries.

use std::task::Waker;

use engine::{Event, Outbox};
use metrics::ErrorClass;
use units::Timestamp;

use super::exchange::Exchange;
use super::link::Link;
use crate::codec::Codec;

/// A connection, from the wish for one until its task has ended.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) stage: Stage<S>,
    /// The request it carries; none while it is idle or closed.
    pub(super) exchange: Option<Exchange>,
    pub(super) codec: Codec,
    /// The body so far, when it is checked and did not come in one piece.
    pub(super) body: Vec<u8>,
    /// Wakes its task; none before that was polled first.
    waker: Option<Waker>,
    pub(super) origin: usize,
    /// Where it stands in the stack of idle ones, while it is idle.
    pub(super) idle_place: u32,
    /// Whether it had carried a request before the present one.
    pub(super) served: bool,
}

/// Where a connection is on its way.
#[derive(Debug)]
pub(super) enum Stage<S> {
    /// Waits for the address of its origin.
    Resolving {
        /// When it began the look-up; none when it joined one.
        since: Option<Timestamp>,
    },
    Connecting {
        stream: S,
        /// How many addresses were tried before this one.
        attempt: usize,
        /// When the first one was tried.
        since: Timestamp,
    },
    Handshaking {
        link: Link<S>,
        since: Timestamp,
    },
    Open(Link<S>),
    /// Could not be opened; its task tells. So that a failure never answers a start directly: a user whose target
    /// is down would start again and again and let the thread do nothing else.
    Doomed {
        class: ErrorClass,
        at: Timestamp,
    },
    Closed,
}

impl<S> Connection<S> {
    /// A connection that will carry `exchange` first.
    pub(super) fn new(origin: usize, exchange: Exchange) -> Self {
        Self {
            stage: Stage::Closed,
            exchange: Some(exchange),
            codec: Codec::default(),
            body: Vec::new(),
            waker: None,
            origin,
            idle_place: 0,
            served: false,
        }
    }

    /// Comes to `stage`, which must be over by `deadline`.
    pub(super) fn enter(&mut self, stage: Stage<S>, deadline: Timestamp, out: &mut Outbox) {
        self.stage = stage;
        if let Some(exchange) = &mut self.exchange {
            exchange.phase_deadline = deadline;
            out.push(Event::Timer(exchange.call, exchange.due()));
        }
    }

    /// Whether it waits for a look-up for `origin`; its place may have been another's when it began to.
    pub(super) fn awaits_address_of(&self, origin: usize) -> bool {
        self.origin == origin && matches!(self.stage, Stage::Resolving { .. })
    }

    /// Keeps hold of the task that polls it.
    pub(super) fn remember(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Has its task poll it. A task that was not polled yet will be.
    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_small() {
        // With the table's place, the idle stack's and tokio's share (a registration of 256 B and a task of 256 B
        // at most) a plain connection stays far below 2 KiB.
        let size = size_of::<Connection<tokio::net::TcpStream>>();
        assert!(size <= 512, "{size} bytes");
    }
}
