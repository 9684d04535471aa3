//! The metrics a threshold can name.

use crate::suggestion::closest;
use crate::{ScenarioTime, StepTime};

/// Something measured that a threshold can judge. Named as in the result; k6's names are aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// A time of steps.
    StepTime(StepTime),
    /// A time of scenarios.
    ScenarioTime(ScenarioTime),
    /// The share of requests that failed, of those that succeeded or failed.
    Failed,
    /// The share of checks that held.
    Checks,
    /// Iterations that succeeded or failed.
    Iterations,
    /// Requests that were attempted.
    Requests,
    /// Slots that were dropped.
    Dropped,
    /// Slots that were never released.
    Unsent,
    /// Iterations that were cancelled at the stop.
    Cancelled,
    /// Bytes of requests.
    DataSent,
    /// Bytes of responses.
    DataReceived,
    /// Virtual users at once.
    Users,
}

/// What the values of a metric are, which decides what can be said about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Times: quantiles, mean, extremes.
    Time,
    /// Events that are so or not so: their share.
    Share,
    /// Events: how many, how often.
    Count,
    /// Bytes: how many, how many per second.
    Bytes,
    /// A level that rises and falls.
    Level,
}

/// What the values of a metric belong to, which decides what they can be filtered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricScope {
    /// To a step of a scenario.
    Step,
    /// To a scenario.
    Scenario,
    /// To a check of a step.
    Check,
    /// To the whole run.
    Run,
}

/// Metric, its name, and k6's name for it if that differs.
const NAMES: [(Metric, &str, Option<&str>); 21] = [
    (Metric::StepTime(StepTime::ResponseTime), "response_time", None),
    (Metric::StepTime(StepTime::ServiceTime), "service_time", Some("http_req_duration")),
    (Metric::ScenarioTime(ScenarioTime::IterationResponseTime), "iteration_response_time", None),
    (Metric::ScenarioTime(ScenarioTime::IterationDuration), "iteration_duration", None),
    (Metric::ScenarioTime(ScenarioTime::DispatchLag), "dispatch_lag", None),
    (Metric::StepTime(StepTime::QueueWait), "queue_wait", Some("http_req_blocked")),
    (Metric::StepTime(StepTime::FirstByte), "first_byte", Some("http_req_waiting")),
    (Metric::StepTime(StepTime::Receive), "receive", Some("http_req_receiving")),
    (Metric::StepTime(StepTime::Dns), "dns", None),
    (Metric::StepTime(StepTime::Connect), "connect", Some("http_req_connecting")),
    (Metric::StepTime(StepTime::Tls), "tls", Some("http_req_tls_handshaking")),
    (Metric::Failed, "failed", Some("http_req_failed")),
    (Metric::Checks, "checks", None),
    (Metric::Iterations, "iterations", None),
    (Metric::Requests, "requests", Some("http_reqs")),
    (Metric::Dropped, "dropped", Some("dropped_iterations")),
    (Metric::Unsent, "unsent", None),
    (Metric::Cancelled, "cancelled", None),
    (Metric::DataSent, "data_sent", None),
    (Metric::DataReceived, "data_received", None),
    (Metric::Users, "vus", None),
];

impl Metric {
    /// All metrics, in the order of their documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(metric, ..)| *metric)
    }

    /// The metric of this name or alias.
    pub fn by_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, own, alias)| *own == name || *alias == Some(name)).map(|(metric, ..)| *metric)
    }

    /// A known name or alias that looks like `name`.
    pub(crate) fn closest_name(name: &str) -> Option<&'static str> {
        closest(name, NAMES.iter().flat_map(|(_, own, alias)| [Some(*own), *alias]).flatten())
    }

    /// The name in the result.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(metric, ..)| *metric == self).map_or("", |(_, name, _)| name)
    }

    /// k6's name for it, if that differs.
    pub fn alias(self) -> Option<&'static str> {
        NAMES.iter().find(|(metric, ..)| *metric == self).and_then(|(.., alias)| *alias)
    }

    /// What its values are.
    pub fn kind(self) -> MetricKind {
        match self {
            Self::StepTime(_) | Self::ScenarioTime(_) => MetricKind::Time,
            Self::Failed | Self::Checks => MetricKind::Share,
            Self::Iterations | Self::Requests | Self::Dropped | Self::Unsent | Self::Cancelled => {
                MetricKind::Count
            }
            Self::DataSent | Self::DataReceived => MetricKind::Bytes,
            Self::Users => MetricKind::Level,
        }
    }

    /// What its values belong to.
    pub fn scope(self) -> MetricScope {
        match self {
            Self::StepTime(_) | Self::Failed | Self::Requests | Self::DataSent | Self::DataReceived => {
                MetricScope::Step
            }
            Self::ScenarioTime(_) | Self::Iterations | Self::Dropped | Self::Unsent | Self::Cancelled => {
                MetricScope::Scenario
            }
            Self::Checks => MetricScope::Check,
            Self::Users => MetricScope::Run,
        }
    }

    /// Whether its values are kept apart by outcome.
    pub fn is_split_by_outcome(self) -> bool {
        match self {
            Self::StepTime(time) => time.is_split(),
            Self::ScenarioTime(time) => time.is_split(),
            Self::Requests | Self::Iterations => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_one_name_and_finds_itself_by_it() {
        for metric in Metric::all() {
            assert_eq!(Metric::by_name(metric.name()), Some(metric));
            if let Some(alias) = metric.alias() {
                assert_eq!(Metric::by_name(alias), Some(metric));
            }
        }
        assert_eq!(Metric::by_name("http_req_duration"), Some(Metric::StepTime(StepTime::ServiceTime)));
        assert_eq!(Metric::by_name("latency"), None);
    }
}
