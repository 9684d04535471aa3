//! Limits on every wait: which there are, how long each may take, and what each took.
//!
//! [`Operation`] is the closed list, [`Limits`] the time each may take, [`within`] the one way to wait: it ends with a
//! typed [`TimeoutError`] and leaves a count and a duration in the [`Meter`]. Waits of the pure state machines go by
//! the same [`Limits`].

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use metrics::{Histogram, Shape};
use tokio::time::{Instant, timeout};
use units::{Nanos, ParseSpanError};

/// Declares the operations in one place, so that name, limit and meaning cannot be forgotten for a new one.
macro_rules! operations {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $limit:expr, $outcome:ident;)+) => {
        /// Something that is waited for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Operation {
            /// All of them, in the order of the documentation's table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in `name=value`, in metrics and in messages.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// How long it may take unless told otherwise.
            pub const fn default_limit(self) -> Nanos {
                match self { $(Self::$variant => $limit,)+ }
            }

            /// What is known of its effect when its limit passes.
            pub const fn outcome(self) -> TimeoutOutcome {
                match self { $(Self::$variant => TimeoutOutcome::$outcome,)+ }
            }

            /// What it is, for the documentation's table.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

operations! {
    /// Finding the addresses of a host name.
    Resolve = "resolve", Nanos::from_secs(5), NotSent;
    /// Opening a TCP connection.
    Connect = "connect", Nanos::from_secs(5), NotSent;
    /// The TLS handshake, on either side.
    TlsHandshake = "tls-handshake", Nanos::from_secs(5), NotSent;
    /// The first bytes of the protocol after a connection was accepted or opened.
    Preface = "preface", Nanos::from_secs(5), NotSent;
    /// The head of an HTTP/1 request, from its first byte on or on an idle connection.
    RequestHead = "request-head", Nanos::from_secs(30), NotSent;
    /// Getting a certificate for a join token, or a new one for one that ends.
    Certificate = "certificate", Nanos::from_secs(10), Unknown;
    /// Enrolling a worker.
    Enrol = "enrol", Nanos::from_secs(5), Unknown;
    /// The answer to a worker's hello on a new session stream.
    SessionOpen = "session-open", Nanos::from_secs(5), Unknown;
    /// The answer to a heartbeat.
    Beat = "beat", Nanos::from_secs(5), Unknown;
    /// Delivering a fact after authority ended.
    Residual = "residual", Nanos::from_secs(5), Unknown;
    /// Fetching one content by its digest.
    Content = "content", Nanos::from_secs(30), Unknown;
    /// One request of the command line to the HTTP API, to the head of its answer.
    ApiCall = "api-call", Nanos::from_secs(10), Unknown;
    /// The body of an answer of the HTTP API.
    ApiBody = "api-body", Nanos::from_secs(30), Unknown;
    /// A run's waiting in the queue.
    Queue = "queue", Nanos::from_secs(300), NotSent;
    /// All workers' making ready for a run, preflight included.
    Prepare = "prepare", Nanos::from_secs(60), Unknown;
    /// What is in flight, after a stop.
    Drain = "drain", Nanos::from_secs(2), Unknown;
    /// Teardown of virtual users, after a stop.
    Teardown = "teardown", Nanos::SECOND, Unknown;
    /// The last facts of every worker, after a natural end.
    Collect = "collect", Nanos::from_secs(15), Unknown;
    /// Ending open connections when a server shuts down.
    Shutdown = "shutdown", Nanos::from_secs(2), Unknown;
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known of the effect of something that did not end in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutOutcome {
    /// It had no effect at the peer: it may be tried again.
    NotSent,
    /// It may have had its effect: try again only what the peer tells from the first attempt.
    Unknown,
}

impl fmt::Display for TimeoutOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "it was not sent",
            Self::Unknown => "whether it had its effect is unknown",
        })
    }
}

