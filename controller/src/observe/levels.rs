//! The numbers that only the side that conducts a run knows.

use std::sync::Arc;

use api::result::VerdictOutcome;
use metrics::{Evaluation, Threshold, Totals};
use plan::RunPlan;
use scenario::Workload;
use telemetry::RunBoard;
use telemetry::catalogue::{
    ERROR_BUDGET_BURN, ERROR_BUDGET_LEFT, RUN_INFO, RUN_WORKERS, SLOTS_PLANNED, SLOTS_UNACCOUNTED, SUCCESS,
    TARGET_RATE, TARGET_USERS, THRESHOLD_MET, VERDICT,
};
use units::{Nanos, Ratio, Timestamp};

use super::budget::Budget;
use super::spans;
use crate::planned::Planned;
use crate::result::Judgement;
use crate::run::{RunFold, SealedRun};
use crate::session::{Session, SessionEnd};
use crate::verdict::{self, Observations};

/// What is remembered from one look to the next.
#[derive(Debug)]
pub(super) struct Levels {
    plan: Arc<RunPlan>,
    name: String,
    /// By scenario: slots that the plan had due up to `looked_at`.
    planned: Vec<u64>,
    looked_at: Nanos,
    /// By threshold.
    budgets: Vec<Option<Budget>>,
}

impl Levels {
    pub(super) fn new(workload: &Workload, plan: &Arc<RunPlan>) -> Self {
        Self {
            plan: Arc::clone(plan),
            name: workload.name.clone(),
            planned: vec![0; plan.scenarios.len()],
            looked_at: Nanos::ZERO,
            budgets: workload.thresholds.iter().map(Budget::of).collect(),
        }
    }

    /// Says what the run is.
    pub(super) fn about(&self, board: &RunBoard, scenario_digest: &str, plan_hash: &str) {
        let seed = self.plan.seed.0.to_string();
        let labels = [
            ("name", self.name.as_str()),
            ("scenario_digest", scenario_digest),
            ("plan_hash", plan_hash),
            ("seed", &seed),
            ("version", env!("CARGO_PKG_VERSION")),
        ];
        board.set(&RUN_INFO, &labels, 1.0);
        // A counter that is there from the beginning can be seen to rise.
        for scenario in &self.plan.scenarios {
            board.set(&SLOTS_UNACCOUNTED, &[("scenario", &scenario.name)], 0.0);
        }
    }

    /// Looks at a run under way.
    pub(super) fn live(&mut self, board: &RunBoard, now: Timestamp, fold: &RunFold, workload: &Workload) {
        let elapsed = fold.run_time(now);
        let planned = Planned::new(&fold.plan, &fold.amendments());
        self.planned(board, &planned, elapsed);
        for (index, scenario) in self.plan.scenarios.iter().enumerate() {
            let of = [("scenario", scenario.name.as_str())];
            if scenario.load.is_open() {
                board.set(&TARGET_RATE, &of, planned.rate_of(index, elapsed));
            } else {
                board.set(&TARGET_USERS, &of, f64::from(planned.users_of(index, elapsed)));
            }
        }
        workers(board, &fold.sessions);
        let totals = fold.merged.totals();
        success(board, &self.plan, totals);
        let measured = measured_so_far(&planned, self.plan.scenarios.len(), elapsed);
        let evaluations: Vec<Evaluation> =
            workload.thresholds.iter().map(|threshold| threshold.evaluate(totals, measured)).collect();
        self.thresholds(board, elapsed, totals, &workload.thresholds, &evaluations);
        let seen = so_far(fold, workload, &evaluations);
        show_verdict(board, verdict::judge(&seen, &workload.verdict).outcome);
    }

    /// Looks at a run that is over, and how it was judged.
    pub(super) fn sealed(&mut self, board: &RunBoard, sealed: &SealedRun, judgement: &Judgement<'_>) {
        workers(board, &sealed.sessions);
        let totals = sealed.merged.totals();
        success(board, &self.plan, totals);
        if let Some(start) = sealed.start {
            let end = sealed.cut_at().unwrap_or_else(|| sealed.planned_time());
            self.planned(board, &sealed.planned(), end);
            let scenarios = &totals.layout().catalog().scenarios;
            for (slot, count) in &sealed.missing.unaccounted {
                board.set(&SLOTS_UNACCOUNTED, &[("scenario", &scenarios[*slot].name)], *count as f64);
            }
            let elapsed = sealed.sealed_at.saturating_since(start);
            let (thresholds, evaluations): (Vec<&Threshold>, Vec<Evaluation>) =
                judgement.thresholds.iter().copied().unzip();
            self.thresholds(board, elapsed, totals, thresholds, &evaluations);
            // Nothing is wanted of it any more.
            for scenario in &self.plan.scenarios {
                let level = if scenario.load.is_open() { &TARGET_RATE } else { &TARGET_USERS };
                board.set(level, &[("scenario", &scenario.name)], 0.0);
            }
        }
        show_verdict(board, judgement.verdict.outcome);
    }

    /// Slots that the plan had due. They are added up from look to look: random arrivals can only be counted one by one.
    fn planned(&mut self, board: &RunBoard, planned: &Planned<'_>, until: Nanos) {
        let until = until.max(self.looked_at);
        for (index, scenario) in self.plan.scenarios.iter().enumerate() {
            if scenario.load.is_open() {
                self.planned[index] += planned.between(index, self.looked_at, until);
                board.set(&SLOTS_PLANNED, &[("scenario", &scenario.name)], self.planned[index] as f64);
            }
        }
        self.looked_at = until;
    }

