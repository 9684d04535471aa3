//! The gate on allocations: what a request allocates on the engine's thread in steady state, plain and over TLS.
//!
//! The target runs on threads of its own, whose allocations are not counted. What is gated is the slope: a long run
//! may not allocate more than a short one.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, park_timeout, spawn};
use std::time::Duration;

use loadgen_benches::memory::{ratio, sampled, tail, tracer};
use loadgen_benches::{ALLOCATIONS, GET, hyper_loop, over_tcp, plan, quota, recorder, run_with};
use metrics::{ExecutionDrain, Propagation, Sampling, TraceOptions};
use plan::{RunPlan, Scheme, TlsPlan};
use testkit::tls::{Authority, Clients, Server, Subject};

struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged; counting touches no memory it manages.
#[expect(unsafe_code, reason = "a global allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count() {
    // A thread that is going away counts no more.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations of one engine thread that sends `requests` over 16 connections to an origin that `plan` was told of.
fn allocations(requests: u64, port: u16, tls: Option<&TlsPlan>) -> u64 {
    let mut plan = plan(quota(16, requests), vec![GET], port);
    if let Some(tls) = tls {
        plan.origins[0].scheme = Scheme::Https;
        plan.origins[0].tls = tls.clone();
    }
    allocations_of(plan, requests, None)
}

/// Allocations of one engine thread that carries `plan`, which has so many requests, with `tracing` if that is asked for.
fn allocations_of(plan: RunPlan, requests: u64, tracing: Option<TraceOptions>) -> u64 {
    let plan = Arc::new(plan);
    let (recorder, drain) = recorder(&plan);
    let protocol = over_tcp(&plan, tracing.as_ref());
    let (tracer, exporter) = tracing.map(|options| tracer(&plan, options, RECORDS)).unzip();
    let exporter = exporter.map(Exporter::start);
    let before = ALLOCATIONS.get();
    let report = run_with(&plan, protocol, recorder, tracer);
    let after = ALLOCATIONS.get();
    drop((drain, exporter));
    assert_eq!(report.requests_attempted, requests);
    after - before
}

#[test]
fn a_plain_request_allocates_nothing_in_steady_state() {
    let target = target::Target::bind(target::Config::default()).unwrap();
    let allocations = |requests| allocations(requests, target.address().port(), None);
    // Tables and the runtime's queues grow to their size in the first runs.
    allocations(1_000);
    let (short, long) = (allocations(2_000), allocations(12_000));
    println!("allocations: {short} in 2000 requests, {long} in 12000");
    assert!(short > 0, "the counter is not connected");
    // Connecting and finishing allocate; a few runs of the same kind differ by a handful, 10,000 requests must not.
    assert!(long <= short + 20, "{long} allocations in 12000 requests, {short} in 2000");
    assert_eq!(target.stats().arrivals, 15_000, "the target's own count");
}

/// Records that go round between the engine thread and the exporter of these tests.
const RECORDS: usize = 4_096;

/// What drains the queue of kept executions beside the engine thread, as an exporter does; ends when it is dropped.
struct Exporter {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    fn start(mut drain: ExecutionDrain) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                while let Some(record) = drain.next_record() {
                    drain.give_back(record);
                }
                park_timeout(Duration::from_millis(1));
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_traced_request_allocates_nothing_either() {
    let target = target::Target::bind(target::Config::default()).unwrap();
    let told = |options: TraceOptions| TraceOptions { propagation: Propagation::Always, ..options };
    let modes = [
        ("off", sampled(Sampling::Off)),
        ("1 %", ratio(0.01)),
        ("5 %", ratio(0.05)),
        ("all", ratio(1.0)),
        ("tail", tail()),
        ("propagated", told(sampled(Sampling::Off))),
        ("all, propagated", told(ratio(1.0))),
    ];
    for (mode, options) in modes {
        let allocations = |requests| {
            let plan = plan(quota(16, requests), vec![GET], target.address().port());
            allocations_of(plan, requests, Some(options))
        };
        allocations(1_000);
        let (short, long) = (allocations(2_000), allocations(12_000));
        println!("allocations, {mode}: {short} in 2000 requests, {long} in 12000");
        assert!(long <= short + 20, "{mode}: {long} allocations in 12000 requests, {short} in 2000");
    }
}

/// The "before" that the rows above are held against; hyper's own doing, so it is told and not gated.
#[test]
fn the_same_loop_over_hypers_client_allocates_for_every_request() {
    let target = target::Target::bind(target::Config::default()).unwrap();
    let address = target.address().to_string();
    let allocations = |requests| {
        let before = ALLOCATIONS.get();
        // Of 16 users 15 may be under way when the last one is done.
        let responses = hyper_loop::run(&address, 16, move |responses| responses + 15 < requests).unwrap();
        (ALLOCATIONS.get() - before, responses)
    };
    allocations(500);
    let ((short, fewer), (long, more)) = (allocations(1_000), allocations(4_000));
    let each = (long - short) as f64 / (more - fewer) as f64;
    println!("allocations over hyper's client: {each:.3} each");
    assert!(each >= 1.0, "the counter is not connected, or hyper has become as lean");
}

/// What a request over TLS may allocate: the library makes a buffer for every record, also through its unbuffered
/// interface. The request goes out in one record, and this server answers in two. The goal is 0.
const PER_TLS_REQUEST: f64 = 3.0;

#[test]
fn a_request_over_tls_allocates_one_buffer_for_each_record() {
    let authority = Authority::new();
    let server = Server::start(&authority.issue(Subject::Valid), Clients::Anyone);
    let tls = TlsPlan { ca: Some(authority.pem().into_bytes().into()), ..TlsPlan::default() };
    let allocations = |requests| allocations(requests, server.address().port(), Some(&tls));
    allocations(500);
    let (short, long) = (allocations(1_000), allocations(5_000));
    let each = (long as f64 - short as f64) / 4_000.0;
    println!("allocations over TLS: {short} in 1000 requests, {long} in 5000, {each:.3} each");
    // Handshakes differ by a handful.
    assert!(each <= PER_TLS_REQUEST + 0.01, "{each} allocations per request");
    assert_eq!(server.requests(), 6_500, "the server's own count");
}