/// Something took longer than it may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation} with {peer} took longer than {limit} (given up after {elapsed}; {outcome}); raise it with `{operation}={}`", raised(*.limit))]
pub struct TimeoutError {
    /// What.
    pub operation: Operation,
    /// How long it might take.
    pub limit: Nanos,
    /// How long it took until it was given up.
    pub elapsed: Nanos,
    /// With whom, as people wrote or see it.
    pub peer: String,
    /// What is known of its effect.
    pub outcome: TimeoutOutcome,
}

fn raised(limit: Nanos) -> Nanos {
    Nanos::new(limit.as_u64().saturating_mul(2))
}

/// How long each operation may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits([Nanos; Operation::ALL.len()]);

impl Default for Limits {
    fn default() -> Self {
        let mut limits = [Nanos::ZERO; Operation::ALL.len()];
        for operation in Operation::ALL {
            limits[*operation as usize] = operation.default_limit();
        }
        Self(limits)
    }
}

/// Why a text says no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// It is not `name=value`.
    #[error("`{0}` is not a limit; write `operation=duration`, for example `connect=5s`")]
    Malformed(String),
    /// There is no such operation.
    #[error("`{name}` is no operation with a limit; there are {}", names())]
    Unknown {
        /// What was written.
        name: String,
    },
    /// The value is no span of time.
    #[error("cannot read the limit of `{name}`")]
    Span {
        /// The operation.
        name: &'static str,
        /// What is wrong with the value.
        source: ParseSpanError,
    },
    /// Nothing can be done in no time.
    #[error("the limit of `{name}` is 0s; give it at least 1ms")]
    TooShort {
        /// The operation.
        name: &'static str,
    },
}

fn names() -> String {
    Operation::ALL.iter().map(|operation| operation.name()).collect::<Vec<_>>().join(", ")
}

impl Limits {
    /// How long `operation` may take.
    pub const fn of(&self, operation: Operation) -> Nanos {
        self.0[operation as usize]
    }

    /// The same limits but for one.
    #[must_use]
    pub fn with(mut self, operation: Operation, limit: Nanos) -> Self {
        self.0[operation as usize] = limit;
        self
    }

    /// The same limits but for the one that `text` says, such as `connect=5s`.
    ///
    /// # Errors
    /// When the text is no `operation=duration` of at least 1 ms.
    pub fn overridden(self, text: &str) -> Result<Self, LimitError> {
        let (name, value) = text.split_once('=').ok_or_else(|| LimitError::Malformed(text.to_owned()))?;
        let operation = name.trim().parse::<Operation>()?;
        let limit =
            value.parse::<Nanos>().map_err(|source| LimitError::Span { name: operation.name(), source })?;
        if limit < Nanos::from_millis(1) {
            return Err(LimitError::TooShort { name: operation.name() });
        }
        Ok(self.with(operation, limit))
    }
}

impl FromStr for Operation {
    type Err = LimitError;

    fn from_str(name: &str) -> Result<Self, LimitError> {
        Self::ALL
            .iter()
            .copied()
            .find(|operation| operation.name() == name)
            .ok_or_else(|| LimitError::Unknown { name: name.to_owned() })
    }
}

/// What became of one kind of operation so far.
#[derive(Clone, Debug)]
pub struct OperationStats {
    /// Which.
    pub operation: Operation,
    /// How many ended, well or with an error of their own, before their limit.
    pub completed: u64,
    /// How many did not end in time.
    pub timed_out: u64,
    /// How long those took that ended, 2 significant digits.
    pub durations: Histogram,
}

/// The limits of this process, and what its operations took.
#[derive(Debug)]
pub struct Meter {
    limits: Limits,
    stats: Mutex<Vec<OperationStats>>,
}

