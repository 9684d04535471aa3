//! Signals to each of the processes of a run under way.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use api::result::SessionEnding;
use rustix::process::Signal;

use super::*;
use crate::harness::target;

/// What is promised, and as much again for a machine that builds something else meanwhile.
pub(super) const PROMISED: Duration = Duration::from_secs(10);

#[test]
fn a_worker_that_leaves_gracefully_leaves_a_whole_run_that_passes() {
    let mut cluster = short_leases("chaos-leave", 3);
    let sink = Sink::start();
    let running = begin(&cluster, &sink, 3, "300/s", "5s");
    assert!(wait_until(LIMIT, || sink.count() > 300));
    let mut leaver = cluster.workers.remove(1);
    leaver.signal(Signal::TERM);
    leaver.wait_within(PROMISED).expect(0);
    let result = running.wait().expect_load().result();
    is_whole(&result, &sink);
    assert!(result.degraded.is_none(), "{:#?}", result.degraded);
    let iterations = &result.totals.iterations;
    assert_eq!(iterations.due, 1_500);
    assert_eq!(
        iterations.started + iterations.unsent.generator_stall,
        1_500,
        "there is no gap: {iterations:#?}"
    );
    let life = &worker(&result, "w2").sessions[0];
    assert_eq!((life.ended, life.complete), (SessionEnding::Left, true), "{life:#?}");
}

#[test]
fn a_signal_to_the_controller_drains_the_run_and_its_result_still_comes() {
    let mut cluster = Cluster::start("chaos-term-controller", Link::Tls, &[]).with_workers(2);
    let sink = Sink::start();
    let running = begin(&cluster, &sink, 2, "100/s", "1h");
    assert!(wait_until(LIMIT, || sink.count() > 50));
    cluster.controller.signal(Signal::TERM);
    let result = running.wait_within(PROMISED).expect(105).result();
    is_whole(&result, &sink);
    let Cluster { controller, mut workers, .. } = cluster;
    controller.wait_within(PROMISED).expect(0);
    for mut worker in workers.drain(..) {
        worker.signal(Signal::TERM);
        worker.wait_within(PROMISED);
    }
}

#[test]
fn a_second_signal_to_who_follows_cancels_what_is_in_flight() {
    let cluster = Cluster::start("chaos-cancel", Link::Tls, &[]).with_workers(2);
    let target = target();
    cluster.place.write("s.yaml", scenario(&target.url(), "/delay/fixed?ms=60000", "50/s", "1h"));
    let mut running = cluster.begin_run("s.yaml", &["--expect-workers", "2"]);
    assert!(wait_until(LIMIT, || target.stats().arrivals > 30));
    running.signal(Signal::INT);
    running.wait_for_stderr("stopping run");
    running.signal(Signal::INT);
    let result = running.wait_within(PROMISED).expect(105).result();
    let requests = &result.totals.requests;
    assert!(requests.cancelled > 0 && requests.balanced, "{requests:#?}");
    let seen = target.stats().arrivals;
    // What was cancelled before it was written, or before the target read it, was attempted all the same.
    assert!(
        (requests.attempted - requests.cancelled..=requests.attempted).contains(&seen),
        "{seen}: {requests:#?}"
    );
}

#[test]
fn a_second_signal_to_a_worker_cancels_what_it_has_in_flight_and_the_run_counts_it() {
    let mut cluster = short_leases("chaos-cancel-worker", 2);
    let target = target();
    cluster.place.write("s.yaml", scenario(&target.url(), "/delay/fixed?ms=60000", "50/s", "1h"));
    let mut running = cluster.begin_run("s.yaml", &["--expect-workers", "2"]);
    assert!(wait_until(LIMIT, || target.stats().arrivals > 30));
    let mut leaver = cluster.workers.remove(0);
    leaver.signal(Signal::TERM);
    leaver.wait_for_stderr("a second signal");
    leaver.signal(Signal::TERM);
    leaver.wait_within(PROMISED).expect(0);
    running.signal(Signal::INT);
    running.wait_for_stderr("stopping run");
    running.signal(Signal::INT);
    let result = running.wait_within(PROMISED).expect(105).result();
    let life = &worker(&result, "w1").sessions[0];
    assert_eq!((life.ended, life.complete), (SessionEnding::Left, true), "{life:#?}");
    assert!(result.totals.requests.balanced && result.totals.iterations.balanced, "{:#?}", result.totals);
    assert_eq!(result.totals.requests.in_flight, 0);
}

#[test]
fn a_third_signal_leaves_and_the_run_ends_without_who_followed_it() {
    let cluster = Cluster::start("chaos-leave-run", Link::Tls, &[]).with_workers(2);
    let target = target();
    cluster.place.write("s.yaml", scenario(&target.url(), "/delay/fixed?ms=60000", "50/s", "1h"));
    let mut running = cluster.begin_run("s.yaml", &["--expect-workers", "2"]);
    assert!(wait_until(LIMIT, || target.stats().arrivals > 30));
    let run = cluster.status().runs[0].run_id.clone();
    for _ in 0..3 {
        running.signal(Signal::INT);
        pause(Duration::from_millis(50));
    }
    let outcome = running.wait_within(PROMISED);
    assert_eq!(outcome.code, Some(105), "{outcome:#?}");
    assert!(wait_until(LIMIT, || cluster.ask(&["status", &run]).stdout.contains("sealed")));
}

#[test]
fn kf_28_silent_connections_at_every_listener_hold_nobody_up() {
    let mut cluster = Cluster::start("chaos-kf28", Link::Tls, &[]).with_workers(1);
    let sink = Sink::start();
    let mut silent: Vec<TcpStream> = [&cluster.join, &cluster.api, &cluster.probe]
        .into_iter()
        .flat_map(|url| std::iter::repeat_n(url, 20))
        .map(|url| TcpStream::connect(url.split("//").nth(1).unwrap()).unwrap())
        .collect();
    let running = begin(&cluster, &sink, 1, "100/s", "1h");
    assert!(wait_until(LIMIT, || sink.count() > 30));
    cluster.controller.signal(Signal::TERM);
    let told = now();
    is_whole(&running.wait_within(PROMISED).expect(105).result(), &sink);
    let Cluster { controller, mut workers, .. } = cluster;
    controller.wait_within(PROMISED).expect(0);
    println!("kf_28: the controller was gone after {}", now().saturating_since(told));
    for stream in &mut silent {
        stream.set_read_timeout(Some(PROMISED)).unwrap();
        // Closed or reset: not left open.
        assert!(
            !matches!(stream.read(&mut [0; 64]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
        );
    }
    workers[0].signal(Signal::TERM);
    workers.remove(0).wait_within(PROMISED);
}

mod bounded {
    use super::*;

    #[test]
    #[ignore = "a minute, which is how long a controller that is gone is looked for"]
    fn who_follows_a_run_whose_controller_is_killed_ends_with_117_and_load_ends_too() {
        let mut cluster = short_leases("chaos-kill-controller", 2);
        let sink = Sink::start();
        let running = begin(&cluster, &sink, 2, "100/s", "1h");
        assert!(wait_until(LIMIT, || sink.count() > 50));
        cluster.controller.signal(Signal::KILL);
        let killed = now();
        let outcome = running.wait().expect(117);
        assert!(outcome.stderr.contains("goes on without us"), "{}", outcome.stderr);
        println!("followed for {} after the kill", now().saturating_since(killed));
        let lease = units::Nanos::from_secs(2);
        pause_until(killed + lease);
        assert_eq!(sink.since(killed + lease), 0);
    }
}
