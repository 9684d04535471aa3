//! Values from outside the file: `LOADGEN_…` variables and flags.

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Nobody gave one.
    Default,
    /// The scenario file.
    File {
        /// Line, from 1.
        line: u32,
        /// Column in characters, from 1.
        column: u32,
    },
    /// An environment variable, by its name.
    Environment(String),
    /// A flag, as the user wrote it: `--set scenarios.browse.rate`, `-r`.
    Flag(String),
}

/// Values that replace those of the file, in rising precedence: environment, then flags in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Names and values of variables, in the order of their names.
    pub(crate) variables: Vec<(String, String)>,
    /// In the order in which they were given.
    pub(crate) flags: Vec<FlagOverride>,
}

/// A value from the command line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FlagOverride {
    pub(crate) flag: String,
    pub(crate) place: Place,
    pub(crate) value: String,
}

/// Where a value goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// A path from the document's root.
    Path(String),
    /// This key of every scenario whose executor has it.
    EveryScenario(&'static str),
}

impl Overrides {
    /// No overrides.
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes the `LOADGEN_…` variables among `variables`, except the names in `ignored` (those the command line
    /// itself reads). Levels are parted by a double underscore: `LOADGEN_SCENARIOS__BROWSE__RATE`.
    pub fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>, ignored: &[&str]) {
        self.variables.extend(
            variables
                .into_iter()
                .filter(|(name, _)| name.starts_with(PREFIX) && !ignored.contains(&name.as_str())),
        );
        self.variables.sort();
    }

    /// Puts `value` at `path` (`scenarios.browse.rate`, `scenarios.browse.steps.0.timeout`), because of `flag`.
    pub fn set(&mut self, flag: impl Into<String>, path: impl Into<String>, value: impl Into<String>) {
        self.flags.push(FlagOverride {
            flag: flag.into(),
            place: Place::Path(path.into()),
            value: value.into(),
        });
    }

    /// Sets the `rate` of every scenario whose executor has one.
    pub fn rate(&mut self, flag: impl Into<String>, value: impl Into<String>) {
        self.every_scenario(flag, "rate", value);
    }

    /// Sets the `duration` of every scenario whose executor has one.
    pub fn duration(&mut self, flag: impl Into<String>, value: impl Into<String>) {
        self.every_scenario(flag, "duration", value);
    }

    /// Sets the `vus` of every scenario whose executor has them.
    pub fn vus(&mut self, flag: impl Into<String>, value: impl Into<String>) {
        self.every_scenario(flag, "vus", value);
    }

    fn every_scenario(&mut self, flag: impl Into<String>, key: &'static str, value: impl Into<String>) {
        self.flags.push(FlagOverride {
            flag: flag.into(),
            place: Place::EveryScenario(key),
            value: value.into(),
        });
    }
}

/// What the names of our variables start with.
pub(crate) const PREFIX: &str = "LOADGEN_";
