//! Following a run: what was, then what comes, without a gap.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::cluster::LoggedEvent;

/// The events of one run for one watcher, in the order of their numbers.
#[derive(Debug)]
pub struct Events {
    /// What had happened when the watcher came.
    past: VecDeque<Arc<LoggedEvent>>,
    to_come: mpsc::Receiver<Watched>,
    /// Bytes in `to_come`.
    waiting: Arc<AtomicUsize>,
}

/// What a watcher sees.
#[derive(Clone, Debug)]
pub enum Watched {
    /// The next event.
    Event(Arc<LoggedEvent>),
    /// The watcher was too slow; nothing follows. It may come again and go on after that number.
    Overflow {
        /// The number of the last event it was given.
        last: u64,
    },
}

impl Events {
    /// The next event, when it comes; `None` after the last one, and when the controller ends.
    pub async fn next(&mut self) -> Option<Watched> {
        if let Some(event) = self.past.pop_front() {
            return Some(Watched::Event(event));
        }
        let watched = self.to_come.recv().await?;
        if let Watched::Event(event) = &watched {
            self.waiting.fetch_sub(event.json.len(), Ordering::Relaxed);
        }
        Some(watched)
    }
}

/// The other end of [`Events`].
#[derive(Debug)]
pub(super) struct Watcher {
    sender: mpsc::Sender<Watched>,
    waiting: Arc<AtomicUsize>,
    /// The number of the last event that was given, or after which the watcher wants to go on.
    last: u64,
}

impl Watcher {
    /// Makes both ends, for a watcher that has everything up to `after` and gets `past` now.
    pub(super) fn new(after: u64, past: Vec<Arc<LoggedEvent>>) -> (Self, Events) {
        // One place more than events: for the word that there were too many.
        let (sender, to_come) = mpsc::channel(MOST_EVENTS + 1);
        let waiting = Arc::new(AtomicUsize::new(0));
        let last = past.last().map_or(after, |event| event.event.seq.max(after));
        let events = Events { past: past.into(), to_come, waiting: Arc::clone(&waiting) };
        (Self { sender, waiting, last }, events)
    }

    /// Whether somebody still follows.
    pub(super) fn is_there(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Gives an event; says whether the watcher is still to be kept.
    pub(super) fn give(&mut self, event: &Arc<LoggedEvent>) -> bool {
        if event.event.seq <= self.last {
            return !self.sender.is_closed();
        }
        let bytes = event.json.len();
        let is_full = self.sender.capacity() <= 1
            || self.waiting.load(Ordering::Relaxed).saturating_add(bytes) > MOST_BYTES;
        if is_full {
            // There is a place for it, and nobody else sends. A watcher that went away needs not be told.
            drop(self.sender.try_send(Watched::Overflow { last: self.last }));
            return false;
        }
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        self.last = event.event.seq;
        self.sender.try_send(Watched::Event(Arc::clone(event))).is_ok()
    }
}

/// Events that may wait for one watcher.
const MOST_EVENTS: usize = 1_024;
/// Bytes of events that may wait for one watcher.
const MOST_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use api::http::{RunEvent, RunEventBody};

    use super::*;

    fn event(seq: u64, text: &str) -> Arc<LoggedEvent> {
        let body = RunEventBody::Incident { text: text.to_owned() };
        Arc::new(LoggedEvent::new(RunEvent { seq, at: String::new(), body }))
    }

    async fn all(mut events: Events) -> (Vec<u64>, Option<u64>) {
        let mut seen = Vec::new();
        while let Some(watched) = events.next().await {
            match watched {
                Watched::Event(event) => seen.push(event.event.seq),
                Watched::Overflow { last } => return (seen, Some(last)),
            }
        }
        (seen, None)
    }

    #[tokio::test]
    async fn what_was_comes_before_what_comes_and_nothing_twice() {
        let (mut watcher, events) = Watcher::new(2, vec![event(3, ""), event(4, "")]);
        for seq in 3..=6 {
            assert!(watcher.give(&event(seq, "")));
        }
        drop(watcher);
        assert_eq!(all(events).await, (vec![3, 4, 5, 6], None));
    }

    #[tokio::test]
    async fn a_watcher_from_the_future_waits_for_its_number() {
        let (mut watcher, events) = Watcher::new(5, Vec::new());
        for seq in 1..=7 {
            assert!(watcher.give(&event(seq, "")));
        }
        drop(watcher);
        assert_eq!(all(events).await, (vec![6, 7], None));
    }

    #[tokio::test]
    async fn a_watcher_that_does_not_look_is_told_the_last_number_it_was_given() {
        let (mut watcher, events) = Watcher::new(0, Vec::new());
        let given = (1..).take_while(|seq| watcher.give(&event(*seq, ""))).count();
        assert_eq!(given, MOST_EVENTS);
        let (seen, last) = all(events).await;
        assert_eq!(seen, (1..=MOST_EVENTS as u64).collect::<Vec<_>>());
        assert_eq!(last, Some(MOST_EVENTS as u64));
    }

    #[tokio::test]
    async fn large_events_count_by_their_bytes_and_what_was_read_counts_no_more() {
        let large = "x".repeat(300_000);
        let (mut watcher, mut events) = Watcher::new(0, Vec::new());
        for seq in 1..=3 {
            assert!(watcher.give(&event(seq, &large)));
        }
        assert!(matches!(events.next().await, Some(Watched::Event(event)) if event.event.seq == 1));
        assert!(watcher.give(&event(4, &large)));
        assert!(!watcher.give(&event(5, &large)));
        drop(watcher);
        assert_eq!(all(events).await, (vec![2, 3, 4], Some(4)));
    }

    #[test]
    fn a_watcher_that_went_away_is_let_go() {
        let (mut watcher, events) = Watcher::new(0, Vec::new());
        drop(events);
        assert!(!watcher.give(&event(1, "")));
    }
}
