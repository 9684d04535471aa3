//! Workers that cannot be reached, or cannot reach anybody, for a while.

use testkit::chaos::{Cut, Flow, Proxy, Way};

use worker::DaemonOptions;

use super::stage::{Link, Stage, TERMS};

/// Two workers, of which the second is behind a network that can be made bad.
fn stage(link: Link) -> (Stage, Proxy) {
    let mut stage = Stage::with_workers(link, 1);
    let proxy = Proxy::start(stage.worker_address(), 11);
    stage.worker("far", proxy.address());
    stage.await_ready(2);
    (stage, proxy)
}

/// How long a lease lasts at most, on either side, in milliseconds.
const LEASE: u64 = TERMS.ttl.saturating_add(TERMS.guard).as_u64() / 1_000_000;

#[test]
fn a_partition_shorter_than_the_lease_loses_nothing_and_nobody() {
    for link in [Link::Tls, Link::Insecure] {
        let (stage, proxy) = stage(link);
        let run = stage.begin("200/s", "4s", 2, 100);
        proxy.shape(Flow::HELD);
        stage.pause(1_200);
        proxy.shape(Flow::default());
        stage.exact(run, 800);
        stage.end();
    }
}

#[test]
fn a_worker_that_was_cut_off_for_longer_than_its_lease_tells_the_rest_when_it_is_back() {
    let (stage, proxy) = stage(Link::Tls);
    let run = stage.begin("200/s", "10s", 2, 100);
    proxy.shape(Flow::HELD);
    stage.pause(LEASE + 1_500);
    proxy.shape(Flow::default());
    let result = stage.result(run);
    stage.holds(&result);
    let degraded = result.degraded.as_ref().unwrap();
    assert_eq!(degraded.workers_lost, ["far"]);
    assert_eq!(degraded.requests_unaccounted_at_most, 0, "all of it was told in the end: {degraded:?}");
    assert!(degraded.iterations_lease_ended > 0, "{degraded:?}");
    assert_eq!(result.totals.iterations.due, 2_000);
    let far = result.workers.iter().find(|worker| worker.name == "far").unwrap();
    assert!(far.sessions[0].complete, "{far:#?}");
}

#[test]
fn a_worker_that_hears_nothing_any_more_stops_by_itself() {
    cut_in_one_direction(Way::ToClient);
}

#[test]
fn a_worker_that_is_not_heard_any_more_stops_by_itself() {
    cut_in_one_direction(Way::ToServer);
}

/// Nothing passes in one direction for longer than the lease; then everything is told that is true.
#[track_caller]
fn cut_in_one_direction(way: Way) {
    let mut stage = Stage::with_workers(Link::Insecure, 1);
    let proxy = Proxy::start(stage.worker_address(), 12);
    // Nearly all of the load is its own, so that its silence can be heard at the target.
    let options = DaemonOptions { weight: Some(999), ..stage.options("far", proxy.address()) };
    let far = stage.start(options);
    stage.workers.push(far);
    stage.await_ready(2);
    let run = stage.submit_with("100/s", "40s", r#""on_worker_loss": "continue""#, 2);
    stage.until(|| stage.arrived() >= 50);
    proxy.shape_way(way, Flow::HELD);
    stage.pause(LEASE + 500);
    let stopped_at = stage.arrived();
    stage.pause(700);
    let still = stage.arrived() - stopped_at;
    assert!(still <= 2, "a lease that nobody renews ends the load, and {still} came");
    proxy.shape(Flow::default());
    // It comes again, as a new life, and goes on; what the old one did is told too.
    stage.until(|| stage.arrived() > stopped_at + 50);
    stage.await_told(run, stopped_at + 50);
    stage.stop(run);
    let result = stage.result(run);
    stage.holds(&result);
    let degraded = result.degraded.as_ref().unwrap();
    assert_eq!(degraded.requests_unaccounted_at_most, 0, "{degraded:?}");
    let far = result.workers.iter().find(|worker| worker.name == "far").unwrap();
    assert!(far.sessions.len() == 2 && far.sessions.iter().all(|life| life.complete), "{far:#?}");
}

#[test]
fn a_network_that_comes_and_goes_costs_no_request_and_leaves_no_connection_behind() {
    flapping(5);
}

#[test]
#[ignore = "five minutes of a network that comes and goes"]
fn five_minutes_of_a_network_that_comes_and_goes_cost_no_request() {
    flapping(300);
}

mod bounded {
    #[test]
    #[ignore = "half a minute of a network that comes and goes; CI runs this short form"]
    fn half_a_minute_of_a_network_that_comes_and_goes_costs_no_request() {
        super::flapping(30);
    }
}

/// The network is held and released every 200 to 500 ms for so long; every fourth time all connections are reset too.
#[track_caller]
fn flapping(seconds: u64) {
    let (stage, proxy) = stage(Link::Tls);
    let run = stage.begin("100/s", &format!("{}s", seconds + 3), 2, 50);
    let mut lasted = 0;
    for turn in 0_u64.. {
        // By a multiplicative generator: the same every time, and not in step with the beats.
        let span = 200 + (turn.wrapping_mul(2_654_435_761) >> 7) % 300;
        if turn % 2 == 0 {
            proxy.shape(Flow::HELD);
        } else {
            proxy.shape(Flow::default());
        }
        if turn % 8 == 3 {
            proxy.cut(Cut::Reset);
        }
        stage.pause(span);
        lasted += span;
        if lasted > seconds * 1_000 && turn % 2 == 1 {
            break;
        }
    }
    stage.exact(run, (seconds + 3) * 100);
    // The session stream, the beats, and what is about to end.
    stage.until(|| proxy.connections().iter().filter(|connection| connection.is_open).count() <= 3);
    let count = proxy.connections().len() as u64;
    assert!(count < 20 + seconds * 8, "{count} connections in {seconds} s");
}
