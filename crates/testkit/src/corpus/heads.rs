//! Status lines, header lines, and whether the connection is kept.

use super::Expectation::{ClosedEarly, Malformed, Unfinished};
use super::{Case, kept, last};

pub(super) fn cases() -> Vec<Case> {
    [status_lines(), header_lines(), persistence(), other_protocols()].concat()
}

/// A response with this status line and the body `hello`.
fn with_status_line(line: &str) -> String {
    format!("{line}\r\nContent-Length: 5\r\n\r\nhello")
}

/// A response with these header lines, each with its line end, and the body `hello`.
fn with_headers(lines: impl AsRef<[u8]>) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\n", lines.as_ref(), b"Content-Length: 5\r\n\r\nhello"].concat()
}

fn status_lines() -> Vec<Case> {
    let open = |name, line, expect| Case::open(name, with_status_line(line), expect);
    vec![
        open("plain", "HTTP/1.1 200 OK", kept(200, 5)),
        open("reason of many words", "HTTP/1.1 404 Not Found At All", kept(404, 5)),
        // Section 4: the space after the code is required, the phrase is not.
        open("no reason", "HTTP/1.1 200 ", kept(200, 5)),
        open("no reason and no space", "HTTP/1.1 200", kept(200, 5)).or(Malformed),
        Case::open(
            "reason beyond ASCII",
            b"HTTP/1.1 200 Gr\xfc\xdfe\r\nContent-Length: 5\r\n\r\nhello",
            kept(200, 5),
        ),
        // Section 2.3: the name is case-sensitive.
        open("lower-case name", "http/1.1 200 OK", Malformed),
        open("no version", "HTTP 200 OK", Malformed),
        open("version 1.2", "HTTP/1.2 200 OK", kept(200, 5)).or(Malformed),
        open("version 2.0", "HTTP/2.0 200 OK", Malformed),
        open("status of two digits", "HTTP/1.1 99 Low", Malformed),
        open("status of four digits", "HTTP/1.1 1000 High", Malformed),
        open("status in letters", "HTTP/1.1 abc OK", Malformed),
        open("negative status", "HTTP/1.1 -20 OK", Malformed),
        open("no status", "HTTP/1.1", Malformed),
        // RFC 9110, 15: outside 100 to 599 is invalid, and to be treated as a server error.
        open("status 099", "HTTP/1.1 099 Low", Malformed).or(kept(99, 5)),
        open("status 999", "HTTP/1.1 999 High", kept(999, 5)).or(Malformed),
        open("two spaces before the status", "HTTP/1.1  200 OK", Malformed).or(kept(200, 5)),
        // Section 2.2 lets servers skip it before a request; of responses it says nothing.
        open("empty line before the status line", "\r\nHTTP/1.1 200 OK", Malformed).or(kept(200, 5)),
        Case::open("NUL in the reason", b"HTTP/1.1 200 O\0K\r\nContent-Length: 5\r\n\r\nhello", Malformed)
            .or(kept(200, 5)),
        Case::closed("closed at once", "", ClosedEarly),
        Case::open("silence", "", Unfinished),
        Case::closed("closed in the status line", "HTTP/1.1 20", ClosedEarly),
        Case::open("silence in the status line", "HTTP/1.1 20", Unfinished),
    ]
}

