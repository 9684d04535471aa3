//! Every endpoint does what the index says.

use std::io::ErrorKind;

use crate::client::Client;
use loadgen_target::{Config, Law, Stats, Target};
use serde_json::json;
use units::{Clock, MonotonicClock, Nanos};

fn start() -> (Target, Client) {
    let target = Target::bind(Config { seed: 42, ..Config::default() }).unwrap();
    let client = Client::connect(target.address());
    (target, client)
}

#[test]
fn the_index_names_every_endpoint() {
    let (_target, mut client) = start();
    let index = client.get("/");
    assert_eq!(index.status, 200);
    let paths: Vec<_> = index.text().lines().filter_map(|line| line.get(5..)?.split(' ').next()).collect();
    for path in ["/", "/products", "/orders", "/delay/exp", "/slow", "/stats", "/control/stall"] {
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
    assert!(!index.text().contains('`'));
    assert_eq!(client.get("/nothing/here").status, 404);
}

#[test]
fn products_and_orders_are_json() {
    let (_target, mut client) = start();
    let products = client.get("/products");
    assert_eq!(products.header("content-type"), Some("application/json"));
    assert_eq!(products.json()[0]["sku"], 17);
    let order = client.post("/orders", r#"{"sku":17}"#);
    assert_eq!((order.status, order.json()), (201, json!({"id": 1, "bytes": 10})));
    assert_eq!(client.post("/orders", "").json(), json!({"id": 2, "bytes": 0}));
}

#[test]
fn large_bodies_are_read_and_do_not_cost_the_connection() {
    let (target, mut client) = start();
    let body = "x".repeat(5_000_000);
    assert_eq!(client.post("/orders", &body).json()["bytes"], 5_000_000);
    assert_eq!(client.post("/status/503", &body).status, 503);
    assert_eq!(client.get("/products").status, 200);
    assert_eq!(target.stats().connections_accepted, 1);
}

#[test]
fn delays_are_those_of_the_law_and_never_shorter() {
    let (_target, mut client) = start();
    let ms = Nanos::from_millis;
    for (path, law) in [
        ("/delay/fixed?us=1500", Law::Fixed(Nanos::from_micros(1_500))),
        ("/delay/fixed?ms=2", Law::Fixed(ms(2))),
        ("/delay/exp?mean_ms=1", Law::Exponential { mean: ms(1) }),
        ("/delay/lognormal?median_ms=1&sigma=0.5", Law::LogNormal { median: ms(1), sigma: 0.5 }),
    ] {
        for index in 0..5 {
            let sent = MonotonicClock.now();
            let answer = client.get(path).json();
            let took = MonotonicClock.now() - sent;
            let expected = law.delay(42, index);
            assert_eq!(answer, json!({"index": index, "delay_ns": expected.as_u64()}), "{path}");
            assert!(took >= expected, "{path}: {took} instead of {expected}");
        }
    }
}

#[test]
fn statuses_are_as_asked_for() {
    let (_target, mut client) = start();
    for status in [200, 204, 302, 304, 404, 429, 500, 503, 599, 999] {
        let response = client.get(&format!("/status/{status}"));
        assert_eq!(response.status, status);
        assert_eq!(response.body.is_empty(), matches!(status, 204 | 304));
    }
    assert_eq!(client.request("HEAD", "/status/200", "", "").status, 200);
    assert_eq!(client.get("/status/100").status, 400);
    assert_eq!(client.get("/status/1000").status, 400);
}

#[test]
fn errors_come_at_their_declared_rate() {
    let (_target, mut client) = start();
    let statuses: Vec<_> = (0..20).map(|_| client.get("/errors?rate=0.2&status=503").status).collect();
    let failed: Vec<_> = (0..20).filter(|i| statuses[*i] == 503).collect();
    assert_eq!(failed, [4, 9, 14, 19]);
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 16);
    assert_eq!(client.get("/errors?rate=1").status, 500);
}

#[test]
fn bodies_have_the_asked_length() {
    let (_target, mut client) = start();
    for len in [0, 1, 65_536, 1_000_000] {
        let response = client.get(&format!("/bytes/{len}"));
        assert_eq!(response.header("content-length"), Some(len.to_string().as_str()));
        assert_eq!(response.body, vec![b'x'; len]);
    }
}

#[test]
fn echo_tells_what_arrived() {
    let (_target, mut client) = start();
    let echo = client.request("PATCH", "/echo?a=1", "x-two: 1\r\nx-two: 2\r\n", "body").json();
    assert_eq!(
        (&echo["method"], &echo["path"], &echo["query"]),
        (&json!("PATCH"), &json!("/echo"), &json!("a=1"))
    );
    assert_eq!((&echo["body"], &echo["bytes"]), (&json!("body"), &json!(4)));
    let headers = json!([["host", "target"], ["x-two", "1"], ["x-two", "2"], ["content-length", "4"]]);
    assert_eq!(echo["headers"], headers);
}

#[test]
fn cookies_are_set_and_seen() {
    let (_target, mut client) = start();
    let response = client.get("/cookies/set?session=abc&theme=dark");
    let lines: Vec<_> =
        response.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, v)| v).collect();
    assert_eq!(lines, ["session=abc; Path=/", "theme=dark; Path=/"]);
    let seen = client.request("GET", "/cookies", "cookie: session=abc; theme=dark\r\n", "").json();
    assert_eq!(seen, json!({"session": "abc", "theme": "dark"}));
    assert_eq!(client.get("/cookies/set").status, 400);
}

