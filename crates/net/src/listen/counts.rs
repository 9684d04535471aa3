//! What became of connections.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what becomes of a listener's connections.
#[derive(Debug, Default)]
pub struct ListenCounts {
    accepted: AtomicU64,
    accept_failed: AtomicU64,
    over_cap: AtomicU64,
    displaced: AtomicU64,
    handshake_failed: AtomicU64,
    timed_out: AtomicU64,
    established: AtomicU64,
}

/// What became of a listener's connections so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenStats {
    /// Taken from the system.
    pub accepted: u64,
    /// Times the system gave none although there was one.
    pub accept_failed: u64,
    /// Closed at once: there were as many as there may be, in all or from one address.
    pub over_cap: u64,
    /// Closed while pending, for a newer one.
    pub displaced: u64,
    /// Refused in the TLS handshake or by their first bytes.
    pub handshake_failed: u64,
    /// Closed because they said nothing, or not enough, in time.
    pub timed_out: u64,
    /// Served.
    pub established: u64,
}

macro_rules! counters {
    ($($name:ident),+) => {
        impl ListenCounts {
            $(pub(super) fn $name(&self) {
                self.$name.fetch_add(1, Ordering::Relaxed);
            })+

            /// What became of connections so far.
            pub fn snapshot(&self) -> ListenStats {
                ListenStats { $($name: self.$name.load(Ordering::Relaxed)),+ }
            }
        }
    };
}

counters!(accepted, accept_failed, over_cap, displaced, handshake_failed, timed_out, established);
