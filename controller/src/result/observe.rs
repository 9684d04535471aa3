//! What the verdict needs to know of a run.

use metrics::{
    BrokenLedger, Catalog, Evaluation, LedgerName, Outcomes, Period, ScenarioTime, Threshold, Totals,
    UnsentReason,
};
use units::{Nanos, Ratio};

use super::degraded;
use crate::run::SealedRun;
use crate::verdict::Observations;

/// The load's time without the warm-up before the first scenario that is measured.
pub(super) fn measured_time(sealed: &SealedRun) -> Nanos {
    let planned = sealed.planned();
    let first = |scenario: usize| planned.measured_windows(scenario).first().map(|(from, _)| *from);
    let from = (0..sealed.plan.scenarios.len()).filter_map(first).min();
    sealed.load_time().saturating_sub(from.unwrap_or(Nanos::MAX))
}

/// Looks at a sealed run and at its thresholds.
pub(super) fn observations(sealed: &SealedRun, judged: &[(&Threshold, Evaluation)]) -> Observations {
    let totals = sealed.merged.totals();
    let started = sealed.start.is_some();
    let health = || sealed.sessions.iter().filter_map(|session| Some(&session.final_fact()?.health));
    let failed = judged.iter().filter(|(_, evaluation)| started && !evaluation.passed);
    let is_fault = |condition| matches!(condition, api::Condition::InternalError | api::Condition::Panicked);
    let faults = sealed.incidents.iter().filter(|incident| is_fault(incident.kind.condition()));
    let faults: Vec<String> = faults.map(|incident| incident.kind.to_string()).collect();
    let broken = totals.broken_ledgers().into_iter().filter(|broken| !is_explained(sealed, broken));
    let mut broken: Vec<String> =
        broken.map(|broken| broken_text(&broken, totals.layout().catalog())).collect();
    // Who took up a dealing late carried slots of others, or left some to nobody: that is said by itself.
    let is_misdealt = sealed.incidents.iter().any(|incident| incident.kind.is_misdealing());
    if started && faults.is_empty() && !is_misdealt {
        broken.extend(missing_slots(sealed));
    }
    Observations {
        started,
        succeeded: !totals.nothing_succeeded(),
        closed_model: sealed.plan.scenarios.iter().any(|scenario| !scenario.load.is_open()),
        throttled: largest(
            health().map(|health| Ratio::of(health.throttled.as_u64(), health.elapsed.as_u64())),
        ),
        busiest_thread: largest(health().map(|health| health.busiest_thread)),
        clock_step: health().map(|health| health.clock_step).max().unwrap_or(Nanos::ZERO),
        broken_ledgers: broken,
        failed_thresholds: failed.map(|(threshold, evaluation)| failed_text(threshold, evaluation)).collect(),
        stopped: sealed.stopped_at.is_some(),
        faults,
        degraded: if sealed.is_degraded() { degraded::reasons(sealed) } else { Vec::new() },
        allow_degraded: sealed.policy.allow_degraded,
        ..of_generator(totals)
    }
}

/// What the measurements themselves say of the generator, also while the run is under way.
pub(crate) fn of_generator(totals: &Totals) -> Observations {
    let iterations = totals.all_scenarios().iterations;
    let unsent = |reason: UnsentReason| iterations.unsent[reason.index()].count;
    let requests = totals.all_steps().requests;
    let lag = totals.all_scenario_times(ScenarioTime::DispatchLag, Outcomes::Both).quantile(0.99);
    Observations {
        started: true,
        dispatch_lag_p99: lag.map(|estimate| estimate.value),
        due: iterations
            .due
            .count
            .saturating_sub(unsent(UnsentReason::Stopped) + unsent(UnsentReason::LeaseEnded)),
        generator_stall: unsent(UnsentReason::GeneratorStall),
        stood_still: largest(
            totals.activity().values().map(|did| Ratio::of(did.stalled.as_u64(), did.wall.as_u64())),
        ),
        attempted: requests.attempted,
        own_faults: requests.own_faults(),
        ..Observations::default()
    }
}

