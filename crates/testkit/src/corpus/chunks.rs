//! Chunked bodies.

use super::Expectation::{self, ClosedEarly, Malformed, Unfinished};
use super::{Case, kept, last};

/// A chunked response with these bytes for a body.
fn response(body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", body.as_ref()].concat()
}

fn open(name: &'static str, body: &str, expect: Expectation) -> Case {
    Case::open(name, response(body), expect)
}

fn closed(name: &'static str, body: &str, expect: Expectation) -> Case {
    Case::closed(name, response(body), expect)
}

pub(super) fn cases() -> Vec<Case> {
    [well_formed(), sizes(), line_ends(), cut_short(), codings()].concat()
}

fn well_formed() -> Vec<Case> {
    vec![
        open("one chunk", "5\r\nhello\r\n0\r\n\r\n", kept(200, 5)),
        open("no chunk", "0\r\n\r\n", kept(200, 0)),
        open("several chunks", "5\r\nhello\r\n2\r\n, \r\n5\r\nworld\r\n0\r\n\r\n", kept(200, 12)),
        open("a thousand chunks", &format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(1_000)), kept(200, 1_000)),
        open("chunk data that looks like a last chunk", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", kept(200, 5)),
        // Section 7.1.1: unknown extensions are ignored.
        open("chunk extensions", "5;a;b=c;d=\"e f\"\r\nhello\r\n0;last\r\n\r\n", kept(200, 5)),
        open("semicolon in a quoted extension", "5;a=\"b;c=6\"\r\nhello\r\n0\r\n\r\n", kept(200, 5)),
        open("trailers", "5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n", kept(200, 5)),
        // Section 7.1.2: no trailer changes the framing.
        open("a length among the trailers", "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n", kept(200, 5)),
        open("bytes after the last chunk", "5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", last(200, 5)),
    ]
}

fn sizes() -> Vec<Case> {
    let ten = "0123456789";
    vec![
        open("lower-case size", &format!("a\r\n{ten}\r\n0\r\n\r\n"), kept(200, 10)),
        open("upper-case size", &format!("A\r\n{ten}\r\n0\r\n\r\n"), kept(200, 10)),
        open("zeros before the size", "0005\r\nhello\r\n000\r\n\r\n", kept(200, 5)),
        open("size that is no number", "xyz\r\nhello\r\n0\r\n\r\n", Malformed),
        open("negative size", "-5\r\nhello\r\n0\r\n\r\n", Malformed),
        open("size with a plus", "+5\r\nhello\r\n0\r\n\r\n", Malformed),
        open("size with a prefix", "0x5\r\nhello\r\n0\r\n\r\n", Malformed),
        open("size with a letter too far", "5g\r\nhello\r\n0\r\n\r\n", Malformed),
        open("empty size", "\r\nhello\r\n0\r\n\r\n", Malformed),
        open("extension without a size", ";a=b\r\nhello\r\n0\r\n\r\n", Malformed),
        // Section 7.1: recipients must guard against overflow.
        open("size beyond 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n", Malformed),
        open("size of all ones", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", Unfinished).or(Malformed),
        // Section 7.1.1 allows a space before a semicolon only.
        open("space after the size", "5 \r\nhello\r\n0\r\n\r\n", kept(200, 5)).or(Malformed),
        open("space before the size", " 5\r\nhello\r\n0\r\n\r\n", Malformed).or(kept(200, 5)),
        open("two sizes", "5 5\r\nhello\r\n0\r\n\r\n", Malformed),
    ]
}

fn line_ends() -> Vec<Case> {
    vec![
        open("data longer than its size", "5\r\nhello!\r\n0\r\n\r\n", Malformed),
        open("data shorter than its size", "5\r\nhell\r\n0\r\n\r\n", Malformed),
        open("no line end after the data", "5\r\nhello0\r\n\r\n", Malformed),
        open("size line ends with LF", "5\nhello\r\n0\r\n\r\n", kept(200, 5)).or(Malformed),
        open("data ends with LF", "5\r\nhello\n0\r\n\r\n", Malformed).or(kept(200, 5)),
        open("trailers end with LF", "5\r\nhello\r\n0\r\nX-Sum: 1\n\n", kept(200, 5)).or(Malformed),
        open("CR without LF after the size", "5\rhello\r\n0\r\n\r\n", Malformed),
        open("a trailer that is no header", "5\r\nhello\r\n0\r\nno colon here\r\n\r\n", Malformed)
            .or(kept(200, 5)),
    ]
}

fn cut_short() -> Vec<Case> {
    vec![
        closed("closed before the first chunk", "", ClosedEarly),
        closed("closed in a size", "5", ClosedEarly),
        closed("closed in the data", "5\r\nhel", ClosedEarly),
        closed("closed before the last chunk", "5\r\nhello\r\n", ClosedEarly),
        closed("closed before the end of the trailers", "5\r\nhello\r\n0\r\n", ClosedEarly),
        closed("closed in a trailer", "5\r\nhello\r\n0\r\nX-Su", ClosedEarly),
        open("silence in the data", "5\r\nhel", Unfinished),
        open("silence before the last chunk", "5\r\nhello\r\n", Unfinished),
    ]
}

fn codings() -> Vec<Case> {
    let coded = |name, lines: &str, expect| {
        Case::open(name, format!("HTTP/1.1 200 OK\r\n{lines}\r\n5\r\nhello\r\n0\r\n\r\n"), expect)
    };
    vec![
        coded("Chunked in capitals", "transfer-encoding: CHUNKED\r\n", kept(200, 5)),
        // Section 6.3: the framing is known, whatever the content is.
        coded("gzip, then chunked", "Transfer-Encoding: gzip, chunked\r\n", kept(200, 5)).or(Malformed),
        coded(
            "codings on two lines",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            kept(200, 5),
        )
        .or(Malformed),
        // Section 6.1: chunked must not be applied twice.
        coded("chunked twice", "Transfer-Encoding: chunked, chunked\r\n", Malformed).or(kept(200, 5)),
    ]
}
