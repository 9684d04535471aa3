//! Rates that are changed while the run is under way, as the target sees them.

use api::result::SessionEnding;
use units::Nanos;

use super::*;
use crate::harness::LIMIT;

#[test]
#[ignore = "a quarter of a minute at 2,000/s; only a quiet machine and a release build say something"]
fn a_rate_doubled_from_1000_is_seen_within_a_second_on_all_workers() {
    doubled(1_000);
}

mod bounded {
    #[test]
    #[ignore = "a quarter of a minute of load; CI runs this short form"]
    fn a_rate_doubled_from_100_is_seen_within_a_second_on_all_workers() {
        super::doubled(100);
    }
}

/// Doubles `rate` under way, and holds that the target sees it a second after it was asked for.
fn doubled(rate: u64) {
    let cluster = Cluster::start("chaos-double", Link::Tls, &[]).with_workers(3);
    let sink = Sink::start();
    let running = begin(&cluster, &sink, 3, &format!("{rate}/s"), "10s");
    assert!(wait_until(LIMIT, || sink.count() > rate));
    let asked = now();
    cluster.ask(&["set-rate", &format!("{}/s", 2 * rate)]).expect(0);
    let answered = now();
    let result = running.wait().expect_load().result();
    is_whole(&result, &sink);
    let change = result.revisions.last().unwrap();
    assert_eq!(result.revisions.len(), 1, "{:#?}", result.revisions);
    let due =
        rate as f64 * change.effective_ms / 1e3 + 2.0 * rate as f64 * (10.0 - change.effective_ms / 1e3);
    let planned = result.totals.iterations.due as f64;
    assert!((planned - due).abs() <= 2.0, "{planned} came due, and {due} are what was asked for");
    let tenths: Vec<u64> = (0..20)
        .map(|n| sink.between(asked + Nanos::from_millis(100 * n), asked + Nanos::from_millis(100 * n + 100)))
        .collect();
    println!(
        "set-rate {rate} → {}: answered after {}; per 100 ms since it was asked: {tenths:?}",
        2 * rate,
        answered.saturating_since(asked)
    );
    // Two seconds from one second after the answer on, less what this machine did not get done.
    let from = answered + Nanos::SECOND;
    let seen =
        sink.between(from, from + Nanos::from_secs(2)) + result.totals.iterations.unsent.generator_stall;
    let late = result.totals.dispatch_lag_us.as_ref().map_or(0.0, |lag| lag.max) * 2.0 * rate as f64 / 1e6;
    assert!(seen as f64 + late >= 0.98 * 4.0 * rate as f64, "{seen} in two seconds, {late} late: {tenths:?}");
    for worker in &result.workers {
        assert_eq!(worker.sessions[0].ended, SessionEnding::Finished);
    }
}
