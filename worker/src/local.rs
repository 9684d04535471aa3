//! A worker in this process: its façade and its thread.
//!
//! The thread waits for whatever comes first, a word of the controller, an event of its helpers (the one that prepares,
//! the engine's threads, tasks that are executed once) or an instant; feeds it to the session; and does what that says.
//! Nothing it does blocks, so a stop is heard at any time: preparing has a thread of its own, which is left behind when
//! nobody wants its result any more.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use control::{
    Ack, Command, CommandId, Fact, Prepare, Refusal, RunId, SessionId, StopMode, WorkerId, WorkerInfo,
};
use crossbeam::channel::{Receiver, Sender, bounded, never, select};
use engine::{Lease, Order, Revised, TaskRegistry, Watcher};
use metrics::Snapshot;
use plan::{Course, Revision, RunPlan};
use units::{Clock, MonotonicClock, Nanos, Timestamp};

use crate::collector::Collector;
use crate::export::{Exporter, Flushed, Part, Told, WorkerTelemetry};
use crate::health::{EngineUse, Meter};
use crate::launch::{self, Ready, error_line};
use crate::limits::LoadLimits;
use crate::machine;
use crate::once::Errands;
use crate::outbox::{Author, Outbox};
use crate::session::{Closing, Departure, Input, Output, Session, ThreadEnd};
use crate::threads::{EngineThreads, panic_text};
use crate::vitals::Vitals;

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
    /// Whether engine threads are kept on a CPU each where there are CPUs to spare; not where other workers use them too.
    pub pin: bool,
    /// What its operator lets it do, whatever a run asks for.
    pub limits: LoadLimits,
    /// Where its telemetry goes.
    pub telemetry: WorkerTelemetry,
}

/// Something a worker says.
#[derive(Debug)]
pub enum Report {
    /// Something is true; kept, and said again, until it is acknowledged.
    Fact(Box<Fact>),
    /// Every command up to this one was applied.
    Applied(CommandId),
}

/// A worker in this process, on a thread of its own beside those of the engine.
#[derive(Debug)]
pub struct LocalWorker {
    words: Option<Sender<Word>>,
    thread: Option<JoinHandle<()>>,
}

/// What a worker of a cluster has beside its options.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) session: SessionId,
    /// The right to send load.
    pub(crate) lease: Lease,
    pub(crate) vitals: Arc<Vitals>,
}

/// Something the worker is told.
#[derive(Debug)]
enum Word {
    Command(Command),
    Ack(Ack),
    Resume(Ack),
    Stop(StopMode),
    Leave { drain: Nanos },
    Withdraw,
}

/// Words that may wait: an acknowledgement for each fact that is out, also when all of them are sent again, and
/// everything else a run can say.
const WORDS: usize = 4 * Outbox::WINDOW;

/// Events that may wait: a few revisions of as many threads as there may be, and everything else.
const EVENTS: usize = 4_096;

impl LocalWorker {
    /// The most facts that are handed out and not yet acknowledged: a queue of this size makes the worker wait only when
    /// facts are sent again.
    pub const MOST_UNACKED: usize = Outbox::WINDOW;

    /// Who a worker on this machine is.
    pub fn info() -> WorkerInfo {
        WorkerInfo { version: env!("CARGO_PKG_VERSION").into(), host: machine::host_facts() }
    }

