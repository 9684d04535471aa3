//! The bounds by which a measurement is judged.

use units::{Nanos, Ratio};

/// When a measurement is suspect or invalid; every bound is a key of `verdict`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VerdictBounds {
    /// Above these a measurement is marked suspect.
    pub suspect: SuspectBounds,
    /// Above these a measurement is invalid.
    pub invalid: InvalidBounds,
}

/// Above these a measurement is marked suspect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuspectBounds {
    /// The 99th percentile of the generator's own lateness; 1 ms by default.
    pub dispatch_lag_p99: Nanos,
    /// How busy an engine thread may be in a closed model; 95 % by default.
    pub thread_busy: Ratio,
}

/// Above these a measurement is invalid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InvalidBounds {
    /// The 99th percentile of the generator's own lateness; 20 ms by default.
    pub dispatch_lag_p99: Nanos,
    /// Slots not sent because the generator stalled, of those due; 0.5 % by default.
    pub generator_stall: Ratio,
    /// Requests that failed by the generator's own fault, of those attempted; 0.1 % by default.
    pub own_faults: Ratio,
    /// The part of the run in which the generator's CPU was throttled; 5 % by default.
    pub throttled: Ratio,
}

impl Default for SuspectBounds {
    fn default() -> Self {
        Self { dispatch_lag_p99: Nanos::from_millis(1), thread_busy: Ratio::new(0.95) }
    }
}

impl Default for InvalidBounds {
    fn default() -> Self {
        Self {
            dispatch_lag_p99: Nanos::from_millis(20),
            generator_stall: Ratio::new(0.005),
            own_faults: Ratio::new(0.001),
            throttled: Ratio::new(0.05),
        }
    }
}
