//! From a workload to a result: what `run`, `http` and `selftest` share. There is no second path.

mod present;
mod remote;
mod workers;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use api::ExitCode;
use api::result::{Override, ResultFile, Tool};
use control::{Epoch, FileContent, Refusal, RunId, WorkerId};
use controller::observe::{About, RunObserver, Telemetry};
use controller::result::{ResultContext, build};
use controller::{Limits, RunSpec, SealedRun, SessionEnd};
use scenario::{Loaded, Origin, Workload};
use target::Target;
use telemetry::{Board, catalogue};
use units::{Clock, MonotonicClock, Timestamp};
use worker::{LoadLimits, LocalWorker, WorkerOptions, WorkerTelemetry};

use crate::app::{LOCAL, Process, leave_at_once};
use crate::args::{OutputArgs, TelemetryArgs};
use crate::conduct::{Conducted, conduct, worker_here};
use crate::demo;
use crate::failure::Failure;
use crate::live::Live;
use crate::metrics_page::{MetricsPage, linger};
use crate::output::{Destination, Output};
use crate::policy;
use crate::signals::Signals;
use crate::source;

use present::Ended;
pub(crate) use remote::{Attention, Submission, execute_remotely};
pub(crate) use workers::execute_over_workers;

/// A run as the command line asks for it.
#[derive(Clone, Copy)]
pub(crate) struct RunOrder<'a> {
    /// What was loaded.
    pub(crate) loaded: &'a Loaded,
    /// The file it was loaded from, if it was one.
    pub(crate) file: Option<&'a Path>,
    /// Whether machines and targets are checked first.
    pub(crate) preflight: bool,
    /// What it prints and writes.
    pub(crate) output: &'a OutputArgs,
    /// What it tells of itself meanwhile.
    pub(crate) telemetry: &'a TelemetryArgs,
}

/// Runs what was loaded, prints its summary, writes its result, and returns the code it ends with.
pub(crate) fn execute(process: &Process, order: &RunOrder<'_>) -> Result<ExitCode, Failure> {
    let RunOrder { loaded, preflight, output, .. } = *order;
    let workload = checked(process, loaded)?;
    let phase = Phase::default();
    let mut signals = listen(process, &phase)?;
    let telemetry = telemetry_of(process);
    let run = Run::new(process);
    let destination = Destination::of(output.no_out, workload.options.out.as_deref());
    let mut place =
        Output::prepare(&destination, Path::new(""), run.created_at, run.id).map_err(Failure::invalid)?;
    let board = telemetry.board.clone();
    let show = |address| MetricsPage::start(address, board.clone(), &process.console);
    let page = order.telemetry.listen.map(show).transpose()?;
    let mut live = Live::new(process.console.clone(), output.quiet);
    let setup = Setup { run, preflight, target: target::Config::default(), telemetry };
    let performed = perform(process, loaded, workload, setup, &mut signals, &mut live)?;
    let result = &performed.result;
    let ended = Ended { result, json: &result.to_json(), conducted_by: None };
    let shown = present::present(process, order, &ended, &mut place);
    phase.end();
    if let (Some(_), Some(limit)) = (&page, order.telemetry.linger) {
        linger(&process.console, &board, limit, &mut signals)?;
    }
    performed.end();
    shown
}

/// Where the telemetry of this process goes.
pub(crate) fn telemetry_of(process: &Process) -> Telemetry {
    let board = Board::new();
    board.count(&catalogue::CONFIGURATION_LOADS, &[("kind", "scenario"), ("outcome", "loaded")]);
    Telemetry { settings: process.settings.clone(), board, routes: process.routes.clone() }
}

/// What was loaded, if nothing is wrong with it; what is wrong is shown.
pub(crate) fn checked<'l>(process: &Process, loaded: &'l Loaded) -> Result<&'l Workload, Failure> {
    source::show(&process.console, &loaded.diagnostics);
    loaded.workload.as_ref().ok_or_else(Failure::invalid_and_told)
}

