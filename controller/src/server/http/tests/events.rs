//! Following a run: whatever is cut, nothing is lost, repeated or out of order, and no gap is silent.

use api::http::{CutReason, RunEvent, RunEventBody, RunExit, StreamCut};
use jsonschema::Validator;
use net::WallTime;
use net::api_token::{Role, TokenList, TokenSet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::{Access, openapi_json};
use super::script::{FORGOTTEN, RUNNING, UNKNOWN, run};
use super::stage::{Stage, limits};

/// A client that follows the run that makes load, byte by byte.
struct Reader {
    stream: TcpStream,
    /// What was read, chunks unwrapped, and not yet handed out.
    text: String,
    /// What was read, as it came.
    raw: Vec<u8>,
    ended: bool,
}

/// What a client sees.
#[derive(Debug, PartialEq)]
enum Seen {
    Event(Box<RunEvent>),
    Cut(StreamCut),
    Comment,
    /// How soon to come again.
    Retry,
}

impl Reader {
    async fn open(stage: &Stage, query: &str, last: Option<u64>) -> Self {
        let last = last.map(|last| format!("last-event-id: {last}\r\n")).unwrap_or_default();
        Self::with_headers(stage, query, &last).await
    }

    async fn with_headers(stage: &Stage, query: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(stage.address).await.unwrap();
        let path = format!("/api/v1/runs/{}/events{query}", run(RUNNING));
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut reader = Self { stream, text: String::new(), raw: Vec::new(), ended: false };
        let head = loop {
            if let Some(end) = reader.raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break String::from_utf8(reader.raw.drain(..end + 4).collect()).unwrap();
            }
            assert!(reader.read(64).await, "the head is whole");
        };
        assert!(
            head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/event-stream"),
            "{head}"
        );
        reader
    }

    /// Reads at most so many bytes; says whether there were any.
    async fn read(&mut self, most: usize) -> bool {
        let mut bytes = vec![0; most];
        let read = self.stream.read(&mut bytes).await.unwrap();
        self.raw.extend_from_slice(&bytes[..read]);
        read > 0
    }

    /// Unwraps whole chunks.
    fn unwrap_chunks(&mut self) {
        while let Some(line) = self.raw.windows(2).position(|two| two == b"\r\n") {
            let size = usize::from_str_radix(str::from_utf8(&self.raw[..line]).unwrap(), 16).unwrap();
            let (from, to) = (line + 2, line + 2 + size);
            if self.raw.len() < to + 2 {
                return;
            }
            self.ended |= size == 0;
            self.text.push_str(str::from_utf8(&self.raw[from..to]).unwrap());
            self.raw.drain(..to + 2);
        }
    }

    /// The next thing that is whole in what was read.
    fn whole(&mut self) -> Option<Seen> {
        self.unwrap_chunks();
        let end = self.text.find("\n\n")?;
        let block: String = self.text.drain(..end + 2).collect();
        let of = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        if block.starts_with(':') {
            return Some(Seen::Comment);
        }
        if block.starts_with("retry: ") {
            return Some(Seen::Retry);
        }
        let (kind, data) = (of("event: ").unwrap(), of("data: ").unwrap());
        if kind == "cut" {
            assert_eq!(of("id: "), None, "a cut is no event of the run");
            return Some(Seen::Cut(serde_json::from_str(&data).unwrap()));
        }
        let event: RunEvent = serde_json::from_str(&data).unwrap();
        assert_eq!(of("id: "), Some(event.seq.to_string()));
        assert_eq!(kind, event.body.kind());
        Some(Seen::Event(Box::new(event)))
    }

    /// The next thing, or none at the end.
    async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some(seen) = self.whole() {
                return Some(seen);
            }
            if self.ended {
                return None;
            }
            assert!(self.read(4096).await, "a stream ends well or is cut with a word");
        }
    }

    /// Everything up to the end.
    async fn rest(&mut self) -> Vec<Seen> {
        let mut all = Vec::new();
        while let Some(seen) = self.next().await {
            all.extend(Some(seen).filter(|seen| *seen != Seen::Retry));
        }
        all
    }
}

fn seqs(all: &[Seen]) -> Vec<u64> {
    let seqs = all.iter().filter_map(|seen| match seen {
        Seen::Event(event) => Some(event.seq),
        _ => None,
    });
    seqs.collect()
}

