//! What a run looks like while it runs.

use metrics::{Estimate, Outcomes, StepTime, UnsentReason};
use plan::{LoadModel, RunPlan};
use units::{Nanos, Ratio};

use crate::merge::Merged;

/// Whether load is still being started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LivePhase {
    /// The plan is under way.
    Running,
    /// No new iterations; what is in flight ends.
    Ending,
}

/// A run at one instant, for people to watch. Counts leave warm-up out; levels and rates do not.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveView {
    /// Whether load is still being started.
    pub phase: LivePhase,
    /// Since slot 0.
    pub elapsed: Nanos,
    /// To the last planned instant; sooner where the number of iterations will end the run at its present pace.
    pub remaining: Nanos,
    /// How far the plan is carried out.
    pub progress: Ratio,
    /// Whether the present stage is warm-up in every scenario that is under way.
    pub warming_up: bool,
    /// Iterations per second that the plan wants now; `None` without an open scenario.
    pub planned_rate: Option<f64>,
    /// Iterations started in the last full second.
    pub iterations_per_s: u64,
    /// Requests begun in the last full second.
    pub requests_per_s: u64,
    /// Virtual users that are active.
    pub vus: u64,
    /// Requests that wait for their response.
    pub in_flight: u64,
    /// Slots that are due and wait for a user.
    pub queued: u64,
    /// Requests that are over.
    pub requests: u64,
    /// Of these, failed.
    pub errors: u64,
    /// Slots given up because no user was free.
    pub dropped: u64,
    /// Slots the generator missed.
    pub unsent: u64,
    /// Response times so far; `None` before the first.
    pub response_time: Option<LiveTimes>,
}

/// Response times of all requests so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveTimes {
    /// The median.
    pub p50: Estimate,
    /// 95 % are at most this.
    pub p95: Estimate,
    /// 99 % are at most this.
    pub p99: Estimate,
}

impl LiveView {
    /// Looks at a run `elapsed` after its slot 0.
    ///
    /// # Cost
    /// Adds up the response times of all steps: some microseconds for each.
    pub(crate) fn of(phase: LivePhase, elapsed: Nanos, plan: &RunPlan, merged: &Merged) -> Self {
        let totals = merged.totals();
        let (requests, iterations) = (totals.all_steps().requests, totals.all_scenarios().iterations);
        let levels = totals.latest_gauges();
        let (iterations_per_s, requests_per_s) = merged.pace_per_s();
        let times = totals.all_step_times(StepTime::ResponseTime, Outcomes::Both);
        let response_time = times.quantile(0.5).zip(times.quantile(0.95)).zip(times.quantile(0.99));
        let progress = progress(plan, elapsed, merged);
        Self {
            phase,
            elapsed,
            remaining: remaining(plan, elapsed, progress),
            progress,
            warming_up: is_warming_up(plan, elapsed),
            planned_rate: planned_rate(plan, elapsed),
            iterations_per_s,
            requests_per_s,
            vus: levels.users,
            in_flight: levels.requests_in_flight,
            queued: levels.queued,
            requests: requests.ended_total(),
            errors: requests.failed_total(),
            dropped: iterations.dropped_total(),
            unsent: iterations.unsent[UnsentReason::GeneratorStall.index()].count,
            response_time: response_time.map(|((p50, p95), p99)| LiveTimes { p50, p95, p99 }),
        }
    }
}

fn planned_rate(plan: &RunPlan, at: Nanos) -> Option<f64> {
    let rates = plan.scenarios.iter().filter_map(|scenario| match &scenario.load {
        LoadModel::ArrivalRate { profile, .. } => Some(profile.rate_at(at)),
        LoadModel::VirtualUsers { .. } | LoadModel::SharedIterations { .. } => None,
    });
    rates.fold(None, |sum, rate| Some(sum.unwrap_or(0.0) + rate))
}

fn is_warming_up(plan: &RunPlan, at: Nanos) -> bool {
    let mut under_way =
        plan.scenarios.iter().map(|scenario| &scenario.load).filter(|load| at < load.duration()).peekable();
    under_way.peek().is_some()
        && under_way.all(|load| match load {
            LoadModel::ArrivalRate { profile, .. } => !profile.measured_at(at),
            LoadModel::VirtualUsers { profile } => !profile.measured_at(at),
            LoadModel::SharedIterations { .. } => false,
        })
}

fn remaining(plan: &RunPlan, elapsed: Nanos, progress: Ratio) -> Nanos {
    let longest = plan.scenarios.iter().map(|scenario| scenario.load.duration()).max();
    let by_time = longest.unwrap_or(Nanos::ZERO).saturating_sub(elapsed);
    let (done, passed) = (progress.as_f64(), elapsed.as_u64() as f64);
    let by_count =
        plan.scenarios.iter().any(|scenario| matches!(scenario.load, LoadModel::SharedIterations { .. }));
    if !by_count || done <= 0.0 {
        return by_time;
    }
    by_time.min(Nanos::new((passed * (1.0 - done) / done) as u64))
}

/// By time, or by iterations where their number is what ends the scenario; the scenario that is least far counts.
fn progress(plan: &RunPlan, elapsed: Nanos, merged: &Merged) -> Ratio {
    let of = |(index, load): (usize, &LoadModel)| {
        let by_time = Ratio::of(elapsed.as_u64(), load.duration().as_u64()).as_f64();
        let by_count = match load {
            LoadModel::SharedIterations { iterations, .. } => {
                Ratio::of(merged.totals().scenarios([index]).iterations.ended_total(), *iterations).as_f64()
            }
            LoadModel::ArrivalRate { .. } | LoadModel::VirtualUsers { .. } => 0.0,
        };
        by_time.max(by_count).min(1.0)
    };
    let loads = plan.scenarios.iter().map(|scenario| &scenario.load);
    Ratio::new(loads.enumerate().map(of).fold(1.0, f64::min))
}

#[cfg(test)]
mod tests {
    use scenario::{Files, Workload, compile};

    use super::*;

    #[test]
    fn what_remains_of_a_quota_follows_its_pace() {
        let document = serde_json::json!({
            "name": "quota",
            "target": { "url": "http://127.0.0.1:8080" },
            "scenarios": { "s": {
                "executor": "shared-iterations", "vus": 2, "iterations": 100, "max_duration": "10m",
                "steps": [{ "get": "/" }],
            } },
        });
        let workload = Workload::from_canonical_json(&document.to_string(), &Files::default()).unwrap();
        let plan = compile(&workload, &Files::default()).unwrap();
        let after = |done| remaining(&plan, Nanos::from_secs(3), Ratio::new(done));
        assert_eq!(after(0.0), Nanos::from_secs(597));
        assert_eq!(after(0.75), Nanos::from_secs(1));
        assert_eq!(after(1.0), Nanos::ZERO);
    }
}
