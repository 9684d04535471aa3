//! Interim responses before the final one (RFC 9110, 15.2).

use super::Expectation::{ClosedEarly, Malformed, Unfinished};
use super::{Case, kept, last};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";

pub(super) fn cases() -> Vec<Case> {
    let then_hello = |name, interim: &str| Case::open(name, format!("{interim}{HELLO}"), kept(200, 5));
    vec![
        then_hello("100 before the response", CONTINUE),
        then_hello("103 before the response", HINTS),
        then_hello("102 before the response", "HTTP/1.1 102 Processing\r\n\r\n"),
        then_hello("an unknown interim status", "HTTP/1.1 199 Whatever\r\n\r\n"),
        then_hello("several interim responses", &[CONTINUE, HINTS, HINTS].concat()),
        // It has no body, whatever it says.
        then_hello("100 with a length", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n"),
        then_hello("103 that says close", "HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n")
            .or(last(200, 5)),
        then_hello("a thousand interim responses", &CONTINUE.repeat(1_000)).or(Malformed),
        Case::open("interim, then 204", format!("{HINTS}HTTP/1.1 204 No Content\r\n\r\n"), kept(204, 0)),
        Case::closed("closed after an interim response", CONTINUE, ClosedEarly),
        Case::open("silence after an interim response", HINTS, Unfinished),
        Case::closed("closed in an interim response", "HTTP/1.1 100 Continue\r\n", ClosedEarly),
        Case::open("garbage after an interim response", format!("{CONTINUE}garbage\r\n\r\n"), Malformed),
        // RFC 9110, 7.8: never without having been asked; the connection speaks another protocol afterwards.
        Case::open(
            "101 unasked",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            Malformed,
        )
        .or(last(101, 0)),
    ]
}
