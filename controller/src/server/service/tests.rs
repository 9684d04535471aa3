//! A controller with its listeners, on ports from the kernel.

mod exported;

use api::result::Tool;
use control::{ClusterId, Epoch};
use net::WallTime;
use net::identity::{Authority, RevocationList};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use units::Clock as _;
use uuid::Uuid;

use super::*;
use crate::cluster::WallClock;
use crate::observe::Telemetry;
use crate::run::Actor;

const LIMIT: Nanos = Nanos::from_secs(5);

fn options(security: Security) -> ServerOptions {
    let wall = WallClock::new(MonotonicClock.now(), "2026-11-21T12:00:00Z".parse().unwrap());
    let any_port: SocketAddr = "127.0.0.1:0".parse().unwrap();
    ServerOptions {
        workers: any_port,
        api: any_port,
        probe: Some(any_port),
        security,
        cluster: ClusterOptions::new(ClusterId(Uuid::from_u128(9)), Epoch(1), "1.2.3".to_owned(), wall),
        limits: Limits::default(),
        api_limits: ApiLimits::default(),
        content_bytes: 1 << 20,
        tool: Tool { name: "loadgen".to_owned(), version: "1.2.3".to_owned(), git: None },
        telemetry: Telemetry::off(),
    }
}

fn tls() -> Security {
    let authority = Authority::create("test", WallTime::now()).unwrap();
    let names = ["127.0.0.1".to_owned()];
    Security::Tls(Box::new(TlsSecurity {
        identity: authority.server(&names, WallTime::now(), Authority::SERVER_VALIDITY).unwrap(),
        authorities: Authorities::from_pem(authority.certificate_pem().as_bytes()).unwrap(),
        certificates: Certificates { revocations: RevocationList::default(), desk: None },
        tokens: TokenList::default(),
    }))
}

/// The head of an answer.
async fn head(address: SocketAddr, path: &str) -> String {
    answer(address, path).await.lines().next().unwrap_or_default().to_owned()
}

/// A whole answer.
async fn answer(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_controller_answers_on_all_its_ports_and_ends_promptly() {
    let server = Server::start(options(Security::Insecure { anywhere: false })).await.unwrap();
    assert_eq!(head(server.api_address(), "/api/v1/status").await, "HTTP/1.1 200 OK");
    let probe = server.probe_address().unwrap();
    assert_eq!(head(probe, "/readyz").await, "HTTP/1.1 200 OK");
    assert_eq!(head(probe, "/metrics").await, "HTTP/1.1 200 OK");
    assert!(TcpStream::connect(server.worker_address()).await.is_ok());
    assert_eq!(server.handle().status().await.unwrap().epoch, 1);
    let handle = server.handle().clone();
    assert!(server.shut_down(LIMIT).await);
    assert!(handle.status().await.is_err());
    assert!(TcpStream::connect(probe).await.is_err());
}

#[tokio::test]
async fn who_follows_a_run_sees_its_end_and_can_ask_for_its_result_when_the_controller_ends() {
    let server = Server::start(options(Security::Insecure { anywhere: false })).await.unwrap();
    let document = r#"{ "target": { "url": "http://127.0.0.1:1" }, "scenarios": { "browse": {
        "executor": "constant-arrival-rate", "rate": "1/s", "duration": "1s", "steps": [{ "get": "/" }] } } }"#;
    let run = serde_json::from_value(serde_json::json!({ "document": document })).unwrap();
    let submitted = server.handle().submit(run, "key".to_owned(), Actor::new("t")).await.unwrap();
    let (api, path) = (server.api_address(), format!("/api/v1/runs/{}", submitted.run_id));
    let (last_word, whole) = (server.last_word.clone(), path.clone());
    let follower = tokio::spawn(async move {
        let events = answer(api, &format!("{whole}/events")).await;
        assert!(events.contains("event: sealed") && !events.contains("event: cut"), "{events}");
        // It comes for the result when the stream has ended, on another connection.
        assert_eq!(head(api, &format!("{whole}/result")).await, "HTTP/1.1 410 Gone");
    });
    while !last_word.is_awaited() {
        tokio::task::yield_now().await;
    }
    assert!(server.shut_down(LIMIT).await);
    follower.await.unwrap();
    assert!(TcpStream::connect(api).await.is_err());
}

#[tokio::test]
async fn a_controller_with_certificates_says_nothing_in_the_clear() {
    let server = Server::start(options(tls())).await.unwrap();
    assert_ne!(head(server.api_address(), "/api/v1/status").await, "HTTP/1.1 200 OK");
    assert!(server.shut_down(LIMIT).await);
}

#[tokio::test]
async fn without_certificates_nobody_else_is_listened_to_unless_that_is_asked_for() {
    let mut open = options(Security::Insecure { anywhere: false });
    open.api = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(Server::start(open).await, Err(StartError::Bind(BindError::Exposed(_)))));
    let mut asked = options(Security::Insecure { anywhere: true });
    asked.api = "0.0.0.0:0".parse().unwrap();
    assert!(Server::start(asked).await.unwrap().shut_down(LIMIT).await);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = options(Security::Insecure { anywhere: false });
    options.workers = taken.local_addr().unwrap();
    let refused = Server::start(options).await.unwrap_err().to_string();
    assert!(refused.contains(&taken.local_addr().unwrap().to_string()), "{refused}");
}
