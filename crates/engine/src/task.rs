//! Rust tasks: their registry, and the life of one virtual user of a task.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use api::task::{TaskContext, TaskLifecycle, TaskOutcome};
use metrics::{ErrorClass, Outcome, TraceParent};
use units::Timestamp;

/// The Rust tasks a program offers to scenarios, by name.
#[derive(Clone, Default)]
pub struct TaskRegistry {
    tasks: BTreeMap<String, Arc<dyn Fn() -> Box<dyn Life> + Send + Sync>>,
}

impl TaskRegistry {
    /// Offers the task that `make` makes, once per virtual user, under `name`; replaces an earlier one of the name.
    pub fn register<T: TaskLifecycle>(&mut self, name: &str, make: impl Fn() -> T + Send + Sync + 'static) {
        self.tasks.insert(name.to_owned(), Arc::new(move || Box::new(Owned(make()))));
    }

    /// The names on offer, in alphabetical order.
    pub fn names(&self) -> Vec<&str> {
        self.tasks.keys().map(String::as_str).collect()
    }

    /// A new virtual user's value of the task `name`.
    pub(crate) fn make(&self, name: &str) -> Option<Box<dyn Life>> {
        self.tasks.get(name).map(|make| make())
    }
}

impl std::fmt::Debug for TaskRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.tasks.keys()).finish()
    }
}

/// An execution to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) iteration: u64,
    pub(crate) intended_start: Timestamp,
    /// The span it is, where the target is to be told.
    pub(crate) parent: Option<TraceParent>,
}

/// What the engine leaves for one user's life.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    work: Cell<Option<Work>>,
    cancelled: Cell<bool>,
    closed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Mailbox {
    /// Leaves an execution to be done; the previous one has ended.
    pub(crate) fn put(&self, work: Work) {
        self.work.set(Some(work));
        self.wake();
    }

    /// Ends the execution at hand.
    pub(crate) fn cancel(&self) {
        self.cancelled.set(true);
        self.wake();
    }

    /// Ends the life once the execution at hand is over.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    fn wait(&self, cx: &Context<'_>) {
        *self.waker.borrow_mut() = Some(cx.waker().clone());
    }

    /// The next execution; `None` when there will be none.
    async fn next(&self) -> Option<Work> {
        poll_fn(|cx| {
            if let Some(work) = self.work.take() {
                return Poll::Ready(Some(work));
            }
            if self.closed.get() {
                return Poll::Ready(None);
            }
            self.wait(cx);
            Poll::Pending
        })
        .await
    }

    /// Runs `execution` to its end or until it is cancelled.
    async fn unless_cancelled<T>(&self, execution: impl Future<Output = T>) -> Option<T> {
        let mut execution = pin!(execution);
        poll_fn(|cx| {
            if self.cancelled.get() {
                return Poll::Ready(None);
            }
            self.wait(cx);
            execution.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

/// How one execution went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Execution {
    pub(crate) user: u32,
    pub(crate) actual_start: Timestamp,
    pub(crate) completed_at: Timestamp,
    pub(crate) outcome: Outcome,
    /// Whether the user is of no more use and is to be replaced.
    pub(crate) spent: bool,
}

/// Where lives report to.
pub(crate) trait Desk {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// An execution is over.
    fn executed(&self, execution: Execution);

    /// A life is over.
    fn gone(&self);
}

/// The life of one virtual user, with the type of its task erased once.
pub(crate) trait Life {
    /// Lives: `init`, executions as they come, `teardown`.
    fn live(
        self: Box<Self>,
        user: u32,
        cx: TaskContext,
        mailbox: Rc<Mailbox>,
        desk: Rc<dyn Desk>,
    ) -> Pin<Box<dyn Future<Output = ()>>>;
}

struct Owned<T>(T);

impl<T: TaskLifecycle> Life for Owned<T> {
    fn live(
        self: Box<Self>,
        user: u32,
        cx: TaskContext,
        mailbox: Rc<Mailbox>,
        desk: Rc<dyn Desk>,
    ) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(live(self.0, user, cx, mailbox, desk))
    }
}

/// Guarantees: `teardown` exactly once after a successful `init`, whatever happens in between, and every piece of
/// work that is taken is reported exactly once.
async fn live<T: TaskLifecycle>(
    mut task: T,
    user: u32,
    mut cx: TaskContext,
    mailbox: Rc<Mailbox>,
    desk: Rc<dyn Desk>,
) {
    let fault = match guarded(task.init(&mut cx)).await {
        Ok(Ok(())) => None,
        Ok(Err(_)) => Some(ErrorClass::Task),
        Err(Panicked) => Some(ErrorClass::TaskPanic),
    };
    while let Some(work) = mailbox.next().await {
        cx.iteration = work.iteration;
        cx.intended_start = work.intended_start;
        cx.traceparent = work.parent.map(|TraceParent { context, sampled }| api::task::TraceParent {
            trace_id: context.trace.0,
            parent_id: context.span.0,
            sampled,
        });
        let actual_start = desk.now();
        let outcome = match fault {
            Some(class) => Outcome::Failed(class),
            None => match mailbox.unless_cancelled(guarded(task.execute(&mut cx))).await {
                Some(Ok(TaskOutcome::Succeeded)) => Outcome::Succeeded,
                Some(Ok(TaskOutcome::Failed)) => Outcome::Failed(ErrorClass::Task),
                Some(Err(Panicked)) => Outcome::Failed(ErrorClass::TaskPanic),
                None => Outcome::Cancelled,
            },
        };
        let spent = fault.is_some() || outcome == Outcome::Failed(ErrorClass::TaskPanic);
        desk.executed(Execution { user, actual_start, completed_at: desk.now(), outcome, spent });
        if spent {
            break;
        }
    }
    if fault.is_none() {
        // A panic here has nothing left to spoil; the hook has printed it.
        let _ = guarded(task.teardown(&mut cx)).await;
    }
    desk.gone();
}

/// A future panicked; the panic hook has said where.
#[derive(Debug)]
struct Panicked;

/// Runs `future`; a panic in it is an error.
async fn guarded<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
    })
    .await
}
