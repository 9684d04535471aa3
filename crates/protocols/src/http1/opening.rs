//! How a connection comes to be: address, TCP handshake, TLS handshake, first request.
//!
//! Each step is polled by the connection's own task, bounded by a deadline of its own, and measured as a phase of the
//! request that opened the connection. Failures are left to the task to tell, see [`Stage::Doomed`].

use std::task::{Context, Poll, ready};

use engine::{Event, IoId, Outbox};
use metrics::ErrorClass;
use units::{Clock, Timestamp};

use super::Http1;
use super::connection::{Connection, Stage};
use super::exchange::Exchange;
use super::link::Link;
use super::origin::Lookup;
use crate::fault;
use crate::transport::{Stream, Transport};

impl<T: Transport> Http1<T> {
    /// Opens a connection for `exchange`.
    pub(super) fn open(&mut self, origin: usize, exchange: Exchange, now: Timestamp, out: &mut Outbox) {
        let call = exchange.call;
        let io = self.connections.reserve();
        let mut connection = Box::new(Connection::new(origin, exchange));
        self.calls[call.0 as usize] = io;
        let state = &mut self.origins[origin];
        let prepared = &self.prepared.origins[origin];
        if matches!(state.lookup, Lookup::Known(_)) {
            self.begin_connect(&mut connection, now, out);
        } else {
            let since = matches!(state.lookup, Lookup::None).then(|| {
                state.lookup = Lookup::UnderWay(self.resolver.resolve(&prepared.host));
                now
            });
            state.waiting.push(io);
            connection.enter(Stage::Resolving { since }, now.saturating_add(prepared.dns_timeout), out);
        }
        self.connections.put_back(io, connection);
        out.push(Event::Opened(IoId(io)));
    }

    pub(super) fn poll_lookup<C: Clock>(
        &mut self,
        connection: &mut Connection<T::Stream>,
        since: Option<Timestamp>,
        cx: &mut Context<'_>,
        clock: &C,
        out: &mut Outbox,
    ) -> Poll<()> {
        let index = connection.origin;
        let origin = &mut self.origins[index];
        let ended = ready!(origin.poll_lookup(cx));
        let now = clock.now();
        let failed = !matches!(origin.lookup, Lookup::Known(_));
        if ended {
            // Those that failed with this one must not take part in the next one.
            for io in std::mem::take(&mut origin.waiting) {
                let Some(waiting) = self.connections.get_mut(io) else { continue };
                if !waiting.awaits_address_of(index) {
                    continue;
                }
                if failed {
                    waiting.stage = Stage::Doomed { class: ErrorClass::Dns, at: now };
                }
                waiting.wake();
            }
        }
        if let (Some(since), Some(exchange)) = (since, &mut connection.exchange) {
            exchange.phases.dns = Some(now.saturating_since(since));
        }
        if failed {
            connection.stage = Stage::Doomed { class: ErrorClass::Dns, at: now };
        } else {
            self.begin_connect(connection, now, out);
        }
        Poll::Ready(())
    }

    fn begin_connect(&mut self, connection: &mut Connection<T::Stream>, now: Timestamp, out: &mut Outbox) {
        let timeout = self.prepared.origins[connection.origin].connect_timeout;
        let stage = self.connect(connection.origin, 0, now, now, ErrorClass::ConnectRefused);
        connection.enter(stage, now.saturating_add(timeout), out);
    }

    /// Tries the addresses of `origin` from number `attempt` on, until one does not refuse at once.
    fn connect(
        &mut self,
        origin: usize,
        mut attempt: usize,
        since: Timestamp,
        now: Timestamp,
        mut class: ErrorClass,
    ) -> Stage<T::Stream> {
        while let Some(address) = self.origins[origin].address(attempt) {
            match self.transport.connect(self.prepared.origins[origin].looked_up(), address) {
                Ok(stream) => return Stage::Connecting { stream, attempt, since },
                Err(error) => class = fault::while_connecting(&error),
            }
            // Another address does not help against what is missing here. It may be one that is not forbidden.
            if class.is_own_fault() && class != ErrorClass::ForbiddenTarget {
                break;
            }
            attempt += 1;
        }
        Stage::Doomed { class, at: now }
    }

