//! One engine thread from its first order to its report.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use api::task::TaskContext;
use plan::{RunPlan, ScenarioBody, Share};
use tokio::sync::mpsc;
use units::{Clock, MonotonicClock, Nanos, Timer, Timestamp};

use crate::core::{Core, Next};
use crate::deal;
use crate::pacer::KernelTimer;
use crate::port::{IoId, Protocol};
use crate::scenario::Load;
use crate::task::{Desk, Execution, TaskRegistry};
use crate::user::State;

/// How the pacer waits for the next instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pacing {
    /// Sleeps until a timer of the kernel fires: tens of microseconds late, little CPU.
    #[default]
    Balanced,
    /// Sleeps almost until then and spins the rest: about a microsecond late, up to one CPU a thread.
    Precise,
}

/// What is fixed for a thread before it starts.
#[derive(Clone, Debug)]
pub struct ThreadConfig {
    /// The run's ID, for tasks.
    pub run_id: uuid::Uuid,
    /// The run.
    pub plan: Arc<RunPlan>,
    /// The part of it this worker carries.
    pub share: Share,
    /// Which thread of the worker this is, from 0.
    pub thread: u32,
    /// How many there are.
    pub threads: u32,
    /// How instants are waited for.
    pub pacing: Pacing,
    /// The most virtual users of each scenario that this thread may have, in scenario order.
    pub max_vus: Vec<u32>,
}

/// Something an engine thread shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Begin the schedule at this instant.
    StartAt(Timestamp),
    /// Start no more iterations; cancel at `until` what is still in flight then.
    Drain {
        /// When patience ends.
        until: Timestamp,
    },
    /// Start no more iterations and cancel what is in flight.
    Cancel,
}

/// What an engine thread says when it is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadReport {
    /// Requests attempted.
    pub requests_attempted: u64,
    /// Iterations started.
    pub iterations_started: u64,
    /// When the thread began the schedule, if it did.
    pub started_at: Option<Timestamp>,
    /// CPU time of the thread from the start of the schedule on.
    pub cpu: Nanos,
    /// Task users whose teardown did not end in time.
    pub teardowns_cut: u64,
}

/// The sending end of a thread's orders.
#[derive(Clone, Debug)]
pub struct Remote {
    orders: mpsc::Sender<Order>,
}

impl Remote {
    /// Gives an order; one given after the thread ended is forgotten.
    pub fn order(&self, order: Order) {
        // A full queue holds a stop already: a run has one start and two kinds of stop.
        let _ = self.orders.try_send(order);
    }
}

/// The receiving end of a thread's orders.
#[derive(Debug)]
pub struct Orders {
    orders: mpsc::Receiver<Order>,
}

/// Makes the two ends of a thread's orders.
pub fn orders() -> (Remote, Orders) {
    let (sender, receiver) = mpsc::channel(8);
    (Remote { orders: sender }, Orders { orders: receiver })
}

/// In precise mode the last stretch before a slot is spun: longer than the kernel is late to wake us.
const SPIN: Nanos = Nanos::from_micros(80);

/// How long the users of tasks have to tear themselves down, all together.
const TEARDOWN: Nanos = Nanos::from_secs(1);

/// Tasks of the runtime run in a row before sockets are asked again.
const EVENT_INTERVAL: u32 = 64;

