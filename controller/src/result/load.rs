//! Ledgers, scenarios and steps.

use std::collections::BTreeMap;

use api::result::{
    CheckResult, Connections, Dropped, ErrorCount, IterationCounts, Model, RateAccuracy, RequestCounts,
    ScenarioResult, StatusCount, StepResult, Totals, Transfer, Unsent, WarmUp,
};
use metrics::{
    Activity, DropReason, ErrorClass, IterationLedger, Outcomes, RequestLedger, ScenarioCounts, ScenarioTime,
    StepCounts, StepTime, UnsentReason,
};
use scenario::{Load, Workload};
use units::Nanos;

use super::{has_warm_up, times};
use crate::planned::Planned;
use crate::run::SealedRun;
use crate::session::Session;

/// The whole run.
pub(super) fn totals(sealed: &SealedRun, measured: Nanos) -> Totals {
    let all = sealed.merged.totals();
    let steps: Vec<usize> = (0..all.layout().catalog().steps.len()).collect();
    let (counts, scenarios) = (all.all_steps(), all.all_scenarios());
    let checks = all.checks(0..all.layout().catalog().checks.len());
    let seconds = measured.as_secs_f64();
    let lost = has_lost(sealed);
    let mut activity = Activity::default();
    for thread in all.activity().values() {
        activity.merge(thread);
    }
    let open_max =
        sealed.merged.timeline().intervals().map(|interval| interval.gauges.open_connections).max();
    Totals {
        iterations: iterations(&scenarios.iterations, lost),
        requests: requests(&counts.requests, lost),
        requests_per_s: if seconds > 0.0 { counts.requests.attempted as f64 / seconds } else { 0.0 },
        measured_ms: measured.as_millis_f64(),
        response_time_us: times::of_steps(all, StepTime::ResponseTime, &steps),
        service_time_us: times::of_steps(all, StepTime::ServiceTime, &steps),
        phases: times::phases(all, &steps),
        dispatch_lag_us: times::summary(&all.all_scenario_times(ScenarioTime::DispatchLag, Outcomes::Both)),
        queue_wait_us: times::summary(&all.all_scenario_times(ScenarioTime::QueueWait, Outcomes::Both)),
        statuses: statuses(&counts.statuses),
        errors: errors(&counts.requests),
        checks_passed: checks.passed,
        checks_failed: checks.failed,
        transfer: transfer(&counts),
        connections: Connections {
            opened: activity.connections_opened,
            reused: activity.connections_reused,
            open_max: open_max.unwrap_or(0),
        },
        vus_max: all.users_max(),
        warm_up: sealed
            .plan
            .scenarios
            .iter()
            .any(|scenario| has_warm_up(&scenario.load))
            .then(|| warm_up(&scenarios, lost)),
    }
}

/// Every scenario, in the order of the file.
pub(super) fn scenarios(sealed: &SealedRun, workload: &Workload) -> Vec<ScenarioResult> {
    let all = sealed.merged.totals();
    let lost = has_lost(sealed);
    let planned = sealed.planned();
    let of = |index: usize| {
        let plan = &sealed.plan.scenarios[index];
        let counts = all.scenarios([index]);
        let steps: Vec<usize> = (0..sealed.plan.steps.len())
            .filter(|step| sealed.plan.steps[*step].scenario.index() == index)
            .collect();
        ScenarioResult {
            name: plan.name.clone(),
            tags: plan.tags.clone(),
            executor: executor(&workload.scenarios[index].load).to_owned(),
            model: if plan.load.is_open() { Model::Open } else { Model::Closed },
            rate: rate_accuracy(sealed, &planned, index, &counts.iterations),
            iterations: iterations(&counts.iterations, lost),
            requests: requests(&all.steps(steps.iter().copied()).requests, lost),
            iteration_response_time_us: times::of_scenario(all, ScenarioTime::IterationResponseTime, index),
            iteration_duration_us: times::of_scenario(all, ScenarioTime::IterationDuration, index),
            dispatch_lag_us: times::summary(&all.scenario_times(
                ScenarioTime::DispatchLag,
                [index],
                Outcomes::Both,
            )),
            queue_wait_us: times::summary(&all.scenario_times(
                ScenarioTime::QueueWait,
                [index],
                Outcomes::Both,
            )),
            steps: steps.iter().map(|step| step_result(sealed, *step)).collect(),
            warm_up: has_warm_up(&plan.load).then(|| warm_up(&counts, lost)),
        }
    };
    (0..sealed.plan.scenarios.len()).map(of).collect()
}

fn step_result(sealed: &SealedRun, step: usize) -> StepResult {
    let all = sealed.merged.totals();
    let counts = all.steps([step]);
    let checks = sealed.plan.checks.iter().enumerate().filter(|(_, check)| check.step.index() == step);
    StepResult {
        name: sealed.plan.steps[step].name.clone(),
        requests: requests(&counts.requests, has_lost(sealed)),
        response_time_us: times::of_steps(all, StepTime::ResponseTime, &[step]),
        service_time_us: times::of_steps(all, StepTime::ServiceTime, &[step]),
        phases: times::phases(all, &[step]),
        statuses: statuses(&counts.statuses),
        errors: errors(&counts.requests),
        checks: checks
            .map(|(index, check)| {
                let held = all.checks([index]);
                CheckResult {
                    name: check.name.clone(),
                    passed: held.passed,
                    failed: held.failed,
                    required: check.required,
                }
            })
            .collect(),
        transfer: transfer(&counts),
    }
}

