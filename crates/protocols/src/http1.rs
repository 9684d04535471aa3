//! HTTP/1.1 on one engine thread: pools of connections, each with at most one request under way.
//!
//! ```text
//!  start ─► Resolving ─► Connecting ─► Handshaking ─► Open ◄─► idle in the origin's stack
//!              │             │              │           │
//!              └─────────────┴──────────────┴───────────┴──► Closed ─► the task ends, the place is free
//! ```
//!
//! Users do not own connections: a request takes the connection that was used last, and opens one when none is
//! idle. A request is written by one `send` in [`Http1::start`]; its response is read, judged and recorded in
//! `poll_io`, which puts the connection back before it says so, so that the user's next request finds it there.
//! Images with trace headers are filled in where they stand, in the thread's own copy, before every write.
//! [`Http1`] holds the table and the rules; start reading at its implementation of [`Protocol`].

mod connection;
mod exchange;
mod link;
mod opening;
mod origin;
mod outgoing;
mod table;

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use engine::{CallId, ConnectionGauges, Event, IoId, Outbox, Protocol};
use metrics::{ErrorClass, Outcome, TraceParent};
use plan::RequestId;
use units::{Clock, Timestamp};

use crate::checks::{Observation, Seen};
use crate::codec::{HeadMemo, Progress};
use crate::dns::Resolve;
use crate::policy::TargetPolicy;
use crate::prepared::{Prepared, Request};
use crate::transport::{Tcp, Transport};
use connection::{Connection, Stage};
use exchange::Exchange;
use origin::OriginState;
use outgoing::Outgoing;
use table::Table;

/// How much is read at once. A read that does not fill it spares the read that would find nothing.
const READ_BYTES: usize = 64 * 1024;

/// Room for the plaintext of one read of ciphertext and of what was read in part before (a record is at most
/// 16 KiB and a little).
const PLAIN_BYTES: usize = 2 * READ_BYTES;

/// Kept bodies that are saved for later responses.
const SPARE_BODIES: usize = 64;

/// A place in `calls` without a connection.
const NO_IO: u32 = u32::MAX;

/// Buffers that all connections of a thread read through.
#[derive(Debug)]
pub(crate) struct Buffers {
    pub(crate) plain: Box<[u8]>,
    pub(crate) cipher: Box<[u8]>,
}

/// HTTP/1.1 for one engine thread.
pub struct Http1<T: Transport = Tcp> {
    prepared: Arc<Prepared>,
    resolver: Arc<dyn Resolve>,
    transport: T,
    origins: Vec<OriginState>,
    connections: Table<Connection<T::Stream>>,
    /// By call: the connection that carries it, or [`NO_IO`].
    calls: Vec<u32>,
    gauges: ConnectionGauges,
    buffers: Buffers,
    spare_bodies: Vec<Vec<u8>>,
    outgoing: Outgoing,
    /// By request: the head of its last response, and what was found out from it.
    known_heads: Vec<(HeadMemo, Seen)>,
}

impl Http1 {
    /// Makes the protocol of one thread, over TCP, to where `policy` allows.
    pub fn new(prepared: Arc<Prepared>, resolver: Arc<dyn Resolve>, policy: Arc<TargetPolicy>) -> Self {
        Self::over(Tcp::new(policy), prepared, resolver)
    }
}

impl<T: Transport> Http1<T> {
    /// Makes the protocol of one thread over `transport`.
    pub fn over(transport: T, prepared: Arc<Prepared>, resolver: Arc<dyn Resolve>) -> Self {
        let origins = prepared.origins.iter().map(OriginState::new).collect();
        let outgoing = Outgoing::new(&prepared.requests);
        let known_heads = prepared.requests.iter().map(|_| Default::default()).collect();
        let buffers = Buffers {
            plain: vec![0; PLAIN_BYTES].into_boxed_slice(),
            cipher: vec![0; READ_BYTES].into_boxed_slice(),
        };
        Self {
            prepared,
            resolver,
            transport,
            origins,
            connections: Table::default(),
            calls: Vec::new(),
            gauges: ConnectionGauges::default(),
            buffers,
            spare_bodies: Vec::with_capacity(SPARE_BODIES),
            outgoing,
            known_heads,
        }
    }
}

