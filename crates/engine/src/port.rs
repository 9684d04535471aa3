//! The port between virtual users and protocols.
//!
//! A protocol is a passive state machine of one engine thread: the engine calls [`Protocol::start`] when a user's
//! program comes to a request, [`Protocol::poll_io`] when a socket may have moved on and [`Protocol::on_timer`]
//! when an instant it asked for has come. What it has to say goes into the [`Outbox`]; the engine acts on that
//! before it returns to the runtime, so the next request of a user is written inside the read handler of its
//! last response.

use std::task::{Context, Poll};

use metrics::{Outcome, Phases, TraceParent};
use plan::RequestId;
use units::{Clock, Timestamp};

/// A request under way: the place of its virtual user on this thread. A user has at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(pub u32);

/// Something of a protocol that waits for the kernel (a connection): its place in the protocol's own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IoId(pub u32);

/// How one call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Which call.
    pub call: CallId,
    /// How it ended. Checks on the response time are not in it: the engine knows the intended start.
    pub outcome: Outcome,
    /// The first byte offered to the kernel, or the start of DNS/connect if the call opened its connection.
    pub actual_start: Timestamp,
    /// The instant of the last byte, the failure or the cancellation, read at the event.
    pub completed_at: Timestamp,
    /// How long its phases took.
    pub phases: Phases,
    /// The status of the response, or 0.
    pub status: u16,
    /// Bytes written, before TLS.
    pub sent_bytes: u64,
    /// Bytes read, before TLS.
    pub received_bytes: u64,
    /// Whether it was sent a second time on another connection.
    pub resent: bool,
    /// Bit i: check i of the request's list held. Checks that need a response are not held without one.
    pub checks_held: u64,
}

/// What a protocol tells the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call ended; nothing more is said about it.
    Completed(Completion),
    /// `poll_io` is to be called for this from a task of its own, now and whenever it is woken, until it is ready.
    Opened(IoId),
    /// `on_timer` is to be called for this call at this instant; replaces an earlier instant of the call.
    Timer(CallId, Timestamp),
}

/// Where a protocol puts what it has to say; emptied by the engine, first said first, after every call into the
/// protocol.
#[derive(Debug, Default)]
pub struct Outbox {
    events: Vec<Event>,
    taken: usize,
}

impl Outbox {
    /// Says `event`.
    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Takes what was said first.
    pub fn pop(&mut self) -> Option<Event> {
        let event = self.events.get(self.taken).copied();
        self.taken += 1;
        if self.taken >= self.events.len() {
            self.events.clear();
            self.taken = 0;
        }
        event
    }
}

/// What a protocol holds open at an instant and has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionGauges {
    /// Connections that are open, idle ones included.
    pub open: u64,
    /// Connections opened since the start.
    pub opened: u64,
    /// Requests sent on a connection that had carried one before.
    pub reused: u64,
}

/// What carries requests: one value per engine thread.
pub trait Protocol: 'static {
    /// Sends `request` for `call`, or begins to. A failure to do so is a completion, never an error. With `parent` the
    /// target is told which span the request belongs to.
    ///
    /// # Cost
    /// On a kept connection: one system call, no allocation.
    fn start<C: Clock>(
        &mut self,
        call: CallId,
        request: RequestId,
        parent: Option<&TraceParent>,
        clock: &C,
        out: &mut Outbox,
    );

    /// Moves `io` on as far as the kernel lets it. Ready when it is gone for good; its place may then be used again.
    fn poll_io<C: Clock>(&mut self, io: IoId, cx: &mut Context<'_>, clock: &C, out: &mut Outbox) -> Poll<()>;

    /// Looks at `call` because the instant it asked for has come: ends it with a timeout, or asks for another.
    fn on_timer<C: Clock>(&mut self, call: CallId, clock: &C, out: &mut Outbox);

    /// Ends `call` with [`Outcome::Cancelled`] and closes what carried it.
    fn cancel<C: Clock>(&mut self, call: CallId, clock: &C, out: &mut Outbox);

    /// What is open, and what was done.
    fn gauges(&self) -> ConnectionGauges;
}
