//! What a workload will do, computed from its plan.

use metrics::{ExecutionRecord, MOST_REQUESTS, RequestRecord, Sampling};
use plan::{Arrivals, LoadModel, RunPlan, ScenarioId, ScenarioPlan, Schedule, Share, ShareError};
use scenario::{Files, Load, Workload};
use serde::Serialize;
use units::Nanos;
use worker::Demand;

use super::shares::Shares;

/// What would be sent when, and what it takes.
#[derive(Debug, Serialize)]
pub(super) struct Forecast {
    pub(super) name: String,
    pub(super) scenario_digest: String,
    pub(super) config_digest: String,
    pub(super) plan_hash: String,
    pub(super) seed: u64,
    /// From the first slot to the last planned instant.
    pub(super) duration_ms: f64,
    /// How much longer what is in flight may take.
    pub(super) graceful_stop_ms: f64,
    pub(super) scenarios: Vec<ScenarioForecast>,
    pub(super) slots_per_second: Vec<SlotsInSeconds>,
    pub(super) needs: Needs,
    /// Who of several workers carries what, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shares: Option<Shares>,
}

/// One scenario.
#[derive(Debug, Serialize)]
pub(super) struct ScenarioForecast {
    pub(super) name: String,
    pub(super) executor: &'static str,
    /// `uniform` or `poisson`; `null` in closed models.
    pub(super) arrivals: Option<&'static str>,
    pub(super) stages: Vec<StageForecast>,
    /// Planned iterations; `null` where the target's speed decides, or random arrivals are too many to count.
    pub(super) iterations: Option<u64>,
    /// The most virtual users; `null` for as many as the machine can hold.
    pub(super) max_vus: Option<u32>,
    /// Requests of one iteration, redirects and resends apart; `null` for a Rust task.
    pub(super) requests_per_iteration: Option<usize>,
}

/// A stretch of a scenario.
#[derive(Debug, Serialize)]
pub(super) struct StageForecast {
    pub(super) start_ms: f64,
    pub(super) end_ms: f64,
    /// The level at its start: a rate or a number of users.
    pub(super) from: String,
    pub(super) to: String,
    pub(super) measured: bool,
    /// Slots due in it; `null` where the scenario's iterations are.
    pub(super) slots: Option<u64>,
}

/// What is due in some seconds, of every open scenario that can be counted, in their order; neighbours that are equal are one.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct SlotsInSeconds {
    pub(super) first_second: u64,
    pub(super) last_second: u64,
    /// Slots due in **each** of these seconds, or in all of them together where `merged` says so.
    pub(super) slots: Vec<u64>,
    /// Whether unequal seconds were added up because the plan is long.
    pub(super) merged: bool,
}

/// What the plan takes of this machine, when every user is busy at once.
#[derive(Debug, Serialize)]
pub(super) struct Needs {
    /// Virtual users of all scenarios; for `max_vus: auto` those that one second per iteration would take.
    pub(super) users: u64,
    /// Whether a scenario leaves the number of users to the machine.
    pub(super) users_assumed: bool,
    pub(super) connections: u64,
    pub(super) file_handles: u64,
    pub(super) memory_bytes: u64,
    /// What tail sampling takes of that: every user that is busy holds the record of its execution, because only its end
    /// tells whether it is kept. 0 without.
    pub(super) trace_memory_bytes: u64,
    /// The largest of these records.
    pub(super) trace_bytes_per_user: u64,
}

impl Forecast {
    /// Computes the forecast of `workload`, which `plan` was compiled from.
    ///
    /// # Errors
    /// When the plan cannot be carried by one worker.
    pub(super) fn of(workload: &Workload, files: &Files, plan: &RunPlan) -> Result<Self, ShareError> {
        let duration =
            plan.scenarios.iter().map(|scenario| scenario.load.duration()).max().unwrap_or(Nanos::ZERO);
        let end =
            plan.scenarios.iter().map(|scenario| scenario.load.duration() + scenario.graceful_stop).max();
        let scenarios = (0..).zip(&plan.scenarios).zip(&workload.scenarios);
        Ok(Self {
            name: workload.name.clone(),
            scenario_digest: hex(&workload.scenario_digest(files)),
            config_digest: hex(&workload.config_digest(files)),
            plan_hash: plan.plan_hash().to_string(),
            seed: plan.seed.0,
            duration_ms: duration.as_millis_f64(),
            graceful_stop_ms: end.unwrap_or(Nanos::ZERO).saturating_sub(duration).as_millis_f64(),
            scenarios: scenarios
                .map(|((id, compiled), written)| {
                    scenario_forecast(plan, ScenarioId(id), compiled, &written.load)
                })
                .collect(),
            slots_per_second: slots_per_second(plan, duration),
            needs: needs(workload, plan)?,
            shares: None,
        })
    }
}

