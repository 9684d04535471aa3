//! What a worker tells of its part of a run beside its facts: spans, exemplars, log lines and metrics.
//!
//! ```text
//!  engine threads ── kept executions ──▸ Export, a thread ──▸ Outlet: spans, data points
//!  worker's thread ── snapshots ───────▸        │ ├─────────▸ RunBoard: /metrics, exemplars
//!        ▴──────────── slowest requests ────────┘ └─────────▸ log lines of executions
//! ```
//!
//! The thread looks after the engine's queues ten times a second and waits for nobody but, at the end, for the receivers;
//! how long is the session's to say. The worker's thread only hands over: what finds no room is merged and handed over later.

mod keeping;
mod lines;
mod names;
mod presence;
mod saturation;
#[cfg(test)]
mod tests;
mod thread;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::Builder;

use control::{TracedRequest, WorkerHealth};
use crossbeam::channel::{Sender, TrySendError, bounded};
use metrics::{ExecutionDrain, Layout, SinkReport, Snapshot};
use telemetry::spans::SpanCatalog;
use telemetry::{Board, LogRoutes, Outlet, Pipeline, Settings, StepTarget};
use units::{Clock as _, MonotonicClock, Timestamp};
use uuid::Uuid;

pub(crate) use self::keeping::Keeping;
pub(crate) use self::names::{span_catalog, step_targets};
use self::presence::Presence;
use self::thread::Export;
use crate::threads::panic_text;

/// Where a worker's telemetry goes.
#[derive(Clone, Debug)]
pub struct WorkerTelemetry {
    /// What is sent where.
    pub settings: Settings,
    /// What its process shows on `/metrics`.
    pub board: Board,
    /// Where the log lines of its process go; `None` where another part of the process sends them.
    pub routes: Option<LogRoutes>,
}

impl Default for WorkerTelemetry {
    /// Nothing is sent.
    fn default() -> Self {
        Self { settings: Settings::off(), board: Board::new(), routes: None }
    }
}

/// What is exported of one run.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) run_id: Uuid,
    pub(crate) worker: String,
    pub(crate) layout: Arc<Layout>,
    pub(crate) catalog: SpanCatalog,
    /// Where the requests of each step go; `None` for that of a task.
    pub(crate) targets: Vec<Option<StepTarget>>,
    /// Kept executions of each engine thread.
    pub(crate) drains: Vec<ExecutionDrain>,
    /// Whether the target is told the names of executions that are not sampled.
    pub(crate) tells_target: bool,
    /// How the names of threads begin whose time is not the generator's.
    pub(crate) excluded_threads: Option<String>,
    pub(crate) telemetry: WorkerTelemetry,
    /// `None` when nothing is sent.
    pub(crate) pipeline: Option<Pipeline>,
}

/// What the thread is told.
#[derive(Debug)]
enum Word {
    /// The instant from which run time counts.
    Begin(Timestamp),
    Observe(Box<Snapshot>),
    Flush {
        /// What found no room before.
        rest: Option<Box<Snapshot>>,
        health: Box<WorkerHealth>,
        until: Timestamp,
    },
}

/// What the thread tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// The slowest requests of the last second that can be found in traces.
    Traced(Vec<TracedRequest>),
    /// Nothing more comes.
    Flushed(Flushed),
}

/// What became of everything.
#[derive(Debug, Default)]
pub(crate) struct Flushed {
    pub(crate) telemetry: Vec<SinkReport>,
    pub(crate) over_budget: u64,
    /// Why there may have been more.
    pub(crate) fault: Option<String>,
}

/// Snapshots that may wait for the thread: seconds that it may be late.
const WORDS: usize = 16;

/// The worker's end of the export thread.
#[derive(Debug)]
pub(crate) struct Exporter {
    words: Sender<Word>,
    outlet: Option<Outlet>,
    /// What found no room.
    rest: Option<Box<Snapshot>>,
}

impl Exporter {
    /// Starts the thread; `tell` is called on it and must not wait. [`Told::Flushed`] is the last that it tells.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub(crate) fn start(part: Part, tell: impl Fn(Told) + Send + 'static) -> io::Result<Self> {
        let (words, received) = bounded(WORDS);
        let outlet = part.pipeline.as_ref().map(Pipeline::outlet);
        let way_out = outlet.clone();
        // From here on, not from when the thread comes to it: the engine's threads may speak before.
        let presence = Presence::new(&part);
        let run = move || {
            let result = catch_unwind(AssertUnwindSafe(|| Export::new(part, presence, &tell).run(&received)));
            let flushed = result.unwrap_or_else(|payload| {
                let text = panic_text(&*payload);
                let fault = format!("the export thread panicked, and telemetry is not complete: {text}");
                tracing::error!("{fault}");
                Flushed { telemetry: given_up(way_out.as_ref()), over_budget: 0, fault: Some(fault) }
            });
            tell(Told::Flushed(flushed));
        };
        Builder::new().name("export".into()).spawn(run)?;
        Ok(Self { words, outlet, rest: None })
    }

    /// Run time counts from `start`.
    pub(crate) fn begin(&self, start: Timestamp) {
        // It is among the first words, so there is room; and nobody listens after a panic.
        let _ = self.words.try_send(Word::Begin(start));
    }

    /// Takes what was measured in some intervals.
    pub(crate) fn observe(&mut self, snapshot: &Snapshot) {
        let mut next = Box::new(snapshot.clone());
        if let Some(mut rest) = self.rest.take() {
            rest.merge(&next).expect("one worker measures in one layout");
            next = rest;
        }
        if let Err(TrySendError::Full(Word::Observe(next))) = self.words.try_send(Word::Observe(next)) {
            self.rest = Some(next);
        }
    }

    /// Lets everything be sent that waits, until then at most; [`Told::Flushed`] follows, unless the thread hangs.
    pub(crate) fn flush(&mut self, health: WorkerHealth, until: Timestamp) {
        let flush = Word::Flush { rest: self.rest.take(), health: Box::new(health), until };
        // The thread takes its words at once, unless it hangs, as in writing log lines that nobody reads: then it is given
        // up in time.
        let _ = self.words.send_timeout(flush, until.saturating_since(MonotonicClock.now()).into());
    }

    /// Leaves less time to a flush under way.
    pub(crate) fn hasten(&self, until: Timestamp) {
        if let Some(outlet) = &self.outlet {
            outlet.give_up_by(until);
        }
    }

    /// What stands in for [`Told::Flushed`] when it does not come in time.
    pub(crate) fn give_up(&self) -> Flushed {
        let fault = "the export thread did not end in time, and telemetry is not complete".to_owned();
        Flushed { telemetry: given_up(self.outlet.as_ref()), over_budget: 0, fault: Some(fault) }
    }
}

/// What is known of every signal when nobody waits any longer: what has no end may have reached somebody.
fn given_up(outlet: Option<&Outlet>) -> Vec<SinkReport> {
    let mut reports = outlet.map(Outlet::reports).unwrap_or_default();
    for SinkReport { delivery, .. } in &mut reports {
        delivery.unknown += delivery.produced.saturating_sub(delivery.settled());
    }
    reports
}
