//! Tasks written in Rust.
//!
//! A task takes the place of a scenario's steps: the engine paces its executions, counts them in the same ledgers and
//! records them in the same series. One value of the task belongs to one virtual user and never leaves its thread.

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
