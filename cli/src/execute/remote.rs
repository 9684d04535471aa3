//! A run on a controller: submitted, followed to its end, and shown as a local run is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use api::ExitCode;
use api::http::{FileReference, RunEvent, RunEventBody, RunExit, RunState, RunStatus, SubmitRun};
use api::result::ResultFile;
use control::{ContentDigest, RunId};
use scenario::Workload;
use units::Nanos;

use super::present::{self, Ended};
use super::{RunOrder, log_configuration, overrides};
use crate::app::Process;
use crate::console::Console;
use crate::failure::Failure;
use crate::live::{Live, view_of};
use crate::manifest::ConductedBy;
use crate::output::{Destination, Output};
use crate::remote::{Backoff, Client, Follower, PATIENCE, RemoteError};
use crate::signals::Signals;
use crate::{app, demo};

/// How a run is submitted.
pub(crate) struct Submission {
    /// Where to.
    pub(crate) client: Client,
    /// The name of this submission.
    pub(crate) key: String,
    /// How many workers it waits for.
    pub(crate) expect_workers: Option<u32>,
    /// How long it waits for them.
    pub(crate) wait: Nanos,
    /// Labels of the workers it takes.
    pub(crate) worker_labels: Vec<(String, String)>,
    /// Whether it is left to itself once it is submitted.
    pub(crate) detach: bool,
    /// Whether its workers can reach a target in this process.
    pub(crate) workers_are_here: bool,
}

impl Submission {
    /// A name for a submission that was given none.
    pub(crate) fn new_key() -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

/// Submits what was loaded, follows it, prints its summary, writes its result, and returns the code it ends with.
pub(crate) fn execute_remotely(
    process: &Process,
    order: &RunOrder<'_>,
    workload: &Workload,
    submission: Submission,
    attention: &mut Attention,
) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot make a runtime")?;
    let outcome = runtime.block_on(carry_out(process, order, workload, submission, attention));
    // A lookup of a name may hang on a thread of its own, long after it was given up.
    runtime.shutdown_background();
    outcome
}

async fn carry_out(
    process: &Process,
    order: &RunOrder<'_>,
    workload: &Workload,
    submission: Submission,
    attention: &mut Attention,
) -> Result<ExitCode, Failure> {
    let RunOrder { loaded, output, .. } = *order;
    let mut resolved = workload.clone();
    let _target = if workload.uses_demo_target() {
        if submission.detach || !submission.workers_are_here {
            return Err(Failure::invalid(DEMO_ELSEWHERE));
        }
        let target = demo::start(target::Config::default(), workload.options.threads)
            .context("cannot start the built-in target")?;
        resolved.replace_demo_target(&demo::url(&target));
        Some(target)
    } else {
        None
    };
    let client = &submission.client;
    let run = submit(order, &resolved, &submission).await?;
    attention.fate.submitted(&run);
    let uuid: uuid::Uuid = run.parse().context("the controller's ID of the run is none")?;
    let id = RunId::new(uuid);
    process.label.set_run(id);
    let plan = scenario::compile(&resolved, &loaded.files).map_err(Failure::invalid)?;
    log_configuration(loaded, workload, &plan.plan_hash().to_string(), &overrides(loaded));
    if submission.detach {
        crate::console::print_to_stdout(&format!("{run}\n")).context("cannot print the run's ID")?;
        process
            .console
            .say(&format!("submitted; next: loadgen status {run} --controller {}", client.controller()));
        return Ok(ExitCode::Passed);
    }
    let destination = Destination::of(output.no_out, workload.options.out.as_deref());
    let prepared = Output::prepare(&destination, Path::new(""), jiff::Timestamp::now(), id);
    let mut place = match prepared {
        Ok(place) => place,
        Err(error) => {
            // A run is not made for a result that cannot be kept.
            client.stop(&run, true).await?;
            return Err(Failure::invalid(format!("{error}; the run was cancelled")));
        }
    };
    let mut live = Live::new(process.console.clone(), output.quiet);
    let shown = Shown { shows_waiting: !submission.workers_are_here, ..Shown::default() };
    let exit = follow(process, client, &run, &mut attention.signals, &mut live, shown).await?;
    live.end();
    if !exit.reasons.is_empty() {
        return Err(Failure::because(code_of(&exit), &exit.reasons));
    }
    let text = patiently(|| client.result(&run)).await.map_err(|error| lost_sight(&run, error))?;
    let result = ResultFile::from_json(&text).context("the controller's result cannot be read")?;
    let conducted_by = if submission.workers_are_here {
        None
    } else {
        // Who may run may also look; if the controller is gone by now, the manifest is without it.
        let token = client.run(&run).await.ok().map(|status| status.submitted_by);
        Some(ConductedBy { controller: client.controller(), token })
    };
    present::present(process, order, &Ended { result: &result, json: &text, conducted_by }, &mut place)
}

