//! The state machine: what it is made of, and how it goes from state to state.

use std::sync::Arc;

use control::{CommandBody, Prepare, StopMode};
use plan::{Revision, ShareError};
use units::{Nanos, Timestamp};

use super::link::Link;
use super::showing::Told;
use super::{Input, MemoryStore, Output, Record, RunFold, RunSpec, SealedRun, Store};
use crate::assignment::shares;
use crate::incident::{Incident, IncidentKind};
use crate::planned::Planned;
use crate::session::{Session, SessionEnd};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for all workers to be ready.
    Preparing { deadline: Timestamp },
    /// Waits for a task that is executed once, on this session.
    Once { session: usize, deadline: Timestamp },
    /// Waits for slot 0 and for all workers to have begun.
    Arming { deadline: Timestamp },
    /// The plan is under way. Its end is not known while it is paused.
    Running { plan_end: Timestamp },
    /// No new iterations; what is in flight may end until then.
    Draining { deadline: Timestamp },
    /// What is in flight is cancelled; waits for last words.
    Collecting { deadline: Timestamp },
    /// Over.
    Sealed,
}

/// Conducts one run. See the [module](super) for its states.
#[derive(Debug)]
pub struct RunMachine<S = MemoryStore> {
    pub(super) spec: RunSpec,
    pub(super) store: S,
    pub(super) fold: RunFold,
    pub(super) state: State,
    /// One for each session of the fold.
    pub(super) links: Vec<Link>,
    /// The last instant the machine was called at: it never goes back behind it.
    pub(super) now: Timestamp,
    pub(super) next_live: Timestamp,
    pub(super) told: Told,
    /// Since when the clocks of all profiles stand.
    pub(super) paused_at: Option<Timestamp>,
    pub(super) refused_facts: u64,
    since_checkpoint: u32,
}

impl RunMachine {
    /// Makes a run whose records are kept in memory. It prepares its workers at the first [`step`](Self::step).
    ///
    /// # Errors
    /// When the weights of the workers cannot be dealt.
    pub fn new(now: Timestamp, spec: RunSpec) -> Result<Self, ShareError> {
        Self::with_store(now, spec, MemoryStore::default())
    }
}

impl<S: Store> RunMachine<S> {
    /// Makes a run whose records are kept in `store`, which holds none yet. It prepares its workers at the first
    /// [`step`](Self::step).
    ///
    /// # Errors
    /// When the weights of the workers cannot be dealt.
    pub fn with_store(now: Timestamp, spec: RunSpec, store: S) -> Result<Self, ShareError> {
        let weights: Vec<u32> = spec.workers.iter().map(|worker| worker.weight).collect();
        let shares = shares(&weights)?;
        let fold = RunFold::new(&spec);
        let mut machine = Self {
            state: State::Preparing { deadline: now + spec.limits.prepare },
            links: spec.workers.iter().map(|worker| Link::new(worker.rtt)).collect(),
            fold,
            store,
            now,
            next_live: Timestamp::NEVER,
            told: Told::default(),
            paused_at: None,
            refused_facts: 0,
            since_checkpoint: 0,
            spec,
        };
        machine.record(Record::Created { at: now, workers: machine.spec.workers.clone() });
        for (index, share) in shares.into_iter().enumerate() {
            machine.prepare(index, Revision::first(share));
        }
        Ok(machine)
    }

    /// Takes note of `input` at `now` and appends what is to be done to `out`.
    ///
    /// After [`Output::Sealed`] nothing has any effect.
    pub fn step(&mut self, now: Timestamp, input: Input, out: &mut Vec<Output>) {
        if self.is_sealed() {
            return;
        }
        let awake = self.wake(now);
        match input {
            Input::Tick => {}
            Input::Fact(fact) => self.take(fact, out),
            Input::Applied { who, through } => {
                if let Some(index) = self.fold.position(&who) {
                    self.links[index].outbox.applied(through);
                }
            }
            Input::Attached { who, applied, last_fact } => self.attach(&who, applied, last_fact, out),
            Input::Lost { who, reason } => self.lost(&who, reason),
            Input::Join(worker) => self.join(*worker, out),
            Input::Leave { who, mode, by } => self.leave(&who, mode, by),
            Input::Change { change, by } => self.change(change, by),
            Input::Stop { mode, by } => self.stop(mode, by),
        }
        self.watch_silence(awake);
        self.settle();
        while self.advance() {
            self.settle();
        }
        self.hand_over(out);
        self.show(out);
        self.tell(out);
        if self.is_sealed() {
            out.push(Output::Sealed);
        }
    }

