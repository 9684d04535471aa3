//! From a workload to the plan that the engine executes.

mod template;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use metrics::{Catalog, CatalogCheck, CatalogScenario, CatalogStep};
use plan::{
    CheckId, CheckKind, LoadModel, Op, OriginId, ProfileError, Program, RateProfile, RequestId, RequestPlan,
    RunPlan, ScenarioBody, ScenarioId, ScenarioPlan, Seed, Stage, StatusSet, StepId, Template, TextMatch,
    TlsPlan, UserProfile,
};

use crate::read::check::status_set;
use crate::{
    Authority, BaseUrl, Body, Check, Condition, Files, Load, LoadStage, RequestStep, Scenario, Step, StepUrl,
    Target, Tls, Workload,
};
use template::{path_template, payload, template};

/// Why a workload cannot be compiled here.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The built-in target has no address yet.
    #[error(
        "scenario `{scenario}` goes to demo://, which has no address before the built-in target is started"
    )]
    DemoTarget {
        /// The scenario.
        scenario: String,
    },
    /// A file the workload names is not among those that came with it.
    #[error("the file `{path}` did not come with the workload")]
    MissingFile {
        /// The path as the scenario names it.
        path: String,
    },
    /// A load that cannot be scheduled.
    #[error("the load of scenario `{scenario}` cannot be scheduled")]
    Load {
        /// The scenario.
        scenario: String,
        /// Why not.
        source: ProfileError,
    },
}

/// Compiles `workload`, with what the files it names hold.
///
/// # Errors
/// When a target has no address yet or a file is missing. A load that came through [`load()`](crate::load()) can be
/// scheduled; one that was put together by hand is checked here.
pub fn compile(workload: &Workload, files: &Files) -> Result<RunPlan, CompileError> {
    let mut compiler = Compiler {
        files,
        plan: RunPlan {
            scenarios: Vec::with_capacity(workload.scenarios.len()),
            steps: Vec::new(),
            requests: Vec::new(),
            origins: Vec::new(),
            checks: Vec::new(),
            seed: Seed(workload.options.seed),
        },
        origins: HashMap::new(),
    };
    for scenario in &workload.scenarios {
        compiler.scenario(scenario)?;
    }
    Ok(compiler.plan)
}

/// The names of everything `workload` measures, in the order in which [`compile()`] numbers it.
pub fn catalog(workload: &Workload) -> Catalog {
    let mut catalog = Catalog { tags: workload.tags.clone(), ..Catalog::default() };
    for (index, scenario) in workload.scenarios.iter().enumerate() {
        catalog.scenarios.push(CatalogScenario { name: scenario.name.clone(), tags: scenario.tags.clone() });
        let step = |name: &str| CatalogStep { scenario: index, name: name.to_owned() };
        match &scenario.body {
            Body::Task(task) => catalog.steps.push(step(task)),
            Body::Steps(steps) => {
                for request in steps.iter().filter_map(Step::request) {
                    let check = |check: &Check| CatalogCheck {
                        step: catalog.steps.len(),
                        name: check_name(&check.condition),
                    };
                    catalog.checks.extend(request.checks.iter().map(check));
                    catalog.steps.push(step(&request.name));
                }
            }
        }
    }
    catalog
}

/// The load model of a scenario.
pub(crate) fn load_model(load: &Load) -> Result<LoadModel, ProfileError> {
    Ok(match load {
        Load::ConstantArrivalRate { rate, warm_up, duration, open } => LoadModel::ArrivalRate {
            profile: RateProfile::new(constant(*rate, *warm_up, *duration))?,
            arrivals: open.arrivals,
            max_vus: open.max_vus,
            overload: open.overload,
        },
        Load::RampingArrivalRate { start_rate, stages, open } => LoadModel::ArrivalRate {
            profile: RateProfile::new(ramp(*start_rate, stages))?,
            arrivals: open.arrivals,
            max_vus: open.max_vus,
            overload: open.overload,
        },
        Load::ConstantVus { vus, warm_up, duration } => {
            LoadModel::VirtualUsers { profile: UserProfile::new(constant(*vus, *warm_up, *duration))? }
        }
        Load::RampingVus { start_vus, stages } => {
            LoadModel::VirtualUsers { profile: UserProfile::new(ramp(*start_vus, stages))? }
        }
        Load::SharedIterations { vus, iterations, max_duration } => {
            LoadModel::SharedIterations { vus: *vus, iterations: *iterations, max_duration: *max_duration }
        }
    })
}

