//! One request and its answer, to servers on this machine.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The body of `GET path` from `address`, which must answer 200.
#[track_caller]
pub(crate) fn get(address: &str, path: &str) -> String {
    get_as(address, path, "*/*")
}

/// The same in the form that `accept` names. HTTP/1.0: the body ends with the connection.
#[track_caller]
pub(crate) fn get_as(address: &str, path: &str, accept: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(ANSWER_LIMIT)).unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    body.to_owned()
}

/// `text` as the value of a parameter in a URL.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(byte.into()),
            _ => write!(escaped, "%{byte:02X}").unwrap(),
        }
    }
    escaped
}

const ANSWER_LIMIT: Duration = Duration::from_secs(20);
