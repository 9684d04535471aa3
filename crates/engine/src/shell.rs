//! What connects a core to the runtime: connection tasks, lives of task users, and the timer.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use api::task::TaskContext;
use plan::ScenarioBody;
use tokio::sync::mpsc;
use units::{Clock, Nanos, Timer, Timestamp};

use crate::core::Core;
use crate::pacer::KernelTimer;
use crate::port::{IoId, Protocol};
use crate::task::{Desk, Execution, TaskRegistry};
use crate::thread::{Order, Orders};
use crate::user::State;

/// The core with what connects it to the runtime.
pub(crate) struct Shell<P, R, C> {
    core: RefCell<Core<P, R, C>>,
    timer: RefCell<KernelTimer>,
    tasks: TaskRegistry,
    run_id: uuid::Uuid,
    /// Whether the pacer looks at the clock by itself, so that no timer is needed to bring it to.
    awake: Cell<bool>,
    /// Lives of task users that are not over.
    lives: Cell<u64>,
    /// A panic in a task of the runtime, which would keep it to itself.
    panic: Cell<Option<Box<dyn Any + Send>>>,
}

impl<P: Protocol, R: metrics::Record + 'static, C: Clock + 'static> Shell<P, R, C> {
    pub(crate) fn new(
        core: Core<P, R, C>,
        timer: KernelTimer,
        tasks: TaskRegistry,
        run_id: uuid::Uuid,
    ) -> Self {
        Self {
            core: RefCell::new(core),
            timer: RefCell::new(timer),
            tasks,
            run_id,
            awake: Cell::new(true),
            lives: Cell::new(0),
            panic: Cell::new(None),
        }
    }

    /// The core, at the end.
    pub(crate) fn into_core(self) -> Core<P, R, C> {
        self.core.into_inner()
    }

    /// Lets `act` change the core, then brings the runtime up to date with it.
    pub(crate) fn with<T>(self: &Rc<Self>, act: impl FnOnce(&mut Core<P, R, C>) -> T) -> T {
        let mut core = self.core.borrow_mut();
        let value = act(&mut core);
        while let Some(io) = core.opened.pop() {
            tokio::task::spawn_local(IoTask { shell: Rc::clone(self), io });
        }
        while let Some(place) = core.unborn.pop() {
            self.begin_life(&core, place);
        }
        if !self.awake.get() {
            let next = core.next_instant();
            let mut timer = self.timer.borrow_mut();
            if next < timer.armed() {
                timer.arm(next);
            }
        }
        value
    }

    /// As [`with`](Self::with), from a task of the runtime. A panic is handed to the pacer, so that the thread ends
    /// with it: a core that was left half-way must not go on.
    fn with_from_task<T>(self: &Rc<Self>, act: impl FnOnce(&mut Core<P, R, C>) -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(|| self.with(act))) {
            Ok(value) => Some(value),
            Err(panic) => {
                self.panic.set(Some(panic));
                self.timer.borrow_mut().arm(Timestamp::ORIGIN);
                None
            }
        }
    }

    fn begin_life(self: &Rc<Self>, core: &Core<P, R, C>, place: u32) {
        let user = &core.users[place as usize];
        let scenario = &core.plan.scenarios[user.scenario as usize];
        let (ScenarioBody::Task { task, .. }, State::Living { mailbox, .. }) = (&scenario.body, &user.state)
        else {
            return;
        };
        let life = self.tasks.make(task).expect("the worker has checked that the task is registered");
        let cx = TaskContext {
            run_id: self.run_id,
            scenario: scenario.name.as_str().into(),
            user: user.number,
            iteration: 0,
            intended_start: user.intended,
            traceparent: None,
        };
        self.lives.set(self.lives.get() + 1);
        let desk: Rc<dyn Desk> = Rc::new(Rc::clone(self));
        tokio::task::spawn_local(life.live(place, cx, Rc::clone(mailbox), desk));
    }

    /// Waits until `at`, or for an order. The last `spin` before it is spent asking sockets again and again.
    pub(crate) async fn wait(&self, at: Timestamp, spin: Nanos, orders: &mut Orders) -> Option<Order> {
        if at.saturating_since(self.now()) <= spin {
            tokio::task::yield_now().await;
            return match orders.orders.try_recv() {
                Ok(order) => Some(order),
                Err(mpsc::error::TryRecvError::Empty) => None,
                Err(mpsc::error::TryRecvError::Disconnected) => Some(Order::Cancel),
            };
        }
        // Not before now: a timer that fires while the pacer spins costs it the microseconds it spins for.
        self.timer.borrow_mut().arm(at.saturating_sub(spin));
        self.awake.set(false);
        let order = poll_fn(|cx| {
            if let Poll::Ready(order) = orders.orders.poll_recv(cx) {
                return Poll::Ready(Some(order.unwrap_or(Order::Cancel)));
            }
            ready!(self.timer.borrow_mut().poll_fired(cx));
            Poll::Ready(None)
        })
        .await;
        self.awake.set(true);
        order
    }

    /// Goes on with a panic that a task of the runtime left.
    pub(crate) fn rethrow(&self) {
        if let Some(panic) = self.panic.take() {
            resume_unwind(panic);
        }
    }

    /// Ends the lives of task users; those that take too long are left behind and counted.
    pub(crate) async fn tear_down(self: &Rc<Self>) -> u64 {
        for user in &self.core.borrow().users {
            if let State::Living { mailbox, .. } = &user.state {
                mailbox.close();
            }
        }
        let until = self.now() + TEARDOWN;
        self.timer.borrow_mut().arm(until);
        poll_fn(|cx| {
            if self.lives.get() == 0 || self.now() >= until {
                return Poll::Ready(());
            }
            while self.timer.borrow_mut().poll_fired(cx).is_ready() {
                if self.now() >= until {
                    return Poll::Ready(());
                }
                self.timer.borrow_mut().arm(until);
            }
            Poll::Pending
        })
        .await;
        self.lives.get()
    }
}

impl<P: Protocol, R: metrics::Record + 'static, C: Clock + 'static> Desk for Rc<Shell<P, R, C>> {
    fn now(&self) -> Timestamp {
        Shell::now(self)
    }

    fn executed(&self, execution: Execution) {
        self.with_from_task(|core| core.executed(&execution));
    }

    fn gone(&self) {
        self.lives.set(self.lives.get() - 1);
        if self.lives.get() == 0 {
            self.timer.borrow_mut().arm(Timestamp::ORIGIN);
        }
    }
}

/// The task of one connection: polled by the runtime when its socket moved on.
struct IoTask<P, R, C> {
    shell: Rc<Shell<P, R, C>>,
    io: IoId,
}

impl<P: Protocol, R: metrics::Record + 'static, C: Clock + 'static> Future for IoTask<P, R, C> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.shell.with_from_task(|core| core.poll_io(self.io, cx)).unwrap_or(Poll::Ready(()))
    }
}

impl<P, R, C: Clock> Shell<P, R, C> {
    pub(crate) fn now(&self) -> Timestamp {
        self.core.borrow().clock.now()
    }
}

/// How long the users of tasks have to tear themselves down, all together.
const TEARDOWN: Nanos = Nanos::from_secs(1);
