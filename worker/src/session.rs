//! A worker's side of one run, as a pure state machine.
//!
//! ```text
//! Idle ─prepare─▸ Preparing ─ready─▸ Ready ─start─▸ Armed ─slot 0─▸ Running ─all threads ended─▸ Closing ─▸ Over
//!  │ stop            │ stop, refused   │ stop, leave  │ stop, leave   │ stop, leave, a thread failed ▴
//!  └─────────────────┴──▸ Over         └──────────────┴───────────────┴──▸ Stopping ─ended, limit────┘
//! ```
//!
//! It does no I/O and owns no clock: [`Session::step`] takes an instant and something that happened and says what
//! follows. Commands are applied in the order of their numbers, each once; one that makes no sense in a state has no
//! effect, and neither has anything of a controller's life before the latest one that was seen. Once it is told to stop
//! or to leave, a session ends with its last fact in bounded time, whatever the engine's threads do. While it closes,
//! telemetry is flushed; a stop that comes then leaves less time for it.

mod message;
mod revising;

use control::{
    Command, CommandBody, CommandId, Epoch, FactBody, FinalFact, Prepared, Refusal, RunId, StopMode,
};
use engine::Order;
use units::{Nanos, Timestamp};

pub use self::message::{Closing, Departure, Input, Output, ThreadEnd, Totals};
use self::revising::Revising;
use crate::outbox::{Author, Outbox};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Preparing,
    Ready,
    Armed {
        at: Timestamp,
    },
    Running,
    Stopping {
        mode: StopMode,
        deadline: Timestamp,
        flush_until: Timestamp,
    },
    /// What was measured is handed over, and telemetry has until then.
    Closing {
        until: Timestamp,
    },
    Over,
}

/// From the instant at which what is in flight is cancelled to the end of every thread: 1 s for teardown, which the
/// engine bounds itself, and half of the second that the controller then waits for the last fact.
const TEARDOWN: Nanos = Nanos::from_millis(1_500);

/// How long telemetry may take to reach its receivers when the load ended by itself.
const FLUSH: Nanos = Nanos::from_secs(5);

/// The same after a stop, from the end of the threads: somebody waits.
const STOPPED_FLUSH: Nanos = Nanos::from_millis(700);

/// The same after a second stop.
const CANCELLED_FLUSH: Nanos = Nanos::from_millis(300);

/// From the instant at which what is in flight is cancelled to the last word, telemetry flushed or not: the controller waits
/// for 2 s, a fifth of a second of which is left for the word's way.
const LAST_WORD: Nanos = Nanos::from_millis(1_800);

/// A worker's side of one run.
#[derive(Debug)]
pub struct Session {
    /// The controller's latest life that was seen.
    epoch: Epoch,
    state: State,
    applied: CommandId,
    /// Commands and acknowledgements of an earlier life of the controller.
    superseded: u64,
    outbox: Outbox,
    abandoned: bool,
    /// Slot 0 of every profile.
    start: Option<Timestamp>,
    /// A start that came before everything was ready: a worker that joins a run under way is told both at once.
    put_off_start: Option<Timestamp>,
    revising: Revising,
    withdrawing: bool,
    left_at: Option<Nanos>,
    /// Tasks that are being executed once.
    once: Vec<(CommandId, String)>,
    threads: Vec<Option<ThreadEnd>>,
    faults: Vec<String>,
}

