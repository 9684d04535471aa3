//! Bodies delimited by Content-Length or by the end of the connection, and what contradicts itself.

use super::Expectation::{ClosedEarly, Malformed, Unfinished};
use super::{Case, kept, last};

pub(super) fn cases() -> Vec<Case> {
    [announced(), length_values(), contradictions(), close_delimited()].concat()
}

/// A response with these header lines, each with its line end, and this body.
fn response(lines: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n{body}")
}

fn announced() -> Vec<Case> {
    let five = "Content-Length: 5\r\n";
    vec![
        Case::open("length 0", response("Content-Length: 0\r\n", ""), kept(200, 0)),
        Case::open("NUL in the body", response(five, "h\0l\0o"), kept(200, 5)),
        Case::open(
            "body of 100 kB",
            response("Content-Length: 100000\r\n", &"x".repeat(100_000)),
            kept(200, 100_000),
        ),
        Case::open("length name in capitals", response("CONTENT-LENGTH: 5\r\n", "hello"), kept(200, 5)),
        // Section 8.
        Case::closed("body shorter than announced", response(five, "hell"), ClosedEarly),
        Case::closed("no body at all", response(five, ""), ClosedEarly),
        Case::open("body that never ends", response(five, "hell"), Unfinished),
        // Section 6.3: what follows must not be taken for a response to another request.
        Case::open("bytes after the body", response(five, "hello, world"), last(200, 5)),
        Case::closed("bytes after the body, then closed", response(five, "hello, world"), last(200, 5)),
        Case::open(
            "a second response nobody asked for",
            response(five, &format!("hello{}", response(five, "again"))),
            last(200, 5),
        ),
    ]
}

fn length_values() -> Vec<Case> {
    let open = |name, value: &str, expect| {
        Case::open(name, response(&format!("Content-Length:{value}\r\n"), "hello"), expect)
    };
    vec![
        open("spaces around the length", " \t5 \t", kept(200, 5)),
        open("no space before the length", "5", kept(200, 5)),
        open("zeros before the length", " 0005", kept(200, 5)),
        // RFC 9110, 8.6: digits and nothing else.
        open("negative length", " -5", Malformed),
        open("length with a plus", " +5", Malformed),
        open("length with a fraction", " 5.0", Malformed),
        open("length in hexadecimal", " 0x5", Malformed),
        open("length with letters", " 5a", Malformed),
        open("length in words", " five", Malformed),
        open("empty length", "", Malformed),
        open("two numbers", " 5 5", Malformed),
        open("length beyond 64 bits", " 18446744073709551616", Malformed),
        open("length of a hundred digits", &format!(" {}", "9".repeat(100)), Malformed),
        open("length wrapping to 5", " 18446744073709551621", Malformed),
        // A length one can write, not one that can be sent; nothing may be allocated for it.
        open("length of an exabyte", " 1000000000000000000", Unfinished).or(Malformed),
    ]
}

fn contradictions() -> Vec<Case> {
    let chunked_body = "5\r\nhello\r\n0\r\n\r\n";
    let open = |name, lines, body, expect| Case::open(name, response(lines, body), expect);
    vec![
        open("two different lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", "hello!", Malformed),
        open("two different lengths in a list", "Content-Length: 5, 6\r\n", "hello!", Malformed),
        // RFC 9110, 8.6: the same value twice may be taken for one.
        open("the same length twice", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello", kept(200, 5)).or(Malformed),
        open("the same length in a list", "Content-Length: 5, 5\r\n", "hello", kept(200, 5)).or(Malformed),
        // Section 6.3: chunked wins, may be an attack, and the connection goes.
        open(
            "length, then chunked",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            chunked_body,
            last(200, 5),
        )
        .or(Malformed),
        open(
            "chunked, then length",
            "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
            chunked_body,
            last(200, 5),
        )
        .or(Malformed),
        // Section 6.1: faulty framing in a message of version 1.0.
        Case::open(
            "chunked in 1.0",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            last(200, 5),
        )
        .or(Malformed),
    ]
}

fn close_delimited() -> Vec<Case> {
    let closed = |name, lines, body, expect| Case::closed(name, response(lines, body), expect);
    vec![
        // Section 6.3, rule 8.
        closed("body until the close", "", "hello", last(200, 5)),
        closed("empty body until the close", "", "", last(200, 0)),
        closed("keep-alive without a length", "Connection: keep-alive\r\n", "hello", last(200, 5)),
        Case::closed("1.0 body until the close", "HTTP/1.0 200 OK\r\n\r\nhello", last(200, 5)),
        Case::open("no length and no close", response("", "hello"), Unfinished),
        // Section 6.3, rule 4: where chunked is not the last coding, the body lasts until the close.
        closed("gzip only", "Transfer-Encoding: gzip\r\n", "hello", last(200, 5)).or(Malformed),
        closed("identity", "Transfer-Encoding: identity\r\n", "hello", last(200, 5)).or(Malformed),
        closed(
            "a coding whose name ends like chunked",
            "Transfer-Encoding: xchunked\r\n",
            "hello",
            last(200, 5),
        )
        .or(Malformed),
        closed(
            "chunked is not the last coding",
            "Transfer-Encoding: chunked, gzip\r\n",
            "hello",
            last(200, 5),
        )
        .or(Malformed),
    ]
}
