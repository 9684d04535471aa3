//! Facts on their way to the controller: numbered, and kept until they are acknowledged.

use std::collections::VecDeque;

use control::{Fact, FactBody, RunId, WorkerId};

/// The facts of one session that are not acknowledged.
///
/// At most [`Outbox::WINDOW`] of them are out at a time; what comes beyond waits without a number, and measurements
/// that wait are merged, so a controller that listens slowly costs memory for a few seconds only and loses nothing.
#[derive(Debug)]
pub(crate) struct Outbox {
    run_id: RunId,
    worker: WorkerId,
    /// The number of the last fact that was sent.
    last: u64,
    /// Every fact up to this number has been taken.
    acked: u64,
    sent: VecDeque<Fact>,
    waiting: VecDeque<FactBody>,
}

impl Outbox {
    /// The most facts that are sent and not acknowledged: a minute of one a second.
    pub(crate) const WINDOW: usize = 64;

    pub(crate) fn new(run_id: RunId, worker: WorkerId) -> Self {
        Self { run_id, worker, last: 0, acked: 0, sent: VecDeque::new(), waiting: VecDeque::new() }
    }

    /// Takes a new fact; `send` is given what is to be sent now.
    pub(crate) fn push(&mut self, body: FactBody, send: impl FnMut(Fact)) {
        match (self.waiting.back_mut(), body) {
            // A number may have been seen already, so only what never had one is merged.
            (Some(FactBody::Measured(waiting)), FactBody::Measured(next)) => {
                waiting.merge(&next).expect("one worker measures in one layout");
            }
            (_, body) => self.waiting.push_back(body),
        }
        self.send_waiting(send);
    }

    /// Takes note that every fact up to number `through` has been taken.
    ///
    /// The controller acknowledges the same number again when a fact before the one it got is missing; all that is
    /// out is then sent again.
    pub(crate) fn ack(&mut self, through: u64, mut send: impl FnMut(Fact)) {
        if through > self.last {
            return;
        }
        if through == self.acked {
            self.sent.iter().cloned().for_each(&mut send);
        }
        self.acked = self.acked.max(through);
        while self.sent.front().is_some_and(|fact| fact.seq <= self.acked) {
            self.sent.pop_front();
        }
        self.send_waiting(send);
    }

    /// Whether every fact has been taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.waiting.is_empty()
    }

    fn send_waiting(&mut self, mut send: impl FnMut(Fact)) {
        while self.sent.len() < Self::WINDOW
            && let Some(body) = self.waiting.pop_front()
        {
            self.last += 1;
            let fact = Fact { run_id: self.run_id, worker: self.worker.clone(), seq: self.last, body };
            self.sent.push_back(fact.clone());
            send(fact);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use metrics::Snapshot;
    use units::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn outbox() -> Outbox {
        Outbox::new(RunId::new(Uuid::nil()), WorkerId::new("w"))
    }

    fn measured(second: u32) -> FactBody {
        FactBody::Measured(Box::new(Snapshot {
            first: second,
            last: second,
            shape_hash: 7,
            steps: BTreeMap::new(),
            scenarios: BTreeMap::new(),
            checks: BTreeMap::new(),
            histograms: BTreeMap::new(),
            gauges: BTreeMap::new(),
            activity: BTreeMap::new(),
            coalesced: 1,
        }))
    }

    fn push(outbox: &mut Outbox, body: FactBody) -> Vec<Fact> {
        let mut sent = Vec::new();
        outbox.push(body, |fact| sent.push(fact));
        sent
    }

    /// On the acknowledgement the `expected` facts are sent.
    #[track_caller]
    fn ack(outbox: &mut Outbox, through: u64, expected: &[u64]) {
        let mut sent = Vec::new();
        outbox.ack(through, |fact| sent.push(fact.seq));
        assert_eq!(sent, expected);
    }

    #[test]
    fn facts_are_numbered_without_gaps_and_kept_until_they_are_taken() {
        let mut outbox = outbox();
        for seq in 1..=3 {
            assert_eq!(push(&mut outbox, measured(0))[0].seq, seq);
        }
        ack(&mut outbox, 2, &[]);
        assert!(!outbox.is_empty());
        ack(&mut outbox, 3, &[]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_is_acknowledged_again_is_sent_again_from_there() {
        let mut outbox = outbox();
        for second in 0..4 {
            push(&mut outbox, measured(second));
        }
        ack(&mut outbox, 1, &[]);
        ack(&mut outbox, 1, &[2, 3, 4]);
        // A number that was never sent.
        ack(&mut outbox, 9, &[]);
        ack(&mut outbox, 4, &[]);
        ack(&mut outbox, 4, &[]);
    }

    #[test]
    fn beyond_the_window_measurements_merge_and_other_facts_keep_their_place() {
        let mut outbox = outbox();
        for second in 0..Outbox::WINDOW as u32 {
            assert_eq!(push(&mut outbox, measured(second)).len(), 1);
        }
        for second in 64..1_000 {
            assert_eq!(push(&mut outbox, measured(second)).len(), 0);
        }
        assert_eq!(push(&mut outbox, FactBody::Started { at: Timestamp::ORIGIN }).len(), 0);
        push(&mut outbox, measured(1_000));
        let mut sent = Vec::new();
        outbox.ack(64, |fact| sent.push(fact));
        assert_eq!(sent.iter().map(|fact| fact.seq).collect::<Vec<_>>(), [65, 66, 67]);
        let FactBody::Measured(merged) = &sent[0].body else { panic!("{sent:?}") };
        assert_eq!((merged.first, merged.last, merged.coalesced), (64, 999, 936), "nothing is lost");
        assert!(matches!(sent[1].body, FactBody::Started { .. }));
        assert!(matches!(sent[2].body, FactBody::Measured(_)));
    }
}