/// One level, first unmeasured, then measured.
fn constant<T: Copy>(level: T, warm_up: units::Nanos, duration: units::Nanos) -> Vec<Stage<T>> {
    let stage = |duration, measured| Stage { duration, from: level, to: level, measured };
    let mut stages = vec![stage(duration, true)];
    if !warm_up.is_zero() {
        stages.insert(0, stage(warm_up, false));
    }
    stages
}

/// Each stage from the level of the one before.
fn ramp<T: Copy>(start: T, stages: &[LoadStage<T>]) -> Vec<Stage<T>> {
    let mut from = start;
    let link = |stage: &LoadStage<T>| {
        let linked = Stage { duration: stage.duration, from, to: stage.target, measured: stage.measure };
        from = stage.target;
        linked
    };
    stages.iter().map(link).collect()
}

/// What tells origins apart.
#[derive(PartialEq, Eq, Hash)]
struct OriginKey {
    authority: Authority,
    address: Option<IpAddr>,
    tls: Tls,
    timeouts: [units::Nanos; 3],
}

struct Compiler<'a> {
    files: &'a Files,
    plan: RunPlan,
    origins: HashMap<OriginKey, OriginId>,
}

impl Compiler<'_> {
    fn scenario(&mut self, scenario: &Scenario) -> Result<(), CompileError> {
        let id = ScenarioId(self.plan.scenarios.len() as u32);
        let load = load_model(&scenario.load)
            .map_err(|source| CompileError::Load { scenario: scenario.name.clone(), source })?;
        let body = match &scenario.body {
            Body::Steps(steps) => {
                let mut ops = Vec::with_capacity(steps.len());
                for step in steps {
                    ops.push(match step {
                        Step::Think { min, max } => Op::Think { min: *min, max: *max },
                        Step::Request(request) => Op::Request(self.request(id, scenario, request)?),
                    });
                }
                ScenarioBody::Program(Program { ops })
            }
            Body::Task(task) => ScenarioBody::Task { task: task.clone(), step: self.step(id, task) },
        };
        self.plan.scenarios.push(ScenarioPlan {
            name: scenario.name.clone(),
            tags: scenario.tags.clone(),
            load,
            body,
            graceful_stop: scenario.graceful_stop,
        });
        Ok(())
    }

    fn step(&mut self, scenario: ScenarioId, name: &str) -> StepId {
        self.plan.steps.push(plan::Step { scenario, name: name.to_owned() });
        StepId(self.plan.steps.len() as u32 - 1)
    }

    fn request(
        &mut self,
        id: ScenarioId,
        scenario: &Scenario,
        request: &RequestStep,
    ) -> Result<RequestId, CompileError> {
        let target = &scenario.target;
        let step = self.step(id, &request.name);
        let (origin, path) = match &request.url {
            StepUrl::Absolute { authority, path } => (self.origin(authority, target)?, path.clone()),
            StepUrl::Path(path) => match &target.url {
                BaseUrl::Http { authority, prefix } => {
                    (self.origin(authority, target)?, format!("{prefix}{path}"))
                }
                BaseUrl::Demo => return Err(CompileError::DemoTarget { scenario: scenario.name.clone() }),
            },
        };
        let checks = request.checks.iter().map(|check| self.check(step, check)).collect();
        let (body, content_type) = payload(&request.payload);
        let headers = crate::read::target::merge_headers(&target.headers, request.headers.clone());
        let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let default_type = content_type.filter(|_| !has_type);
        let default_type = default_type.map(|value| ("content-type".to_owned(), Template::literal(value)));
        let written = headers.iter().map(|(name, value)| (name.clone(), template(value)));
        self.plan.requests.push(RequestPlan {
            step,
            origin,
            method: request.method.clone(),
            path: path_template(&path, &request.query),
            headers: written.chain(default_type).collect(),
            body,
            timeout: request.timeout,
            expected: expected(&request.checks),
            checks,
        });
        Ok(RequestId(self.plan.requests.len() as u32 - 1))
    }

    fn origin(&mut self, authority: &Authority, target: &Target) -> Result<OriginId, CompileError> {
        let timeouts = &target.timeouts;
        let key = OriginKey {
            authority: authority.clone(),
            address: target.resolve.get(&authority.host).copied(),
            tls: target.tls.clone(),
            timeouts: [timeouts.dns, timeouts.connect, timeouts.tls],
        };
        if let Some(id) = self.origins.get(&key) {
            return Ok(*id);
        }
        let id = OriginId(self.plan.origins.len() as u32);
        let tls = TlsPlan {
            ca: self.file(target.tls.ca.as_deref())?,
            cert: self.file(target.tls.cert.as_deref())?,
            key: self.file(target.tls.key.as_deref())?,
            verify: target.tls.verify,
            server_name: target.tls.server_name.clone(),
        };
        self.plan.origins.push(plan::Origin {
            scheme: authority.scheme,
            host: authority.host.clone(),
            port: authority.port,
            address: key.address,
            tls,
            dns_timeout: timeouts.dns,
            connect_timeout: timeouts.connect,
            tls_timeout: timeouts.tls,
        });
        self.origins.insert(key, id);
        Ok(id)
    }

    fn file(&self, path: Option<&str>) -> Result<Option<Arc<[u8]>>, CompileError> {
        let Some(path) = path else { return Ok(None) };
        match self.files.content(path) {
            Some(content) => Ok(Some(content.bytes.clone())),
            None => Err(CompileError::MissingFile { path: path.to_owned() }),
        }
    }

    fn check(&mut self, step: StepId, check: &Check) -> CheckId {
        let kind = match &check.condition {
            Condition::Status(set) => CheckKind::Status(set.clone()),
            Condition::Header { name, value } => {
                CheckKind::Header { name: name.clone(), value: value.clone() }
            }
            Condition::Body(value) => CheckKind::Body(value.clone()),
            Condition::ResponseTime(below) => CheckKind::ResponseTime(*below),
        };
        self.plan.checks.push(plan::Check {
            step,
            name: check_name(&check.condition),
            required: check.required,
            kind,
        });
        CheckId(self.plan.checks.len() as u32 - 1)
    }
}

