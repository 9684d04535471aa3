//! Every exit code of every process, and which one wins.
//!
//! Numbers and names are part of what the version covers: they are documented in `docs/exit-codes.md` and never
//! renumbered. A run can meet several [`Condition`]s at once; all of them stand in the result, and the process exits
//! with the code of the one that stands first in [`ExitCode::ALL`].

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! exit_codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// How a process ends. The order of the variants is their precedence: an earlier one wins.
        ///
        /// ```
        /// use loadgen_api::ExitCode;
        /// assert_eq!(ExitCode::ThresholdFailed.code(), 99);
        /// assert_eq!(ExitCode::ThresholdFailed.to_string(), "99 threshold_failed");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ExitCode {
            $($(#[doc = $doc])* $variant,)*
        }

        impl ExitCode {
            /// All codes by precedence, the one that wins over all others first.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number the process exits with.
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $number,)*
                }
            }

            /// The name that is printed with the number.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

exit_codes! {
    /// The program panicked outside of a user's task.
    Panic = 109, "panic";
    /// The program failed: a bug, or something that must not happen did.
    InternalError = 1, "internal_error";
    /// The flags of the command line cannot be understood.
    Usage = 2, "usage";
    /// Something the command line names is missing, wrong, unwritable or impossible on this machine.
    InvalidInput = 104, "invalid_input";
    /// A safety policy forbids the run (reserved).
    RefusedByPolicy = 116, "refused_by_policy";
    /// The cluster cannot be reached or has too few workers (reserved).
    ClusterUnavailable = 117, "cluster_unavailable";
    /// A signal ended the run before its end.
    StoppedBySignal = 105, "stopped_by_signal";
    /// The generator itself was too slow, or its books do not balance: the numbers are no measurement of the target.
    MeasurementInvalid = 113, "measurement_invalid";
    /// Workers were lost on the way (reserved).
    WorkersLost = 114, "workers_lost";
    /// A threshold was not met, or nothing succeeded.
    ThresholdFailed = 99, "threshold_failed";
    /// A comparison found a regression (reserved).
    Regression = 111, "regression";
    /// A comparison needs more runs (reserved).
    Inconclusive = 112, "inconclusive";
    /// Telemetry could not be delivered in full.
    TelemetryLost = 115, "telemetry_lost";
    /// Everything that was asked for holds.
    Passed = 0, "passed";
}

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.name())
    }
}

/// Something that held when a process ended and that its exit code may have to tell.
///
/// Finer than [`ExitCode`]: two conditions may share a code. The order of the variants is the precedence of their codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The program panicked outside of a user's task.
    Panicked,
    /// The program failed.
    InternalError,
    /// The flags cannot be understood.
    Usage,
    /// Something named on the command line is missing, wrong, unwritable or impossible here.
    InvalidInput,
    /// A safety policy forbids the run.
    RefusedByPolicy,
    /// The cluster cannot be reached or has too few workers.
    ClusterUnavailable,
    /// A signal ended the run before its end.
    StoppedBySignal,
    /// The measurement is invalid.
    MeasurementInvalid,
    /// Workers were lost on the way.
    WorkersLost,
    /// Not a single request or iteration succeeded.
    NothingSucceeded,
    /// A threshold was not met.
    ThresholdFailed,
    /// A comparison found a regression.
    Regression,
    /// A comparison needs more runs.
    Inconclusive,
    /// Telemetry could not be delivered in full.
    TelemetryLost,
}

impl Condition {
    /// All conditions by precedence.
    pub const ALL: &'static [Self] = &[
        Self::Panicked,
        Self::InternalError,
        Self::Usage,
        Self::InvalidInput,
        Self::RefusedByPolicy,
        Self::ClusterUnavailable,
        Self::StoppedBySignal,
        Self::MeasurementInvalid,
        Self::WorkersLost,
        Self::NothingSucceeded,
        Self::ThresholdFailed,
        Self::Regression,
        Self::Inconclusive,
        Self::TelemetryLost,
    ];

    /// The code this condition alone ends a process with.
    pub const fn exit_code(self) -> ExitCode {
        match self {
            Self::Panicked => ExitCode::Panic,
            Self::InternalError => ExitCode::InternalError,
            Self::Usage => ExitCode::Usage,
            Self::InvalidInput => ExitCode::InvalidInput,
            Self::RefusedByPolicy => ExitCode::RefusedByPolicy,
            Self::ClusterUnavailable => ExitCode::ClusterUnavailable,
            Self::StoppedBySignal => ExitCode::StoppedBySignal,
            Self::MeasurementInvalid => ExitCode::MeasurementInvalid,
            Self::WorkersLost => ExitCode::WorkersLost,
            Self::NothingSucceeded | Self::ThresholdFailed => ExitCode::ThresholdFailed,
            Self::Regression => ExitCode::Regression,
            Self::Inconclusive => ExitCode::Inconclusive,
            Self::TelemetryLost => ExitCode::TelemetryLost,
        }
    }
}

