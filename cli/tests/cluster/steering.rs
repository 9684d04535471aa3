//! Looking at a run under way, and changing it.

use std::time::Duration;

use api::http::{RunState, RunStatus};
use target::Target;

use super::{Cluster, Link};
use crate::harness::{LIMIT, Running, pause, scenario, target, wait_until};

/// A cluster of two workers that has begun a run of a minute at 100/s, and its target.
fn under_way(name: &str) -> (Cluster, Target, Running) {
    let cluster = Cluster::start(name, Link::Tls, &[]).with_workers(2);
    let target = target();
    cluster.place.write("s.yaml", scenario(&target.url(), "/", "100/s", "60s"));
    let running = cluster.begin_run("s.yaml", &["--expect-workers", "2"]);
    assert!(wait_until(LIMIT, || target.stats().arrivals > 30));
    (cluster, target, running)
}

#[test]
fn status_shows_workers_and_the_run_and_stop_ends_it() {
    let (cluster, target, running) = under_way("steer-stop");
    let status = cluster.status();
    assert_eq!((status.workers.len(), status.runs.len()), (2, 1));
    let run = &status.runs[0];
    assert_eq!((run.state, run.workers.len()), (RunState::Running, 2));
    let text = cluster.ask(&["status"]).expect(0).stdout;
    assert!(text.contains("w1") && text.contains(&run.run_id[28..]), "{text}");
    let one = cluster.ask(&["status", &run.run_id[28..], "--format", "json"]).expect(0).stdout;
    assert_eq!(serde_json::from_str::<RunStatus>(&one).unwrap().run_id, run.run_id);
    cluster.ask(&["stop"]).expect(0);
    let result = running.wait().expect(105).result();
    assert_eq!(result.totals.requests.attempted, target.stats().arrivals);
    assert!(result.totals.iterations.balanced && result.totals.iterations.unsent.stopped > 0);
    assert!(cluster.ask(&["stop"]).expect(104).stderr.contains("no run is under way"));
}

#[test]
fn a_changed_rate_is_the_rate_of_all_workers_and_stands_in_the_result() {
    let (cluster, target, running) = under_way("steer-rate");
    cluster.ask(&["set-rate", "browse", "400/s"]).expect(0);
    let per_second = || {
        let before = target.stats().arrivals;
        pause(Duration::from_secs(1));
        target.stats().arrivals - before
    };
    assert!(wait_until(LIMIT, || per_second() > 300));
    cluster.ask(&["set-rate", "--scale", "0.5"]).expect(0);
    assert!(wait_until(LIMIT, || per_second() < 300));
    cluster.ask(&["stop"]).expect(0);
    let result = running.wait().expect(105).result();
    let noted =
        result.annotations.iter().filter(|note| note.text.contains("rate") || note.text.contains("scale"));
    assert!(noted.count() >= 2, "{:#?}", result.annotations);
    assert_eq!(result.totals.requests.attempted, target.stats().arrivals);
    assert!(result.totals.iterations.balanced, "{:#?}", result.totals.iterations);
}

#[test]
fn a_paused_run_sends_nothing_until_it_goes_on() {
    let (cluster, target, running) = under_way("steer-pause");
    cluster.ask(&["pause"]).expect(0);
    let stands_still = || {
        let before = target.stats().arrivals;
        pause(Duration::from_millis(500));
        target.stats().arrivals == before
    };
    assert!(wait_until(LIMIT, stands_still));
    let paused_at = target.stats().arrivals;
    cluster.ask(&["resume"]).expect(0);
    assert!(wait_until(LIMIT, || target.stats().arrivals > paused_at + 50));
    cluster.ask(&["stop"]).expect(0);
    let result = running.wait().expect(105).result();
    assert!(result.annotations.len() >= 2, "{:#?}", result.annotations);
    assert_eq!(result.totals.requests.attempted, target.stats().arrivals);
}

#[test]
fn a_drained_worker_gives_its_share_away_and_goes() {
    let (mut cluster, target, running) = under_way("steer-drain");
    cluster.ask(&["drain", "w1"]).expect(0);
    cluster.workers.remove(0).wait().expect(0);
    let seen = target.stats().arrivals;
    assert!(wait_until(LIMIT, || target.stats().arrivals > seen + 100), "the other goes on");
    cluster.ask(&["stop"]).expect(0);
    let result = running.wait().expect(105).result();
    assert!(result.totals.iterations.balanced, "{:#?}", result.totals.iterations);
    assert_eq!(result.totals.iterations.unaccounted, 0);
    assert_eq!(result.totals.requests.attempted, target.stats().arrivals);
}

#[test]
fn what_cannot_be_done_is_refused_with_the_reason() {
    let (cluster, _target, running) = under_way("steer-refused");
    let check = |args: &[&str], code: i32, why: &str| {
        let outcome = cluster.ask(args).expect(code);
        assert!(outcome.stderr.contains(why), "{args:?}: {}", outcome.stderr);
    };
    check(&["set-rate", "nothing", "5/s"], 104, "nothing");
    check(&["set-rate", "browse", "5"], 2, "5/s");
    check(&["set-rate", "--scale", "0"], 2, "loadgen pause");
    check(&["resume"], 104, "paused");
    check(&["drain", "nobody"], 104, "nobody");
    check(&["drain", "../x"], 104, "worker's name");
    check(&["stop", "ffffffff"], 104, "ffffffff");
    cluster.ask(&["stop", "--cancel"]).expect(0);
    running.wait().expect(105);
}
