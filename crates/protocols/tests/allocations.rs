//! In steady state a request over plain HTTP/1.1 allocates nothing.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use engine::{CallId, Event, Outbox, Protocol};
use loadgen_protocols::{Http1, Secret, Secrets, SystemResolver, prepare};
use metrics::Outcome;
use plan::{
    Check, CheckId, CheckKind, Origin, OriginId, RequestId, RequestPlan, RunPlan, ScenarioId, Scheme, Seed,
    StatusSet, Step, StepId, Template, TextMatch, TlsPlan,
};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use units::{MonotonicClock, Nanos};

/// Counts what is asked for. Besides the client there are only threads that answer without allocating, so a plain
/// load and store lose nothing that matters: one allocation per request cannot hide.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

fn count() {
    ALLOCATIONS.store(ALLOCATIONS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Answers every read with `response`, in as many writes as it has pieces, without allocating.
fn serve(response: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || {
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|length| length > 0) {
                    for piece in response {
                        if stream.write_all(piece.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn secret(&self, _: &str) -> Option<Secret> {
        None
    }
}

fn plan(address: SocketAddr, checks: Vec<CheckKind>) -> RunPlan {
    let second = Nanos::SECOND;
    let request = RequestPlan {
        step: StepId(0),
        origin: OriginId(0),
        method: "GET".into(),
        path: Template::literal("/"),
        headers: vec![],
        body: Template::default(),
        timeout: second,
        expected: StatusSet::success(),
        checks: (0..checks.len() as u32).map(CheckId).collect(),
    };
    let origin = Origin {
        scheme: Scheme::Http,
        host: address.ip().to_string(),
        port: address.port(),
        address: None,
        tls: TlsPlan::default(),
        dns_timeout: second,
        connect_timeout: second,
        tls_timeout: second,
    };
    let check = |kind| Check { step: StepId(0), name: String::new(), required: true, kind };
    RunPlan {
        scenarios: vec![],
        steps: vec![Step { scenario: ScenarioId(0), name: "step".into() }],
        requests: vec![request],
        origins: vec![origin],
        checks: checks.into_iter().map(check).collect(),
        seed: Seed(0),
    }
}

/// Users that send their next request as soon as the last one has ended.
struct Users {
    http: RefCell<Http1>,
    outbox: RefCell<Outbox>,
    left: Cell<u64>,
    under_way: Cell<u32>,
    all_ended: Notify,
}

impl Users {
    fn start(&self, call: CallId) {
        let mut out = self.outbox.borrow_mut();
        self.http.borrow_mut().start(call, RequestId(0), &MonotonicClock, &mut out);
    }

    fn drain(self: &Rc<Self>) {
        loop {
            let event = self.outbox.borrow_mut().pop();
            match event {
                None => return,
                Some(Event::Completed(completion)) => {
                    assert_eq!(completion.outcome, Outcome::Succeeded);
                    if self.left.get() > 0 {
                        self.left.set(self.left.get() - 1);
                        self.start(completion.call);
                    } else {
                        self.under_way.set(self.under_way.get() - 1);
                        if self.under_way.get() == 0 {
                            self.all_ended.notify_one();
                        }
                    }
                }
                Some(Event::Opened(io)) => {
                    let users = Rc::clone(self);
                    spawn_local(poll_fn(move |cx| {
                        let mut out = users.outbox.borrow_mut();
                        let moved = users.http.borrow_mut().poll_io(io, cx, &MonotonicClock, &mut out);
                        drop(out);
                        users.drain();
                        moved
                    }));
                }
                Some(Event::Timer(..)) => {}
            }
        }
    }

    /// Sends `requests` requests with `users` users; how many allocations that took.
    async fn run(self: &Rc<Self>, users: u32, requests: u64) -> u64 {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        self.left.set(requests - u64::from(users));
        self.under_way.set(users);
        for user in 0..users {
            self.start(CallId(user));
        }
        self.drain();
        self.all_ended.notified().await;
        ALLOCATIONS.load(Ordering::Relaxed) - before
    }
}

const USERS: u32 = 8;

/// How many allocations 5,000 requests take once everything is warm.
fn steady_state(response: &'static [&'static str], checks: Vec<CheckKind>) -> u64 {
    let prepared = prepare(&plan(serve(response), checks), &NoSecrets).unwrap();
    let users = Rc::new(Users {
        http: RefCell::new(Http1::new(Arc::new(prepared), Arc::new(SystemResolver))),
        outbox: RefCell::default(),
        left: Cell::new(0),
        under_way: Cell::new(0),
        all_ended: Notify::new(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        // Every connection and the server's thread for it have come up, then every queue has grown.
        users.run(USERS, USERS.into()).await;
        users.run(USERS, 2_000).await;
        users.run(USERS, 5_000).await
    })
}

// One test, so that nothing else allocates beside it.
#[test]
fn no_request_allocates_once_all_connections_are_warm() {
    let length = &["HTTP/1.1 200 OK\r\nServer: a\r\nContent-Type: b\r\nContent-Length: 5\r\n\r\nhello"];
    assert_eq!(steady_state(length, vec![]), 0);
    let chunked = &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"];
    let checks = || {
        vec![
            CheckKind::Status(StatusSet::success()),
            CheckKind::Header { name: "transfer-encoding".into(), value: TextMatch::Present },
            CheckKind::Body(TextMatch::Contains("hello".into())),
        ]
    };
    // The body of a chunked response is never in one piece with its end.
    assert_eq!(steady_state(chunked, checks()), 0);
    let pieces = &["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhe", "llo", "hello"];
    // Bodies that are checked and come in pieces are kept in buffers that are used again; more of them are made only
    // when more bodies are under way at once than ever before, and each grows once.
    let buffers = steady_state(pieces, checks()[2..].to_vec());
    assert!(buffers <= 2 * u64::from(USERS), "{buffers} allocations");
}
