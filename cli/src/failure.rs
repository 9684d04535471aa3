//! Why a command did not do what it was asked for, and the exit code that says so.

use std::fmt;

use api::ExitCode;
use rustix::io::Errno;

/// A command's failure: the code it ends with and what to tell the user.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ExitCode,
    message: String,
}

impl Failure {
    /// Something the command line names is missing, wrong, unwritable or impossible here; `message` says what and how to
    /// mend it.
    pub(crate) fn invalid(message: impl fmt::Display) -> Self {
        Self { code: ExitCode::InvalidInput, message: message.to_string() }
    }

    /// Something that ends with `code`; `message` says what and how to mend it.
    pub(crate) fn with(code: ExitCode, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }

    /// Something that ends with `code` for `reasons`, each on a line of its own.
    pub(crate) fn because(code: ExitCode, reasons: &[String]) -> Self {
        // Under the first one, behind the `error: ` before it.
        Self { code, message: reasons.join("\n       ") }
    }

    /// Problems that have been shown already.
    pub(crate) fn invalid_and_told() -> Self {
        Self { code: ExitCode::InvalidInput, message: String::new() }
    }

    /// The program panicked; it has been logged.
    pub(crate) fn panic(text: &str) -> Self {
        Self { code: ExitCode::Panic, message: format!("this is a bug in loadgen: {text}") }
    }

    /// The code.
    pub(crate) fn code(&self) -> ExitCode {
        self.code
    }

    /// What to tell the user; empty when it has been told.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

/// Whatever nobody foresaw is an internal error, unless this machine gives too little.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        // The chain in one line: what was being done, then why it could not be.
        let message = format!("{error:#}");
        let cause = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
        match cause.and_then(Errno::from_io_error) {
            Some(Errno::MFILE | Errno::NFILE) => {
                Self::invalid(message + "; raise the limit with `ulimit -n`")
            }
            Some(Errno::AGAIN | Errno::NOMEM) => {
                Self::invalid(message + "; raise the limits on memory and threads (`ulimit -v`, `ulimit -u`)")
            }
            _ => Self { code: ExitCode::InternalError, message },
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_chain_of_causes_is_told_in_one_line() {
        let error =
            Err::<(), _>(std::io::Error::other("disk on fire")).context("cannot write x").unwrap_err();
        let failure = Failure::from(error);
        assert_eq!((failure.code().code(), failure.message()), (1, "cannot write x: disk on fire"));
    }

    #[test]
    fn a_limit_of_the_machine_is_no_fault_of_the_program_and_is_told_with_its_cure() {
        let check = |errno: Errno, cure: &str| {
            let error = Err::<(), _>(std::io::Error::from(errno)).context("cannot take signals").unwrap_err();
            let failure = Failure::from(error);
            assert_eq!(failure.code(), ExitCode::InvalidInput);
            assert!(failure.message().contains(cure), "{}", failure.message());
        };
        check(Errno::MFILE, "ulimit -n");
        check(Errno::AGAIN, "ulimit -u");
    }
}