impl Meter {
    /// Starts counting under `limits`.
    pub fn new(limits: Limits) -> Self {
        let stats = Operation::ALL
            .iter()
            .map(|&operation| OperationStats {
                operation,
                completed: 0,
                timed_out: 0,
                durations: Histogram::new(Shape::COARSE),
            })
            .collect();
        Self { limits, stats: Mutex::new(stats) }
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts one operation that ended in time, for waits that are not futures.
    pub fn completed(&self, operation: Operation, took: Nanos) {
        self.with(operation, |stats| {
            stats.completed += 1;
            stats.durations.record(took);
        });
    }

    /// Counts one operation that did not end in time, and says so.
    pub fn timed_out(&self, operation: Operation, peer: &str, elapsed: Nanos) -> TimeoutError {
        self.with(operation, |stats| stats.timed_out += 1);
        TimeoutError {
            operation,
            limit: self.limits.of(operation),
            elapsed,
            peer: peer.to_owned(),
            outcome: operation.outcome(),
        }
    }

    /// What became of every kind of operation so far, in the order of [`Operation::ALL`].
    pub fn snapshot(&self) -> Vec<OperationStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn with(&self, operation: Operation, change: impl FnOnce(&mut OperationStats)) {
        change(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner)[operation as usize]);
    }
}

/// Waits for `future`, but no longer than `operation` may take.
///
/// # Errors
/// When the limit passed first; the future is dropped then.
pub async fn within<F: Future>(
    meter: &Meter,
    operation: Operation,
    peer: &str,
    future: F,
) -> Result<F::Output, TimeoutError> {
    let began = Instant::now();
    let result = timeout(meter.limits.of(operation).into(), future).await;
    let elapsed = Nanos::from(began.elapsed());
    match result {
        Ok(output) => {
            meter.completed(operation, elapsed);
            Ok(output)
        }
        Err(_) => Err(meter.timed_out(operation, peer, elapsed)),
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use super::*;

    #[test]
    fn operations_are_found_by_their_names_and_names_are_of_one_form() {
        for (number, operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(*operation as usize, number);
            assert_eq!(operation.name().parse::<Operation>().unwrap(), *operation);
            assert!(operation.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert!(operation.meaning().ends_with('.'), "{operation}");
            assert_eq!(Limits::default().of(*operation), operation.default_limit());
        }
    }

    #[test]
    fn a_limit_is_read_from_a_name_and_a_span() {
        let limits = Limits::default().overridden("tls-handshake=750ms").unwrap();
        assert_eq!(limits.of(Operation::TlsHandshake), Nanos::from_millis(750));
        assert_eq!(limits.of(Operation::Connect), Operation::Connect.default_limit());
    }

    #[test]
    fn what_is_no_limit_is_refused_with_its_reason() {
        let refused = |text: &str| Limits::default().overridden(text).unwrap_err();
        assert_eq!(refused("connect"), LimitError::Malformed("connect".to_owned()));
        assert!(matches!(refused("conect=5s"), LimitError::Unknown { name } if name == "conect"));
        assert!(matches!(refused("connect=5"), LimitError::Span { name: "connect", .. }));
        assert_eq!(refused("connect=0s"), LimitError::TooShort { name: "connect" });
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_given_up_at_its_limit_and_counted() {
        let meter = Meter::new(Limits::default());
        let error = within(&meter, Operation::Enrol, "here:1", future::pending::<()>()).await.unwrap_err();
        assert_eq!((error.operation, error.limit), (Operation::Enrol, Nanos::from_secs(5)));
        assert!(error.elapsed >= error.limit && error.elapsed < error.limit + Nanos::SECOND);
        assert_eq!((error.peer.as_str(), error.outcome), ("here:1", TimeoutOutcome::Unknown));
        assert_eq!(
            TimeoutError { elapsed: Nanos::from_secs(5), ..error }.to_string(),
            "enrol with here:1 took longer than 5s (given up after 5s; whether it had its effect is unknown); raise it \
             with `enrol=10s`"
        );

        let connect =
            within(&meter, Operation::Connect, "here:1", future::pending::<()>()).await.unwrap_err();
        assert_eq!(connect.outcome, TimeoutOutcome::NotSent);

        within(&meter, Operation::Enrol, "here:1", tokio::time::sleep(Nanos::SECOND.into())).await.unwrap();
        let stats = &meter.snapshot()[Operation::Enrol as usize];
        assert_eq!((stats.operation, stats.completed, stats.timed_out), (Operation::Enrol, 1, 1));
        let moments = stats.durations.moments();
        assert!(moments.count == 1 && moments.min >= Nanos::SECOND.as_u64());
    }
}
