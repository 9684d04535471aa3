//! What goes into the cluster's state machine from people and programs, and what comes out of it.

use std::sync::Arc;

use api::http::RunExit;
use api::result::ResultFile;
use control::{ContentDigest, FromController, RunId};
use units::{Nanos, Rate};

use super::{LoggedEvent, Submission};
use crate::run::SealedRun;

/// One session stream, for as long as it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Something to do.
#[derive(Debug)]
pub enum ClusterOutput {
    /// Say this on a session stream.
    Send {
        /// Which stream.
        link: LinkId,
        /// What.
        message: Box<FromController>,
    },
    /// End a session stream, after what was said on it before.
    Close {
        /// Which stream.
        link: LinkId,
    },
    /// Show this to whoever follows the run.
    Event {
        /// Which run.
        run: RunId,
        /// What.
        event: Arc<LoggedEvent>,
    },
    /// A run is over: make its result, and hand it to [`Cluster::built`](super::Cluster::built).
    Build(Box<Build>),
}

/// What a result is made of.
#[derive(Debug)]
pub struct Build {
    /// The run as it ended.
    pub sealed: SealedRun,
    /// How it was asked for.
    pub submission: Arc<Submission>,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its exit code, and why there is no result where there is none.
    pub exit: RunExit,
    /// Its result.
    pub result: Option<Arc<ResultFile>>,
    /// Memory the result takes, about.
    pub bytes: usize,
}

/// The result of a run, as far as there is one.
#[derive(Clone, Debug, PartialEq)]
pub enum ResultOf {
    /// This is it.
    Run(Arc<ResultFile>),
    /// There is none, for these reasons.
    Nothing(Vec<String>),
    /// The run is not over.
    NotOver,
}

/// A key under which something is asked for at most once, and what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The key.
    pub key: String,
    /// SHA-256 of the request's canonical body.
    pub body: ContentDigest,
}

/// A change of a run that somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum RunControl {
    /// End it.
    Stop {
        /// Cancel what is in flight instead of letting it end.
        cancel: bool,
    },
    /// Hold a rate to the end of a scenario's profile.
    Rate {
        /// The scenario; may be left out where only one is open.
        scenario: Option<String>,
        /// The rate.
        rate: Rate,
    },
    /// Multiply the rates that are still to come.
    Scale {
        /// One scenario; `None` for all open ones.
        scenario: Option<String>,
        /// By this: from 0 to 1,000.
        factor: f64,
    },
    /// Stop the clocks of all profiles.
    Pause,
    /// Let them go on.
    Resume,
}

/// Why a session stream is refused or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefusal {
    /// The first message is no hello.
    #[error("a session stream begins with a hello")]
    NoHello,
    /// The session has not enrolled, or so long ago that nothing of it is known.
    #[error("the session is not known; enrol first")]
    Unknown,
    /// The controller ends or has ended.
    #[error("the controller has ended")]
    Ended,
}

/// Why a run is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The same key came with another body.
    #[error("the idempotency key was used for another run ({run}); use a new key for a new run")]
    Conflict {
        /// The run that the key stands for.
        run: RunId,
    },
    /// As many runs wait as may.
    #[error("{limit} runs wait already; try again in {}", retry_after)]
    QueueFull {
        /// How many may wait.
        limit: usize,
        /// When to try again.
        retry_after: Nanos,
    },
    /// The key is empty or too long.
    #[error("an idempotency key has 1 to {most} characters")]
    Key {
        /// The most it may have.
        most: usize,
    },
    /// The document is no valid workload.
    #[error("the workload is not valid: {0}")]
    Invalid(String),
    /// A file was not put first.
    #[error("the content of `{path}` ({digest}) is not here; put it first")]
    MissingContent {
        /// The path as the workload spells it.
        path: String,
        /// What the request says its digest is.
        digest: String,
    },
    /// The controller ends or has ended.
    #[error("the controller has ended")]
    Ended,
}

/// Why a run cannot be looked at or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// There is no such run.
    #[error("there is no run {0}; `loadgen status` lists those there are")]
    UnknownRun(RunId),
    /// It is over, and so long ago that it is not kept any more.
    #[error("run {0} is over and not kept any more; the controller keeps the last results only")]
    Forgotten(RunId),
    /// It waits.
    #[error("run {run} does not make load: it is {state}")]
    NotRunning {
        /// Which.
        run: RunId,
        /// What it does instead.
        state: &'static str,
    },
    /// No scenario has that name.
    #[error("there is no scenario `{name}`; the run has {known}")]
    UnknownScenario {
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The scenario has no rate.
    #[error("scenario `{name}` has virtual users, not a rate; only the rate of an open scenario can be set")]
    ClosedScenario {
        /// The name.
        name: String,
    },
    /// Several scenarios could be meant, or none.
    #[error("say which scenario: {open} of the run's scenarios have a rate")]
    AmbiguousScenario {
        /// How many are open.
        open: usize,
    },
    /// The factor is no number to multiply with.
    #[error("cannot multiply by {0}; give a factor from 0 to 1000")]
    Factor(String),
    /// The run refuses it.
    #[error("{0}")]
    Refused(String),
    /// The controller ends or has ended.
    #[error("the controller has ended")]
    Ended,
}

/// Why a worker cannot be drained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrainError {
    /// No worker has that name.
    #[error("there is no worker `{0}`; `loadgen status` lists those there are")]
    UnknownWorker(String),
    /// It is not there any more.
    #[error("worker `{name}` is {state} already")]
    NotThere {
        /// Which.
        name: String,
        /// What became of it.
        state: &'static str,
    },
    /// The controller ends or has ended.
    #[error("the controller has ended")]
    Ended,
}
