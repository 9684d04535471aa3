//! The target as a whole: threads, listener, start and stop.

use std::io;
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::num::NonZeroUsize;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch;
use tokio::task::JoinSet;
use units::{Clock, MonotonicClock, Nanos};

use crate::connection;
use crate::routes::routes;
use crate::shard::{Shard, Shared};
use crate::{Config, StallSpan, Stats};

/// A running target. Dropping it shuts it down.
#[derive(Debug)]
pub struct Target {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Target {
    /// Starts a target on threads of its own, and returns once it listens.
    ///
    /// # Errors
    /// When the address cannot be listened on, the kernel gives no threads or timers, or a CPU to pin to is none
    /// that this process may use.
    pub fn bind(config: Config) -> io::Result<Self> {
        let count = config.threads.get();
        let runtimes = (0..count).map(|_| Builder::new_current_thread().enable_io().build());
        let runtimes = runtimes.collect::<io::Result<Vec<_>>>()?;
        let shared = Arc::new(Shared::new(&config, count));
        let listener = {
            let _runtime = runtimes[0].enter();
            listen(config.listen)?
        };
        let mut target = Self::new(listener.local_addr()?, Arc::clone(&shared));
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| channel(HANDOVER)).unzip();
        let mut accepting = Some((listener, senders));
        for (index, (runtime, streams)) in runtimes.into_iter().zip(receivers).enumerate() {
            let shard = {
                let _runtime = runtime.enter();
                Arc::new(Shard::new(Arc::clone(&shared), index)?)
            };
            let cpu = (!config.cpus.is_empty()).then(|| config.cpus[index % config.cpus.len()]);
            let served = serve(shard, streams, accepting.take(), target.stop.subscribe());
            target.threads.push(spawn(index, cpu, runtime, served)?);
        }
        Ok(target)
    }

    /// Starts a target as tasks of a runtime that has its I/O driver on; threads and CPUs of `config` have no meaning.
    ///
    /// # Errors
    /// When the address cannot be listened on or the kernel gives no timer.
    ///
    /// # Panics
    /// When the I/O driver of the runtime is off.
    pub fn bind_on(runtime: &Handle, config: Config) -> io::Result<Self> {
        let config = Config { threads: NonZeroUsize::MIN, cpus: Vec::new(), ..config };
        let shared = Arc::new(Shared::new(&config, 1));
        let _runtime = runtime.enter();
        let listener = listen(config.listen)?;
        let target = Self::new(listener.local_addr()?, Arc::clone(&shared));
        let (sender, streams) = channel(HANDOVER);
        let shard = Arc::new(Shard::new(shared, 0)?);
        let accepting = (listener, vec![sender]);
        runtime.spawn(serve(shard, streams, Some(accepting), target.stop.subscribe()));
        Ok(target)
    }

    fn new(address: SocketAddr, shared: Arc<Shared>) -> Self {
        Self { address, shared, stop: watch::Sender::new(false), threads: Vec::new() }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it counted so far, without a request.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// When the requests kept by `Config::log_arrivals` arrived, in order: nanoseconds of the kernel's monotonic clock.
    pub fn arrivals(&self) -> Vec<u64> {
        self.shared.arrivals()
    }

    /// Starts counts and sequences anew; what was counted until then.
    pub fn reset(&self) -> Stats {
        self.shared.reset()
    }

    /// Begins a stall of the whole server now. `None` when ten thousand have been declared already.
    pub fn stall(&self, lasting: Nanos) -> Option<StallSpan> {
        self.shared.gate.add(MonotonicClock.now(), lasting)
    }

    /// Stops at once: closes listener and connections, and drops what is in progress.
    ///
    /// Own threads have ended when it returns, within milliseconds, as they never block; on a given runtime the
    /// sockets close when that runtime next runs.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// So many handshakes may wait to be accepted: a stall must not turn connections away.
const BACKLOG: u32 = 4_096;
/// So many accepted connections may wait for their shard; more wait in the backlog.
const HANDOVER: usize = 64;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Runs `served` on a thread, and returns once that is pinned.
fn spawn(
    index: usize,
    cpu: Option<usize>,
    runtime: Runtime,
    served: impl Future<Output = ()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let (pinned, is_pinned) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(format!("target-{index}")).spawn(move || {
        let result = cpu.map_or(Ok(()), pin);
        let may_run = result.is_ok();
        // The other side waits for exactly this message.
        let _ = pinned.send(result);
        if may_run {
            runtime.block_on(served);
        }
    })?;
    is_pinned.recv().map_err(io::Error::other)??;
    Ok(thread)
}

fn pin(cpu: usize) -> io::Result<()> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("there is no CPU {cpu}")));
    }
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    Ok(sched_setaffinity(None, &cpus)?)
}

/// The listener and the ways to the shards, for the shard that accepts.
type Accepting = (TcpListener, Vec<Sender<StdTcpStream>>);

/// One shard until it is told to stop; everything it spawned ends with it.
async fn serve(
    shard: Arc<Shard>,
    mut streams: Receiver<StdTcpStream>,
    accepting: Option<Accepting>,
    mut stop: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    let sleeper = shard.sleeper.clone();
    tasks.spawn(async move {
        // It ends with the runtime; a timer that fails is none of ours.
        let _ = sleeper.drive().await;
    });
    if let Some((listener, shards)) = accepting {
        tasks.spawn(accept(Arc::clone(&shard), listener, shards));
    }
    let routes = routes(Arc::clone(&shard));
    loop {
        tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => return,
            Some(stream) = streams.recv() => {
                // A stream that cannot be registered is a connection lost: the client sees it closed.
                if let Ok(stream) = TcpStream::from_std(stream) {
                    tasks.spawn(connection::serve(Arc::clone(&shard), routes.clone(), stream));
                }
            }
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Deals connections out to the shards in turn.
async fn accept(shard: Arc<Shard>, listener: TcpListener, shards: Vec<Sender<StdTcpStream>>) {
    let mut next = 0;
    loop {
        match listener.accept().await.and_then(|(stream, _)| stream.into_std()) {
            Ok(stream) => {
                // Fails only when that shard has stopped, and then all do.
                let _ = shards[next].send(stream).await;
                next = (next + 1) % shards.len();
            }
            // Out of handles, most likely: others must close first, and trying at once would burn the CPU.
            Err(_) => shard.sleeper.until(MonotonicClock.now() + Nanos::from_millis(10)).await,
        }
    }
}
