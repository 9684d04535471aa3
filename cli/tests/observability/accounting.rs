//! The books of telemetry, against a collector that fails: every item is in exactly one place, and what the collector has
//! is between what it acknowledged and that with what is unknown.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use api::Condition;
use api::result::{ResultFile, SinkResult, TelemetrySignal};
use rustix::process::Signal;
use testkit::collector::{self, Behaviour, Collector};
use testkit::ports::closed_port;
use units::{Clock, MonotonicClock};

use crate::harness::{Place, pause, target};
use crate::run::{ALL, begin, finish, journey};

#[test]
#[ignore = "five minutes of a collector that fails at random instants"]
fn the_books_of_a_hundred_runs_balance() {
    books_balance(100, 0x0b5e_71ed);
}

mod bounded {
    #[test]
    #[ignore = "half a minute of a collector that fails at random instants; CI runs this short form"]
    fn the_books_of_ten_runs_balance() {
        super::books_balance(10, 0x115);
    }
}

#[test]
fn the_books_of_a_run_balance_whatever_the_collector_does() {
    books_balance(1, 0xc0_11ec);
}

/// Runs over three workers each, some at a time, while collectors fail at instants drawn from `seed`.
fn books_balance(runs: u64, seed: u64) {
    let target = target();
    let file = journey(&target.url(), "300/s", "1500ms", ALL);
    let (next, sums) = (AtomicU64::new(0), Mutex::new([0; 6]));
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(runs) {
            scope.spawn(|| {
                loop {
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    if run >= runs {
                        break;
                    }
                    let of_run = one_run(&file, run, seed.wrapping_add(run));
                    let mut sums = sums.lock().unwrap();
                    sums.iter_mut().zip(of_run).for_each(|(sum, of_run)| *sum += of_run);
                }
            });
        }
    });
    let [produced, acknowledged, rejected, lost, unknown, retried] = sums.into_inner().unwrap();
    println!(
        "{runs} runs: produced {produced} = acknowledged {acknowledged} + rejected {rejected} + lost {lost} + unknown \
         {unknown}; retried {retried}"
    );
}

/// One run, and the sums of its rows.
fn one_run(file: &str, run: u64, seed: u64) -> [u64; 6] {
    let place = Place::new("accounting");
    place.write("s.yaml", file);
    let collector = Collector::start();
    collector.rage(seed, Duration::from_millis(150));
    let protocol = if run.is_multiple_of(2) { "grpc" } else { "http/protobuf" };
    let finished = finish(begin(&place, &["--workers", "3"], &variables(&collector, protocol)));
    // Telemetry may be lost, and this machine may be busy; nothing else may be the matter.
    let code = finished.outcome.code;
    assert!(matches!(code, Some(0 | 113 | 115)), "run {run}, seed {seed}: {:#?}", finished.outcome);
    the_rows_hold(&finished.result, &collector);
    let mut sums = [0; 6];
    for row in &finished.result.telemetry.as_ref().unwrap().sinks {
        let of_row = [row.produced, row.acknowledged, row.rejected, row.lost, row.unknown, row.retried];
        sums.iter_mut().zip(of_row).for_each(|(sum, of_row)| *sum += of_row);
    }
    sums
}

/// Most of a run's time is waiting for a collector that does not answer.
const AT_A_TIME: u64 = 4;

fn variables(collector: &Collector, protocol: &str) -> Vec<(&'static str, String)> {
    let url = if protocol == "grpc" { collector.grpc_url() } else { collector.http_url() };
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "300".to_owned()),
        ("OTEL_LOGS_EXPORTER", "otlp".to_owned()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "200".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
        ("OTEL_BLRP_SCHEDULE_DELAY", "50".to_owned()),
    ]
}