    /// Starts the worker of a run that is conducted in this process; it waits for its first command.
    ///
    /// `on_report` is called on the worker's thread, in order. It may wait, but not for the caller of
    /// [`LocalWorker::command`]; it is dropped when the worker is over, in whatever way.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub fn start(options: WorkerOptions, on_report: impl FnMut(Report) + Send + 'static) -> io::Result<Self> {
        let alone =
            Membership { session: SessionId::IN_PROCESS, lease: Lease::forever(), vitals: Arc::default() };
        Self::start_leased(options, alone, on_report)
    }

    /// As [`LocalWorker::start`], for a run of a cluster: load ends with the lease.
    pub(crate) fn start_leased(
        options: WorkerOptions,
        membership: Membership,
        on_report: impl FnMut(Report) + Send + 'static,
    ) -> io::Result<Self> {
        let (words, received) = bounded(WORDS);
        let run = move || {
            let (said, events) = bounded(EVENTS);
            Host::new(options, membership, on_report, said).run(received, &events);
        };
        let thread = Builder::new().name("worker".into()).spawn(run)?;
        Ok(Self { words: Some(words), thread: Some(thread) })
    }

    /// Gives the worker a command; one given after its end is forgotten.
    pub fn command(&self, command: Command) {
        self.say(Word::Command(command));
    }

    /// Tells the worker how far its facts were taken.
    pub fn ack(&self, ack: Ack) {
        self.say(Word::Ack(ack));
    }

    /// Tells the worker that its words go a new way, on which the controller took its facts up to here.
    pub(crate) fn resume(&self, ack: Ack) {
        self.say(Word::Resume(ack));
    }

    /// Ends the load, as a command would, but out of turn.
    pub(crate) fn stop(&self, mode: StopMode) {
        self.say(Word::Stop(mode));
    }

    /// Carries nothing of the plan any more; what is in flight has `drain` to end.
    pub(crate) fn leave(&self, drain: Nanos) {
        self.say(Word::Leave { drain });
    }

    /// Leaves once a revision is in force that gives it nothing.
    pub(crate) fn withdraw(&self) {
        self.say(Word::Withdraw);
    }

    fn say(&self, word: Word) {
        if let Some(words) = &self.words {
            let _ = words.send(word);
        }
    }
}