#[test]
fn redirects_count_down() {
    let (_target, mut client) = start();
    let response = client.get("/redirect/2");
    assert_eq!((response.status, response.header("location")), (302, Some("/redirect/1")));
    assert_eq!(client.get("/redirect/0").status, 200);
}

#[test]
fn chunks_come_as_declared_with_trailers_for_those_who_take_them() {
    let (_target, mut client) = start();
    let start = MonotonicClock.now();
    let response =
        client.request("GET", "/chunked?chunks=3&bytes=7&delay_ms=2&trailers=true", "te: trailers\r\n", "");
    assert!(MonotonicClock.now() - start >= Nanos::from_millis(4), "two pauses of 2 ms");
    assert_eq!(response.chunks, [7, 7, 7]);
    assert_eq!(response.header("trailer"), Some("x-chunks"));
    assert_eq!(response.trailers, [("x-chunks".to_owned(), "3".to_owned())]);
    let response = client.get("/chunked?chunks=2&bytes=1");
    assert_eq!((response.body.len(), response.trailers.len()), (2, 0));
    assert_eq!(client.get("/chunked?chunks=0&bytes=1").body, b"");
}

#[test]
fn slow_bodies_take_their_declared_time() {
    let (_target, mut client) = start();
    let start = MonotonicClock.now();
    let response = client.get("/slow?bytes=50&rate=5000");
    assert!(MonotonicClock.now() - start >= Nanos::from_millis(10));
    assert_eq!(response.header("content-length"), Some("50"));
    assert_eq!(response.body.len(), 50);
}

#[test]
fn connections_end_as_declared() {
    let (target, mut client) = start();
    let response = client.get("/close");
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    assert_eq!(client.rest().unwrap(), b"");

    let mut client = Client::connect(target.address());
    client.send("GET", "/abort", "", "");
    assert_eq!(client.rest().unwrap(), b"", "closed without a byte");

    let mut client = Client::connect(target.address());
    client.send("GET", "/reset", "", "");
    assert_eq!(client.rest().unwrap_err().kind(), ErrorKind::ConnectionReset);

    let stats = target.stats();
    assert_eq!((stats.count("/close", 200), stats.paths["/reset"].unanswered), (1, 1));
    assert_eq!(stats.connections_accepted, 3);
}

#[test]
fn senseless_parameters_are_refused() {
    let (_target, mut client) = start();
    for path in [
        "/delay/fixed",
        "/delay/fixed?ms=1&us=1",
        "/delay/fixed?ms=3600001",
        "/delay/fixed?msec=1",
        "/delay/exp?mean_ms=-1",
        "/delay/exp?mean_ms=NaN",
        "/delay/lognormal?median_ms=1&sigma=inf",
        "/errors?rate=1.1",
        "/errors?rate=0.1&status=200",
        "/bytes/99999999999",
        "/bytes/many",
        "/chunked?chunks=1&bytes=0",
        "/chunked?chunks=18446744073709551615&bytes=2",
        "/slow?bytes=1&rate=0",
    ] {
        let response = client.get(path);
        assert_eq!(response.status, 400, "{path}");
        assert!(!response.body.is_empty(), "{path} says why");
    }
    assert_eq!(client.post("/control/stall?ms=3600001", "").status, 400);
    assert_eq!(client.get("/control/stall?ms=1").status, 405);
}

#[test]
fn stats_are_the_same_over_http_and_in_process() {
    let (target, mut client) = start();
    client.get("/products");
    client.get("/products?page=2");
    client.get("/status/404");
    let over_http: Stats = serde_json::from_value(client.get("/stats").json()).unwrap();
    assert_eq!((over_http.arrivals, over_http.answered, over_http.connections_open), (3, 3, 1));
    assert_eq!((over_http.count("/products", 200), over_http.count("/status/404", 404)), (2, 1));
    assert_eq!(over_http.arrivals_per_second.counts.iter().sum::<u64>(), 3);
    assert_eq!(over_http.paths["/products"].arrivals_per_second.counts.iter().sum::<u64>(), 2);
    assert_eq!(over_http.arrivals_on("/stats"), 1);

    let until_reset: Stats = serde_json::from_value(client.post("/stats/reset", "").json()).unwrap();
    assert_eq!(until_reset.arrivals, 3);
    assert_eq!(until_reset.count("/stats", 200), 1);
    let after = target.stats();
    assert_eq!((after.arrivals, after.paths.len(), after.connections_accepted), (0, 0, 0));
    client.get("/delay/exp?mean_ms=0");
    assert_eq!(client.post("/stats/reset", "").json()["arrivals"], 1);
    assert_eq!(client.get("/delay/exp?mean_ms=0").json()["index"], 0, "sequences start anew as well");
}
