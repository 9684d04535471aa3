//! What the engine hands to a recorder.

use units::{Nanos, Timestamp};

use crate::Outcome;

/// The instants one request is measured by, all on one clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestTimes {
    /// When the schedule (or the end of the previous step plus think time) wanted it to start.
    pub intended_start: Timestamp,
    /// When the pacer took it up.
    pub released_at: Timestamp,
    /// When its first byte was offered to the kernel, or the start of DNS/connect if it opened the connection.
    pub actual_start: Timestamp,
    /// When it was over.
    pub completed_at: Timestamp,
}

impl RequestTimes {
    /// What a user would have waited: completion − intended start.
    pub fn response_time(&self) -> Nanos {
        self.completed_at.saturating_since(self.intended_start)
    }

    /// What the target took: completion − actual start.
    pub fn service_time(&self) -> Nanos {
        self.completed_at.saturating_since(self.actual_start)
    }

    /// The generator's own lateness: released − intended start.
    pub fn dispatch_lag(&self) -> Nanos {
        self.released_at.saturating_since(self.intended_start)
    }

    /// Waiting for a free user or connection: actual start − released.
    pub fn queue_wait(&self) -> Nanos {
        self.actual_start.saturating_since(self.released_at)
    }
}

/// How long the phases of one request took; `None` where the phase did not happen or did not end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Looking the host up.
    pub dns: Option<Nanos>,
    /// The TCP handshake.
    pub connect: Option<Nanos>,
    /// The TLS handshake.
    pub tls: Option<Nanos>,
    /// From the first byte offered to the kernel to the first byte of the response.
    pub first_byte: Option<Nanos>,
    /// From the first byte of the response to its last.
    pub receive: Option<Nanos>,
}

/// Everything one ended request leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestSample {
    /// When it was intended, released, started and over.
    pub times: RequestTimes,
    /// Its phases.
    pub phases: Phases,
    /// How it ended.
    pub outcome: Outcome,
    /// The status of the response, or 0 when there was none.
    pub status: u16,
    /// Bytes written for it, before TLS.
    pub sent_bytes: u64,
    /// Bytes read for it, before TLS.
    pub received_bytes: u64,
    /// Whether it was sent a second time because a kept connection turned out to be closed.
    pub resent: bool,
}

// Handed over by reference for every request; two cache lines and a little.
const _: () = assert!(size_of::<RequestSample>() <= 136);