impl<T: Transport> Protocol for Http1<T> {
    // Into both callers: in that of requests of which nothing is told, all that is about telling goes away. A call with so
    // many arguments would cost 40 instructions a request.
    #[inline(always)]
    fn start<C: Clock>(
        &mut self,
        call: CallId,
        request: RequestId,
        parent: Option<&TraceParent>,
        clock: &C,
        out: &mut Outbox,
    ) {
        let place = call.0 as usize;
        if place >= self.calls.len() {
            self.calls.resize(place + 1, NO_IO);
        }
        debug_assert_eq!(self.calls[place], NO_IO, "a user has at most one request under way");
        let prepared = &self.prepared.requests[request.index()];
        let origin = prepared.origin.index();
        let idle = self.origins[origin].idle.pop();
        let Some((io, connection)) = idle.and_then(|io| Some((io, self.connections.get_mut(io)?))) else {
            let now = clock.now();
            let mut exchange = Exchange::new(call, request, now, prepared.timeout);
            exchange.told = self.outgoing.tell(call, request, parent);
            return self.open(origin, exchange, now, out);
        };
        self.calls[place] = io;
        self.gauges.reused += 1;
        connection.served = true;
        connection.codec.begin(prepared.is_head);
        let exchange =
            connection.exchange.insert(Exchange::new(call, request, clock.now(), prepared.timeout));
        exchange.told = self.outgoing.tell(call, request, parent);
        out.push(Event::Timer(call, exchange.deadline));
        if let Stage::Open(link) = &mut connection.stage {
            self.outgoing.send(prepared, exchange, link);
        }
        if !exchange.sent {
            // The rest is written, or the fault looked into, by the connection's own task.
            connection.wake();
        }
    }

    // Its one caller is the engine's function of this name.
    #[inline]
    fn poll_io<C: Clock>(&mut self, io: IoId, cx: &mut Context<'_>, clock: &C, out: &mut Outbox) -> Poll<()> {
        let Some(mut connection) = self.connections.take(io.0) else { return Poll::Ready(()) };
        connection.remember(cx.waker());
        let gone = self.advance(io.0, &mut connection, cx, clock, out);
        match gone {
            Poll::Pending => self.connections.put_back(io.0, connection),
            Poll::Ready(()) => self.connections.free(io.0),
        }
        gone
    }

    fn on_timer<C: Clock>(&mut self, call: CallId, clock: &C, out: &mut Outbox) {
        let Some(connection) = self.carrier(call) else { return };
        let Some(exchange) = &connection.exchange else { return };
        let now = clock.now();
        if now < exchange.due() {
            // Set for an earlier request of the user, or for a phase that is over.
            out.push(Event::Timer(call, exchange.due()));
            return;
        }
        let class = match &connection.stage {
            // What went wrong is told when the connection's task comes to it, which is at once.
            Stage::Doomed { .. } => return,
            _ if exchange.deadline < exchange.phase_deadline => ErrorClass::Timeout,
            Stage::Resolving { .. } => ErrorClass::DnsTimeout,
            Stage::Connecting { .. } => ErrorClass::ConnectTimeout,
            Stage::Handshaking { .. } => ErrorClass::TlsTimeout,
            Stage::Open(_) | Stage::Closed => ErrorClass::Timeout,
        };
        self.abandon(call, Outcome::Failed(class), now, out);
    }

    fn cancel<C: Clock>(&mut self, call: CallId, clock: &C, out: &mut Outbox) {
        self.abandon(call, Outcome::Cancelled, clock.now(), out);
    }

    fn gauges(&self) -> ConnectionGauges {
        self.gauges
    }
}

