//! What a worker does around the session of one run: the engine's threads, the collector, and the time things take.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use control::{FinalFact, Prepare, Prepared, RunId, StopMode, WorkerHealth};
use controller::cluster::Submission;
use engine::{Lease, Order};
use metrics::pair;
use plan::{Course, Revision};
use units::{Nanos, Timestamp};
use worker::Report;
use worker::machines::session::{Closing, Departure, Input, Output, ThreadEnd};
use worker::machines::{Author, Collector, Session};

use crate::engine_thread::{EngineThread, Spec};
use crate::sink::Sent;

/// What a worker's machine is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) threads: u32,
    /// How long it takes to make a run ready.
    pub(crate) preparing: Nanos,
    /// How long the target takes to answer it.
    pub(crate) service: Nanos,
}

/// All runs of a schedule, by name.
pub(crate) type Submissions = BTreeMap<RunId, Arc<Submission>>;

/// One run on one worker.
pub(crate) struct WorkerRun {
    session: Session,
    outputs: VecDeque<Output>,
    machine: Machine,
    submission: Arc<Submission>,
    lease: Lease,
    preparing: Option<(Timestamp, Revision)>,
    first: Option<Course>,
    /// Revisions that came before the start.
    early: Vec<Arc<Course>>,
    threads: Vec<Option<EngineThread>>,
    recorders: Vec<metrics::Recorder>,
    collector: Collector,
    begun_at: Option<Timestamp>,
    /// Whether the session was told that its lease is over.
    has_lapsed: bool,
    pub(crate) reports: Vec<Report>,
    pub(crate) sent: Vec<Sent>,
    /// The last word, as it was said.
    pub(crate) said: Option<FinalFact>,
}

impl WorkerRun {
    pub(crate) fn new(author: Author, machine: Machine, submission: Arc<Submission>, lease: Lease) -> Self {
        Self {
            session: Session::new(author),
            outputs: VecDeque::new(),
            machine,
            submission,
            lease,
            preparing: None,
            first: None,
            early: Vec::new(),
            threads: Vec::new(),
            recorders: Vec::new(),
            collector: Collector::new(Vec::new()),
            begun_at: None,
            has_lapsed: false,
            reports: Vec::new(),
            sent: Vec::new(),
            said: None,
        }
    }

    /// Lets nothing happen on the engine's threads until `until`.
    pub(crate) fn sleep(&mut self, until: Timestamp) {
        self.threads.iter_mut().flatten().for_each(|thread| thread.sleep(until));
    }

    /// Catches up to `now`, then takes `input`.
    pub(crate) fn turn(&mut self, now: Timestamp, input: Option<Input>) {
        self.advance(now);
        if let Some((at, revision)) = self.preparing.take() {
            if now >= at { self.made_ready(now, &revision) } else { self.preparing = Some((at, revision)) }
        }
        if let Some(input) = input {
            self.step(now, input);
        }
        self.carry_out(now);
        if now >= self.collector.wake_at() {
            for snapshot in self.collector.poll(now) {
                self.step(now, Input::Measured(Box::new(snapshot)));
            }
        }
        self.step(now, Input::Tick);
        self.carry_out(now);
    }

