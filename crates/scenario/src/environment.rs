//! What `${env.NAME}` stands for.

use std::collections::BTreeMap;

/// Values for `${env.NAME}`: those given with `-e` win over those of the process.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    given: BTreeMap<String, String>,
    process: BTreeMap<String, String>,
}

impl Environment {
    /// Nothing is defined.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Looks first in `given` (`-e KEY=VALUE`), then in `process`.
    pub fn new(
        given: impl IntoIterator<Item = (String, String)>,
        process: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self { given: given.into_iter().collect(), process: process.into_iter().collect() }
    }

    /// The value of `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.given.get(name).or_else(|| self.process.get(name)).map(String::as_str)
    }

    /// The names that are defined.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.given.keys().chain(self.process.keys()).map(String::as_str)
    }
}
