//! What no client of ours sends: every answer is a refusal, and the next request is answered as if nothing had been.

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::routes::submit;
use super::script::{RUNNING, run};
use super::stage::{Answer, Stage};

fn bodies() -> Vec<Vec<u8>> {
    let texts = [
        "",
        " ",
        "{",
        "}",
        "[]",
        "null",
        "0",
        "\"x\"",
        "{}{}",
        "{\"document\":1}",
        "{\"document\":null}",
        "{\"document\":\"{}\",\"document\":\"{}\"}",
        "{\"document\":\"{}\",\"unknown\":1}",
        "{\"document\":\"{}\",\"files\":{}}",
        "{\"document\":\"{}\",\"expect_workers\":-1}",
        "{\"document\":\"{}\",\"expect_workers\":1e99}",
        "{\"document\":\"{}\",\"wait_ms\":18446744073709551616}",
        "{\"document\":\"{}\",\"preflight\":\"yes\"}",
        "{'document':'{}'}",
        "{\"document\":\"\\ud800\"}",
        "{\"document\":\"a\nb\"}",
        "\u{feff}{\"document\":\"{}\"}",
        "document={}",
        "--x\r\n\r\n--x--",
        "{\"document\":\"{}\",\"overrides\":[{}]}",
        "NaN",
        "{\"document\":\"{}\",}",
    ];
    let mut bodies: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    bodies.push("[".repeat(100_000).into_bytes());
    bodies.push("{\"document\":".repeat(100_000).into_bytes());
    bodies.push(format!("{{\"document\":{}}}", "9".repeat(100_000)).into_bytes());
    bodies.push(vec![0; 1000]);
    bodies.push(vec![0xff; 1000]);
    bodies.push(b"{\"document\":\"\xc3\x28\"}".to_vec());
    bodies
}

#[tokio::test]
async fn no_body_that_is_not_what_is_wanted_is_taken() {
    let stage = Stage::open().await;
    let rest = format!("/api/v1/runs/{}", run(RUNNING));
    let paths = ["/api/v1/runs", "/api/v1/workers/w1/drain"].map(str::to_owned).into_iter();
    let paths = paths.chain(["stop", "rate", "pause", "resume"].map(|what| format!("{rest}/{what}")));
    for path in paths {
        for body in bodies() {
            let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            let answer = stage.ask(Method::POST, &path, &headers, body).await;
            let problem = answer.problem();
            let expected = if problem.status == 413 { "too_large" } else { "bad_body" };
            assert_eq!(problem.code, expected, "{path} {shown}: {problem:?}");
        }
    }
    let script = stage.script();
    assert!(script.changes.is_empty() && script.drained.is_empty() && script.submitted_by.is_empty());
}

