//! Workers that are killed in the middle of a run.

use std::time::Duration;

use api::result::SessionEnding;
use rustix::process::Signal;
use units::Nanos;

use super::*;

#[test]
#[ignore = "seven minutes of kills at random instants"]
fn fifty_kills_at_random_instants_leave_the_plan_carried_and_the_bound_held() {
    kills(50, 0x10ad_6e4e);
}

mod bounded {
    #[test]
    #[ignore = "a minute of kills at random instants; CI runs this short form"]
    fn five_kills_at_random_instants_leave_the_plan_carried_and_the_bound_held() {
        super::kills(5, 0xc1);
    }
}

/// Kills one of three workers, `count` times at an instant drawn from `seed`, in a run of 6 s with leases of 1 s.
fn kills(count: u64, seed: u64) {
    let mut cluster = short_leases("chaos-kills", 3);
    let mut names = ["w1", "w2", "w3"].map(str::to_owned).to_vec();
    let mut random = Random(seed);
    let (mut greatest_missing, mut least_slack, mut latest) = (0, u64::MAX, Duration::ZERO);
    for n in 0..count {
        let sink = Sink::start();
        let running = begin(&cluster, &sink, 3, "300/s", "6s");
        let began = now();
        let (instant, victim) = (random.below(2_000), random.below(3) as usize);
        println!("kill {n}: {} after {instant} ms", names[victim]);
        pause_until(began + Nanos::from_millis(instant));
        cluster.workers[victim].signal(Signal::KILL);
        let killed = now();
        let result = running.wait().expect(114).result();
        holds_its_bound(&result, &sink);
        assert_eq!(result.totals.iterations.due, 1_800);
        let degraded = result.degraded.as_ref().unwrap();
        assert_eq!(degraded.workers_lost, [names[victim].clone()]);
        let after = rest_of_the_plan_is_carried(&result, &sink, killed);
        let missing = sink.count() - result.totals.requests.attempted;
        greatest_missing = greatest_missing.max(missing);
        least_slack = least_slack.min(degraded.requests_unaccounted_at_most - missing);
        latest = latest.max(after);
        let name = names.remove(victim);
        drop(cluster.workers.remove(victim));
        cluster.worker(&name, &[]);
        names.push(name);
        cluster.await_ready(3);
    }
    println!(
        "{count} kills: at most {greatest_missing} requests were seen and not reported, the bound was never closer than \
         {least_slack} to that; all of the plan was carried again {latest:?} after the kill at the latest"
    );
}

/// Holds that from the last revision on the target saw the planned rate; how long after the kill that was.
#[track_caller]
fn rest_of_the_plan_is_carried(result: &ResultFile, sink: &Sink, killed: Timestamp) -> Duration {
    let started_at: jiff::Timestamp = result.time.started_at.as_ref().unwrap().parse().unwrap();
    let since_start =
        Nanos::from_micros(started_at.duration_until(jiff::Timestamp::now()).as_micros() as u64);
    let start = Timestamp::from_nanos(now().as_nanos() - since_start.as_u64());
    let effective = result.revisions.last().unwrap().effective_ms;
    assert_eq!(result.revisions.len(), 1, "one dealing without the victim: {:#?}", result.revisions);
    let from = start + Nanos::from_micros((effective * 1_000.0) as u64);
    let after = Duration::from_nanos(from.saturating_since(killed).as_u64());
    assert!(after <= LOSS_NOTICED + FOR_A_BUSY_MACHINE, "{after:?} after the kill");
    let planned = 1_800.0 - effective * 0.3;
    // Slots that this busy machine came too late for are none of the plan's; those of before that were late are none
    // of the rest's.
    let stalled = result.totals.iterations.unsent.generator_stall as f64;
    let late = result.totals.dispatch_lag_us.as_ref().map_or(0.0, |lag| lag.max) * 300.0 / 1e6;
    let seen = sink.since(from) as f64;
    assert!(
        seen + stalled + late >= 0.99 * planned - 1.0,
        "{seen} of {planned}, {stalled} stalled, {late} late"
    );
    assert!(seen - late <= 1.01 * planned + 1.0, "{seen} of {planned}, {late} late");
    after
}

#[test]
fn kf_06_the_lost_have_no_share_in_the_next_dealing() {
    let mut cluster = short_leases("chaos-kf06", 4);
    let sink = Sink::start();
    let running = begin(&cluster, &sink, 4, "200/s", "5s");
    for number in [0, 2] {
        cluster.workers[number].signal(Signal::KILL);
    }
    let result = running.wait().expect(114).result();
    holds_its_bound(&result, &sink);
    let weights = &result.revisions.last().unwrap().weights;
    let with_a_share: Vec<&str> = weights.iter().filter(|(_, w)| **w > 0).map(|(name, _)| &**name).collect();
    assert_eq!(with_a_share, ["w2", "w4"], "{:#?}", result.revisions);
    for lost in ["w1", "w3"] {
        assert_eq!(worker(&result, lost).sessions[0].ended, SessionEnding::Lost);
    }
}

#[test]
fn a_run_whose_workers_are_all_lost_ends() {
    let mut cluster = short_leases("chaos-all", 2);
    let sink = Sink::start();
    let running = begin(&cluster, &sink, 2, "100/s", "1h");
    assert!(wait_until(LIMIT, || sink.count() > 50));
    cluster.workers.iter_mut().for_each(|worker| worker.signal(Signal::KILL));
    let result = running.wait().expect(114).result();
    holds_its_bound(&result, &sink);
    assert_eq!(result.degraded.unwrap().workers_lost, ["w1", "w2"]);
    assert_eq!(result.totals.iterations.due, 360_000, "all that was planned is accounted for");
}

/// The lease, the guard and the lead: 1 s, a sixth of that, 250 ms; and a beat, which may have come just before.
const LOSS_NOTICED: Duration = Duration::from_millis(1_000 + 167 + 250 + 167);
/// On which the controller's thread may wait for a CPU.
const FOR_A_BUSY_MACHINE: Duration = Duration::from_secs(2);
