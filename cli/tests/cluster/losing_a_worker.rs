//! A worker that dies while it makes load. Many that die at random instants: `chaos::kills`.

use api::result::{Mark, ResultFile};
use rustix::process::Signal;
use target::Target;

use super::{Cluster, Link};
use crate::harness::{LIMIT, scenario, target, wait_until};

#[test]
fn a_killed_worker_leaves_a_degraded_run_that_states_what_it_cannot_account_for() {
    let mut cluster = Cluster::start("kill", Link::Tls, &["--lease-ttl", "1s"]).with_workers(3);
    let target = target();
    cluster.place.write("s.yaml", scenario(&target.url(), "/", "300/s", "6s"));
    let running = cluster.begin_run("s.yaml", &["--expect-workers", "3"]);
    assert!(wait_until(LIMIT, || target.stats().arrivals > 400));
    cluster.workers[1].signal(Signal::KILL);
    let result = running.wait().expect(114).result();
    holds_its_bound(&result, &target);
    let degraded = result.degraded.as_ref().unwrap();
    assert_eq!((degraded.workers_lost.as_slice(), degraded.allowed), (&["w2".to_owned()][..], false));
    assert_eq!(result.totals.iterations.due, 1_800);
    // The others carried its share again before the end: far more than two thirds of the plan arrived.
    let seen = target.stats().arrivals;
    assert!(seen > 1_350, "{seen}");
    let status = cluster.ask(&["status"]).expect(0);
    assert!(status.stdout.contains("lost"), "{}", status.stdout);
}

/// Holds the result of a run that lost a worker against what the target saw.
#[track_caller]
fn holds_its_bound(result: &ResultFile, target: &Target) {
    assert!(result.verdict.marks.contains(&Mark::Degraded), "{:?}", result.verdict);
    assert!(result.totals.iterations.balanced && result.totals.requests.balanced, "{:#?}", result.totals);
    let (seen, reported) = (target.stats().arrivals, result.totals.requests.attempted);
    let degraded = result.degraded.as_ref().unwrap();
    assert!(seen >= reported, "{seen} were seen and {reported} are reported");
    assert!(seen - reported <= degraded.requests_unaccounted_at_most, "{seen} of {reported}: {degraded:?}");
}

#[test]
fn a_run_may_pass_without_a_worker_if_it_says_so() {
    let mut cluster = Cluster::start("kill-allowed", Link::Tls, &["--lease-ttl", "1s"]).with_workers(2);
    let target = target();
    let file = scenario(&target.url(), "/", "200/s", "4s") + "options: { allow_degraded: true }\n";
    cluster.place.write("s.yaml", file);
    let running = cluster.begin_run("s.yaml", &["--expect-workers", "2"]);
    assert!(wait_until(LIMIT, || target.stats().arrivals > 100));
    cluster.workers[0].signal(Signal::KILL);
    let result = running.wait().expect_load().result();
    holds_its_bound(&result, &target);
}

#[test]
fn a_run_that_may_not_lose_a_worker_ends_with_it() {
    let mut cluster = Cluster::start("kill-fail", Link::Tls, &["--lease-ttl", "1s"]).with_workers(2);
    let target = target();
    let file = scenario(&target.url(), "/", "100/s", "60s") + "options: { on_worker_loss: fail }\n";
    cluster.place.write("s.yaml", file);
    let running = cluster.begin_run("s.yaml", &["--expect-workers", "2"]);
    assert!(wait_until(LIMIT, || target.stats().arrivals > 50));
    cluster.workers[0].signal(Signal::KILL);
    holds_its_bound(&running.wait().expect(114).result(), &target);
}