/// Ends the worker: load that is still made is cancelled. Takes at most 2 s beside what `on_report` waits.
impl Drop for LocalWorker {
    fn drop(&mut self) {
        drop(self.words.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// Something that happened on another thread of the worker.
pub(crate) enum Event {
    /// Making ready is over.
    Readiness(Result<Box<Ready>, Refusal>),
    /// An engine thread took up a revision.
    Revised { thread: u32, revision: u64, effective: Nanos },
    /// A task that was to be executed once is over.
    OnceEnded { command: CommandId, failure: Option<String> },
    /// An engine thread is over.
    ThreadEnded { thread: u32, end: ThreadEnd },
    /// The export thread tells something.
    Told(Told),
}

/// The worker's thread.
struct Host<F> {
    options: WorkerOptions,
    membership: Membership,
    on_report: F,
    clock: MonotonicClock,
    session: Session,
    /// What the session said and is still to be done, in order.
    outputs: VecDeque<Output>,
    said: Sender<Event>,
    ready: Option<Box<Ready>>,
    /// What was made ready, and for how many threads.
    plan: Option<(Arc<RunPlan>, u32)>,
    engine: EngineThreads,
    errands: Errands,
    collector: Collector,
    exporter: Option<Exporter>,
    /// What waits for the end of the flush, and until when.
    closing: Option<(Closing, Timestamp)>,
    /// What came of a flush before one was asked for: the export thread panicked.
    flushed: Option<Flushed>,
    meter: Meter,
    used: EngineUse,
    /// The first interval that some engine thread had not delivered when it was last looked at.
    delivered: u32,
    /// Whether the session was told that its lease is over.
    has_lapsed: bool,
}

impl<F: FnMut(Report)> Host<F> {
    fn new(options: WorkerOptions, membership: Membership, on_report: F, said: Sender<Event>) -> Self {
        let (run_id, worker, session) = (options.run_id, options.id.clone(), membership.session);
        Self {
            on_report,
            clock: MonotonicClock,
            session: Session::new(Author { run_id, worker, session }),
            outputs: VecDeque::new(),
            errands: Errands::new(run_id, options.tasks.clone(), said.clone()),
            said,
            ready: None,
            plan: None,
            engine: EngineThreads::default(),
            collector: Collector::new(Vec::new()),
            exporter: None,
            closing: None,
            flushed: None,
            meter: Meter::new(options.target_threads.clone()),
            used: EngineUse::default(),
            delivered: 0,
            has_lapsed: false,
            options,
            membership,
        }
    }

    fn run(mut self, mut words: Receiver<Word>, events: &Receiver<Event>) {
        while !self.session.is_over() {
            select! {
                recv(words) -> word => match word {
                    Ok(word) => self.hear(word),
                    Err(_) => {
                        words = never();
                        self.step(Input::Abandoned);
                    }
                },
                recv(events) -> event => if let Ok(event) = event {
                    self.take(event);
                },
                default(self.patience()) => {}
            }
            self.collect();
            self.give_up_flush();
            self.step(Input::Tick);
            self.carry_out();
            self.show_progress();
        }
    }

    /// How long nothing happens by itself.
    fn patience(&self) -> Duration {
        // Once the session was told of its lease's end, nothing follows from that any more.
        let is_told = self.has_lapsed || self.session.has_ended();
        let lapse = if is_told { Timestamp::NEVER } else { self.membership.lease.deadline() };
        let flush = self.closing.as_ref().map_or(Timestamp::NEVER, |(_, until)| *until);
        let next = self.session.wake_at().min(self.collector.wake_at()).min(lapse).min(flush);
        next.saturating_since(self.clock.now()).min(LONGEST_WAIT).into()
    }

    fn hear(&mut self, word: Word) {
        let now = self.clock.now();
        self.step(match word {
            Word::Command(command) => Input::Command(command),
            Word::Ack(ack) => Input::Ack(ack),
            Word::Resume(ack) => Input::Resume(ack),
            Word::Stop(mode) => Input::Stop(mode),
            Word::Leave { drain } => Input::Leave(Departure { since: now, drain }),
            Word::Withdraw => Input::Withdraw,
        });
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
            Event::Revised { thread, revision, effective } => {
                self.step(Input::Revised { thread, revision, effective });
            }
            Event::OnceEnded { command, failure } => {
                self.errands.join(command);
                self.step(Input::OnceEnded { command, failure });
            }
            Event::ThreadEnded { thread, end } => self.thread_ended(thread, end),
            Event::Told(Told::Traced(requests)) => self.step(Input::Traced(requests)),
            Event::Told(Told::Flushed(flushed)) => self.flushed(flushed),
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
            self.measured(snapshot);
        }
    }

    fn measured(&mut self, snapshot: Snapshot) {
        if let Some(exporter) = &mut self.exporter {
            exporter.observe(&snapshot);
        }
        self.step(Input::Measured(Box::new(snapshot)));
    }

    fn step(&mut self, input: Input) {
        let (now, mut outputs) = (self.clock.now(), Vec::new());
        let until = self.membership.lease.deadline();
        if now >= until {
            // Before what came, which may be that the engine's threads ended because of this.
            let departure = Departure { since: until, drain: StopMode::DRAIN };
            self.session.step(now, Input::Leave(departure), &mut outputs);
            self.has_lapsed = true;
        }
        let superseded = self.session.superseded();
        self.session.step(now, input, &mut outputs);
        self.membership.vitals.add_superseded(self.session.superseded() - superseded);
        self.outputs.extend(outputs);
    }

    /// Lets a watcher tell a worker that does nothing from one that has nothing to do: while load is made, every engine
    /// thread has to hand over something each second.
    fn show_progress(&mut self) {
        let delivered = self.collector.delivered();
        if !self.session.is_running() || delivered > self.delivered {
            self.delivered = delivered;
            self.membership.vitals.progressed();
        }
    }

    /// Does what the session said, and what it says to that.
    fn carry_out(&mut self) {
        while let Some(output) = self.outputs.pop_front() {
            match output {
                Output::Fact(fact) => (self.on_report)(Report::Fact(fact)),
                Output::Applied(through) => (self.on_report)(Report::Applied(through)),
                Output::Prepare(prepare) => self.prepare(prepare),
                Output::Launch => self.launch(),
                Output::Order(order) => {
                    if let Order::StartAt(at) = order {
                        self.collector.begin(at);
                        self.exporter.iter().for_each(|exporter| exporter.begin(at));
                    }
                    self.errands.order(&order);
                    self.engine.order(&order);
                }
                Output::Revise(revision) => self.revise(revision),
                Output::Once { command, task } => {
                    if let Err(error) = self.errands.run(command, &task) {
                        let failure = Some(format!("it was not executed: no thread can be had: {error}"));
                        self.step(Input::OnceEnded { command, failure });
                    }
                }
                Output::Begin => self.meter.begin(),
                Output::Close { until } => self.close(until),
                Output::Hasten { until } => self.hasten(until),
            }
        }
    }

    fn revise(&mut self, revision: Revision) {
        let (number, result) = (revision.share.revision, self.course(revision));
        let result = result.and_then(|course| {
            let is_taken = self.engine.order(&Order::Revise(Arc::new(course)));
            is_taken.then_some(()).ok_or_else(|| "engine threads do not take revisions up".to_owned())
        });
        if let Err(why) = result {
            // To go on by the revision before would be another test than the one that is conducted.
            self.step(Input::Forbidden(format!("revision {number}: {why}")));
        }
    }

    /// Works `revision` out, if the worker's operator lets it.
    fn course(&self, revision: Revision) -> Result<Course, String> {
        let (plan, threads) = self.plan.as_ref().ok_or("there is nothing to revise")?;
        let course = Course::new(plan, revision, *threads).map_err(|error| error_line(&error))?;
        self.options.limits.check_rate(plan, &course)?;
        Ok(course)
    }

    fn prepare(&mut self, prepare: Box<Prepare>) {
        let (said, options, lease) = (self.said.clone(), self.options.clone(), self.membership.lease.clone());
        let watch = self.said.clone();
        let watcher = Watcher::new(move |Revised { thread, revision, effective }| {
            // An engine thread never waits; there is room for more revisions than are ever under way.
            if watch.try_send(Event::Revised { thread, revision, effective }).is_err() {
                tracing::error!(thread, revision, "nobody took note of a revision");
            }
        });
        let work = move || {
            let readiness =
                catch_unwind(AssertUnwindSafe(|| launch::prepare(&prepare, &options, &lease, &watcher)));
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
        self.plan = Some((Arc::clone(&ready.plan), ready.prepared.threads));
        let policy = Arc::new(self.options.limits.target_policy());
        self.collector = Collector::new(ready.drains);
        self.export(ready.part);
        for thread in ready.threads {
            let number = thread.config.thread;
            let said = self.said.clone();
            let ended = move |end| drop(said.send(Event::ThreadEnded { thread: number, end }));
            let requests = Arc::clone(&ready.requests);
            let (policy, tasks) = (Arc::clone(&policy), self.options.tasks.clone());
            if let Err(error) = self.engine.spawn(thread, requests, policy, tasks, ended) {
                self.thread_ended(number, ThreadEnd::Failed(format!("no thread can be had: {error}")));
            }
        }
    }

    fn export(&mut self, part: Part) {
        let said = self.said.clone();
        let tell = move |told| match told {
            // What finds no room among this many events is missed by nobody: the next second has its own.
            Told::Traced(_) => drop(said.try_send(Event::Told(told))),
            // Nobody waits any more when the worker is over.
            Told::Flushed(_) => drop(said.send(Event::Told(told))),
        };
        match Exporter::start(part, tell) {
            Ok(exporter) => self.exporter = Some(exporter),
            Err(error) => {
                let fault = format!("no thread can be had to export telemetry: {error}");
                self.flushed = Some(Flushed { fault: Some(fault), ..Flushed::default() });
            }
        }
    }

    fn close(&mut self, until: Timestamp) {
        for snapshot in self.collector.finish() {
            self.measured(snapshot);
        }
        self.used.coalesced = self.collector.coalesced();
        let health = self.meter.finish(&self.used);
        let closing = Closing { health, recorded: self.collector.recorded(), ..Closing::default() };
        self.closing = Some((closing, until + FLUSH_SLACK));
        match (self.flushed.take(), &mut self.exporter) {
            (Some(flushed), _) => self.flushed(flushed),
            (None, Some(exporter)) => exporter.flush(health, until),
            (None, None) => self.flushed(Flushed::default()),
        }
    }

    fn hasten(&mut self, until: Timestamp) {
        if let (Some((_, given_up)), Some(exporter)) = (&mut self.closing, &self.exporter) {
            *given_up = until + FLUSH_SLACK;
            exporter.hasten(until);
        }
    }

    /// Says the last word without the export thread, if that has had its time.
    fn give_up_flush(&mut self) {
        let is_late = self.closing.as_ref().is_some_and(|(_, until)| self.clock.now() >= *until);
        if let Some(exporter) = self.exporter.as_ref().filter(|_| is_late) {
            let flushed = exporter.give_up();
            self.flushed(flushed);
        }
    }

    fn flushed(&mut self, flushed: Flushed) {
        match self.closing.take() {
            Some((closing, _)) => {
                let Flushed { telemetry, over_budget, fault } = flushed;
                let faults = fault.into_iter().collect();
                self.exporter = None;
                self.step(Input::Closed(Closing { telemetry, over_budget, faults, ..closing }));
            }
            None => self.flushed = Some(flushed),
        }
    }
}

/// What a flush may take beyond its deadline before it is not waited for.
const FLUSH_SLACK: Nanos = Nanos::from_millis(100);

/// An upper bound on one wait: whoever watches the worker sees that it goes on.
const LONGEST_WAIT: Nanos = Nanos::SECOND;
