//! A listening thread with one thread per connection, that ends when told to.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Serves connections until it is dropped; then all its threads have ended.
#[derive(Debug)]
pub(crate) struct Acceptor {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the threads of an [`Acceptor`] have in common.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_stopping: bool,
    accepted: u64,
    requests: u64,
    /// A second handle of every open connection, to wake the thread that is blocked on it.
    open: HashMap<u64, TcpStream>,
}

/// How long a test waits for something that will surely happen.
const PATIENCE: Duration = Duration::from_secs(30);

impl Acceptor {
    /// Listens on a free port; each connection, with its number from 0, is `visit`ed on a thread of its own.
    pub(crate) fn start(visit: impl Fn(&TcpStream, u64, &Shared) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the kernel has a port left");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        let thread = thread::spawn(move || accept(&listener, &accepting, &Arc::new(visit)));
        Self { address, shared, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.shared.lock().accepted
    }

    /// Requests counted so far.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.lock().requests
    }

    /// Returns once so many requests have been counted.
    pub(crate) fn await_requests(&self, count: u64) {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, PATIENCE, |state| state.requests < count);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{} of {count} requests came within {PATIENCE:?}", state.requests);
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.shared.lock().is_stopping = true;
        self.shared.changed.notify_all();
        // Wakes the accepting thread; when nobody accepts any more there is nobody to wake.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Counts a request.
    pub(crate) fn count_request(&self) {
        self.lock().requests += 1;
        self.changed.notify_all();
    }

    /// Waits, at most until the acceptor stops; whether it goes on.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), pause, |state| !state.is_stopping);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_stopping
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept<V>(listener: &TcpListener, shared: &Arc<Shared>, visit: &Arc<V>)
where
    V: Fn(&TcpStream, u64, &Shared) + Send + Sync + 'static,
{
    let mut visits = Vec::new();
    for number in 0.. {
        let accepted = listener.accept();
        let mut state = shared.lock();
        if state.is_stopping {
            break;
        }
        let Ok((stream, _)) = accepted else { continue };
        let Ok(handle) = stream.try_clone() else { continue };
        state.accepted += 1;
        state.open.insert(number, handle);
        drop(state);
        let (shared, visit) = (Arc::clone(shared), Arc::clone(visit));
        visits.retain(|visit: &JoinHandle<()>| !visit.is_finished());
        visits.push(thread::spawn(move || {
            visit(&stream, number, &shared);
            // First the second handle: the connection closes with the last one.
            shared.lock().open.remove(&number);
            drop(stream);
        }));
    }
    for stream in shared.lock().open.values() {
        // Fails only on a connection that is gone already.
        let _ = stream.shutdown(Shutdown::Both);
    }
    for visit in visits {
        // A thread that panicked has said so already.
        let _ = visit.join();
    }
}
