//! The engine's threads of one run: spawned, given orders, and joined.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use engine::{Order, Remote, TaskRegistry, orders, run_thread};
use protocols::{Http1, SystemResolver, TargetPolicy};

use crate::cpus;
use crate::launch::ReadyThread;
use crate::session::ThreadEnd;

/// The engine's threads of one run.
#[derive(Debug, Default)]
pub(crate) struct EngineThreads {
    threads: Vec<EngineThread>,
}

#[derive(Debug)]
struct EngineThread {
    number: u32,
    remote: Remote,
    handle: Option<JoinHandle<()>>,
}

impl EngineThreads {
    /// Spawns an engine thread that waits for orders; `ended` is told its end, whatever it is, on that thread.
    ///
    /// # Errors
    /// When the kernel gives no thread; `ended` is not called then.
    pub(crate) fn spawn(
        &mut self,
        thread: ReadyThread,
        requests: Arc<protocols::Prepared>,
        policy: Arc<TargetPolicy>,
        tasks: TaskRegistry,
        ended: impl FnOnce(ThreadEnd) + Send + 'static,
    ) -> io::Result<()> {
        let (remote, orders) = orders();
        let number = thread.config.thread;
        let ReadyThread { config, recorder, tracer, cpu } = thread;
        let run = move || {
            if let Some(cpu) = cpu {
                cpus::pin(cpu);
            }
            // What a panic leaves behind is dropped with the closure; the recorder hands out what it holds then.
            let result = catch_unwind(AssertUnwindSafe(|| {
                let protocol = Http1::new(requests, Arc::new(SystemResolver), policy);
                run_thread(config, &tasks, protocol, recorder, tracer, orders)
            }));
            ended(match result {
                Ok(Ok(report)) => ThreadEnd::Finished(report),
                Ok(Err(error)) => ThreadEnd::Failed(error.to_string()),
                Err(payload) => ThreadEnd::Panicked(panic_text(&*payload)),
            });
        };
        let handle = Builder::new().name(format!("engine-{number}")).spawn(run)?;
        self.threads.push(EngineThread { number, remote, handle: Some(handle) });
        Ok(())
    }

    /// Gives an order to all of them; whether all that are left take it.
    pub(crate) fn order(&self, order: &Order) -> bool {
        let mut taken = true;
        for thread in &self.threads {
            taken &= thread.remote.order(order.clone());
        }
        taken
    }

    /// Waits for a thread that has told its end.
    pub(crate) fn join(&mut self, number: u32) {
        let thread = self.threads.iter_mut().find(|thread| thread.number == number);
        if let Some(handle) = thread.and_then(|thread| thread.handle.take()) {
            // It caught its panic.
            let _ = handle.join();
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a text").to_owned()
}