fn scenario_forecast(
    plan: &RunPlan,
    id: ScenarioId,
    compiled: &ScenarioPlan,
    written: &Load,
) -> ScenarioForecast {
    let schedule = countable(plan, id);
    let (stages, iterations, max_vus) = match &compiled.load {
        LoadModel::ArrivalRate { profile, max_vus, .. } => {
            let slots = schedule.map(|schedule| stage_slots(&schedule));
            let levels = profile.stages().iter().map(|s| (s.from.to_string(), s.to.to_string(), s.measured));
            let planned = slots.as_ref().map(|slots| slots.iter().sum());
            (stages(levels, profile.stage_ends(), &slots.unwrap_or_default()), planned, *max_vus)
        }
        LoadModel::VirtualUsers { profile } => {
            let levels = profile.stages().iter().map(|s| (users(s.from), users(s.to), s.measured));
            (stages(levels, profile.stage_ends(), &[]), None, Some(profile.max_users()))
        }
        LoadModel::SharedIterations { vus, iterations, max_duration } => {
            let level = std::iter::once((users(*vus), users(*vus), true));
            (stages(level, &[*max_duration], &[]), Some(*iterations), Some(*vus))
        }
    };
    ScenarioForecast {
        name: compiled.name.clone(),
        executor: executor(written),
        arrivals: plan.schedule(id).map(|schedule| match schedule.arrivals {
            Arrivals::Uniform => "uniform",
            Arrivals::Poisson => "poisson",
        }),
        stages,
        iterations,
        max_vus,
        requests_per_iteration: requests(compiled),
    }
}

fn executor(load: &Load) -> &'static str {
    match load {
        Load::ConstantArrivalRate { .. } => "constant-arrival-rate",
        Load::RampingArrivalRate { .. } => "ramping-arrival-rate",
        Load::ConstantVus { .. } => "constant-vus",
        Load::RampingVus { .. } => "ramping-vus",
        Load::SharedIterations { .. } => "shared-iterations",
    }
}

fn requests(scenario: &ScenarioPlan) -> Option<usize> {
    match &scenario.body {
        plan::ScenarioBody::Program(program) => {
            Some(program.ops.iter().filter(|op| matches!(op, plan::Op::Request(_))).count())
        }
        plan::ScenarioBody::Task { .. } => None,
    }
}

/// The schedule of a scenario, if it has one whose slots can be counted within seconds.
fn countable(plan: &RunPlan, id: ScenarioId) -> Option<Schedule<'_>> {
    let walked = |schedule: &Schedule<'_>| match schedule.arrivals {
        Arrivals::Uniform => 0,
        Arrivals::Poisson => schedule.profile.total(),
    };
    plan.schedule(id).filter(|schedule| walked(schedule) <= MOST_WALKED)
}

fn stage_slots(schedule: &Schedule<'_>) -> Vec<u64> {
    let ends = schedule.profile.stage_ends().iter().copied();
    schedule.counts(&std::iter::once(Nanos::ZERO).chain(ends).collect::<Vec<_>>())
}

/// The stages that end at `ends`, with what is said of each and the slots in each, if there are any.
fn stages(
    levels: impl Iterator<Item = (String, String, bool)>,
    ends: &[Nanos],
    slots: &[u64],
) -> Vec<StageForecast> {
    let mut start = Nanos::ZERO;
    let mut stages = Vec::new();
    for (i, (from, to, measured)) in levels.enumerate() {
        let end = ends[i];
        let slots = slots.get(i).copied();
        stages.push(StageForecast {
            start_ms: start.as_millis_f64(),
            end_ms: end.as_millis_f64(),
            from,
            to,
            measured,
            slots,
        });
        start = end;
    }
    stages
}

fn users(count: u32) -> String {
    if count == 1 { "1 user".to_owned() } else { format!("{count} users") }
}

