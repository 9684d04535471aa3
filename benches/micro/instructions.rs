//! Instructions in user space, counted by callgrind: the deterministic half of the speed gate.
//!
//! Each function is run with two counts; what is gated is the slope, the cost of one more. See `cargo xtask gates`.

#![allow(missing_docs, unused_qualifications, reason = "the macros write undocumented items and whole paths")]

use std::hint::black_box;
use std::sync::Arc;

use gungraun::{library_benchmark, library_benchmark_group, main};
use loadgen_benches::{GET, over_memory, plan, quota, recorder, run, sample, with_checks};
use metrics::{Period, Record};
use plan::{Arrivals, RateProfile, ScenarioId, Seed, Share, Slots, Stage};
use units::{Nanos, Rate};

// One iteration with one request over the target in memory: engine, codec, pool, ledgers and recorder.
#[library_benchmark]
#[bench::count_2000(2_000)]
#[bench::count_12000(12_000)]
fn request(count: u64) -> u64 {
    let plan = Arc::new(plan(quota(64, count), vec![GET], 80));
    let (recorder, _drain) = recorder(&plan);
    run(&plan, over_memory(&plan), recorder).requests_attempted
}

// The same with two checks.
#[library_benchmark]
#[bench::count_2000(2_000)]
#[bench::count_12000(12_000)]
fn request_with_checks(count: u64) -> u64 {
    let plan = Arc::new(with_checks(plan(quota(64, count), vec![GET], 80)));
    let (recorder, _drain) = recorder(&plan);
    run(&plan, over_memory(&plan), recorder).requests_attempted
}

// One `record` of a request on a kept connection.
#[library_benchmark]
#[bench::count_1000(1_000)]
#[bench::count_11000(11_000)]
fn record(count: u64) -> u64 {
    let plan = plan(quota(1, 1), vec![GET], 80);
    let (mut recorder, _drain) = recorder(&plan);
    for n in 0..count {
        recorder.request_started(0, Period::Measured);
        recorder.request(0, black_box(&sample(n)), Period::Measured);
    }
    count
}

// Due time and ownership of one slot of a constant rate.
#[library_benchmark]
#[bench::count_1000(1_000)]
#[bench::count_11000(11_000)]
fn slot(count: u64) -> u64 {
    let rate = Rate::from_per_second(9_973);
    let stage = Stage { duration: Nanos::from_secs(3_600), from: rate, to: rate, measured: true };
    let profile = RateProfile::new(vec![stage]).expect("a sound profile");
    let slots = Slots::new(&profile, Arrivals::Uniform, Seed(1), ScenarioId(0), &Share::whole(), 0, 2);
    let slots = slots.expect("a sound share");
    slots.take(count as usize).map(|slot| slot.due.as_u64()).fold(0, u64::wrapping_add)
}

library_benchmark_group!(name = hot, benchmarks = [request, request_with_checks, record, slot]);
main!(library_benchmark_groups = hot);
