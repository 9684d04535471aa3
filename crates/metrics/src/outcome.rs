//! How requests and iterations end: closed sets, so that every end is counted somewhere.

/// How one request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Complete, in time and with an expected status.
    Succeeded,
    /// A measurement of something that went wrong.
    Failed(ErrorClass),
    /// Ended by us at the run's stop; its time so far is a lower bound.
    Cancelled,
}

impl Outcome {
    /// Whether the time recorded for it is only a lower bound: the end was never seen, it was we who gave up.
    pub fn is_censored(self) -> bool {
        match self {
            Self::Succeeded => false,
            Self::Cancelled => true,
            Self::Failed(class) => matches!(
                class,
                ErrorClass::Timeout
                    | ErrorClass::DnsTimeout
                    | ErrorClass::ConnectTimeout
                    | ErrorClass::TlsTimeout
            ),
        }
    }
}

macro_rules! error_classes {
    ($($(#[doc = $doc:literal])* $variant:ident => $name:literal,)*) => {
        /// Why a request (or a task's execution) failed. The set is closed; `internal`, `forbidden_target` and the `no_…`
        /// classes are the generator's own faults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum ErrorClass {
            $($(#[doc = $doc])* $variant,)*
        }

        impl ErrorClass {
            /// All classes, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in results and messages.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

error_classes! {
    /// Complete and in time, but of a status that is not expected.
    Status => "status",
    /// A required check did not hold.
    Check => "check",
    /// The host name could not be resolved.
    Dns => "dns",
    /// Resolving the host name took longer than its bound.
    DnsTimeout => "dns_timeout",
    /// Nothing listens at the address.
    ConnectRefused => "connect_refused",
    /// The TCP handshake took longer than its bound.
    ConnectTimeout => "connect_timeout",
    /// The address cannot be reached.
    ConnectUnreachable => "connect_unreachable",
    /// The TLS handshake failed.
    Tls => "tls",
    /// The TLS handshake took longer than its bound.
    TlsTimeout => "tls_timeout",
    /// The target reset the connection.
    Reset => "reset",
    /// The target closed the connection before the response was complete.
    ConnectionClosed => "connection_closed",
    /// The response was not complete within the request's timeout.
    Timeout => "timeout",
    /// What came back is not HTTP.
    Malformed => "malformed_response",
    /// The response head is larger than the bound.
    HeadTooLarge => "head_too_large",
    /// A Rust task reported a failure of its own.
    Task => "task",
    /// A Rust task panicked.
    TaskPanic => "task_panic",
    /// No local port was left (own fault).
    NoLocalPort => "no_local_port",
    /// No file handle was left (own fault).
    NoFileHandle => "no_file_handle",
    /// No memory was left for a socket (own fault).
    NoMemory => "no_memory",
    /// A fault of the generator (own fault).
    Internal => "internal",
    /// This machine may not send load to the address (own fault).
    ForbiddenTarget => "forbidden_target",
}

impl ErrorClass {
    /// How many classes there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The position in [`ErrorClass::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether the generator, not the target, is to blame.
    pub const fn is_own_fault(self) -> bool {
        matches!(
            self,
            Self::NoLocalPort | Self::NoFileHandle | Self::NoMemory | Self::Internal | Self::ForbiddenTarget
        )
    }
}

/// How one iteration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IterationOutcome {
    /// Every request of it succeeded.
    Succeeded,
    /// A request of it failed, or its task did.
    Failed,
    /// Ended by us at the run's stop.
    Cancelled,
}

/// Why a due slot was not started although the generator was on time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DropReason {
    /// The queue of waiting slots was full.
    QueueFull,
    /// It waited longer than `queue_timeout`.
    QueueTimeout,
    /// No virtual user was free, and `overload: drop` was asked for.
    NoUser,
}

impl DropReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::QueueFull, Self::QueueTimeout, Self::NoUser];
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The position in [`DropReason::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name in results and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::QueueTimeout => "queue_timeout",
            Self::NoUser => "no_user",
        }
    }
}

/// Why a due slot was never released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum UnsentReason {
    /// The generator came more than `max_catch_up` late.
    GeneratorStall,
    /// The run was stopped before.
    Stopped,
    /// The worker's lease had ended.
    LeaseEnded,
}

impl UnsentReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::GeneratorStall, Self::Stopped, Self::LeaseEnded];
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The position in [`UnsentReason::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name in results and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GeneratorStall => "generator_stall",
            Self::Stopped => "stopped",
            Self::LeaseEnded => "lease_ended",
        }
    }
}

/// What an outcome says about the time recorded with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Ending {
    /// It succeeded: the time is exact.
    Succeeded,
    /// It failed with an end that was seen: the time is exact.
    Failed,
    /// Its end was never seen: the time is a lower bound.
    Censored,
}

impl Ending {
    /// All endings, in the order of their numbers.
    pub(crate) const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Censored];
    /// How many endings there are.
    pub(crate) const COUNT: usize = Self::ALL.len();
}

impl From<Outcome> for Ending {
    #[inline]
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Self::Succeeded,
            outcome if outcome.is_censored() => Self::Censored,
            _ => Self::Failed,
        }
    }
}

impl From<IterationOutcome> for Ending {
    fn from(outcome: IterationOutcome) -> Self {
        match outcome {
            IterationOutcome::Succeeded => Self::Succeeded,
            IterationOutcome::Failed => Self::Failed,
            IterationOutcome::Cancelled => Self::Censored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_gave_up_is_a_lower_bound_and_what_the_target_ended_is_not() {
        let censored: Vec<_> =
            ErrorClass::ALL.iter().filter(|class| Outcome::Failed(**class).is_censored()).collect();
        let timeouts: Vec<_> =
            ErrorClass::ALL.iter().filter(|class| class.name().ends_with("timeout")).collect();
        assert_eq!(censored, timeouts);
        assert!(Outcome::Cancelled.is_censored() && !Outcome::Succeeded.is_censored());
    }
}