    /// The latest instant at which [`step`](Self::step) has to be called again, with a [`Input::Tick`] if nothing
    /// happened before.
    pub fn wake_at(&self) -> Timestamp {
        let state = match self.state {
            State::Preparing { deadline }
            | State::Once { deadline, .. }
            | State::Draining { deadline }
            | State::Collecting { deadline } => deadline,
            State::Arming { deadline } => match self.fold.start {
                Some(start) if start > self.now => start,
                _ => deadline,
            },
            State::Running { plan_end } => plan_end.min(self.return_deadline().unwrap_or(Timestamp::NEVER)),
            State::Sealed => return Timestamp::NEVER,
        };
        let links = self.links.iter().map(|link| link.outbox.wake_at().min(link.stop_at));
        links.fold(state.min(self.next_live), Timestamp::min)
    }

    /// Whether the run is over.
    pub fn is_sealed(&self) -> bool {
        matches!(self.state, State::Sealed)
    }

    /// What the records of the run come to so far.
    pub fn fold(&self) -> &RunFold {
        &self.fold
    }

    /// Where the records are kept.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// What went other than planned so far, in order of time.
    pub fn incidents(&self) -> &[Incident] {
        &self.fold.incidents
    }

    /// Everything the run leaves behind.
    ///
    /// # Panics
    /// When the run is not over.
    pub fn into_sealed(self) -> SealedRun {
        SealedRun::of(self.fold, self.spec.policy)
    }

    /// Keeps a record and lets it take effect: the only way anything of the run changes.
    pub(super) fn record(&mut self, record: Record) {
        let record = Arc::new(record);
        self.store.append(Arc::clone(&record));
        self.fold.apply(&record);
        self.since_checkpoint += 1;
        if self.since_checkpoint >= CHECKPOINT_AFTER {
            self.since_checkpoint = 0;
            self.store.checkpoint(&self.fold);
        }
    }

    pub(super) fn note(&mut self, kind: IncidentKind) {
        self.record(Record::Noted { at: self.now, kind });
    }

    /// Moves on to `now` and returns how much of the time since the last call the controller was awake. It was not when it
    /// was called much later than it asked for: the process was stopped or starved, and could not have heard anybody.
    /// The workers are given that time again.
    fn wake(&mut self, now: Timestamp) -> Nanos {
        let late = now.saturating_since(self.wake_at().max(self.now));
        let asleep = if late > HELD_UP { late } else { Nanos::ZERO };
        match &mut self.state {
            State::Preparing { deadline }
            | State::Once { deadline, .. }
            | State::Arming { deadline }
            | State::Collecting { deadline } => *deadline = *deadline + asleep,
            // These go by the schedule.
            State::Running { .. } | State::Draining { .. } | State::Sealed => {}
        }
        let awake = now.saturating_since(self.now).saturating_sub(asleep);
        self.now = self.now.max(now);
        awake
    }

    /// Moves to the next state if it is time to; true when it did.
    fn advance(&mut self) -> bool {
        let now = self.now;
        match self.state {
            State::Sealed => return false,
            _ if self.nobody_is_expected() => self.seal(),
            State::Preparing { .. } | State::Once { .. } if self.has_failed() => self.give_up(),
            State::Preparing { .. } if self.is_ready() => self.begin(),
            State::Preparing { deadline } if now >= deadline => {
                self.time_out("prepare", self.spec.limits.prepare, |session| session.prepared.is_none());
                if !self.is_ready() {
                    self.give_up();
                }
            }
            State::Once { session, .. } if self.fold.sessions[session].once_ended => self.arm(),
            State::Once { session, deadline } if now >= deadline => {
                let late = self.fold.sessions[session].peer();
                let what = "end the task that was to be executed once";
                self.note(IncidentKind::TimedOut { who: late, what, limit: self.spec.limits.once });
                self.lose(session, "its task did not end".to_owned(), true);
            }
            State::Arming { .. } if self.has_begun() => {
                self.state = State::Running { plan_end: self.plan_end() };
            }
            State::Arming { deadline } if now >= deadline => {
                self.time_out("start", self.spec.limits.started, |session| session.started.is_none());
                self.state = State::Running { plan_end: self.plan_end() };
            }
            State::Running { plan_end } if now >= plan_end => self.reach_plan_end(),
            State::Draining { deadline } if now >= deadline => {
                let limits = &self.spec.limits;
                let limit = if self.fold.stop.is_some() { limits.stop.after_drain() } else { limits.collect };
                self.collect(limit, StopMode::Cancel);
            }
            State::Collecting { deadline } if now >= deadline => self.leave_behind(),
            _ if !matches!(self.state, State::Collecting { .. }) && self.only_residue_is_expected() => {
                self.state = State::Collecting { deadline: now + self.spec.limits.collect };
            }
            _ => return false,
        }
        true
    }

    /// Whether something before the start makes the run pointless.
    fn has_failed(&self) -> bool {
        self.fold.incidents.iter().any(|incident| incident.kind.ends_preparation())
    }

    /// Whether all workers that are left are ready, and one is left.
    fn is_ready(&self) -> bool {
        let mut left = self.fold.sessions.iter().filter(|session| session.is_carrying()).peekable();
        left.peek().is_some() && left.all(|session| session.prepared.is_some())
    }

