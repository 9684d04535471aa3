//! Where a value stands in the document.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::edit;

/// The keys on the way to a value. Shown as `--set` takes it: `scenarios.browse.steps.0.get`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValuePath(pub Vec<PathKey>);

/// One step on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathKey {
    /// The key of a mapping.
    Name(String),
    /// The number of a list's item, from 0.
    Item(usize),
}

impl fmt::Display for ValuePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, key) in self.0.iter().enumerate() {
            if depth > 0 {
                f.write_str(".")?;
            }
            match key {
                PathKey::Name(name) => f.write_str(&edit::quote(name))?,
                PathKey::Item(number) => write!(f, "{number}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for ValuePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
