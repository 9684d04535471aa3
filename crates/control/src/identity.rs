//! Names of clusters, runs, workers, sessions and commands, and the numbers that order authority.

use std::fmt;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// One execution of a workload: a UUIDv7, on everything the run emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Uuid);

impl RunId {
    /// Takes a UUID as the name of a run.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// The last eight hexadecimal digits: random, and short enough for a folder's name.
    pub fn short(self) -> String {
        let hex = self.0.simple().to_string();
        hex[hex.len() - 8..].to_owned()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a worker, unique in a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(String);

impl WorkerId {
    /// Takes `name` as a worker's name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Reads a name as an operator gives it and as it comes over a wire: 1 to 63 of `a-z`, `0-9`, `.`, `_` and `-`,
    /// beginning with a letter or digit, so that it can be a file's name, a host's and a label.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(name: &str) -> Result<Self, WorkerIdError> {
        let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = (1..=63).contains(&name.len())
            && name.as_bytes().first().is_some_and(is_plain)
            && name.bytes().all(|byte| is_plain(&byte) || b"._-".contains(&byte));
        if !is_name {
            // What came may be long, and may hold what does things to a terminal.
            return Err(WorkerIdError(name.chars().take(64).flat_map(char::escape_default).collect()));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What was to be a worker's name is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no worker's name; use 1 to 63 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit"
)]
pub struct WorkerIdError(String);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One set of workers under one controller, for as long as that keeps its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub Uuid);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of a worker's process: 128 random bits, new with every start of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub Uuid);

impl SessionId {
    /// The session of a worker that lives in the controller's own process: it has one life.
    pub const IN_PROCESS: Self = Self(Uuid::nil());
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of a controller: higher with every start. What comes from a lower one than was seen is of the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// The right to send load, as one grant of it: compared by epoch, then by counter, so that tokens rise over restarts of
/// the controller without a record of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseToken {
    /// The controller's life that granted it.
    pub epoch: Epoch,
    /// Higher with every grant in that life.
    pub counter: u64,
}

/// SHA-256 of a content that travels: a document, a body, a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentDigest(pub [u8; 32]);

impl ContentDigest {
    /// That of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The number of a command to one session within a run, from 1 without gaps; a worker applies each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_shown_whole_and_shortened_to_its_random_end() {
        let run = RunId::new(Uuid::from_u128(0x0190_c0de_0000_7000_8000_0000_89ab_cdef));
        assert_eq!(run.to_string(), "0190c0de-0000-7000-8000-000089abcdef");
        assert_eq!(run.short(), "89abcdef");
    }

    #[test]
    fn a_workers_name_is_plain() {
        for name in ["a", "7", "worker-1.eu_west", &"x".repeat(63)] {
            assert_eq!(WorkerId::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "-a", ".a", "_", "A", "a b", "a/b", "a\n", "é", "a\0", &"x".repeat(64)] {
            assert!(WorkerId::parse(name).is_err(), "{name:?}");
        }
        let error = WorkerId::parse("\u{1b}[2J").unwrap_err().to_string();
        assert!(error.starts_with("`\\u{1b}[2J` is no worker's name; use"), "{error}");
    }

    #[test]
    fn a_content_is_named_by_its_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(ContentDigest::of(b"").to_string(), empty);
    }

    #[test]
    fn later_commands_have_higher_numbers() {
        assert!(CommandId(2) > CommandId(1));
    }
}