fn slots_per_second(plan: &RunPlan, duration: Nanos) -> Vec<SlotsInSeconds> {
    let seconds = duration.as_u64().div_ceil(Nanos::SECOND.as_u64());
    let step = seconds.div_ceil(MAX_SECONDS).max(1);
    let edges: Vec<Nanos> = (0..=seconds.div_ceil(step)).map(|i| Nanos::from_secs(i * step)).collect();
    let counts: Vec<Vec<u64>> = (0..plan.scenarios.len() as u32)
        .filter_map(|id| Some(countable(plan, ScenarioId(id))?.counts(&edges)))
        .collect();
    if counts.is_empty() {
        return Vec::new();
    }
    let rows = (0..edges.len() - 1).map(|i| SlotsInSeconds {
        first_second: i as u64 * step,
        last_second: (i as u64 + 1) * step - 1,
        slots: counts.iter().map(|scenario| scenario[i]).collect(),
        merged: step > 1,
    });
    join_equal(rows)
}

/// Makes one row of neighbours whose seconds hold the same.
pub(super) fn join_equal(rows: impl Iterator<Item = SlotsInSeconds>) -> Vec<SlotsInSeconds> {
    let mut joined: Vec<SlotsInSeconds> = Vec::new();
    for row in rows {
        match joined.last_mut() {
            Some(last) if last.slots == row.slots && !last.merged && !row.merged => {
                last.last_second = row.last_second
            }
            _ => joined.push(row),
        }
    }
    joined
}

/// What a run asks this machine for, counted by its preflight.
fn needs(workload: &Workload, plan: &RunPlan) -> Result<Needs, ShareError> {
    let layout = control::layout(plan, workload.tags.clone());
    let threads = workload.options.threads.unwrap_or(1);
    let mut demand = Demand::of(plan, &Share::whole(), &layout, threads)?;
    if workload.uses_demo_target() {
        demand.handles_per_connection = 2;
    }
    let users_assumed = demand.scenarios.iter().any(|scenario| scenario.users.is_none());
    for (needed, scenario) in demand.scenarios.iter_mut().zip(&plan.scenarios) {
        needed.users.get_or_insert_with(|| peak(&scenario.load));
    }
    let records = records(workload, plan, &demand);
    Ok(Needs {
        users: demand.users(0),
        users_assumed,
        connections: demand.connections(0),
        file_handles: demand.handles(0),
        memory_bytes: BASE_BYTES + demand.memory(0) + records.all,
        trace_memory_bytes: records.all,
        trace_bytes_per_user: records.largest,
    })
}

/// Memory of the executions under way.
#[derive(Default)]
struct Records {
    all: u64,
    largest: u64,
}

/// What the records of executions take that are kept until their end.
fn records(workload: &Workload, plan: &RunPlan, demand: &Demand) -> Records {
    if !matches!(workload.options.telemetry.traces.sampling, Sampling::Tail(_)) {
        return Records::default();
    }
    let each = plan.scenarios.iter().zip(&demand.scenarios).map(|(scenario, needed)| {
        let kept = requests(scenario).unwrap_or(1).min(MOST_REQUESTS);
        let bytes = size_of::<ExecutionRecord>() + kept * size_of::<RequestRecord>();
        (bytes as u64, needed.users.unwrap_or(0))
    });
    each.fold(Records::default(), |sum, (bytes, users)| Records {
        all: sum.all + bytes * users,
        largest: sum.largest.max(bytes),
    })
}

/// The most iterations that start in one second: as many users as are busy when each takes a second.
fn peak(load: &LoadModel) -> u64 {
    let LoadModel::ArrivalRate { profile, .. } = load else { return 1 };
    let peak = profile.stages().iter().map(|stage| stage.from.max(stage.to)).max();
    peak.map_or(1, |rate| rate.per_second().ceil() as u64).max(1)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Random arrivals are counted one by one; beyond this many nobody would wait for it.
const MOST_WALKED: u64 = 500_000_000;
/// Longer plans are shown in stretches of several seconds.
const MAX_SECONDS: u64 = 3_600;
/// The program with nothing to do.
const BASE_BYTES: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn row(first_second: u64, last_second: u64, slots: u64, merged: bool) -> SlotsInSeconds {
        SlotsInSeconds { first_second, last_second, slots: vec![slots], merged }
    }

    #[test]
    fn equal_seconds_are_one_row_and_sums_stay_apart() {
        let rows = [row(0, 0, 5, false), row(1, 1, 5, false), row(2, 2, 6, false)];
        assert_eq!(join_equal(rows.into_iter()), [row(0, 1, 5, false), row(2, 2, 6, false)]);
        let sums = [row(0, 1, 5, true), row(2, 3, 5, true)];
        assert_eq!(join_equal(sums.into_iter()).len(), 2);
    }
}
