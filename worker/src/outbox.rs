//! Facts on their way to the controller: numbered, and kept until they are acknowledged.

use std::collections::VecDeque;

use control::{Fact, FactBody, RunId, SessionId, TracedRequest, WorkerId};
use units::{Nanos, Timestamp};

/// Whose facts they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The run they are about.
    pub run_id: RunId,
    /// The worker they are true of.
    pub worker: WorkerId,
    /// This life of it.
    pub session: SessionId,
}

/// The facts of one session that are not acknowledged.
///
/// At most [`Outbox::WINDOW`] of them are out at a time; what comes beyond waits without a number, and measurements
/// that wait are merged, so a controller that listens slowly costs memory for a minute only and loses nothing. What is
/// out is sent again when the controller asks for it by repeating an acknowledgement and when nothing was acknowledged
/// for a while, but never in a flood.
#[derive(Debug)]
pub(crate) struct Outbox {
    author: Author,
    /// The number of the last fact that was sent.
    last: u64,
    /// Every fact up to this number has been taken.
    acked: u64,
    sent: VecDeque<Fact>,
    waiting: VecDeque<FactBody>,
    /// When all that is out was last sent again.
    resent_at: Option<Timestamp>,
    /// Since when nothing that is out was acknowledged or sent again.
    silent_since: Timestamp,
}

impl Outbox {
    /// The most facts that are sent and not acknowledged: a minute of one a second.
    pub(crate) const WINDOW: usize = 64;

    /// What is out is sent again no sooner than this after the last time: each of the facts that were on their way twice
    /// is answered by an acknowledgement that repeats another, which must not be taken for a wish.
    pub(crate) const DAMPING: Nanos = Nanos::from_millis(500);

    /// When nothing was acknowledged for so long, what is out was lost, or its acknowledgement.
    pub(crate) const SILENCE: Nanos = Nanos::from_secs(2);

    pub(crate) fn new(author: Author) -> Self {
        Self {
            author,
            last: 0,
            acked: 0,
            sent: VecDeque::new(),
            waiting: VecDeque::new(),
            resent_at: None,
            silent_since: Timestamp::ORIGIN,
        }
    }

    /// Whose facts they are.
    pub(crate) fn author(&self) -> &Author {
        &self.author
    }

    /// Takes a new fact; `send` is given what is to be sent now.
    pub(crate) fn push(&mut self, now: Timestamp, body: FactBody, send: impl FnMut(Fact)) {
        // A number may have been seen already, so only what never had one is merged. These two kinds do not mind which of
        // them comes first, so neither keeps the other from being merged.
        let is_of_each_second =
            |body: &&mut FactBody| matches!(body, FactBody::Measured(_) | FactBody::Traced(_));
        let mut mergeable = self.waiting.iter_mut().rev().take_while(is_of_each_second);
        match body {
            FactBody::Measured(next) => {
                let waiting = mergeable.find_map(|body| match body {
                    FactBody::Measured(waiting) => Some(waiting),
                    _ => None,
                });
                match waiting {
                    Some(waiting) => waiting.merge(&next).expect("one worker measures in one layout"),
                    None => self.waiting.push_back(FactBody::Measured(next)),
                }
            }
            FactBody::Traced(next) => {
                let waiting = mergeable.find_map(|body| match body {
                    FactBody::Traced(waiting) => Some(waiting),
                    _ => None,
                });
                match waiting {
                    Some(waiting) => keep_slowest(waiting, next),
                    None => self.waiting.push_back(FactBody::Traced(next)),
                }
            }
            body => self.waiting.push_back(body),
        }
        self.send_waiting(now, send);
    }

    /// Takes note that every fact up to number `through` has been taken.
    ///
    /// The controller acknowledges the same number again when a fact before the one it got is missing; all that is
    /// out is then sent again.
    pub(crate) fn ack(&mut self, now: Timestamp, through: u64, mut send: impl FnMut(Fact)) {
        if through > self.last {
            return;
        }
        let is_wish = through == self.acked
            && self.resent_at.is_none_or(|then| now.saturating_since(then) >= Self::DAMPING);
        if is_wish {
            self.resend(now, &mut send);
        }
        self.take(now, through, send);
    }

    /// A new stream was opened, and its controller took every fact up to number `through`: sends what is out again.
    pub(crate) fn resume(&mut self, now: Timestamp, through: u64, mut send: impl FnMut(Fact)) {
        if through <= self.last {
            self.take(now, through, |_| {});
        }
        self.resend(now, &mut send);
    }

    /// Sends what is out again when nobody answered for too long.
    pub(crate) fn tick(&mut self, now: Timestamp, mut send: impl FnMut(Fact)) {
        if now >= self.wake_at() {
            self.resend(now, &mut send);
        }
    }

    /// The latest instant at which [`Outbox::tick`] has to be called again.
    pub(crate) fn wake_at(&self) -> Timestamp {
        if self.sent.is_empty() { Timestamp::NEVER } else { self.silent_since + Self::SILENCE }
    }

    /// Whether every fact has been taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.waiting.is_empty()
    }

    fn take(&mut self, now: Timestamp, through: u64, send: impl FnMut(Fact)) {
        if through > self.acked {
            self.acked = through;
            self.silent_since = now;
        }
        while self.sent.front().is_some_and(|fact| fact.seq <= self.acked) {
            self.sent.pop_front();
        }
        self.send_waiting(now, send);
    }

    fn resend(&mut self, now: Timestamp, send: &mut impl FnMut(Fact)) {
        // With nothing out this was no resending that could be damped.
        if !self.sent.is_empty() {
            self.resent_at = Some(now);
            self.silent_since = now;
        }
        self.sent.iter().cloned().for_each(send);
    }

    fn send_waiting(&mut self, now: Timestamp, mut send: impl FnMut(Fact)) {
        while self.sent.len() < Self::WINDOW
            && let Some(body) = self.waiting.pop_front()
        {
            if self.sent.is_empty() {
                self.silent_since = now;
            }
            self.last += 1;
            let Author { run_id, worker, session } = self.author.clone();
            let fact = Fact { run_id, worker, session, seq: self.last, body };
            self.sent.push_back(fact.clone());
            send(fact);
        }
    }
}

/// Keeps the slowest of both in `requests`, slowest first, no more than one fact may hold.
pub(crate) fn keep_slowest(requests: &mut Vec<TracedRequest>, more: Vec<TracedRequest>) {
    requests.extend(more);
    requests.sort_by_key(|request| std::cmp::Reverse(request.response_time));
    requests.truncate(TracedRequest::MOST);
}

#[cfg(test)]
mod tests;
