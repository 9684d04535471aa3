//! One engine thread from its first order to its report.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use plan::{Course, RunPlan, ScenarioBody};
use tokio::sync::mpsc;
use units::{Clock, MonotonicClock, Nanos, Timestamp};

use crate::core::{Core, Next};
use crate::deal;
use crate::lease::Lease;
use crate::pacer::KernelTimer;
use crate::port::Protocol;
use crate::revise::Watcher;
use crate::scenario::Load;
use crate::shell::Shell;
use crate::task::TaskRegistry;
use crate::tracer::Tracer;

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
    /// The part of it this worker carries first, worked out for as many threads as there are.
    pub course: Arc<Course>,
    /// Until when it may send load.
    pub lease: Lease,
    /// Who is told that a revision was taken up.
    pub watcher: Watcher,
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
#[derive(Clone, Debug)]
pub enum Order {
    /// Begin the schedule at this instant. It may have passed, for a thread that joins a run under way: its first share
    /// then has weight 0, and its part comes as a revision.
    StartAt(Timestamp),
    /// From the revision's instant on, or from now if that has passed, carry another part; worked out for as many
    /// threads as there are. Told to the thread's [`Watcher`] when it is taken up, which is before its instant.
    Revise(Arc<Course>),
    /// Start no more iterations; cancel at `until` what is still in flight then.
    Drain {
        /// When patience ends.
        until: Timestamp,
    },
    /// As [`Order::Drain`], but what is left of the schedule is not booked: it is no longer this worker's.
    Leave {
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
    /// The run time from which it carried nothing of its part although that was not over: its lease had ended, or it was
    /// told to leave.
    pub left_at: Option<Nanos>,
}

/// The sending end of a thread's orders.
#[derive(Clone, Debug)]
pub struct Remote {
    orders: mpsc::Sender<Order>,
}

impl Remote {
    /// Gives an order; one given after the thread ended is forgotten. Whether the thread can take it: revisions that come
    /// faster than it takes them up are refused, so that there is always room for a stop.
    pub fn order(&self, order: Order) -> bool {
        let is_revision = matches!(order, Order::Revise(_));
        if is_revision && self.orders.capacity() <= ROOM_FOR_STOPS {
            return self.orders.is_closed();
        }
        match self.orders.try_send(order) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => true,
            Err(mpsc::error::TrySendError::Full(_)) => false,
        }
    }
}

/// The receiving end of a thread's orders.
#[derive(Debug)]
pub struct Orders {
    pub(crate) orders: mpsc::Receiver<Order>,
}

/// Makes the two ends of a thread's orders.
pub fn orders() -> (Remote, Orders) {
    let (sender, receiver) = mpsc::channel(MOST_ORDERS);
    (Remote { orders: sender }, Orders { orders: receiver })
}

/// Orders that wait for a thread: it takes them up at once, unless the machine stands still.
const MOST_ORDERS: usize = 64;

/// Of these, what a run can need of others than revisions: a start, and its stops.
const ROOM_FOR_STOPS: usize = 8;

/// In precise mode the last stretch before a slot is spun: longer than the kernel is late to wake us.
const SPIN: Nanos = Nanos::from_micros(80);

/// Tasks of the runtime run in a row before sockets are asked again.
const EVENT_INTERVAL: u32 = 64;

/// Runs one engine thread on the calling thread until its part of the plan is over.
///
/// Rotates `recorder` at every second of run time and finishes it at the end; `tracer` keeps executions, if there is one.
/// When the sending end of `orders` is gone, the thread cancels what it does and ends.
///
/// # Errors
/// When the runtime or its timer cannot be made: no file handles, most likely. `recorder` has then recorded nothing.
///
/// # Panics
/// When a task of the plan does not exist (the worker has checked that), when `tracer` has names for more or fewer
/// scenarios than the plan has, or by a fault of the engine.
pub fn run_thread<P: Protocol, R: metrics::Record + 'static>(
    config: ThreadConfig,
    tasks: &TaskRegistry,
    protocol: P,
    recorder: R,
    tracer: Option<Tracer>,
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
    let mut core = Core::new(&config, protocol, recorder, tracer, clock);
    let loads = deal::loads(&config, &mut core);
    let shell = Rc::new(Shell::new(core, timer, tasks.clone(), config.run_id));
    let (started_at, teardowns_cut) =
        runtime.block_on(conduct(Rc::clone(&shell), config.pacing, loads, &mut orders));
    // Tasks that are left hold the shell; they go with their runtime.
    drop(runtime);
    let shell = Rc::into_inner(shell).expect("nothing but tasks of the runtime held the shell");
    let core = shell.into_core();
    let report = ThreadReport {
        requests_attempted: core.requests_attempted,
        iterations_started: core.iterations_started,
        started_at,
        cpu: core.cpu(),
        teardowns_cut,
        left_at: core.left_at,
    };
    core.finish();
    Ok(report)
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
    let mut revisions = Vec::new();
    let first = loop {
        match orders.orders.recv().await {
            Some(Order::Revise(course)) => revisions.push(course),
            first => break first,
        }
    };
    let start = match first {
        Some(Order::StartAt(at)) => Some(at),
        _ => None,
    };
    shell.with(|core| {
        core.begin_at(start.unwrap_or_else(|| core.clock.now()), loads);
        revisions.into_iter().for_each(|course| core.revise(course));
    });
    let mut order = first.unwrap_or(Order::Cancel);
    loop {
        match order {
            Order::StartAt(_) => {}
            Order::Revise(course) => shell.with(|core| core.revise(course)),
            Order::Drain { until } => shell.with(|core| core.drain(until)),
            Order::Leave { until } => shell.with(|core| core.leave(until)),
            Order::Cancel => shell.with(|core| core.drain(core.clock.now())),
        }
        order = loop {
            shell.rethrow();
            let Next::At { at, slot } = shell.with(Core::turn) else {
                let cut = shell.tear_down().await;
                return (start, cut);
            };
            let spin = if slot && pacing == Pacing::Precise { SPIN } else { Nanos::ZERO };
            if let Some(order) = shell.wait(at, spin, orders).await {
                break order;
            }
        };
    }
}
