//! Processes that stand still and go on: SIGSTOP and SIGCONT.

use std::time::Duration;

use api::result::SessionEnding;
use rustix::process::Signal;
use units::Nanos;

use super::*;

#[test]
fn load_ends_with_the_lease_when_the_controller_stands_still_and_the_run_ends_when_it_goes_on() {
    let mut cluster = short_leases("chaos-stop-controller", 3);
    let sink = Sink::start();
    let running = begin(&cluster, &sink, 3, "300/s", "10s");
    assert!(wait_until(LIMIT, || sink.count() > 300));
    cluster.controller.signal(Signal::STOP);
    let stopped = now();
    pause(Duration::from_secs(4));
    // A beat may be acknowledged at the very instant; who was about to send may have waited for a CPU.
    let lease_ended = stopped + Nanos::from_millis(1_000 - 167);
    let after = sink.since(lease_ended + Nanos::from_millis(167));
    let within = sink.between(stopped, lease_ended);
    assert_eq!(after, 0, "came after the lease, {within} within it");
    println!("{within} requests came between the standstill and the end of the lease");
    cluster.controller.signal(Signal::CONT);
    let result = running.wait().expect(114).result();
    is_whole(&result, &sink);
    let degraded = result.degraded.as_ref().unwrap();
    assert_eq!((degraded.workers_lost.len(), degraded.requests_unaccounted_at_most), (0, 0), "{degraded:#?}");
    assert!(result.workers.iter().all(|worker| worker.sessions[0].ended == SessionEnding::Left));
}

#[test]
fn a_worker_that_stood_still_beyond_its_lease_sends_nothing_more_and_hands_over_what_it_knows() {
    let mut cluster = short_leases("chaos-stop-worker", 3);
    let sink = Sink::start();
    let running = begin_with(&cluster, &sink, 3, "300/s", "8s", "options: { rejoin: never }\n");
    assert!(wait_until(LIMIT, || sink.count() > 300));
    cluster.workers[1].signal(Signal::STOP);
    pause(Duration::from_secs(3));
    let continued = now();
    cluster.workers[1].signal(Signal::CONT);
    let result = running.wait().expect(114).result();
    assert_eq!(sink.sent_since("w2", continued), 0, "it has no right to send any more");
    let life = &worker(&result, "w2").sessions[0];
    assert_eq!(life.ended, SessionEnding::LostAndHeard, "{life:#?}");
    assert_eq!(life.requests, sink.sent_by("w2"), "{life:#?}");
    // Degraded, and yet nothing is missing.
    holds_its_bound(&result, &sink);
    is_whole(&result, &sink);
    let degraded = result.degraded.as_ref().unwrap();
    assert_eq!((&*degraded.workers_lost, degraded.requests_unaccounted_at_most), (&["w2".to_owned()][..], 0));
    assert!(
        result.totals.iterations.unsent.lease_ended + result.totals.iterations.unsent.generator_stall > 0
    );
}

#[test]
fn a_worker_that_stood_still_within_its_lease_is_late_and_not_lost() {
    let mut cluster = Cluster::start("chaos-stall", Link::Tls, &[]).with_workers(3);
    let sink = Sink::start();
    let running = begin(&cluster, &sink, 3, "300/s", "5s");
    assert!(wait_until(LIMIT, || sink.count() > 300));
    cluster.workers[1].signal(Signal::STOP);
    pause(Duration::from_millis(1_500));
    let continued = now();
    cluster.workers[1].signal(Signal::CONT);
    let result = running.wait().expect_load().result();
    is_whole(&result, &sink);
    assert!(result.degraded.is_none(), "{:#?}", result.degraded);
    let iterations = &result.totals.iterations;
    assert_eq!((iterations.due, iterations.unsent.lease_ended), (1_500, 0), "{iterations:#?}");
    // Its part of 1.5 s, less the 100 ms that may be made up for.
    assert!(iterations.unsent.generator_stall >= 130, "{iterations:#?}");
    assert_eq!(iterations.started + iterations.unsent.total(), 1_500, "{iterations:#?}");
    let densest = sink.densest(1_000_000_000, continued);
    assert!(densest <= 360, "{densest} within a second: what was missed is not made up for");
}

#[test]
fn a_standstill_of_all_workers_is_a_stall_of_the_generator() {
    let mut cluster = Cluster::start("chaos-stall-all", Link::Tls, &[]).with_workers(2);
    let sink = Sink::start();
    let running = begin(&cluster, &sink, 2, "200/s", "5s");
    assert!(wait_until(LIMIT, || sink.count() > 200));
    cluster.workers.iter_mut().for_each(|worker| worker.signal(Signal::STOP));
    pause(Duration::from_millis(1_000));
    cluster.workers.iter_mut().for_each(|worker| worker.signal(Signal::CONT));
    let result = running.wait().expect_load().result();
    is_whole(&result, &sink);
    assert!(result.totals.iterations.unsent.generator_stall >= 170, "{:#?}", result.totals.iterations);
}
