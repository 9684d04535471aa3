//! What happened to a run, as the records its state is folded from.
//!
//! The machine decides, appends a record, and applies it; nothing else changes the [`RunFold`](super::RunFold). What is
//! acknowledged is a record before.

use control::{Fact, LeaveMode, StopMode};
use plan::Amendment;
use units::{Nanos, Timestamp};

use super::{Actor, Annotation, Peer, WorkerSpec};
use crate::incident::IncidentKind;

/// The number of a record in its run, from 1 without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordSeq(pub u64);

/// Something that happened to a run and can be told again.
#[derive(Clone, Debug)]
pub enum Record {
    /// The run was made; always the first one.
    Created {
        /// When.
        at: Timestamp,
        /// Of which workers, in the order of their weights.
        workers: Vec<WorkerSpec>,
    },
    /// A worker's next fact was taken.
    FactAccepted {
        /// When.
        at: Timestamp,
        /// The fact.
        fact: Box<Fact>,
    },
    /// The instant of slot 0 was set.
    Armed {
        /// That instant.
        start: Timestamp,
    },
    /// The load was dealt or shaped anew.
    Revised(Revised),
    /// A session was given up.
    WorkerLost {
        /// When.
        at: Timestamp,
        /// Which one.
        who: Peer,
        /// How it was noticed.
        reason: String,
        /// Whether it may have gone on sending after that.
        may_go_on: bool,
    },
    /// A session came while the run was under way.
    WorkerJoined {
        /// When.
        at: Timestamp,
        /// Which of the weights is its own; one more than there are for a new worker.
        place: usize,
        /// Who.
        worker: Box<WorkerSpec>,
    },
    /// A session is let go.
    WorkerLeft {
        /// When.
        at: Timestamp,
        /// Which one.
        who: Peer,
        /// How.
        mode: LeaveMode,
    },
    /// A session is not waited for any longer; it had nothing to do with the load.
    Dismissed {
        /// Which one.
        who: Peer,
    },
    /// Somebody changed something.
    Annotated(Annotation),
    /// Something went other than planned.
    Noted {
        /// When.
        at: Timestamp,
        /// What.
        kind: IncidentKind,
    },
    /// Somebody asked for the end.
    Stopped {
        /// When.
        at: Timestamp,
        /// How.
        mode: StopMode,
        /// Who.
        by: Actor,
    },
    /// The run is over; always the last one.
    Sealed {
        /// When.
        at: Timestamp,
        /// Facts of sessions that never took part, which were refused.
        refused_facts: u64,
    },
}

/// A dealing of the run, and a change of its load with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Revised {
    /// When it was made.
    pub at: Timestamp,
    /// Its number, from 0 for the plan as it was written.
    pub number: u64,
    /// The run time from which it holds.
    pub effective: Nanos,
    /// The weights, one for each place.
    pub weights: Vec<u32>,
    /// The change of load that came with it, if one did.
    pub amendment: Option<Amendment>,
}
