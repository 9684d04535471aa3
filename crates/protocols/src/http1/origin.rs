//! What one thread knows of an origin: its addresses and its idle connections.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use crate::prepared::Origin;

/// The state of an origin on one thread.
#[derive(Debug)]
pub(super) struct OriginState {
    pub(super) idle: IdleStack,
    pub(super) lookup: Lookup,
    /// Places of the connections that wait for the look-up, and perhaps of some that no longer do.
    pub(super) waiting: Vec<u32>,
    port: u16,
    /// The address that answered last; tried first, so that a dead one costs one attempt and not one per connection.
    preferred: usize,
}

/// How far the look-up of the addresses is.
#[derive(Debug)]
pub(super) enum Lookup {
    /// Not begun, or the last one failed.
    None,
    UnderWay(oneshot::Receiver<io::Result<Vec<IpAddr>>>),
    /// For the whole run.
    Known(Vec<IpAddr>),
}

impl OriginState {
    pub(super) fn new(origin: &Origin) -> Self {
        let lookup = origin.address.map_or(Lookup::None, |address| Lookup::Known(vec![address]));
        Self { idle: IdleStack::default(), lookup, waiting: Vec::new(), port: origin.port, preferred: 0 }
    }

    /// Ready when no look-up is under way; whether one ended just now.
    pub(super) fn poll_lookup(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Lookup::UnderWay(answer) = &mut self.lookup else { return Poll::Ready(false) };
        self.lookup = match ready!(Pin::new(answer).poll(cx)) {
            Ok(Ok(addresses)) if !addresses.is_empty() => Lookup::Known(addresses),
            _ => Lookup::None,
        };
        Poll::Ready(true)
    }

    /// The address to try after `attempt` others; `None` when all were tried.
    pub(super) fn address(&self, attempt: usize) -> Option<SocketAddr> {
        let Lookup::Known(addresses) = &self.lookup else { return None };
        let index = (self.preferred + attempt) % addresses.len();
        (attempt < addresses.len()).then(|| SocketAddr::new(addresses[index], self.port))
    }

    /// Takes in that the address tried after `attempt` others answered.
    pub(super) fn answered(&mut self, attempt: usize) {
        if let Lookup::Known(addresses) = &self.lookup {
            self.preferred = (self.preferred + attempt) % addresses.len();
        }
    }
}

/// Idle connections, the one used last on top: those at the bottom get old and are closed by the server, instead of
/// all of them being kept alive.
#[derive(Debug, Default)]
pub(super) struct IdleStack {
    /// [`GONE`] where a connection was closed below others; never on top.
    places: Vec<u32>,
}

const GONE: u32 = u32::MAX;

impl IdleStack {
    /// Puts the connection at `io` on top; where it then stands.
    pub(super) fn push(&mut self, io: u32) -> u32 {
        self.places.push(io);
        (self.places.len() - 1) as u32
    }

    /// Takes the connection that was used last.
    pub(super) fn pop(&mut self) -> Option<u32> {
        let io = self.places.pop();
        self.trim();
        io
    }

    /// Takes out the connection that stands at `place`.
    pub(super) fn remove(&mut self, place: u32) {
        self.places[place as usize] = GONE;
        self.trim();
    }

    fn trim(&mut self) {
        while self.places.last() == Some(&GONE) {
            self.places.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_used_last_comes_first() {
        let mut idle = IdleStack::default();
        let places: Vec<_> = [5, 6, 7, 8].map(|io| idle.push(io)).into();
        idle.remove(places[1]);
        idle.remove(places[3]);
        assert_eq!(idle.pop(), Some(7));
        assert_eq!(idle.push(9), 1);
        assert_eq!([idle.pop(), idle.pop(), idle.pop()], [Some(9), Some(5), None]);
    }

    #[test]
    fn addresses_are_tried_in_turn_from_the_one_that_answered_last() {
        let [a, b, c]: [IpAddr; 3] = [[127, 0, 0, 1], [127, 0, 0, 2], [127, 0, 0, 3]].map(IpAddr::from);
        let mut origin = OriginState {
            idle: IdleStack::default(),
            lookup: Lookup::Known(vec![a, b, c]),
            waiting: Vec::new(),
            port: 80,
            preferred: 0,
        };
        let tried = |origin: &OriginState| -> Vec<_> {
            (0..4).map_while(|attempt| origin.address(attempt)).map(|address| address.ip()).collect()
        };
        assert_eq!(tried(&origin), [a, b, c]);
        origin.answered(1);
        assert_eq!(tried(&origin), [b, c, a]);
        origin.answered(2);
        assert_eq!(tried(&origin), [a, b, c]);
    }
}