fn header_lines() -> Vec<Case> {
    let open = |name, lines: &[u8], expect| Case::open(name, with_headers(lines), expect);
    vec![
        open("empty header value", b"X-Empty:\r\n", kept(200, 5)),
        open("spaces around a value", b"X-Wide: \t a  b \t \r\n", kept(200, 5)),
        open("header value beyond ASCII", b"X-Name: Gr\xfc\xdfe\r\n", kept(200, 5)),
        open("ninety headers", "X-Many: 1\r\n".repeat(90).as_bytes(), kept(200, 5)),
        open("header of 8 KiB", format!("X-Long: {}\r\n", "a".repeat(8_192)).as_bytes(), kept(200, 5)),
        // Section 5.2: a client must read it as a space. Many refuse, as nobody may send it.
        open("folded header", b"X-Folded: a\r\n b\r\n", kept(200, 5)).or(Malformed),
        open("fold before the first header", b" a\r\n", Malformed).or(kept(200, 5)),
        // Section 5.1: for servers and proxies an error and something to remove.
        open("space before the colon", b"X-Space : a\r\n", Malformed).or(kept(200, 5)),
        open("header without a name", b": a\r\n", Malformed),
        open("header without a colon", b"no colon here\r\n", Malformed),
        open("space in a header name", b"X Name: a\r\n", Malformed),
        open("NUL in a header name", b"X-N\0: a\r\n", Malformed),
        // RFC 9110, 5.5: refused, or read as a space.
        open("NUL in a header value", b"X-Nul: a\0b\r\n", Malformed).or(kept(200, 5)),
        open("bare CR in a header value", b"X-Bare: a\rb\r\n", Malformed).or(kept(200, 5)),
        // Section 2.2: a lone LF may be taken for a line end.
        Case::open("lines end with LF", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", kept(200, 5))
            .or(Malformed),
        Case::open("one line ends with LF", "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello", kept(200, 5))
            .or(Malformed),
        Case::closed("closed in a header", "HTTP/1.1 200 OK\r\nContent-Le", ClosedEarly),
        Case::closed("closed before the blank line", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", ClosedEarly),
        Case::open("silence before the blank line", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", Unfinished),
    ]
}

fn persistence() -> Vec<Case> {
    let open = |name, line: &str, lines: &str, expect| {
        Case::open(name, format!("{line}\r\n{lines}Content-Length: 5\r\n\r\nhello"), expect)
    };
    let ok = "HTTP/1.1 200 OK";
    let old = "HTTP/1.0 200 OK";
    vec![
        // Section 9.3.
        open("1.1 close", ok, "Connection: close\r\n", last(200, 5)),
        open("1.1 Close in capitals", ok, "CONNECTION: CLOSE\r\n", last(200, 5)),
        open("1.1 close in a list", ok, "Connection: x-hop, close\r\n", last(200, 5)),
        open(
            "1.1 close on a second line",
            ok,
            "Connection: keep-alive\r\nConnection: close\r\n",
            last(200, 5),
        ),
        open("1.1 closed is not close", ok, "Connection: closed\r\n", kept(200, 5)),
        open("1.1 keep-alive", ok, "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", kept(200, 5)),
        open("1.0", old, "", last(200, 5)),
        open("1.0 keep-alive", old, "Connection: keep-alive\r\n", kept(200, 5)),
        open("1.0 Keep-Alive in capitals", old, "Connection: Keep-Alive\r\n", kept(200, 5)),
        open("1.0 keep-alive and close", old, "Connection: keep-alive, close\r\n", last(200, 5)),
        Case::closed("closed after a whole response", with_status_line(ok), kept(200, 5)),
    ]
}

fn other_protocols() -> Vec<Case> {
    // An HTTP/2 SETTINGS frame, what a server of prior knowledge says first.
    let settings = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64";
    vec![
        Case::open("HTTP/2 settings frame", settings, Malformed),
        Case::open("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Malformed),
        Case::open("TLS alert", b"\x15\x03\x01\x00\x02\x02\x46", Malformed),
        Case::open("SSH banner", "SSH-2.0-OpenSSH_9.6\r\n", Malformed),
        Case::open("mail greeting", "220 mail.example ESMTP\r\n", Malformed),
        Case::open("a request for an answer", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", Malformed),
        Case::open("HTTP/0.9", "<html>hello</html>\r\n", Malformed),
        Case::open("NULs", [0; 64], Malformed),
        Case::open("high bytes", [0xff; 64], Malformed),
    ]
}
