//! Tasks written in Rust.
//!
//! A task takes the place of a scenario's steps: the engine paces its executions, counts them in the same ledgers and
//! records them in the same series. One value of the task belongs to one virtual user and never leaves its thread.

use std::fmt;
use std::future::Future;

use units::Timestamp;

/// What one execution of a task came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskOutcome {
    /// It did what it is for.
    Succeeded,
    /// It did not; counted in the error class `task`.
    Failed,
}

/// Why a virtual user could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct InitError {
    message: String,
}

impl InitError {
    /// Makes an error that says what could not be done.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// What a task knows of the run, its user and the present execution.
#[derive(Clone, Debug)]
pub struct TaskContext {
    /// The run's ID.
    pub run_id: uuid::Uuid,
    /// The scenario's name.
    pub scenario: std::rc::Rc<str>,
    /// The virtual user's number in the scenario, over all workers.
    pub user: u32,
    /// The iteration's number in the scenario, over all workers; in `init` and `teardown` the last one begun.
    pub iteration: u64,
    /// When the schedule wanted the present execution to start, on the machine's monotonic clock.
    pub intended_start: Timestamp,
    /// The span of the present execution, to be passed on to the target; `None` where the target is to be told nothing,
    /// and in `init`.
    pub traceparent: Option<TraceParent>,
}

/// A span by its name. Prints as the value of a W3C `traceparent` header.
///
/// ```
/// use loadgen_api::task::TraceParent;
///
/// let parent = TraceParent { trace_id: 0x0192_3f4e_8a6b_7c5d_9e0f_1a2b_3c4d_5e6f, parent_id: 7, sampled: true };
/// assert_eq!(parent.to_string(), "00-01923f4e8a6b7c5d9e0f1a2b3c4d5e6f-0000000000000007-01");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace, never 0.
    pub trace_id: u128,
    /// The span, never 0.
    pub parent_id: u64,
    /// Whether the run keeps it, or may yet.
    pub sampled: bool,
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, u8::from(self.sampled))
    }
}

/// A virtual user's life: [`init`](Self::init) once, [`execute`](Self::execute) for every iteration, and
/// [`teardown`](Self::teardown) exactly once after a successful `init`.
///
/// A panic in any of them is caught, counted in the error class `task_panic`, and the user is replaced.
pub trait TaskLifecycle: Sized + 'static {
    /// Prepares the user, before its first iteration and outside all measurements.
    ///
    /// # Errors
    /// When the user cannot work; its iterations then fail with the class `task`.
    fn init(&mut self, cx: &mut TaskContext) -> impl Future<Output = Result<(), InitError>>;

    /// Does one iteration; its end is what is measured.
    fn execute(&mut self, cx: &mut TaskContext) -> impl Future<Output = TaskOutcome>;

    /// Gives back what `init` took.
    fn teardown(&mut self, cx: &mut TaskContext) -> impl Future<Output = ()>;
}
