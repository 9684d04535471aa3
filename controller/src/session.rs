//! One life of one worker in a run, as the controller knows it.

use std::collections::BTreeMap;

use control::{FinalFact, LeaveMode, Prepared, Refusal, SessionId, WorkerId, WorkerInfo};
use metrics::Layout;
use units::{Nanos, Timestamp};

use crate::contribution::Contributions;
use crate::run::{Peer, WorkerSpec};
use crate::sums::Sums;

/// What the controller knows of one life of a worker and of its part in the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// The worker.
    pub worker: WorkerId,
    /// This life of it.
    pub session: SessionId,
    /// Which of the run's weights is its own; lives of one worker have the same.
    pub place: usize,
    /// Its part of the load against those of the others, when it carries one.
    pub weight: u32,
    /// Its program and machine.
    pub info: WorkerInfo,
    /// What its operator says of it.
    pub labels: BTreeMap<String, String>,
    /// When it came; `None` for one that the run was made of.
    pub joined_at: Option<Timestamp>,
    /// What it said when everything was ready.
    pub prepared: Option<Prepared>,
    /// What it said of slot 0.
    pub started: Option<Start>,
    /// How its part ended.
    pub end: Option<SessionEnd>,
    /// How it was given up, although its last word may have come after that.
    pub loss: Option<Loss>,
    /// How it was let go.
    pub leave: Option<Leave>,
    /// What it measured.
    pub sums: Sums,
    /// What of it counts against the run's thresholds.
    pub(crate) contributions: Contributions,
    /// Whether it told of requests that can be found in traces: it sends telemetry.
    pub(crate) is_traced: bool,
    /// Whether it executed the task that comes before the load.
    pub(crate) once_ended: bool,
    /// Run time in which the plan may give it something: from the revision that gave it its part …
    pub(crate) owns_from: Nanos,
    /// … to the instant from which it can have begun nothing more.
    pub(crate) owns_until: Nanos,
    /// The revisions it said to be in force, by number, and the run time from which they are.
    pub(crate) took_up: Vec<(u64, Nanos)>,
    /// The number of the last fact taken; all before it were taken too.
    pub(crate) acked: u64,
}

/// When a worker took notice of slot 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// On the controller's clock.
    pub at: Timestamp,
    /// How far that may be off.
    pub clock_error: Nanos,
}

/// How a session was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// When.
    pub at: Timestamp,
    /// How it was noticed.
    pub reason: String,
    /// Whether it may have gone on after that: nothing but the controller's own impatience says that it did not.
    pub may_go_on: bool,
    /// Whether it reported what cannot be: nothing it says counts any more.
    pub is_quarantine: bool,
}

/// How a session was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave {
    /// When.
    pub at: Timestamp,
    /// How.
    pub mode: LeaveMode,
}

/// How a worker's part ended.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionEnd {
    /// It said everything it had to say.
    Finished(Box<FinalFact>),
    /// It could not carry its share.
    Refused(Refusal),
    /// It was given up.
    Lost,
    /// It was let go before it had anything to do with the run.
    Dismissed,
}

/// What a fact's number says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reception {
    /// The next one: to be taken.
    Next,
    /// Taken before: to be acknowledged again, without effect.
    Repeated,
    /// One is missing before it: to be left, the acknowledgement says from where to send again.
    Early,
}

impl Session {
    pub(crate) fn new(spec: &WorkerSpec, place: usize, layout: &Layout) -> Self {
        Self {
            worker: spec.worker.clone(),
            session: spec.session,
            place,
            weight: spec.weight,
            info: spec.info.clone(),
            labels: spec.labels.clone(),
            joined_at: None,
            prepared: None,
            started: None,
            end: None,
            loss: None,
            leave: None,
            sums: Sums::new(layout),
            contributions: Contributions::default(),
            is_traced: false,
            once_ended: false,
            owns_from: Nanos::ZERO,
            owns_until: Nanos::MAX,
            took_up: vec![(0, Nanos::ZERO)],
            acked: 0,
        }
    }

    /// What a fact's number says about it.
    pub(crate) fn reception(&self, seq: u64) -> Reception {
        match seq.checked_sub(self.acked) {
            None | Some(0) => Reception::Repeated,
            Some(1) => Reception::Next,
            Some(_) => Reception::Early,
        }
    }

    /// The number of the last revision it said to be in force.
    pub(crate) fn revised(&self) -> u64 {
        self.took_up.last().map_or(0, |(number, _)| *number)
    }

    /// Its name and life.
    pub fn peer(&self) -> Peer {
        Peer::new(self.worker.clone(), self.session)
    }

    /// Whether nothing more is expected of it.
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Whether it carries a part of the run, or will: neither over nor on its way out.
    pub fn is_carrying(&self) -> bool {
        !self.is_over() && self.leave.is_none()
    }

    /// Its last word.
    pub fn final_fact(&self) -> Option<&FinalFact> {
        match &self.end {
            Some(SessionEnd::Finished(fact)) => Some(fact),
            _ => None,
        }
    }

    /// Whether its part was received to the end and adds up.
    pub fn is_complete(&self) -> bool {
        self.final_fact().is_some_and(|fact| {
            fact.requests_attempted == self.sums.requests_attempted
                && fact.iterations_started == self.sums.iterations_started
        })
    }

    /// Whether its part ended before the plan did, by a loss or because it left: what it did not carry of its share after
    /// that, nobody may have.
    pub fn ended_early(&self) -> bool {
        self.loss.is_some()
            || self.leave.is_some()
            || self.final_fact().is_some_and(|fact| fact.left_at.is_some())
    }

    /// Whether it was given up because it reported what cannot be.
    pub fn is_quarantined(&self) -> bool {
        self.loss.as_ref().is_some_and(|loss| loss.is_quarantine)
    }

    /// Whether what it did at its end is not known: it was given up, and its last word never came.
    pub fn is_missing(&self) -> bool {
        self.loss.is_some() && self.final_fact().is_none()
    }
}

#[cfg(test)]
mod tests {
    use control::{HostFacts, WorkerInfo};
    use proptest::prelude::*;

    use super::*;
    use crate::fixture;

    fn session() -> Session {
        let spec = WorkerSpec {
            worker: WorkerId::new("w"),
            session: SessionId::IN_PROCESS,
            weight: 1,
            info: WorkerInfo { version: String::new(), host: HostFacts::default() },
            labels: BTreeMap::new(),
            rtt: Nanos::ZERO,
        };
        Session::new(&spec, 0, &fixture::layout(&fixture::plan()))
    }

    proptest! {
        #[test]
        fn every_fact_is_taken_exactly_once_whatever_is_repeated_or_comes_early(seqs in prop::collection::vec(1_u64..12, 0..80)) {
            let mut session = session();
            let mut taken = Vec::new();
            for seq in seqs {
                if session.reception(seq) == Reception::Next {
                    session.acked = seq;
                    taken.push(seq);
                }
            }
            prop_assert_eq!(&taken, &(1..=taken.len() as u64).collect::<Vec<_>>());
        }
    }
}
