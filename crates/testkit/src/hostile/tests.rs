use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::*;
use crate::corpus;

const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";
const HELLO_LEN: usize = 43;

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Sends a request and reads `len` bytes.
fn exchange(stream: &mut TcpStream, len: usize) -> String {
    stream.write_all(REQUEST).unwrap();
    let mut answer = vec![0; len];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// Sends a request and reads until the server closes.
fn exchange_to_end(server: &Server) -> Vec<u8> {
    let mut stream = connect(server);
    stream.write_all(REQUEST).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn a_good_server_keeps_the_connection_and_counts() {
    let server = Server::start(Behaviour::good());
    let mut stream = connect(&server);
    for _ in 0..3 {
        assert!(exchange(&mut stream, HELLO_LEN).ends_with("\r\n\r\nhello"));
    }
    assert_eq!((server.accepted(), server.requests()), (1, 3));
}

#[test]
fn behaviours_take_turns_by_connection() {
    let server = Server::start_in_turn(vec![Behaviour::close_before_response(), Behaviour::good()]);
    assert_eq!(exchange_to_end(&server), b"");
    for _ in 0..2 {
        assert!(exchange(&mut connect(&server), HELLO_LEN).starts_with("HTTP/1.1 200"));
    }
    assert_eq!((server.accepted(), server.requests()), (3, 3));
}

#[test]
fn every_case_of_the_corpus_arrives_byte_for_byte() {
    for case in corpus() {
        for behaviour in [Behaviour::replay(&case), Behaviour::replay_bytewise(&case)] {
            let server = Server::start(behaviour);
            if case.close_after {
                assert_eq!(exchange_to_end(&server), case.response, "{}", case.name);
            } else {
                let mut stream = connect(&server);
                stream.write_all(REQUEST).unwrap();
                let mut answer = vec![0; case.response.len()];
                stream.read_exact(&mut answer).unwrap();
                assert_eq!(answer, case.response, "{}", case.name);
            }
        }
    }
}

#[test]
fn resets_are_resets() {
    for (behaviour, written) in [
        (Behaviour::reset_before_response(), 0),
        (Behaviour::reset_in_head(), 25),
        (Behaviour::reset_in_body(), 46),
    ] {
        let server = Server::start(behaviour);
        let mut stream = connect(&server);
        stream.write_all(REQUEST).unwrap();
        let mut answer = Vec::new();
        assert_eq!(stream.read_to_end(&mut answer).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(answer.len(), written);
    }
}

#[test]
fn a_reused_connection_meets_the_scripted_race() {
    let server = Server::start(Behaviour::reset_on_reuse_after(2));
    let mut stream = connect(&server);
    exchange(&mut stream, HELLO_LEN);
    exchange(&mut stream, HELLO_LEN);
    stream.write_all(REQUEST).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.requests(), 2);

    let server = Server::start(Behaviour::close_on_reuse_after(1));
    let mut stream = connect(&server);
    exchange(&mut stream, HELLO_LEN);
    stream.write_all(REQUEST).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(server.requests(), 2);

    let server = Server::start(Behaviour::close_when_idle_after(1));
    let mut stream = connect(&server);
    exchange(&mut stream, HELLO_LEN);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed before the next request");
}

#[test]
fn endless_answers_do_not_end() {
    for behaviour in [
        Behaviour::endless_headers(),
        Behaviour::endless_body(),
        Behaviour::endless_chunks(),
        Behaviour::interim_flood(),
        Behaviour::huge_header(2_000_000),
    ] {
        let server = Server::start(behaviour);
        assert!(exchange(&mut connect(&server), 1_000_000).starts_with("HTTP/1.1 "));
    }
}

#[test]
fn answers_come_in_the_scripted_parts() {
    for behaviour in
        [Behaviour::halves(20, Duration::from_millis(1)), Behaviour::drip(Duration::from_micros(10))]
    {
        let server = Server::start(behaviour);
        let mut stream = connect(&server);
        for _ in 0..2 {
            assert!(exchange(&mut stream, HELLO_LEN).ends_with("\r\n\r\nhello"));
        }
    }
}

#[test]
fn an_early_response_comes_before_the_body_is_sent() {
    let server = Server::start(Behaviour::early_response());
    let mut stream = connect(&server);
    stream.write_all(b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "));

    let server = Server::start(Behaviour::answer_unasked());
    let mut answer = vec![0; HELLO_LEN];
    connect(&server).read_exact(&mut answer).unwrap();
    assert_eq!(server.requests(), 0);
}

#[test]
fn servers_end_while_clients_hang_on() {
    for behaviour in
        [Behaviour::silent(), Behaviour::unanswering(), Behaviour::drip(Duration::from_secs(3600))]
    {
        let server = Server::start(behaviour);
        let mut stream = connect(&server);
        stream.write_all(REQUEST).unwrap();
        drop(server);
        let mut rest = Vec::new();
        // A FIN or an RST, by whether the request was read; not a timeout.
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
    }
}

#[test]
fn garbage_is_no_http() {
    let server = Server::start(Behaviour::garbage());
    let answer = exchange_to_end(&server);
    assert_eq!(answer.len(), 65_536);
    assert!(!answer.starts_with(b"HTTP"));
    assert!((0..=255u8).all(|byte| answer.contains(&byte)));
}

#[test]
fn requests_can_be_awaited() {
    let server = Server::start(Behaviour::unanswering());
    let mut stream = connect(&server);
    stream.write_all(&REQUEST.repeat(2)).unwrap();
    server.await_requests(2);
    assert_eq!(server.requests(), 2);
}
