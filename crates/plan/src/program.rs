//! The compiled run: scenarios as flat programs over dense ids.

use std::collections::BTreeMap;

use units::Nanos;

use crate::{LoadModel, Origin, RequestPlan, Seed, StatusSet, TextMatch};

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
