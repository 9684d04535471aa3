//! Names of runs, workers and commands.

use std::fmt;

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

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a command within a run, from 1; a worker applies each once.
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
    fn later_commands_have_higher_numbers() {
        assert!(CommandId(2) > CommandId(1));
    }
}
