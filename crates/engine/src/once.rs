//! A Rust task that is executed once, outside of any load and of all measurements.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use api::task::TaskContext;
use metrics::Outcome;
use tokio::time::{Instant, sleep_until};
use units::{Clock, MonotonicClock, Nanos, Timestamp};

use crate::task::{Desk, Execution, Mailbox, TaskRegistry, Work};
use crate::thread::{Order, Orders};

/// Executes the task `name` once on the calling thread: init, execution, teardown, as a virtual user does, but never a
/// second time. A [`Order::Drain`] among `orders`, any graver order, their end, and `limit` cancel the execution.
///
/// Returns what came of it; `None` when it did not come to an end, so that nobody knows.
///
/// # Errors
/// When the runtime cannot be made, or there is no such task; nothing was executed then.
pub fn execute_once(
    tasks: &TaskRegistry,
    name: &str,
    run_id: uuid::Uuid,
    limit: Nanos,
    orders: &mut Orders,
) -> io::Result<Option<Outcome>> {
    let Some(life) = tasks.make(name) else {
        let known = tasks.names().join("`, `");
        return Err(io::Error::other(format!("this program has no task `{name}`; it has `{known}`")));
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build_local(tokio::runtime::LocalOptions::default())?;
    let now = MonotonicClock.now();
    let mailbox = Rc::<Mailbox>::default();
    mailbox.put(Work { iteration: 0, intended_start: now, parent: None });
    // No second execution.
    mailbox.close();
    let cx = TaskContext {
        run_id,
        scenario: name.into(),
        user: 0,
        iteration: 0,
        intended_start: now,
        traceparent: None,
    };
    let desk = Rc::new(OnceDesk::default());
    let life = life.live(0, cx, Rc::clone(&mailbox), Rc::clone(&desk) as Rc<dyn Desk>);
    runtime.block_on(live_until_told(life, &mailbox, orders, limit));
    Ok(desk.outcome.take())
}

/// Lives `life` to its end, or as long as it may.
async fn live_until_told(
    mut life: Pin<Box<dyn Future<Output = ()>>>,
    mailbox: &Mailbox,
    orders: &mut Orders,
    limit: Nanos,
) {
    let after = |span: Nanos| Instant::now() + span.into();
    let mut until = after(limit);
    let mut patience = pin!(sleep_until(until));
    let (mut deaf, mut cancelled) = (false, false);
    poll_fn(|cx| {
        while !deaf && let Poll::Ready(order) = orders.orders.poll_recv(cx) {
            deaf = order.is_none();
            let left = match order {
                Some(Order::StartAt(_)) => continue,
                Some(Order::Drain { until }) => until.saturating_since(MonotonicClock.now()),
                Some(_) | None => Nanos::ZERO,
            };
            if !cancelled && after(left) < until {
                until = after(left);
                patience.as_mut().reset(until);
            }
        }
        loop {
            if life.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if patience.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if std::mem::replace(&mut cancelled, true) {
                return Poll::Ready(());
            }
            mailbox.cancel();
            patience.as_mut().reset(after(TEARDOWN));
        }
    })
    .await;
}

/// Where the one life reports to.
#[derive(Debug, Default)]
struct OnceDesk {
    outcome: Cell<Option<Outcome>>,
}

impl Desk for OnceDesk {
    fn now(&self) -> Timestamp {
        MonotonicClock.now()
    }

    fn executed(&self, execution: Execution) {
        self.outcome.set(Some(execution.outcome));
    }

    fn gone(&self) {}
}

/// From the cancelling of the execution to the end of the teardown.
const TEARDOWN: Nanos = Nanos::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use api::task::{InitError, TaskLifecycle, TaskOutcome};
    use metrics::ErrorClass;

    use super::*;
    use crate::thread::orders;

    /// Fails where it is told to, and counts its inits, executions and teardowns.
    struct Scripted {
        lives: Arc<[AtomicU64; 3]>,
        script: &'static str,
    }

    impl TaskLifecycle for Scripted {
        async fn init(&mut self, _: &mut TaskContext) -> Result<(), InitError> {
            self.lives[0].fetch_add(1, Ordering::Relaxed);
            if self.script == "init" { Err(InitError::new("no")) } else { Ok(()) }
        }

        async fn execute(&mut self, _: &mut TaskContext) -> TaskOutcome {
            self.lives[1].fetch_add(1, Ordering::Relaxed);
            match self.script {
                "panic" => panic!("as it should"),
                "fail" => TaskOutcome::Failed,
                "hang" => std::future::pending().await,
                _ => TaskOutcome::Succeeded,
            }
        }

        async fn teardown(&mut self, _: &mut TaskContext) {
            self.lives[2].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn check(script: &'static str, limit: Nanos, expected: Outcome, lives: [u64; 3]) {
        let counts = Arc::new([const { AtomicU64::new(0) }; 3]);
        let mut tasks = TaskRegistry::default();
        let counted = Arc::clone(&counts);
        tasks.register("task", move || Scripted { lives: Arc::clone(&counted), script });
        let (_remote, mut orders) = orders();
        let outcome = execute_once(&tasks, "task", uuid::Uuid::nil(), limit, &mut orders).unwrap();
        assert_eq!(outcome, Some(expected), "{script}");
        assert_eq!([0, 1, 2].map(|at| counts[at].load(Ordering::Relaxed)), lives, "{script}");
    }

    #[test]
    fn a_task_is_executed_once_whatever_comes_of_it() {
        let limit = Nanos::from_secs(60);
        check("succeed", limit, Outcome::Succeeded, [1, 1, 1]);
        check("fail", limit, Outcome::Failed(ErrorClass::Task), [1, 1, 1]);
        check("panic", limit, Outcome::Failed(ErrorClass::TaskPanic), [1, 1, 1]);
        check("init", limit, Outcome::Failed(ErrorClass::Task), [1, 0, 0]);
    }

    #[test]
    fn an_execution_that_hangs_is_cancelled_at_its_limit_and_torn_down() {
        check("hang", Nanos::from_millis(20), Outcome::Cancelled, [1, 1, 1]);
    }

    #[test]
    fn a_stop_cancels_the_execution() {
        let mut tasks = TaskRegistry::default();
        let lives = Arc::new([const { AtomicU64::new(0) }; 3]);
        tasks.register("task", move || Scripted { lives: Arc::clone(&lives), script: "hang" });
        let (remote, mut orders) = orders();
        remote.order(Order::Cancel);
        let limit = Nanos::from_secs(60);
        let outcome = execute_once(&tasks, "task", uuid::Uuid::nil(), limit, &mut orders).unwrap();
        assert_eq!(outcome, Some(Outcome::Cancelled));
    }

    #[test]
    fn a_task_that_is_not_there_is_named() {
        let (_remote, mut orders) = orders();
        let tasks = TaskRegistry::default();
        let error = execute_once(&tasks, "seed", uuid::Uuid::nil(), Nanos::SECOND, &mut orders).unwrap_err();
        assert!(error.to_string().contains("no task `seed`"), "{error}");
    }
}
