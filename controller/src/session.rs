//! One worker of a run, as the controller knows it.

use control::{FinalFact, Prepared, Refusal, WorkerId, WorkerInfo};
use metrics::Snapshot;
use plan::Share;
use units::{Nanos, Timestamp};

/// What the controller knows of one worker and its part of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Its name.
    pub worker: WorkerId,
    /// Its part.
    pub share: Share,
    /// Who it said it is.
    pub info: Option<WorkerInfo>,
    /// What it said when everything was ready.
    pub prepared: Option<Prepared>,
    /// When it took notice of slot 0.
    pub started_at: Option<Timestamp>,
    /// How its part ended.
    pub end: Option<SessionEnd>,
    /// Requests it reported so far.
    pub requests_attempted: u64,
    /// Iterations it reported so far.
    pub iterations_started: u64,
    /// The number of the last fact taken; all before it were taken too.
    pub(crate) acked: u64,
    /// The time since its last fact in which the controller was awake.
    pub(crate) silent: Nanos,
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
    pub(crate) fn new(worker: WorkerId, share: Share) -> Self {
        Self {
            worker,
            share,
            info: None,
            prepared: None,
            started_at: None,
            end: None,
            requests_attempted: 0,
            iterations_started: 0,
            acked: 0,
            silent: Nanos::ZERO,
        }
    }

    /// Takes note of a fact's number; counts it when it is the next one.
    pub(crate) fn receive(&mut self, seq: u64) -> Reception {
        self.silent = Nanos::ZERO;
        if seq <= self.acked {
            return Reception::Repeated;
        }
        if seq > self.acked + 1 {
            return Reception::Early;
        }
        self.acked = seq;
        Reception::Next
    }

    /// Adds up what the worker's last fact is held against. Warm-up counts: it was sent.
    pub(crate) fn tally(&mut self, snapshot: &Snapshot) {
        self.requests_attempted += snapshot.requests_attempted();
        self.iterations_started += snapshot.iterations_started();
    }

    /// Whether nothing more is expected of it.
    pub fn is_over(&self) -> bool {
        self.end.is_some()
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
            fact.requests_attempted == self.requests_attempted
                && fact.iterations_started == self.iterations_started
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_lost_is_taken_when_it_is_sent_again_from_where_the_acknowledgement_says() {
        let mut session = Session::new(WorkerId::new("w"), Share::whole());
        assert_eq!(session.receive(1), Reception::Next);
        assert_eq!(session.receive(3), Reception::Early);
        assert_eq!(session.acked, 1);
        for seq in [2, 3] {
            assert_eq!(session.receive(seq), Reception::Next);
        }
        assert_eq!(session.receive(3), Reception::Repeated);
    }

    proptest! {
        #[test]
        fn every_fact_is_taken_exactly_once_whatever_is_repeated_or_comes_early(seqs in prop::collection::vec(1_u64..12, 0..80)) {
            let mut session = Session::new(WorkerId::new("w"), Share::whole());
            let taken: Vec<u64> =
                seqs.iter().copied().filter(|seq| session.receive(*seq) == Reception::Next).collect();
            prop_assert_eq!(&taken, &(1..=taken.len() as u64).collect::<Vec<_>>());
            prop_assert_eq!(session.acked, taken.len() as u64);
        }
    }
}