fn largest(ratios: impl Iterator<Item = Ratio>) -> Ratio {
    ratios.fold(Ratio::ZERO, |most, ratio| if ratio > most { ratio } else { most })
}

/// Whether a ledger is open only by what lost workers left open when they told last.
fn is_explained(sealed: &SealedRun, broken: &BrokenLedger) -> bool {
    let totals = sealed.merged.totals();
    let missing =
        || sealed.sessions.iter().filter(|session| session.is_missing()).map(|session| &session.sums);
    match broken.ledger {
        LedgerName::Iterations { scenario, period } => {
            let (mut waiting, mut in_flight) = (0_i64, 0_i64);
            for left in missing().map(|sums| sums.scenario(scenario)) {
                let (waits, runs) = match period {
                    Period::Measured => (left.waiting, left.in_flight),
                    Period::WarmUp => (left.warm_up_waiting, left.warm_up_in_flight),
                };
                (waiting, in_flight) = (waiting.saturating_add(waits), in_flight.saturating_add(runs));
            }
            let counts = totals.scenarios([scenario]);
            let ledger = match period {
                Period::Measured => counts.iterations,
                Period::WarmUp => counts.warm_up_iterations,
            };
            ledger.check().is_ok() && (ledger.waiting, ledger.in_flight) == (waiting, in_flight)
        }
        LedgerName::Requests { step } => {
            let ledger = totals.steps([step]).requests;
            let left = missing().map(|sums| sums.steps_in_flight()[step]);
            ledger.check().is_ok() && ledger.in_flight == left.fold(0, i64::saturating_add)
        }
        LedgerName::WarmUpRequests { scenario } => {
            let ledger = totals.scenarios([scenario]).warm_up_requests;
            let left = missing().map(|sums| sums.scenario(scenario).warm_up_requests_in_flight);
            ledger.check().is_ok() && ledger.in_flight == left.fold(0, i64::saturating_add)
        }
    }
}

/// The plan's own count of iterations against the ledgers': whoever loses a slot or sends one too many is found out here.
fn missing_slots(sealed: &SealedRun) -> impl Iterator<Item = String> {
    let scenarios = &sealed.merged.totals().layout().catalog().scenarios;
    let differing = sealed.planned_and_due().into_iter().filter(|(_, planned, due)| planned != due);
    differing.map(|(slot, planned, due)| {
        let name = &scenarios[slot].name;
        format!("the plan of scenario `{name}` has {planned} iterations, but {due} came due")
    })
}

fn broken_text(broken: &BrokenLedger, catalog: &Catalog) -> String {
    let scenario = |index: usize| &catalog.scenarios[index].name;
    let ledger = match broken.ledger {
        LedgerName::Iterations { scenario: index, period: Period::Measured } => {
            format!("iterations of scenario `{}`", scenario(index))
        }
        LedgerName::Iterations { scenario: index, period: Period::WarmUp } => {
            format!("warm-up iterations of scenario `{}`", scenario(index))
        }
        LedgerName::Requests { step } => {
            let step = &catalog.steps[step];
            format!("requests of step `{}` of scenario `{}`", step.name, scenario(step.scenario))
        }
        LedgerName::WarmUpRequests { scenario: index } => {
            format!("warm-up requests of scenario `{}`", scenario(index))
        }
    };
    format!("{ledger}: {}", broken.error)
}

fn failed_text(threshold: &Threshold, evaluation: &Evaluation) -> String {
    let Threshold { selector_text, condition_text, .. } = threshold;
    match evaluation.measured {
        Some(value) => format!("threshold `{selector_text}: {condition_text}` was not met: {value}"),
        None => format!("threshold `{selector_text}: {condition_text}` was not met: there are no samples"),
    }
}
