//! What the side that conducts a run sends and shows of it: the numbers only it knows, the run's own spans, its log lines.
//!
//! Workers send what they did. The controller, and in a local run the command line, send the rest, under the worker name
//! `controller`: what the plan wants, who takes part, what became of thresholds and the verdict, the span of the run and
//! the root spans of its scenarios. A [`RunObserver`] is told of the run once a second ([`RunObserver::live`]) and once at
//! its end ([`RunObserver::close`]), which flushes and says what became of it all. Nothing but that last call waits.

mod budget;
mod levels;
mod spans;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use metrics::{Sampling, Signal, SinkReport};
use plan::RunPlan;
use scenario::{Files, Workload};
use telemetry::spans::WallAnchor;
use telemetry::{Board, Identity, LogRoutes, Outlet, Pipeline, RunBoard, RunLabels, Settings, catalogue};
use units::{Clock, MonotonicClock, Nanos, Timestamp};

use self::levels::Levels;
use crate::run::{RunFold, SealedRun};

/// Where the telemetry of a process goes. Clones lead to the same places.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Where it is sent, as the process's variables say.
    pub settings: Settings,
    /// What the process shows on `/metrics`.
    pub board: Board,
    /// Where its log lines go.
    pub routes: LogRoutes,
}

impl Telemetry {
    /// Sends nothing.
    pub fn off() -> Self {
        Self { settings: Settings::off(), board: Board::new(), routes: LogRoutes::new() }
    }
}

/// What an observer has to know of a run before it begins.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Its ID.
    pub run_id: control::RunId,
    /// What is run, as the user has it.
    pub workload: &'a Workload,
    /// What the files it names hold.
    pub files: &'a Files,
    /// The same workload, compiled.
    pub plan: &'a Arc<RunPlan>,
}

/// Observes one run for whoever conducts it. Dropped instead of closed, as when the program fails, it flushes nothing.
#[derive(Debug)]
pub struct RunObserver {
    run_id: uuid::Uuid,
    workload: Workload,
    plan: Arc<RunPlan>,
    digests: Digests,
    settings: Settings,
    routes: LogRoutes,
    board: RunBoard,
    levels: Levels,
    wall: WallAnchor,
    outlet: Outlet,
    /// None once it is closed.
    pipeline: Option<Pipeline>,
    next_export: Timestamp,
}

/// What the test is.
#[derive(Clone, Debug)]
struct Digests {
    scenario: String,
    config: String,
}

impl RunObserver {
    /// Begins to observe a run that is about to be prepared.
    ///
    /// # Errors
    /// When the machine has no thread for sending.
    pub fn start(telemetry: &Telemetry, about: &About<'_>) -> io::Result<Self> {
        let About { workload, files, plan, .. } = about;
        let run_id = about.run_id.as_uuid();
        let identity =
            Identity { run_id, process: CONTROLLER.to_owned(), version: env!("CARGO_PKG_VERSION") };
        let settings = telemetry.settings.clone();
        let pipeline = Pipeline::start(&settings, &identity)?;
        let outlet = pipeline.outlet();
        telemetry.routes.begin(run_id);
        if outlet.sends(Signal::Logs) {
            telemetry.routes.open(run_id, outlet.clone(), CONTROLLER.to_owned());
        }
        let board = telemetry.board.open(RunLabels { run_id, worker: CONTROLLER.to_owned() });
        let clock = MonotonicClock;
        let observer = Self {
            run_id,
            digests: Digests {
                scenario: hex(&workload.scenario_digest(files)),
                config: hex(&workload.config_digest(files)),
            },
            workload: (*workload).clone(),
            plan: Arc::clone(plan),
            routes: telemetry.routes.clone(),
            levels: Levels::new(workload, plan),
            wall: WallAnchor::read(&clock),
            next_export: clock.now() + settings.metric_interval,
            settings,
            board,
            outlet,
            pipeline: Some(pipeline),
        };
        observer.levels.about(&observer.board, &observer.digests.scenario, &plan.plan_hash().to_string());
        Ok(observer)
    }

    /// Looks at the run; once a second from its start on. `now` is on the clock of the run's machine.
    ///
    /// # Cost
    /// That of evaluating all thresholds, and when the interval of export is over some tens of microseconds for each
    /// number. Waits for nobody.
    pub fn live(&mut self, now: Timestamp, fold: &RunFold) {
        self.levels.live(&self.board, now, fold, &self.workload);
        self.board.sinks(&self.outlet.reports());
        if self.settings.sends_anything() {
            self.board.set(&catalogue::EXPORTER_FAILURES, &[], self.outlet.failures() as f64);
        }
        let now = MonotonicClock.now();
        if now >= self.next_export {
            self.next_export = now + self.settings.metric_interval;
            self.export(now);
        }
    }

    /// Sends the last numbers and the spans of a run that is over, flushes, and says what became of everything that was
    /// sent here: what stands in the result. Blocks, at most [`AFTER_STOP`] after a stop and [`AT_END`] otherwise. Not for
    /// async code.
    pub fn close(mut self, sealed: &SealedRun) -> Vec<SinkReport> {
        let judgement = crate::result::judge(sealed, &self.workload, Vec::new());
        self.levels.sealed(&self.board, sealed, &judgement);
        if self.traces() {
            self.outlet.spans(spans::of(&self, sealed, &judgement.verdict));
        }
        let now = MonotonicClock.now();
        self.export(now);
        let limit = if sealed.stopped_at.is_some() { AFTER_STOP } else { AT_END };
        let reports = self.pipeline.take().map(|pipeline| pipeline.close(now + limit)).unwrap_or_default();
        self.board.sinks(&reports);
        reports
    }

    /// Whether the run makes spans at all; the process's own variables win over the file.
    fn traces(&self) -> bool {
        let of_file = self.workload.options.telemetry.traces.sampling;
        let sampling = self.settings.sampler.unwrap_or(of_file);
        self.outlet.sends(Signal::Traces) && sampling != Sampling::Off
    }

    fn export(&self, now: Timestamp) {
        if self.outlet.sends(Signal::Metrics) {
            self.outlet.points(self.board.points(self.wall.unix_nanos(now), &self.settings));
        }
    }
}

impl Drop for RunObserver {
    fn drop(&mut self) {
        self.routes.close(self.run_id);
        self.routes.end(self.run_id);
        self.board.end();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How the side that conducts is called in all telemetry, and in the result.
pub(crate) const CONTROLLER: &str = "controller";

/// For the last flush after a stop: the seal comes 4 s after the stop at the latest, and half a second is for writing.
pub const AFTER_STOP: Nanos = Nanos::from_millis(400);
/// For the last flush of a run that ended by itself.
pub const AT_END: Nanos = Nanos::from_secs(2);
