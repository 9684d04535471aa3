//! One request and its response on a connection.

use engine::{CallId, Completion};
use metrics::{ErrorClass, Outcome, Phases};
use plan::RequestId;
use units::{Nanos, Timestamp};

use super::Request;
use super::link::Link;
use crate::checks::Seen;
use crate::transport::Stream;

/// A request under way and what is known of its response.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) call: CallId,
    pub(super) request: RequestId,
    pub(super) actual_start: Timestamp,
    /// When its first byte was offered to the kernel.
    pub(super) offered_at: Timestamp,
    pub(super) first_byte_at: Option<Timestamp>,
    /// When the whole request must be over.
    pub(super) deadline: Timestamp,
    /// When the present phase must be over, or never.
    pub(super) phase_deadline: Timestamp,
    /// Those before the request was sent; the others follow from the instants.
    pub(super) phases: Phases,
    /// Bytes of the image that were written.
    written: usize,
    pub(super) received: u64,
    /// The whole image is with the kernel.
    pub(super) sent: bool,
    /// Why no more can be written. What was read before may still be a response.
    pub(super) write_fault: Option<ErrorClass>,
    pub(super) resent: bool,
    /// The target is told which span it is; [`super::Outgoing`] knows which.
    pub(super) told: bool,
    pub(super) seen: Seen,
}

impl Exchange {
    /// A request that starts at `now`.
    pub(super) fn new(call: CallId, request: RequestId, now: Timestamp, timeout: Nanos) -> Self {
        Self {
            call,
            request,
            actual_start: now,
            offered_at: now,
            first_byte_at: None,
            deadline: now.saturating_add(timeout),
            phase_deadline: Timestamp::NEVER,
            phases: Phases::default(),
            written: 0,
            received: 0,
            sent: false,
            write_fault: None,
            resent: false,
            told: false,
            seen: Seen::default(),
        }
    }

    /// The same request, to be sent on another connection.
    pub(super) fn again(self) -> Self {
        Self { written: 0, sent: false, write_fault: None, resent: true, ..self }
    }

    /// The next instant at which it may be too late.
    pub(super) fn due(&self) -> Timestamp {
        self.deadline.min(self.phase_deadline)
    }

    /// Whether there is something left to write, and somebody to take it.
    pub(super) fn owes_bytes(&self) -> bool {
        !self.sent && self.write_fault.is_none()
    }

    /// Writes of `image` what was not written and there is room for.
    pub(super) fn send<S: Stream>(&mut self, link: &mut Link<S>, image: &[u8]) {
        match link.send(image, &mut self.written) {
            Ok(sent) => self.sent = sent,
            Err(class) => self.write_fault = Some(class),
        }
    }

    /// How it ended, given that its response is complete.
    // One body for both callers: within `poll_io` it has too few registers and costs 16 instructions more.
    #[inline(never)]
    pub(super) fn responded(&self, request: &Request, at: Timestamp) -> Completion {
        // Complete, but too late: the timer is not woken to the nanosecond, and must not decide.
        let late = at > self.deadline;
        let outcome =
            if late { Outcome::Failed(ErrorClass::Timeout) } else { request.checks.outcome(self.seen) };
        self.completion(outcome, self.seen.held, at)
    }

    /// How it ended.
    pub(super) fn completion(&self, outcome: Outcome, checks_held: u64, at: Timestamp) -> Completion {
        let first_byte = self.first_byte_at;
        let phases = Phases {
            first_byte: first_byte.map(|first| first.saturating_since(self.offered_at)),
            receive: first_byte.map(|first| at.saturating_since(first)),
            ..self.phases
        };
        Completion {
            call: self.call,
            outcome,
            actual_start: self.actual_start,
            completed_at: at,
            phases,
            status: self.seen.status,
            sent_bytes: self.written as u64,
            received_bytes: self.received,
            resent: self.resent,
            checks_held,
        }
    }
}
