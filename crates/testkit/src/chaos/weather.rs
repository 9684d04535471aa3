//! What the network does at present, and what has passed so far.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use units::{Clock, MonotonicClock, Nanos, Timestamp};

/// How bytes flow in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// How long each byte is under way.
    pub delay: Duration,
    /// How much longer at most; order is kept.
    pub jitter: Duration,
    /// The most bytes per second; `None` for any number.
    pub bytes_per_s: Option<u64>,
    /// The most bytes that are passed on at once, in a segment of their own; `None` for any number.
    pub slice: Option<usize>,
    /// Whether everything waits: a partition, or a peer that does not read.
    pub is_held: bool,
}

impl Flow {
    /// Everything waits.
    pub const HELD: Self =
        Self { delay: Duration::ZERO, jitter: Duration::ZERO, bytes_per_s: None, slice: None, is_held: true };
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From who connected to who accepted.
    ToServer,
    /// Back.
    ToClient,
}

impl Way {
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// With a FIN to both peers.
    Finish,
    /// With a FIN in one direction; the other one goes on.
    Half(Way),
    /// With an RST to both peers.
    Reset,
}

/// What passed over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Its number, from 0.
    pub connection: u64,
    /// Bytes that went to the server.
    pub to_server: u64,
    /// Bytes that went to the client.
    pub to_client: u64,
    /// Whether it is open.
    pub is_open: bool,
}

/// What the threads of a proxy have in common.
#[derive(Debug)]
pub(super) struct Weather {
    pub(super) seed: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) is_stopping: bool,
    pub(super) flows: [Flow; 2],
    pub(super) cut_after: Option<u64>,
    pub(super) idle_limit: Option<Duration>,
    pub(super) connections: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) traffic: Traffic,
    pub(super) flow: Option<Flow>,
    pub(super) cut: Option<Cut>,
    moved_at: Timestamp,
}

/// How often threads that wait for a peer look at the weather.
pub(super) const LOOK: Duration = Duration::from_millis(10);

impl Weather {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, state: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    pub(super) fn opened(&self, number: u64) {
        let traffic = Traffic { connection: number, to_server: 0, to_client: 0, is_open: true };
        let moved_at = MonotonicClock.now();
        let connection = Connection { traffic, flow: None, cut: None, moved_at };
        self.lock().connections.insert(number, connection);
    }

    pub(super) fn closed(&self, number: u64) {
        if let Some(connection) = self.lock().connections.get_mut(&number) {
            connection.traffic.is_open = false;
        }
    }

    /// Waits until connections come through; whether this one is still wanted then.
    pub(super) fn wait_for_passage(&self, number: u64) -> bool {
        while self.goes_on(number) {
            if !self.look(|state| state.flows.iter().any(|flow| flow.is_held)) {
                return true;
            }
            self.pause(LOOK);
        }
        false
    }

    pub(super) fn flow(&self, number: u64, way: Way) -> Flow {
        self.look(|state| {
            let own = state.connections.get(&number).and_then(|connection| connection.flow);
            own.unwrap_or(state.flows[way.index()])
        })
    }

    pub(super) fn cut(&self, number: u64) -> Option<Cut> {
        self.look(|state| state.connections.get(&number).and_then(|connection| connection.cut))
    }

    /// Whether a connection is to be carried on. Finds those that have been idle for too long.
    pub(super) fn goes_on(&self, number: u64) -> bool {
        let mut state = self.lock();
        let (is_stopping, idle_limit) = (state.is_stopping, state.idle_limit);
        let Some(connection) = state.connections.get_mut(&number) else { return false };
        let idle = MonotonicClock.now().saturating_since(connection.moved_at);
        if connection.cut.is_none() && idle_limit.is_some_and(|limit| idle > Nanos::from(limit)) {
            connection.cut = Some(Cut::Finish);
        }
        !is_stopping && !matches!(connection.cut, Some(Cut::Finish | Cut::Reset))
    }

    /// Takes note that bytes have passed.
    pub(super) fn passed(&self, number: u64, way: Way, bytes: u64) {
        let mut state = self.lock();
        let cut_after = state.cut_after;
        let Some(connection) = state.connections.get_mut(&number) else { return };
        let traffic = &mut connection.traffic;
        match way {
            Way::ToServer => traffic.to_server += bytes,
            Way::ToClient => traffic.to_client += bytes,
        }
        if cut_after.is_some_and(|limit| traffic.to_server + traffic.to_client >= limit) {
            connection.cut = Some(Cut::Reset);
        }
        connection.moved_at = MonotonicClock.now();
    }

    /// Lets time pass, less when the weather changes.
    pub(super) fn pause(&self, span: Duration) {
        // What woke it is for whoever looks next.
        let _ = self.changed.wait_timeout(self.lock(), span).unwrap_or_else(PoisonError::into_inner);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
