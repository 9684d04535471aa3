//! The worker of a cluster as one task: it carries what happens to the link's state machine, and does what that says.
//!
//! It waits for nobody: streams, deliveries and enrolments are tasks of their own, runs and the heartbeat are threads.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::Builder;

use control::wire::{AwaitingContents, Incoming};
use control::{
    CommandBody, ContentStore, ControllerMessage, Enrol, Enrolled, FromController, LeaveMode, MemoryContents,
    ProtocolVersions, RunId, SessionId, WorkerId,
};
use engine::{Lease, TaskRegistry};
use net::WallTime;
use net::deadline::{Meter, Operation};
use net::dial::Endpoint;
use net::probe::{Probe, ProbeError};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use units::{Clock, MonotonicClock, Nanos, Timestamp};
use uuid::Uuid;

use super::contact::{Contact, ContactError};
use super::credentials::{Credentials, Keep};
use super::heartbeat::Heartbeat;
use super::machine::{EnrolFailure, Input, Link, LinkOptions, Output, RunKey, WorkerExit};
use super::probe::{Condition, WorkerVitals};
use super::residual::{Residual, Taken};
use super::stream::{Said, Stream};
use crate::cpus::Cpus;
use crate::export::WorkerTelemetry;
use crate::limits::LoadLimits;
use crate::local::{LocalWorker, Membership, Report, WorkerOptions};
use crate::vitals::Vitals;

/// What a worker of a cluster is told by its operator.
#[derive(Debug)]
pub struct DaemonOptions {
    /// Where its controller is; the name is looked up anew at every attempt.
    pub controller: Endpoint,
    /// What it has to show, and whom it believes.
    pub credentials: Credentials,
    /// Where certificates are kept that it is issued.
    pub keep: Keep,
    /// Its name, one of its own in the cluster.
    pub name: WorkerId,
    /// What its operator says of it.
    pub labels: BTreeMap<String, String>,
    /// Its part of the load against those of others; `None` for as many as it has engine threads.
    pub weight: Option<u32>,
    /// Engine threads, whatever a run asks for; `None` for what the run says.
    pub threads: Option<u32>,
    /// Whether engine threads are kept on a CPU each where there are CPUs to spare.
    pub pin: bool,
    /// What its operator lets it do.
    pub limits: LoadLimits,
    /// The Rust tasks that scenarios may name.
    pub tasks: TaskRegistry,
    /// What becomes of its share on the first signal.
    pub leave: LeaveMode,
    /// How long its controller may be unreachable before it gives up; `None` for as long as it takes.
    pub unavailable: Option<Nanos>,
    /// Where `/healthz`, `/readyz` and `/metrics` are; `None` for nowhere.
    pub probe: Option<SocketAddr>,
    /// Limits and counts of all waits.
    pub meter: Arc<Meter>,
    /// Where the telemetry of its runs goes; the board is shown on the probe's page.
    pub telemetry: WorkerTelemetry,
}

/// Why a worker of a cluster cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The probe's address.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// No thread.
    #[error("no thread can be had for the heartbeat")]
    Heartbeat(#[source] io::Error),
}

/// The worker of a cluster.
#[derive(Debug)]
pub struct WorkerDaemon {
    options: DaemonOptions,
    contact: Arc<Contact>,
    heartbeat: Heartbeat,
    vitals: Arc<Vitals>,
    probe: Option<Probe>,
}

impl WorkerDaemon {
    /// The longest that a worker takes to leave after its first signal with [`LeaveMode::Graceful`], when nobody takes
    /// its share over and it stops then as with [`LeaveMode::Fast`].
    pub const GRACEFUL_LIMIT: Nanos = Link::GRACEFUL.saturating_add(Link::FAST);

