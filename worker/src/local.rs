//! A worker in this process: its façade and its thread.
//!
//! The thread waits for whatever comes first, a command, an event of its helpers (the one that prepares, the engine's
//! threads) or an instant; feeds it to the session; and does what that says. Nothing it does blocks, so a stop is heard
//! at any time: preparing has a thread of its own, which is left behind when nobody wants its result any more.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use control::{Command, Fact, Prepare, Refusal, RunId, WorkerId, WorkerInfo};
use crossbeam::channel::{Receiver, Sender, bounded, never, select};
use engine::{Order, TaskRegistry};
use units::{Clock, MonotonicClock, Nanos};

use crate::collector::Collector;
use crate::health::{EngineUse, Meter};
use crate::launch::{self, Ready};
use crate::machine;
use crate::outbox::Outbox;
use crate::session::{Closing, Input, Output, Session, ThreadEnd};
use crate::threads::{EngineThreads, panic_text};

/// What a worker needs to know before its first command.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// The run it takes part in.
    pub run_id: RunId,
    /// Its name.
    pub id: WorkerId,
    /// The Rust tasks that scenarios may name.
    pub tasks: TaskRegistry,
    /// How the names of the threads begin that serve a target in this same process, for example `target-`: their CPU
    /// time is not the generator's, and every connection takes a second file handle. `None` without such a target.
    pub target_threads: Option<String>,
}

/// A worker in this process, on a thread of its own beside those of the engine.
#[derive(Debug)]
pub struct LocalWorker {
    commands: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// Commands that may wait: one acknowledgement for each fact that is out, and everything else a run can say.
const COMMANDS: usize = 4 * Outbox::WINDOW;

/// Events that may wait; who says one may wait too.
const EVENTS: usize = 64;

impl LocalWorker {
    /// The most facts that are handed out and not yet acknowledged: a queue of this size never makes the worker wait.
    pub const MOST_UNACKED: usize = Outbox::WINDOW;

    /// Starts a worker; its first fact is that it has joined.
    ///
    /// `on_fact` is called on the worker's thread, in order. It may wait, but not for the caller of
    /// [`LocalWorker::command`]; it is dropped when the worker is over, in whatever way.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub fn start(options: WorkerOptions, on_fact: impl FnMut(Fact) + Send + 'static) -> io::Result<Self> {
        let (commands, received) = bounded(COMMANDS);
        let run = move || {
            let (said, events) = bounded(EVENTS);
            Host::new(options, on_fact, said).run(received, &events);
        };
        let thread = Builder::new().name("worker".into()).spawn(run)?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Gives the worker a command; one given after its end is forgotten.
    pub fn command(&self, command: Command) {
        if let Some(commands) = &self.commands {
            let _ = commands.send(command);
        }
    }
}

/// Ends the worker: load that is still made is cancelled. Takes at most 2 s beside what `on_fact` waits.
impl Drop for LocalWorker {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// Something that happened on another thread of the worker.
enum Event {
    Readiness(Result<Box<Ready>, Refusal>),
    ThreadEnded { thread: u32, end: ThreadEnd },
}

/// The worker's thread.
struct Host<F> {
    options: WorkerOptions,
    on_fact: F,
    clock: MonotonicClock,
    session: Session,
    /// What the session said and is still to be done, in order.
    outputs: VecDeque<Output>,
    said: Sender<Event>,
    ready: Option<Box<Ready>>,
    engine: EngineThreads,
    collector: Collector,
    meter: Meter,
    used: EngineUse,
}

impl<F: FnMut(Fact)> Host<F> {
    fn new(options: WorkerOptions, on_fact: F, said: Sender<Event>) -> Self {
        let info = WorkerInfo { version: env!("CARGO_PKG_VERSION").into(), host: machine::host_facts() };
        let mut outputs = Vec::new();
        let session = Session::new(options.run_id, options.id.clone(), info, &mut outputs);
        Self {
            on_fact,
            clock: MonotonicClock,
            session,
            outputs: outputs.into(),
            said,
            ready: None,
            engine: EngineThreads::default(),
            collector: Collector::new(Vec::new()),
            meter: Meter::new(options.target_threads.clone()),
            used: EngineUse::default(),
            options,
        }
    }

    fn run(mut self, mut commands: Receiver<Command>, events: &Receiver<Event>) {
        self.carry_out();
        while !self.session.is_over() {
            select! {
                recv(commands) -> command => match command {
                    Ok(command) => self.step(Input::Command(command)),
                    Err(_) => {
                        commands = never();
                        self.step(Input::Abandoned);
                    }
                },
                recv(events) -> event => if let Ok(event) = event {
                    self.take(event);
                },
                default(self.patience()) => {}
            }
            self.collect();
            self.step(Input::Tick);
            self.carry_out();
        }
    }

