//! `--listen` and `--linger`: the numbers of a run, while it goes on and until somebody has asked for the last.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{LIMIT, Place, Running, scenario, target};

/// Asks for a page once: its status and what it says.
fn get(address: &str, page: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {page} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The addresses that a run has said so far, in order.
fn addresses(stderr: &str) -> Vec<String> {
    let said = stderr.lines().filter_map(|line| line.split_once("metrics are at http://"));
    said.map(|(_, address)| address.strip_suffix("/metrics").unwrap().to_owned()).collect()
}

/// Waits until a run says where its numbers are.
fn address(running: &Running) -> String {
    addresses(&running.wait_for_stderr("/metrics\n")).remove(0)
}

/// The sum of all series of a counter.
fn sum(page: &str, name: &str) -> f64 {
    let series = page.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    series.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

#[test]
fn the_numbers_of_a_run_are_there_while_it_goes_on_and_until_the_last_scrape() {
    let place = Place::new("page");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "2s"));
    let args =
        ["run", "s.yaml", "--quiet", "--no-out", "--format", "json", "--listen", "0", "--linger", "60s"];
    let running = place.start(&args);
    let address = address(&running);
    assert!(address.starts_with("127.0.0.1:"), "a port alone is one of this machine: {address}");
    assert_eq!(get(&address, "/healthz"), (200, "alive\n".to_owned()));
    assert_eq!(get(&address, "/readyz").0, 200);
    assert_eq!(get(&address, "/elsewhere").0, 404);
    let (status, page) = get(&address, "/metrics");
    assert_eq!(status, 200);
    assert!(page.contains("loadgen_build_info{"), "{page}");
    running.wait_for_stderr("waiting for a last scrape of /metrics, at most 1m");
    let (_, last) = get(&address, "/metrics");
    // Not after a minute: the scrape is what it waited for.
    let outcome = running.wait_within(Duration::from_secs(30)).expect_load();
    let result = outcome.result();
    let run = format!("run_id=\"{}\"", result.identity.run_id);
    assert!(last.lines().filter(|line| line.contains("worker=")).all(|line| line.contains(&run)), "{last}");
    assert_eq!(sum(&last, "loadgen_requests_attempted_total"), 100.0);
    assert_eq!(result.totals.requests.attempted, 100);
}

#[test]
fn a_signal_ends_the_wait_and_leaves_the_run_what_it_was() {
    let place = Place::new("page-signal");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "300ms"));
    let args =
        ["run", "s.yaml", "--quiet", "--no-out", "--format", "json", "--listen", "0", "--linger", "10m"];
    let mut running = place.start(&args);
    running.wait_for_stderr("waiting for a last scrape");
    running.signal(Signal::TERM);
    let outcome = running.wait_within(Duration::from_secs(30)).expect_load();
    assert!(outcome.stderr.contains("leaving"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("stopping"), "{}", outcome.stderr);
    assert_eq!(outcome.result().totals.requests.attempted, 15);
}

#[test]
fn nobody_waits_for_a_scrape_of_a_run_that_a_signal_ended() {
    let place = Place::new("page-stopped");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "60s"));
    let args = ["run", "s.yaml", "--no-out", "--listen", "0", "--linger", "10m"];
    let mut running = place.start(&args);
    running.wait_for_stderr("load started");
    running.signal(Signal::TERM);
    let outcome = running.wait_within(Duration::from_secs(30)).expect(105);
    assert!(!outcome.stderr.contains("waiting for a last scrape"), "{}", outcome.stderr);
}

#[test]
fn without_a_scrape_the_wait_has_an_end() {
    let place = Place::new("page-limit");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "200ms"));
    let args = ["run", "s.yaml", "--quiet", "--no-out", "--listen", "0", "--linger", "200ms"];
    place.loadgen(&args).expect_load();
}

#[test]
fn an_address_that_is_taken_is_told_before_there_is_load() {
    let place = Place::new("page-taken");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "200ms"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flags in [&[][..], &["--workers", "1"]] {
        let args = ["run", "s.yaml", "--quiet", "--no-out", "--listen", &port];
        let outcome = place.loadgen(&[&args, flags].concat()).expect(104);
        assert!(outcome.stderr.contains("name another with --listen"), "{}", outcome.stderr);
    }
    assert_eq!(target.stats().arrivals, 0);
}

#[test]
fn what_cannot_be_shown_here_is_a_mistake_with_its_cure() {
    let place = Place::new("page-usage");
    place.write("s.yaml", scenario("http://127.0.0.1:9", "/", "50/s", "200ms"));
    let controller = ["--controller", "https://127.0.0.1:9"];
    let outcome = place.loadgen(&[&["run", "s.yaml", "--listen", "0"], &controller[..]].concat()).expect(2);
    assert!(outcome.stderr.contains("leave --listen and --linger out"), "{}", outcome.stderr);
    let outcome = place.loadgen(&["run", "s.yaml", "--linger", "5s"]).expect(2);
    assert!(outcome.stderr.contains("--listen"), "{}", outcome.stderr);
    let outcome = place.loadgen(&["run", "s.yaml", "--listen", "localhost"]).expect(2);
    assert!(outcome.stderr.contains("such as `9464`"), "{}", outcome.stderr);
}

#[test]
fn the_one_line_mode_has_the_same_page() {
    let place = Place::new("page-http");
    let target = target();
    let url = target.url();
    let args = [
        "http", &url, "-r", "50/s", "-d", "300ms", "--quiet", "--no-out", "--listen", "0", "--linger", "60s",
    ];
    let running = place.start(&args);
    let address = address(&running);
    running.wait_for_stderr("waiting for a last scrape");
    assert_eq!(sum(&get(&address, "/metrics").1, "loadgen_requests_attempted_total"), 15.0);
    running.wait().expect_load();
}

#[test]
fn of_many_workers_each_shows_its_own_numbers_and_the_controller_those_of_the_run() {
    let place = Place::new("page-workers");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "100/s", "1s"));
    let args = ["run", "s.yaml", "--quiet", "--no-out", "--format", "json", "--workers", "2"];
    let running = place.start(&[&args[..], &["--listen", "0", "--linger", "60s"]].concat());
    running.wait_for_stderr("worker-1: metrics are at");
    running.wait_for_stderr("worker-2: metrics are at");
    let stderr = running.wait_for_stderr("waiting for a last scrape");
    let addresses = addresses(&stderr);
    assert_eq!(addresses.len(), 3, "{stderr}");
    let pages: Vec<String> = addresses[1..].iter().map(|address| get(address, "/metrics").1).collect();
    let attempted: f64 = pages.iter().map(|page| sum(page, "loadgen_requests_attempted_total")).sum();
    assert_eq!(attempted, 100.0, "{pages:?}");
    for (number, page) in (1..).zip(&pages) {
        assert!(
            page.contains(&format!("worker=\"worker-{number}\"")) || page.contains("worker=\"worker-"),
            "{page}"
        );
    }
    let controller = get(&addresses[0], "/metrics").1;
    assert_eq!(sum(&controller, "loadgen_slots_planned_total"), 100.0, "{controller}");
    assert_eq!(sum(&controller, "loadgen_requests_attempted_total"), 0.0, "nothing is told twice");
    let outcome = running.wait_within(LIMIT).expect_load();
    assert_eq!(outcome.result().totals.requests.attempted, 100);
}