/// Hands over files and document; the run's ID.
async fn submit(
    order: &RunOrder<'_>,
    resolved: &Workload,
    submission: &Submission,
) -> Result<String, Failure> {
    let (client, loaded) = (&submission.client, order.loaded);
    let mut files = Vec::new();
    for (path, content) in loaded.files.iter() {
        let digest = ContentDigest(content.digest);
        patiently(|| client.put_content(digest, content.bytes.to_vec())).await?;
        let bytes = content.bytes.len() as u64;
        files.push(FileReference { path: path.to_owned(), sha256: digest.to_string(), bytes });
    }
    let run = SubmitRun {
        document: resolved.to_canonical_json(),
        files,
        preflight: order.preflight,
        expect_workers: submission.expect_workers,
        wait_ms: Some(submission.wait.as_u64() / 1_000_000),
        worker_labels: submission.worker_labels.iter().cloned().collect(),
        overrides: overrides(loaded),
    };
    let submitted = patiently(|| client.submit(&run, &submission.key)).await?;
    if submitted.repeated {
        tracing::info!(run_id = submitted.run_id, "submitted before under this key; following that run");
    }
    Ok(submitted.run_id)
}

/// Asks again while it may go better in a moment. Only for what may be asked twice.
async fn patiently<T>(ask: impl AsyncFn() -> Result<T, RemoteError>) -> Result<T, RemoteError> {
    let mut backoff = Backoff::default();
    let mut failed = 0;
    loop {
        match ask().await {
            Err(error) if error.is_passing() && failed < MOST_REPETITIONS => {
                tracing::debug!(%error, "asking again");
                failed += 1;
                tokio::time::sleep(backoff.next()).await;
            }
            other => return other,
        }
    }
}

/// Follows a run to its end; signals stop it.
async fn follow(
    process: &Process,
    client: &Client,
    run: &str,
    signals: &mut Signals,
    live: &mut Live,
    mut shown: Shown,
) -> Result<RunExit, Failure> {
    let mut follower = Follower::new(client.clone(), run.to_owned());
    let mut stops = 0_u32;
    loop {
        let event = tokio::select! {
            biased;
            () = signals.next() => {
                stops += 1;
                patiently(|| client.stop(run, stops > 1)).await.map_err(|error| lost_sight(run, error))?;
                continue;
            }
            event = follower.next() => event.map_err(|error| lost_sight(run, error))?,
        };
        if let Some(exit) = shown.show(process, live, event) {
            return Ok(exit);
        }
    }
}

/// What was told of a run.
#[derive(Default)]
struct Shown {
    has_begun: bool,
    is_paused: bool,
    /// Whether it is worth a line that workers are waited for.
    shows_waiting: bool,
    waits_for: Option<String>,
}

impl Shown {
    /// Tells an event; how the run ended, if it is the last.
    fn show(&mut self, process: &Process, live: &mut Live, event: RunEvent) -> Option<RunExit> {
        match event.body {
            RunEventBody::State { state, note } => self.state(process, state, note),
            RunEventBody::Live(look) => {
                if !std::mem::replace(&mut self.has_begun, true) {
                    tracing::info!(workers = look.workers, "load started");
                }
                live.show(&view_of(&look, self.is_paused));
            }
            RunEventBody::Incident { text } => tracing::warn!("{text}"),
            RunEventBody::Annotation { by, text } => tracing::info!(by, "{text}"),
            RunEventBody::Revision { revision, effective_ms, weights } => {
                tracing::debug!(revision, effective_ms, ?weights, "the load is dealt anew");
            }
            RunEventBody::Sealed(exit) => return Some(exit),
            RunEventBody::Compacted { status, .. } => return self.status(process, *status),
        }
        None
    }

