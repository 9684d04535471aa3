//! What goes into a run's state machine, and what comes out.

use control::{Command, Fact, WorkerId};

use crate::live::LiveView;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time passed, nothing else.
    Tick,
    /// A worker said something.
    Fact(Box<Fact>),
    /// A worker cannot be heard any more: its thread ended, its connection is gone for good.
    Lost {
        /// Who.
        worker: WorkerId,
        /// How that was noticed.
        reason: String,
    },
    /// A signal asks for the end: once to drain, again to cancel what is in flight.
    Stop,
}

/// Something to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Hand this to a worker.
    Command {
        /// To whom.
        to: WorkerId,
        /// What it shall do.
        command: Command,
    },
    /// Show this: once a second while there is load.
    Live(Box<LiveView>),
    /// The run is over; [`RunMachine::into_sealed`](super::RunMachine::into_sealed) has all of it.
    Sealed,
}