    /// Makes everything ready; nothing is sent before [`WorkerDaemon::run`].
    ///
    /// # Errors
    /// When the probe's address cannot be listened on, or the kernel gives no thread.
    pub async fn start(mut options: DaemonOptions) -> Result<Self, DaemonError> {
        let probe = match options.probe {
            Some(address) => Some(Probe::bind(address).await?),
            None => None,
        };
        let credentials = std::mem::replace(&mut options.credentials, Credentials::Insecure);
        let keep = std::mem::replace(&mut options.keep, Keep::nothing());
        let meter = Arc::clone(&options.meter);
        let contact = Arc::new(Contact::new(
            options.controller.clone(),
            options.name.clone(),
            meter,
            credentials,
            keep,
        ));
        let vitals = Arc::<Vitals>::default();
        let heartbeat =
            Heartbeat::start(Arc::clone(&contact), Arc::clone(&vitals)).map_err(DaemonError::Heartbeat)?;
        Ok(Self { options, contact, heartbeat, vitals, probe })
    }

    /// Where `/healthz`, `/readyz` and `/metrics` are.
    pub fn probe_address(&self) -> Option<SocketAddr> {
        self.probe.as_ref().map(Probe::local_addr)
    }

    /// Takes part in the cluster until it is told to leave or cannot go on. The first of `signals` lets it leave, the
    /// second cancels what is in flight. With [`LeaveMode::Fast`], and from the second signal on, it takes at most 5 s.
    pub async fn run(self, signals: mpsc::Receiver<()>) -> WorkerExit {
        let Self { options, contact, heartbeat, vitals, probe } = self;
        let (condition, watched) = watch::channel(Condition::default());
        let told = WorkerVitals {
            condition: watched,
            vitals: Arc::clone(&vitals),
            meter: Arc::clone(contact.meter()),
            board: options.telemetry.board.clone(),
        };
        let meter = Arc::clone(contact.meter());
        let serving = async {
            if let Some(probe) = probe {
                probe.serve(told, meter).await;
            }
            std::future::pending().await
        };
        let daemon = Daemon::new(options, contact, heartbeat, vitals, condition);
        tokio::select! {
            exit = daemon.run(signals) => exit,
            never = serving => never,
        }
    }
}

/// What its runs say that may wait for the daemon: with more, an outbox says it again.
const REPORTS: usize = 256;

/// Everything else that happens; whoever says it waits.
const EVENTS: usize = 64;

/// Contents that are kept for the next run: those of a large workload.
const CONTENT_BYTES: usize = 256 << 20;

/// Commands of a run that may wait for the contents of one before them: a start, revisions, a stop.
const MOST_BEHIND: usize = 16;

/// How long to wait before a certificate that was not renewed is tried again, and how often it is looked at.
const RENEWAL: Nanos = Nanos::from_secs(3_600);

/// Something that happened.
#[derive(Debug)]
enum Event {
    Enrolled(Result<Enrolled, EnrolFailure>),
    Completed { stream: u64, fetching: Fetching, message: Result<FromController, ContactError> },
    RunOver(RunKey),
}

/// A command whose contents are being fetched.
type Fetching = (RunId, u64);

struct Daemon {
    options: DaemonOptions,
    contact: Arc<Contact>,
    heartbeat: Heartbeat,
    vitals: Arc<Vitals>,
    condition: watch::Sender<Condition>,
    link: Link,
    runs: BTreeMap<RunKey, LocalWorker>,
    stream: Option<Stream>,
    residual: Residual,
    contents: Arc<dyn ContentStore>,
    fetching: BTreeSet<Fetching>,
    /// Commands that came while the contents of one before them were fetched, by run: in order, they would be left.
    behind: BTreeMap<RunId, Vec<(u64, Box<FromController>)>>,
    events: mpsc::Sender<Event>,
    said: mpsc::Sender<(u64, Said)>,
    reports: mpsc::Sender<(RunKey, Report)>,
    inbox: Inbox,
    exit: Option<WorkerExit>,
}

