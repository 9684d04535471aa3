//! A worker's side of one run, as a pure state machine.
//!
//! ```text
//! Idle ─prepare─▸ Preparing ─ready─▸ Ready ─start─▸ Armed ─slot 0─▸ Running ─all threads ended─▸ Closing ─▸ Over
//!  │ stop            │ stop, refused   │ stop         │ stop          │ stop, a thread failed      ▴
//!  └─────────────────┴──▸ Over         └──────────────┴───────────────┴──▸ Stopping ─ended, limit──┘
//! ```
//!
//! It does no I/O and owns no clock: [`Session::step`] takes an instant and something that happened and says what
//! follows. A command is applied once, by its number; one that makes no sense in a state has no effect. Once it is told
//! to stop, a session ends with its last fact in bounded time, whatever the engine's threads do.

use control::{
    Command, CommandBody, CommandId, Fact, FactBody, FinalFact, Prepare, Prepared, Refusal, RunId, StopMode,
    WorkerHealth, WorkerId, WorkerInfo,
};
use engine::{Order, ThreadReport};
use metrics::Snapshot;
use units::{Nanos, Timestamp};

use crate::outbox::Outbox;

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// The controller said something.
    Command(Command),
    /// What came of [`Output::Prepare`].
    Readiness(Result<Prepared, Refusal>),
    /// An engine thread is over.
    ThreadEnded {
        /// Which one.
        thread: u32,
        /// How.
        end: ThreadEnd,
    },
    /// Something was measured.
    Measured(Box<Snapshot>),
    /// What came of [`Output::Close`]; all that was measured came before.
    Closed(Closing),
    /// Nobody listens any more.
    Abandoned,
    /// Time passed, nothing else.
    Tick,
}

/// How an engine thread ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ThreadEnd {
    /// With its part of the plan, or when it was told to.
    Finished(ThreadReport),
    /// It could not begin.
    Failed(String),
    /// By a panic, with its text.
    Panicked(String),
}

/// What is known when everything is over.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Closing {
    /// How the machine fared.
    pub(crate) health: WorkerHealth,
    /// What each thread recorded: what stands for the totals of one that could not give them.
    pub(crate) recorded: Vec<Totals>,
}

/// What the last fact is held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) requests_attempted: u64,
    pub(crate) iterations_started: u64,
}

/// Something to do.
#[derive(Debug)]
pub(crate) enum Output {
    /// Hand this to the controller.
    Fact(Box<Fact>),
    /// Make everything ready; answered by [`Input::Readiness`].
    Prepare(Box<Prepare>),
    /// Spawn the engine's threads with what was made ready.
    Launch,
    /// Give this order to all engine threads.
    Order(Order),
    /// Load begins now: look at the machine.
    Begin,
    /// Hand over all that was measured, then answer with [`Input::Closed`].
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Preparing,
    Ready,
    Armed { at: Timestamp },
    Running,
    Stopping { mode: StopMode, deadline: Timestamp },
    Closing,
    Over,
}

/// From the instant at which what is in flight is cancelled to the end of every thread: 1 s for teardown, which the
/// engine bounds itself, and half of the second that the controller then waits for the last fact.
const TEARDOWN: Nanos = Nanos::from_millis(1_500);

/// A worker's side of one run.
#[derive(Debug)]
pub(crate) struct Session {
    run_id: RunId,
    state: State,
    applied: CommandId,
    outbox: Outbox,
    abandoned: bool,
    threads: Vec<Option<ThreadEnd>>,
    faults: Vec<String>,
}

impl Session {
    /// Joins a run.
    pub(crate) fn new(run_id: RunId, worker: WorkerId, info: WorkerInfo, out: &mut Vec<Output>) -> Self {
        let mut session = Self {
            run_id,
            state: State::Idle,
            applied: CommandId(0),
            outbox: Outbox::new(run_id, worker),
            abandoned: false,
            threads: Vec::new(),
            faults: Vec::new(),
        };
        session.say(FactBody::Joined(Box::new(info)), out);
        session
    }

    /// Takes note of `input` at `now` and appends what is to be done, in order, to `out`.
    pub(crate) fn step(&mut self, now: Timestamp, input: Input, out: &mut Vec<Output>) {
        self.advance(now, out);
        match input {
            Input::Tick => {}
            Input::Command(command) => self.command(now, command, out),
            Input::Readiness(readiness) => self.readiness(readiness, out),
            Input::ThreadEnded { thread, end } => self.thread_ended(now, thread, end, out),
            Input::Measured(snapshot) => self.say(FactBody::Measured(snapshot), out),
            Input::Closed(closing) => self.close(&closing, out),
            Input::Abandoned => {
                self.abandoned = true;
                self.stop(now, StopMode::Cancel, out);
            }
        }
    }

