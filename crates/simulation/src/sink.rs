//! The target: what it saw, written down without a word from those who report.

use std::collections::BTreeMap;

use control::{RunId, SessionId};
use units::Timestamp;

/// One request that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// When, on the clock of whoever sent it.
    pub(crate) at: Timestamp,
    pub(crate) scenario: u32,
    /// The slot or iteration of a quota that it carries; `None` where users make up their own numbers.
    pub(crate) slot: Option<u64>,
    /// Whether it is the first request of its iteration.
    pub(crate) is_first: bool,
}

/// What one session sent of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) requests: u64,
    pub(crate) iterations: u64,
    /// When it sent last.
    pub(crate) last: Timestamp,
}

/// What the target saw of one run.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    pub(crate) senders: BTreeMap<SessionId, Sender>,
    slots: BTreeMap<(u32, u64), (SessionId, Timestamp)>,
    /// One line for each slot that was sent more than once.
    pub(crate) twice: Vec<String>,
}

/// The target of all runs.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    runs: BTreeMap<RunId, Seen>,
}

impl Sink {
    /// A request comes at the instant `at`.
    pub(crate) fn takes(&mut self, at: Timestamp, run: RunId, session: SessionId, sent: &Sent) {
        let seen = self.runs.entry(run).or_default();
        seen.requests += 1;
        let sender = seen.senders.entry(session).or_insert(Sender { requests: 0, iterations: 0, last: at });
        sender.requests += 1;
        sender.iterations += u64::from(sent.is_first);
        sender.last = sender.last.max(at);
        let (true, Some(slot)) = (sent.is_first, sent.slot) else { return };
        if let Some((other, before)) = seen.slots.insert((sent.scenario, slot), (session, at)) {
            let scenario = sent.scenario;
            seen.twice.push(format!(
                "slot {slot} of scenario {scenario} by {other} at {before:?}, by {session} at {at:?}"
            ));
        }
    }

    /// What it saw of `run`.
    pub(crate) fn of(&self, run: RunId) -> Option<&Seen> {
        self.runs.get(&run)
    }
}
