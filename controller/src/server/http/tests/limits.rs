//! What is too large, too often, too slow or too much at once.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http::Method;
use hyper::body::Frame;
use net::WallTime;
use net::api_token::{Role, TokenSet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::{Access, ApiLimits, RateLimit};
use super::routes::submit;
use super::script::{RUNNING, run};
use super::stage::{Stage, limits};

const CONTENT: &str = "/api/v1/contents/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const OCTETS: [(&str, &str); 1] = [("content-type", "application/octet-stream")];

/// Bytes that do not say beforehand how many they are.
struct Chunks {
    left: usize,
}

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.left.min(1000);
        self.left -= chunk;
        Poll::Ready((chunk > 0).then(|| Ok(Frame::data(Bytes::from(vec![b' '; chunk])))))
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whether_it_says_so_or_not() {
    let stage = Stage::with(Access::Open, ApiLimits { content_bytes: 5000, ..limits() }).await;
    let put = async |body: Body| stage.ask(Method::PUT, CONTENT, &OCTETS, body).await;
    put(vec![0; 5001].into()).await.refused(413, "too_large");
    put(Body::new(Chunks { left: 5001 })).await.refused(413, "too_large");
    // As large as it may be: refused for what it is, not for its size.
    put(vec![0; 5000].into()).await.refused(422, "digest_mismatch");
    put(Body::new(Chunks { left: 5000 })).await.refused(422, "digest_mismatch");
    assert_eq!(put("hello".into()).await.status, 204);

    let path = format!("/api/v1/runs/{}/stop", run(RUNNING));
    stage.post(&path, &" ".repeat(20_000)).await.refused(413, "too_large");
    submit(&stage, "k", &" ".repeat((4 << 20) + 1)).await.refused(413, "too_large");
    // Who takes none, takes none.
    stage.ask(Method::GET, "/api/v1/status", &[], "x").await.refused(413, "too_large");
}

#[tokio::test]
async fn who_waits_to_be_asked_for_a_body_is_refused_before_it_is_sent() {
    let stage = Stage::open().await;
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    let head = format!(
        "PUT {CONTENT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n\
         content-length: 99999999999\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("too_large"), "{answer}");
}

#[tokio::test]
async fn one_client_may_send_so_many_requests_and_others_have_their_own() {
    let mut tokens = TokenSet::default();
    let texts = [(); 2].map(|()| tokens.create(Role::Observe, WallTime::from_unix(0)).unwrap().1);
    // The address has room for both tokens; each token for three requests in a very long time.
    let rate = RateLimit { per_second: 1, burst: 3 };
    let stage = Stage::with(Access::Tokens(tokens.into()), ApiLimits { rate, ..limits() }).await;
    let ask = async |token: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str())];
        stage.ask(Method::GET, "/api/v1/status", &headers, "").await
    };
    let answers = [ask(texts[0].expose()).await, ask(texts[0].expose()).await, ask("wrong").await];
    assert_eq!(answers.map(|answer| answer.status.as_u16()), [200, 200, 401]);
    // Wrong tokens count for the address, so guessing is bounded too, and what is unknown is no way around it.
    let refused = ask(texts[1].expose()).await;
    refused.refused(429, "too_many_requests");
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    stage.get("/nothing").await.refused(429, "too_many_requests");
}

#[tokio::test]
async fn there_are_so_many_streams_at_once_and_one_that_ends_makes_room() {
    let stage = Stage::with(Access::Open, ApiLimits { streams: 1, ..limits() }).await;
    let path = format!("/api/v1/runs/{}/events", run(RUNNING));
    let mut first = TcpStream::connect(stage.address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    first.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let busy = stage.get(&path).await;
    busy.refused(503, "busy");
    assert_eq!(busy.headers["retry-after"], "1");
    // Other requests have places of their own.
    assert_eq!(stage.get("/api/v1/status").await.status, 200);
    drop(first);
    let mut second = String::new();
    while !second.starts_with("HTTP/1.1 200") {
        let mut stream = TcpStream::connect(stage.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        second = String::from_utf8(answer.to_vec()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_answer_and_a_client_that_does_not_send_are_given_up() {
    let stage = Stage::open().await;
    stage.script().is_silent = true;
    let refused = stage.get("/api/v1/status").await.refused(504, "timeout");
    assert!(refused.contains("api-call"), "{refused}");

    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    let head = format!(
        "PUT {CONTENT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n\
         content-length: 5\r\nconnection: close\r\n\r\nhel"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("content with"), "{answer}");
}