    /// The latest instant at which [`Session::step`] has to be called again.
    pub(crate) fn wake_at(&self) -> Timestamp {
        match self.state {
            State::Armed { at } => at,
            State::Stopping { deadline, .. } => deadline,
            _ => Timestamp::NEVER,
        }
    }

    /// Whether there is nothing left to do or to say.
    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over && (self.abandoned || self.outbox.is_empty())
    }

    fn advance(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        match self.state {
            State::Armed { at } if now >= at => {
                self.state = State::Running;
                out.push(Output::Begin);
                self.say(FactBody::Started { at: now }, out);
            }
            State::Stopping { deadline, .. } if now >= deadline => {
                for (thread, _) in self.threads.iter().enumerate().filter(|(_, end)| end.is_none()) {
                    self.faults
                        .push(format!("engine thread {thread} did not end in time after it was told to"));
                }
                self.state = State::Closing;
                out.push(Output::Close);
            }
            _ => {}
        }
    }

    fn command(&mut self, now: Timestamp, command: Command, out: &mut Vec<Output>) {
        if command.run_id != self.run_id || command.id <= self.applied {
            return;
        }
        self.applied = command.id;
        match (command.body, self.state) {
            (CommandBody::Prepare(prepare), State::Idle) => {
                self.state = State::Preparing;
                out.push(Output::Prepare(prepare));
            }
            (CommandBody::Start { at }, State::Ready) => {
                self.state = State::Armed { at };
                out.push(Output::Order(Order::StartAt(at)));
                self.advance(now, out);
            }
            (CommandBody::Stop(mode), _) => self.stop(now, mode, out),
            (CommandBody::Ack { through }, _) => {
                self.outbox.ack(through, |fact| out.push(Output::Fact(Box::new(fact))));
            }
            (CommandBody::Prepare(_) | CommandBody::Start { .. }, _) => {}
        }
    }

    fn readiness(&mut self, readiness: Result<Prepared, Refusal>, out: &mut Vec<Output>) {
        if self.state != State::Preparing {
            return;
        }
        match readiness {
            Ok(prepared) => {
                self.state = State::Ready;
                self.threads = (0..prepared.threads).map(|_| None).collect();
                out.push(Output::Launch);
                self.say(FactBody::Prepared(prepared), out);
            }
            Err(refusal) => {
                self.state = State::Over;
                self.say(FactBody::Refused(refusal), out);
            }
        }
    }

    fn stop(&mut self, now: Timestamp, mode: StopMode, out: &mut Vec<Output>) {
        let before = match self.state {
            State::Idle | State::Preparing => return self.close(&Closing::default(), out),
            State::Ready | State::Armed { .. } | State::Running => Timestamp::NEVER,
            State::Stopping { mode: present, deadline } if mode > present => deadline,
            State::Stopping { .. } | State::Closing | State::Over => return,
        };
        let (order, end) = match mode {
            StopMode::Drain => (Order::Drain { until: now + StopMode::DRAIN }, now + StopMode::DRAIN),
            StopMode::Cancel => (Order::Cancel, now),
        };
        out.push(Output::Order(order));
        self.state = State::Stopping { mode, deadline: before.min(end + TEARDOWN) };
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
        let is_making_load = !matches!(self.state, State::Closing | State::Over);
        if is_making_load && self.threads.iter().all(Option::is_some) {
            self.state = State::Closing;
            out.push(Output::Close);
        }
    }

    /// Says the last word.
    fn close(&mut self, closing: &Closing, out: &mut Vec<Output>) {
        self.state = State::Over;
        let mut last = FinalFact {
            requests_attempted: 0,
            iterations_started: 0,
            health: closing.health,
            faults: std::mem::take(&mut self.faults),
            panicked: self.threads.iter().any(|end| matches!(end, Some(ThreadEnd::Panicked(_)))),
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
        self.say(FactBody::Final(Box::new(last)), out);
    }

    fn say(&mut self, body: FactBody, out: &mut Vec<Output>) {
        self.outbox.push(body, |fact| out.push(Output::Fact(Box::new(fact))));
    }
}

#[cfg(test)]
mod tests;
