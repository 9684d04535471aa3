//! What those who follow a run are told.

use plan::LoadChange;
use units::{Nanos, Timestamp};

use super::{Actor, Peer};
use crate::incident::Incident;

/// Something that changed in a run.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEvent {
    /// The run is in another phase.
    Phase(RunPhase),
    /// Something went other than planned; the kind's `Display` is its text.
    Incident(Incident),
    /// Somebody changed something.
    Annotated(Annotation),
    /// The load is dealt or shaped anew.
    Revised {
        /// The number of the revision, from 1.
        number: u64,
        /// From which run time on.
        effective: Nanos,
        /// The weights, one for each place.
        weights: Vec<u32>,
    },
    /// A session's part of the run changed.
    Worker {
        /// Which session.
        who: Peer,
        /// What it is now.
        standing: WorkerStanding,
    },
}

/// Where a run stands, as those who follow it see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunPhase {
    /// Workers make everything ready.
    Preparing,
    /// A run-once task is under way on one of them.
    Once,
    /// They know when slot 0 is.
    Arming,
    /// The plan is under way.
    Running,
    /// The clocks of all profiles stand.
    Paused,
    /// No new iterations; what is in flight may end.
    Draining,
    /// Waits for last words.
    Collecting,
    /// Over.
    Sealed,
}

impl RunPhase {
    /// The name people see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Once => "once",
            Self::Arming => "arming",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Collecting => "collecting",
            Self::Sealed => "sealed",
        }
    }
}

/// What a session is to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerStanding {
    /// It came while the run was under way.
    Joined,
    /// It makes load.
    Started,
    /// It gives its share back.
    Leaving,
    /// It has no authority any more.
    Lost,
    /// It said everything it had to say.
    Finished,
}

/// A change somebody made to a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// When.
    pub at: Timestamp,
    /// On whose word.
    pub by: Actor,
    /// What.
    pub what: AnnotationKind,
}

/// What was changed. `Display` is the text in the result.
#[derive(Clone, Debug, PartialEq)]
pub enum AnnotationKind {
    /// The load.
    Load {
        /// What of it.
        change: LoadChange,
        /// The run time from which it holds.
        effective: Nanos,
        /// In words: `rate of scenario browse 1000/s → 2000/s`.
        text: String,
    },
    /// Who makes it.
    Workers(String),
}

impl std::fmt::Display for AnnotationKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Load { text, .. } | Self::Workers(text) => f.write_str(text),
        }
    }
}