    pub(super) fn poll_connect<C: Clock>(
        &mut self,
        connection: &mut Connection<T::Stream>,
        cx: &mut Context<'_>,
        clock: &C,
        out: &mut Outbox,
    ) -> Poll<()> {
        let Stage::Connecting { stream, attempt, since } = &mut connection.stage else {
            return Poll::Ready(());
        };
        let (attempt, since) = (*attempt, *since);
        let connected = ready!(stream.poll_connected(cx));
        let now = clock.now();
        let index = connection.origin;
        if let Err(error) = connected {
            let class = fault::while_connecting(&error);
            // The old socket goes before the next one comes: there may be no handle for both.
            connection.stage = Stage::Closed;
            connection.stage = if class.is_own_fault() {
                Stage::Doomed { class, at: now }
            } else {
                self.connect(index, attempt + 1, since, now, class)
            };
            return Poll::Ready(());
        }
        self.gauges.open += 1;
        self.gauges.opened += 1;
        self.origins[index].answered(attempt);
        if let Some(exchange) = &mut connection.exchange {
            exchange.phases.connect = Some(now.saturating_since(since));
        }
        let Stage::Connecting { stream, .. } = std::mem::replace(&mut connection.stage, Stage::Closed) else {
            return Poll::Ready(());
        };
        let origin = &self.prepared.origins[index];
        match Link::new(stream, origin.tls.as_ref()) {
            Ok(link) if origin.tls.is_some() => {
                let deadline = now.saturating_add(origin.tls_timeout);
                connection.enter(Stage::Handshaking { link, since: now }, deadline, out);
            }
            Ok(link) => self.begin_request(connection, link, now, out),
            Err(_) => {
                self.gauges.open -= 1;
                connection.stage = Stage::Doomed { class: ErrorClass::Internal, at: now };
            }
        }
        Poll::Ready(())
    }

    pub(super) fn poll_handshake<C: Clock>(
        &mut self,
        connection: &mut Connection<T::Stream>,
        cx: &mut Context<'_>,
        clock: &C,
        out: &mut Outbox,
    ) -> Poll<()> {
        let Stage::Handshaking { link, since } = &mut connection.stage else { return Poll::Ready(()) };
        let since = *since;
        let result = ready!(link.poll_handshake(cx, &mut self.buffers));
        let now = clock.now();
        let Stage::Handshaking { link, .. } = std::mem::replace(&mut connection.stage, Stage::Closed) else {
            return Poll::Ready(());
        };
        match result {
            Ok(()) => {
                if let Some(exchange) = &mut connection.exchange {
                    exchange.phases.tls = Some(now.saturating_since(since));
                }
                self.begin_request(connection, link, now, out);
            }
            Err(class) => {
                self.gauges.open -= 1;
                let class = if class.is_own_fault() { class } else { ErrorClass::Tls };
                connection.stage = Stage::Doomed { class, at: now };
            }
        }
        Poll::Ready(())
    }

    /// Lets the request that opened the connection be the first on it; `poll_open` sends it.
    fn begin_request(
        &mut self,
        connection: &mut Connection<T::Stream>,
        link: Link<T::Stream>,
        now: Timestamp,
        out: &mut Outbox,
    ) {
        if let Some(exchange) = &mut connection.exchange {
            connection.codec.begin(self.prepared.requests[exchange.request.index()].is_head);
            exchange.offered_at = now;
        }
        connection.enter(Stage::Open(link), Timestamp::NEVER, out);
    }

    /// Has another connection poll the look-up for `origin`, as the one that polled it last may have left.
    pub(super) fn hand_lookup_on(&mut self, origin: usize) {
        let waiting = &mut self.origins[origin].waiting;
        while let Some(&io) = waiting.last() {
            match self.connections.get_mut(io) {
                Some(heir) if heir.awaits_address_of(origin) => return heir.wake(),
                _ => waiting.pop(),
            };
        }
    }
}
