//! One engine thread from its first order to its report.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use plan::{RunPlan, ScenarioBody, Share};
use tokio::sync::mpsc;
use units::{Clock, MonotonicClock, Nanos, Timestamp};

use crate::core::{Core, Next};
use crate::deal;
use crate::pacer::KernelTimer;
use crate::port::Protocol;
use crate::scenario::Load;
use crate::shell::Shell;
use crate::task::TaskRegistry;

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
    pub(crate) orders: mpsc::Receiver<Order>,
}

/// Makes the two ends of a thread's orders.
pub fn orders() -> (Remote, Orders) {
    let (sender, receiver) = mpsc::channel(8);
    (Remote { orders: sender }, Orders { orders: receiver })
}

/// In precise mode the last stretch before a slot is spun: longer than the kernel is late to wake us.
const SPIN: Nanos = Nanos::from_micros(80);

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
/// When a share or a task of the plan does not exist (the worker has checked both), or by a fault of the engine.
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
            shell.rethrow();
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