impl Session {
    /// Waits for the first command of a run.
    pub fn new(author: Author) -> Self {
        Self {
            epoch: Epoch::default(),
            state: State::Idle,
            applied: CommandId(0),
            superseded: 0,
            outbox: Outbox::new(author),
            abandoned: false,
            start: None,
            put_off_start: None,
            revising: Revising::default(),
            withdrawing: false,
            left_at: None,
            once: Vec::new(),
            threads: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Takes note of `input` at `now` and appends what is to be done, in order, to `out`.
    pub fn step(&mut self, now: Timestamp, input: Input, out: &mut Vec<Output>) {
        self.advance(now, out);
        match input {
            Input::Tick => {}
            Input::Command(command) => self.command(now, command, out),
            Input::Ack(ack) => {
                if ack.run_id == self.run_id() && self.admits(ack.epoch) {
                    self.outbox.ack(now, ack.through, |fact| out.push(Output::Fact(Box::new(fact))));
                }
            }
            Input::Resume(ack) => {
                if ack.run_id == self.run_id() && self.admits(ack.epoch) {
                    self.outbox.resume(now, ack.through, |fact| out.push(Output::Fact(Box::new(fact))));
                }
            }
            Input::Readiness(readiness) => self.readiness(now, readiness, out),
            Input::Revised { thread, revision, effective } => {
                self.revising.report(thread, revision, effective);
                self.tell_revised(now, out);
            }
            Input::Forbidden(line) => {
                self.faults.push(line);
                self.leave(now, Departure { since: now, drain: StopMode::DRAIN }, out);
            }
            Input::OnceEnded { command, failure } => self.once_ended(now, command, failure, out),
            Input::ThreadEnded { thread, end } => self.thread_ended(now, thread, end, out),
            Input::Measured(snapshot) => self.say(now, FactBody::Measured(snapshot), out),
            Input::Traced(requests) => {
                // The last word is the last one.
                if self.state != State::Over {
                    self.say(now, FactBody::Traced(requests), out);
                }
            }
            Input::Closed(closing) => self.close(now, closing, out),
            Input::Stop(mode) => self.stop(now, mode, out),
            Input::Leave(departure) => self.leave(now, departure, out),
            Input::Withdraw => {
                self.withdrawing = true;
                if matches!(self.state, State::Idle | State::Preparing) {
                    self.leave(now, Departure { since: now, drain: Nanos::ZERO }, out);
                }
            }
            Input::Abandoned => {
                self.abandoned = true;
                self.stop(now, StopMode::Cancel, out);
            }
        }
        self.advance(now, out);
    }

    /// The latest instant at which [`Session::step`] has to be called again.
    pub fn wake_at(&self) -> Timestamp {
        let own = match self.state {
            State::Armed { at } => at,
            State::Stopping { deadline, .. } => deadline,
            _ => Timestamp::NEVER,
        };
        own.min(self.free_at().unwrap_or(Timestamp::NEVER)).min(self.outbox.wake_at())
    }

    /// Whether there is nothing left to do or to say.
    pub fn is_over(&self) -> bool {
        self.state == State::Over && (self.abandoned || self.outbox.is_empty())
    }

    /// Whether load is or may be made: from the threads' start to their end.
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running | State::Stopping { .. }) && !self.threads.is_empty()
    }

    /// Whether the last fact was said.
    pub fn has_ended(&self) -> bool {
        self.state == State::Over
    }

    /// How many commands and acknowledgements of an earlier life of the controller came and had no effect.
    pub fn superseded(&self) -> u64 {
        self.superseded
    }

