//! Responses that have no body whatever their headers say (RFC 9112, 6.3, rule 1).

use super::Expectation::{ClosedEarly, Unfinished};
use super::{Case, kept, last};

pub(super) fn cases() -> Vec<Case> {
    let ok = "HTTP/1.1 200 OK\r\n";
    let head = |name, response: String, expect| Case::open(name, response, expect).answering_head();
    vec![
        Case::open("204", "HTTP/1.1 204 No Content\r\n\r\n", kept(204, 0)),
        Case::open("204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", kept(204, 0)),
        Case::open(
            "204 chunked",
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
            kept(204, 0),
        ),
        Case::open("204 with a body", "HTTP/1.1 204 No Content\r\n\r\nhello", last(204, 0)),
        Case::open("304", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", kept(304, 0)),
        Case::open(
            "304 with a length",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
            kept(304, 0),
        ),
        Case::open(
            "304 chunked",
            "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
            kept(304, 0),
        ),
        Case::open("304 with close", "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n", last(304, 0)),
        // No exception of the framing rules: it has a length as any other.
        Case::open(
            "205 of length 0",
            "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
            kept(205, 0),
        ),
        Case::open("205 without a length", "HTTP/1.1 205 Reset Content\r\n\r\n", Unfinished).or(kept(205, 0)),
        head("HEAD with a length", format!("{ok}Content-Length: 5\r\n\r\n"), kept(200, 0)),
        head("HEAD of a gigabyte", format!("{ok}Content-Length: 1073741824\r\n\r\n"), kept(200, 0)),
        head("HEAD chunked", format!("{ok}Transfer-Encoding: chunked\r\n\r\n"), kept(200, 0)),
        head("HEAD without a length", format!("{ok}\r\n"), kept(200, 0)),
        head(
            "HEAD with an error status",
            "HTTP/1.1 404 Gone\r\nContent-Length: 9\r\n\r\n".into(),
            kept(404, 0),
        ),
        head("HEAD answered with a body", format!("{ok}Content-Length: 5\r\n\r\nhello"), last(200, 0)),
        Case::closed("HEAD closed before the blank line", ok, ClosedEarly).answering_head(),
    ]
}
