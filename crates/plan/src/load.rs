//! Load models: when iterations start.

use units::Nanos;

use crate::{Arrivals, RateProfile, UserProfile};

/// A stretch of time over which a level moves linearly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage<T> {
    /// How long it lasts; positive.
    pub duration: Nanos,
    /// The level at its start.
    pub from: T,
    /// The level at its end.
    pub to: T,
    /// Whether what starts in it counts; `false` for warm-up.
    pub measured: bool,
}

/// When iterations start.
#[derive(Clone, Debug, PartialEq)]
pub enum LoadModel {
    /// Open: by schedule, whatever the target does.
    ArrivalRate {
        /// The rate over time.
        profile: RateProfile,
        /// Whether arrivals are evenly spaced or random.
        arrivals: Arrivals,
        /// The most virtual users at once, over all shares; `None` for as many as the machine can hold.
        max_vus: Option<u32>,
        /// What happens to a slot that finds no free virtual user.
        overload: Overload,
    },
    /// Closed: a number of users over time, each starting its next iteration when it is free.
    VirtualUsers {
        /// The number of users over time.
        profile: UserProfile,
    },
    /// Closed: a fixed number of iterations dealt to a fixed number of users.
    SharedIterations {
        /// The users.
        vus: u32,
        /// The iterations of all users together.
        iterations: u64,
        /// Iterations not started by then are `unsent{stopped}`.
        max_duration: Nanos,
    },
}

/// What happens to a slot that finds no free virtual user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// It waits in a bounded queue, its response time running, and is dropped after this long.
    Queue {
        /// The longest wait.
        timeout: Nanos,
    },
    /// It is dropped at once.
    Drop,
}

impl LoadModel {
    /// How long iterations are planned to start: at instants from the run's start up to, not including, this.
    pub fn duration(&self) -> Nanos {
        match self {
            Self::ArrivalRate { profile, .. } => profile.duration(),
            Self::VirtualUsers { profile } => profile.duration(),
            Self::SharedIterations { max_duration, .. } => *max_duration,
        }
    }

    /// The most virtual users at once over all shares; `None` for as many as the machines can hold.
    pub fn users(&self) -> Option<u32> {
        match self {
            Self::ArrivalRate { max_vus, .. } => *max_vus,
            Self::VirtualUsers { profile } => Some(profile.max_users()),
            Self::SharedIterations { vus, .. } => Some(*vus),
        }
    }

    /// Whether iterations start by schedule.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::ArrivalRate { .. })
    }
}
