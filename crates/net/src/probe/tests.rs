use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::deadline::Limits;

#[derive(Clone, Default)]
struct Told {
    ready: Arc<AtomicBool>,
    silent: bool,
}

impl Vitals for Told {
    async fn ready(&self) -> Result<(), String> {
        if self.silent {
            std::future::pending::<()>().await;
        }
        if self.ready.load(Ordering::Relaxed) { Ok(()) } else { Err("no workers".into()) }
    }

    async fn metrics(&self) -> Page {
        let mut page = Page::default();
        page.family(&OPERATION_LONGEST).sample(&[("operation", "beat")], 3.0);
        page
    }
}

async fn start(told: Told) -> (SocketAddr, JoinHandle<()>) {
    let probe = Probe::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = probe.local_addr();
    (address, tokio::spawn(probe.serve(told, Arc::new(Meter::new(Limits::default())))))
}

async fn ask(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good an end as any.
    let _ = stream.read_to_end(&mut answer).await;
    // Protobuf is none.
    String::from_utf8_lossy(&answer).into_owned()
}

async fn page(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: probe\r\n\r\n")).await
}

#[tokio::test]
async fn a_process_that_is_not_ready_lives_and_says_why() {
    let told = Told::default();
    let (address, _serving) = start(told.clone()).await;
    assert!(page(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    let not_ready = page(address, "/readyz").await;
    assert!(not_ready.starts_with("HTTP/1.1 503") && not_ready.contains("no workers"), "{not_ready}");
    told.ready.store(true, Ordering::Relaxed);
    assert!(page(address, "/readyz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn numbers_come_as_prometheus_reads_them() {
    let (address, _serving) = start(Told::default()).await;
    let numbers = page(address, "/metrics").await;
    assert!(numbers.contains("content-type: text/plain; version=0.0.4"), "{numbers}");
    assert!(numbers.ends_with("loadgen_operation_longest_seconds{operation=\"beat\"} 3\n"), "{numbers}");
}

#[tokio::test]
async fn numbers_come_in_the_form_that_is_asked_for() {
    let (address, _serving) = start(Told::default()).await;
    let ask = async |accept: &str| {
        ask(address, &format!("GET /metrics HTTP/1.1\r\nhost: probe\r\naccept: {accept}\r\n\r\n")).await
    };
    let open = ask("application/openmetrics-text; version=1.0.0").await;
    assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0"), "{open}");
    assert!(open.ends_with("# EOF\n"), "{open}");
    let delimited = ask(Form::Protobuf.content_type()).await;
    assert!(delimited.contains(&format!("content-type: {}", Form::Protobuf.content_type())), "{delimited}");
    assert!(delimited.contains("vary: accept") && !delimited.contains("# TYPE"), "{delimited}");
}

#[tokio::test]
async fn nothing_else_is_answered_and_nothing_is_taken() {
    let (address, _serving) = start(Told::default()).await;
    assert!(page(address, "/").await.starts_with("HTTP/1.1 404"));
    assert!(page(address, "/healthz/../metrics").await.starts_with("HTTP/1.1 404"));
    let post = ask(address, "POST /readyz HTTP/1.1\r\nhost: probe\r\ncontent-length: 0\r\n\r\n").await;
    assert!(post.starts_with("HTTP/1.1 405") && post.contains("allow: GET, HEAD"), "{post}");
    let many = "x: y\r\n".repeat(1000);
    assert!(ask(address, &format!("GET /healthz HTTP/1.1\r\n{many}\r\n")).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test(start_paused = true)]
async fn who_stands_still_within_is_not_ready() {
    let (address, _serving) = start(Told { silent: true, ..Told::default() }).await;
    assert!(page(address, "/readyz").await.contains("no answer from within"));
}

#[tokio::test]
async fn silent_connections_neither_keep_others_out_nor_hold_up_the_end() {
    let (address, serving) = start(Told::default()).await;
    let mut silent = Vec::new();
    for _ in 0..2 * CAPS.connections {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    assert!(page(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    for mut stream in silent {
        let mut end = [0];
        assert!(matches!(stream.read(&mut end).await, Ok(0) | Err(_)), "an end, not a byte");
    }
}