/// The conditions that held, each once and by precedence.
///
/// ```
/// use loadgen_api::{Condition, Conditions, ExitCode};
/// let held: Conditions = [Condition::ThresholdFailed, Condition::StoppedBySignal].into_iter().collect();
/// assert_eq!(held.exit_code(), ExitCode::StoppedBySignal);
/// assert!(held.contains(Condition::ThresholdFailed));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Conditions {
    // Not a list: what is read from a file is as ordered and as free of repetitions as what was collected here.
    held: std::collections::BTreeSet<Condition>,
}

impl Conditions {
    /// Notes that `condition` held; noting it again changes nothing.
    pub fn insert(&mut self, condition: Condition) {
        self.held.insert(condition);
    }

    /// Whether `condition` held.
    pub fn contains(&self, condition: Condition) -> bool {
        self.held.contains(&condition)
    }

    /// What held, by precedence.
    pub fn iter(&self) -> impl Iterator<Item = Condition> + '_ {
        self.held.iter().copied()
    }

    /// The code of the condition that comes first; [`ExitCode::Passed`] when none held.
    pub fn exit_code(&self) -> ExitCode {
        self.held.first().map_or(ExitCode::Passed, |condition| condition.exit_code())
    }
}

impl FromIterator<Condition> for Conditions {
    fn from_iter<I: IntoIterator<Item = Condition>>(conditions: I) -> Self {
        Self { held: conditions.into_iter().collect() }
    }
}

impl Extend<Condition> for Conditions {
    fn extend<I: IntoIterator<Item = Condition>>(&mut self, conditions: I) {
        self.held.extend(conditions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the documentation, written down a second time: a change here is a change of what users rely on.
    const DOCUMENTED: [(u8, &str); 14] = [
        (109, "panic"),
        (1, "internal_error"),
        (2, "usage"),
        (104, "invalid_input"),
        (116, "refused_by_policy"),
        (117, "cluster_unavailable"),
        (105, "stopped_by_signal"),
        (113, "measurement_invalid"),
        (114, "workers_lost"),
        (99, "threshold_failed"),
        (111, "regression"),
        (112, "inconclusive"),
        (115, "telemetry_lost"),
        (0, "passed"),
    ];

    #[test]
    fn numbers_names_and_precedence_never_change() {
        let codes: Vec<_> = ExitCode::ALL.iter().map(|code| (code.code(), code.name())).collect();
        assert_eq!(codes, DOCUMENTED);
    }

    #[test]
    fn names_in_files_are_the_names_that_are_printed() {
        for code in ExitCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
    }

    #[test]
    fn conditions_stand_in_the_order_of_their_codes() {
        assert!(Condition::ALL.is_sorted_by(|a, b| a < b));
        assert!(Condition::ALL.is_sorted_by_key(|condition| condition.exit_code()));
        for code in ExitCode::ALL.iter().filter(|code| **code != ExitCode::Passed) {
            assert!(Condition::ALL.iter().any(|condition| condition.exit_code() == *code), "{code}");
        }
    }

    #[test]
    fn every_set_of_conditions_ends_with_the_first_code_that_holds() {
        let all = Condition::ALL;
        for set in 0u32..1 << all.len() {
            let members: Vec<Condition> =
                (0..all.len()).filter(|bit| set & (1 << bit) != 0).map(|bit| all[bit]).collect();
            // The oracle walks the documented table, not the order of the enum.
            let expected = DOCUMENTED
                .iter()
                .find(|(number, _)| members.iter().any(|member| member.exit_code().code() == *number))
                .map_or(0, |(number, _)| *number);
            let held: Conditions = members.iter().rev().copied().collect();
            assert_eq!(held.exit_code().code(), expected, "{members:?}");
            assert_eq!(held.iter().collect::<Vec<_>>(), members, "every condition stays listed");
        }
    }
}
