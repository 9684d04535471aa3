//! Time of the parts, for people: `cargo bench --bench micro`. Nothing is gated on it.
#![allow(missing_docs, reason = "the macros write undocumented functions")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use loadgen_benches::{GET, over_memory, plan, quota, recorder, run, sample};
use metrics::{NoRecorder, Period, Record};

/// One `record` of a request on a kept connection, without clock reads.
fn record(c: &mut Criterion) {
    let plan = plan(quota(1, 1), vec![GET], 80);
    let samples: Vec<_> = (0..4_096).map(sample).collect();
    let mut group = c.benchmark_group("record");
    let (mut own, _drain) = recorder(&plan);
    let mut n = 0;
    group.bench_function("request", |b| {
        b.iter(|| {
            n += 1;
            own.request_started(0, Period::Measured);
            own.request(0, black_box(&samples[n & 4_095]), Period::Measured);
        });
    });
    group.bench_function("request, no recorder", |b| {
        b.iter(|| {
            n += 1;
            NoRecorder.request(0, black_box(&samples[n & 4_095]), Period::Measured);
        });
    });
    group.finish();
}

/// Recording on 1, 2, 4 and 8 threads: a recorder of one's own, beside one behind a lock and one of shared atomics.
fn contention(c: &mut Criterion) {
    const EACH: u64 = 100_000;
    let plan = plan(quota(1, 1), vec![GET], 80);
    let mut group = c.benchmark_group("contention");
    group.sample_size(10);
    for threads in [1_u64, 2, 4, 8] {
        group.throughput(Throughput::Elements(threads * EACH));
        group.bench_function(format!("own recorder, {threads} threads"), |b| {
            let make = || (0..threads).map(|_| recorder(&plan)).collect::<Vec<_>>();
            b.iter_batched_ref(
                make,
                |recorders| {
                    std::thread::scope(|scope| {
                        for (recorder, _drain) in recorders {
                            scope.spawn(move || {
                                for n in 0..EACH {
                                    recorder.request_started(0, Period::Measured);
                                    recorder.request(0, &sample(n), Period::Measured);
                                }
                            });
                        }
                    });
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function(format!("locked recorder, {threads} threads"), |b| {
            let (own, _drain) = recorder(&plan);
            let shared = std::sync::Mutex::new(own);
            b.iter(|| {
                std::thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| {
                            for n in 0..EACH {
                                let mut recorder = shared.lock().expect("nobody panics");
                                recorder.request_started(0, Period::Measured);
                                recorder.request(0, &sample(n), Period::Measured);
                            }
                        });
                    }
                });
            });
        });
        group.bench_function(format!("atomic counters, {threads} threads"), |b| {
            // Only the five buckets a request falls into, without its counters: less than a recorder does.
            let buckets: Vec<AtomicU64> = (0..5 * 1_024).map(|_| AtomicU64::new(0)).collect();
            b.iter(|| {
                std::thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| {
                            for n in 0..EACH {
                                let sample = sample(n);
                                let bucket = (sample.times.response_time().as_u64() >> 9) as usize & 1_023;
                                for series in 0..5 {
                                    buckets[series * 1_024 + bucket].fetch_add(1, Ordering::Relaxed);
                                }
                            }
                        });
                    }
                });
            });
        });
    }
    group.finish();
}

/// A whole iteration with one request, over the target in memory.
fn iteration(c: &mut Criterion) {
    const COUNT: u64 = 20_000;
    let mut group = c.benchmark_group("iteration");
    group.throughput(Throughput::Elements(COUNT)).sample_size(10);
    let plan = Arc::new(plan(quota(64, COUNT), vec![GET], 80));
    group.bench_function("recorder", |b| {
        b.iter(|| {
            let (recorder, _drain) = recorder(&plan);
            run(&plan, over_memory(&plan, None), recorder)
        });
    });
    group.bench_function("no recorder", |b| b.iter(|| run(&plan, over_memory(&plan, None), NoRecorder)));
    group.finish();
}

criterion_group!(benches, record, contention, iteration);
criterion_main!(benches);
