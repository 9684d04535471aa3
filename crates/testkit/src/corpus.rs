//! Responses, good and bad, with what a correct HTTP/1.1 client must conclude from each.
//!
//! Usable without sockets: feed [`Case::response`] to a codec, whole or split anywhere, then the end of the
//! connection if [`Case::close_after`], and hold the conclusion against [`Case::permits`]. The sections in the names'
//! comments are those of RFC 9112 unless said otherwise.

mod bodiless;
mod chunks;
mod heads;
mod interim;
mod lengths;

/// The method of the request that a response answers; it decides whether there is a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Any method whose response may have a body.
    Get,
    /// The response has none.
    Head,
}

/// What a client concludes from a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The response is whole.
    Complete {
        /// The status of the final response.
        status: u16,
        /// Length of the body in bytes, chunks decoded.
        body_len: usize,
        /// Whether the connection may serve another request.
        keep_alive: bool,
    },
    /// It is no HTTP/1.1 response; the connection is of no use any more.
    Malformed,
    /// The connection ended before the response did.
    ClosedEarly,
    /// The response goes on, and only a timeout ends it.
    Unfinished,
}

/// A response and what is to be made of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is special about it; unique.
    pub name: &'static str,
    /// The method of the request.
    pub method: Method,
    /// All bytes that come.
    pub response: Vec<u8>,
    /// Whether the connection is closed after them; else it stays open in silence.
    pub close_after: bool,
    /// What a client should conclude.
    pub expect: Expectation,
    /// What it may conclude as well, where the RFC leaves a choice between leniency and refusal.
    pub or: Option<Expectation>,
}

/// All cases.
pub fn corpus() -> Vec<Case> {
    [heads::cases(), lengths::cases(), chunks::cases(), bodiless::cases(), interim::cases()].concat()
}

impl Case {
    /// Whether a client that concludes `conclusion` is correct.
    ///
    /// To give up a connection that could have been kept is always permitted.
    pub fn permits(&self, conclusion: Expectation) -> bool {
        [Some(self.expect), self.or].into_iter().flatten().any(|expected| match (expected, conclusion) {
            (
                Expectation::Complete { status, body_len, keep_alive },
                Expectation::Complete { status: got_status, body_len: got_len, keep_alive: kept },
            ) => (status, body_len) == (got_status, got_len) && (keep_alive || !kept),
            (expected, conclusion) => expected == conclusion,
        })
    }

    /// A response to GET after which the connection stays open.
    fn open(name: &'static str, response: impl Into<Vec<u8>>, expect: Expectation) -> Self {
        Self { name, method: Method::Get, response: response.into(), close_after: false, expect, or: None }
    }

    /// A response to GET after which the connection is closed.
    fn closed(name: &'static str, response: impl Into<Vec<u8>>, expect: Expectation) -> Self {
        Self { close_after: true, ..Self::open(name, response, expect) }
    }

    fn or(self, other: Expectation) -> Self {
        Self { or: Some(other), ..self }
    }

    fn answering_head(self) -> Self {
        Self { method: Method::Head, ..self }
    }
}

/// A whole response on a connection that may be used again.
const fn kept(status: u16, body_len: usize) -> Expectation {
    Expectation::Complete { status, body_len, keep_alive: true }
}

/// A whole response that is the last one on its connection.
const fn last(status: u16, body_len: usize) -> Expectation {
    Expectation::Complete { status, body_len, keep_alive: false }
}

#[cfg(test)]
mod tests;
