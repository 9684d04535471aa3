//! What the controller tells a worker.

use std::sync::Arc;

use plan::Revision;
use units::{Nanos, Timestamp};

use crate::{CommandId, Epoch, RunId};

/// Something a worker shall do.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The run it is about.
    pub run_id: RunId,
    /// The controller's life that says so; one of a lower epoch than was seen does nothing.
    pub epoch: Epoch,
    /// Its number; a repeated or older one does nothing, one that comes early is left until those before it came.
    pub id: CommandId,
    /// What to do.
    pub body: CommandBody,
}

/// What a worker shall do.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandBody {
    /// Compile the workload, check that this machine can carry the share, and make everything ready.
    Prepare(Box<Prepare>),
    /// Begin the schedule at this instant: the controller's clock on the wire, the worker's own where it is applied.
    /// It may have passed, for a worker that joins a run under way.
    Start {
        /// The instant of slot 0 of every profile.
        at: Timestamp,
    },
    /// From an instant of run time on, carry another part of the load.
    Revise(Box<Revision>),
    /// Execute a registered task once, outside of the load: at most once, whatever happens to the worker.
    Once {
        /// Its name.
        task: String,
    },
    /// End the load.
    Stop(StopMode),
}

/// A controller's word that it has taken facts: they need not be kept any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The run they are about.
    pub run_id: RunId,
    /// The controller's life that took them; a worker forgets nothing on the word of a lower epoch than it saw.
    pub epoch: Epoch,
    /// The number of the last fact taken; all before it were taken too. Said again when a fact is missing.
    pub through: u64,
}

/// What a worker needs to carry its share.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepare {
    /// The resolved workload as canonical JSON; secrets are references in it.
    pub document: String,
    /// The files the workload names.
    pub files: Vec<FileContent>,
    /// The part of the run to carry, and what was changed of its load so far. A worker that joins a run under way gets a
    /// share of weight 0 first, and its part by [`CommandBody::Revise`].
    pub revision: Revision,
    /// Engine threads to use; `None` for one per allowed CPU less one.
    pub threads: Option<u32>,
    /// Whether to check handles, ports, memory, names and reachability first.
    pub preflight: bool,
}

/// A file by its content: only the submitting command line opens paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileContent {
    /// The path as the workload spells it: a name, never opened.
    pub path: String,
    /// The content.
    pub bytes: Arc<[u8]>,
}

/// How load ends before its natural end, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopMode {
    /// No new iterations; what is in flight has [`StopMode::DRAIN`] to end.
    Drain,
    /// What is in flight is cancelled at once.
    Cancel,
}

/// How a worker leaves a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaveMode {
    /// Its share goes to the others first, so that the load has no gap: to have fewer workers.
    Graceful,
    /// It stops at once and its share waits for its return: to restart it.
    Fast,
}

impl StopMode {
    /// How long what is in flight may take to end after a [`StopMode::Drain`]: both sides go by it.
    pub const DRAIN: Nanos = Nanos::from_secs(2);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_stop_is_never_milder() {
        // A worker that is told both, in whatever order they arrive, does the graver one.
        assert_eq!(StopMode::Drain.max(StopMode::Cancel), StopMode::Cancel);
        assert_eq!(StopMode::Cancel.max(StopMode::Drain), StopMode::Cancel);
    }
}
