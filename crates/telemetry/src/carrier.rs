//! Requests to one receiver, and what is known of each afterwards.
//!
//! A [`Carrier`] sends encoded export requests over one connection, gRPC or HTTP, which it opens when there is none.
//! [`Answer`] tells what the receiver is known to have; when to try again is decided above. What is sent here leaves no
//! trace in telemetry itself: see [`crate::OWN_TARGETS`].

mod grpc;
mod http1;
mod reply;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use metrics::Signal;
use net::deadline::{Limits, Meter, Operation};
use net::dial::{Dialer, Http1, Http2};

use crate::settings::{Destination, Protocol};

/// An encoded export request.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    pub(crate) bytes: Bytes,
    /// Whether the bytes are compressed by gzip.
    pub(crate) is_gzip: bool,
}

/// What is known after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The receiver has it, but for some items.
    Taken {
        /// Items that it did not want; as it says.
        rejected: u64,
    },
    /// The receiver does not want it, now or later.
    Refused(Reason),
    /// The receiver did not take it, but may another time.
    Busy {
        /// How long it wants to be left alone.
        after: Option<Duration>,
        /// What it said.
        reason: Reason,
    },
    /// It did not leave this machine.
    Unsent(Reason),
    /// Bytes may have left, and no answer came that says what became of them.
    Silent(Reason),
}

/// Why an attempt did not succeed, for people; says nothing that the receiver could have echoed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason(String);

impl Reason {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What an error and its causes say, but for what the receiver wrote itself: that may be anything, even a header that
    /// it was sent. The names in its certificate stay, on one line and not many.
    fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut text = own_words(error);
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {}", own_words(error));
            cause = error.source();
        }
        let on_one_line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        Self(on_one_line.take(MOST_WORDS).collect())
    }
}

/// What an error says, without the debug data of a GOAWAY frame, which `h2` puts behind its reason.
fn own_words(error: &(dyn std::error::Error + 'static)) -> String {
    let text = error.to_string();
    text.split(" (b\"").next().unwrap_or_default().to_owned()
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Carries payloads; a trait for tests of what goes wrong.
pub(crate) trait Carry: Send + 'static {
    /// Makes sure that there is a connection; nothing of a payload is sent.
    fn connect(&mut self) -> impl Future<Output = Result<(), Reason>> + Send;

    /// Sends a payload over it. When the future is dropped the connection must not be used again.
    fn send(&mut self, payload: &Payload, limit: Duration) -> impl Future<Output = Answer> + Send;
}

/// Sends the requests of one signal to its receiver.
#[derive(Debug)]
pub(crate) struct Carrier {
    signal: Signal,
    to: Destination,
    user_agent: String,
    dialer: Dialer,
    connection: Option<Connection>,
}

#[derive(Debug)]
enum Connection {
    Grpc(Http2<Full<Bytes>>),
    Http(Http1),
}

impl Carrier {
    /// Knows where to, and opens no connection yet.
    pub(crate) fn new(signal: Signal, to: &Destination, user_agent: String) -> Self {
        // The attempt is bounded as a whole; its parts must not end earlier.
        let limits = [Operation::ApiCall, Operation::ApiBody]
            .into_iter()
            .fold(Limits::default(), |limits, operation| limits.with(operation, to.timeout));
        let dialer = Dialer { tls: to.tls.clone(), meter: Arc::new(Meter::new(limits)) };
        Self { signal, to: to.clone(), user_agent, dialer, connection: None }
    }

    /// Sends once over `connection`, which comes back when it can be used again.
    async fn send_over(
        &self,
        connection: Connection,
        payload: &Payload,
        limit: Duration,
    ) -> (Result<Answer, Stale>, Option<Connection>) {
        match connection {
            Connection::Grpc(mut connection) => {
                let request = grpc::request(self.signal, &self.to, &self.user_agent, payload, limit);
                let answer = grpc::call(&mut connection, request).await;
                let is_open = answer.as_ref().is_ok_and(|answer| !matches!(answer, Answer::Silent(_)));
                (answer, is_open.then_some(Connection::Grpc(connection)))
            }
            Connection::Http(mut connection) => {
                let request = http1::request(&self.to, &self.user_agent, payload);
                let (answer, is_open) = http1::call(&mut connection, request).await;
                (answer, is_open.then_some(Connection::Http(connection)))
            }
        }
    }
}

/// The connection had ended before the request: nothing of it was sent.
#[derive(Debug)]
struct Stale(Reason);

impl Carry for Carrier {
    async fn connect(&mut self) -> Result<(), Reason> {
        if let Some(Connection::Grpc(connection)) = &mut self.connection
            && !grpc::is_open(connection).await
        {
            self.connection = None;
        }
        if self.connection.is_none() {
            let endpoint = &self.to.endpoint;
            let connection = match self.to.protocol {
                Protocol::Grpc => self.dialer.http2_without_pings(endpoint).await.map(Connection::Grpc),
                Protocol::Http => self.dialer.http1(endpoint).await.map(Connection::Http),
            };
            self.connection = Some(connection.map_err(|error| Reason::of(&error))?);
        }
        Ok(())
    }

    async fn send(&mut self, payload: &Payload, limit: Duration) -> Answer {
        // A receiver may have ended a connection that was idle; one that was opened for this is another matter.
        let mut is_second = false;
        loop {
            // Taken out, so that one that is given up in the middle is not used again.
            let Some(connection) = self.connection.take() else {
                return Answer::Unsent(Reason::new("there is no connection"));
            };
            let (answer, connection) = self.send_over(connection, payload, limit).await;
            self.connection = connection;
            match answer {
                Ok(answer) => return answer,
                Err(Stale(reason)) if is_second => return Answer::Unsent(reason),
                Err(Stale(_)) => is_second = true,
            }
            if let Err(reason) = self.connect().await {
                return Answer::Unsent(reason);
            }
        }
    }
}

/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 64 * 1024;
/// Characters of a reason.
const MOST_WORDS: usize = 512;

#[cfg(test)]
mod tests;
