//! How a plan is dealt: to none, to one, to many workers, to some that are late, refuse, or are lost too early.

use std::collections::BTreeSet;

use rustix::process::Signal;

use super::*;
use crate::harness::{Place, WIDE_BOUNDS};

#[test]
fn kf_09_a_worker_that_cannot_carry_its_share_ends_the_run_with_its_reason() {
    let mut cluster = Cluster::start("chaos-kf09", Link::Tls, &[]).with_workers(3);
    cluster.worker("w4", &["--max-rate", "1/s"]);
    cluster.await_ready(4);
    let sink = Sink::start();
    cluster.place.write("s.yaml", scenario(&sink.url(), "/", "100/s", "1h"));
    let outcome = cluster.ask(&["run", "s.yaml", "--no-out", "--expect-workers", "4"]);
    assert!(outcome.stderr.contains("w4") && outcome.stderr.contains("1/s"), "{}", outcome.stderr);
    outcome.expect(116);
    assert_eq!(sink.count(), 0);
    cluster.await_ready(4);
}

#[test]
fn kf_10_no_load_comes_before_the_last_worker_has() {
    let mut cluster = Cluster::start("chaos-kf10", Link::Tls, &[]).with_workers(2);
    let sink = Sink::start();
    cluster.place.write("s.yaml", scenario(&sink.url(), "/", "100/s", "1s"));
    let running = cluster.begin_run("s.yaml", &["--expect-workers", "3"]);
    running.wait_for_stderr("waiting: ");
    pause(Duration::from_secs(1));
    assert_eq!(sink.count(), 0);
    cluster.worker("w3", &[]);
    let result = running.wait().expect_load().result();
    is_whole(&result, &sink);
    assert!(
        result.workers.iter().all(|worker| worker.sessions[0].joined_at_ms.is_none()),
        "{:#?}",
        result.workers
    );
    assert_eq!((result.workers.len(), result.totals.iterations.due), (3, 100));
}

#[test]
fn kf_08_a_worker_that_is_restarted_while_the_run_is_prepared_does_not_hold_it_up() {
    let mut cluster = short_leases("chaos-kf08", 3);
    let sink = Sink::start();
    cluster.place.write("s.yaml", scenario(&sink.url(), "/", "100/s", "1s"));
    // It takes the order to prepare no more: the run is in front of its barrier.
    cluster.workers[1].signal(Signal::STOP);
    let running = cluster.begin_run("s.yaml", &["--expect-workers", "3"]);
    let is_preparing = || cluster.status().runs.iter().any(|run| run.state == api::http::RunState::Preparing);
    assert!(wait_until(LIMIT, is_preparing), "{:#?}", cluster.status());
    cluster.workers[1].signal(Signal::KILL);
    drop(cluster.workers.remove(1));
    cluster.worker("w2", &[]);
    // It was lost, and came again before there was load.
    let result = running.wait().expect(114).result();
    assert_eq!(worker(&result, "w2").sessions.len(), 2);
    assert_eq!((result.totals.requests.attempted, result.totals.iterations.due), (sink.count(), 100));
}

#[test]
fn kf_14_a_run_against_a_target_that_answers_no_handshake_is_stopped_in_time() {
    let cluster = Cluster::start("chaos-kf14", Link::Tls, &[]).with_workers(2);
    let silent = testkit::ports::silent_port();
    let url = format!("http://{}", silent.address());
    cluster.place.write("s.yaml", scenario(&url, "/", "50/s", "1h"));
    let mut running = cluster.begin_run("s.yaml", &["--expect-workers", "2", "--no-preflight"]);
    running.wait_for_stderr("load started");
    running.signal(Signal::INT);
    let result = running.wait_within(endings::PROMISED).expect(105).result();
    assert!(result.totals.requests.balanced && result.totals.iterations.balanced, "{:#?}", result.totals);
    assert_eq!(result.totals.requests.succeeded, 0);
}

#[test]
fn kf_15_a_run_without_a_worker_fails_and_says_why() {
    let cluster = Cluster::start("chaos-kf15", Link::Tls, &[]);
    let sink = Sink::start();
    cluster.place.write("s.yaml", scenario(&sink.url(), "/", "100/s", "1s"));
    for flags in [&["--wait", "300ms"][..], &["--wait", "300ms", "--expect-workers", "1"]] {
        let outcome = cluster.ask(&[&["run", "s.yaml", "--no-out"], flags].concat()).expect(117);
        assert!(outcome.stderr.contains("worker"), "{}", outcome.stderr);
    }
    assert_eq!(sink.count(), 0);
}

#[test]
fn kf_16_one_request_a_second_over_eight_workers_is_one_request_a_second() {
    let place = Place::new("chaos-kf16");
    let sink = Sink::start();
    place.write("s.yaml", scenario(&sink.url(), "/", "1/s", "3s"));
    let (outcome, result) = place.run(&["s.yaml", "--workers", "8"]);
    outcome.expect_load();
    is_whole(&result, &sink);
    assert_eq!((result.workers.len(), sink.count()), (8, 3));
}

#[test]
fn kf_18_the_load_is_the_same_on_any_number_of_workers() {
    let place = Place::new("chaos-kf18");
    let (mut plans, mut counts) = (BTreeSet::new(), BTreeSet::new());
    for workers in ["1", "2", "4", "8"] {
        let sink = Sink::start();
        // The digest is of the schedule, not of the address.
        place.write("s.yaml", scenario(&sink.url(), "/", "100/s", "1s"));
        let (outcome, result) = place.run(&["s.yaml", "--workers", workers]);
        outcome.expect_load();
        is_whole(&result, &sink);
        counts.insert(sink.count() + result.totals.iterations.unsent.generator_stall);
        plans.insert((result.identity.plan_hash, result.identity.slots_digest.due));
    }
    assert_eq!(counts, BTreeSet::from([100]));
    assert_eq!(plans.len(), 1, "{plans:#?}");
}

#[test]
fn kf_19_a_plan_of_a_million_users_is_small() {
    let cluster = Cluster::start("chaos-kf19", Link::Tls, &[]).with_workers(2);
    let sink = Sink::start();
    let file = format!(
        "target: {{ url: \"{}\" }}\nverdict: {{ invalid: {WIDE_BOUNDS} }}\nscenarios:\n  crowd:\n    \
         executor: ramping-vus\n    start_vus: 4\n    stages: [{{ duration: 1s, target: 4 }}, {{ duration: 10h, target: 1000000 }}]\n    \
         steps: [{{ get: / }}, {{ think: 100ms }}]\n",
        sink.url()
    );
    cluster.place.write("s.yaml", file);
    let running = cluster.begin_run("s.yaml", &["--expect-workers", "2", "--no-preflight"]);
    assert!(wait_until(LIMIT, || sink.count() > 20));
    cluster.ask(&["stop"]).expect(0);
    let result = running.wait().expect(105).result();
    println!("kf_19: prepared in {} ms", result.time.preparing_ms);
    is_whole(&result, &sink);
    for worker in &result.workers {
        let peak = worker.health.unwrap().peak_rss_bytes;
        assert!(peak < 512 << 20, "{} took {peak} bytes for users that never came", worker.name);
    }
}
