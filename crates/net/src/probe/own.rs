//! What a listener and its limits on waiting count, and what every process is.

use crate::deadline::OperationStats;
use crate::listen::ListenStats;

use super::{Instrument, Kind, Page, Scope, Sender};

/// Waits, by what for and how they ended.
pub static OPERATIONS: Instrument = Instrument {
    name: "loadgen.operations",
    unit: "{operation}",
    kind: Kind::Counter,
    scope: Scope::Process,
    labels: &["operation", "outcome"],
    sender: Sender::Both,
    help: "Waits, by what for and how they ended.",
};

/// Time of those waits.
pub static OPERATION_TIME: Instrument = Instrument {
    name: "loadgen.operation",
    unit: "s",
    kind: Kind::Counter,
    scope: Scope::Process,
    labels: &["operation"],
    sender: Sender::Both,
    help: "Time of the waits that ended before their limit.",
};

/// The longest of them.
pub static OPERATION_LONGEST: Instrument = Instrument {
    name: "loadgen.operation.longest",
    unit: "s",
    kind: Kind::Gauge,
    scope: Scope::Process,
    labels: &["operation"],
    sender: Sender::Both,
    help: "The longest wait so far that ended before its limit.",
};

/// Connections that came.
pub static CONNECTIONS: Instrument = Instrument {
    name: "loadgen.connections",
    unit: "{connection}",
    kind: Kind::Counter,
    scope: Scope::Process,
    labels: &["listener", "outcome"],
    sender: Sender::Controller,
    help: "Connections that came, by listener and what became of them.",
};

/// All of this crate.
pub static OWN: &[&Instrument] = &[&OPERATIONS, &OPERATION_TIME, &OPERATION_LONGEST, &CONNECTIONS];

impl Page {
    /// Adds what became of operations: [`Meter::snapshot`](crate::deadline::Meter::snapshot).
    pub fn operations(&mut self, stats: &[OperationStats]) {
        let mut family = self.family(&OPERATIONS);
        for of in stats {
            let name = of.operation.name();
            family
                .sample(&[("operation", name), ("outcome", "completed")], of.completed as f64)
                .sample(&[("operation", name), ("outcome", "timed_out")], of.timed_out as f64);
        }
        let mut family = self.family(&OPERATION_TIME);
        for of in stats {
            let seconds = of.durations.moments().sum as f64 / 1e9;
            family.sample(&[("operation", of.operation.name())], seconds);
        }
        let mut family = self.family(&OPERATION_LONGEST);
        for of in stats.iter().filter(|of| of.completed > 0) {
            let seconds = of.durations.moments().max as f64 / 1e9;
            family.sample(&[("operation", of.operation.name())], seconds);
        }
    }

    /// Adds what became of the connections of a listener, by the listeners' names.
    pub fn listeners(&mut self, listeners: &[(&str, ListenStats)]) {
        let mut family = self.family(&CONNECTIONS);
        for (listener, stats) in listeners {
            let outcomes = [
                ("established", stats.established),
                ("handshake_failed", stats.handshake_failed),
                ("timed_out", stats.timed_out),
                ("displaced", stats.displaced),
                ("over_cap", stats.over_cap),
            ];
            for (outcome, count) in outcomes {
                family.sample(&[("listener", listener), ("outcome", outcome)], count as f64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use units::Nanos;

    use super::*;
    use crate::deadline::{Limits, Meter, Operation};
    use crate::probe::Form;

    #[test]
    fn operations_and_listeners_have_their_numbers() {
        let meter = Meter::new(Limits::default());
        meter.completed(Operation::Enrol, Nanos::from_millis(250));
        meter.completed(Operation::Enrol, Nanos::from_millis(500));
        let _ = meter.timed_out(Operation::Beat, "w1", Nanos::SECOND);
        let mut page = Page::default();
        page.operations(&meter.snapshot());
        page.listeners(&[("workers", ListenStats { over_cap: 7, ..ListenStats::default() })]);
        let text = String::from_utf8(page.encode(Form::Text)).unwrap();
        for line in [
            "loadgen_operations_total{operation=\"enrol\",outcome=\"completed\"} 2",
            "loadgen_operations_total{operation=\"beat\",outcome=\"timed_out\"} 1",
            "loadgen_operation_seconds_total{operation=\"enrol\"} 0.75",
            "loadgen_operation_longest_seconds{operation=\"enrol\"} 0.5",
            "loadgen_connections_total{listener=\"workers\",outcome=\"over_cap\"} 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
