//! What the controller tells a worker.

use std::sync::Arc;

use plan::Share;
use units::{Nanos, Timestamp};

use crate::{CommandId, RunId};

/// Something a worker shall do.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The run it is about.
    pub run_id: RunId,
    /// Its number; a repeated or older one does nothing.
    pub id: CommandId,
    /// What to do.
    pub body: CommandBody,
}

/// What a worker shall do.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandBody {
    /// Compile the workload, check that this machine can carry the share, and make everything ready.
    Prepare(Box<Prepare>),
    /// Begin the schedule at this instant of the controller's clock.
    Start {
        /// The instant of slot 0 of every profile.
        at: Timestamp,
    },
    /// End the load.
    Stop(StopMode),
    /// Everything up to this fact has been taken; it need not be kept any longer.
    Ack {
        /// The number of the fact.
        through: u64,
    },
}

/// What a worker needs to carry its share.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepare {
    /// The resolved workload as canonical JSON; secrets are references in it.
    pub document: String,
    /// The files the workload names.
    pub files: Vec<FileContent>,
    /// The part of the run to carry.
    pub share: Share,
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
