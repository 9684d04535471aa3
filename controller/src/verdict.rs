//! Whether the numbers can be believed, and whether they are good.
//!
//! Pure: [`judge`] looks at what was seen of the generator and of the run and at the bounds of the workload. Drops and
//! queue wait are the plan's or the target's doing and never make a run invalid; dispatch lag is the generator's own.

use api::Condition;
use api::result::{Evidence, Mark, Severity, Unit, Verdict, VerdictOutcome};
use scenario::VerdictBounds;
use units::{Nanos, Ratio};

/// What the verdict is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observations {
    /// Whether load was ever started.
    pub started: bool,
    /// Whether anything succeeded: a request or a whole iteration.
    pub succeeded: bool,
    /// Whether a scenario's users start their next iteration when they are free.
    pub closed_model: bool,
    /// The 99th percentile of the generator's own lateness; `None` when nothing was released.
    pub dispatch_lag_p99: Option<Nanos>,
    /// Measured slots whose time came while there was load; what a stop left of the plan is not among them.
    pub due: u64,
    /// Of these, never released because the generator came too late.
    pub generator_stall: u64,
    /// The largest part of its time any engine thread stood still although something was due.
    pub stood_still: Ratio,
    /// Measured requests that were attempted.
    pub attempted: u64,
    /// Of these, failed by the generator's own fault.
    pub own_faults: u64,
    /// The largest part of its time any worker was throttled by a CPU quota.
    pub throttled: Ratio,
    /// How busy the busiest engine thread of any worker was.
    pub busiest_thread: Ratio,
    /// The largest step of a worker's wall clock against its monotonic one; slewing is none.
    pub clock_step: Nanos,
    /// What does not hold in the ledgers, one line each.
    pub broken_ledgers: Vec<String>,
    /// Thresholds that were not met, one line each.
    pub failed_thresholds: Vec<String>,
    /// Whether a signal cut the run short.
    pub stopped: bool,
    /// Faults of the program and losses, one line each: part of the numbers may be missing.
    pub faults: Vec<String>,
    /// What is less than it was meant to be because workers did not all stay, one line each.
    pub degraded: Vec<String>,
    /// Whether that lets the run pass nevertheless.
    pub allow_degraded: bool,
    /// Telemetry that may be missing where it was sent to, one line each. It makes no measurement worse.
    pub lost_telemetry: Vec<String>,
}

/// Judges a run by what was seen of it.
pub fn judge(seen: &Observations, bounds: &VerdictBounds) -> Verdict {
    let mut evidence: Vec<Evidence> = Vec::new();
    let mut invalid: Vec<String> = Vec::new();
    let mut suspect: Vec<String> = Vec::new();
    for bound in bounds_of(seen, bounds) {
        if !bound.holds() {
            let reasons = if bound.severity == Severity::Invalid { &mut invalid } else { &mut suspect };
            reasons.push(bound.reason());
        }
        evidence.push(bound.into_evidence());
    }
    invalid.extend(seen.broken_ledgers.iter().map(|error| format!("the books do not balance: {error}")));
    if seen.started {
        invalid.extend(seen.faults.iter().cloned());
    }

    let mut failed = Vec::new();
    if !seen.succeeded {
        failed.push(if seen.started { "nothing succeeded" } else { "no load was started" }.to_owned());
    }
    failed.extend(seen.failed_thresholds.iter().cloned());
    // The ruler changed its length: whoever wants such a run to pass has to say so.
    let mut noted = seen.degraded.clone();
    if !seen.allow_degraded {
        failed.append(&mut noted);
    }

    let outcome = match (invalid.is_empty(), failed.is_empty()) {
        (false, _) => VerdictOutcome::Invalid,
        (true, false) => VerdictOutcome::Failed,
        (true, true) => VerdictOutcome::Passed,
    };
    let mut marks = Vec::new();
    if !suspect.is_empty() {
        marks.push(Mark::Suspect);
    }
    if seen.stopped || !seen.faults.is_empty() || !seen.degraded.is_empty() {
        marks.push(Mark::Degraded);
    }
    let reasons = [invalid, failed, suspect, noted, seen.lost_telemetry.clone()].concat();
    Verdict { outcome, marks, reasons, evidence }
}

/// What the exit code has to tell of a judged run.
pub fn conditions(seen: &Observations, verdict: &Verdict) -> impl Iterator<Item = Condition> {
    let held = [
        (verdict.outcome == VerdictOutcome::Invalid, Condition::MeasurementInvalid),
        (seen.started && !seen.succeeded, Condition::NothingSucceeded),
        (!seen.failed_thresholds.is_empty(), Condition::ThresholdFailed),
        (seen.stopped, Condition::StoppedBySignal),
        (!seen.degraded.is_empty() && !seen.allow_degraded, Condition::WorkersLost),
        (!seen.lost_telemetry.is_empty(), Condition::TelemetryLost),
    ];
    held.into_iter().filter(|(held, _)| *held).map(|(_, condition)| condition)
}