/// The receiving ends of what happens.
struct Inbox {
    events: mpsc::Receiver<Event>,
    said: mpsc::Receiver<(u64, Said)>,
    reports: mpsc::Receiver<(RunKey, Report)>,
    taken: mpsc::Receiver<Taken>,
}

impl Daemon {
    fn new(
        options: DaemonOptions,
        contact: Arc<Contact>,
        heartbeat: Heartbeat,
        vitals: Arc<Vitals>,
        condition: watch::Sender<Condition>,
    ) -> Self {
        let (events, events_in) = mpsc::channel(EVENTS);
        let (said, said_in) = mpsc::channel(EVENTS);
        let (reports, reports_in) = mpsc::channel(REPORTS);
        let (taken, taken_in) = mpsc::channel(EVENTS);
        let residual = Residual::new(Arc::clone(&contact), taken);
        let inbox = Inbox { events: events_in, said: said_in, reports: reports_in, taken: taken_in };
        let mut outputs = Vec::new();
        let link_options = LinkOptions {
            worker: options.name.clone(),
            session: SessionId(Uuid::new_v4()),
            seed: Uuid::new_v4().as_u128() as u64,
            welcome: contact.meter().limits().of(Operation::SessionOpen),
            unavailable: options.unavailable,
        };
        let link = Link::new(MonotonicClock.now(), link_options, &mut outputs);
        let mut daemon = Self {
            options,
            contact,
            heartbeat,
            vitals,
            condition,
            link,
            runs: BTreeMap::new(),
            stream: None,
            residual,
            contents: Arc::new(MemoryContents::new(CONTENT_BYTES)),
            fetching: BTreeSet::new(),
            behind: BTreeMap::new(),
            events,
            said,
            reports,
            inbox,
            exit: None,
        };
        daemon.carry_out(outputs);
        daemon
    }

    async fn run(mut self, mut signals: mpsc::Receiver<()>) -> WorkerExit {
        let (mut is_signalled, mut hears_signals) = (false, true);
        let renewing = tokio::spawn(renew(Arc::clone(&self.contact)));
        loop {
            if let Some(exit) = self.exit.take() {
                renewing.abort();
                let Self { inbox, runs, .. } = self;
                // First, so that no run's worker waits to tell its end.
                drop(inbox);
                drop(runs);
                return exit;
            }
            self.show();
            let patience = self.link.wake_at().saturating_since(MonotonicClock.now()).min(Nanos::SECOND);
            tokio::select! {
                biased;
                signal = signals.recv(), if hears_signals => match signal {
                    Some(()) if !std::mem::replace(&mut is_signalled, true) => {
                        self.step(Input::Leave(self.options.leave));
                    }
                    Some(()) => self.step(Input::Cancel),
                    None => hears_signals = false,
                },
                () = self.heartbeat.changed() => self.pulse(),
                Some(event) = self.inbox.events.recv() => self.take(event),
                Some((stream, said)) = self.inbox.said.recv() => self.hear(stream, said),
                Some((key, report)) = self.inbox.reports.recv() => self.step(Input::Report(key, report)),
                Some(Taken { session, told, acks }) = self.inbox.taken.recv() => {
                    self.step(Input::ResidualTaken { session, told, acks });
                }
                () = sleep(patience.into()) => self.step(Input::Tick),
            }
        }
    }

    /// Lets others see how things are.
    fn show(&self) {
        if !self.link.makes_load() {
            // While load is made, the run says whether something moves.
            self.vitals.progressed();
        }
        let now = Condition {
            readiness: self.link.ready(),
            runs: self.runs.len(),
            superseded: self.link.superseded(),
        };
        self.condition.send_if_modified(|condition| {
            let is_new = *condition != now;
            *condition = now;
            is_new
        });
    }

