//! What happened in a run, by number.

use std::collections::VecDeque;
use std::sync::Arc;

use api::http::{RunEvent, RunEventBody, RunStatus};

/// An event, and its form on the wire: written once, however many follow the run.
#[derive(Debug)]
pub struct LoggedEvent {
    /// The event.
    pub event: RunEvent,
    /// The event as JSON.
    pub json: String,
}

impl LoggedEvent {
    /// Writes an event down.
    pub fn new(event: RunEvent) -> Self {
        let json = serde_json::to_string(&event).expect("an event can be written as JSON");
        Self { event, json }
    }
}

/// The last events of a run. Numbers rise by one from 1; what is not kept any more is never renumbered.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    events: VecDeque<Arc<LoggedEvent>>,
    /// The number of the last event; 0 before the first.
    last: u64,
    bytes: usize,
}

impl EventLog {
    /// Events that are kept of a run: more than an hour of one a second.
    pub(super) const MOST: usize = 4_096;

    /// Appends an event.
    pub(super) fn push(&mut self, at: String, body: RunEventBody) -> Arc<LoggedEvent> {
        self.last += 1;
        let event = Arc::new(LoggedEvent::new(RunEvent { seq: self.last, at, body }));
        self.bytes += event.json.len();
        self.events.push_back(Arc::clone(&event));
        if self.events.len() > Self::MOST
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= oldest.json.len();
        }
        event
    }

    /// What a watcher gets who has everything up to `after`. Where that is not kept any more, one event says so, in the
    /// place of the last one that is missing; `status` is where the run stands. Nothing, for a number still to come.
    pub(super) fn after(
        &self,
        after: u64,
        at: impl FnOnce() -> String,
        status: impl FnOnce() -> RunStatus,
    ) -> Vec<Arc<LoggedEvent>> {
        let oldest = self.last + 1 - self.events.len() as u64;
        let known = after.saturating_add(1).saturating_sub(oldest);
        let mut events = Vec::new();
        if after.saturating_add(1) < oldest {
            let body = RunEventBody::Compacted { oldest, status: Box::new(status()) };
            events.push(Arc::new(LoggedEvent::new(RunEvent { seq: oldest - 1, at: at(), body })));
        }
        let skipped = usize::try_from(known).unwrap_or(usize::MAX);
        events.extend(self.events.iter().skip(skipped).cloned());
        events
    }

    /// The length of all kept events as JSON.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use api::http::RunState;
    use proptest::prelude::*;

    use super::*;

    fn log(events: u64) -> EventLog {
        let mut log = EventLog::default();
        for n in 1..=events {
            log.push(String::new(), RunEventBody::Incident { text: n.to_string() });
        }
        log
    }

    fn status() -> RunStatus {
        RunStatus {
            run_id: "r".to_owned(),
            name: "n".to_owned(),
            state: RunState::Running,
            created_at: String::new(),
            submitted_by: "t".to_owned(),
            started_at: None,
            waits_for: None,
            workers: Vec::new(),
            degraded: false,
            live: None,
            exit: None,
        }
    }

    fn seqs(log: &EventLog, after: u64) -> (Option<u64>, Vec<u64>) {
        let events = log.after(after, String::new, status);
        let compacted = events.first().and_then(|first| match first.event.body {
            RunEventBody::Compacted { oldest, .. } => Some(oldest),
            _ => None,
        });
        (compacted, events.iter().map(|event| event.event.seq).collect())
    }

    #[test]
    fn a_watcher_gets_exactly_what_comes_after_its_number() {
        let log = log(10);
        assert_eq!(seqs(&log, 0), (None, (1..=10).collect()));
        assert_eq!(seqs(&log, 1), (None, (2..=10).collect()));
        assert_eq!(seqs(&log, 9), (None, vec![10]));
        assert_eq!(seqs(&log, 10), (None, vec![]));
        assert_eq!(seqs(&log, 11), (None, vec![]));
        assert_eq!(seqs(&log, u64::MAX), (None, vec![]));
        assert_eq!(seqs(&EventLog::default(), 0), (None, vec![]));
    }

    #[test]
    fn a_watcher_from_before_what_is_kept_is_told_so_at_exactly_that_border() {
        let most = EventLog::MOST as u64;
        assert_eq!(seqs(&log(most), 0), (None, (1..=most).collect()));
        let log = log(most + 3);
        assert_eq!(seqs(&log, 2).0, Some(4));
        // The word that something is missing has the number of the last one that is.
        assert_eq!(seqs(&log, 2).1, (3..=most + 3).collect::<Vec<_>>());
        assert_eq!(seqs(&log, 0).1, (3..=most + 3).collect::<Vec<_>>());
        assert_eq!(seqs(&log, 3), (None, (4..=most + 3).collect()));
        assert_eq!(seqs(&log, 4), (None, (5..=most + 3).collect()));
    }

    #[test]
    fn the_log_knows_its_size() {
        let log = log(EventLog::MOST as u64 + 10);
        assert_eq!(log.bytes(), log.events.iter().map(|event| event.json.len()).sum::<usize>());
        assert_eq!(log.events.len(), EventLog::MOST);
    }

    proptest! {
        /// A thousand cuts: whoever comes again with the last number it saw sees every number once and in order.
        #[test]
        fn cuts_lose_and_repeat_nothing(cuts in prop::collection::vec((0_u64..5, 0_usize..9), 1_000)) {
            let mut log = EventLog::default();
            let mut seen = 0;
            for (events, read) in cuts {
                for _ in 0..events {
                    log.push(String::new(), RunEventBody::Incident { text: String::new() });
                }
                for event in log.after(seen, String::new, status).iter().take(read) {
                    prop_assert_eq!(event.event.seq, seen + 1);
                    seen += 1;
                }
            }
            prop_assert!(seen <= log.last);
        }
    }
}