    fn run_id(&self) -> RunId {
        self.outbox.author().run_id
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

    /// The instant from which a worker that wants to go carries nothing.
    fn free_at(&self) -> Option<Timestamp> {
        let leaves =
            self.withdrawing && matches!(self.state, State::Ready | State::Armed { .. } | State::Running);
        let from = self.revising.nothing_from().filter(|_| leaves)?;
        Some(self.start.map_or(Timestamp::ORIGIN, |start| start + from))
    }

    fn advance(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        self.outbox.tick(now, |fact| out.push(Output::Fact(Box::new(fact))));
        if let Some(since) = self.free_at().filter(|at| now >= *at) {
            self.leave(now, Departure { since, drain: StopMode::DRAIN }, out);
        }
        match self.state {
            State::Armed { at } if now >= at => {
                self.state = State::Running;
                out.push(Output::Begin);
                // One clock so far: whoever carries the fact to another machine adds what it knows of that one's.
                self.say(now, FactBody::Started { at: now, clock_error: Nanos::ZERO }, out);
            }
            State::Stopping { deadline, .. } if now >= deadline => {
                for (thread, _) in self.threads.iter().enumerate().filter(|(_, end)| end.is_none()) {
                    self.faults
                        .push(format!("engine thread {thread} did not end in time after it was told to"));
                }
                for (_, task) in std::mem::take(&mut self.once) {
                    let failure =
                        Some("it did not end before the worker's part did; its outcome is unknown".into());
                    self.say(now, FactBody::Once { task, failure }, out);
                }
                self.begin_closing(now, out);
            }
            _ => {}
        }
    }

    fn command(&mut self, now: Timestamp, command: Command, out: &mut Vec<Output>) {
        if command.run_id != self.run_id() || !self.admits(command.epoch) {
            return;
        }
        if command.id.0 > self.applied.0 + 1 {
            // Those before it are on their way, and it will come again after them.
            return;
        }
        if command.id.0 == self.applied.0 + 1 {
            self.applied = command.id;
            self.apply(now, command, out);
        }
        // Also to one that was applied long ago: that the controller repeats it means that this was lost.
        out.push(Output::Applied(self.applied));
    }

    fn apply(&mut self, now: Timestamp, command: Command, out: &mut Vec<Output>) {
        match (command.body, self.state) {
            (CommandBody::Prepare(prepare), State::Idle) => {
                self.state = State::Preparing;
                out.push(Output::Prepare(prepare));
            }
            (CommandBody::Start { at }, State::Preparing) => self.put_off_start = Some(at),
            (CommandBody::Start { at }, State::Ready) => self.arm(now, at, out),
            (CommandBody::Revise(revision), State::Preparing) => self.revising.put_off(*revision),
            (CommandBody::Revise(revision), State::Ready | State::Armed { .. } | State::Running) => {
                self.revising.begin(&revision);
                out.push(Output::Revise(*revision));
            }
            (CommandBody::Once { .. }, State::Closing { .. } | State::Over) => {}
            (CommandBody::Once { task }, State::Stopping { .. }) => {
                let failure = Some("it was not executed: the worker's part is ending".into());
                self.say(now, FactBody::Once { task, failure }, out);
            }
            (CommandBody::Once { task }, _) => {
                self.once.push((command.id, task.clone()));
                out.push(Output::Once { command: command.id, task });
            }
            (CommandBody::Stop(mode), _) => self.stop(now, mode, out),
            (CommandBody::Prepare(_) | CommandBody::Start { .. } | CommandBody::Revise(_), _) => {}
        }
    }

    fn arm(&mut self, now: Timestamp, at: Timestamp, out: &mut Vec<Output>) {
        self.start = Some(at);
        self.state = State::Armed { at };
        out.push(Output::Order(Order::StartAt(at)));
        self.advance(now, out);
    }

    fn readiness(&mut self, now: Timestamp, readiness: Result<Prepared, Refusal>, out: &mut Vec<Output>) {
        if self.state != State::Preparing {
            return;
        }
        match readiness {
            Ok(prepared) => {
                self.state = State::Ready;
                self.threads = (0..prepared.threads).map(|_| None).collect();
                out.push(Output::Launch);
                self.say(now, FactBody::Prepared(prepared), out);
                for revision in self.revising.take_put_off() {
                    self.revising.begin(&revision);
                    out.push(Output::Revise(revision));
                }
                if let Some(at) = self.put_off_start.take() {
                    self.arm(now, at, out);
                }
            }
            Err(refusal) => {
                self.state = State::Over;
                self.say(now, FactBody::Refused(refusal), out);
            }
        }
    }

    fn tell_revised(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        if matches!(self.state, State::Closing { .. } | State::Over) {
            return;
        }
        let threads = &self.threads;
        let is_answered = |reported: &[u32]| {
            (0..).zip(threads).all(|(thread, end)| end.is_some() || reported.contains(&thread))
        };
        for (revision, effective) in self.revising.take_answered(is_answered) {
            self.say(now, FactBody::Revised { revision, effective }, out);
        }
    }

    fn once_ended(
        &mut self,
        now: Timestamp,
        command: CommandId,
        failure: Option<String>,
        out: &mut Vec<Output>,
    ) {
        let Some(place) = self.once.iter().position(|(id, _)| *id == command) else { return };
        let (_, task) = self.once.remove(place);
        self.say(now, FactBody::Once { task, failure }, out);
        self.look_for_end(now, out);
    }

    fn stop(&mut self, now: Timestamp, mode: StopMode, out: &mut Vec<Output>) {
        let (order, end) = match mode {
            StopMode::Drain => (Order::Drain { until: now + StopMode::DRAIN }, now + StopMode::DRAIN),
            StopMode::Cancel => (Order::Cancel, now),
        };
        self.end_load(now, mode, order, end, out);
    }

    /// Carries nothing of the plan any more; what it leaves undone is no longer this worker's to count.
    fn leave(&mut self, now: Timestamp, departure: Departure, out: &mut Vec<Output>) {
        match self.state {
            State::Stopping { .. } | State::Over => return,
            // It has carried its part; only the flush is left, and whoever leaves has no five seconds for it.
            State::Closing { until } => return self.hasten(now, StopMode::Drain, until, out),
            _ => {}
        }
        let since = departure.since;
        self.left_at = Some(self.start.map_or(Nanos::ZERO, |start| since.saturating_since(start)));
        let until = now + departure.drain;
        self.end_load(now, StopMode::Drain, Order::Leave { until }, until, out);
    }

    fn end_load(
        &mut self,
        now: Timestamp,
        mode: StopMode,
        order: Order,
        end: Timestamp,
        out: &mut Vec<Output>,
    ) {
        let (deadline, flush_until) = match self.state {
            State::Idle | State::Preparing if self.once.is_empty() => {
                return self.close(now, Closing::default(), out);
            }
            State::Stopping { mode: present, deadline, flush_until } if mode > present => {
                (deadline, flush_until)
            }
            State::Closing { until } => return self.hasten(now, mode, until, out),
            State::Stopping { .. } | State::Over => return,
            _ => (Timestamp::NEVER, Timestamp::NEVER),
        };
        out.push(Output::Order(order));
        self.state = State::Stopping {
            mode,
            deadline: deadline.min(end + TEARDOWN),
            flush_until: flush_until.min(end + LAST_WORD),
        };
    }

    /// Lets what was measured be handed over, and telemetry be flushed.
    fn begin_closing(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let until = match self.state {
            State::Stopping { flush_until, .. } => flush_until.min(now + STOPPED_FLUSH),
            _ => now + FLUSH,
        };
        self.state = State::Closing { until };
        out.push(Output::Close { until });
    }

    /// Leaves less time to flush what is being flushed.
    fn hasten(&mut self, now: Timestamp, mode: StopMode, until: Timestamp, out: &mut Vec<Output>) {
        let patience = match mode {
            StopMode::Drain => STOPPED_FLUSH,
            StopMode::Cancel => CANCELLED_FLUSH,
        };
        if now + patience < until {
            let until = now + patience;
            self.state = State::Closing { until };
            out.push(Output::Hasten { until });
        }
    }

    fn thread_ended(&mut self, now: Timestamp, thread: u32, end: ThreadEnd, out: &mut Vec<Output>) {
        let Some(place @ None) = self.threads.get_mut(thread as usize) else { return };
        // The share is carried whole or not at all: what a failed thread leaves out would be another test.
        let fault = match &end {
            ThreadEnd::Finished(_) => None,
            ThreadEnd::Failed(why) => Some(format!("engine thread {thread} cannot run: {why}")),
            ThreadEnd::Panicked(text) => Some(format!("engine thread {thread} panicked: {text}")),
        };
        *place = Some(end);
        if let Some(fault) = fault {
            self.faults.push(fault);
            self.stop(now, StopMode::Cancel, out);
        }
        // What it had not answered it never will.
        self.tell_revised(now, out);
        self.look_for_end(now, out);
    }

    /// Closes when nothing is left to wait for.
    fn look_for_end(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let has_threads = matches!(self.state, State::Ready | State::Armed { .. } | State::Running);
        let is_ending = has_threads || matches!(self.state, State::Stopping { .. });
        if !is_ending || !self.threads.iter().all(Option::is_some) {
            return;
        }
        if self.once.is_empty() {
            self.begin_closing(now, out);
        } else {
            // The load is over, so a task beside it has as long as a request in flight.
            self.stop(now, StopMode::Drain, out);
        }
    }

    /// Says the last word.
    fn close(&mut self, now: Timestamp, closing: Closing, out: &mut Vec<Output>) {
        self.state = State::Over;
        self.faults.extend(closing.faults);
        let mut last = FinalFact {
            requests_attempted: 0,
            iterations_started: 0,
            health: closing.health,
            faults: std::mem::take(&mut self.faults),
            telemetry: closing.telemetry,
            executions_over_budget: closing.over_budget,
            panicked: self.threads.iter().any(|end| matches!(end, Some(ThreadEnd::Panicked(_)))),
            left_at: self.left_at,
        };
        for (thread, end) in self.threads.iter_mut().enumerate() {
            let recorded = closing.recorded.get(thread).copied().unwrap_or_default();
            let totals = match end.take() {
                Some(ThreadEnd::Finished(report)) => Totals {
                    requests_attempted: report.requests_attempted,
                    iterations_started: report.iterations_started,
                },
                _ => recorded,
            };
            last.requests_attempted += totals.requests_attempted;
            last.iterations_started += totals.iterations_started;
        }
        self.say(now, FactBody::Final(Box::new(last)), out);
    }

    fn say(&mut self, now: Timestamp, body: FactBody, out: &mut Vec<Output>) {
        self.outbox.push(now, body, |fact| out.push(Output::Fact(Box::new(fact))));
    }
}

#[cfg(test)]
mod tests;