fn incident(text: &str) -> RunEventBody {
    RunEventBody::Incident { text: text.into() }
}

fn sealed() -> RunEventBody {
    RunEventBody::Sealed(RunExit { code: 0, name: "passed".into(), reasons: Vec::new() })
}

#[tokio::test]
async fn what_was_comes_first_then_what_comes_and_the_last_event_ends_the_stream() {
    let stage = Stage::open().await;
    stage.script().happens(incident("a line\nand \u{1f980} another\r\n\r\nid: 9"));
    let mut reader = Reader::open(&stage, "", None).await;
    assert_eq!(reader.next().await, Some(Seen::Retry));
    let Some(Seen::Event(first)) = reader.next().await else { panic!("there is an event") };
    assert_eq!(first.body, incident("a line\nand \u{1f980} another\r\n\r\nid: 9"));
    stage.script().happens(incident("later"));
    assert!(matches!(reader.next().await, Some(Seen::Event(event)) if event.seq == 2));
    stage.script().happens(sealed());
    assert_eq!(seqs(&reader.rest().await), [3]);
    // Whoever has everything is told that there is nothing more, by the end.
    assert_eq!(Reader::open(&stage, "", Some(3)).await.rest().await, []);
}

#[tokio::test]
async fn a_token_that_is_revoked_follows_no_further() {
    let mut tokens = TokenSet::default();
    let (id, text) = tokens.create(Role::Observe, WallTime::from_unix(0)).unwrap();
    let list = TokenList::from(tokens.clone());
    let stage = Stage::with(Access::Tokens(list.clone()), limits()).await;
    let authorization = format!("authorization: Bearer {}\r\n", text.expose());
    let mut reader = Reader::with_headers(&stage, "", &authorization).await;
    assert_eq!(reader.next().await, Some(Seen::Retry));
    stage.script().happens(incident("seen"));
    assert!(matches!(reader.next().await, Some(Seen::Event(_))));
    tokens.revoke(&id);
    list.replace(tokens);
    stage.script().happens(incident("unseen"));
    assert_eq!(reader.rest().await, []);
}

#[tokio::test]
async fn every_event_is_as_the_document_says() {
    let stage = Stage::open().await;
    let mut schema: serde_json::Value = serde_json::from_str(&openapi_json()).unwrap();
    schema["$ref"] = "#/components/schemas/RunEvent".into();
    let validator: Validator = jsonschema::validator_for(&schema).unwrap();
    stage.script().happens(incident("x"));
    stage.script().happens(sealed());
    for seen in Reader::open(&stage, "", None).await.rest().await {
        let Seen::Event(event) = seen else { panic!("{seen:?}") };
        assert!(validator.is_valid(&serde_json::to_value(&event).unwrap()), "{event:?}");
    }
    assert!(!validator.is_valid(&serde_json::json!({ "seq": 1, "at": "", "kind": "nonsense" })));
}

