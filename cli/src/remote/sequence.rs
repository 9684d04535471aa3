//! Which event of a run comes next: nothing twice, nothing left out, whatever became of the connection between.

use api::http::{RunEvent, RunEventBody};

/// How far the events of a run were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequence {
    last: u64,
}

/// What an event is to what was seen before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The next one, or the word for those that are not kept any more.
    Next,
    /// Seen before: it changes nothing.
    Seen,
    /// One before it is missing: ask again from [`Sequence::last`] on.
    Gap,
}

impl Sequence {
    /// The number of the last event seen; 0 before the first.
    pub(crate) fn last(self) -> u64 {
        self.last
    }

    /// Takes note of an event.
    pub(crate) fn take(&mut self, event: &RunEvent) -> Place {
        if let RunEventBody::Compacted { oldest, .. } = event.body {
            // It stands for all before `oldest`; what was seen beyond is not seen again.
            if oldest <= self.last.saturating_add(1) {
                return Place::Seen;
            }
            self.last = oldest - 1;
            return Place::Next;
        }
        match event.seq {
            seq if seq <= self.last => Place::Seen,
            seq if seq == self.last + 1 => {
                self.last = seq;
                Place::Next
            }
            _ => Place::Gap,
        }
    }
}

#[cfg(test)]
mod tests {
    use api::http::RunState;
    use proptest::prelude::*;

    use super::*;
    use crate::remote::pick::tests::run;

    fn event(seq: u64) -> RunEvent {
        RunEvent { seq, at: String::new(), body: RunEventBody::Incident { text: String::new() } }
    }

    fn compacted(oldest: u64) -> RunEvent {
        let status = run("deadbeef", RunState::Running);
        let body = RunEventBody::Compacted { oldest, status: Box::new(status) };
        RunEvent { seq: oldest - 1, at: String::new(), body }
    }

    #[test]
    fn what_was_compacted_is_passed_over_and_told_once() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.take(&compacted(5)), Place::Next);
        assert_eq!(sequence.take(&compacted(5)), Place::Seen);
        assert_eq!(sequence.take(&event(5)), Place::Next);
        assert_eq!(sequence.take(&event(7)), Place::Gap);
        assert_eq!(sequence.last(), 5);
    }

    proptest! {
        #[test]
        fn a_stream_that_is_cut_and_resumed_is_seen_without_gap_or_repetition(
            total in 1u64..60, cuts in prop::collection::vec((1u64..10, 0u64..4), 1..200),
        ) {
            let (mut sequence, mut seen) = (Sequence::default(), Vec::new());
            for (many, back) in cuts {
                // After a cut the stream goes on with the next, or repeats a few.
                let from = (sequence.last() + 1).saturating_sub(back).max(1);
                for seq in from..(from + many).min(total + 1) {
                    if sequence.take(&event(seq)) == Place::Next {
                        seen.push(seq);
                    }
                }
            }
            prop_assert!(seen.iter().copied().eq(1..=sequence.last()));
        }
    }
}
