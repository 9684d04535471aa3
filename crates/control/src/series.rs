//! The series of a run, derived on both sides from the same plan.

use std::collections::BTreeMap;

use metrics::{Catalog, CatalogCheck, CatalogScenario, CatalogStep, Layout};
use plan::RunPlan;

/// The layout in which controller and worker count what `plan` does, under the labels `tags` of the whole run.
///
/// Indices of scenarios, steps and checks are those of the plan. Snapshots add up only when both sides made theirs of
/// the same plan; [`Prepared::shape_hash`](crate::Prepared::shape_hash) tells. Tags move no series.
pub fn layout(plan: &RunPlan, tags: BTreeMap<String, String>) -> Layout {
    let scenarios = plan.scenarios.iter();
    let steps = plan.steps.iter();
    let checks = plan.checks.iter();
    Layout::new(Catalog {
        scenarios: scenarios
            .map(|scenario| CatalogScenario { name: scenario.name.clone(), tags: scenario.tags.clone() })
            .collect(),
        steps: steps
            .map(|step| CatalogStep { scenario: step.scenario.index(), name: step.name.clone() })
            .collect(),
        checks: checks
            .map(|check| CatalogCheck { step: check.step.index(), name: check.name.clone() })
            .collect(),
        tags,
    })
}

#[cfg(test)]
mod tests {
    use plan::{
        Check, CheckKind, LoadModel, Program, ScenarioBody, ScenarioId, ScenarioPlan, Seed, StatusSet, Step,
        StepId,
    };
    use units::Nanos;

    use super::*;

    fn plan() -> RunPlan {
        let scenario = |name: &str| ScenarioPlan {
            name: name.to_owned(),
            tags: BTreeMap::from([("team".to_owned(), name.to_owned())]),
            load: LoadModel::SharedIterations { vus: 1, iterations: 1, max_duration: Nanos::SECOND },
            body: ScenarioBody::Program(Program::default()),
            graceful_stop: Nanos::SECOND,
        };
        RunPlan {
            scenarios: vec![scenario("browse"), scenario("buy")],
            steps: vec![
                Step { scenario: ScenarioId(1), name: "pay".to_owned() },
                Step { scenario: ScenarioId(0), name: "list".to_owned() },
            ],
            requests: Vec::new(),
            origins: Vec::new(),
            checks: vec![Check {
                step: StepId(1),
                name: "status is 200".to_owned(),
                required: false,
                kind: CheckKind::Status(StatusSet::success()),
            }],
            seed: Seed(1),
        }
    }

    #[test]
    fn series_are_numbered_as_in_the_plan() {
        let layout = layout(&plan(), BTreeMap::new());
        let catalog = layout.catalog();
        assert_eq!(catalog.scenarios[1].name, "buy");
        assert_eq!(catalog.scenarios[1].tags["team"], "buy");
        assert_eq!((catalog.steps[0].scenario, catalog.steps[0].name.as_str()), (1, "pay"));
        assert_eq!((catalog.checks[0].step, catalog.checks[0].name.as_str()), (1, "status is 200"));
    }

    #[test]
    fn tags_of_the_run_move_no_series() {
        let tagged = BTreeMap::from([("build".to_owned(), "7".to_owned())]);
        assert_eq!(layout(&plan(), tagged).shape_hash(), layout(&plan(), BTreeMap::new()).shape_hash());
    }
}
