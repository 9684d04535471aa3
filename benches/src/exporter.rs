//! The exporting side of a run, as a worker has it beside its engine threads: spans and metrics over OTLP, to a sink that
//! takes everything.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, park_timeout, spawn};
use std::time::Duration;

use anyhow::Context;
use metrics::{Drain, ExecutionDrain, Layout, RunKey, ScenarioKey, SinkReport, TraceShape};
use plan::RunPlan;
use telemetry::spans::{RequestNames, ScenarioNames, SpanCatalog, StepNames, WallAnchor};
use telemetry::{Board, Identity, Pipeline, RunLabels, Settings};
use units::{Clock, MonotonicClock, Nanos};

use crate::RUN_ID;

/// Answers every request of an exporter with "all taken", until the process ends: told its address by `told`.
///
/// # Errors
/// When there is no port to listen on.
pub fn serve(told: impl FnOnce(&str)) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    told(&format!("http://{}", listener.local_addr()?));
    for connection in listener.incoming() {
        let connection = connection?;
        // Who leaves in the middle has nothing more to be told.
        spawn(move || drop(answer(connection)));
    }
    Ok(())
}

fn answer(connection: TcpStream) -> anyhow::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut writer = connection;
    let mut body = Vec::new();
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse()?
                }
                Some(_) => {}
                None if line.trim_end().is_empty() => break,
                None => {}
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        writer.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n",
        )?;
    }
}

/// Exports what an engine thread hands over, on a thread of its own, until it is told that the run is over.
pub struct Exporter {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<SinkReport>>,
}

impl Exporter {
    /// Begins to export what `plan` measures to `endpoint`: metrics every second, ten times as often as by default.
    ///
    /// # Errors
    /// When the pipeline cannot be started.
    pub fn start(
        plan: &RunPlan,
        layout: Arc<Layout>,
        endpoint: String,
        drain: Drain,
        executions: ExecutionDrain,
    ) -> anyhow::Result<Self> {
        let settings = Settings::from_variables(|name| match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.clone()),
            "OTEL_EXPORTER_OTLP_PROTOCOL" => Some("http/protobuf".to_owned()),
            _ => None,
        })?;
        let run_id = uuid::Uuid::from_u128(RUN_ID);
        let identity = Identity { run_id, process: "local".to_owned(), version: env!("CARGO_PKG_VERSION") };
        let pipeline = Pipeline::start(&settings, &identity).context("the pipeline does not start")?;
        let catalog = catalog(plan);
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let work = Work { settings, pipeline, catalog, layout, drain, executions };
        let thread = spawn(move || work.until(&seen));
        Ok(Self { over, thread })
    }

    /// Sends the rest; what became of everything.
    pub fn finish(self) -> Vec<SinkReport> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().expect("an exporter does not panic")
    }
}

struct Work {
    settings: Settings,
    pipeline: Pipeline,
    catalog: SpanCatalog,
    layout: Arc<Layout>,
    drain: Drain,
    executions: ExecutionDrain,
}

impl Work {
    fn until(mut self, over: &AtomicBool) -> Vec<SinkReport> {
        let clock = MonotonicClock;
        let wall = WallAnchor::read(&clock);
        let outlet = self.pipeline.outlet();
        let run_id = uuid::Uuid::from_u128(RUN_ID);
        let board = Board::new().open(RunLabels { run_id, worker: "local".to_owned() });
        board.measure(&self.layout);
        let mut points_at = clock.now();
        loop {
            let is_over = over.load(Ordering::Relaxed);
            let mut spans = Vec::new();
            while let Some(record) = self.executions.next_record() {
                self.catalog.execution(&record, &wall, &mut spans);
                self.executions.give_back(record);
            }
            outlet.spans(spans);
            while let Some(snapshot) = self.drain.next_snapshot() {
                board.observe(&snapshot);
            }
            let now = clock.now();
            if now >= points_at || is_over {
                outlet.points(board.points(wall.unix_nanos(now), &self.settings));
                points_at = now + Nanos::SECOND;
            }
            if is_over {
                return self.pipeline.close(now + Nanos::from_secs(5));
            }
            park_timeout(Duration::from_millis(100));
        }
    }
}

fn catalog(plan: &RunPlan) -> SpanCatalog {
    let scenario = |(position, scenario): (u32, &plan::ScenarioPlan)| ScenarioNames {
        name: scenario.name.clone(),
        key: key(position),
        task: None,
    };
    let step = |step: &plan::Step| StepNames { scenario: step.scenario.index(), name: step.name.clone() };
    let request = |request: &plan::RequestPlan| {
        let origin = &plan.origins[request.origin.index()];
        RequestNames {
            method: request.method.clone(),
            scheme: "http",
            host: origin.host.clone(),
            port: origin.port,
            target: "/".to_owned(),
            user_agent: "loadgen".to_owned(),
        }
    };
    SpanCatalog::new(
        uuid::Uuid::from_u128(RUN_ID),
        "local",
        (0..).zip(&plan.scenarios).map(scenario).collect(),
        plan.steps.iter().map(step).collect(),
        plan.requests.iter().map(request).collect(),
    )
}

/// The names of a scenario's spans.
pub(crate) fn key(scenario: u32) -> ScenarioKey {
    RunKey::new(RUN_ID).scenario(scenario, TraceShape::Tree)
}