    fn thresholds<'a>(
        &mut self,
        board: &RunBoard,
        elapsed: Nanos,
        totals: &Totals,
        thresholds: impl IntoIterator<Item = &'a Threshold>,
        evaluations: &[Evaluation],
    ) {
        for ((threshold, evaluation), budget) in
            thresholds.into_iter().zip(evaluations).zip(&mut self.budgets)
        {
            let expression = ("expression", threshold.condition_text.as_str());
            // One of several scenarios, or of all of them, has none.
            let scenario = match &threshold.selector.scenarios[..] {
                [only] => Some(("scenario", self.plan.scenarios[*only].name.as_str())),
                _ => None,
            };
            let metric = ("metric", threshold.selector_text.as_str());
            let labels: Vec<(&'static str, &str)> =
                scenario.into_iter().chain([metric, expression]).collect();
            // Without a sample it is neither met nor missed.
            if evaluation.measured.is_some() {
                board.set(&THRESHOLD_MET, &labels, if evaluation.passed { 1.0 } else { 0.0 });
            }
            if let Some(budget) = budget {
                let standing = budget.look(elapsed, threshold, totals);
                board.set(&ERROR_BUDGET_BURN, &labels, standing.burn);
                board.set(&ERROR_BUDGET_LEFT, &labels, standing.left);
            }
        }
    }
}

/// How much of the time so far is measured: without the warm-up before the first scenario that is.
fn measured_so_far(planned: &Planned<'_>, scenarios: usize, elapsed: Nanos) -> Nanos {
    let first = |scenario| planned.measured_windows(scenario).first().map(|(from, _)| *from);
    let from = (0..scenarios).filter_map(first).min().unwrap_or(Nanos::MAX);
    elapsed.saturating_sub(from)
}

/// What is seen of a run under way. Ledgers are open until its end, and machines tell how they fared then.
fn so_far(fold: &RunFold, workload: &Workload, evaluations: &[Evaluation]) -> Observations {
    let totals = fold.merged.totals();
    let failed = workload.thresholds.iter().zip(evaluations);
    let failed = failed.filter(|(_, evaluation)| evaluation.measured.is_some() && !evaluation.passed);
    let degraded = fold.incidents.iter().filter(|incident| incident.kind.is_degradation());
    let is_young = totals.all_steps().requests.ended_total() == 0;
    Observations {
        succeeded: is_young || !totals.nothing_succeeded(),
        failed_thresholds: failed.map(|(threshold, _)| threshold.condition_text.clone()).collect(),
        degraded: degraded.map(|incident| incident.kind.to_string()).collect(),
        allow_degraded: workload.options.loss.allow_degraded,
        ..crate::result::of_generator(totals)
    }
}

/// The part of requests that succeeded: of the run, and of each scenario.
fn success(board: &RunBoard, plan: &RunPlan, totals: &Totals) {
    // By scenario: how many succeeded, and how many ended by themselves.
    let mut counts = vec![(0_u64, 0_u64); plan.scenarios.len()];
    for (index, step) in plan.steps.iter().enumerate() {
        let requests = totals.steps([index]).requests;
        let (succeeded, ended) = &mut counts[step.scenario.0 as usize];
        *succeeded += requests.succeeded;
        *ended += requests.succeeded + requests.failed_total();
    }
    let set = |labels: &[(&'static str, &str)], (succeeded, ended): (u64, u64)| {
        if ended > 0 {
            board.set(&SUCCESS, labels, Ratio::of(succeeded, ended).as_f64());
        }
    };
    for (scenario, counts) in plan.scenarios.iter().zip(&counts) {
        set(&[("scenario", &scenario.name)], *counts);
    }
    // Not the sum of these: steps that are counted together would be in it more than once.
    let all = totals.all_steps().requests;
    set(&[], (all.succeeded, all.succeeded + all.failed_total()));
}

/// Sets every state, so that what nobody is in any more falls to 0.
fn workers(board: &RunBoard, sessions: &[Session]) {
    for state in STATES {
        let count = sessions.iter().filter(|session| standing(session) == state).count();
        board.set(&RUN_WORKERS, &[("state", state)], count as f64);
    }
}

fn standing(session: &Session) -> &'static str {
    match &session.end {
        Some(SessionEnd::Finished(_)) => "finished",
        Some(SessionEnd::Refused(_)) => "refused",
        Some(SessionEnd::Lost) => "lost",
        Some(SessionEnd::Dismissed) => "dismissed",
        None if session.leave.is_some() => "leaving",
        None if session.started.is_some() => "working",
        None if session.prepared.is_some() => "ready",
        None => "preparing",
    }
}

fn show_verdict(board: &RunBoard, outcome: VerdictOutcome) {
    for of in [VerdictOutcome::Passed, VerdictOutcome::Failed, VerdictOutcome::Invalid] {
        board.set(&VERDICT, &[("verdict", spans::name(of))], if of == outcome { 1.0 } else { 0.0 });
    }
}

/// Where a worker of a run can stand in it.
const STATES: [&str; 8] =
    ["preparing", "ready", "working", "leaving", "finished", "refused", "lost", "dismissed"];
