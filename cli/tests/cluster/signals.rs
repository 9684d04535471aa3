//! Signals to each of the processes: each ends within the five seconds users are promised.

use std::time::Duration;

use rustix::process::Signal;

use super::{Cluster, Link};
use crate::harness::{LIMIT, Place, Running, scenario, target, wait_until};

/// What is promised, and as much again for a machine that builds something else meanwhile.
const PROMISED: Duration = Duration::from_secs(10);

#[test]
fn a_controller_and_a_worker_without_a_run_end_at_once() {
    let mut cluster = Cluster::start("signal-idle", Link::Tls, &[]).with_workers(1);
    let mut worker = cluster.workers.remove(0);
    worker.signal(Signal::TERM);
    worker.wait_within(PROMISED).expect(0);
    cluster.worker("w1", &[]);
    cluster.await_ready(1);
    let Cluster { mut controller, mut workers, .. } = cluster;
    controller.signal(Signal::INT);
    controller.wait_within(PROMISED).expect(0);
    // A worker whose controller is gone goes on looking for it, and goes when it is told to.
    workers[0].signal(Signal::TERM);
    workers.remove(0).wait_within(PROMISED).expect(0);
}

#[test]
fn a_signal_to_who_follows_a_run_stops_it_and_its_result_is_whole() {
    let cluster = Cluster::start("signal-run", Link::Tls, &[]).with_workers(2);
    let target = target();
    cluster.place.write("s.yaml", scenario(&target.url(), "/delay/fixed?ms=100", "100/s", "60s"));
    let mut running = cluster.begin_run("s.yaml", &["--expect-workers", "2"]);
    assert!(wait_until(LIMIT, || target.stats().arrivals > 30));
    running.signal(Signal::INT);
    let outcome = running.wait_within(PROMISED).expect(105);
    assert!(outcome.stderr.contains("stopping run"), "{}", outcome.stderr);
    let result = outcome.result();
    assert_eq!(result.totals.requests.attempted, target.stats().arrivals);
    assert_eq!(result.totals.requests.cancelled, 0);
}

#[test]
fn a_worker_that_is_told_to_go_gives_its_share_away() {
    let mut cluster = Cluster::start("signal-worker", Link::Tls, &[]).with_workers(2);
    let target = target();
    cluster.place.write("s.yaml", scenario(&target.url(), "/", "100/s", "60s"));
    let mut running = cluster.begin_run("s.yaml", &["--expect-workers", "2"]);
    assert!(wait_until(LIMIT, || target.stats().arrivals > 30));
    let mut worker = cluster.workers.remove(0);
    worker.signal(Signal::TERM);
    worker.wait_within(PROMISED).expect(0);
    running.signal(Signal::INT);
    let result = running.wait_within(PROMISED).expect(105).result();
    assert_eq!(result.totals.iterations.unaccounted, 0, "{:?}", result.totals.iterations);
    assert_eq!(result.totals.requests.attempted, target.stats().arrivals);
}

#[test]
fn a_last_worker_that_is_told_to_go_waits_for_nobody_and_what_is_left_is_known() {
    let mut cluster = Cluster::start("signal-last", Link::Tls, &[]).with_workers(1);
    let target = target();
    cluster.place.write("s.yaml", scenario(&target.url(), "/", "100/s", "60s"));
    let running = cluster.begin_run("s.yaml", &[]);
    assert!(wait_until(LIMIT, || target.stats().arrivals > 30));
    let mut worker = cluster.workers.remove(0);
    worker.signal(Signal::TERM);
    worker.wait_within(PROMISED).expect(0);
    let result = running.wait_within(PROMISED).expect(114).result();
    let degraded = result.degraded.unwrap();
    assert!(degraded.iterations_lease_ended > 0, "{degraded:?}");
    assert_eq!((degraded.iterations_unaccounted, degraded.requests_unaccounted_at_most), (0, 0));
    assert_eq!(result.totals.requests.attempted, target.stats().arrivals);
}

#[test]
fn a_signal_to_a_run_with_workers_of_its_own_ends_them_too() {
    let place = Place::new("signal-crew");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "100/s", "60s"));
    let mut running = place.start(&["run", "s.yaml", "--workers", "2", "--no-out", "--format", "json"]);
    assert!(wait_until(LIMIT, || target.stats().arrivals > 30));
    running.signal(Signal::INT);
    let result = running.wait_within(PROMISED).expect(105).result();
    assert_eq!(result.totals.requests.attempted, target.stats().arrivals);
}

#[test]
fn workers_whose_conductor_was_killed_end_their_load() {
    let place = Place::new("signal-orphans");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "100/s", "60s"));
    let mut running: Running = place.start(&["run", "s.yaml", "--workers", "2", "--no-out"]);
    assert!(wait_until(LIMIT, || target.stats().arrivals > 30));
    let conductor = running.id();
    let children = std::fs::read_to_string(format!("/proc/{conductor}/task/{conductor}/children")).unwrap();
    running.signal(Signal::KILL);
    let are_gone = || children.split_whitespace().all(is_gone);
    assert!(wait_until(LIMIT, are_gone), "{children}");
}

/// Whether a process has ended; one that nobody waits for yet has.
fn is_gone(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.is_empty() || status.contains("State:\tZ")
}
