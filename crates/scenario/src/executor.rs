//! Which keys each executor has: the one table that the reader, the schema and the flags obey.

/// An executor and its keys, beside those that every scenario has.
#[derive(Debug)]
pub(crate) struct ExecutorKeys {
    /// Its name in the file.
    pub(crate) name: &'static str,
    /// Keys it cannot do without.
    pub(crate) required: &'static [&'static str],
    /// Keys it may have.
    pub(crate) optional: &'static [&'static str],
}

/// All executors.
pub(crate) const EXECUTORS: &[ExecutorKeys] = &[
    ExecutorKeys {
        name: "constant-arrival-rate",
        required: &["rate", "duration"],
        optional: &["warm_up", "arrivals", "max_vus", "overload", "queue_timeout"],
    },
    ExecutorKeys {
        name: "ramping-arrival-rate",
        required: &["stages"],
        optional: &["start_rate", "arrivals", "max_vus", "overload", "queue_timeout"],
    },
    ExecutorKeys { name: "constant-vus", required: &["vus", "duration"], optional: &["warm_up"] },
    ExecutorKeys { name: "ramping-vus", required: &["stages"], optional: &["start_vus"] },
    ExecutorKeys { name: "shared-iterations", required: &["vus", "iterations"], optional: &["max_duration"] },
];

/// Keys that every scenario may have.
pub(crate) const COMMON_KEYS: &[&str] = &["executor", "graceful_stop", "tags", "target", "steps", "task"];

impl ExecutorKeys {
    /// The executor of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        EXECUTORS.iter().find(|executor| executor.name == name)
    }

    /// Whether a scenario with this executor may have `key`.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.keys().any(|own| own == key)
    }

    /// All keys that a scenario with this executor may have.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.required.iter().chain(self.optional).chain(COMMON_KEYS).copied()
    }
}

/// The names of the executors that have `key`.
pub(crate) fn executors_with(key: &str) -> Vec<&'static str> {
    EXECUTORS.iter().filter(|executor| executor.has(key)).map(|executor| executor.name).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::shape::{ScenarioShape, Shape};

    #[test]
    fn the_table_and_the_shape_have_the_same_keys() {
        let table: BTreeSet<&str> = EXECUTORS.iter().flat_map(ExecutorKeys::keys).collect();
        let shape: BTreeSet<&str> = ScenarioShape::KEYS.iter().copied().collect();
        assert_eq!(table, shape);
    }
}
