//! Workers that come again under the name they had, and others that come in place of the lost.

use api::result::SessionEnding;
use rustix::process::Signal;
use units::Nanos;

use super::*;

#[test]
fn kf_04_a_restarted_worker_is_shown_once_with_both_its_lives_and_nothing_counts_twice() {
    let mut cluster = short_leases("chaos-kf04", 3);
    let sink = Sink::start();
    let running = begin(&cluster, &sink, 3, "300/s", "8s");
    assert!(wait_until(LIMIT, || sink.count() > 300));
    cluster.workers[1].signal(Signal::KILL);
    drop(cluster.workers.remove(1));
    start_worker(&mut cluster, "w2", &[], "again");
    let result = running.wait().expect(114).result();
    holds_its_bound(&result, &sink);
    assert_eq!(result.workers.len(), 3, "{:#?}", result.workers);
    assert_eq!(result.totals.iterations.due, 2_400);
    let sessions = &worker(&result, "w2").sessions;
    assert_eq!(sessions.len(), 2, "{sessions:#?}");
    // What was counted of each life is what came from it, but for the last word of the one that was killed.
    let seen = sink.sent_by("w2");
    assert_eq!(sessions[0].ended, SessionEnding::Lost);
    assert!(
        sessions[0].requests <= seen
            && seen <= sessions[0].requests + sessions[0].unaccounted_requests_at_most.unwrap()
    );
    assert_eq!(sessions[1].ended, SessionEnding::Finished);
    assert!(sessions[1].requests > 0 && sessions[1].joined_at_ms.is_some(), "{sessions:#?}");
    assert_eq!(sessions[1].requests, sink.sent_by("again"), "{sessions:#?}");
    let all: u64 = result.workers.iter().flat_map(|worker| &worker.sessions).map(|life| life.requests).sum();
    assert_eq!(all, result.totals.requests.attempted);
}

#[test]
fn kf_11_another_worker_takes_the_place_of_a_lost_one() {
    let mut cluster = short_leases("chaos-kf11", 2);
    let sink = Sink::start();
    let running = begin(&cluster, &sink, 2, "200/s", "8s");
    assert!(wait_until(LIMIT, || sink.count() > 100));
    cluster.workers[0].signal(Signal::KILL);
    cluster.worker("w3", &[]);
    let result = running.wait().expect(114).result();
    holds_its_bound(&result, &sink);
    assert_eq!(result.degraded.as_ref().unwrap().workers_lost, ["w1"]);
    let life = &worker(&result, "w3").sessions[0];
    assert_eq!((life.ended, life.requests), (SessionEnding::Finished, sink.sent_by("w3")));
    assert!(life.requests > 0 && life.joined_at_ms.is_some(), "{life:#?}");
    assert!(result.revisions.last().unwrap().weights["w3"] > 0, "{:#?}", result.revisions);
}

#[test]
fn a_run_that_wants_nobody_back_takes_nobody_back() {
    let mut cluster = short_leases("chaos-never", 2);
    let sink = Sink::start();
    let running = begin_with(&cluster, &sink, 2, "100/s", "5s", "options: { rejoin: never }\n");
    cluster.workers[0].signal(Signal::KILL);
    drop(cluster.workers.remove(0));
    cluster.worker("w1", &[]);
    let result = running.wait().expect(114).result();
    holds_its_bound(&result, &sink);
    assert_eq!(worker(&result, "w1").sessions.len(), 1, "{:#?}", result.workers);
}

#[test]
fn a_worker_that_leaves_fast_sends_nothing_a_second_later_and_has_its_share_again_when_it_comes_back() {
    let mut cluster = Cluster::start("chaos-fast", Link::Tls, &[]);
    cluster.worker("w1", &[]);
    cluster.worker("w2", &["--leave", "fast"]);
    cluster.await_ready(2);
    let sink = Sink::start();
    let running = begin(&cluster, &sink, 2, "200/s", "8s");
    assert!(wait_until(LIMIT, || sink.count() > 200));
    let mut leaver = cluster.workers.remove(1);
    leaver.signal(Signal::TERM);
    let told = now();
    leaver.wait().expect(0);
    start_worker(&mut cluster, "w2", &["--leave", "fast"], "again");
    let result = running.wait().expect(114).result();
    // What came due meanwhile is told, and nothing else is missing.
    is_whole(&result, &sink);
    assert!(result.totals.iterations.unsent.lease_ended > 0, "{:#?}", result.totals.iterations);
    let degraded = result.degraded.as_ref().unwrap();
    assert_eq!((degraded.workers_lost.len(), degraded.requests_unaccounted_at_most), (0, 0));
    assert_eq!(sink.sent_since("w2", told + Nanos::SECOND), 0);
    assert!(sink.sent_by("again") > 0, "it had no share again: {:#?}", result.workers);
    let sessions = &worker(&result, "w2").sessions;
    assert_eq!((sessions.len(), sessions[0].ended, sessions[0].complete), (2, SessionEnding::Left, true));
}

#[test]
fn of_two_processes_with_one_identity_neither_counts_twice() {
    let mut cluster = short_leases("chaos-twins", 2);
    let sink = Sink::start();
    let running = begin(&cluster, &sink, 2, "200/s", "6s");
    assert!(wait_until(LIMIT, || sink.count() > 100));
    let (own, copy) = (cluster.path("state-w2"), cluster.path("elsewhere/state-w2"));
    std::fs::create_dir_all(&copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::metadata(&own).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(&own).unwrap().flatten() {
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let mut command = cluster.worker_command("w2", &[]);
    // Its key and certificate are found from there.
    command.current_dir(cluster.path("elsewhere")).env("SENDER", "twin");
    cluster.workers.push(Running::of(command));
    let result = running.wait().expect(114).result();
    let sessions = &worker(&result, "w2").sessions;
    assert!(sessions.len() > 1, "the later one takes its place: {sessions:#?}");
    for life in sessions.iter().filter(|life| life.iterations > 0) {
        assert!(life.ended_at_ms.is_none_or(|at| at > life.joined_at_ms.unwrap_or(0.0)), "{life:#?}");
    }
    holds_its_bound(&result, &sink);
    assert_eq!(result.totals.iterations.due, 1_200);
}
