//! The server as a whole: stalls, threads, arrivals, start and stop.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::num::NonZeroUsize;

use crate::client::Client;
use loadgen_target::{Config, Stall, StallSpan, Target};
use units::{Clock, MonotonicClock, Nanos};

fn bind(config: Config) -> Target {
    Target::bind(config).unwrap()
}

#[test]
fn what_arrives_during_a_stall_is_read_and_answered_at_its_end() {
    let target = bind(Config { log_arrivals: 100, ..Config::default() });
    let mut early: Vec<_> = (0..3).map(|_| Client::connect(target.address())).collect();
    early.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
    let before = target.arrivals().len();
    let stall = target.stall(Nanos::from_millis(50)).unwrap();
    let late: Vec<_> = (0..3).map(|_| Client::connect(target.address())).collect();
    let mut all: Vec<_> = early.into_iter().chain(late).collect();
    all.iter_mut().for_each(|client| client.send("GET", "/products", "", ""));
    for client in &mut all {
        assert_eq!(client.response("GET").unwrap().status, 200);
        assert!(MonotonicClock.now().as_nanos() >= stall.until_ns);
    }
    let arrivals = target.arrivals();
    assert_eq!(arrivals.len(), before + 6);
    assert!(arrivals[before..].iter().all(|at| *at >= stall.until_ns), "none was read during the stall");
    assert_eq!(target.stats().stalls, [stall]);
}

#[test]
fn answers_due_during_a_declared_stall_wait_for_its_end() {
    let stall = Stall { at: Nanos::from_millis(30), lasting: Nanos::from_millis(50) };
    let target = bind(Config { stalls: vec![stall], log_arrivals: 1, ..Config::default() });
    let delay = Nanos::from_millis(40);
    assert_eq!(Client::connect(target.address()).get("/delay/fixed?ms=40").status, 200);
    let answered = MonotonicClock.now().as_nanos();
    let stats = target.stats();
    let [StallSpan { from_ns, until_ns }] = stats.stalls[..] else { panic!("one stall in {stats:?}") };
    assert_eq!((from_ns - stats.epoch_ns, until_ns - from_ns), (30_000_000, 50_000_000));
    let arrived = target.arrivals()[0];
    let due = arrived + delay.as_u64();
    let owed = if (from_ns..until_ns).contains(&due) { until_ns } else { due };
    assert!(answered >= owed, "answered {answered}, arrived {arrived}, stall until {until_ns}");
}

#[test]
fn a_stall_asked_for_over_http_is_announced_and_then_happens() {
    let target = bind(Config::default());
    let mut client = Client::connect(target.address());
    let asked = MonotonicClock.now().as_nanos();
    let stall: StallSpan = serde_json::from_value(client.post("/control/stall?ms=30", "").json()).unwrap();
    assert!(stall.from_ns >= asked + 1_000_000);
    assert_eq!(stall.until_ns - stall.from_ns, 30_000_000);
    while MonotonicClock.now().as_nanos() < stall.from_ns {
        std::hint::spin_loop();
    }
    assert_eq!(client.get("/").status, 200);
    assert!(MonotonicClock.now().as_nanos() >= stall.until_ns);
    assert_eq!(target.stats().arrivals, 1, "control is no load");
}

#[test]
fn several_threads_share_the_connections_and_count_together() {
    let threads = NonZeroUsize::new(3).unwrap();
    let target = bind(Config { threads, log_arrivals: 10, ..Config::default() });
    let mut clients: Vec<_> = (0..7).map(|_| Client::connect(target.address())).collect();
    for client in &mut clients {
        assert_eq!(client.get("/products").status, 200);
    }
    let stats = target.stats();
    assert_eq!((stats.count("/products", 200), stats.connections_open), (7, 7));
    let arrivals = target.arrivals();
    assert_eq!(arrivals.len(), 7);
    assert!(arrivals.is_sorted());
}

#[test]
fn only_the_latest_arrivals_are_kept() {
    let target = bind(Config { log_arrivals: 3, ..Config::default() });
    let mut client = Client::connect(target.address());
    let start = MonotonicClock.now().as_nanos();
    for _ in 0..5 {
        client.get("/");
    }
    client.get("/stats");
    let arrivals = target.arrivals();
    assert_eq!(arrivals.len(), 3);
    assert!(arrivals.iter().all(|at| *at >= start && *at <= MonotonicClock.now().as_nanos()));
}

#[test]
fn threads_are_pinned_where_asked_and_a_cpu_that_is_none_is_an_error() {
    let allowed = rustix::thread::sched_getaffinity(None).unwrap();
    let cpu = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).unwrap();
    let target = bind(Config { cpus: vec![cpu], ..Config::default() });
    assert_eq!(Client::connect(target.address()).get("/").status, 200);
    let error = Target::bind(Config { cpus: vec![1_000_000], ..Config::default() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn an_address_in_use_is_an_error() {
    let target = bind(Config::default());
    let again = Target::bind(Config { listen: target.address(), ..Config::default() });
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[test]
fn a_shutdown_closes_everything_and_waits_for_nobody() {
    let target = bind(Config::default());
    let address = target.address();
    let mut waiting = Client::connect(address);
    waiting.send("GET", "/delay/fixed?ms=3600000", "", "");
    while target.stats().arrivals == 0 {
        std::thread::yield_now();
    }
    target.stall(Nanos::from_secs(3600)).unwrap();
    target.shutdown();
    assert!(waiting.response("GET").is_err());
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_target_runs_on_a_given_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_io().build().unwrap();
    let target = Target::bind_on(runtime.handle(), Config::default()).unwrap();
    let mut client = Client::connect(target.address());
    assert_eq!(client.get("/products").status, 200);
    assert_eq!(target.stats().arrivals, 1);
    target.shutdown();
    assert_eq!(client.rest().unwrap(), b"", "its connections are closed");
}
