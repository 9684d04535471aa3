//! A worker's membership of a cluster, as a pure state machine.
//!
//! ```text
//!            ┌──────────────── Waiting (backoff) ◂──── failed ────┬───────────────┐
//!            ▾                      │                             │               │
//! ─▸ Enrolling ─enrolled─▸ Granted ─first beat answered─▸ Attaching ─welcome─▸ Attached
//!            ▴                      │                             │               │
//!            └── runs have ended ── Fenced ◂── lease ended, or fenced, in any of these
//! ```
//!
//! It does no I/O and owns no clock. Authority ends with the lease or by a fence: load stops, the runs say their last
//! word, and the worker enrols as a new session; what the old one still has to say goes another way. Leaving lies across
//! all states: it ends in [`Output::Exit`] in bounded time. Nothing of a lower epoch, another cluster or an earlier
//! stream has any effect.

mod leaving;
mod message;
mod runs;

use control::{
    Ack, ClockOffset, ClusterId, Command, CommandBody, ControllerMessage, EnrolRefusal, Enrolled, Epoch,
    FromController, FromWorker, LeaseToken, RunId, SessionId, Standing, StopMode, WorkerId, WorkerMessage,
};
use units::{Nanos, Timestamp};
use uuid::Uuid;

use self::leaving::Leaving;
use self::message::Grounds;
pub use self::message::WorkerExit;
pub use self::message::{EnrolFailure, Input, Output, RunKey};
use self::runs::Runs;
use super::backoff::Backoff;
use super::heart::{Grant, Pulse};
use crate::local::Report;

/// What a link is told once.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// The worker's name.
    pub worker: WorkerId,
    /// The first session, at random.
    pub session: SessionId,
    /// Where the waits between attempts are drawn from.
    pub seed: u64,
    /// How long the answer to a hello may take.
    pub welcome: Nanos,
    /// How long the controller may be unreachable; `None` for as long as it takes.
    pub unavailable: Option<Nanos>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An attempt to enrol is under way.
    Enrolling,
    /// Nothing is tried before `until`.
    Waiting { until: Timestamp },
    /// Enrolled; the lease begins with the first answer to a beat.
    Granted { until: Timestamp },
    /// A stream is being opened.
    Attaching { until: Timestamp },
    /// Commands come and facts go.
    Attached { since: Timestamp },
    /// Without authority; the runs are still saying their last words.
    Fenced,
    /// There is nothing left to do.
    Over,
}

/// What a worker has from its enrolment until its authority ends.
#[derive(Clone, Copy, Debug)]
struct Membership {
    cluster: ClusterId,
    token: LeaseToken,
    /// [`Timestamp::ORIGIN`] before the first answer to a beat.
    lease_until: Timestamp,
}

/// A worker's membership of a cluster.
#[derive(Debug)]
pub struct Link {
    options: LinkOptions,
    state: State,
    session: SessionId,
    /// The controller's latest life that was seen.
    epoch: Epoch,
    membership: Option<Membership>,
    /// The number of the latest stream.
    stream: u64,
    clock: Option<ClockOffset>,
    runs: Runs,
    leaving: Option<Leaving>,
    backoff: Backoff,
    /// When the controller was last heard; at first, when it was first looked for.
    heard_at: Timestamp,
    last_failure: String,
    superseded: u64,
}

impl Link {
    /// A stream that lasted so long was none that fails at once.
    const STABLE: Nanos = Nanos::from_secs(10);

    /// Enrols at once.
    pub fn new(now: Timestamp, options: LinkOptions, out: &mut Vec<Output>) -> Self {
        out.push(Output::Enrol(options.session));
        Self {
            state: State::Enrolling,
            session: options.session,
            epoch: Epoch::default(),
            membership: None,
            stream: 0,
            clock: None,
            runs: Runs::default(),
            leaving: None,
            backoff: Backoff::seeded(options.seed),
            heard_at: now,
            last_failure: "it was never reached".to_owned(),
            superseded: 0,
            options,
        }
    }

    /// Takes note of `input` at `now` and appends what is to be done, in order, to `out`.
    pub fn step(&mut self, now: Timestamp, input: Input, out: &mut Vec<Output>) {
        self.advance(now, out);
        match input {
            Input::Tick => {}
            Input::Enrolled(Ok(enrolled)) => self.enrolled(now, enrolled, out),
            Input::Enrolled(Err(failure)) => self.not_enrolled(now, failure, out),
            Input::Pulse { session, pulse } => self.pulse(now, session, &pulse, out),
            Input::Received { stream, message } => self.received(now, stream, *message, out),
            Input::Closed { stream, why } => self.closed(now, stream, why, out),
            Input::Report(key, report) => self.report(now, key, report, out),
            Input::ResidualTaken { session, told, acks } => {
                self.residual_taken(now, session, &told, &acks, out)
            }
            Input::RunOver(key) => self.runs.remove(&key),
            Input::Leave(mode) => self.leave(now, mode, Grounds::Asked, out),
            Input::Cancel => self.cancel(now, out),
        }
        self.advance(now, out);
    }

