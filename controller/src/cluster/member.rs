//! A worker, as the cluster knows it.

use control::{ClockOffset, Enrol, LeaseToken, LeaveMode, RunId, StopMode};
use units::{Nanos, Timestamp};

use super::Submission;
use crate::run::{Peer, WorkerSpec};

/// A worker that enrolled: its present life.
#[derive(Debug)]
pub(super) struct Member {
    /// What it said of itself.
    pub(super) enrol: Enrol,
    /// What it must say to be heard; higher than what it was granted once it has no authority any more.
    pub(super) token: LeaseToken,
    pub(super) standing: Standing,
    /// The run it works for.
    pub(super) run: Option<RunId>,
    /// The run for which its earlier life worked, and that life: its share waits for a moment, so that a worker that was
    /// restarted takes it up again instead of ending a run that has no other.
    pub(super) heir_to: Option<Inheritance>,
    /// How it shall go, once it may.
    pub(super) leaving: Option<LeaveMode>,
    /// What its beats are answered with.
    pub(super) stop: Option<(RunId, StopMode)>,
    /// When its last beat came.
    pub(super) last_beat: Timestamp,
    /// From when its lease counts: its last beat, later by the time in which the controller was asleep.
    pub(super) lease_from: Timestamp,
    /// The number of its last beat; `None` before the first under this token.
    pub(super) beat: Option<u64>,
    /// Its counter of progress, and since when it shows that.
    pub(super) progress: (u64, Timestamp),
    pub(super) clock: Option<ClockOffset>,
}

/// A part of a run that waits for a new life of its worker.
#[derive(Clone, Debug)]
pub(super) struct Inheritance {
    pub(super) run: RunId,
    pub(super) from: Peer,
    pub(super) why: String,
    /// Until then.
    pub(super) until: Timestamp,
}

/// Whether a member is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its lease goes on.
    Live,
    /// Its lease ended.
    Lost { since: Timestamp },
    /// It went as it should.
    Gone { since: Timestamp },
}

impl Member {
    pub(super) fn new(now: Timestamp, enrol: Enrol, token: LeaseToken) -> Self {
        Self {
            enrol,
            token,
            standing: Standing::Live,
            run: None,
            heir_to: None,
            leaving: None,
            stop: None,
            last_beat: now,
            lease_from: now,
            beat: None,
            progress: (0, now),
            clock: None,
        }
    }

    pub(super) fn peer(&self) -> Peer {
        Peer::new(self.enrol.worker.clone(), self.enrol.session)
    }

    pub(super) fn is_live(&self) -> bool {
        self.standing == Standing::Live
    }

    /// Since when it is not there; `None` while it is.
    pub(super) const fn away_since(&self) -> Option<Timestamp> {
        match self.standing {
            Standing::Live => None,
            Standing::Lost { since } | Standing::Gone { since } => Some(since),
        }
    }

    /// Whether it may carry a part of what was asked for, free or not.
    pub(super) fn suits(&self, submission: &Submission) -> bool {
        self.is_live() && self.leaving.is_none() && self.has_labels(submission) && self.has_tasks(submission)
    }

    pub(super) fn has_labels(&self, submission: &Submission) -> bool {
        let mut wanted = submission.worker_labels.iter();
        wanted.all(|(label, value)| self.enrol.labels.get(label) == Some(value))
    }

    pub(super) fn has_tasks(&self, submission: &Submission) -> bool {
        submission.tasks().iter().all(|task| self.enrol.tasks.iter().any(|has| has == task))
    }

    pub(super) fn spec(&self) -> WorkerSpec {
        WorkerSpec {
            worker: self.enrol.worker.clone(),
            session: self.enrol.session,
            weight: self.enrol.weight,
            info: self.enrol.info.clone(),
            labels: self.enrol.labels.clone(),
            // A probe's error is half its round trip.
            rtt: self.clock.map_or(Nanos::ZERO, |clock| clock.error.saturating_add(clock.error)),
        }
    }
}
