//! What people and programs ask of runs and workers.

use api::ExitCode;
use control::{LeaveMode, RunId, StopMode, WorkerId};
use plan::{LoadChange, RunPlan, ScenarioId};
use units::{Ratio, Timestamp};

use super::member::Standing;
use super::run::Stage;
use super::{Cluster, ClusterOutput, ControlError, DrainError, RunControl};
use crate::run::{Actor, Input};

impl Cluster {
    /// Changes a run.
    ///
    /// # Errors
    /// When there is no such run, it is not in a state for it, or the change makes no sense.
    pub fn control(
        &mut self,
        now: Timestamp,
        id: RunId,
        control: &RunControl,
        by: Actor,
        out: &mut Vec<ClusterOutput>,
    ) -> Result<(), ControlError> {
        self.advance(now);
        let run = self.find(id)?;
        let not_running = |state| Err(ControlError::NotRunning { run: id, state });
        let changed = match (&run.stage, control) {
            (Stage::Building | Stage::Over { .. }, _) => not_running("over"),
            (Stage::Queued { .. }, RunControl::Stop { .. }) => {
                let why = format!("`{by}` stopped the run before it began");
                self.end_unbegun(id, ExitCode::StoppedBySignal, why, out);
                self.is_queue_stale = true;
                Ok(())
            }
            (Stage::Queued { .. }, _) => not_running("waiting"),
            (Stage::UnderWay(_), RunControl::Stop { cancel }) => {
                let mode = if *cancel { StopMode::Cancel } else { StopMode::Drain };
                self.step(id, Input::Stop { mode, by }, out);
                Ok(())
            }
            (Stage::UnderWay(machine), change) => {
                let change = resolve(&run.submission.plan, change)?;
                machine
                    .check_change(&change)
                    .map_err(|refusal| ControlError::Refused(refusal.to_string()))?;
                self.step(id, Input::Change { change, by }, out);
                Ok(())
            }
        };
        self.settle(out);
        changed
    }

    /// Lets a worker go.
    ///
    /// # Errors
    /// When it is not there.
    pub fn drain(
        &mut self,
        now: Timestamp,
        worker: &WorkerId,
        mode: LeaveMode,
        by: Actor,
        out: &mut Vec<ClusterOutput>,
    ) -> Result<(), DrainError> {
        self.advance(now);
        let unknown = || DrainError::UnknownWorker(worker.to_string());
        let member = self.members.get(worker).ok_or_else(unknown)?;
        let not_there = |state| Err(DrainError::NotThere { name: worker.to_string(), state });
        let drained = match member.standing {
            Standing::Lost { .. } => not_there("lost"),
            Standing::Gone { .. } => not_there("gone"),
            Standing::Live => {
                self.let_go(worker, mode, by, out);
                Ok(())
            }
        };
        self.settle(out);
        drained
    }

    /// Stops a run because the controller ends.
    pub(super) fn stop_for_the_end(&mut self, id: RunId, out: &mut Vec<ClusterOutput>) {
        let Some(run) = self.runs.get(&id) else { return };
        match run.stage {
            Stage::Queued { .. } => {
                let why = "the controller was shut down before the run began".to_owned();
                self.end_unbegun(id, ExitCode::StoppedBySignal, why, out);
            }
            Stage::UnderWay(_) => {
                self.step(id, Input::Stop { mode: StopMode::Drain, by: Actor::local() }, out);
            }
            Stage::Building | Stage::Over { .. } => {}
        }
    }
}

/// A change by the numbers of the plan.
fn resolve(plan: &RunPlan, control: &RunControl) -> Result<LoadChange, ControlError> {
    Ok(match control {
        RunControl::Rate { scenario: Some(name), rate } => {
            LoadChange::Rate { scenario: open(plan, name)?, rate: *rate }
        }
        RunControl::Rate { scenario: None, rate } => {
            let mut open = scenarios(plan).filter(|(_, scenario)| scenario.load.is_open());
            let (Some((scenario, _)), None) = (open.next(), open.next()) else {
                let open = scenarios(plan).filter(|(_, scenario)| scenario.load.is_open()).count();
                return Err(ControlError::AmbiguousScenario { open });
            };
            LoadChange::Rate { scenario, rate: *rate }
        }
        RunControl::Scale { scenario, factor } => {
            if !(0.0..=LARGEST_FACTOR).contains(factor) {
                return Err(ControlError::Factor(factor.to_string()));
            }
            let scenario = scenario.as_deref().map(|name| open(plan, name)).transpose()?;
            LoadChange::Scale { scenario, factor: Ratio::new(*factor) }
        }
        RunControl::Pause => LoadChange::Pause,
        RunControl::Resume => LoadChange::Resume,
        RunControl::Stop { .. } => unreachable!("a stop is no change of load"),
    })
}

fn scenarios(plan: &RunPlan) -> impl Iterator<Item = (ScenarioId, &plan::ScenarioPlan)> {
    plan.scenarios.iter().enumerate().map(|(index, scenario)| (ScenarioId(index as u32), scenario))
}

/// The open scenario of that name.
fn open(plan: &RunPlan, name: &str) -> Result<ScenarioId, ControlError> {
    let Some((id, scenario)) = scenarios(plan).find(|(_, scenario)| scenario.name == name) else {
        let known: Vec<String> =
            plan.scenarios.iter().map(|scenario| format!("`{}`", scenario.name)).collect();
        return Err(ControlError::UnknownScenario { name: name.to_owned(), known: known.join(", ") });
    };
    if scenario.load.is_open() { Ok(id) } else { Err(ControlError::ClosedScenario { name: name.to_owned() }) }
}

/// More is a slip of the pen.
const LARGEST_FACTOR: f64 = 1_000.0;