    fn pulse(&mut self) {
        if let Some(beating) = self.heartbeat.beating() {
            self.step(Input::Pulse { session: beating.session, pulse: beating.pulse });
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Enrolled(result) => self.step(Input::Enrolled(result)),
            Event::Completed { stream, fetching, message } => {
                self.fetching.remove(&fetching);
                match message {
                    Ok(message) => self.step(Input::Received { stream, message: Box::new(message) }),
                    // The command comes again.
                    Err(error) => tracing::warn!(%error, "the contents of a run cannot be fetched"),
                }
                for (stream, message) in self.behind.remove(&fetching.0).unwrap_or_default() {
                    self.receive(stream, message);
                }
            }
            Event::RunOver(key) => {
                self.runs.remove(&key);
                self.step(Input::RunOver(key));
            }
        }
    }

    fn hear(&mut self, stream: u64, said: Said) {
        match said {
            Said::Message(Incoming::Whole(message)) => self.receive(stream, message),
            Said::Message(Incoming::Awaiting(awaiting)) => self.fetch(stream, *awaiting),
            Said::Closed(why) => self.step(Input::Closed { stream, why }),
        }
    }

    /// Takes a message, or keeps it until the command before it has its contents. A worker that comes to a run under way
    /// hears its start together with what it is to prepare, and would wait a second to hear it again.
    fn receive(&mut self, stream: u64, message: Box<FromController>) {
        if let ControllerMessage::Command(command) = &message.body
            && self.fetching.iter().any(|(run_id, id)| *run_id == command.run_id && *id < command.id.0)
        {
            let behind = self.behind.entry(command.run_id).or_default();
            // Those for which there is no room come again.
            if behind.len() < MOST_BEHIND {
                behind.push((stream, message));
            }
            return;
        }
        self.step(Input::Received { stream, message });
    }

    fn fetch(&mut self, stream: u64, awaiting: AwaitingContents) {
        let fetching = (awaiting.run_id, awaiting.id.0);
        if !self.fetching.insert(fetching) {
            return;
        }
        let (contact, contents, events) =
            (Arc::clone(&self.contact), Arc::clone(&self.contents), self.events.clone());
        tokio::spawn(async move {
            let message = contact.complete(&awaiting, &contents).await;
            // Nobody listens when the worker is over.
            let _ = events.send(Event::Completed { stream, fetching, message }).await;
        });
    }

    fn step(&mut self, input: Input) {
        let mut outputs = Vec::new();
        self.link.step(MonotonicClock.now(), input, &mut outputs);
        self.carry_out(outputs);
    }

