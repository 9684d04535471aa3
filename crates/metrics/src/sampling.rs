//! Which executions are kept: for traces and for the log.

use units::{Nanos, Ratio};

use crate::TraceShape;

/// Which executions make spans, and what the target is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceOptions {
    /// Which are kept.
    pub sampling: Sampling,
    /// How they hang together.
    pub shape: TraceShape,
    /// The most spans of executions and requests that the whole run makes in a second; each engine thread has its part,
    /// which has room for one execution a second at least (under tail sampling for a failed and a slow one).
    pub spans_per_second: u32,
    /// When trace headers go to the target.
    pub propagation: Propagation,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self {
            sampling: Sampling::Ratio(Ratio::new(0.05)),
            shape: TraceShape::Tree,
            spans_per_second: 1_000,
            propagation: Propagation::Sampled,
        }
    }
}

impl TraceOptions {
    /// Whether trace headers go out with every request: what was asked for, or what tail sampling needs, as it decides
    /// when the request is over.
    pub fn propagates_always(&self) -> bool {
        match (self.propagation, self.sampling) {
            (Propagation::Always, _) => true,
            (Propagation::Never, _) => false,
            (Propagation::Sampled, sampling) => matches!(sampling, Sampling::Tail(_)),
        }
    }
}

/// Which executions are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampling {
    /// None.
    Off,
    /// This part of them, drawn by run, scenario and iteration before they begin.
    Ratio(Ratio),
    /// Those that failed or were slow, decided when they are over.
    Tail(SlowBound),
}

/// Which executions are slow. It is their response time that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SlowBound {
    /// Above this quantile of those of their scenario that succeeded in the last seconds on their engine thread, or above a
    /// higher one where the budget has no room for so many.
    Quantile(Ratio),
    /// Above this time.
    Time(Nanos),
}

/// When `traceparent`, `tracestate` and `baggage` go to the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// With the requests of sampled executions; with all of them under tail sampling.
    #[default]
    Sampled,
    /// With every request.
    Always,
    /// Never.
    Never,
}

/// Which executions have a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionLog {
    /// Those whose spans leave.
    pub sampled: bool,
    /// Those that failed.
    pub failed: bool,
    /// All of them.
    pub all: bool,
    /// Lines of failed executions of one kind that an engine thread writes in a second; the others are counted in one line.
    pub lines_per_error: u32,
}

impl Default for ExecutionLog {
    fn default() -> Self {
        Self { sampled: true, failed: true, all: false, lines_per_error: 10 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_its_headers_on_request_or_where_the_decision_comes_later() {
        let ratio = Sampling::Ratio(Ratio::new(0.05));
        let tail = Sampling::Tail(SlowBound::Time(Nanos::SECOND));
        let expected = [
            (Propagation::Sampled, [false, false, true]),
            (Propagation::Always, [true, true, true]),
            (Propagation::Never, [false, false, false]),
        ];
        for (propagation, expected) in expected {
            let always = [Sampling::Off, ratio, tail].map(|sampling| {
                TraceOptions { sampling, propagation, ..TraceOptions::default() }.propagates_always()
            });
            assert_eq!(always, expected, "{propagation:?}");
        }
    }
}
