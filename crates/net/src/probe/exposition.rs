//! Numbers as Prometheus reads them: its text format, version 0.0.4.

use std::fmt::Write as _;

use crate::deadline::OperationStats;
use crate::listen::ListenStats;

/// A page of numbers, in the order in which they are added. Names are `loadgen_…`, with the unit at the end, and `_total`
/// after it for counters.
///
/// ```
/// use loadgen_net::probe::{Exposition, Kind};
///
/// let mut page = Exposition::default();
/// page.family("loadgen_workers", Kind::Gauge, "Workers by where they stand.").sample(&[("state", "ready")], 3.0);
/// assert!(page.into_text().ends_with("loadgen_workers{state=\"ready\"} 3\n"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    text: String,
}

/// How a number behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, from 0 at the start of the process.
    Counter,
    /// Rises and falls.
    Gauge,
}

/// Numbers under one name.
#[derive(Debug)]
pub struct Family<'a> {
    name: &'static str,
    text: &'a mut String,
}

impl Exposition {
    /// How the page is labelled.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins the numbers of one name; each name once.
    ///
    /// # Panics
    /// When the name is not of our scheme.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> Family<'_> {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(name.starts_with("loadgen_") && name.chars().all(letters), "`{name}` is not of our scheme");
        assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "`{name}`: counters end in `_total`");
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let _ = writeln!(self.text, "# HELP {name} {}\n# TYPE {name} {kind}", escaped(help, false));
        Family { name, text: &mut self.text }
    }

    /// Adds what became of operations: [`Meter::snapshot`](crate::deadline::Meter::snapshot).
    pub fn operations(&mut self, stats: &[OperationStats]) {
        let mut family =
            self.family("loadgen_operations_total", Kind::Counter, "Waits, by what for and how they ended.");
        for of in stats {
            let name = of.operation.name();
            family
                .sample(&[("operation", name), ("outcome", "completed")], of.completed as f64)
                .sample(&[("operation", name), ("outcome", "timed_out")], of.timed_out as f64);
        }
        let mut family = self.family(
            "loadgen_operation_seconds_total",
            Kind::Counter,
            "Time of the waits that ended before their limit.",
        );
        for of in stats {
            let seconds = of.durations.moments().sum as f64 / 1e9;
            family.sample(&[("operation", of.operation.name())], seconds);
        }
        let mut family = self.family(
            "loadgen_operation_longest_seconds",
            Kind::Gauge,
            "The longest wait so far that ended before its limit.",
        );
        for of in stats.iter().filter(|of| of.completed > 0) {
            let seconds = of.durations.moments().max as f64 / 1e9;
            family.sample(&[("operation", of.operation.name())], seconds);
        }
    }

    /// Adds what became of the connections of a listener, by the listeners' names.
    pub fn listeners(&mut self, listeners: &[(&str, ListenStats)]) {
        let mut family = self.family(
            "loadgen_connections_total",
            Kind::Counter,
            "Connections that came, by listener and what became of them.",
        );
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

    /// The page.
    pub fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// Adds a number.
    pub fn sample(&mut self, labels: &[(&'static str, &str)], value: f64) -> &mut Self {
        self.text.push_str(self.name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{label}=\"{}\"", escaped(text, true));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
        self
    }
}

/// Line ends and backslashes, and in labels quotes, would end what they stand in.
fn escaped(text: &str, quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use units::Nanos;

    use super::*;
    use crate::deadline::{Limits, Meter, Operation};

    #[test]
    fn a_name_is_introduced_once_and_its_numbers_follow() {
        let mut page = Exposition::default();
        page.family("loadgen_runs_total", Kind::Counter, "Runs so far.")
            .sample(&[("exit", "ok"), ("degraded", "no")], 2.0)
            .sample(&[("exit", "failed"), ("degraded", "no")], 0.5);
        page.family("loadgen_workers", Kind::Gauge, "Workers.").sample(&[], 3.0);
        assert_eq!(
            page.into_text(),
            "# HELP loadgen_runs_total Runs so far.\n# TYPE loadgen_runs_total counter\n\
             loadgen_runs_total{exit=\"ok\",degraded=\"no\"} 2\nloadgen_runs_total{exit=\"failed\",degraded=\"no\"} 0.5\n\
             # HELP loadgen_workers Workers.\n# TYPE loadgen_workers gauge\nloadgen_workers 3\n"
        );
    }

    #[test]
    fn a_label_cannot_end_its_line() {
        let mut page = Exposition::default();
        let hostile = "a\"} 1\nloadgen_forged 2 \\";
        page.family("loadgen_workers", Kind::Gauge, "Workers.").sample(&[("name", hostile)], 1.0);
        let text = page.into_text();
        assert_eq!(text.lines().count(), 3);
        assert!(text.ends_with("{name=\"a\\\"} 1\\nloadgen_forged 2 \\\\\"} 1\n"), "{text}");
    }

    #[test]
    fn operations_and_listeners_have_their_numbers() {
        let meter = Meter::new(Limits::default());
        meter.completed(Operation::Enrol, Nanos::from_millis(250));
        meter.completed(Operation::Enrol, Nanos::from_millis(500));
        let _ = meter.timed_out(Operation::Beat, "w1", Nanos::SECOND);
        let mut page = Exposition::default();
        page.operations(&meter.snapshot());
        page.listeners(&[("workers", ListenStats { over_cap: 7, ..ListenStats::default() })]);
        let text = page.into_text();
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

    #[test]
    #[should_panic(expected = "counters end in `_total`")]
    fn a_counter_says_by_its_name_that_it_is_one() {
        Exposition::default().family("loadgen_runs", Kind::Counter, "Runs.");
    }
}