#[tokio::test]
async fn a_client_goes_on_after_the_number_it_names_by_header_or_by_query() {
    let stage = Stage::open().await;
    for n in 1..=9 {
        stage.script().happens(incident(&n.to_string()));
    }
    stage.script().happens(sealed());
    let seen = async |query: &str, last| seqs(&Reader::open(&stage, query, last).await.rest().await);
    assert_eq!(seen("", None).await, (1..=10).collect::<Vec<_>>());
    assert_eq!(seen("?after=7", None).await, [8, 9, 10]);
    assert_eq!(seen("", Some(8)).await, [9, 10]);
    // A browser comes again with the query it was given first and the header it knows now.
    assert_eq!(seen("?after=2", Some(9)).await, [10]);
    let path = |number: u128| format!("/api/v1/runs/{}/events", run(number));
    stage.get(&path(UNKNOWN)).await.refused(404, "unknown_run");
    stage.get(&path(FORGOTTEN)).await.refused(410, "forgotten");
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_told_in_its_place() {
    let stage = Stage::open().await;
    for n in 1..=9 {
        stage.script().happens(incident(&n.to_string()));
    }
    stage.script().happens(sealed());
    stage.script().forgets(6);
    let all = Reader::open(&stage, "", Some(2)).await.rest().await;
    assert_eq!(seqs(&all), [6, 7, 8, 9, 10]);
    let Seen::Event(first) = &all[0] else { panic!("{all:?}") };
    assert!(matches!(first.body, RunEventBody::Compacted { oldest: 7, .. }), "{first:?}");
    assert_eq!(seqs(&Reader::open(&stage, "", Some(6)).await.rest().await), [7, 8, 9, 10]);
}

#[tokio::test]
async fn a_thousand_cuts_lose_repeat_and_turn_back_nothing() {
    const CUTS: u64 = 1_000;
    let stage = Stage::open().await;
    // Numbers that look like chance and are the same each time.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut chance = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let (mut seen, mut happened, mut cuts) = (0, 0, 0);
    while cuts < CUTS {
        let mut reader = Reader::open(&stage, "", Some(seen)).await;
        // Before it looks, while it looks: events come at any time.
        for _ in 0..chance(6) {
            happened += 1;
            stage.script().happens(incident(&"x".repeat(chance(90) as usize)));
        }
        let mut left = chance(500);
        loop {
            while let Some(event) = reader.whole() {
                if let Seen::Event(event) = event {
                    assert_eq!(event.seq, seen + 1);
                    seen = event.seq;
                }
            }
            if left == 0 || seen == happened {
                break;
            }
            // Cut wherever it is, mostly inside of an event, which then counts as not seen.
            let bytes = 1 + chance(40.min(left));
            assert!(reader.read(bytes as usize).await);
            left = left.saturating_sub(bytes);
        }
        cuts += 1;
    }
    assert!(happened > CUTS, "there was something to lose");
    stage.script().happens(sealed());
    let rest = Reader::open(&stage, "", Some(seen)).await.rest().await;
    assert_eq!(seqs(&rest), (seen + 1..=happened + 1).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_how_far_it_came_and_goes_on_from_there() {
    let stage = Stage::open().await;
    let mut reader = Reader::open(&stage, "", None).await;
    assert_eq!(reader.next().await, Some(Seen::Retry));
    // It does not read: the kernel's buffers fill, then its queue, then it is given up.
    let large = "x".repeat(60_000);
    let mut happened = 0;
    while stage.script().watchers() > 0 {
        assert!(happened < 10_000, "600 MB wait for nobody");
        happened += 1;
        stage.script().happens(incident(&large));
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        happened += 1;
        stage.script().happens(incident("after"));
    }
    stage.script().happens(sealed());
    let mut all = reader.rest().await;
    let Some(Seen::Cut(cut)) = all.pop() else { panic!("the last word is how far it came") };
    assert_eq!(cut.reason, CutReason::Overflow);
    assert_eq!(seqs(&all), (1..=cut.last_seq).collect::<Vec<_>>());
    assert!(cut.last_seq < happened);
    let rest = Reader::open(&stage, "", Some(cut.last_seq)).await.rest().await;
    assert_eq!(seqs(&rest), (cut.last_seq + 1..=happened + 1).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_end_of_the_controller_is_told_too_and_holds_up_nobody() {
    let stage = Stage::open().await;
    stage.script().happens(incident("x"));
    let mut reader = Reader::open(&stage, "", None).await;
    assert_eq!(reader.next().await, Some(Seen::Retry));
    assert!(matches!(reader.next().await, Some(Seen::Event(_))));
    let ending = tokio::spawn(stage.end());
    let cut = StreamCut { last_seq: 1, reason: CutReason::ShuttingDown };
    assert_eq!(reader.rest().await, [Seen::Cut(cut)]);
    assert_eq!(ending.await.unwrap(), 0, "no connection had to be cut");
}

#[tokio::test(start_paused = true)]
async fn a_stream_on_which_nothing_happens_shows_that_it_lives() {
    let stage = Stage::open().await;
    let mut reader = Reader::open(&stage, "", None).await;
    assert_eq!(reader.next().await, Some(Seen::Retry));
    for _ in 0..10 {
        assert_eq!(reader.next().await, Some(Seen::Comment));
    }
    stage.script().happens(incident("x"));
    assert!(matches!(reader.next().await, Some(Seen::Event(event)) if event.seq == 1));
}