    /// How long nothing happens by itself.
    fn patience(&self) -> Duration {
        let next = self.session.wake_at().min(self.collector.wake_at());
        next.saturating_since(self.clock.now()).min(LONGEST_WAIT).into()
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Readiness(Ok(ready)) => {
                let prepared = ready.prepared.clone();
                let cpus: Vec<_> = ready.threads.iter().filter_map(|thread| thread.cpu).collect();
                tracing::debug!(threads = prepared.threads, max_vus = prepared.max_vus, ?cpus, "prepared");
                self.ready = Some(ready);
                self.step(Input::Readiness(Ok(prepared)));
                self.carry_out();
                // Not taken up when a stop came before.
                self.ready = None;
            }
            Event::Readiness(Err(refusal)) => self.step(Input::Readiness(Err(refusal))),
            Event::ThreadEnded { thread, end } => self.thread_ended(thread, end),
        }
    }

    fn thread_ended(&mut self, thread: u32, end: ThreadEnd) {
        self.engine.join(thread);
        if let ThreadEnd::Finished(report) = &end {
            self.used.cpu.push(report.cpu);
            if report.teardowns_cut > 0 {
                tracing::warn!(
                    thread,
                    users = report.teardowns_cut,
                    "the teardown of task users took too long and was cut"
                );
            }
        }
        self.step(Input::ThreadEnded { thread, end });
    }

    /// Hands over what was measured in the seconds that are full.
    fn collect(&mut self) {
        let now = self.clock.now();
        if now < self.collector.wake_at() {
            return;
        }
        self.meter.watch_clock();
        for snapshot in self.collector.poll(now) {
            self.step(Input::Measured(Box::new(snapshot)));
        }
    }

    fn step(&mut self, input: Input) {
        let mut outputs = Vec::new();
        self.session.step(self.clock.now(), input, &mut outputs);
        self.outputs.extend(outputs);
    }

    /// Does what the session said, and what it says to that.
    fn carry_out(&mut self) {
        while let Some(output) = self.outputs.pop_front() {
            match output {
                Output::Fact(fact) => (self.on_fact)(*fact),
                Output::Prepare(prepare) => self.prepare(prepare),
                Output::Launch => self.launch(),
                Output::Order(order) => {
                    if let Order::StartAt(at) = order {
                        self.collector.begin(at);
                    }
                    self.engine.order(order);
                }
                Output::Begin => self.meter.begin(),
                Output::Close => self.close(),
            }
        }
    }

    fn prepare(&mut self, prepare: Box<Prepare>) {
        let (said, options) = (self.said.clone(), self.options.clone());
        let work = move || {
            let readiness = catch_unwind(AssertUnwindSafe(|| launch::prepare(&prepare, &options)));
            let readiness = readiness.unwrap_or_else(|payload| {
                Err(Refusal::Internal(format!("preparing the run panicked: {}", panic_text(&*payload))))
            });
            // Nobody waits any more when the worker is over.
            let _ = said.send(Event::Readiness(readiness.map(Box::new)));
        };
        if let Err(error) = Builder::new().name("prepare".into()).spawn(work) {
            let refusal = Refusal::Internal(format!("no thread can be had to prepare the run: {error}"));
            self.step(Input::Readiness(Err(refusal)));
        }
    }

    fn launch(&mut self) {
        let Some(ready) = self.ready.take() else { return };
        self.collector = Collector::new(ready.drains);
        for thread in ready.threads {
            let number = thread.config.thread;
            let said = self.said.clone();
            let ended = move |end| drop(said.send(Event::ThreadEnded { thread: number, end }));
            let requests = Arc::clone(&ready.requests);
            if let Err(error) = self.engine.spawn(thread, requests, self.options.tasks.clone(), ended) {
                self.thread_ended(number, ThreadEnd::Failed(format!("no thread can be had: {error}")));
            }
        }
    }

    fn close(&mut self) {
        for snapshot in self.collector.finish() {
            self.step(Input::Measured(Box::new(snapshot)));
        }
        self.used.coalesced = self.collector.coalesced();
        let health = self.meter.finish(&self.used);
        self.step(Input::Closed(Closing { health, recorded: self.collector.recorded() }));
    }
}

/// An upper bound on one wait, so that no arithmetic on far instants is ever too large for the system.
const LONGEST_WAIT: Nanos = Nanos::from_secs(60);
