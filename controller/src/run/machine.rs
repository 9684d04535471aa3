//! The state machine.

use control::{Command, CommandBody, CommandId, Prepare, StopMode};
use plan::ShareError;
use units::{Nanos, Timestamp};

use super::{Input, Output, RunSpec, SealedRun};
use crate::assignment::shares;
use crate::incident::{Incident, IncidentKind};
use crate::live::{LivePhase, LiveView};
use crate::merge::Merged;
use crate::session::{Session, SessionEnd};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for all workers to join.
    Created { deadline: Timestamp },
    /// Waits for all workers to be ready.
    Preparing { deadline: Timestamp },
    /// Waits for slot 0 and for all workers to have begun.
    Arming { deadline: Timestamp },
    /// The plan is under way.
    Running { plan_end: Timestamp },
    /// No new iterations; what is in flight may end until then.
    Draining { deadline: Timestamp },
    /// What is in flight is cancelled; waits for last words.
    Collecting { deadline: Timestamp },
    /// Over.
    Sealed { at: Timestamp },
}

/// Conducts one run. See the [module](super) for its states.
#[derive(Debug)]
pub struct RunMachine {
    pub(super) spec: RunSpec,
    pub(super) state: State,
    created_at: Timestamp,
    /// Slot 0, once it is set.
    pub(super) start: Option<Timestamp>,
    /// The first signal.
    pub(super) stopped_at: Option<Timestamp>,
    pub(super) stops: u32,
    pub(super) sessions: Vec<Session>,
    pub(super) merged: Merged,
    incidents: Vec<Incident>,
    last_command: u64,
    /// The last instant the machine was called at: it never goes back behind it.
    pub(super) now: Timestamp,
    next_live: Timestamp,
}