/// Runs one engine thread on the calling thread until its part of the plan is over.
///
/// Rotates `recorder` at every second of run time and finishes it at the end. When the sending end of `orders` is
/// gone, the thread cancels what it does and ends.
///
/// # Errors
/// When the runtime or its timer cannot be made: no file handles, most likely. `recorder` has then recorded nothing.
///
/// # Panics
/// When a share or a task of the plan does not exist; the worker has checked both.
pub fn run_thread<P: Protocol, R: metrics::Record + 'static>(
    config: ThreadConfig,
    tasks: &TaskRegistry,
    protocol: P,
    recorder: R,
    mut orders: Orders,
) -> io::Result<ThreadReport> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_io().event_interval(EVENT_INTERVAL);
    if config.plan.scenarios.iter().any(|scenario| matches!(scenario.body, ScenarioBody::Task { .. })) {
        runtime.enable_time();
    }
    let runtime = runtime.build_local(tokio::runtime::LocalOptions::default())?;
    let timer = {
        let _inside = runtime.enter();
        KernelTimer::new()?
    };
    let clock = MonotonicClock;
    let mut core =
        Core::new(Arc::clone(&config.plan), protocol, recorder, clock, config.thread, config.threads);
    let loads = deal::loads(&config, &mut core);
    let shell = Rc::new(Shell {
        core: RefCell::new(core),
        timer: RefCell::new(timer),
        tasks: tasks.clone(),
        run_id: config.run_id,
        awake: Cell::new(true),
        lives: Cell::new(0),
    });
    let (started_at, teardowns_cut) =
        runtime.block_on(conduct(Rc::clone(&shell), config.pacing, loads, &mut orders));
    // Tasks that are left hold the shell; they go with their runtime.
    drop(runtime);
    let shell = Rc::into_inner(shell).expect("nothing but tasks of the runtime held the shell");
    let core = shell.core.into_inner();
    let report = ThreadReport {
        requests_attempted: core.requests_attempted,
        iterations_started: core.iterations_started,
        started_at,
        cpu: core.cpu(),
        teardowns_cut,
    };
    core.finish();
    Ok(report)
}

/// The core with what connects it to the runtime.
struct Shell<P, R, C> {
    core: RefCell<Core<P, R, C>>,
    timer: RefCell<KernelTimer>,
    tasks: TaskRegistry,
    run_id: uuid::Uuid,
    /// Whether the pacer looks at the clock by itself, so that no timer is needed to bring it to.
    awake: Cell<bool>,
    /// Lives of task users that are not over.
    lives: Cell<u64>,
}

/// Conducts the thread: takes orders, turns the core, waits.
async fn conduct<P: Protocol, R: metrics::Record + 'static, C: Clock + 'static>(
    shell: Rc<Shell<P, R, C>>,
    pacing: Pacing,
    loads: Vec<Load>,
    orders: &mut Orders,
) -> (Option<Timestamp>, u64) {
    // Lives of closed models begin before the schedule does.
    shell.with(|_| ());
    let first = orders.orders.recv().await;
    let start = match first {
        Some(Order::StartAt(at)) => at,
        Some(Order::Drain { .. } | Order::Cancel) | None => shell.now(),
    };
    shell.with(|core| core.begin_at(start, loads));
    let mut order = first.unwrap_or(Order::Cancel);
    loop {
        match order {
            Order::StartAt(_) => {}
            Order::Drain { until } => shell.with(|core| core.drain(until)),
            Order::Cancel => shell.with(|core| core.drain(core.clock.now())),
        }
        order = loop {
            let Next::At { at, slot } = shell.with(Core::turn) else {
                let cut = shell.tear_down().await;
                return (matches!(first, Some(Order::StartAt(_))).then_some(start), cut);
            };
            let spin = if slot && pacing == Pacing::Precise { SPIN } else { Nanos::ZERO };
            if let Some(order) = shell.wait(at, spin, orders).await {
                break order;
            }
        };
    }
}

impl<P: Protocol, R: metrics::Record + 'static, C: Clock + 'static> Shell<P, R, C> {
    /// Lets `act` change the core, then brings the runtime up to date with it.
    fn with<T>(self: &Rc<Self>, act: impl FnOnce(&mut Core<P, R, C>) -> T) -> T {
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
        };
        self.lives.set(self.lives.get() + 1);
        let desk: Rc<dyn Desk> = Rc::new(Rc::clone(self));
        tokio::task::spawn_local(life.live(place, cx, Rc::clone(mailbox), desk));
    }

    /// Waits until `at`, or for an order. The last `spin` before it is spent asking sockets again and again.
    async fn wait(&self, at: Timestamp, spin: Nanos, orders: &mut Orders) -> Option<Order> {
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

    /// Ends the lives of task users; those that take too long are left behind and counted.
    async fn tear_down(self: &Rc<Self>) -> u64 {
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
        self.with(|core| core.executed(&execution));
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
        self.shell.with(|core| core.poll_io(self.io, cx))
    }
}

impl<P, R, C: Clock> Shell<P, R, C> {
    fn now(&self) -> Timestamp {
        self.core.borrow().clock.now()
    }
}
