//! A target that knows of every request when it came and who sent it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use units::{Clock, MonotonicClock, Timestamp};

/// Answers every request with an empty 200 and keeps when it came. It shares no code with the generator. Ends when
/// dropped.
pub(super) struct Sink {
    address: SocketAddr,
    log: Log,
    ends: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

type Log = Arc<Mutex<Vec<Arrival>>>;

#[derive(Debug)]
struct Arrival {
    at: Timestamp,
    /// What the header `x-sender` says.
    from: String,
}

impl Sink {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (log, ends) = (Log::default(), Arc::<AtomicBool>::default());
        let (shared, is_over) = (Arc::clone(&log), Arc::clone(&ends));
        let accept = move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let log = Arc::clone(&shared);
                // It ends when the generator closes the connection.
                std::thread::spawn(move || serve(stream, &log));
            }
        };
        let acceptor = Some(std::thread::spawn(accept));
        Self { address, log, ends, acceptor }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests came.
    pub(super) fn count(&self) -> u64 {
        self.log.lock().unwrap().len() as u64
    }

    /// How many came at `from` or later, and before `to`.
    pub(super) fn between(&self, from: Timestamp, to: Timestamp) -> u64 {
        self.matching(|arrival| (from..to).contains(&arrival.at))
    }

    /// How many came at `from` or later.
    pub(super) fn since(&self, from: Timestamp) -> u64 {
        self.matching(|arrival| arrival.at >= from)
    }

    /// How many a worker sent.
    pub(super) fn sent_by(&self, sender: &str) -> u64 {
        self.matching(|arrival| arrival.from == sender)
    }

    /// How many of them came at `since` or later.
    pub(super) fn sent_since(&self, sender: &str, since: Timestamp) -> u64 {
        self.matching(|arrival| arrival.from == sender && arrival.at >= since)
    }

    /// The most that came within `span` nanoseconds, at `from` or later.
    pub(super) fn densest(&self, span: u64, from: Timestamp) -> usize {
        let log = self.log.lock().unwrap();
        let mut times: Vec<u64> =
            log.iter().filter(|arrival| arrival.at >= from).map(|arrival| arrival.at.as_nanos()).collect();
        times.sort_unstable();
        let within = |(first, at): (usize, &u64)| times[first..].partition_point(|other| *other < at + span);
        times.iter().enumerate().map(within).max().unwrap_or(0)
    }

    fn matching(&self, is_meant: impl Fn(&Arrival) -> bool) -> u64 {
        self.log.lock().unwrap().iter().filter(|arrival| is_meant(arrival)).count() as u64
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes who accepts.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            // A panic of it was printed.
            let _ = acceptor.join();
        }
    }
}

/// Reads requests without bodies, and answers each as soon as its head is there.
fn serve(mut stream: TcpStream, log: &Log) {
    let mut unread = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        unread.extend_from_slice(&buffer[..read]);
        while let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = unread.drain(..end + 4).collect();
            let from = sender(&String::from_utf8_lossy(&head));
            log.lock().unwrap().push(Arrival { at: MonotonicClock.now(), from });
            // Who does not want it any more was counted all the same.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    }
}

fn sender(head: &str) -> String {
    let value = head.lines().find_map(|line| line.strip_prefix("x-sender: "));
    value.unwrap_or_default().trim().to_owned()
}

#[test]
fn the_sink_knows_who_sent() {
    let sink = Sink::start();
    let before = MonotonicClock.now();
    let mut stream = TcpStream::connect(sink.address).unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-sender: w1\r\n\r\n").unwrap();
        let mut answer = [0; 38];
        stream.read_exact(&mut answer).unwrap();
        assert!(answer.ends_with(b"\r\n\r\n"), "{:?}", String::from_utf8_lossy(&answer));
    }
    assert_eq!((sink.count(), sink.sent_by("w1"), sink.sent_by("w2")), (3, 3, 0));
    assert_eq!((sink.sent_since("w1", before), sink.sent_since("w1", MonotonicClock.now())), (3, 0));
    assert_eq!((sink.since(before), sink.between(before, before)), (3, 0));
    assert_eq!(sink.densest(u64::MAX / 2, before), 3);
}