    /// The latest instant at which [`Link::step`] has to be called again.
    pub fn wake_at(&self) -> Timestamp {
        let own = match self.state {
            State::Waiting { until } | State::Granted { until } | State::Attaching { until } => until,
            State::Enrolling | State::Attached { .. } | State::Fenced | State::Over => Timestamp::NEVER,
        };
        let lapse = self.membership.map(|membership| membership.lease_until);
        let lapse = lapse.filter(|until| *until != Timestamp::ORIGIN).unwrap_or(Timestamp::NEVER);
        let leaving = self.leaving.map_or(Timestamp::NEVER, |leaving| leaving.wake_at());
        own.min(lapse).min(leaving).min(self.gives_up_at()).min(self.runs.expires_at())
    }

    /// Whether the worker can take part in a run.
    ///
    /// # Errors
    /// Why not, for people.
    pub fn ready(&self) -> Result<(), String> {
        if self.leaving.is_some() {
            return Err("the worker is leaving".to_owned());
        }
        match self.state {
            State::Attached { .. } => Ok(()),
            State::Enrolling | State::Waiting { .. } if self.membership.is_none() => {
                Err(format!("the worker is not enrolled: {}", self.last_failure))
            }
            State::Granted { .. } => Err("the worker waits for its first lease".to_owned()),
            State::Fenced => Err("the worker lost its lease and ends what it does".to_owned()),
            State::Over => Err("the worker is over".to_owned()),
            _ => Err(format!("the worker has no stream to its controller: {}", self.last_failure)),
        }
    }

    /// Whether a run may make load.
    pub fn makes_load(&self) -> bool {
        self.runs.any_unended()
    }

    /// How many messages of an earlier life of the controller, of an earlier stream or of another cluster came and had no
    /// effect.
    pub fn superseded(&self) -> u64 {
        self.superseded
    }

    fn advance(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        if self.state == State::Over {
            return;
        }
        for key in self.runs.expire(now) {
            tracing::warn!(run_id = %key.run_id, "facts of an ended run were kept for long enough and are given up");
            out.push(Output::Drop(key));
        }
        if self.membership.is_some_and(|membership| {
            membership.lease_until != Timestamp::ORIGIN && now >= membership.lease_until
        }) {
            self.lose_authority(out, "its lease ended: no beat was answered in time".to_owned());
        }
        match self.state {
            State::Waiting { until } if now >= until => self.attempt(now, out),
            State::Granted { until } if now >= until => {
                self.lose_authority(out, "no beat was answered".to_owned());
            }
            State::Attaching { until } if now >= until => {
                let why = format!("no answer to the hello within {}", self.options.welcome);
                out.push(Output::Close);
                self.fail(now, why);
            }
            _ => {}
        }
        if self.state == State::Fenced && !self.runs.any_unended() && self.leaving.is_none() {
            let until = self.backoff.next(now);
            self.state = State::Waiting { until };
        }
        self.advance_leaving(now, out);
        if now >= self.gives_up_at() && self.runs.is_empty() {
            self.exit(WorkerExit::Unavailable { why: self.last_failure.clone() }, out);
        }
    }

    /// When an unreachable controller is given up.
    fn gives_up_at(&self) -> Timestamp {
        let is_away = !matches!(self.state, State::Attached { .. } | State::Over);
        self.options.unavailable.filter(|_| is_away).map_or(Timestamp::NEVER, |limit| self.heard_at + limit)
    }

    fn attempt(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        if self.membership.is_none() {
            self.state = State::Enrolling;
            out.push(Output::Enrol(self.session));
        } else {
            self.open(now, out);
        }
    }

    fn enrolled(&mut self, now: Timestamp, enrolled: Enrolled, out: &mut Vec<Output>) {
        if self.state != State::Enrolling {
            return;
        }
        if !self.admits(enrolled.epoch) {
            return self.fail(now, "an earlier life of the controller answered".to_owned());
        }
        self.heard_at = now;
        let Enrolled { cluster, epoch, token, version: _, lease: terms } = enrolled;
        self.membership = Some(Membership { cluster, token, lease_until: Timestamp::ORIGIN });
        self.state = State::Granted { until: now + terms.ttl };
        let worker = self.options.worker.clone();
        out.push(Output::Beat(Some(Grant { worker, session: self.session, epoch, token, terms })));
    }