/// Everything that is bounded, gravest first.
fn bounds_of(seen: &Observations, bounds: &VerdictBounds) -> Vec<Bound> {
    let VerdictBounds { suspect, invalid } = bounds;
    let mut list = Vec::new();
    let mut add = |severity, what, limit, measured, key, advice| {
        list.push(Bound { severity, what, limit, measured, key, advice });
    };
    if let Some(lag) = seen.dispatch_lag_p99 {
        add(
            Severity::Invalid,
            "dispatch lag p99",
            Value::Time(invalid.dispatch_lag_p99),
            Value::Time(lag),
            Some("verdict.invalid.dispatch_lag_p99"),
            SLOWER_OR_STRONGER,
        );
    }
    if seen.started {
        add(
            Severity::Invalid,
            "slots missed by a generator stall",
            Value::Part(invalid.generator_stall),
            Value::Part(Ratio::of(seen.generator_stall, seen.due)),
            Some("verdict.invalid.generator_stall"),
            SLOWER_OR_STRONGER,
        );
        // A closed model has no slots to miss: users of a generator that stands still just wait.
        add(
            Severity::Invalid,
            "time the generator stood still",
            Value::Part(invalid.generator_stall),
            Value::Part(seen.stood_still),
            Some("verdict.invalid.generator_stall"),
            SLOWER_OR_STRONGER,
        );
        add(
            Severity::Invalid,
            "requests failed by the generator's own fault",
            Value::Part(invalid.own_faults),
            Value::Part(Ratio::of(seen.own_faults, seen.attempted)),
            Some("verdict.invalid.own_faults"),
            "raise `ulimit -n`, free local ports or memory, or lower `max_vus` or `vus`",
        );
        add(
            Severity::Invalid,
            "time throttled by a CPU quota",
            Value::Part(invalid.throttled),
            Value::Part(seen.throttled),
            Some("verdict.invalid.throttled"),
            "raise the CPU quota of the container, or lower `rate` or `vus`",
        );
        add(
            Severity::Invalid,
            "ledgers that do not balance",
            Value::Count(0),
            Value::Count(seen.broken_ledgers.len() as u64),
            None,
            "this is a fault of the program: please report it with the result",
        );
    }
    if let Some(lag) = seen.dispatch_lag_p99 {
        add(
            Severity::Suspect,
            "dispatch lag p99",
            Value::Time(suspect.dispatch_lag_p99),
            Value::Time(lag),
            Some("verdict.suspect.dispatch_lag_p99"),
            SLOWER_OR_STRONGER,
        );
    }
    if seen.started && seen.closed_model {
        add(
            Severity::Suspect,
            "busiest engine thread in a closed model",
            Value::Part(suspect.thread_busy),
            Value::Part(seen.busiest_thread),
            Some("verdict.suspect.thread_busy"),
            "the generator may set the pace, not the target: raise `--threads`, give it more CPUs, or lower `vus`",
        );
    }
    if seen.started {
        add(
            Severity::Suspect,
            "step of the wall clock",
            Value::Time(Nanos::ZERO),
            Value::Time(seen.clock_step),
            None,
            "nothing is measured by the wall clock; mind it when comparing with logs of other machines",
        );
    }
    list
}

/// What helps when the generator is late.
const SLOWER_OR_STRONGER: &str =
    "lower `rate` or `vus`, raise `--threads`, or give the generator more CPU time";

/// A bound and what was measured against it.
struct Bound {
    severity: Severity,
    what: &'static str,
    limit: Value,
    measured: Value,
    key: Option<&'static str>,
    advice: &'static str,
}

impl Bound {
    fn holds(&self) -> bool {
        self.measured.number() <= self.limit.number()
    }

    fn reason(&self) -> String {
        let Self { what, limit, measured, advice, .. } = self;
        let key = self.key.map(|key| format!(", `{key}`")).unwrap_or_default();
        format!("{what}: {measured} is above {limit}{key}; {advice}")
    }

    fn into_evidence(self) -> Evidence {
        Evidence {
            bound: self.what.to_owned(),
            severity: self.severity,
            limit: self.limit.number(),
            measured: self.measured.number(),
            unit: self.limit.unit(),
            held: self.holds(),
            key: self.key.map(str::to_owned),
            advice: self.advice.to_owned(),
        }
    }
}

/// A bounded quantity.
#[derive(Clone, Copy)]
enum Value {
    Time(Nanos),
    Part(Ratio),
    Count(u64),
}

impl Value {
    /// The number in its [`unit`](Self::unit).
    fn number(self) -> f64 {
        match self {
            Self::Time(span) => span.as_micros_f64(),
            Self::Part(ratio) => ratio.as_f64(),
            Self::Count(count) => count as f64,
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::Time(_) => Unit::Us,
            Self::Part(_) => Unit::Ratio,
            Self::Count(_) => Unit::Count,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Three figures say enough, and a whole one is not written with fractions.
            Self::Time(span) if *span >= Nanos::from_millis(1) => {
                write!(f, "{}ms", three_figures(span.as_millis_f64()))
            }
            Self::Time(span) => write!(f, "{}us", three_figures(span.as_micros_f64())),
            Self::Part(ratio) => write!(f, "{}%", three_figures(ratio.as_f64() * 100.0)),
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}

fn three_figures(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let digits = 2 - value.abs().log10().floor() as i32;
    let scale = 10_f64.powi(digits.clamp(0, 6));
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests;
