//! The gate on allocations: in steady state a plain request allocates nothing on the engine's thread.
//!
//! The target runs on threads of its own, whose allocations are not counted. What is gated is the slope: a long run
//! may not allocate more than a short one.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;

use loadgen_benches::{ALLOCATIONS, GET, over_tcp, plan, quota, recorder, run};

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

/// Allocations of one engine thread that sends `requests` over 16 connections.
fn allocations(target: &target::Target, requests: u64) -> u64 {
    let port = target.address().port();
    let plan = Arc::new(plan(quota(16, requests), vec![GET], port));
    let (recorder, drain) = recorder(&plan);
    let protocol = over_tcp(&plan);
    let before = ALLOCATIONS.get();
    let report = run(&plan, protocol, recorder);
    let after = ALLOCATIONS.get();
    drop(drain);
    assert_eq!(report.requests_attempted, requests);
    after - before
}

#[test]
fn a_plain_request_allocates_nothing_in_steady_state() {
    let target = target::Target::bind(target::Config::default()).unwrap();
    // Tables and the runtime's queues grow to their size in the first runs.
    allocations(&target, 2_000);
    let (short, long) = (allocations(&target, 5_000), allocations(&target, 25_000));
    println!("allocations: {short} in 5000 requests, {long} in 25000");
    assert!(short > 0, "the counter is not connected");
    // Connecting and finishing allocate; a few runs of the same kind differ by a handful, 20,000 requests must not.
    assert!(long <= short + 20, "{long} allocations in 25000 requests, {short} in 5000");
    assert_eq!(target.stats().arrivals, 32_000, "the target's own count");
}
