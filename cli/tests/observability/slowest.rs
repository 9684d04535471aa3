//! One slow request among very many: it is found, everywhere, and by the name that the target was told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use testkit::collector::{Collector, Signal};

use crate::harness::{Place, pause};
use crate::http::get_as;
use crate::run::{begin, finish};

/// A target that answers at once, but for one request of all.
struct Haystack {
    address: SocketAddr,
    seen: Arc<Seen>,
    acceptor: Option<JoinHandle<()>>,
}

struct Seen {
    /// The number of the slow request, from 1.
    slow: u64,
    requests: AtomicU64,
    /// Those that told no trace.
    untold: AtomicU64,
    /// The head of the slow one.
    needle: Mutex<Option<String>>,
    ends: AtomicBool,
}

impl Haystack {
    fn start(slow: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen {
            slow,
            requests: AtomicU64::new(0),
            untold: AtomicU64::new(0),
            needle: Mutex::default(),
            ends: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&seen);
        let acceptor = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if accepting.ends.load(Ordering::Relaxed) {
                    return;
                }
                let seen = Arc::clone(&accepting);
                thread::spawn(move || serve(stream, &seen));
            }
        });
        Self { address, seen, acceptor: Some(acceptor) }
    }

    /// The value of a header of the slow request.
    #[track_caller]
    fn header(&self, name: &str) -> String {
        let needle = self.seen.needle.lock().unwrap();
        let head = needle.as_ref().expect("the slow request came");
        let value = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("no {name}: {head}")).to_owned()
    }
}

impl Drop for Haystack {
    fn drop(&mut self) {
        self.seen.ends.store(true, Ordering::Relaxed);
        // Wakes who accepts.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            // A panic of it was printed.
            let _ = acceptor.join();
        }
    }
}

/// Reads requests without bodies, one after the other, until the connection ends.
fn serve(mut stream: TcpStream, seen: &Seen) {
    let mut unread = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        unread.extend_from_slice(&buffer[..read]);
        while let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = unread.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head);
            if !head.contains("\r\ntraceparent: ") {
                seen.untold.fetch_add(1, Ordering::Relaxed);
            }
            if seen.requests.fetch_add(1, Ordering::Relaxed) + 1 == seen.slow {
                *seen.needle.lock().unwrap() = Some(head.into_owned());
                pause(SLOW);
            }
            // Who does not want it any more was counted all the same.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    }
}

const REQUESTS: u64 = 100_000;
/// Far beyond what a busy machine makes of an answer at once.
const SLOW: Duration = Duration::from_secs(2);

#[test]
fn one_slow_request_in_a_hundred_thousand_is_found() {
    let target = Haystack::start(61_803);
    let collector = Collector::start();
    let place = Place::new("slowest");
    place.write(
        "s.yaml",
        format!(
            "name: haystack\n\
             target: {{ url: \"http://{}\" }}\n\
             telemetry: {{ traces: {{ sampling: tail, max_spans_per_second: 200 }} }}\n\
             scenarios:\n  \
               browse:\n    \
                 executor: shared-iterations\n    \
                 vus: 4\n    \
                 iterations: {REQUESTS}\n    \
                 max_duration: 80s\n    \
                 steps:\n      \
                   - {{ get: /, name: straw }}\n",
            target.address
        ),
    );
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.grpc_url()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()),
    ];
    let running = begin(&place, &["--listen", "127.0.0.1:0", "--linger", "30s"], &variables);
    let said = running.wait_for_stderr("waiting for a last scrape");
    let address = said.split_once("metrics are at http://").and_then(|(_, rest)| rest.split_once("/metrics"));
    let page = get_as(address.unwrap().0, "/metrics", "application/openmetrics-text; version=1.0.0");
    let finished = finish(running);
    let result = &finished.result;
    assert_eq!(target.seen.requests.load(Ordering::Relaxed), REQUESTS);
    assert_eq!(result.totals.requests.succeeded, REQUESTS, "{:#?}", result.totals);

    // What the target was told, with every request, since nobody knows beforehand.
    assert_eq!(target.seen.untold.load(Ordering::Relaxed), 0);
    let parent = target.header("traceparent");
    let parts: Vec<&str> = parent.split('-').collect();
    let [version, trace, span, _] = parts[..] else { panic!("{parent}") };
    assert_eq!(version, "00");
    let run_id = &result.identity.run_id;
    assert_eq!(target.header("baggage"), format!("loadgen.run_id={run_id}"));
    assert_eq!(target.header("tracestate"), format!("loadgen={}", run_id.replace('-', "")));

    // It is the slowest of the result, by that name.
    let slowest = &result.slowest[0];
    assert!(slowest.response_time_us >= SLOW.as_micros() as f64, "{slowest:#?}");
    assert_eq!((slowest.trace_id.as_str(), slowest.span_id.as_str()), (trace, span), "{slowest:#?}");
    // Its span is at the collector.
    let is_there = collector.traces().iter().any(|request| {
        let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| &scope.spans).any(|of| hex(&of.span_id) == span && hex(&of.trace_id) == trace)
    });
    assert!(is_there, "{trace} {span} never came");
    // It is the example of its bucket.
    let is_example = page.lines().any(|line| {
        line.starts_with("loadgen_request_response_time_seconds_bucket")
            && line.contains(&format!("span_id=\"{span}\""))
    });
    assert!(is_example, "{page}");
    // And all of that within the budget: its seconds, and one for the beginning.
    let spans = collector.taken(Signal::Traces).distinct;
    let budget = 200.0 * (result.time.load_ms / 1e3 + 1.0) + 2.0;
    assert!((spans as f64) <= budget, "{spans} spans in {} ms", result.time.load_ms);
    println!("1 of {REQUESTS}: {spans} spans in {:.1} s", result.time.load_ms / 1e3);
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
