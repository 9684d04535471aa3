//! What a session is told and what it says.

use control::{
    Ack, Command, CommandId, Fact, Prepare, Prepared, Refusal, StopMode, TracedRequest, WorkerHealth,
};
use engine::{Order, ThreadReport};
use metrics::{SinkReport, Snapshot};
use plan::Revision;
use units::{Nanos, Timestamp};

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// The controller said something.
    Command(Command),
    /// The controller took facts.
    Ack(Ack),
    /// A new stream was opened, whose controller took facts up to here.
    Resume(Ack),
    /// What came of [`Output::Prepare`].
    Readiness(Result<Prepared, Refusal>),
    /// An engine thread took up a revision.
    Revised {
        /// Which thread.
        thread: u32,
        /// The revision's number.
        revision: u64,
        /// The run time from which it holds there.
        effective: Nanos,
    },
    /// This machine's own policy does not allow what a revision asks for.
    Forbidden(String),
    /// What came of [`Output::Once`].
    OnceEnded {
        /// The command that asked for it.
        command: CommandId,
        /// Why it failed.
        failure: Option<String>,
    },
    /// An engine thread is over.
    ThreadEnded {
        /// Which one.
        thread: u32,
        /// How.
        end: ThreadEnd,
    },
    /// Something was measured.
    Measured(Box<Snapshot>),
    /// Requests that can be found in traces, at most [`TracedRequest::MOST`].
    Traced(Vec<TracedRequest>),
    /// What came of [`Output::Close`]; all that was measured came before.
    Closed(Closing),
    /// End the load, by another way than a command.
    Stop(StopMode),
    /// The worker carries nothing of the plan any more.
    Leave(Departure),
    /// The worker wants to go: it leaves as soon as a revision that gives it nothing is in force.
    Withdraw,
    /// Nobody listens any more.
    Abandoned,
    /// Time passed, nothing else.
    Tick,
}

/// How a worker leaves a run that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Since when it may carry nothing: the end of its lease, or now.
    pub since: Timestamp,
    /// How long what is in flight may take to end.
    pub drain: Nanos,
}

/// How an engine thread ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThreadEnd {
    /// With its part of the plan, or when it was told to.
    Finished(ThreadReport),
    /// It could not begin.
    Failed(String),
    /// By a panic, with its text.
    Panicked(String),
}

/// What is known when everything is over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closing {
    /// How the machine fared.
    pub health: WorkerHealth,
    /// What each thread recorded: what stands for the totals of one that could not give them.
    pub recorded: Vec<Totals>,
    /// What became of telemetry.
    pub telemetry: Vec<SinkReport>,
    /// Executions that sampling would have kept but for the budget of spans.
    pub over_budget: u64,
    /// What went wrong in the worker itself, one line each.
    pub faults: Vec<String>,
}

/// What the last fact is held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests attempted.
    pub requests_attempted: u64,
    /// Iterations started.
    pub iterations_started: u64,
}

/// Something to do.
#[derive(Debug)]
pub enum Output {
    /// Hand this to the controller.
    Fact(Box<Fact>),
    /// Tell the controller that every command up to this one was applied.
    Applied(CommandId),
    /// Make everything ready; answered by [`Input::Readiness`].
    Prepare(Box<Prepare>),
    /// Spawn the engine's threads with what was made ready.
    Launch,
    /// Give this order to all engine threads and to tasks that are executed once.
    Order(Order),
    /// Let all engine threads carry another part, if this machine's policy allows it; answered by [`Input::Revised`] of
    /// each, or by [`Input::Forbidden`].
    Revise(Revision),
    /// Execute a task once; answered by [`Input::OnceEnded`].
    Once {
        /// The command that asked for it.
        command: CommandId,
        /// The task's name.
        task: String,
    },
    /// Load begins now: look at the machine.
    Begin,
    /// Hand over all that was measured and flush telemetry, until then at most; then answer with [`Input::Closed`].
    Close {
        /// When it is answered at the latest, flushed or not.
        until: Timestamp,
    },
    /// What [`Output::Close`] asked for has less time than it was given.
    Hasten {
        /// When it is answered at the latest.
        until: Timestamp,
    },
}