/// Every row balances, there is one for each signal of each of the four processes, and the collector agrees.
#[track_caller]
fn the_rows_hold(result: &ResultFile, collector: &Collector) {
    let telemetry = result.telemetry.as_ref().unwrap();
    let signals = [
        (TelemetrySignal::Traces, collector::Signal::Traces),
        (TelemetrySignal::Metrics, collector::Signal::Metrics),
        (TelemetrySignal::Logs, collector::Signal::Logs),
    ];
    for (signal, of_collector) in signals {
        let rows: Vec<&SinkResult> = telemetry.sinks.iter().filter(|row| row.signal == signal).collect();
        assert_eq!(rows.len(), result.workers.len() + 1, "{signal:?}: {telemetry:#?}");
        for row in &rows {
            let settled = row.acknowledged + row.rejected + row.lost + row.unknown;
            assert_eq!(row.produced, settled, "{row:#?}");
        }
        let sum = |of: fn(&SinkResult) -> u64| rows.iter().map(|row| of(row)).sum::<u64>();
        assert!(sum(|row| row.produced) > 0, "{signal:?}: {telemetry:#?}");
        let taken = collector.taken(of_collector).distinct;
        let acknowledged = sum(|row| row.acknowledged);
        let at_most = acknowledged + sum(|row| row.unknown);
        assert!(
            (acknowledged..=at_most).contains(&taken),
            "{signal:?}: {taken} were taken, not {acknowledged} to {at_most}: {telemetry:#?}"
        );
    }
}

#[test]
fn a_collector_that_is_not_there_costs_its_telemetry_and_nothing_else() {
    let (place, target, nobody) = (Place::new("accounting-nobody"), target(), closed_port());
    place.write("s.yaml", journey(&target.url(), "60/s", "1s", ALL));
    let url = format!("http://{}", nobody.address());
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", url), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned())];
    let finished = finish(begin(&place, &[], &variables));
    let result = &finished.result;
    assert!(matches!(finished.outcome.code, Some(113 | 115)), "{:#?}", finished.outcome);
    assert!(result.conditions().contains(Condition::TelemetryLost), "{:#?}", result.exit);
    assert_eq!(result.totals.requests.attempted, target.stats().arrivals);
    let telemetry = result.telemetry.as_ref().unwrap();
    assert!(!telemetry.held);
    for row in &telemetry.sinks {
        // Nobody saw a byte: nothing is unknown.
        assert_eq!((row.lost, row.acknowledged + row.rejected + row.unknown), (row.produced, 0), "{row:#?}");
    }
    let sums = telemetry.sinks.iter().filter(|row| row.signal == TelemetrySignal::Traces);
    let spans = sums.map(|row| row.produced).sum::<u64>();
    // The run's, its scenario's, and one for each execution and request.
    assert_eq!(spans, 2 + result.totals.iterations.started + result.totals.requests.attempted);
}

/// What a collector that does not keep up looks like.
const SLOW: [Behaviour; 3] = [Behaviour::Slow(Duration::from_secs(2)), Behaviour::Mute, Behaviour::Hang];

#[test]
fn a_signal_under_full_load_ends_a_run_in_time_and_its_books_balance_though_the_collector_is_slow() {
    let target = target();
    for behaviour in SLOW {
        let place = Place::new("accounting-stop");
        place.write("s.yaml", flat_out(&target.url()));
        let collector = Collector::start();
        collector.behave(behaviour);
        let mut running = begin(&place, &["--workers", "3"], &variables(&collector, "grpc"));
        // Every process has sent something, and waits for an answer.
        collector.await_requests(12);
        pause(Duration::from_millis(500));
        let signalled = MonotonicClock.now();
        running.signal(Signal::TERM);
        let finished = finish(running);
        let took = MonotonicClock.now() - signalled;
        assert_eq!(finished.outcome.code, Some(105), "{:#?}", finished.outcome);
        the_rows_hold(&finished.result, &collector);
        println!("{behaviour:?}: over {took} after the signal");
        assert!(Duration::from(took) < PROMISED, "{behaviour:?}: took {took}: {}", finished.outcome.stderr);
    }
}

/// Users are promised that a stop is over by then.
const PROMISED: Duration = Duration::from_secs(5);

/// As many requests as two users of each worker can make, all of them traced and told.
fn flat_out(url: &str) -> String {
    let paced = journey(url, "1/s", "60s", ALL);
    paced.replace("executor: constant-arrival-rate", "executor: constant-vus").replace("rate: 1/s", "vus: 6")
}
