//! Playing a script on a connection.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::{Behaviour, End, Step};
use crate::acceptor::Shared;

/// Plays `behaviour` to its end or until the client goes.
pub(super) fn play(behaviour: &Behaviour, stream: &TcpStream, shared: &Shared) {
    // Every write is a segment of its own, as scripted. It fails only on a connection that is gone already.
    let _ = stream.set_nodelay(true);
    let mut unread = Vec::new();
    loop {
        for step in &behaviour.steps {
            if !take(step, stream, shared, &mut unread).unwrap_or(false) {
                return;
            }
        }
        match behaviour.end {
            // A script that never reads would spin.
            End::Again if behaviour.steps.is_empty() => return,
            End::Again => {}
            End::Close => return,
            End::Finish => {
                if stream.shutdown(Shutdown::Write).is_ok() {
                    hold(stream);
                }
                return;
            }
            End::Reset => {
                // Fails only on a connection that is gone already.
                let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
                return;
            }
        }
    }
}

/// Takes one step; whether the client is still there.
fn take(step: &Step, mut stream: &TcpStream, shared: &Shared, unread: &mut Vec<u8>) -> io::Result<bool> {
    match step {
        Step::ReadHead => {
            let Some(head_len) = read_head(stream, unread)? else { return Ok(false) };
            shared.count_request();
            unread.drain(..head_len);
        }
        Step::ReadRequest => {
            let Some(head_len) = read_head(stream, unread)? else { return Ok(false) };
            shared.count_request();
            let len = head_len + body_len(&unread[..head_len]);
            while unread.len() < len {
                if !read_more(stream, unread)? {
                    return Ok(false);
                }
            }
            unread.drain(..len);
        }
        Step::AwaitByte => return Ok(!unread.is_empty() || stream.peek(&mut [0])? > 0),
        Step::Write(bytes) => stream.write_all(bytes)?,
        Step::Drip(bytes, pause) => {
            for byte in bytes {
                stream.write_all(&[*byte])?;
                if !pause.is_zero() && !shared.pause(*pause) {
                    return Ok(false);
                }
            }
        }
        Step::WriteForever(bytes) => loop {
            stream.write_all(bytes)?;
        },
        Step::Pause(pause) => return Ok(shared.pause(*pause)),
        Step::Hold => hold(stream),
    }
    Ok(true)
}

/// Reads until the client goes.
fn hold(mut stream: &TcpStream) {
    let mut sink = [0; 4_096];
    while stream.read(&mut sink).is_ok_and(|len| len > 0) {}
}

/// Reads until `unread` begins with a whole head; its length, `None` when the client goes before that.
fn read_head(stream: &TcpStream, unread: &mut Vec<u8>) -> io::Result<Option<usize>> {
    loop {
        if let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            return Ok(Some(at + 4));
        }
        if !read_more(stream, unread)? {
            return Ok(None);
        }
    }
}

/// The body length that a request's head announces.
fn body_len(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

fn read_more(mut stream: &TcpStream, unread: &mut Vec<u8>) -> io::Result<bool> {
    let mut part = [0; 4_096];
    let len = stream.read(&mut part)?;
    unread.extend_from_slice(&part[..len]);
    Ok(len > 0)
}