    fn state(&mut self, process: &Process, state: RunState, note: Option<String>) {
        self.is_paused = state == RunState::Paused;
        match (state, note) {
            (RunState::Queued, Some(note))
                if self.shows_waiting && self.waits_for.as_deref() != Some(&*note) =>
            {
                process.console.say(&format!("waiting: {note}"));
                self.waits_for = Some(note);
            }
            (RunState::Queued, _) => {}
            (state, note) => tracing::debug!(?state, note, "the run is in another state"),
        }
    }

    fn status(&mut self, process: &Process, status: RunStatus) -> Option<RunExit> {
        self.state(process, status.state, status.waits_for);
        status.exit.filter(|_| status.state == RunState::Sealed)
    }
}

/// The controller cannot be had any more; what becomes of the run is said with it.
fn lost_sight(run: &str, error: RemoteError) -> Failure {
    if error.is_not_found() {
        let message = format!("{error}; it was started anew, or keeps the run no longer");
        return Failure::with(ExitCode::ClusterUnavailable, message);
    }
    let failure = Failure::from(error);
    let wait = PATIENCE.as_secs();
    Failure::with(
        failure.code(),
        format!(
            "{}; the run goes on without us as far as the controller lives (we tried for up to {wait} s): see `loadgen \
             status {run}`",
            failure.message()
        ),
    )
}

/// The exit code of a run that has no result.
fn code_of(exit: &RunExit) -> ExitCode {
    let known = ExitCode::ALL.iter().copied().find(|code| code.code() == exit.code);
    known.unwrap_or(ExitCode::InternalError)
}

/// Signals from now on, and what they are about.
pub(crate) struct Attention {
    signals: Signals,
    fate: Fate,
}

impl Attention {
    /// Takes signals from now on.
    ///
    /// # Errors
    /// When the system gives no thread or handler for them.
    pub(crate) fn pay(process: &Process) -> Result<Self, Failure> {
        let fate = Fate::default();
        let signals = listen(process.console.clone(), fate.clone()).context("cannot take signals")?;
        Ok(Self { signals, fate })
    }

    /// The run is over, and the process only lingers.
    pub(crate) fn run_is_over(&self) {
        self.fate.change(|known| known.is_over = true);
    }

    /// The signals.
    pub(crate) fn signals(&mut self) -> &mut Signals {
        &mut self.signals
    }

    /// A folder to be removed if a signal ends this process at once.
    pub(crate) fn remove_on_leaving(&self, folder: &Path) {
        self.fate.change(|known| known.folder = Some(folder.to_owned()));
    }
}

/// What a signal must know of the run; clones share it.
#[derive(Clone, Debug, Default)]
struct Fate(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    run: Option<String>,
    folder: Option<PathBuf>,
    is_over: bool,
}

impl Fate {
    fn submitted(&self, run: &str) {
        self.change(|known| known.run = Some(run.to_owned()));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn listen(console: Console, fate: Fate) -> std::io::Result<Signals> {
    let leave = move |console: &Console, fate: &Fate| {
        if let Some(folder) = fate.change(|known| known.folder.take()) {
            // It holds nothing that is of use to anybody any more.
            let _ = std::fs::remove_dir_all(folder);
        }
        app::leave_at_once(console)
    };
    Signals::listen(move |count| match (count, fate.change(|known| known.run.clone())) {
        _ if fate.change(|known| known.is_over) => console.say("leaving"),
        (1, Some(run)) => {
            console
                .say(&format!("stopping run {run}: what is in flight may end; a second signal cancels it"));
        }
        (2, Some(_)) => console.say("cancelling what is in flight; a third signal leaves without a result"),
        (_, Some(run)) => {
            console.say(&format!("leaving; run {run} was told to cancel: see `loadgen status {run}`"));
            leave(&console, &fate);
        }
        (_, None) => {
            console.say("leaving; nothing was submitted, or it is not known: see `loadgen status`");
            leave(&console, &fate);
        }
    })
}

/// Each with a wait of up to 5 s before it.
const MOST_REPETITIONS: u32 = 5;
const DEMO_ELSEWHERE: &str = "`demo://` is a target in this process, which workers elsewhere cannot reach; start \
    `loadgen demo-target --host ADDRESS` where they can, and set its URL";