/// How a check is shown.
fn check_name(condition: &Condition) -> String {
    let matches = |value: &TextMatch| match value {
        TextMatch::Present => "is present".to_owned(),
        TextMatch::Equals(text) => format!("is {}", quoted(text)),
        TextMatch::Contains(text) => format!("contains {}", quoted(text)),
    };
    match condition {
        Condition::Status(set) => format!("status is {}", shown_statuses(set)),
        Condition::Header { name, value } => format!("header {name} {}", matches(value)),
        Condition::Body(value) => format!("body {}", matches(value)),
        Condition::ResponseTime(below) => format!("response time < {below}"),
    }
}

/// The text in quotes, cut where it would fill a table's column.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 40;
    let short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() { format!("{short:?}...") } else { format!("{short:?}") }
}

/// The statuses of a set as the file would have them.
pub(crate) fn status_words(set: &StatusSet) -> Vec<String> {
    let word = |range: &std::ops::RangeInclusive<u16>| match (*range.start(), *range.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) if first % 100 == 0 && last == first + 99 => format!("{}xx", first / 100),
        (first, last) => format!("{first}-{last}"),
    };
    set.ranges.iter().map(word).collect()
}

fn shown_statuses(set: &StatusSet) -> String {
    status_words(set).join(" or ")
}

/// The statuses that make a request succeed: a required status check says which; another one only adds to the usual
/// ones, because it fails no request.
fn expected(checks: &[Check]) -> StatusSet {
    let status = checks.iter().find_map(|check| match &check.condition {
        Condition::Status(set) => Some((set, check.required)),
        _ => None,
    });
    match status {
        None => StatusSet::success(),
        Some((set, true)) => set.clone(),
        Some((set, false)) => {
            status_set(StatusSet::success().ranges.into_iter().chain(set.ranges.clone()).collect())
        }
    }
}

#[cfg(test)]
mod tests;
