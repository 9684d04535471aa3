//! Clients of the HTTP API that overdo it while a run is under way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use testkit::rogue::{Crowd, Opening};

use super::stage::{Link, Stage};

/// Says something to the API and reads the first bytes of the answer; empty when there is none.
fn ask(stage: &Stage, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(stage.api_address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    // Whoever refuses hangs up while the body is under way.
    let _ = stream.write_all(body);
    let mut answer = vec![0; 512];
    let len = stream.read(&mut answer).unwrap_or(0);
    String::from_utf8_lossy(&answer[..len]).into_owned()
}

/// Whether an answer says that the fault is the client's; one that went on to send may find only a closed connection.
fn is_refusal(answer: &str) -> bool {
    answer.is_empty() || answer.starts_with("HTTP/1.1 4")
}

/// Memory that this process holds, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn bodies_without_end_are_refused_and_cost_nobody_anything() {
    let stage = Stage::with_workers(Link::Insecure, 1);
    let run = stage.begin("100/s", "5s", 1, 50);
    let before = memory();
    let digest = "0".repeat(64);
    let part = vec![b'x'; 1 << 20];
    for _ in 0..10 {
        let sizes = ["10000000000", "18446744073709551615", "99999999999999999999999"];
        for size in sizes {
            for path in ["POST /api/v1/runs".to_owned(), format!("PUT /api/v1/contents/{digest}")] {
                let head = format!(
                    "{path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nidempotency-key: k\r\n\
                     content-length: {size}\r\n\r\n"
                );
                let answer = ask(&stage, &head, &part);
                assert!(is_refusal(&answer), "{path} {size}: {answer}");
            }
        }
    }
    let chunk = [b"100000\r\n".as_slice(), &part, b"\r\n"].concat();
    let endless = chunk.repeat(70);
    let head = format!(
        "PUT /api/v1/contents/{digest} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/octet-stream\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    let answer = ask(&stage, &head, &endless);
    assert!(is_refusal(&answer), "{answer}");
    // What all tests of this program hold together; a body that was kept would be gigabytes.
    assert!(memory() < before + (512 << 20), "{} bytes", memory() - before);
    stage.exact(run, 500);
}

#[test]
fn heads_that_never_end_keep_nobody_waiting() {
    let stage = Stage::with_workers(Link::Insecure, 1);
    let run = stage.begin("100/s", "4s", 1, 50);
    let slow = Opening::Bytes(b"GET /api/v1/status HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ".to_vec());
    let crowd = Crowd::connect(stage.api_address(), 200, &slow).unwrap();
    let answer =
        ask(&stage, "GET /api/v1/status HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", b"");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stage.exact(run, 400);
    stage.end();
    drop(crowd);
}

#[test]
fn five_hundred_watchers_that_do_not_read_change_nothing_for_others() {
    let stage = Stage::with_workers(Link::Insecure, 1);
    let run = stage.begin("100/s", "6s", 1, 50);
    let before = memory();
    let watch = format!(
        "GET /api/v1/runs/{run}/events HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n"
    );
    let crowd = Crowd::connect(stage.api_address(), 500, &Opening::Bytes(watch.clone().into())).unwrap();
    assert!(crowd.len() >= 100, "{}", crowd.len());
    // What the cluster is asked from inside is answered as ever, and the one who reads hears the end.
    let mut events = stage.wait(stage.handle().events(run, 0)).unwrap();
    let mut last = 0;
    stage.wait(async {
        while let Some(watched) = events.next().await {
            let controller::server::Watched::Event(event) = watched else { panic!("{watched:?}") };
            assert_eq!(event.event.seq, last + 1, "no gap");
            last = event.event.seq;
        }
    });
    assert!(last >= 5, "{last} events");
    assert!(memory() < before + (256 << 20), "{} bytes", memory() - before);
    stage.exact(run, 600);
    stage.end();
    drop(crowd);
}
