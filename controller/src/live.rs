//! What a run looks like while it runs.

use metrics::{Estimate, Outcomes, StepTime, UnsentReason};
use plan::{LoadModel, RunPlan};
use units::{Nanos, Ratio};

use crate::planned::Planned;
use crate::run::RunFold;
use crate::session::Session;

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
    /// To the last planned instant; sooner where the number of iterations will end the run at its present pace. In a pause,
    /// as if it ended now.
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
    /// Whether the clocks of all profiles stand.
    pub paused: bool,
    /// Workers that make load.
    pub workers: u32,
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
    pub(crate) fn of(phase: LivePhase, elapsed: Nanos, fold: &RunFold) -> Self {
        let totals = fold.merged.totals();
        let (requests, iterations) = (totals.all_steps().requests, totals.all_scenarios().iterations);
        let levels = totals.latest_gauges();
        let (iterations_per_s, requests_per_s) = fold.merged.pace_per_s(judged(&fold.sessions, elapsed));
        let times = totals.all_step_times(StepTime::ResponseTime, Outcomes::Both);
        let response_time = times.quantile(0.5).zip(times.quantile(0.95)).zip(times.quantile(0.99));
        let planned = Planned::new(&fold.plan, &fold.amendments());
        let done = |scenario: usize| totals.scenarios([scenario]).iterations.ended_total();
        let passed = planned.passed(elapsed);
        let progress = progress(&fold.plan, &passed, done);
        Self {
            phase,
            elapsed,
            remaining: remaining(&fold.plan, &passed, elapsed, progress),
            progress,
            warming_up: planned.is_warming_up(elapsed),
            planned_rate: planned.rate_at(elapsed),
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
            paused: !planned.is_moving(elapsed),
            workers: fold.sessions.iter().filter(|session| !session.is_over()).count() as u32,
        }
    }
}

/// The last interval of which all that can be known is known: every session that is left has told about it, or it ended so
/// long ago that nobody is waited for; `None` before the first.
fn judged(sessions: &[Session], elapsed: Nanos) -> Option<u32> {
    let seconds = |span: Nanos| u32::try_from(span.as_u64() / Nanos::SECOND.as_u64()).unwrap_or(u32::MAX);
    let overdue = seconds(elapsed.saturating_sub(OVERDUE)).checked_sub(1);
    let left = || sessions.iter().filter(|session| !session.is_over() && session.started.is_some());
    let told = if left().next().is_some() {
        left().map(|session| session.sums.through).min().flatten()
    } else {
        sessions.iter().filter_map(|session| session.sums.through).max()
    };
    overdue.max(told)
}

/// How long after its end an interval is judged without those who have not told about it.
const OVERDUE: Nanos = Nanos::from_secs(2);

/// `passed` is what the clock of each profile shows.
fn remaining(plan: &RunPlan, passed: &[Nanos], elapsed: Nanos, progress: Ratio) -> Nanos {
    let left = plan.scenarios.iter().zip(passed);
    let by_time = left.map(|(scenario, passed)| scenario.load.duration().saturating_sub(*passed)).max();
    let by_time = by_time.unwrap_or(Nanos::ZERO);
    let (done, elapsed) = (progress.as_f64(), elapsed.as_u64() as f64);
    let by_count =
        plan.scenarios.iter().any(|scenario| matches!(scenario.load, LoadModel::SharedIterations { .. }));
    if !by_count || done <= 0.0 {
        return by_time;
    }
    by_time.min(Nanos::new((elapsed * (1.0 - done) / done) as u64))
}

/// By time, or by iterations where their number is what ends the scenario; the scenario that is least far counts.
fn progress(plan: &RunPlan, passed: &[Nanos], done: impl Fn(usize) -> u64) -> Ratio {
    let of = |(index, (load, passed)): (usize, (&LoadModel, &Nanos))| {
        let by_time = Ratio::of(passed.as_u64(), load.duration().as_u64()).as_f64();
        let by_count = match load {
            LoadModel::SharedIterations { iterations, .. } => Ratio::of(done(index), *iterations).as_f64(),
            LoadModel::ArrivalRate { .. } | LoadModel::VirtualUsers { .. } => 0.0,
        };
        by_time.max(by_count).min(1.0)
    };
    let loads = plan.scenarios.iter().map(|scenario| &scenario.load).zip(passed);
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
        let passed = Nanos::from_secs(3);
        let after = |done| remaining(&plan, &[passed], passed, Ratio::new(done));
        assert_eq!(after(0.0), Nanos::from_secs(597));
        assert_eq!(after(0.75), Nanos::from_secs(1));
        assert_eq!(after(1.0), Nanos::ZERO);
    }
}