impl<T: Transport> Http1<T> {
    /// The connection that carries `call`, if it is under way.
    fn carrier(&mut self, call: CallId) -> Option<&mut Connection<T::Stream>> {
        let io = *self.calls.get(call.0 as usize)?;
        self.connections.get_mut(io)
    }

    /// Moves `connection`, which was taken from place `io`, on; ready when it is gone.
    fn advance<C: Clock>(
        &mut self,
        io: u32,
        connection: &mut Connection<T::Stream>,
        cx: &mut Context<'_>,
        clock: &C,
        out: &mut Outbox,
    ) -> Poll<()> {
        loop {
            match &connection.stage {
                Stage::Open(_) => return self.poll_open(io, connection, cx, clock, out),
                Stage::Resolving { since } => {
                    let since = *since;
                    ready!(self.poll_lookup(connection, since, cx, clock, out));
                }
                Stage::Connecting { .. } => ready!(self.poll_connect(connection, cx, clock, out)),
                Stage::Handshaking { .. } => ready!(self.poll_handshake(connection, cx, clock, out)),
                Stage::Doomed { class, at } => {
                    let (class, at) = (*class, *at);
                    if let Some(exchange) = connection.exchange.take() {
                        self.complete(&exchange, Outcome::Failed(class), at, out);
                    }
                    self.shut(connection);
                }
                Stage::Closed => return Poll::Ready(()),
            }
        }
    }

    fn poll_open<C: Clock>(
        &mut self,
        io: u32,
        connection: &mut Connection<T::Stream>,
        cx: &mut Context<'_>,
        clock: &C,
        out: &mut Outbox,
    ) -> Poll<()> {
        loop {
            let Stage::Open(link) = &mut connection.stage else { return Poll::Ready(()) };
            if let Some(exchange) = &mut connection.exchange {
                if exchange.owes_bytes() {
                    let prepared = &self.prepared.requests[exchange.request.index()];
                    self.outgoing.send_rest(prepared, exchange, link);
                    if exchange.owes_bytes() && link.poll_write_ready(cx).is_ready() {
                        continue;
                    }
                }
                // What the target did shows when it is read; of our own fault it knows nothing.
                if let Some(class) = exchange.write_fault.filter(|class| class.is_own_fault()) {
                    self.fail(connection, class, clock.now(), out);
                    return Poll::Ready(());
                }
            }
            let length = match ready!(link.poll_read(cx, &mut self.buffers)) {
                Ok(length) if length > 0 => length,
                end => {
                    self.end(connection, end.err(), clock.now(), out);
                    return Poll::Ready(());
                }
            };
            let now = clock.now();
            let Some(exchange) = &mut connection.exchange else {
                // Nobody asked: whatever it is must not become the answer to the next request.
                self.end(connection, None, now, out);
                return Poll::Ready(());
            };
            let request = &self.prepared.requests[exchange.request.index()];
            exchange.first_byte_at.get_or_insert(now);
            if request.checks.on_body() && connection.body.capacity() == 0 {
                connection.body = self.spare_bodies.pop().unwrap_or_default();
            }
            let (memo, known) = &mut self.known_heads[exchange.request.index()];
            let mut observation = Observation {
                set: &request.checks,
                seen: &mut exchange.seen,
                known,
                body: &mut connection.body,
            };
            match connection.codec.feed(&self.buffers.plain[..length], memo, &mut observation) {
                Progress::More => exchange.received += length as u64,
                Progress::Complete { consumed, keep_alive } => {
                    exchange.received += consumed as u64;
                    let reusable =
                        keep_alive && consumed == length && exchange.sent && !request.image.closes();
                    let completion = exchange.responded(request, now);
                    connection.exchange = None;
                    self.calls[completion.call.0 as usize] = NO_IO;
                    if reusable {
                        recycle(&mut self.spare_bodies, &mut connection.body);
                        connection.idle_place = self.origins[connection.origin].idle.push(io);
                    } else {
                        self.shut(connection);
                    }
                    out.push(Event::Completed(completion));
                    if !reusable {
                        return Poll::Ready(());
                    }
                }
                Progress::Failed(class) => {
                    exchange.received += length as u64;
                    self.fail(connection, class, now, out);
                    return Poll::Ready(());
                }
            }
        }
    }