    fn has_begun(&self) -> bool {
        let newcomer = |session: &Session| session.joined_at.is_some();
        let begun =
            |session: &Session| session.started.is_some() || !session.is_carrying() || newcomer(session);
        self.fold.start.is_some_and(|start| self.now >= start) && self.fold.sessions.iter().all(begun)
    }

    /// All workers are ready: executes the task that comes before the load, if there is one.
    fn begin(&mut self) {
        let carrying = self.fold.sessions.iter().position(Session::is_carrying);
        match (self.spec.once.clone(), carrying) {
            (Some(task), Some(session)) => {
                self.command(session, CommandBody::Once { task });
                self.state = State::Once { session, deadline: self.now + self.spec.limits.once };
            }
            _ => self.arm(),
        }
    }

    /// Deals the load to those who are left, if some are not, and sets slot 0.
    fn arm(&mut self) {
        let start = self.now + self.start_lead();
        let weights = self.present_weights();
        if weights.iter().all(|weight| *weight == 0) {
            return self.too_many_lost();
        }
        if weights != self.fold.latest().weights {
            self.deal(weights, Nanos::ZERO, None);
            self.broadcast_revision(None);
        }
        self.record(Record::Armed { start });
        self.next_live = start;
        self.command_all(CommandBody::Start { at: start });
        self.no_one_waits_for_weight();
        self.state = State::Arming { deadline: start + self.spec.limits.started };
    }

    fn reach_plan_end(&mut self) {
        if let (Some(_), Some(limit)) = (self.paused_at, self.spec.limits.paused) {
            self.note(IncidentKind::PausedTooLong { limit });
            return self.end_paused();
        }
        self.state = State::Draining { deadline: self.grace_end() + self.spec.limits.grace_margin };
    }

    fn seal(&mut self) {
        self.state = State::Sealed;
        self.record(Record::Sealed { at: self.now, refused_facts: self.refused_facts });
    }

    fn plan_end(&self) -> Timestamp {
        plan_end(&self.spec, &self.fold, self.paused_at, self.now)
    }

    fn grace_end(&self) -> Timestamp {
        let planned = Planned::new(&self.fold.plan, &self.fold.amendments());
        self.fold.start.unwrap_or(self.now) + planned.grace_end().unwrap_or(Nanos::ZERO)
    }

    /// Long enough for the order to start to reach every worker before slot 0.
    fn start_lead(&self) -> Nanos {
        let is_local = self.worst_rtt().is_zero();
        if is_local { self.spec.limits.start_lead } else { self.spec.limits.start_lead.max(self.lead()) }
    }

    pub(super) fn prepare(&mut self, index: usize, revision: Revision) {
        let prepare = Prepare {
            document: self.spec.document.clone(),
            files: self.spec.files.clone(),
            revision,
            threads: self.spec.threads,
            preflight: self.spec.preflight,
        };
        self.command(index, CommandBody::Prepare(Box::new(prepare)));
    }

    /// Tells everybody who has a part in the run, or will have one.
    pub(super) fn command_all(&mut self, body: CommandBody) {
        for index in 0..self.links.len() {
            if !self.fold.sessions[index].is_over() {
                self.command(index, body.clone());
            }
        }
    }

    pub(super) fn command(&mut self, index: usize, body: CommandBody) {
        self.links[index].outbox.push(self.spec.run_id, self.spec.epoch, body);
    }

    /// Hands over the commands that are new or were not answered.
    fn hand_over(&mut self, out: &mut Vec<Output>) {
        for (link, session) in self.links.iter_mut().zip(&self.fold.sessions) {
            for command in link.outbox.take_due(self.now) {
                out.push(Output::Command { to: session.peer(), command });
            }
            let said_all = matches!(session.end, Some(SessionEnd::Finished(_) | SessionEnd::Refused(_)));
            let needs_nothing = said_all || self.fold.sealed_at.is_some();
            if needs_nothing && !std::mem::replace(&mut link.is_released, needs_nothing) {
                out.push(Output::Release { to: session.peer() });
            }
        }
    }
}

/// The end of the plan as it is now; while it is paused, that of the longest pause.
pub(super) fn plan_end(
    spec: &RunSpec,
    fold: &RunFold,
    paused_at: Option<Timestamp>,
    now: Timestamp,
) -> Timestamp {
    match (Planned::new(&fold.plan, &fold.amendments()).end(), paused_at) {
        (Some(end), None) => fold.start.unwrap_or(now) + end,
        (_, since) => spec.limits.paused.map_or(Timestamp::NEVER, |limit| since.unwrap_or(now) + limit),
    }
}

/// Called this much later than asked for, the controller was held up itself. On a busy machine wake-ups are some
/// milliseconds late.
const HELD_UP: Nanos = Nanos::from_millis(500);

/// Records that come together between two checkpoints: some seconds of a large run, so that memory stays flat.
const CHECKPOINT_AFTER: u32 = 256;
