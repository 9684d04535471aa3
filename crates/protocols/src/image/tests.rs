use std::net::Ipv6Addr;

use metrics::{SpanId, TraceContext, TraceId};
use plan::{Encoding, OriginId, StatusSet, StepId, TlsPlan};
use units::Nanos;

use super::*;

struct Vault;

impl Secrets for Vault {
    fn secret(&self, name: &str) -> Option<Secret> {
        match name {
            "TOKEN" => Some(Secret::new(*b"s3cret")),
            "ODD" => Some(Secret::new(*b"a&\"b")),
            "BROKEN" => Some(Secret::new(*b"a\r\nX-Smuggled: b")),
            _ => None,
        }
    }
}

fn origin(scheme: Scheme, host: &str, port: u16) -> Origin {
    Origin {
        scheme,
        host: host.to_owned(),
        port,
        address: None,
        tls: TlsPlan::default(),
        dns_timeout: Nanos::SECOND,
        connect_timeout: Nanos::SECOND,
        tls_timeout: Nanos::SECOND,
    }
}

fn request(method: &str, path: &str, headers: &[(&str, Template)], body: &str) -> RequestPlan {
    RequestPlan {
        step: StepId(0),
        origin: OriginId(0),
        method: method.to_owned(),
        path: Template::literal(path),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        body: Template::literal(body),
        timeout: Nanos::SECOND,
        expected: StatusSet::success(),
        checks: vec![],
    }
}

fn build(request: &RequestPlan, origin: &Origin) -> Result<Image, PrepareError> {
    Image::build(request, origin, "list", &Vault, None)
}

fn secret(name: &str) -> Template {
    encoded_secret("Bearer ", name, Encoding::AsIs)
}

fn encoded_secret(before: &str, name: &str, encoding: Encoding) -> Template {
    let secret = TemplatePart::Secret { name: name.to_owned(), encoding };
    Template { parts: vec![TemplatePart::Literal(before.into()), secret] }
}

