//! From a document to engine threads that only wait for the start.

use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use control::{Prepare, Prepared, Refusal};
use engine::{Pacing, TaskRegistry, ThreadConfig};
use metrics::{Drain, Recorder};
use plan::{RequestPlan, RunPlan, ScenarioBody, Template, TemplatePart};
use protocols::{Secret, Secrets};
use scenario::{Files, Workload};

use crate::cpus::Cpus;
use crate::local::WorkerOptions;
use crate::machine;
use crate::preflight::{Demand, Limits, unreachable_origins, users_of_thread};

/// Everything that engine threads need, and what to say of it.
pub(crate) struct Ready {
    pub(crate) prepared: Prepared,
    pub(crate) requests: Arc<protocols::Prepared>,
    pub(crate) threads: Vec<ReadyThread>,
    pub(crate) drains: Vec<Drain>,
}

/// What one engine thread needs.
pub(crate) struct ReadyThread {
    pub(crate) config: ThreadConfig,
    pub(crate) recorder: Recorder,
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
pub(crate) fn prepare(prepare: &Prepare, options: &WorkerOptions) -> Result<Ready, Refusal> {
    let (workload, plan) = compile(prepare)?;
    let missing = [missing_tasks(&plan, &options.tasks), missing_secrets(&plan)].concat();
    if !missing.is_empty() {
        return Err(Refusal::Impossible(missing));
    }
    let requests = protocols::prepare(&plan, &Environment).map_err(impossible)?;

    let cpus = Cpus::of_process();
    let threads = thread_count(prepare.threads.or(workload.options.threads), &cpus)?;
    let layout = Arc::new(control::layout(&plan, workload.tags.clone()));
    let mut demand = Demand::of(&plan, &prepare.share, &layout, threads).map_err(impossible)?;
    if options.target_threads.is_some() {
        demand.handles_per_connection = 2;
    }
    let handles = machine::raise_handle_limit();
    let limits =
        Limits { handles: handles.now, ports: machine::local_ports(), memory: machine::memory_available() };
    if prepare.preflight {
        let findings = [demand.findings(&limits), unreachable_origins(&plan.origins)].concat();
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
    let pins = cpus.pins(threads);
    let plan = Arc::new(plan);
    let (threads, drains) = (0..threads)
        .map(|thread| {
            let (recorder, drain) = metrics::pair(&layout, thread, INTERVALS);
            let users = |load| users_of_thread(load, automatic, thread, threads);
            let config = ThreadConfig {
                run_id: options.run_id.as_uuid(),
                plan: Arc::clone(&plan),
                share: prepare.share.clone(),
                thread,
                threads,
                pacing,
                max_vus: plan.scenarios.iter().map(|scenario| users(&scenario.load)).collect(),
            };
            (ReadyThread { config, recorder, cpu: pins.map(|cpus| cpus[thread as usize]) }, drain)
        })
        .unzip();
    Ok(Ready { prepared, requests: Arc::new(requests), threads, drains })
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

/// An error with its causes, as one line of a refusal.
fn impossible(error: impl std::error::Error) -> Refusal {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    Refusal::Impossible(vec![line])
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

/// All secrets that are not set, not the first one only.
fn missing_secrets(plan: &RunPlan) -> Vec<String> {
    let mut names: Vec<&str> = plan.requests.iter().flat_map(templates).flat_map(secrets_in).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| Environment.secret(name).is_none());
    let line = |name| {
        format!("the secret `{name}` is not set; set the environment variable {name} where the load is made")
    };
    names.into_iter().map(line).collect()
}

fn templates(request: &RequestPlan) -> impl Iterator<Item = &Template> {
    [&request.path, &request.body].into_iter().chain(request.headers.iter().map(|(_, value)| value))
}

fn secrets_in(template: &Template) -> impl Iterator<Item = &str> {
    template.parts.iter().filter_map(|part| match part {
        TemplatePart::Literal(_) => None,
        TemplatePart::Secret { name, .. } => Some(name.as_str()),
    })
}

/// Secrets are environment variables of exactly their name.
struct Environment;

impl Secrets for Environment {
    fn secret(&self, name: &str) -> Option<Secret> {
        // A name with `=` or NUL cannot be one, and would panic in some versions of the standard library.
        let is_possible = !name.is_empty() && !name.contains(['=', '\0']);
        let value = is_possible.then(|| std::env::var_os(name)).flatten()?;
        Some(Secret::new(value.into_vec()))
    }
}

#[cfg(test)]
mod tests;
