//! Virtual users: what one of them is doing.

use std::rc::Rc;

use metrics::{ExecutionRecord, Period};
use plan::RequestId;
use units::Timestamp;

use crate::task::Mailbox;
use crate::tracer::Marks;

/// One virtual user. Its place in the thread's table is its timer and its [`crate::CallId`].
#[derive(Debug)]
pub(crate) struct User {
    /// Index of its scenario.
    pub(crate) scenario: u32,
    /// Its number in the scenario, over all workers.
    pub(crate) number: u32,
    /// Whether it may start iterations; of no meaning in an open model.
    pub(crate) active: bool,
    /// Whether it is this thread's; one that is not finishes its iteration and stays for its return.
    pub(crate) owned: bool,
    /// The number of the revision that made it this thread's.
    pub(crate) gained: u64,
    pub(crate) state: State,
    pub(crate) iteration: Iteration,
    /// The next operation of the program.
    pub(crate) op: u32,
    /// When the step at hand was meant to start.
    pub(crate) intended: Timestamp,
    /// When it was taken up.
    pub(crate) released: Timestamp,
    /// Iterations it has started.
    pub(crate) begun: u64,
    /// Requests it has begun in its iteration.
    pub(crate) calls: u32,
    /// What is written down of its iteration, once there is something.
    pub(crate) record: Option<Box<ExecutionRecord>>,
}

/// What a user is doing.
#[derive(Debug)]
pub(crate) enum State {
    /// Waiting for an iteration.
    Idle,
    /// Between two steps.
    Thinking,
    /// Waiting for the end of a request.
    Calling(RequestId),
    /// A Rust task's user; its life runs in a task of the runtime.
    Living { mailbox: Rc<Mailbox>, busy: bool },
}

/// The iteration a user is in, or was in last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Iteration {
    /// Its number in the scenario, over all workers.
    pub(crate) n: u64,
    /// When it was due.
    pub(crate) intended: Timestamp,
    /// When the pacer took it up.
    pub(crate) released: Timestamp,
    /// When it started.
    pub(crate) started: Timestamp,
    pub(crate) period: Period,
    pub(crate) failed: bool,
    pub(crate) cancelled: bool,
    /// What tracing does with it.
    pub(crate) marks: Marks,
}

impl Iteration {
    /// Number `n`, due at `intended`, taken up at `released`, which starts at `started`.
    pub(crate) fn new(
        n: u64,
        intended: Timestamp,
        released: Timestamp,
        started: Timestamp,
        period: Period,
    ) -> Self {
        let marks = Marks::default();
        Self { n, intended, released, started, period, failed: false, cancelled: false, marks }
    }
}

impl User {
    pub(crate) fn new(scenario: u32, number: u32, gained: u64, state: State) -> Self {
        Self {
            scenario,
            number,
            active: false,
            owned: true,
            gained,
            state,
            iteration: Iteration::new(
                0,
                Timestamp::ORIGIN,
                Timestamp::ORIGIN,
                Timestamp::ORIGIN,
                Period::Measured,
            ),
            op: 0,
            intended: Timestamp::ORIGIN,
            released: Timestamp::ORIGIN,
            begun: 0,
            calls: 0,
            record: None,
        }
    }

    /// The number in the scenario of a closed model's next iteration, with `all_users` users in all shares: u, u +
    /// `all_users`, … for user u of the first revision. One who came by a later revision counts anew beside that, as the
    /// numbers its former owner used are not known here.
    pub(crate) fn next_iteration(&self, all_users: u64) -> u64 {
        let numbering = self.gained << REVISION_SHIFT;
        numbering.wrapping_add(u64::from(self.number) + self.begun * all_users)
    }

    /// Whether it is in an iteration.
    pub(crate) fn is_busy(&self) -> bool {
        match self.state {
            State::Idle => false,
            State::Thinking | State::Calling(_) => true,
            State::Living { busy, .. } => busy,
        }
    }
}

/// Room for 10¹² iterations of a scenario between two revisions, and for 16 million revisions.
const REVISION_SHIFT: u32 = 40;

/// The bound on a user's own memory, kept by a test in `benches/system`: with its timer well under 512 bytes.
const _: () = assert!(size_of::<User>() <= 160);