    fn not_enrolled(&mut self, now: Timestamp, failure: EnrolFailure, out: &mut Vec<Output>) {
        if self.state != State::Enrolling {
            return;
        }
        match failure {
            EnrolFailure::Refused(refusal @ (EnrolRefusal::Version { .. } | EnrolRefusal::Name { .. })) => {
                self.exit(WorkerExit::Refused(refusal), out);
            }
            // A controller that shuts down or is full may take the worker later.
            EnrolFailure::Refused(refusal @ (EnrolRefusal::Full { .. } | EnrolRefusal::ShuttingDown)) => {
                self.fail(now, refusal.to_string());
            }
            EnrolFailure::Unauthorised(why) => self.exit(WorkerExit::Unauthorised(why), out),
            EnrolFailure::Failed(why) => self.fail(now, why),
        }
    }

    fn pulse(&mut self, now: Timestamp, session: SessionId, pulse: &Pulse, out: &mut Vec<Output>) {
        let Some(membership) = self.membership.as_mut().filter(|_| session == self.session) else { return };
        membership.lease_until = pulse.lease_until;
        self.clock = pulse.clock.or(self.clock);
        self.heard_at = self.heard_at.max(pulse.heard_at.unwrap_or(Timestamp::ORIGIN));
        if pulse.epoch > self.epoch {
            self.epoch = pulse.epoch;
        }
        match pulse.standing {
            Standing::Current => {}
            Standing::Fenced { current } => {
                let why = format!("another session of this worker took over (lease {})", current.counter);
                return self.lose_authority(out, why);
            }
            Standing::Unknown => {
                return self
                    .lose_authority(out, "the controller does not know the session any more".to_owned());
            }
        }
        if let Some((run_id, mode)) = pulse.stop {
            let key = RunKey { session, run_id };
            if self.runs.contains(&key) {
                out.push(Output::Stop(key, mode));
            }
        }
        if matches!(self.state, State::Granted { .. }) && pulse.lease_until > now {
            self.open(now, out);
        }
    }

    /// Opens a stream.
    fn open(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        self.stream += 1;
        self.state = State::Attaching { until: now + self.options.welcome };
        let runs = self.runs.standings(self.session);
        if let Some(hello) = self.envelope(WorkerMessage::Hello { runs }) {
            out.push(Output::Open { stream: self.stream, hello });
        }
    }

    fn received(&mut self, now: Timestamp, stream: u64, message: FromController, out: &mut Vec<Output>) {
        let is_open = matches!(self.state, State::Attaching { .. } | State::Attached { .. });
        let cluster = self.membership.map(|membership| membership.cluster);
        if !is_open || stream != self.stream || cluster != Some(message.cluster) {
            self.superseded += 1;
            return;
        }
        if !self.admits(message.epoch) {
            return;
        }
        self.heard_at = now;
        match message.body {
            ControllerMessage::Welcome { acks } => self.welcome(now, acks, out),
            ControllerMessage::Command(command) => self.command(*command, out),
            ControllerMessage::Ack(ack) => {
                let key = RunKey { session: self.session, run_id: ack.run_id };
                if self.runs.contains(&key) {
                    out.push(Output::Ack(key, ack));
                }
            }
            ControllerMessage::Fenced { current } => {
                if self.membership.is_some_and(|membership| current > membership.token) {
                    let why = format!("another session of this worker took over (lease {})", current.counter);
                    self.lose_authority(out, why);
                } else {
                    self.superseded += 1;
                }
            }
            ControllerMessage::Farewell => self.farewell(now, out),
        }
    }

    fn welcome(&mut self, now: Timestamp, acks: Vec<Ack>, out: &mut Vec<Output>) {
        if !matches!(self.state, State::Attaching { .. }) {
            return;
        }
        self.state = State::Attached { since: now };
        for key in self.runs.of_session(self.session) {
            match acks.iter().find(|ack| ack.run_id == key.run_id) {
                Some(ack) => out.push(Output::Resume(key, *ack)),
                None => {
                    self.runs.remove(&key);
                    out.push(Output::Drop(key));
                }
            }
        }
        self.tell_leave(now, out);
    }