/// A run's name, and the wall clock's time on its labels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    id: RunId,
    created_at: jiff::Timestamp,
    /// The same instant on the clock everything is measured by.
    anchor: Timestamp,
}

impl Run {
    /// Names a new run; from now on it is on every log line.
    pub(crate) fn new(process: &Process) -> Self {
        let id = RunId::new(uuid::Uuid::now_v7());
        process.label.set_run(id);
        Self { id, created_at: jiff::Timestamp::now(), anchor: MonotonicClock.now() }
    }

    /// What the wall clock showed, or would have without steps, at `instant`.
    fn label(&self, instant: Timestamp) -> String {
        let (after, before) = (instant.saturating_since(self.anchor), self.anchor.saturating_since(instant));
        let nanos = i128::from(after.as_u64()) - i128::from(before.as_u64());
        let at = jiff::Timestamp::from_nanosecond(self.created_at.as_nanosecond() + nanos);
        at.unwrap_or(self.created_at).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }
}

/// What a run needs beside its workload.
pub(crate) struct Setup {
    /// Its name.
    pub(crate) run: Run,
    /// Whether this machine and the targets are checked first.
    pub(crate) preflight: bool,
    /// How the built-in target behaves, if the workload has it.
    pub(crate) target: target::Config,
    /// Where its telemetry goes.
    pub(crate) telemetry: Telemetry,
}

/// What a run came to.
pub(crate) struct Performed {
    /// Its result.
    pub(crate) result: ResultFile,
    /// The built-in target, if the run had it; it knows what it counted.
    pub(crate) target: Option<Target>,
    worker: LocalWorker,
    is_complete: bool,
}

impl Performed {
    /// Lets the worker and the target go. A worker that never finished is left behind instead of waited for: the result
    /// is out, and the user has asked for the end.
    pub(crate) fn end(self) {
        if !self.is_complete {
            std::mem::forget(self.worker);
        }
    }
}

/// Carries a workload out and writes down what came of it.
///
/// # Errors
/// When it cannot be carried out on this machine or something of the program fails; a run that merely went badly is a
/// result.
pub(crate) fn perform(
    process: &Process,
    loaded: &Loaded,
    workload: &Workload,
    setup: Setup,
    signals: &mut Signals,
    live: &mut Live,
) -> Result<Performed, Failure> {
    let Setup { run, preflight, target, telemetry } = setup;
    let policy = policy::of_this_machine(&process.console)?;
    let mut resolved = workload.clone();
    let target = if workload.uses_demo_target() {
        let target =
            demo::start(target, workload.options.threads).context("cannot start the built-in target")?;
        resolved.replace_demo_target(&demo::url(&target));
        Some(target)
    } else {
        None
    };
    let plan = Arc::new(scenario::compile(&resolved, &loaded.files).map_err(Failure::invalid)?);
    let layout = Arc::new(control::layout(&plan, workload.tags.clone()));
    let about = About { run_id: run.id, workload, files: &loaded.files, plan: &plan };
    let observer = RunObserver::start(&telemetry, &about).context("cannot start a thread for telemetry")?;
    let overrides = overrides(loaded);
    let planned = plan.plan_hash();
    log_configuration(loaded, workload, &planned.to_string(), &overrides);
    let worker = WorkerId::new(LOCAL);
    let spec = RunSpec {
        run_id: run.id,
        epoch: Epoch::default(),
        document: resolved.to_canonical_json(),
        files: loaded.files.iter().map(file).collect(),
        plan: Arc::clone(&plan),
        layout,
        thresholds: workload.thresholds.clone(),
        workers: vec![worker_here(worker.clone())],
        threads: workload.options.threads,
        preflight,
        limits: Limits::default(),
        policy: workload.options.loss,
        once: None,
        revisable: false,
    };
    let mut settings = telemetry.settings;
    // Log lines are of the process, and its conductor sends them.
    settings.logs = None;
    let options = WorkerOptions {
        run_id: run.id,
        id: worker,
        tasks: process.tasks.clone(),
        target_threads: target.is_some().then(|| demo::THREAD_NAMES.to_owned()),
        pin: true,
        limits: LoadLimits { file: policy, ..LoadLimits::default() },
        telemetry: WorkerTelemetry { settings, board: telemetry.board, routes: None },
    };
    let Conducted { sealed, telemetry, worker } = conduct(spec, options, observer, signals, live)?;
    if let Some((code, reasons)) = refusal(&sealed) {
        return Err(Failure::because(code, reasons));
    }
    let context = ResultContext {
        workload,
        files: &loaded.files,
        tool: tool(),
        overrides,
        telemetry,
        label: &|instant| run.label(instant),
    };
    let result = build(&sealed, &context);
    let is_complete = sealed.sessions.iter().all(controller::Session::is_complete);
    Ok(Performed { result, target, worker, is_complete })
}

