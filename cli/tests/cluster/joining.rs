//! Who may join, and what a run does until enough have.

use super::{Cluster, Link};
use crate::harness::{Running, scenario, target};

#[test]
fn a_run_waits_for_the_workers_it_expects() {
    let mut cluster = Cluster::start("join-wait", Link::Tls, &[]).with_workers(1);
    let target = target();
    cluster.place.write("s.yaml", scenario(&target.url(), "/", "100/s", "1s"));
    let running = cluster.begin_run("s.yaml", &["--expect-workers", "2"]);
    running.wait_for_stderr("waiting: ");
    cluster.worker("w2", &["--label", "zone=b"]);
    let outcome = running.wait().expect_load();
    assert_eq!(outcome.result().workers.len(), 2);
    assert_eq!(outcome.result().totals.requests.attempted, target.stats().arrivals);
}

#[test]
fn workers_that_do_not_come_are_not_waited_for_longer_than_asked() {
    let cluster = Cluster::start("join-late", Link::Tls, &[]).with_workers(1);
    cluster.place.write("s.yaml", scenario(&target().url(), "/", "100/s", "1s"));
    let outcome = cluster.ask(&["run", "s.yaml", "--no-out", "--expect-workers", "2", "--wait", "300ms"]);
    assert!(outcome.expect(117).stderr.contains("worker"));
}

#[test]
fn only_workers_with_the_label_are_taken() {
    let mut cluster = Cluster::start("join-label", Link::Tls, &[]).with_workers(1);
    cluster.worker("far", &["--label", "zone=b"]);
    cluster.await_ready(2);
    let target = target();
    cluster.place.write("s.yaml", scenario(&target.url(), "/", "100/s", "500ms"));
    let (outcome, result) = cluster.run("s.yaml", &["--worker-label", "zone=b"]);
    outcome.expect_load();
    assert_eq!(result.workers.len(), 1);
}

#[test]
fn a_worker_that_comes_back_needs_no_token_any_more() {
    let mut cluster = Cluster::start("join-again", Link::Tls, &[]).with_workers(1);
    let mut worker = cluster.workers.remove(0);
    worker.signal(rustix::process::Signal::TERM);
    worker.wait().expect(0);
    cluster.token = String::new();
    cluster.worker("w1", &[]);
    cluster.await_ready(1);
}

/// Runs the worker until it is refused.
fn refused(worker: Running, why: &str) {
    let outcome = worker.wait().expect(104);
    assert!(outcome.stderr.contains(why), "{}", outcome.stderr);
}

#[test]
fn a_wrong_token_a_wrong_authority_and_a_used_token_are_refused_with_the_reason() {
    let mut cluster = Cluster::start("join-refused", Link::Tls, &[]).with_workers(1);
    let (token, fingerprint) = (cluster.token.clone(), cluster.fingerprint.clone());
    cluster.token = format!("{}x", &token[..token.len() - 1]);
    refused(cluster.spare_worker("liar", &[]), "token");
    cluster.token = String::new();
    refused(cluster.spare_worker("nobody", &[]), "--token-file");
    cluster.token = token;
    cluster.fingerprint = "0".repeat(64);
    refused(cluster.spare_worker("lost", &[]), "fingerprint");
    cluster.fingerprint = fingerprint;
    let once = cluster.place.loadgen(&["controller", "token", "join", "--state", "state"]).expect(0);
    cluster.token = once.stdout.trim().to_owned();
    cluster.worker("w2", &[]);
    cluster.await_ready(2);
    refused(cluster.spare_worker("w3", &[]), "token");
}

#[test]
fn a_networked_worker_sends_load_to_this_machine_only_unless_told_otherwise() {
    let cluster = Cluster::start("join-policy", Link::Tls, &[]).with_workers(1);
    // An address of a documentation network (RFC 5737): nothing is ever sent there.
    cluster.place.write("s.yaml", scenario("http://192.0.2.1:9", "/", "10/s", "1s"));
    let outcome = cluster.ask(&["run", "s.yaml", "--no-out", "--no-preflight"]).expect(116);
    assert!(outcome.stderr.contains("192.0.2.1"), "{}", outcome.stderr);
}

#[test]
fn a_networked_worker_hands_out_only_the_secrets_it_was_told_to() {
    let cluster = Cluster::start("joining-secrets", Link::Tls, &[]).with_workers(1);
    let target = target();
    let file = scenario(&target.url(), "/", "5/s", "1s") + "        headers: { x: \"${secret.PATH}\" }\n";
    cluster.place.write("s.yaml", file);
    let outcome = cluster.ask(&["run", "s.yaml", "--no-out"]).expect(116);
    for needle in ["secret `PATH`", "worker `w1`", "`--allow-secret PATH`"] {
        assert!(outcome.stderr.contains(needle), "{needle}: {}", outcome.stderr);
    }
    assert_eq!(target.stats().arrivals, 0);
}