    /// Takes in that `connection` will bring no more, because of `fault` or in good order.
    fn end(
        &mut self,
        connection: &mut Connection<T::Stream>,
        fault: Option<ErrorClass>,
        now: Timestamp,
        out: &mut Outbox,
    ) {
        let Some(exchange) = &mut connection.exchange else {
            self.origins[connection.origin].idle.remove(connection.idle_place);
            return self.shut(connection);
        };
        let request = &self.prepared.requests[exchange.request.index()];
        let (_, known) = &mut self.known_heads[exchange.request.index()];
        let mut observation =
            Observation { set: &request.checks, seen: &mut exchange.seen, known, body: &mut connection.body };
        if fault.is_none() && connection.codec.finish(&mut observation) {
            let completion = exchange.responded(request, now);
            connection.exchange = None;
            self.calls[completion.call.0 as usize] = NO_IO;
            self.shut(connection);
            out.push(Event::Completed(completion));
            return;
        }
        let class = fault.or(exchange.write_fault).unwrap_or(ErrorClass::ConnectionClosed);
        self.fail(connection, class, now, out);
    }

    /// Closes `connection` and fails its request, or sends it again where that is safe.
    fn fail(
        &mut self,
        connection: &mut Connection<T::Stream>,
        class: ErrorClass,
        now: Timestamp,
        out: &mut Outbox,
    ) {
        self.shut(connection);
        let Some(exchange) = connection.exchange.take() else { return };
        let request = &self.prepared.requests[exchange.request.index()];
        // The server may close a kept connection at any moment; it did so while the request was on its way.
        let stale = connection.served
            && exchange.received == 0
            && matches!(class, ErrorClass::Reset | ErrorClass::ConnectionClosed);
        if stale && request.is_idempotent && !exchange.resent {
            self.open(connection.origin, exchange.again(), now, out);
        } else {
            self.complete(&exchange, Outcome::Failed(class), now, out);
        }
    }

    /// Ends `call` from outside of its connection's task, and lets that task end.
    fn abandon(&mut self, call: CallId, outcome: Outcome, now: Timestamp, out: &mut Outbox) {
        let Some(&io) = self.calls.get(call.0 as usize) else { return };
        let Some(mut connection) = self.connections.take(io) else { return };
        if let Some(exchange) = connection.exchange.take() {
            self.complete(&exchange, outcome, now, out);
        }
        let waited = matches!(connection.stage, Stage::Resolving { .. }).then_some(connection.origin);
        self.shut(&mut connection);
        connection.wake();
        self.connections.put_back(io, connection);
        if let Some(origin) = waited {
            self.hand_lookup_on(origin);
        }
    }

    fn complete(&mut self, exchange: &Exchange, outcome: Outcome, at: Timestamp, out: &mut Outbox) {
        self.calls[exchange.call.0 as usize] = NO_IO;
        out.push(Event::Completed(exchange.completion(outcome, 0, at)));
    }

    /// Closes `connection`; its place is free once its task has noticed.
    fn shut(&mut self, connection: &mut Connection<T::Stream>) {
        recycle(&mut self.spare_bodies, &mut connection.body);
        match std::mem::replace(&mut connection.stage, Stage::Closed) {
            Stage::Open(mut link) => {
                self.gauges.open -= 1;
                link.close();
            }
            Stage::Handshaking { .. } => self.gauges.open -= 1,
            Stage::Resolving { .. } | Stage::Connecting { .. } | Stage::Doomed { .. } | Stage::Closed => {}
        }
    }
}

/// Saves the memory of a kept body for another response.
fn recycle(spare: &mut Vec<Vec<u8>>, body: &mut Vec<u8>) {
    if body.capacity() > 0 {
        let mut body = std::mem::take(body);
        if spare.len() < SPARE_BODIES {
            body.clear();
            spare.push(body);
        }
    }
}
