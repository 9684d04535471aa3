//! From a document to engine threads that only wait for the start.

use std::sync::Arc;

use control::{Prepare, Prepared, Refusal};
use engine::{Lease, Pacing, TaskRegistry, ThreadConfig, Tracer, Watcher};
use metrics::{Drain, ExecutionDrain, Layout, Recorder};
use plan::{Course, RunPlan, ScenarioBody};
use protocols::Secrets as _;
use scenario::{Files, Workload};
use telemetry::{Identity, Pipeline};

use crate::cpus::Cpus;
use crate::export::{Keeping, Part, span_catalog, step_targets};
use crate::local::WorkerOptions;
use crate::machine;
use crate::preflight::{Demand, Limits, forbidden_addresses, probe_origins, users_of_thread};
use crate::secrets::Environment;

/// Everything that engine threads need, and what to say of it.
pub(crate) struct Ready {
    pub(crate) prepared: Prepared,
    pub(crate) requests: Arc<protocols::Prepared>,
    pub(crate) threads: Vec<ReadyThread>,
    pub(crate) drains: Vec<Drain>,
    /// What revisions are worked out of.
    pub(crate) plan: Arc<RunPlan>,
    /// What is exported.
    pub(crate) part: Part,
}

/// What one engine thread needs.
pub(crate) struct ReadyThread {
    pub(crate) config: ThreadConfig,
    pub(crate) recorder: Recorder,
    pub(crate) tracer: Option<Tracer>,
    /// The CPU it is kept on.
    pub(crate) cpu: Option<usize>,
}

/// Intervals that go round between an engine thread and the collector: one is written, one is read, and one bridges a
/// collector that comes a second late.
pub(crate) const INTERVALS: usize = 3;

/// More engine threads than any machine has CPUs are a slip of the finger.
const MOST_THREADS: u32 = 1_024;

/// Makes everything ready. Blocks, for up to the sum of the bounds of the slowest origin when the preflight is wanted.
///
/// # Errors
/// When the workload or this machine does not allow the share; every line of it names what was wanted.
pub(crate) fn prepare(
    prepare: &Prepare,
    options: &WorkerOptions,
    lease: &Lease,
    watcher: &Watcher,
) -> Result<Ready, Refusal> {
    let (workload, plan) = compile(prepare)?;
    let policy = &options.limits.target_policy();
    // Before it is said what is missing: which variables are set here is nobody's business either.
    let forbidden = [forbidden_secrets(&plan, options), forbidden_addresses(&plan.origins, policy)].concat();
    if !forbidden.is_empty() {
        return Err(Refusal::Forbidden(forbidden));
    }
    let missing = [missing_tasks(&plan, &options.tasks), missing_secrets(&plan)].concat();
    if !missing.is_empty() {
        return Err(Refusal::Impossible(missing));
    }
    let run_id = options.run_id.as_uuid();
    let keeping = Keeping::new(run_id, &plan, &workload.options.telemetry, &options.telemetry.settings);
    let requests = protocols::prepare(&plan, &Environment, keeping.propagated()).map_err(impossible)?;

    let cpus = Cpus::of_process();
    let threads = thread_count(prepare.threads.or(workload.options.threads), &cpus)?;
    let course = Course::new(&plan, prepare.revision.clone(), threads).map_err(impossible)?;
    options.limits.check_rate(&plan, &course).map_err(|line| Refusal::Forbidden(vec![line]))?;
    let layout = Arc::new(control::layout(&plan, workload.tags.clone()));
    let mut demand = Demand::of(&plan, &prepare.revision.share, &layout, threads).map_err(impossible)?;
    if options.target_threads.is_some() {
        demand.handles_per_connection = 2;
    }
    let handles = machine::raise_handle_limit();
    let limits =
        Limits { handles: handles.now, ports: machine::local_ports(), memory: machine::memory_available() };
    if prepare.preflight {
        let origins = probe_origins(&plan.origins, policy);
        if !origins.forbidden.is_empty() {
            return Err(Refusal::Forbidden(origins.forbidden));
        }
        let findings = [demand.findings(&limits), origins.unreachable].concat();
        if !findings.is_empty() {
            return Err(Refusal::Impossible(findings));
        }
    }

    let mut notes = Vec::new();
    if handles.now > handles.before {
        notes
            .push(format!("the limit on file handles was raised from {} to {}", handles.before, handles.now));
    }
    if threads > cpus.count() {
        notes.push(format!("{threads} engine threads share {} CPUs", cpus.count()));
    }
    let automatic = demand.automatic_users(&limits);
    let users: u64 = demand.users(automatic);
    let prepared = Prepared {
        threads,
        max_vus: u32::try_from(users).unwrap_or(u32::MAX),
        shape_hash: layout.shape_hash(),
        notes,
    };
    let pacing = match workload.options.pacing {
        scenario::Pacing::Balanced => Pacing::Balanced,
        scenario::Pacing::Precise => Pacing::Precise,
    };
    let pins = cpus.pins(threads).filter(|_| options.pin);
    let (plan, course) = (Arc::new(plan), Arc::new(course));
    let mut kept = Vec::new();
    let (threads, drains) = (0..threads)
        .map(|thread| {
            let (recorder, drain) = metrics::pair(&layout, thread, INTERVALS);
            let (tracer, kept_drain) = keeping.tracer().unzip();
            kept.extend(kept_drain);
            let users = |load| users_of_thread(load, automatic, thread, threads);
            let config = ThreadConfig {
                run_id,
                plan: Arc::clone(&plan),
                course: Arc::clone(&course),
                lease: lease.clone(),
                watcher: watcher.clone(),
                thread,
                threads,
                pacing,
                max_vus: plan.scenarios.iter().map(|scenario| users(&scenario.load)).collect(),
            };
            (ReadyThread { config, recorder, tracer, cpu: pins.map(|cpus| cpus[thread as usize]) }, drain)
        })
        .unzip();
    let part = exported(options, &keeping, &plan, layout, kept)?;
    Ok(Ready { prepared, requests: Arc::new(requests), threads, drains, plan, part })
}