#[tokio::test]
async fn a_key_that_is_not_known_is_named_and_its_place_told() {
    let stage = Stage::open().await;
    let stop = format!("/api/v1/runs/{}/stop", run(RUNNING));
    let told = stage.post(&stop, "{\n  \"cancle\": true }").await.refused(400, "bad_body");
    assert!(told.contains("`cancle`") && told.contains("line 2 column 10"), "{told}");
    let rate = format!("/api/v1/runs/{}/rate", run(RUNNING));
    let told = stage.post(&rate, r#"{"scale":{"factor":1,"of":2}}"#).await.refused(400, "bad_body");
    assert!(told.contains("`of`") && told.contains("line 1 column"), "{told}");
    for wrong in [r#"{"rate":{"rate":"fast"}}"#, r#"{"rate":{"rate":"-1/s"}}"#, r#"{"rate":{"rate":""}}"#] {
        stage.post(&rate, wrong).await.refused(400, "bad_body");
    }
    let told = submit(&stage, "k", r#"{"document":"{}","worker":1}"#).await.refused(400, "bad_body");
    assert!(told.contains("`worker`"), "{told}");
}

#[tokio::test]
async fn no_path_and_no_query_names_what_is_not_there() {
    let stage = Stage::open().await;
    let id = run(RUNNING).to_string();
    let long = "a".repeat(4000);
    let ids = [
        "..",
        "%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "%0d%0ax-forged:%201",
        "%ff",
        "%c3%28",
        "-1",
        "0",
        "%7b%7d",
        &id[1..],
        &id.to_uppercase(),
        &format!("{id}0"),
        &id.replace('-', ""),
        &long,
    ]
    .map(str::to_owned);
    for id in &ids {
        for rest in ["", "/result", "/events"] {
            let problem = stage.get(&format!("/api/v1/runs/{id}{rest}")).await.problem();
            assert!(matches!(problem.code.as_str(), "bad_path" | "unknown_path"), "{id}: {problem:?}");
        }
        let headers = [("content-type", "application/octet-stream")];
        let put = stage.ask(Method::PUT, &format!("/api/v1/contents/{id}"), &headers, "x").await;
        assert!(matches!(put.problem().code.as_str(), "bad_path" | "unknown_path"), "{id}: {put:?}");
        let drain = stage.post(&format!("/api/v1/workers/{id}/drain"), "{}").await.problem();
        assert!(matches!(drain.code.as_str(), "bad_path" | "unknown_path" | "unknown_worker"), "{drain:?}");
    }
    for query in [
        "limit=0",
        "limit=-1",
        "limit=1001",
        "limit=abc",
        "limit=1&limit=2",
        "limit=",
        "state=",
        "state=dead",
        "after=..",
        "after=",
        "foo=1",
        "state",
        "%ff",
        "=",
        "limit=99999999999999999999",
    ] {
        let refused = stage.get(&format!("/api/v1/runs?{query}")).await.refused(400, "bad_query");
        assert!(!refused.is_empty(), "{query}");
    }
    stage.get("/api/v1/status?limit=1").await.refused(400, "bad_query");
    stage.get(&format!("/api/v1/runs/{id}/events?after=-1")).await.refused(400, "bad_query");
}

#[tokio::test]
async fn no_header_carries_what_it_may_not() {
    let stage = Stage::open().await;
    let path = format!("/api/v1/runs/{}/events", run(RUNNING));
    for last in ["-1", "abc", "1.5", "", "18446744073709551616", "0x1"] {
        let asked = stage.ask(Method::GET, &path, &[("last-event-id", last)], "").await;
        asked.refused(400, "bad_header");
    }
    let twice = [("last-event-id", "1"), ("last-event-id", "2")];
    stage.ask(Method::GET, &path, &twice, "").await.refused(400, "bad_header");
    for key in ["", "\u{e9}"] {
        submit(&stage, key, &super::routes::submission()).await.refused(400, "bad_header");
    }
}

/// What came back: a status line's code and the rest, or nothing at all.
async fn raw(stage: &Stage, bytes: &[u8]) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(bytes).await.ok()?;
    stream.shutdown().await.ok()?;
    let mut answer = Vec::new();
    // A reset after the answer is as good an end as any.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    Some((status, answer))
}

#[tokio::test]
async fn what_is_no_http_is_refused_or_let_go_and_nothing_else_suffers() {
    let stage = Stage::open().await;
    let long = "a".repeat(100_000);
    let heads = [
        "\r\n\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "GET /api/v1/status\r\n\r\n".to_owned(),
        "GET /api/v1/status HTTP/9.9\r\nhost: localhost\r\n\r\n".to_owned(),
        "GET /api/v1/status HTTP/1.1\r\n\r\n".to_owned(),
        "GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\nx\r\n\r\n".to_owned(),
        "GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n".to_owned(),
        "GET /api/v1/status HTTP/1.1\r\nhost: evil\r\n host: localhost\r\n\r\n".to_owned(),
        "GET /api/v1/sta\ttus HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
        "GET http://[::1 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
        "G\u{e9}T / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
        "CONNECT evil:80 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
        "OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\u{0}".to_owned(),
        format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: y\r\n".repeat(1000)),
        "POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n".to_owned(),
        "POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_owned(),
        "POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\nidempotency-key: k\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\nzz\r\n"
            .to_owned(),
        "POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\nidempotency-key: k\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{"
            .to_owned(),
        "POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip\r\n\r\n".to_owned(),
    ];
    for head in heads {
        if let Some((status, answer)) = raw(&stage, head.as_bytes()).await {
            assert!((400..500).contains(&status), "{head:?}: {answer}");
        }
        let well: Answer = stage.get("/api/v1/status").await;
        assert_eq!(well.status, 200, "after {head:?}");
    }
    let script = stage.script();
    assert!(script.changes.is_empty() && script.submitted_by.is_empty());
}