    /// Lets the engine's threads catch up to `now`.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        for place in 0..self.threads.len() {
            let Some(Some(thread)) = self.threads.get_mut(place) else { continue };
            let report = thread.advance(now);
            self.sent.append(&mut thread.sent);
            if let Some(report) = report {
                self.threads[place] = None;
                self.step(now, Input::ThreadEnded { thread: place as u32, end: ThreadEnd::Finished(report) });
                self.carry_out(now);
            }
        }
    }

    /// When something happens by itself.
    pub(crate) fn wake_at(&mut self) -> Timestamp {
        let is_told = self.has_lapsed || self.session.has_ended();
        let lapse = if is_told { Timestamp::NEVER } else { self.lease.deadline() };
        let ready = self.preparing.as_ref().map_or(Timestamp::NEVER, |(at, _)| *at);
        let threads = self.threads.iter_mut().flatten().map(EngineThread::wake_at);
        let own = self.session.wake_at().min(self.collector.wake_at()).min(lapse).min(ready);
        threads.fold(own, Timestamp::min)
    }

    /// Whether nothing is left to do or to say.
    pub(crate) fn is_over(&self) -> bool {
        self.session.is_over()
    }

    fn step(&mut self, now: Timestamp, input: Input) {
        let mut outputs = Vec::new();
        let until = self.lease.deadline();
        if now >= until {
            self.session.step(
                now,
                Input::Leave(Departure { since: until, drain: StopMode::DRAIN }),
                &mut outputs,
            );
            self.has_lapsed = true;
        }
        self.session.step(now, input, &mut outputs);
        self.outputs.extend(outputs);
    }

    fn carry_out(&mut self, now: Timestamp) {
        while let Some(output) = self.outputs.pop_front() {
            match output {
                Output::Fact(fact) => {
                    if let control::FactBody::Final(last) = &fact.body {
                        self.said = Some(FinalFact::clone(last));
                    }
                    self.reports.push(Report::Fact(fact));
                }
                Output::Applied(through) => self.reports.push(Report::Applied(through)),
                Output::Prepare(prepare) => {
                    let Prepare { revision, .. } = *prepare;
                    self.preparing = Some((now + self.machine.preparing, revision));
                }
                Output::Launch => self.launch(),
                Output::Order(order) => self.order(now, &order),
                Output::Revise(revision) => self.revise(now, revision),
                Output::Once { command, .. } => self.step(now, Input::OnceEnded { command, failure: None }),
                Output::Begin => self.begun_at = Some(now),
                Output::Close { .. } => self.close(now),
                // It closes at once, so there is nothing to hasten.
                Output::Hasten { .. } => {}
            }
        }
    }

    fn made_ready(&mut self, now: Timestamp, revision: &Revision) {
        let course = Course::new(&self.submission.plan, revision.clone(), self.machine.threads);
        self.first = Some(course.expect("the controller deals what can be dealt"));
        let prepared = Prepared {
            threads: self.machine.threads,
            max_vus: 64,
            shape_hash: self.submission.layout.shape_hash(),
            notes: Vec::new(),
        };
        self.step(now, Input::Readiness(Ok(prepared)));
    }

    fn launch(&mut self) {
        let pairs = (0..self.machine.threads).map(|thread| pair(&self.submission.layout, thread, 3));
        let (recorders, drains) = pairs.unzip();
        self.recorders = recorders;
        self.collector = Collector::new(drains);
    }

    fn begin(&mut self, now: Timestamp, start: Timestamp) {
        let (recorders, first) = (std::mem::take(&mut self.recorders), self.first.take());
        let Some(course) = first else { return };
        self.threads = (0..)
            .zip(recorders)
            .map(|(thread, recorder)| {
                let spec = Spec {
                    plan: &self.submission.plan,
                    layout: &self.submission.layout,
                    course: &course,
                    thread,
                    lease: &self.lease,
                    service: self.machine.service,
                };
                Some(EngineThread::begin(&spec, recorder, now, start))
            })
            .collect();
        for course in std::mem::take(&mut self.early) {
            self.take_up(now, &course);
        }
    }

    fn order(&mut self, now: Timestamp, order: &Order) {
        if let Order::StartAt(at) = order {
            self.collector.begin(*at);
            return self.begin(now, *at);
        }
        // Before the start there is nothing but to end.
        self.begin(now, now);
        for thread in self.threads.iter_mut().flatten() {
            match order {
                Order::Drain { until } => thread.drain(*until),
                Order::Leave { until } => thread.leave(*until),
                Order::Cancel => thread.drain(now),
                Order::StartAt(_) | Order::Revise(_) => {}
            }
        }
        self.advance(now);
    }

    fn revise(&mut self, now: Timestamp, revision: Revision) {
        let number = revision.share.revision;
        match Course::new(&self.submission.plan, revision, self.machine.threads) {
            Ok(course) if self.first.is_some() => self.early.push(Arc::new(course)),
            Ok(course) => self.take_up(now, &Arc::new(course)),
            Err(error) => self.step(now, Input::Forbidden(format!("revision {number}: {error}"))),
        }
    }

    fn take_up(&mut self, now: Timestamp, course: &Arc<Course>) {
        for thread in 0..self.threads.len() {
            let told = self.threads[thread].as_mut().and_then(|state| state.revise(Arc::clone(course)));
            if let Some((revision, effective)) = told {
                self.step(now, Input::Revised { thread: thread as u32, revision, effective });
            }
        }
    }

    fn close(&mut self, now: Timestamp) {
        // A thread that did not end in time is left behind with what it recorded.
        self.threads.clear();
        self.recorders.clear();
        for snapshot in self.collector.finish() {
            self.step(now, Input::Measured(Box::new(snapshot)));
        }
        let elapsed = self.begun_at.map_or(Nanos::ZERO, |begun| now.saturating_since(begun));
        let health = WorkerHealth { elapsed, ..WorkerHealth::default() };
        self.step(
            now,
            Input::Closed(Closing { health, recorded: self.collector.recorded(), ..Closing::default() }),
        );
    }
}
