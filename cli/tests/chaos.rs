//! What becomes of a run when its processes are killed, stood still and started again: real processes, real signals, and
//! a count of our own at the target, which decides.
//!
//! `kf_NN` in a name is the number of a failure known of other tools that the test replays. Figures are printed with
//! `--nocapture`; the long form of the slow ones is `cargo test --release -p loadgen --test behaviour -- --ignored chaos::`.
#![expect(clippy::print_stdout, reason = "what the slow ones are run for are the figures")]

mod endings;
mod identity;
mod kills;
mod one_result;
mod shares;
mod sink;
mod standstills;
mod starts;
mod steering;

use std::time::Duration;

use api::result::{Mark, ResultFile, WorkerResult};
use units::{Clock, MonotonicClock, Timestamp};

use self::sink::Sink;
use crate::cluster::{Cluster, Link};
use crate::harness::{LIMIT, Running, pause, scenario, wait_until};

/// A controller whose leases are short, with this many workers.
fn short_leases(name: &str, workers: usize) -> Cluster {
    Cluster::start(name, Link::Tls, &["--lease-ttl", "1s"]).with_workers(workers)
}

/// Begins a run on all `workers` of `cluster` against `sink`, and waits until it makes load.
fn begin(cluster: &Cluster, sink: &Sink, workers: usize, rate: &str, duration: &str) -> Running {
    begin_with(cluster, sink, workers, rate, duration, "")
}

/// The same with some lines more in the file.
fn begin_with(
    cluster: &Cluster,
    sink: &Sink,
    workers: usize,
    rate: &str,
    duration: &str,
    more: &str,
) -> Running {
    // The last line of the scenario is one of its step.
    let file = scenario(&sink.url(), "/", rate, duration) + SAYS_WHO_SENDS + more;
    cluster.place.write("s.yaml", file);
    let mut running = cluster.begin_run("s.yaml", &["--expect-workers", &workers.to_string()]);
    running.wait_for_stderr_or_end("load started");
    assert!(wait_until(NO_LOAD, || sink.count() > 0), "no load came: {:#?}", running.wait());
    running
}

/// Load that started comes within milliseconds.
const NO_LOAD: Duration = Duration::from_secs(10);

/// Every worker puts its own word in place of the secret.
const SAYS_WHO_SENDS: &str = "        headers: { x-sender: \"${secret.SENDER}\" }\n";

/// Starts a worker that says it is `sender`, whatever its name.
fn start_worker(cluster: &mut Cluster, name: &str, flags: &[&str], sender: &str) {
    let mut command = cluster.worker_command(name, flags);
    command.env("SENDER", sender);
    cluster.workers.push(Running::of(command));
}

/// Holds the ledgers of a run that lost nothing against what the target saw.
#[track_caller]
fn is_whole(result: &ResultFile, sink: &Sink) {
    assert!(result.totals.iterations.balanced && result.totals.requests.balanced, "{:#?}", result.totals);
    assert_eq!(result.totals.requests.attempted, sink.count(), "{:#?}", result.totals);
    assert_eq!(result.totals.iterations.unaccounted, 0, "{:#?}", result.totals.iterations);
}

/// Holds the result of a run that lost workers against what the target saw.
#[track_caller]
fn holds_its_bound(result: &ResultFile, sink: &Sink) {
    assert!(result.verdict.marks.contains(&Mark::Degraded), "{:?}", result.verdict);
    assert!(result.totals.iterations.balanced && result.totals.requests.balanced, "{:#?}", result.totals);
    let (seen, reported) = (sink.count(), result.totals.requests.attempted);
    let degraded = result.degraded.as_ref().unwrap();
    assert!(seen >= reported, "{seen} were seen and {reported} are reported");
    assert!(seen - reported <= degraded.requests_unaccounted_at_most, "{seen} of {reported}: {degraded:?}");
}

/// The worker called `name`, which is in the result once.
#[track_caller]
fn worker<'r>(result: &'r ResultFile, name: &str) -> &'r WorkerResult {
    let mut of_that_name = result.workers.iter().filter(|worker| worker.name == name);
    let found = of_that_name.next().unwrap_or_else(|| panic!("no {name}: {:#?}", result.workers));
    assert!(of_that_name.next().is_none(), "{name} is there twice: {:#?}", result.workers);
    found
}

fn now() -> Timestamp {
    MonotonicClock.now()
}

/// Waits until `at`.
fn pause_until(at: Timestamp) {
    pause(Duration::from_nanos(at.saturating_since(now()).as_u64()));
}

/// Numbers that look random and are the same for the same seed: SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