impl RunMachine {
    /// Makes a run that waits for its workers.
    ///
    /// # Errors
    /// When the weights of the workers cannot be dealt.
    pub fn new(now: Timestamp, spec: RunSpec) -> Result<Self, ShareError> {
        let weights: Vec<u32> = spec.workers.iter().map(|worker| worker.weight).collect();
        let sessions = spec
            .workers
            .iter()
            .zip(shares(&weights)?)
            .map(|(worker, share)| Session::new(worker.worker.clone(), share))
            .collect();
        Ok(Self {
            state: State::Created { deadline: now + spec.limits.join },
            created_at: now,
            start: None,
            stopped_at: None,
            stops: 0,
            sessions,
            merged: Merged::new(&spec.layout),
            incidents: Vec::new(),
            last_command: 0,
            now,
            next_live: Timestamp::NEVER,
            spec,
        })
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
            Input::Fact(fact) => self.take(*fact, out),
            Input::Lost { worker, reason } => self.lose(&worker, reason, out),
            Input::Stop => self.stop(out),
        }
        self.watch_silence(awake, out);
        while self.advance(out) {}
        self.show(out);
    }

    /// The latest instant at which [`step`](Self::step) has to be called again, with a [`Input::Tick`] if nothing
    /// happened before.
    pub fn wake_at(&self) -> Timestamp {
        let state = match self.state {
            State::Created { deadline }
            | State::Preparing { deadline }
            | State::Draining { deadline }
            | State::Collecting { deadline } => deadline,
            State::Arming { deadline } => match self.start {
                Some(start) if start > self.now => start,
                _ => deadline,
            },
            State::Running { plan_end } => plan_end,
            State::Sealed { .. } => return Timestamp::NEVER,
        };
        state.min(self.next_live)
    }

    /// Whether the run is over.
    pub fn is_sealed(&self) -> bool {
        matches!(self.state, State::Sealed { .. })
    }

    /// What went other than planned so far, in order of time.
    pub fn incidents(&self) -> &[Incident] {
        &self.incidents
    }

    /// Everything the run leaves behind.
    ///
    /// # Panics
    /// When the run is not over.
    pub fn into_sealed(self) -> SealedRun {
        let State::Sealed { at } = self.state else { panic!("a run has a result once it is sealed") };
        let mut merged = self.merged;
        let is_lost = |session: &Session| session.end == Some(SessionEnd::Lost);
        if self.start.is_some() && self.sessions.iter().any(is_lost) {
            merged.account_for(&self.spec.plan);
        }
        SealedRun {
            run_id: self.spec.run_id,
            plan: self.spec.plan,
            created_at: self.created_at,
            start: self.start,
            stopped_at: self.stopped_at,
            sealed_at: at,
            sessions: self.sessions,
            merged,
            incidents: self.incidents,
        }
    }

    /// Moves on to `now` and returns how much of the time since the last call the controller was awake. It was not when it
    /// was called much later than it asked for: the process was stopped or starved, and could not have heard anybody.
    /// The workers are given that time again.
    fn wake(&mut self, now: Timestamp) -> Nanos {
        let late = now.saturating_since(self.wake_at().max(self.now));
        let asleep = if late > HELD_UP { late } else { Nanos::ZERO };
        match &mut self.state {
            State::Created { deadline }
            | State::Preparing { deadline }
            | State::Arming { deadline }
            | State::Collecting { deadline } => *deadline = *deadline + asleep,
            // These go by the schedule.
            State::Running { .. } | State::Draining { .. } | State::Sealed { .. } => {}
        }
        let awake = now.saturating_since(self.now).saturating_sub(asleep);
        self.now = self.now.max(now);
        awake
    }

    /// Moves to the next state if it is time to; true when it did.
    fn advance(&mut self, out: &mut Vec<Output>) -> bool {
        let now = self.now;
        let all = |met: fn(&Session) -> bool| self.sessions.iter().all(met);
        match self.state {
            State::Sealed { .. } => return false,
            _ if all(Session::is_over) => self.seal(out),
            State::Created { .. } if all(|session| session.info.is_some()) => self.prepare(out),
            State::Created { deadline } if now >= deadline => {
                self.time_out("join", self.spec.limits.join, |session| session.info.is_none(), out);
            }
            State::Created { .. } | State::Preparing { .. } if self.has_failed() => self.give_up(out),
            State::Preparing { .. } if all(|session| session.prepared.is_some()) => self.arm(out),
            State::Preparing { deadline } if now >= deadline => {
                self.time_out("prepare", self.spec.limits.prepare, |session| session.prepared.is_none(), out);
            }
            State::Arming { .. } if self.has_begun() => {
                self.state = State::Running { plan_end: self.plan_end() }
            }
            State::Arming { deadline } if now >= deadline => {
                self.time_out("start", self.spec.limits.started, |session| session.started_at.is_none(), out);
            }
            State::Running { plan_end } if now >= plan_end => {
                self.state = State::Draining { deadline: self.grace_end() + self.spec.limits.grace_margin };
            }
            State::Draining { deadline } if now >= deadline => {
                let limits = &self.spec.limits;
                let limit = if self.stops > 0 { limits.stop.after_drain() } else { limits.collect };
                self.collect(limit, StopMode::Cancel, out);
            }
            State::Collecting { deadline } if now >= deadline => self.leave_behind(),
            _ => return false,
        }
        true
    }

    /// Whether something before the start makes the run pointless.
    fn has_failed(&self) -> bool {
        self.incidents.iter().any(|incident| incident.kind.condition() != api::Condition::StoppedBySignal)
    }

    fn has_begun(&self) -> bool {
        self.start.is_some_and(|start| self.now >= start)
            && self.sessions.iter().all(|session| session.started_at.is_some() || session.is_over())
    }

    fn prepare(&mut self, out: &mut Vec<Output>) {
        for index in 0..self.sessions.len() {
            let prepare = Prepare {
                document: self.spec.document.clone(),
                files: self.spec.files.clone(),
                share: self.sessions[index].share.clone(),
                threads: self.spec.threads,
                preflight: self.spec.preflight,
            };
            self.command(index, CommandBody::Prepare(Box::new(prepare)), out);
        }
        self.state = State::Preparing { deadline: self.now + self.spec.limits.prepare };
    }

    fn arm(&mut self, out: &mut Vec<Output>) {
        let start = self.now + self.spec.limits.start_lead;
        self.start = Some(start);
        self.next_live = start;
        self.command_all(CommandBody::Start { at: start }, out);
        self.state = State::Arming { deadline: start + self.spec.limits.started };
    }

    fn seal(&mut self, out: &mut Vec<Output>) {
        self.state = State::Sealed { at: self.now };
        out.push(Output::Sealed);
    }

    /// Shows the run once a second while there is load.
    fn show(&mut self, out: &mut Vec<Output>) {
        let phase = match self.state {
            State::Created { .. } | State::Preparing { .. } | State::Sealed { .. } => return,
            State::Arming { .. } | State::Running { .. } => LivePhase::Running,
            State::Draining { .. } | State::Collecting { .. } => LivePhase::Ending,
        };
        let Some(start) = self.start.filter(|_| self.now >= self.next_live) else { return };
        let elapsed = self.now.saturating_since(start);
        let view = LiveView::of(phase, elapsed, &self.spec.plan, &self.merged);
        out.push(Output::Live(Box::new(view)));
        let seconds = elapsed.as_u64() / Nanos::SECOND.as_u64();
        self.next_live = start + Nanos::from_secs(seconds + 1);
    }

    fn plan_end(&self) -> Timestamp {
        let longest = self.spec.plan.scenarios.iter().map(|scenario| scenario.load.duration()).max();
        self.start.unwrap_or(self.now) + longest.unwrap_or(Nanos::ZERO)
    }

    fn grace_end(&self) -> Timestamp {
        let scenarios = self.spec.plan.scenarios.iter();
        let longest =
            scenarios.map(|scenario| scenario.load.duration().saturating_add(scenario.graceful_stop)).max();
        self.start.unwrap_or(self.now) + longest.unwrap_or(Nanos::ZERO)
    }

    pub(super) fn note(&mut self, kind: IncidentKind) {
        self.incidents.push(Incident { at: self.now, kind });
    }

    pub(super) fn command_all(&mut self, body: CommandBody, out: &mut Vec<Output>) {
        for index in 0..self.sessions.len() {
            if !self.sessions[index].is_over() {
                self.command(index, body.clone(), out);
            }
        }
    }

    pub(super) fn command(&mut self, index: usize, body: CommandBody, out: &mut Vec<Output>) {
        self.last_command += 1;
        let command = Command { run_id: self.spec.run_id, id: CommandId(self.last_command), body };
        out.push(Output::Command { to: self.sessions[index].worker.clone(), command });
    }
}

/// Called this much later than asked for, the controller was held up itself. On a busy machine wake-ups are some
/// milliseconds late.
const HELD_UP: Nanos = Nanos::from_millis(500);
