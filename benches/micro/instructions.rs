//! Instructions in user space, counted by callgrind: the deterministic half of the speed gate.
//!
//! Each function is run with two counts; what is gated is the slope, the cost of one more. See `cargo xtask gates`.

#![allow(missing_docs, unused_qualifications, reason = "the macros write undocumented items and whole paths")]

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use loadgen_benches::memory::{MemoryRun, ratio, sampled, tail};
use loadgen_benches::{GET, plan, quota, recorder, sample, with_checks};
use metrics::{Period, Propagation, Record, Sampling, TraceOptions};
use plan::{Arrivals, RateProfile, ScenarioId, Seed, Share, Slots, Stage};
use units::{Nanos, Rate};

// One iteration with one request over the target in memory: engine, codec, pool, ledgers and recorder.
fn plain(count: u64) -> MemoryRun {
    MemoryRun::new(plan(quota(64, count), vec![GET], 80))
}

#[library_benchmark(setup = plain)]
#[bench::count_2000(2_000)]
#[bench::count_12000(12_000)]
fn request(run: MemoryRun) -> u64 {
    run.run()
}

// The same with two checks.
fn checked(count: u64) -> MemoryRun {
    MemoryRun::new(with_checks(plan(quota(64, count), vec![GET], 80)))
}

#[library_benchmark(setup = checked)]
#[bench::count_2000(2_000)]
#[bench::count_12000(12_000)]
fn request_with_checks(run: MemoryRun) -> u64 {
    run.run()
}

// The same as `request` with a tracer, in every way that one can be set. What it costs is the difference; see `LIMITS` in
// `xtask/src/gates/relative.rs`. The records go round in these runs and nobody drains the queue: what an exporter does is
// not the engine thread's.
fn traced(count: u64, options: TraceOptions) -> MemoryRun {
    MemoryRun::traced(plan(quota(64, count), vec![GET], 80), options, count as usize)
}

fn keeping_none(count: u64) -> MemoryRun {
    traced(count, sampled(Sampling::Off))
}

#[library_benchmark(setup = keeping_none)]
#[bench::count_2000(2_000)]
#[bench::count_12000(12_000)]
fn request_sampled_off(run: MemoryRun) -> u64 {
    run.run()
}

fn keeping_1_percent(count: u64) -> MemoryRun {
    traced(count, TraceOptions { propagation: Propagation::Sampled, ..ratio(0.01) })
}

#[library_benchmark(setup = keeping_1_percent)]
#[bench::count_2000(2_000)]
#[bench::count_12000(12_000)]
fn request_sampled_1_percent(run: MemoryRun) -> u64 {
    run.run()
}

fn keeping_5_percent(count: u64) -> MemoryRun {
    traced(count, TraceOptions { propagation: Propagation::Sampled, ..ratio(0.05) })
}

#[library_benchmark(setup = keeping_5_percent)]
#[bench::count_2000(2_000)]
#[bench::count_12000(12_000)]
fn request_sampled_5_percent(run: MemoryRun) -> u64 {
    run.run()
}

fn keeping_all(count: u64) -> MemoryRun {
    traced(count, ratio(1.0))
}

#[library_benchmark(setup = keeping_all)]
#[bench::count_2000(2_000)]
#[bench::count_12000(12_000)]
fn request_sampled_100_percent(run: MemoryRun) -> u64 {
    run.run()
}

fn keeping_slow(count: u64) -> MemoryRun {
    traced(count, tail())
}

#[library_benchmark(setup = keeping_slow)]
#[bench::count_2000(2_000)]
#[bench::count_12000(12_000)]
fn request_sampled_tail(run: MemoryRun) -> u64 {
    run.run()
}

fn telling_always(count: u64) -> MemoryRun {
    traced(count, TraceOptions { propagation: Propagation::Always, ..sampled(Sampling::Off) })
}

#[library_benchmark(setup = telling_always)]
#[bench::count_2000(2_000)]
#[bench::count_12000(12_000)]
fn request_propagated(run: MemoryRun) -> u64 {
    run.run()
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

library_benchmark_group!(
    name = hot,
    benchmarks = [
        request,
        request_with_checks,
        request_sampled_off,
        request_sampled_1_percent,
        request_sampled_5_percent,
        request_sampled_100_percent,
        request_sampled_tail,
        request_propagated,
        record,
        slot
    ]
);
main!(library_benchmark_groups = hot);