/// The executor's name in a scenario file.
const fn executor(load: &Load) -> &'static str {
    match load {
        Load::ConstantArrivalRate { .. } => "constant-arrival-rate",
        Load::RampingArrivalRate { .. } => "ramping-arrival-rate",
        Load::ConstantVus { .. } => "constant-vus",
        Load::RampingVus { .. } => "ramping-vus",
        Load::SharedIterations { .. } => "shared-iterations",
    }
}

/// Holds what was started against the plan's own count of its measured slots, as far as the run went.
fn rate_accuracy(
    sealed: &SealedRun,
    plan: &Planned<'_>,
    index: usize,
    ledger: &IterationLedger,
) -> Option<RateAccuracy> {
    if !sealed.plan.scenarios[index].load.is_open() {
        return None;
    }
    let end = sealed.cut_at().unwrap_or(Nanos::MAX);
    let windows = plan.measured_windows(index);
    let (mut planned, mut time) = (0_u64, Nanos::ZERO);
    if sealed.start.is_some() {
        // Counted in one go: random arrivals are counted by walking them.
        let edges: Vec<Nanos> =
            windows.into_iter().flat_map(|(from, to)| [from.min(end), to.min(end)]).collect();
        let before = plan.before(index, &edges);
        planned = before.chunks(2).map(|window| window[1] - window[0]).sum();
        time = edges.chunks(2).fold(Nanos::ZERO, |sum, window| sum + (window[1] - window[0]));
    }
    let started = ledger.started.count;
    let per_second = |count: u64| if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() };
    Some(RateAccuracy {
        planned,
        started,
        planned_per_s: per_second(planned),
        achieved_per_s: per_second(started),
        drift_ratio: (planned > 0).then(|| (started as f64 - planned as f64) / planned as f64),
    })
}

/// Whether the last word of a session is missing: what it left open stays open.
fn has_lost(sealed: &SealedRun) -> bool {
    sealed.sessions.iter().any(Session::is_missing)
}

fn iterations(ledger: &IterationLedger, lost: bool) -> IterationCounts {
    let dropped = |reason: DropReason| ledger.dropped[reason.index()].count;
    let unsent = |reason: UnsentReason| ledger.unsent[reason.index()].count;
    IterationCounts {
        due: ledger.due.count,
        started: ledger.started.count,
        succeeded: ledger.succeeded,
        failed: ledger.failed,
        cancelled: ledger.cancelled,
        in_flight: level(ledger.in_flight),
        dropped: Dropped {
            queue_full: dropped(DropReason::QueueFull),
            queue_timeout: dropped(DropReason::QueueTimeout),
            no_user: dropped(DropReason::NoUser),
        },
        unsent: Unsent {
            generator_stall: unsent(UnsentReason::GeneratorStall),
            stopped: unsent(UnsentReason::Stopped),
            lease_ended: unsent(UnsentReason::LeaseEnded),
        },
        waiting: level(ledger.waiting),
        unaccounted: ledger.unaccounted,
        balanced: if lost { ledger.check().is_ok() } else { ledger.check_closed().is_ok() },
    }
}

fn requests(ledger: &RequestLedger, lost: bool) -> RequestCounts {
    RequestCounts {
        attempted: ledger.attempted,
        succeeded: ledger.succeeded,
        failed: ledger.failed_total(),
        cancelled: ledger.cancelled,
        in_flight: level(ledger.in_flight),
        resent: ledger.resent,
        balanced: if lost { ledger.check().is_ok() } else { ledger.check_closed().is_ok() },
    }
}

/// What is left over; less than nothing only in a broken ledger, which says so.
fn level(left: i64) -> u64 {
    u64::try_from(left).unwrap_or(0)
}

fn warm_up(counts: &ScenarioCounts, lost: bool) -> WarmUp {
    WarmUp {
        iterations: iterations(&counts.warm_up_iterations, lost),
        requests: requests(&counts.warm_up_requests, lost),
    }
}

fn statuses(counts: &BTreeMap<u16, u64>) -> Vec<StatusCount> {
    counts.iter().map(|(status, count)| StatusCount { status: *status, count: *count }).collect()
}

fn errors(ledger: &RequestLedger) -> Vec<ErrorCount> {
    let count = |class: &ErrorClass| ledger.failed[class.index()];
    let classes = ErrorClass::ALL.iter().filter(|class| count(class) > 0);
    classes
        .map(|class| ErrorCount {
            class: class.name().to_owned(),
            count: count(class),
            own_fault: class.is_own_fault(),
        })
        .collect()
}

fn transfer(counts: &StepCounts) -> Transfer {
    Transfer { sent_bytes: counts.sent_bytes, received_bytes: counts.received_bytes }
}