/// The image of `request` as text, with the version of this tool replaced.
fn image(request: &RequestPlan, origin: &Origin) -> String {
    let image = build(request, origin).unwrap();
    String::from_utf8(image.bytes().to_vec()).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn a_get_is_a_line_a_host_and_an_agent() {
    assert_eq!(
        image(&request("GET", "/a?b=c", &[], ""), &origin(Scheme::Http, "shop.test", 8080)),
        "GET /a?b=c HTTP/1.1\r\nHost: shop.test:8080\r\nUser-Agent: loadgen/VERSION\r\n\r\n"
    );
}

#[test]
fn a_body_is_announced_and_what_the_file_sets_wins() {
    let literal = |text: &str| Template::literal(text);
    let headers = [("user-agent", literal("me")), ("Host", literal("other")), ("X-A", literal(""))];
    assert_eq!(
        image(&request("POST", "/", &headers, "hello"), &origin(Scheme::Http, "shop.test", 80)),
        "POST / HTTP/1.1\r\nuser-agent: me\r\nHost: other\r\nX-A: \r\nContent-Length: 5\r\n\r\nhello"
    );
    let chunked = [("Transfer-Encoding", literal("chunked"))];
    assert!(
        !image(&request("POST", "/", &chunked, "0\r\n\r\n"), &origin(Scheme::Http, "a", 80))
            .contains("Content-Length")
    );
    assert!(
        image(&request("PUT", "/", &[], ""), &origin(Scheme::Http, "a", 80))
            .ends_with("Content-Length: 0\r\n\r\n")
    );
}

#[test]
fn the_host_leaves_out_default_ports_and_brackets_ipv6() {
    let check = |scheme, host: &str, port, expected: &str| {
        assert_eq!(authority(&origin(scheme, host, port)), expected);
    };
    check(Scheme::Http, "a.test", 80, "a.test");
    check(Scheme::Http, "a.test", 443, "a.test:443");
    check(Scheme::Https, "a.test", 443, "a.test");
    check(Scheme::Https, &Ipv6Addr::LOCALHOST.to_string(), 8443, "[::1]:8443");
}

#[test]
fn secrets_go_into_the_image_and_into_no_text() {
    let request = request("GET", "/", &[("Authorization", secret("TOKEN"))], "");
    let image = build(&request, &origin(Scheme::Http, "a", 80)).unwrap();
    assert!(String::from_utf8_lossy(image.bytes()).contains("Authorization: Bearer s3cret\r\n"));
    assert!(!format!("{image:?}").contains("s3cret"));
    assert!(!format!("{:?}", Vault.secret("TOKEN")).contains("s3cret"));
}

#[test]
fn secrets_are_written_as_their_place_asks() {
    let request = RequestPlan {
        path: encoded_secret("/?q=", "ODD", Encoding::Query),
        body: encoded_secret("{\"q\":\"", "ODD", Encoding::JsonString),
        ..request("POST", "/", &[("X-Odd", encoded_secret("", "ODD", Encoding::AsIs))], "")
    };
    let image = image(&request, &origin(Scheme::Http, "a", 80));
    assert!(image.starts_with("POST /?q=a%26%22b HTTP/1.1\r\n"), "{image}");
    assert!(image.contains("\r\nX-Odd: a&\"b\r\nContent-Length: 11\r\n"), "{image}");
    assert!(image.ends_with("\r\n\r\n{\"q\":\"a&\\\"b"), "{image}");
}

#[test]
fn what_cannot_be_sent_is_refused_without_telling_secrets() {
    let check = |request: &RequestPlan, message: &str| {
        let error = build(request, &origin(Scheme::Http, "a", 80)).unwrap_err();
        assert_eq!(error.to_string(), message);
    };
    check(
        &request("GET", "/", &[("Authorization", secret("NONE"))], ""),
        "step `list` needs the secret `NONE`, which is not set; set it where the load is made",
    );
    check(
        &request("GET", "/", &[("Authorization", secret("BROKEN"))], ""),
        "the header `Authorization` of step `list` has an invalid name or a line end or control character in its value",
    );
    check(
        &request("GET", "/", &[("X A", Template::default())], ""),
        "the header `X A` of step `list` has an invalid name or a line end or control character in its value",
    );
    check(
        &request("GET", "/a b", &[], ""),
        "the path of step `list` must start with `/` and hold no blanks or control characters; percent-encode them",
    );
    check(
        &request("G T", "/", &[], ""),
        "step `list` has the method `G T`; use letters only, for example GET",
    );
}

#[test]
fn a_request_may_ask_for_the_end_of_its_connection() {
    let closes = |value: &str| {
        let headers = [("connection", Template::literal(value))];
        build(&request("GET", "/", &headers, ""), &origin(Scheme::Http, "a", 80)).unwrap().closes()
    };
    assert!(closes("Close"));
    assert!(closes("te, close"));
    assert!(!closes("keep-alive"));
}

const RUN: Propagated = Propagated { run_id: 0x0193_5c1e_0000_7abc_8def_0123_4567_89ab };

fn parent(trace: u128, span: u64, sampled: bool) -> TraceParent {
    TraceParent { context: TraceContext { trace: TraceId(trace), span: SpanId(span) }, sampled }
}

fn traced(request: &RequestPlan) -> Image {
    Image::build(request, &origin(Scheme::Http, "a", 80), "list", &Vault, Some(RUN)).unwrap()
}

#[test]
fn trace_headers_follow_the_others_and_the_hole_takes_the_parent() {
    let mut image = traced(&request("POST", "/", &[], "hello"));
    let text = String::from_utf8(image.for_parent(&parent(0xabc, 0xdef, true)).to_vec()).unwrap();
    assert_eq!(
        text.replace(env!("CARGO_PKG_VERSION"), "VERSION"),
        "POST / HTTP/1.1\r\nHost: a\r\nUser-Agent: loadgen/VERSION\r\nContent-Length: 5\r\n\
         tracestate: loadgen=01935c1e00007abc8def0123456789ab\r\n\
         baggage: loadgen.run_id=01935c1e-0000-7abc-8def-0123456789ab\r\n\
         traceparent: 00-00000000000000000000000000000abc-0000000000000def-01\r\n\r\nhello"
    );
}

#[test]
fn a_trace_header_that_the_request_sets_itself_is_its_own() {
    let own = |names: &[&str]| {
        let headers: Vec<_> = names.iter().map(|name| (*name, Template::literal("own"))).collect();
        let mut image = traced(&request("GET", "/", &headers, ""));
        let text = String::from_utf8(image.for_parent(&parent(1, 2, false)).to_vec()).unwrap();
        ["traceparent", "tracestate", "baggage"].map(|header| {
            let lines = text.lines().filter_map(|line| line.split_once(": "));
            let values: Vec<_> = lines.filter(|(name, _)| name.eq_ignore_ascii_case(header)).collect();
            assert_eq!(values.len(), 1, "{text}");
            values[0].1 == "own"
        })
    };
    assert_eq!(own(&[]), [false, false, false]);
    assert_eq!(own(&["TraceParent"]), [true, false, false]);
    assert_eq!(own(&["tracestate"]), [false, true, false]);
    assert_eq!(own(&["Baggage", "traceparent"]), [true, false, true]);
}

#[test]
fn a_traced_image_shows_no_secret_and_neither_does_its_copy() {
    let mut copy = traced(&request("GET", "/", &[("Authorization", secret("TOKEN"))], "")).clone();
    assert!(String::from_utf8_lossy(copy.for_parent(&parent(1, 2, true))).contains("s3cret"));
    assert!(!format!("{copy:?}").contains("s3cret"));
}
