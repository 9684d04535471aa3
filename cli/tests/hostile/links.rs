//! Slow, late, standing and cut connections.

use std::time::Duration;

use testkit::chaos::{Cut, Flow, Proxy, Way};
use testkit::hostile::{Behaviour, Server};

use super::stage::{Link, Stage};

/// Two workers behind a network that can be made bad.
fn stage(link: Link) -> (Stage, Proxy) {
    let mut stage = Stage::new(link);
    let proxy = Proxy::start(stage.worker_address(), 21);
    for name in ["w1", "w2"] {
        stage.worker(name, proxy.address());
    }
    stage.await_ready(2);
    (stage, proxy)
}

/// One worker behind such a network.
fn far_worker() -> (Stage, Proxy) {
    let mut stage = Stage::new(Link::Insecure);
    let proxy = Proxy::start(stage.worker_address(), 22);
    stage.worker("far", proxy.address());
    stage.await_ready(1);
    (stage, proxy)
}

/// Beats are short; what a worker measured goes over the connection that carries the most.
fn session_stream(stage: &Stage, proxy: &Proxy) -> u64 {
    stage.until(|| proxy.busiest().is_some_and(|busiest| busiest.to_server > 2_000));
    proxy.busiest().unwrap().connection
}

#[test]
fn kf_01_what_comes_two_seconds_behind_the_end_of_the_plan_is_counted() {
    let (stage, proxy) = stage(Link::Tls);
    let run = stage.begin("100/s", "3s", 2, 250);
    proxy.shape(Flow { delay: Duration::from_secs(2), ..Flow::default() });
    stage.exact(run, 300);
}

#[test]
fn kf_02_what_is_told_after_a_stop_is_counted_once() {
    let (stage, proxy) = far_worker();
    let run = stage.begin("100/s", "30s", 1, 150);
    let session = session_stream(&stage, &proxy);
    proxy.shape_one(session, Flow::HELD);
    stage.stop(run);
    stage.pause(1_200);
    let stopped_at = stage.arrived();
    stage.pause(300);
    assert_eq!(stage.arrived(), stopped_at, "the stop came with the beats");
    proxy.shape_one(session, Flow::default());
    let result = stage.result(run);
    stage.holds(&result);
    assert!(result.degraded.is_none() && result.workers[0].complete, "{:#?}", result.workers);
}

#[test]
fn kf_03_a_link_of_eight_kilobytes_a_second_delivers_everything() {
    let (stage, proxy) = stage(Link::Tls);
    let run = stage.begin("200/s", "4s", 2, 100);
    proxy.shape(Flow { bytes_per_s: Some(8_000), delay: Duration::from_millis(100), ..Flow::default() });
    stage.exact(run, 800);
}

#[test]
fn kf_20_five_seconds_without_reading_the_session_stream_do_not_change_the_rate() {
    a_stream_that_is_not_read(5);
}

#[test]
#[ignore = "half a minute of a stream that is not read"]
fn kf_20_thirty_seconds_without_reading_the_session_stream_do_not_change_the_rate() {
    a_stream_that_is_not_read(30);
}

mod bounded {
    #[test]
    #[ignore = "a quarter of a minute of a stream that is not read; CI runs this short form"]
    fn kf_20_twelve_seconds_without_reading_the_session_stream_do_not_change_the_rate() {
        super::a_stream_that_is_not_read(12);
    }
}

/// The session stream stands while beats go on: every second of load is sent as planned, and told when it moves again.
#[track_caller]
fn a_stream_that_is_not_read(seconds: u64) {
    let (stage, proxy) = far_worker();
    let run = stage.begin("100/s", &format!("{}s", seconds + 4), 1, 150);
    let session = session_stream(&stage, &proxy);
    proxy.shape_one(session, Flow::HELD);
    stage.pause(seconds * 1_000);
    proxy.shape_one(session, Flow::default());
    let result = stage.exact(run, (seconds + 4) * 100);
    let unsent = result.totals.iterations.unsent;
    assert_eq!(unsent.lease_ended, 0, "{:#?}", result.totals);
    let per_second = stage.target.stats().arrivals_per_second.counts;
    // The first and the last one are parts; at either end of the others, what is not late yet may fall into the next.
    for count in &per_second[1..per_second.len() - 1] {
        assert!(count.abs_diff(100) <= 20 + unsent.generator_stall, "{per_second:?}");
    }
}

#[test]
fn segments_of_one_byte_are_as_good_as_any() {
    for link in [Link::Tls, Link::Insecure] {
        let mut stage = Stage::new(link);
        let proxy = Proxy::start(stage.worker_address(), 23);
        proxy.shape(Flow { slice: Some(1), jitter: Duration::from_millis(5), ..Flow::default() });
        stage.worker("far", proxy.address());
        stage.await_ready(1);
        let run = stage.submit("100/s", "2s", 1);
        stage.exact(run, 200);
    }
}

#[test]
fn a_proxy_that_ends_idle_connections_loses_no_worker_and_no_request() {
    let (stage, proxy) = far_worker();
    proxy.cut_idle(Some(Duration::from_millis(700)));
    let before = proxy.connections().len();
    stage.until(|| proxy.connections().len() >= before + 2);
    stage.await_ready(1);
    let run = stage.submit("100/s", "3s", 1);
    stage.exact(run, 300);
}

#[test]
fn connections_that_break_again_and_again_lose_no_request() {
    let (stage, proxy) = stage(Link::Insecure);
    let run = stage.begin("200/s", "4s", 2, 100);
    for cut in [Cut::Reset, Cut::Finish, Cut::Half(Way::ToServer), Cut::Half(Way::ToClient), Cut::Reset] {
        proxy.cut(cut);
        stage.pause(350);
    }
    // Long enough for some beats and a snapshot, short enough to break many times.
    proxy.cut_after(Some(6_000));
    stage.pause(1_000);
    proxy.cut_after(None);
    stage.exact(run, 800);
}

#[test]
fn a_worker_that_finds_something_else_behind_the_port_does_not_storm_it() {
    let stage = Stage::new(Link::Insecure);
    for behaviour in
        [Behaviour::good(), Behaviour::garbage(), Behaviour::close_at_once(), Behaviour::silent()]
    {
        let other = Server::start(behaviour);
        let worker = stage.start(stage.options("lost", other.address()));
        stage.pause(1_500);
        assert!(other.accepted() <= 20, "{} connections", other.accepted());
        worker.exit.abort();
    }
}
