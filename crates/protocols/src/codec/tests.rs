use proptest::prelude::*;

use super::*;

/// What a response was read as.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    ended: bool,
}

impl Observer for Read {
    fn head(&mut self, status: u16, headers: &[Header<'_>]) {
        assert_eq!(self.status, 0, "one response has one head");
        self.status = status;
        self.headers = headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect();
    }

    fn head_again(&mut self) {
        unreachable!("nothing is known of the first response");
    }

    fn body(&mut self, piece: &[u8], last: bool) {
        assert!(!self.ended, "nothing comes after the last piece");
        self.body.extend_from_slice(piece);
        self.ended = last;
    }
}

/// How a response ends that is fed in pieces of at most `step` bytes; `consumed` counts from its start.
fn feed(bytes: &[u8], step: usize, answers_head: bool) -> (Progress, Read) {
    let (mut codec, mut read) = (Codec::default(), Read::default());
    codec.begin(answers_head);
    let mut before = 0;
    for piece in bytes.chunks(step.max(1)) {
        match codec.feed(piece, &mut HeadMemo::default(), &mut read) {
            Progress::More => before += piece.len(),
            Progress::Complete { consumed, keep_alive } => {
                assert!(read.ended);
                return (Progress::Complete { consumed: before + consumed, keep_alive }, read);
            }
            failed @ Progress::Failed(_) => return (failed, read),
        }
    }
    if codec.finish(&mut read) {
        return (Progress::Complete { consumed: before, keep_alive: false }, read);
    }
    (Progress::More, read)
}

/// Asserts how `response` reads, whole and in pieces of every small size.
fn check(response: &[u8], answers_head: bool, expected: Progress, body: &[u8]) {
    for step in (1..20).chain([response.len()]) {
        let (progress, read) = feed(response, step, answers_head);
        let shown = String::from_utf8_lossy(response);
        assert_eq!(progress, expected, "in pieces of {step}: {shown}");
        if matches!(expected, Progress::Complete { .. }) {
            assert_eq!(read.body, body, "in pieces of {step}: {shown}");
        }
    }
}

#[track_caller]
fn complete(response: &str, body: &str, extra: usize, keep_alive: bool) {
    let consumed = response.len() - extra;
    check(response.as_bytes(), false, Progress::Complete { consumed, keep_alive }, body.as_bytes());
}

#[track_caller]
fn fails(response: &str, class: ErrorClass) {
    check(response.as_bytes(), false, Progress::Failed(class), b"");
}

#[test]
fn lengths_chunks_and_closes_frame_a_body() {
    complete("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 0, true);
    complete("HTTP/1.1 200 OK\r\ncontent-length:5 \r\n\r\nhelloextra", "hello", 5, true);
    complete("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 0, true);
    complete("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\nhello", "hello", 0, true);
    complete("HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end", 0, false);
    complete("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nzzz", "zzz", 0, false);
    complete(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n4;a=b\r\nwiki\r\n00A \t\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
        "wiki0123456789",
        0,
        true,
    );
    complete("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP", "", 4, true);
}

#[test]
fn some_responses_have_no_body_whatever_they_announce() {
    complete("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "", 0, true);
    complete("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\nx", "", 1, true);
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
    check(response, true, Progress::Complete { consumed: response.len(), keep_alive: true }, b"");
}

#[test]
fn interim_responses_are_read_over() {
    complete(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        "x",
        0,
        true,
    );
    fails("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", ErrorClass::Malformed);
}

#[test]
fn version_and_connection_decide_whether_the_connection_stays() {
    let check = |version: &str, connection: &str, keep_alive| {
        let response = format!("HTTP/{version} 200 OK\r\nContent-Length: 1\r\n{connection}\r\nx");
        complete(&response, "x", 0, keep_alive);
    };
    check("1.1", "", true);
    check("1.1", "Connection: Close\r\n", false);
    check("1.1", "connection: upgrade, close\r\n", false);
    check("1.1", "Connection: closed\r\n", true);
    check("1.0", "", false);
    check("1.0", "Connection: Keep-Alive\r\n", true);
    check("1.0", "Connection: keep-alive\r\nConnection: close\r\n", false);
}

#[test]
fn doubtful_framing_counts_but_ends_the_connection() {
    complete(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "x",
        0,
        false,
    );
    complete(
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "",
        0,
        false,
    );
}

#[test]
fn what_is_no_response_is_malformed() {
    for response in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 099 Low\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n\r\n",
    ] {
        fails(response, ErrorClass::Malformed);
    }
}

#[test]
fn what_is_cut_off_is_not_complete() {
    for response in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Len",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        assert_eq!(feed(response.as_bytes(), 7, false).0, Progress::More, "{response}");
    }
}

#[test]
fn many_headers_are_read_and_too_many_are_not() {
    let response = |count: usize| {
        let headers: String = (0..count).map(|n| format!("X-{n}: v\r\n")).collect();
        format!("HTTP/1.1 204 OK\r\n{headers}\r\n")
    };
    for count in [FEW_HEADERS, FEW_HEADERS + 1, MAX_HEADERS] {
        assert_eq!(feed(response(count).as_bytes(), usize::MAX, false).1.headers.len(), count);
    }
    fails(&response(MAX_HEADERS + 1), ErrorClass::HeadTooLarge);
}

#[test]
fn endless_heads_and_trailers_and_chunk_extensions_end() {
    let endless = |start: &str, step: usize| {
        let bytes = [start.as_bytes(), &vec![b'a'; MAX_HEAD_BYTES + 1]].concat();
        feed(&bytes, step, false).0
    };
    for step in [100, 1000, usize::MAX] {
        let too_large = Progress::Failed(ErrorClass::HeadTooLarge);
        assert_eq!(endless("HTTP/1.1 200 OK\r\nX: ", step), too_large);
        assert_eq!(endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", step), too_large);
        let malformed = Progress::Failed(ErrorClass::Malformed);
        assert_eq!(endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", step), malformed);
    }
    let blank_lines = "\r\n".repeat(MAX_HEAD_BYTES);
    assert_eq!(feed(blank_lines.as_bytes(), 999, false).0, Progress::Failed(ErrorClass::HeadTooLarge));
}

#[test]
fn a_head_of_the_largest_size_is_read() {
    let start = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX: ";
    let value = "v".repeat(MAX_HEAD_BYTES - start.len() - 4);
    let response = format!("{start}{value}\r\n\r\nx");
    for step in [777, MAX_HEAD_BYTES, usize::MAX] {
        let complete = Progress::Complete { consumed: response.len(), keep_alive: true };
        assert_eq!(feed(response.as_bytes(), step, false).0, complete, "in pieces of {step}");
    }
}

#[test]
fn a_codec_reads_one_response_after_the_other() {
    let mut codec = Codec::default();
    for response in ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 204 OK\r\n\r\n"] {
        codec.begin(false);
        let mut read = Read::default();
        let (start, end) = response.split_at(10);
        assert_eq!(codec.feed(start.as_bytes(), &mut HeadMemo::default(), &mut read), Progress::More);
        let complete = Progress::Complete { consumed: end.len(), keep_alive: true };
        assert_eq!(codec.feed(end.as_bytes(), &mut HeadMemo::default(), &mut read), complete);
    }
}

/// Reads responses under one memo.
#[derive(Default)]
struct Knowing {
    known: (u16, Vec<(String, Vec<u8>)>),
    recalled: usize,
    read: Read,
}

impl Observer for Knowing {
    fn head(&mut self, status: u16, headers: &[Header<'_>]) {
        self.read.head(status, headers);
        self.known = (self.read.status, self.read.headers.clone());
    }

    fn head_again(&mut self) {
        self.recalled += 1;
        (self.read.status, self.read.headers) = self.known.clone();
    }

    fn body(&mut self, piece: &[u8], last: bool) {
        self.read.body(piece, last);
    }
}

impl Knowing {
    /// How `response` reads, fed in two parts and after those before it.
    fn next(
        &mut self,
        response: &[u8],
        split: usize,
        answers_head: bool,
        memo: &mut HeadMemo,
    ) -> (Progress, Read) {
        let mut codec = Codec::default();
        codec.begin(answers_head);
        let (start, end) = response.split_at(split.min(response.len()));
        let mut progress = codec.feed(start, memo, self);
        if progress == Progress::More {
            progress = match codec.feed(end, memo, self) {
                Progress::Complete { consumed, keep_alive } => {
                    Progress::Complete { consumed: start.len() + consumed, keep_alive }
                }
                progress => progress,
            };
        }
        if progress == Progress::More && codec.finish(self) {
            progress = Progress::Complete { consumed: response.len(), keep_alive: false };
        }
        (progress, std::mem::take(&mut self.read))
    }
}

#[test]
fn a_known_head_is_recalled_and_one_that_differs_in_a_byte_is_not() {
    let (mut knowing, mut memo) = (Knowing::default(), HeadMemo::default());
    let hello = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let longer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!";
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    let responses: [&[u8]; 6] = [hello, hello, longer, chunked, chunked, b"HTTP/1.1 200 OK\r\nContent-Le"];
    for (response, recalled) in responses.into_iter().zip([0, 1, 1, 1, 2, 2]) {
        assert_eq!(knowing.next(response, usize::MAX, false, &mut memo), feed(response, usize::MAX, false));
        assert_eq!(knowing.recalled, recalled);
    }
    // A head in two parts takes the place of the known one.
    assert_eq!(knowing.next(longer, 20, false, &mut memo).1.body, b"hello!");
    for response in [longer.as_slice(), hello] {
        assert_eq!(knowing.next(response, usize::MAX, false, &mut memo), feed(response, usize::MAX, false));
    }
    assert_eq!(knowing.recalled, 3);
    let large = format!("HTTP/1.1 204 OK\r\nX: {}\r\n\r\n", "x".repeat(2_000));
    for response in [large.as_bytes(), large.as_bytes(), hello] {
        assert_eq!(knowing.next(response, usize::MAX, false, &mut memo), feed(response, usize::MAX, false));
    }
    assert_eq!(knowing.recalled, 3);
}

/// Bytes that look like a response often enough to come far into the codec.
fn nearly_a_response() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 500 No\r\n",
        "HTTP/1.1 100 Go\r\n",
        "Content-Length: ",
        "Transfer-Encoding: chunked",
        "Connection: close",
        "18446744073709551615",
        "5",
        "0",
        ",",
        ";",
        ":",
        " ",
        "\r",
        "\n",
        "\r\n",
        "\r\n\r\n",
        "hello",
        "\0",
        "\u{ff}",
    ]);
    let part = prop_oneof![
        8 => parts.prop_map(|part| part.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

/// Whole responses that differ in little: a status, a length, a header, perhaps one byte anywhere.
fn much_alike() -> impl Strategy<Value = Vec<u8>> {
    let one_of = |parts: &[&'static str]| prop::sample::select(parts.to_vec());
    let first_line = one_of(&[
        "HTTP/1.1 200 OK",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 304 OK",
        "HTTP/1.1 103 Go\r\n\r\nHTTP/1.1 200 OK",
    ]);
    let framing = one_of(&["Content-Length: 5", "Content-Length: 3", "Transfer-Encoding: chunked", "X: 5"]);
    let option = one_of(&["Connection: keep-alive", "Connection: close", "Date: now"]);
    let body = one_of(&["hello", "", "1\r\nx\r\n0\r\n\r\n"]);
    let slip = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (first_line, framing, option, body, slip).prop_map(|(first_line, framing, option, body, slip)| {
        let mut bytes = format!("{first_line}\r\n{framing}\r\n{option}\r\n\r\n{body}").into_bytes();
        if let Some((at, byte)) = slip {
            *at.get_mut(&mut bytes) = byte;
        }
        bytes
    })
}

proptest! {
    /// Whatever comes, in whatever pieces, there is no panic, and the pieces do not matter.
    #[test]
    fn any_bytes_read_the_same_in_any_pieces(
        start in any::<bool>(),
        tail in nearly_a_response(),
        step in 1usize..40,
        answers_head in any::<bool>(),
    ) {
        let start: &[u8] = if start { b"HTTP/1.1 200 OK\r\n" } else { b"" };
        let bytes = [start, tail.as_slice()].concat();
        let whole = feed(&bytes, usize::MAX, answers_head);
        let pieces = feed(&bytes, step, answers_head);
        prop_assert_eq!(&whole.0, &pieces.0);
        if matches!(whole.0, Progress::Complete { .. }) {
            prop_assert_eq!(whole.1, pieces.1);
        }
    }

    /// What is known of earlier responses changes nothing about later ones.
    #[test]
    fn responses_read_the_same_after_others(
        responses in prop::collection::vec(prop_oneof![much_alike(), nearly_a_response()], 1..4),
        order in prop::collection::vec((any::<prop::sample::Index>(), 0usize..200), 1..8),
        answers_head in any::<bool>(),
    ) {
        let (mut knowing, mut memo) = (Knowing::default(), HeadMemo::default());
        for (at, split) in order {
            let response = at.get(&responses);
            let (progress, read) = knowing.next(response, split, answers_head, &mut memo);
            let (alone, read_alone) = feed(response, usize::MAX, answers_head);
            prop_assert_eq!(&progress, &alone);
            if matches!(progress, Progress::Complete { .. }) {
                prop_assert_eq!(read, read_alone);
            }
        }
    }
}
