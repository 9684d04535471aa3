//! The codec against hyper's client: what hyper reads as a response, the codec reads the same.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use httparse::Header;
use hyper::Request;
use hyper_util::rt::TokioIo;
use loadgen_protocols::{Codec, HeadMemo, Observer, Progress};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

#[derive(Debug, Default, PartialEq, Eq)]
struct Response {
    status: u16,
    /// Names in lower case, in the order of the response among equals.
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Observer for Response {
    fn head(&mut self, status: u16, headers: &[Header<'_>]) {
        self.status = status;
        self.headers =
            headers.iter().map(|header| (header.name.to_lowercase(), header.value.to_vec())).collect();
        self.headers.sort_by(|a, b| a.0.cmp(&b.0));
    }

    fn head_again(&mut self) {
        unreachable!("nothing is known of the first response");
    }

    fn body(&mut self, piece: &[u8], _: bool) {
        self.body.extend_from_slice(piece);
    }
}

/// What hyper makes of `bytes`, written in pieces and followed by a close.
fn by_hyper(pieces: &[Vec<u8>], method: &str) -> Option<Response> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (client, mut server) = duplex(1 << 20);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(client)).await.ok()?;
        let request = Request::builder().method(method).uri("/").header("host", "a");
        let exchange = async {
            let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.ok()?;
            let (head, body) = response.into_parts();
            let mut headers: Vec<_> = head
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
                .collect();
            headers.sort_by(|a, b| a.0.cmp(&b.0));
            let body = body.collect().await.ok()?.to_bytes().to_vec();
            Some(Response { status: head.status.as_u16(), headers, body })
        };
        let peer = async {
            let mut request = [0; 1024];
            let _ = server.read(&mut request).await;
            for piece in pieces {
                // hyper may have seen enough.
                let _ = server.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            drop(server);
        };
        let (response, _, ()) = tokio::join!(exchange, connection, peer);
        response
    })
}

/// What the codec makes of the same.
fn by_us(pieces: &[Vec<u8>], method: &str) -> Option<Response> {
    let (mut codec, mut response) = (Codec::default(), Response::default());
    codec.begin(method == "HEAD");
    for piece in pieces {
        match codec.feed(piece, &mut HeadMemo::default(), &mut response) {
            Progress::More => {}
            Progress::Complete { .. } => return Some(response),
            Progress::Failed(_) => return None,
        }
    }
    codec.finish(&mut response).then_some(response)
}

/// The body of a response, with the headers that frame it.
fn framed() -> impl Strategy<Value = (String, Vec<u8>)> {
    let body = || prop::collection::vec(any::<u8>(), 0..300);
    let sized = (body(), prop::bool::ANY).prop_map(|(body, twice)| {
        let length = if twice { format!("{0}, {0}", body.len()) } else { body.len().to_string() };
        (format!("Content-Length: {length}\r\n"), body)
    });
    let cut_off = body().prop_map(|body| (format!("Content-Length: {}\r\n", body.len() + 3), body));
    let extension = prop::sample::select(vec!["", ";a", ";a=b", " ", "\t;x=\"y\""]);
    let trailers = prop::sample::select(vec!["", "X-Trailer: 1\r\n", "A: b\r\nC: d\r\n"]);
    let chunks = prop::collection::vec((prop::collection::vec(any::<u8>(), 1..90), extension), 0..5);
    let chunked = (chunks, trailers, prop::bool::ANY).prop_map(|(chunks, trailers, upper)| {
        let mut body = Vec::new();
        for (chunk, extension) in chunks {
            let size = chunk.len();
            let size = if upper { format!("{size:X}") } else { format!("00{size:x}") };
            body.extend_from_slice(format!("{size}{extension}\r\n").as_bytes());
            body.extend_from_slice(&chunk);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
        ("Transfer-Encoding: chunked\r\n".to_owned(), body)
    });
    let until_close = body().prop_map(|body| (String::new(), body));
    prop_oneof![3 => sized, 1 => cut_off, 4 => chunked, 2 => until_close]
}

fn response() -> impl Strategy<Value = Vec<u8>> {
    let interim = prop::sample::select(vec![
        "",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
    ]);
    let version = prop::sample::select(vec!["1.1", "1.1", "1.0"]);
    let status = prop::sample::select(vec![
        "200 OK",
        "204 No Content",
        "304 Not Modified",
        "404 ",
        "500",
        "599 \u{fc}",
    ]);
    let header = prop::sample::select(vec![
        "Connection: close\r\n",
        "connection: keep-alive\r\n",
        "X-Empty:\r\n",
        "X-Blanks: \t a b \t \r\n",
        "x-twice: 1\r\nX-Twice: 2\r\n",
        "Server: \u{fc}\r\n",
    ]);
    let headers = prop::collection::vec(header, 0..4);
    (interim, version, status, headers, framed(), 0usize..3)
        .prop_filter("chunks in HTTP/1.0 are refused by some and read by others", |case| {
            case.1 == "1.1" || !case.4.0.starts_with("Transfer")
        })
        .prop_map(|(interim, version, status, headers, (framing, body), blank_lines)| {
            let head = format!("HTTP/{version} {status}\r\n{}{framing}\r\n", headers.concat());
            [interim.as_bytes(), "\r\n".repeat(blank_lines).as_bytes(), head.as_bytes(), &body].concat()
        })
}

/// `bytes` in pieces of up to `step` bytes.
fn split(bytes: &[u8], step: usize) -> Vec<Vec<u8>> {
    bytes.chunks(step).map(<[u8]>::to_vec).collect()
}

proptest! {
    #[test]
    fn what_is_a_response_to_hyper_is_the_same_to_us(
        bytes in response(),
        step in prop_oneof![1usize..50, Just(4096)],
        method in prop::sample::select(vec!["GET", "GET", "POST", "HEAD"]),
    ) {
        let pieces = split(&bytes, step);
        prop_assert_eq!(by_hyper(&pieces, method), by_us(&pieces, method));
    }

    /// One byte changed anywhere: what hyper still accepts, we read the same, and there is never a panic.
    #[test]
    fn a_damaged_response_that_hyper_accepts_is_the_same_to_us(
        bytes in response(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = bytes;
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let pieces = split(&bytes, 4096);
        let ours = by_us(&pieces, "GET");
        if let Some(response) = by_hyper(&pieces, "GET") {
            prop_assert_eq!(ours, Some(response));
        }
    }
}