    fn command(&mut self, mut command: Command, out: &mut Vec<Output>) {
        // Before a run is made of it: that one would know of no other life of the controller.
        if !self.admits(command.epoch) {
            return;
        }
        if !matches!(self.state, State::Attached { .. }) {
            return;
        }
        let key = RunKey { session: self.session, run_id: command.run_id };
        if !self.runs.contains(&key) {
            // A first command is said again until it is answered, so what stands in its way now need not be answered.
            let is_first = command.id.0 == 1 && self.leaving.is_none() && !self.runs.is_past(&key);
            if !is_first {
                return;
            }
            let unended = self.runs.unended();
            if !unended.is_empty() {
                // The controller went on to the next run, so the one before is over for it.
                out.extend(unended.into_iter().map(|key| Output::Leave(key, StopMode::DRAIN)));
                return;
            }
            self.runs.insert(key);
            out.push(Output::Start(key));
        }
        if let CommandBody::Start { at } = &mut command.body {
            let Some(present) = self.clock else { return };
            *at = self.runs.start_offset(&key, present).to_worker(*at);
        }
        out.push(Output::Command(key, Box::new(command)));
    }

    fn closed(&mut self, now: Timestamp, stream: u64, why: String, out: &mut Vec<Output>) {
        let is_open = matches!(self.state, State::Attaching { .. } | State::Attached { .. });
        if !is_open || stream != self.stream {
            return;
        }
        if let State::Attached { since } = self.state
            && now.saturating_since(since) >= Self::STABLE
        {
            self.backoff.reset();
        }
        out.push(Output::Close);
        self.fail(now, why);
    }

    fn report(&mut self, now: Timestamp, key: RunKey, report: Report, out: &mut Vec<Output>) {
        if !self.runs.contains(&key) {
            return;
        }
        let is_attached = matches!(self.state, State::Attached { .. });
        match report {
            Report::Applied(through) => {
                self.runs.applied(&key, through);
                let body = WorkerMessage::Applied { run_id: key.run_id, through };
                if let Some(message) =
                    self.envelope(body).filter(|_| is_attached && key.session == self.session)
                {
                    out.push(Output::Send(message));
                }
            }
            Report::Fact(mut fact) => {
                self.runs.said(now, &key, &mut fact);
                if key.session != self.session {
                    out.push(Output::Residual(fact));
                } else if is_attached && let Some(message) = self.envelope(WorkerMessage::Fact(fact)) {
                    out.push(Output::Send(message));
                }
            }
        }
    }

    fn residual_taken(
        &mut self,
        now: Timestamp,
        session: SessionId,
        told: &[RunId],
        acks: &[Ack],
        out: &mut Vec<Output>,
    ) {
        self.heard_at = now;
        for run_id in told {
            let key = RunKey { session, run_id: *run_id };
            match acks.iter().find(|ack| ack.run_id == *run_id) {
                _ if !self.runs.contains(&key) => {}
                Some(ack) => {
                    if self.admits(ack.epoch) {
                        out.push(Output::Ack(key, *ack));
                    }
                }
                None => {
                    self.runs.remove(&key);
                    out.push(Output::Drop(key));
                }
            }
        }
    }

    /// Without authority from now on: load ends, and the next enrolment is another session's.
    fn lose_authority(&mut self, out: &mut Vec<Output>, why: String) {
        if self.membership.take().is_none() {
            return;
        }
        tracing::warn!(reason = %why, "the worker has no authority any more");
        self.last_failure = why;
        // The next life of the controller may have another clock.
        self.clock = None;
        out.push(Output::Beat(None));
        out.push(Output::Close);
        out.extend(self.runs.unended().into_iter().map(|key| Output::Leave(key, StopMode::DRAIN)));
        // A session is one life with authority: commands and facts are numbered in it.
        let random = u128::from(self.backoff.draw()) << 64 | u128::from(self.backoff.draw());
        self.session = SessionId(Uuid::from_u128(self.session.0.as_u128() ^ random));
        self.state = State::Fenced;
    }

    /// An attempt failed; the next one comes later.
    fn fail(&mut self, now: Timestamp, why: String) {
        tracing::debug!(reason = %why, "an attempt to reach the controller failed");
        self.last_failure = why;
        self.state = State::Waiting { until: self.backoff.next(now) };
    }

    /// Whether something of the controller's life `epoch` may have an effect.
    fn admits(&mut self, epoch: Epoch) -> bool {
        let admits = epoch >= self.epoch;
        if admits {
            self.epoch = epoch;
        } else {
            self.superseded += 1;
        }
        admits
    }

    fn envelope(&self, body: WorkerMessage) -> Option<FromWorker> {
        let token = self.membership?.token;
        Some(FromWorker { worker: self.options.worker.clone(), session: self.session, token, body })
    }

    fn exit(&mut self, exit: WorkerExit, out: &mut Vec<Output>) {
        if self.state != State::Over {
            self.state = State::Over;
            self.membership = None;
            out.push(Output::Beat(None));
            out.push(Output::Exit(exit));
        }
    }
}

#[cfg(test)]
mod tests;