    fn carry_out(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Enrol(session) => self.enrol(session),
                Output::Beat(grant) => self.heartbeat.keep(grant),
                Output::Open { stream, hello } => {
                    let (contact, said) = (Arc::clone(&self.contact), self.said.clone());
                    self.stream = Some(Stream::open(contact, stream, &hello, said));
                }
                Output::Close => self.stream = None,
                Output::Send(message) => {
                    if let Some(stream) = &self.stream {
                        stream.send(&message);
                    }
                }
                Output::Residual(fact) => self.residual.send(*fact),
                Output::Start(key) => self.begin(key),
                Output::Command(key, mut command) => {
                    if let CommandBody::Prepare(prepare) = &mut command.body {
                        prepare.threads = self.options.threads.or(prepare.threads);
                    }
                    self.with(key, |run| run.command(*command));
                }
                Output::Ack(key, ack) => self.with(key, |run| run.ack(ack)),
                Output::Resume(key, ack) => self.with(key, |run| run.resume(ack)),
                Output::Stop(key, mode) => self.with(key, |run| run.stop(mode)),
                Output::Leave(key, drain) => self.with(key, |run| run.leave(drain)),
                Output::Withdraw(key) => self.with(key, LocalWorker::withdraw),
                Output::Drop(key) => {
                    if let Some(run) = self.runs.remove(&key) {
                        give_up(run);
                    }
                }
                Output::Exit(exit) => self.exit = Some(exit),
            }
        }
    }

    fn with(&self, key: RunKey, tell: impl FnOnce(&LocalWorker)) {
        if let Some(run) = self.runs.get(&key) {
            tell(run);
        }
    }

    fn enrol(&self, session: SessionId) {
        let enrol = Enrol {
            worker: self.options.name.clone(),
            session,
            versions: ProtocolVersions::SPOKEN,
            info: LocalWorker::info(),
            labels: self.options.labels.clone(),
            tasks: self.options.tasks.names().into_iter().map(str::to_owned).collect(),
            weight: self.options.weight.unwrap_or_else(|| {
                self.options.threads.unwrap_or_else(|| Cpus::of_process().engine_threads())
            }),
        };
        let (contact, events) = (Arc::clone(&self.contact), self.events.clone());
        tokio::spawn(async move {
            let result = contact.enrol(&enrol).await.map_err(|error| match error {
                ContactError::Refused(refusal) => EnrolFailure::Refused(refusal),
                error if error.is_final() => EnrolFailure::Unauthorised(crate::launch::error_line(&error)),
                error => EnrolFailure::Failed(crate::launch::error_line(&error)),
            });
            // Nobody listens when the worker is over.
            let _ = events.send(Event::Enrolled(result)).await;
        });
    }

    /// Makes the worker of a run, under the present lease.
    fn begin(&mut self, key: RunKey) {
        let beating = self.heartbeat.beating().filter(|beating| beating.session == key.session);
        // Without a lease the link is about to hear that it has none: the run is over before it began.
        let lease =
            beating.and_then(|beating| beating.lease).unwrap_or_else(|| Lease::until(Timestamp::ORIGIN).1);
        let options = WorkerOptions {
            run_id: key.run_id,
            id: self.options.name.clone(),
            tasks: self.options.tasks.clone(),
            target_threads: None,
            pin: self.options.pin,
            limits: self.options.limits.clone(),
            telemetry: self.options.telemetry.clone(),
        };
        let membership = Membership { session: key.session, lease, vitals: Arc::clone(&self.vitals) };
        let reports = self.reports.clone();
        let over = OnDrop { key, events: self.events.clone() };
        let report = move |report| {
            // The whole of it belongs to this closure, and not only its key: it is dropped with the run's worker.
            let over: &OnDrop = &over;
            let key = over.key;
            // The worker of a run never waits: what does not fit it says again.
            let _ = reports.try_send((key, report));
        };
        match LocalWorker::start_leased(options, membership, report) {
            Ok(run) => {
                tracing::info!(run_id = %key.run_id, "takes part in a run");
                self.runs.insert(key, run);
            }
            // Its end was told as the closure was dropped.
            Err(error) => {
                tracing::error!(run_id = %key.run_id, %error, "no thread can be had for a run");
            }
        }
    }
}

/// Tells that a run's worker is over, in whatever way.
struct OnDrop {
    key: RunKey,
    events: mpsc::Sender<Event>,
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        let over = Event::RunOver(self.key);
        match tokio::runtime::Handle::try_current() {
            // The worker had no thread, so this is the daemon's own, which must not wait for itself.
            Ok(_) => drop(self.events.try_send(over)),
            // On the worker's thread, which has nothing else to do. Nobody listens when the daemon is over.
            Err(_) => drop(self.events.blocking_send(over)),
        }
    }
}

/// Ends a run's worker without waiting for it.
fn give_up(run: LocalWorker) {
    // Without a thread it is waited for here, for as long as its teardown takes.
    let _ = Builder::new().name("worker-end".into()).spawn(move || drop(run));
}

/// Renews an issued certificate at half of its life.
async fn renew(contact: Arc<Contact>) {
    loop {
        let is_due = contact.renew_at().is_some_and(|at| WallTime::now() >= at);
        if is_due && let Err(error) = contact.renew().await {
            tracing::warn!(%error, "the worker's certificate cannot be renewed; it is tried again in an hour");
        }
        sleep(RENEWAL.into()).await;
    }
}
