//! What a number is called, and what it means.

/// One metric: a row of the table in `docs/metrics.md`, from which every form takes its name.
#[derive(Debug, PartialEq, Eq)]
pub struct Instrument {
    /// The name in OpenTelemetry's manner: words with dots, without the unit.
    pub name: &'static str,
    /// The unit in UCUM's manner, as OpenTelemetry has it: `s`, `By`, `1`, `{request}`, `{iteration}/s`.
    pub unit: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What it is of.
    pub scope: Scope,
    /// The labels that it may have beside those of its scope, in OpenTelemetry's manner.
    pub labels: &'static [&'static str],
    /// Which process shows it.
    pub sender: Sender,
    /// What it says, as one sentence.
    pub help: &'static str,
}

/// How a number behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, from 0.
    Counter,
    /// Rises and falls.
    Gauge,
    /// How often which values were seen.
    Histogram,
}

/// What a number is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A run: it has the labels `run_id` and `worker`, and leaves by OTLP too.
    Run,
    /// The process, whatever runs in it: only on its page, without these labels.
    Process,
}

/// Which process shows a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The one that makes load.
    Worker,
    /// The one that conducts runs.
    Controller,
    /// Each of them, its own.
    Both,
}

impl Kind {
    /// The word for it, in Prometheus' forms as well.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Sender {
    /// The word for it in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Controller => "controller",
            Self::Both => "both",
        }
    }
}

impl Instrument {
    /// The name in Prometheus' manner, by OpenTelemetry's rules for it: dots become underscores, then the unit unless it is
    /// there already, and `_total` after a counter.
    ///
    /// ```
    /// use loadgen_net::probe::{Instrument, Kind, Scope, Sender};
    ///
    /// let sent = Instrument {
    ///     name: "loadgen.sent",
    ///     unit: "By",
    ///     kind: Kind::Counter,
    ///     scope: Scope::Run,
    ///     labels: &[],
    ///     sender: Sender::Worker,
    ///     help: "Bytes of requests.",
    /// };
    /// assert_eq!(sent.prometheus_name(), "loadgen_sent_bytes_total");
    /// ```
    pub fn prometheus_name(&self) -> String {
        let mut name = label_name(self.name);
        if let Some(unit) = self.prometheus_unit() {
            let is_there = name.ends_with(unit) && name[..name.len() - unit.len()].ends_with('_');
            if !is_there {
                name.push('_');
                name.push_str(unit);
            }
        }
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }

    /// The unit's word in Prometheus' names; `None` for what is only counted.
    ///
    /// # Panics
    /// When it is not one of those in use.
    pub fn prometheus_unit(&self) -> Option<&'static str> {
        match self.unit {
            "s" => Some("seconds"),
            "By" => Some("bytes"),
            // By the rules only a level without a unit is a ratio.
            "1" => (self.kind == Kind::Gauge).then_some("ratio"),
            unit if unit.ends_with("}/s") => Some("per_second"),
            unit if unit.starts_with('{') && unit.ends_with('}') => None,
            unit => panic!("the unit `{unit}` of `{}` has no word in Prometheus' names", self.name),
        }
    }
}

/// A label in Prometheus' manner.
pub(super) fn label_name(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_translated_by_the_rules_of_opentelemetry() {
        let named = |name, unit, kind| {
            let of = Instrument {
                name,
                unit,
                kind,
                scope: Scope::Process,
                labels: &[],
                sender: Sender::Both,
                help: "Something.",
            };
            of.prometheus_name()
        };
        for (name, unit, kind, expected) in [
            ("http.client.request.duration", "s", Kind::Histogram, "http_client_request_duration_seconds"),
            ("loadgen.requests", "{request}", Kind::Counter, "loadgen_requests_total"),
            ("loadgen.operation", "s", Kind::Counter, "loadgen_operation_seconds_total"),
            ("loadgen.target_rate", "{iteration}/s", Kind::Gauge, "loadgen_target_rate_per_second"),
            ("loadgen.success", "1", Kind::Gauge, "loadgen_success_ratio"),
            ("loadgen.success_ratio", "1", Kind::Gauge, "loadgen_success_ratio"),
            ("loadgen.seconds", "s", Kind::Gauge, "loadgen_seconds"),
            ("loadgen.milliseconds", "s", Kind::Gauge, "loadgen_milliseconds_seconds"),
            ("process.memory.usage", "By", Kind::Gauge, "process_memory_usage_bytes"),
        ] {
            assert_eq!(named(name, unit, kind), expected);
        }
    }
}
