//! How a run under way changes: other shares, other rates.
//!
//! These are the words for it, as they travel; [`Timetable`](crate::Timetable) says what they mean for a scenario and
//! [`Course`](crate::Course) for a worker.

use units::{Nanos, Rate, Ratio};

use crate::{ScenarioId, Share};

/// A change of load, from an instant of run time on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amendment {
    /// The run time from which it holds; no earlier than those before it.
    pub at: Nanos,
    /// What changes.
    pub change: LoadChange,
}

/// What changes of a run's load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LoadChange {
    /// An open scenario's rate is this to the end of its profile, whatever its stages say. Which stages are warm-up stays
    /// as it was.
    Rate {
        /// The scenario.
        scenario: ScenarioId,
        /// Its rate.
        rate: Rate,
    },
    /// The rates that are still to come, as they are after the changes before, are multiplied. Closed scenarios have none:
    /// naming one is an error, and for all scenarios they are left out.
    Scale {
        /// One open scenario; `None` for all of them.
        scenario: Option<ScenarioId>,
        /// By this: from 0 up, taken as the decimal number it prints as.
        factor: Ratio,
    },
    /// The clocks of all profiles stop: no new iterations, while those under way go on to their end. The clock of the run
    /// goes on, and the plan ends so much later.
    Pause,
    /// They go on where they stopped: not a slot is left out or comes twice.
    Resume,
}

/// What one worker carries from an instant of run time on. A slot belongs to the revision in force at its due time; so
/// an amendment that is new in a revision is no earlier than the revision's instant, or else slots due in between would
/// change after they were sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// The run time from which it is in force; zero for the first.
    pub effective: Nanos,
    /// The worker's part; [`Share::revision`] is the revision's number, from 0.
    pub share: Share,
    /// All changes of load so far, in order of time, those of earlier revisions included.
    pub amendments: Vec<Amendment>,
}

impl Revision {
    /// The first revision: the plan as it was written.
    pub fn first(share: Share) -> Self {
        Self { effective: Nanos::ZERO, share, amendments: Vec::new() }
    }

    /// The only revision of a run on one worker that nobody changes.
    pub fn whole() -> Self {
        Self::first(Share::whole())
    }
}
