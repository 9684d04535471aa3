//! The compiled run: scenarios as flat programs over dense ids.

use std::collections::{BTreeMap, BTreeSet};

use units::Nanos;

use crate::{LoadModel, Origin, RequestPlan, Seed, StatusSet, Template, TextMatch};

/// The whole run, compiled: what every worker holds, whatever its share.
#[derive(Clone, Debug, PartialEq)]
pub struct RunPlan {
    /// Scenarios in the order of the file; [`ScenarioId`] is the index.
    pub scenarios: Vec<ScenarioPlan>,
    /// Steps that are measured, of all scenarios; [`StepId`] is the index.
    pub steps: Vec<Step>,
    /// Requests as they are written in the file; [`RequestId`] is the index.
    pub requests: Vec<RequestPlan>,
    /// Where requests go; [`OriginId`] is the index.
    pub origins: Vec<Origin>,
    /// Checks on responses; [`CheckId`] is the index.
    pub checks: Vec<Check>,
    /// What random arrivals, think times and choices are drawn from.
    pub seed: Seed,
}

impl RunPlan {
    /// The ids of all scenarios, in order.
    pub fn scenario_ids(&self) -> impl Iterator<Item = ScenarioId> + use<> {
        (0..self.scenarios.len() as u32).map(ScenarioId)
    }

    /// The most requests that one iteration of `scenario` sends: each of its program, and once more where it may be sent
    /// again. Redirects are not followed. A task's execution is one request to us; what it sends is its own.
    ///
    /// # Panics
    /// When there is no such scenario.
    pub fn requests_per_iteration_at_most(&self, scenario: ScenarioId) -> u64 {
        let ScenarioBody::Program(program) = &self.scenarios[scenario.index()].body else { return 1 };
        let most = |op: &Op| match op {
            Op::Request(request) if self.requests[request.index()].is_idempotent() => 2,
            Op::Request(_) => 1,
            Op::Think { .. } => 0,
        };
        program.ops.iter().map(most).sum()
    }

    /// The names of all secrets that its requests refer to.
    pub fn secrets(&self) -> BTreeSet<&str> {
        self.requests.iter().flat_map(RequestPlan::templates).flat_map(Template::secrets).collect()
    }
}

macro_rules! dense_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The position in the list it indexes.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

dense_id! {
    /// Index into [`RunPlan::scenarios`].
    ScenarioId
}
dense_id! {
    /// Index into [`RunPlan::steps`].
    StepId
}
dense_id! {
    /// Index into [`RunPlan::requests`].
    RequestId
}
dense_id! {
    /// Index into [`RunPlan::origins`].
    OriginId
}
dense_id! {
    /// Index into [`RunPlan::checks`].
    CheckId
}

/// One scenario: its load and what an iteration of it does.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioPlan {
    /// The name in the file.
    pub name: String,
    /// Labels on everything the scenario measures.
    pub tags: BTreeMap<String, String>,
    /// When iterations start.
    pub load: LoadModel,
    /// What an iteration does.
    pub body: ScenarioBody,
    /// How long iterations may go on after the last planned instant before they are cancelled.
    pub graceful_stop: Nanos,
}

/// What an iteration of a scenario does.
#[derive(Clone, Debug, PartialEq)]
pub enum ScenarioBody {
    /// The steps of the file.
    Program(Program),
    /// A Rust task registered under this name; its one step is where it is measured.
    Task {
        /// The registered name.
        task: String,
        /// The step its executions are recorded under.
        step: StepId,
    },
}

/// The steps of one scenario as a flat list; an iteration runs it from first to last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// What is done, in order.
    pub ops: Vec<Op>,
}

/// One operation of a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Sends a request and waits for its end.
    Request(RequestId),
    /// Waits for a span drawn uniformly from `min..=max`.
    Think {
        /// The shortest wait.
        min: Nanos,
        /// The longest wait; equal to `min` for a fixed one.
        max: Nanos,
    },
}

/// A measured step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The scenario it belongs to.
    pub scenario: ScenarioId,
    /// Its name, unique within the scenario.
    pub name: String,
}

/// One check on the response of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The step whose response is checked.
    pub step: StepId,
    /// How it is shown, for example `status is 200`.
    pub name: String,
    /// Whether a failed check fails the request.
    pub required: bool,
    /// What must hold.
    pub kind: CheckKind,
}

/// What a check demands of a response.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckKind {
    /// The status is one of these.
    Status(StatusSet),
    /// The named header (lower case) is there and its value matches.
    Header {
        /// The header's name in lower case.
        name: String,
        /// What its value must be.
        value: TextMatch,
    },
    /// The body matches.
    Body(TextMatch),
    /// The response time is below this.
    ResponseTime(Nanos),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Template;

    #[test]
    fn an_iteration_sends_each_request_once_and_those_that_may_be_once_more() {
        let request = |method: &str| RequestPlan {
            step: StepId(0),
            origin: OriginId(0),
            method: method.to_owned(),
            path: Template::literal("/"),
            headers: vec![],
            body: Template::default(),
            timeout: Nanos::SECOND,
            expected: StatusSet::success(),
            checks: vec![],
        };
        let scenario = |body| ScenarioPlan {
            name: String::new(),
            tags: BTreeMap::new(),
            load: LoadModel::SharedIterations { vus: 1, iterations: 1, max_duration: Nanos::SECOND },
            body,
            graceful_stop: Nanos::SECOND,
        };
        let think = Op::Think { min: Nanos::SECOND, max: Nanos::SECOND };
        let ops =
            vec![Op::Request(RequestId(0)), think, Op::Request(RequestId(1)), Op::Request(RequestId(0))];
        let task = ScenarioBody::Task { task: String::new(), step: StepId(0) };
        let plan = RunPlan {
            scenarios: vec![scenario(ScenarioBody::Program(Program { ops })), scenario(task)],
            steps: vec![],
            requests: vec![request("GET"), request("POST")],
            origins: vec![],
            checks: vec![],
            seed: Seed(0),
        };
        let most: Vec<u64> = plan.scenario_ids().map(|id| plan.requests_per_iteration_at_most(id)).collect();
        assert_eq!(most, [5, 1]);
    }
}
