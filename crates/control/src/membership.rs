//! How a worker becomes part of a cluster and shows that it is alive.

use std::collections::BTreeMap;

use units::{Nanos, Timestamp};

use crate::{ClusterId, Epoch, LeaseToken, RunId, SessionId, StopMode, WorkerId, WorkerInfo};

/// The versions of the protocol that a program speaks, oldest to newest; both sides take the newest in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolVersions {
    /// The oldest.
    pub oldest: u32,
    /// The newest.
    pub newest: u32,
}

impl ProtocolVersions {
    /// What this program speaks.
    pub const SPOKEN: Self = Self { oldest: 1, newest: 1 };

    /// The newest version that both speak; `None` without one.
    pub fn in_common(self, other: Self) -> Option<u32> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }
}

/// A worker's wish to take part.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrol {
    /// Its name; where certificates are used, the one in its certificate.
    pub worker: WorkerId,
    /// This life of it.
    pub session: SessionId,
    /// What it speaks.
    pub versions: ProtocolVersions,
    /// Its program and machine.
    pub info: WorkerInfo,
    /// What its operator says of it: `--label k=v`.
    pub labels: BTreeMap<String, String>,
    /// Names of the Rust tasks it can execute.
    pub tasks: Vec<String>,
    /// Its part of the load against those of others: declared by its operator, or the number of its engine threads.
    pub weight: u32,
}

/// What a worker has to go by once it is enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The cluster.
    pub cluster: ClusterId,
    /// The controller's life.
    pub epoch: Epoch,
    /// The right to send load; begins with the first beat that is acknowledged.
    pub token: LeaseToken,
    /// The version of the protocol to speak.
    pub version: u32,
    /// How leases are kept.
    pub lease: LeaseTerms,
}

/// Why a worker cannot take part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrolRefusal {
    /// No version in common.
    #[error(
        "the worker speaks versions {} to {} of the protocol, the controller {} to {}; use programs of one release",
        worker.oldest, worker.newest, controller.oldest, controller.newest
    )]
    Version {
        /// What the worker speaks.
        worker: ProtocolVersions,
        /// What the controller speaks.
        controller: ProtocolVersions,
    },
    /// The name is not the one that was proven, or no name at all.
    #[error("a worker may not be called `{name}`: {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// There are as many workers as the controller takes.
    #[error("the cluster is full: it has {limit} workers; raise `--max-workers` of the controller")]
    Full {
        /// The most it takes.
        limit: u32,
    },
    /// The controller is about to end.
    #[error("the controller is shutting down")]
    ShuttingDown,
}

/// How leases are kept. A worker may send load until the instant at which it sent its last acknowledged beat, plus `ttl`,
/// less `guard`; the controller gives its share away only after it received its last beat, plus `ttl`, plus `guard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// From beat to beat; 1 s.
    pub beat: Nanos,
    /// How long a beat counts; 6 s.
    pub ttl: Nanos,
    /// What keeps both sides apart when their clocks run at different speeds; 250 ms.
    pub guard: Nanos,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self { beat: Nanos::SECOND, ttl: Nanos::from_secs(6), guard: Nanos::from_millis(250) }
    }
}

/// A sign of life, on a connection and a thread of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Who.
    pub worker: WorkerId,
    /// Which life.
    pub session: SessionId,
    /// The lease to go on with.
    pub token: LeaseToken,
    /// Higher with every beat of the session.
    pub number: u64,
    /// When it was sent, on the worker's clock.
    pub sent_at: Timestamp,
    /// Rises whenever the worker's data runtime or its engine did something: alive without progress is stuck.
    pub progress: u64,
    /// What the worker knows of the controller's clock so far.
    pub clock: Option<ClockOffset>,
}

/// The answer to a [`Beat`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeatAck {
    /// The controller's life; a worker takes none of a lower epoch than it saw.
    pub epoch: Epoch,
    /// The number of the beat.
    pub number: u64,
    /// Whether the lease goes on, by the present token if not.
    pub standing: Standing,
    /// When the beat came, on the controller's clock.
    pub received_at: Timestamp,
    /// When this was sent, on the controller's clock.
    pub sent_at: Timestamp,
    /// End the load of this run: a stop that no held-up session stream can hold up.
    pub stop: Option<(RunId, StopMode)>,
}

/// Whether a worker has authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The lease goes on.
    Current,
    /// Another life of the worker, or a later lease, took over: stop load, keep facts, enrol again.
    Fenced {
        /// The token that counts.
        current: LeaseToken,
    },
    /// The controller does not know the session (any more): enrol again.
    Unknown,
}

/// What to add to the worker's clock to get the controller's, from the probe of least round trip among the last 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    /// Controller's less worker's, in nanoseconds.
    pub nanos: i64,
    /// How far that may be off: half the round trip.
    pub error: Nanos,
}

impl ClockOffset {
    /// Both clocks are one.
    pub const SAME_CLOCK: Self = Self { nanos: 0, error: Nanos::ZERO };

    /// What the controller's clock shows when the worker's shows `local`.
    pub fn to_controller(self, local: Timestamp) -> Timestamp {
        Timestamp::from_nanos(local.as_nanos().saturating_add_signed(self.nanos))
    }

    /// What the worker's clock shows when the controller's shows `remote`.
    pub fn to_worker(self, remote: Timestamp) -> Timestamp {
        Timestamp::from_nanos(remote.as_nanos().saturating_add_signed(self.nanos.saturating_neg()))
    }
}
