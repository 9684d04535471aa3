//! Tasks that are executed once, outside of the load: on a thread of their own each.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

use control::{CommandId, RunId};
use crossbeam::channel::Sender;
use engine::{Order, Orders, Remote, TaskRegistry, execute_once, orders};
use metrics::{ErrorClass, Outcome};
use units::Nanos;

use crate::local::Event;
use crate::threads::panic_text;

/// The tasks of one run that are executed once.
#[derive(Debug)]
pub(crate) struct Errands {
    run_id: RunId,
    tasks: TaskRegistry,
    said: Sender<Event>,
    under_way: Vec<Errand>,
}

#[derive(Debug)]
struct Errand {
    command: CommandId,
    remote: Remote,
    handle: JoinHandle<()>,
}

/// How long one may take before it is cancelled: as long as making ready for a run.
const LIMIT: Nanos = Nanos::from_secs(60);

impl Errands {
    /// Tasks of the run `run_id`; what comes of them is told to `said`.
    pub(crate) fn new(run_id: RunId, tasks: TaskRegistry, said: Sender<Event>) -> Self {
        Self { run_id, tasks, said, under_way: Vec::new() }
    }

    /// Begins to execute `task`.
    ///
    /// # Errors
    /// When the kernel gives no thread; nothing was executed and nothing is told then.
    pub(crate) fn run(&mut self, command: CommandId, task: &str) -> io::Result<()> {
        let (remote, mut orders) = orders();
        let (tasks, run_id, task, said) =
            (self.tasks.clone(), self.run_id, task.to_owned(), self.said.clone());
        let work = move || {
            // A panic of the task itself is caught where it is executed.
            let execution = catch_unwind(AssertUnwindSafe(|| execute(&tasks, &task, run_id, &mut orders)));
            let failure =
                execution.unwrap_or_else(|payload| Some(format!("it panicked: {}", panic_text(&*payload))));
            // Nobody waits any more when the worker is over.
            let _ = said.send(Event::OnceEnded { command, failure });
        };
        let handle = Builder::new().name("once".into()).spawn(work)?;
        self.under_way.push(Errand { command, remote, handle });
        Ok(())
    }

    /// Gives an order that ends something to all that are under way.
    pub(crate) fn order(&self, order: &Order) {
        if !matches!(order, Order::StartAt(_) | Order::Revise(_)) {
            for errand in &self.under_way {
                errand.remote.order(order.clone());
            }
        }
    }

    /// Waits for the thread of one that has told its end.
    pub(crate) fn join(&mut self, command: CommandId) {
        if let Some(place) = self.under_way.iter().position(|errand| errand.command == command) {
            // It caught its panic.
            let _ = self.under_way.swap_remove(place).handle.join();
        }
    }
}

/// Why it failed, if it did.
fn execute(tasks: &TaskRegistry, task: &str, run_id: RunId, orders: &mut Orders) -> Option<String> {
    let failure = match execute_once(tasks, task, run_id.as_uuid(), LIMIT, orders) {
        Ok(Some(Outcome::Succeeded)) => return None,
        Ok(Some(Outcome::Failed(ErrorClass::TaskPanic))) => "it panicked".to_owned(),
        Ok(Some(Outcome::Failed(_))) => "its init or its execution failed".to_owned(),
        Ok(Some(Outcome::Cancelled)) => "it was cancelled before its end".to_owned(),
        Ok(None) => "it did not end after it was cancelled; its outcome is unknown".to_owned(),
        Err(error) => format!("it was not executed: {error}"),
    };
    Some(failure)
}