/// What is exported, with the pipeline that it leaves by.
fn exported(
    options: &WorkerOptions,
    keeping: &Keeping,
    plan: &RunPlan,
    layout: Arc<Layout>,
    drains: Vec<ExecutionDrain>,
) -> Result<Part, Refusal> {
    let (run_id, worker) = (options.run_id.as_uuid(), options.id.as_str());
    let settings = &options.telemetry.settings;
    let identity = Identity { run_id, process: worker.to_owned(), version: env!("CARGO_PKG_VERSION") };
    let pipeline = settings.sends_anything().then(|| Pipeline::start(settings, &identity)).transpose();
    let pipeline = pipeline
        .map_err(|error| Refusal::Internal(format!("telemetry cannot be sent: {}", error_line(&error))))?;
    Ok(Part {
        run_id,
        worker: worker.to_owned(),
        layout,
        catalog: span_catalog(run_id, worker, plan, keeping.keys()),
        targets: step_targets(plan),
        drains,
        tells_target: keeping.tells_target_always(),
        excluded_threads: options.target_threads.clone(),
        telemetry: options.telemetry.clone(),
        pipeline,
    })
}

fn compile(prepare: &Prepare) -> Result<(Workload, RunPlan), Refusal> {
    let mut files = Files::default();
    for file in &prepare.files {
        files.insert(file.path.as_str(), Arc::clone(&file.bytes));
    }
    let workload = Workload::from_canonical_json(&prepare.document, &files).map_err(impossible)?;
    let plan = scenario::compile(&workload, &files).map_err(impossible)?;
    Ok((workload, plan))
}

fn thread_count(wanted: Option<u32>, cpus: &Cpus) -> Result<u32, Refusal> {
    match wanted {
        None => Ok(cpus.engine_threads()),
        Some(threads @ 1..=MOST_THREADS) => Ok(threads),
        Some(threads) => {
            let line = format!("{threads} engine threads are wanted; 1 to {MOST_THREADS} are possible");
            Err(Refusal::Impossible(vec![line]))
        }
    }
}

fn impossible(error: impl std::error::Error) -> Refusal {
    Refusal::Impossible(vec![error_line(&error)])
}

/// An error with its causes, as one line.
pub(crate) fn error_line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    line
}

fn missing_tasks(plan: &RunPlan, registry: &TaskRegistry) -> Vec<String> {
    let names = registry.names();
    let known = if names.is_empty() {
        "there are none".to_owned()
    } else {
        format!("there are: {}", names.join(", "))
    };
    let missing = plan.scenarios.iter().filter_map(|scenario| match &scenario.body {
        ScenarioBody::Task { task, .. } if !names.contains(&task.as_str()) => Some(format!(
            "scenario `{}` wants the task `{task}`, which this program does not have; {known}",
            scenario.name
        )),
        _ => None,
    });
    missing.collect()
}

/// All secrets that the worker does not hand out.
fn forbidden_secrets(plan: &RunPlan, options: &WorkerOptions) -> Vec<String> {
    let worker = options.id.as_str();
    plan.secrets().into_iter().filter_map(|name| options.limits.refuse_secret(name, worker)).collect()
}

/// All secrets that are not set, not the first one only.
fn missing_secrets(plan: &RunPlan) -> Vec<String> {
    let missing = plan.secrets().into_iter().filter(|name| Environment.secret(name).is_none());
    let line = |name| {
        format!("the secret `{name}` is not set; set the environment variable {name} where the load is made")
    };
    missing.map(line).collect()
}

#[cfg(test)]
mod tests;
