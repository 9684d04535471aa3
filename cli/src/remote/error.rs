//! Why a controller did not do what it was asked for.

use api::ExitCode;
use api::http::Problem;
use net::deadline::{TimeoutError, TimeoutOutcome};

use crate::failure::Failure;

/// Why a controller did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    /// It cannot be reached: nothing was sent.
    #[error("cannot reach the controller at {controller}: {reason}")]
    Unreachable { controller: String, reason: String },
    /// It is not the one that is trusted: nothing was sent.
    #[error("the controller at {controller} cannot be trusted: {reason}")]
    Untrusted { controller: String, reason: String },
    /// The connection ended on the way: whether the request had its effect is unknown.
    #[error("the connection to the controller at {controller} broke: {reason}")]
    Broken { controller: String, reason: String },
    /// It took too long.
    #[error(transparent)]
    Timeout(#[from] TimeoutError),
    /// It said no.
    #[error("the controller refused: {}", .0.message)]
    Refused(Problem),
    /// It said something that is no answer of a controller.
    #[error("what answers at {controller} is no controller of this version: {reason}")]
    Foreign { controller: String, reason: String },
    /// What shall be asked cannot be put into a request.
    #[error("this cannot be asked of a controller: {reason}")]
    Wish { reason: String },
}

impl RemoteError {
    /// Whether the same may go better in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Timeout(_) => true,
            Self::Refused(problem) => matches!(problem.status, 429 | 502..=504),
            Self::Untrusted { .. } | Self::Foreign { .. } | Self::Wish { .. } => false,
        }
    }

    /// Whether what was named is not known there, or not any more.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(problem) if matches!(problem.status, 404 | 410))
    }

    /// Whether the request certainly had no effect.
    fn is_without_effect(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Untrusted { .. } | Self::Refused(_) | Self::Wish { .. } => true,
            Self::Timeout(error) => error.outcome == TimeoutOutcome::NotSent,
            Self::Broken { .. } | Self::Foreign { .. } => false,
        }
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Timeout(_) => ExitCode::ClusterUnavailable,
            Self::Untrusted { .. } | Self::Foreign { .. } | Self::Wish { .. } => ExitCode::InvalidInput,
            Self::Refused(problem) => match problem.status {
                429 | 502..=504 => ExitCode::ClusterUnavailable,
                400..=499 => ExitCode::InvalidInput,
                _ => ExitCode::InternalError,
            },
        }
    }
}

/// With the cure behind the text.
impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        let cure = match &error {
            RemoteError::Unreachable { .. } => {
                "; is `loadgen controller` running there, and is this its address for the API?"
            }
            RemoteError::Untrusted { .. } => "; give its authority with --ca FILE or --ca-fingerprint HEX",
            RemoteError::Refused(problem) => match problem.status {
                401 | 403 => "; give a token with --api-token-file FILE or LOADGEN_TOKEN",
                _ => "",
            },
            RemoteError::Broken { controller, .. } if controller.starts_with("http://") => {
                "; if it speaks TLS, write https://; otherwise look with `loadgen status` whether it had its effect"
            }
            _ if !error.is_without_effect() => "; look with `loadgen status` whether it had its effect",
            _ => "",
        };
        Self::with(error.exit_code(), format!("{error}{cure}"))
    }
}

#[cfg(test)]
mod tests {
    use net::deadline::Operation;
    use units::Nanos;

    use super::*;

    fn problem(status: u16) -> RemoteError {
        RemoteError::Refused(Problem { status, code: "x".to_owned(), message: "no".to_owned() })
    }

    fn code(error: RemoteError) -> u8 {
        Failure::from(error).code().code()
    }

    #[test]
    fn a_cluster_that_is_not_there_is_117_and_a_wrong_wish_is_104() {
        let unreachable = || RemoteError::Unreachable { controller: "c".to_owned(), reason: "r".to_owned() };
        assert!(unreachable().is_passing() && unreachable().is_without_effect());
        assert_eq!(code(unreachable()), 117);
        for (status, expected) in [(400, 104), (401, 104), (404, 104), (409, 104), (413, 104), (422, 104)] {
            assert!(!problem(status).is_passing());
            assert_eq!(code(problem(status)), expected);
        }
        assert_eq!((code(problem(429)), code(problem(503)), code(problem(500))), (117, 117, 1));
    }

    #[test]
    fn what_may_have_had_its_effect_is_said_to_be_looked_at() {
        let timeout = |operation: Operation| {
            RemoteError::Timeout(TimeoutError {
                operation,
                limit: Nanos::SECOND,
                elapsed: Nanos::SECOND,
                peer: "c".to_owned(),
                outcome: operation.outcome(),
            })
        };
        let text = |error| Failure::from(error).message().to_owned();
        assert!(text(timeout(Operation::ApiCall)).contains("loadgen status"));
        assert!(!text(timeout(Operation::Connect)).contains("loadgen status"));
        assert!(text(problem(401)).contains("--api-token-file"));
    }
}