/// This program, as results name it.
pub(crate) fn tool() -> Tool {
    Tool {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git: option_env!("LOADGEN_BUILD_COMMIT").map(str::to_owned),
    }
}

/// Whether a run is over, and its process only lingers; clones are the same.
#[derive(Clone, Debug, Default)]
struct Phase(Arc<AtomicBool>);

impl Phase {
    fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn listen(process: &Process, phase: &Phase) -> anyhow::Result<Signals> {
    let (console, phase) = (process.console.clone(), phase.clone());
    let react = move |count| match count {
        _ if phase.is_over() => console.say("leaving"),
        1 => console.say("stopping: what is in flight has 2 s to end; a second signal cancels it"),
        2 => console.say("cancelling what is in flight; a third signal leaves without a result"),
        _ => leave_at_once(&console),
    };
    Signals::listen(react).context("cannot take signals")
}

/// What does not come from the file or from a default.
fn overrides(loaded: &Loaded) -> Vec<Override> {
    let given = loaded.origins().into_iter().filter_map(|value| {
        let origin = match value.origin {
            Origin::Environment(name) => name,
            Origin::Flag(flag) => flag,
            Origin::Default | Origin::File { .. } => return None,
        };
        Some(Override { path: value.path.to_string(), value: value.value, origin })
    });
    given.collect()
}

/// The one line that says what is about to be run.
fn log_configuration(loaded: &Loaded, workload: &Workload, plan_hash: &str, overrides: &[Override]) {
    let hex = |digest: [u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let overrides: Vec<String> =
        overrides.iter().map(|given| format!("{}={} ({})", given.path, given.value, given.origin)).collect();
    tracing::info!(
        name = workload.name,
        scenario_digest = hex(workload.scenario_digest(&loaded.files)),
        config_digest = hex(workload.config_digest(&loaded.files)),
        plan_hash,
        seed = workload.options.seed,
        overrides = (!overrides.is_empty()).then(|| overrides.join(", ")),
        configuration = workload.to_canonical_json(),
        "run configured"
    );
}

fn file((path, content): (&str, &scenario::FileContent)) -> FileContent {
    FileContent { path: path.to_owned(), bytes: Arc::clone(&content.bytes) }
}

/// Why this machine cannot or may not run it, one reason a line.
fn refusal(sealed: &SealedRun) -> Option<(ExitCode, &[String])> {
    sealed.sessions.iter().find_map(|session| match &session.end {
        Some(SessionEnd::Refused(Refusal::Impossible(reasons))) => {
            Some((ExitCode::InvalidInput, &reasons[..]))
        }
        Some(SessionEnd::Refused(Refusal::Forbidden(reasons))) => {
            Some((ExitCode::RefusedByPolicy, &reasons[..]))
        }
        _ => None,
    })
}

/// Set when the program is built, to the commit; a build's environment may still hold it when a run starts.
pub(crate) const COMMIT_VARIABLE: &str = "LOADGEN_BUILD_COMMIT";
