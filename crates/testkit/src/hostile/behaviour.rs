//! Scripts for a connection.

use std::time::Duration;

use crate::corpus::Case;

/// What a server does on a connection: the steps in order, then the end. A step that fails because the client has
/// gone ends the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// What is done.
    pub steps: Vec<Step>,
    /// What follows.
    pub end: End,
}

/// One thing a server does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reads a request up to the blank line and counts it.
    ReadHead,
    /// Reads a request with the body that its Content-Length announces, and counts it.
    ReadRequest,
    /// Waits for the first byte of a request and leaves it unread.
    AwaitByte,
    /// Writes these bytes.
    Write(Vec<u8>),
    /// Writes these bytes one by one, with a pause after each.
    Drip(Vec<u8>, Duration),
    /// Writes these bytes again and again until the client goes.
    WriteForever(Vec<u8>),
    /// Does nothing for so long.
    Pause(Duration),
    /// Reads and answers nothing until the client goes.
    Hold,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Sends a FIN, then reads on until the client goes too, so that nothing written is lost.
    Finish,
    /// Closes at once: what the client sends afterwards is met by an RST.
    Close,
    /// Closes with an RST.
    Reset,
    /// Starts over, on the same connection.
    Again,
}

/// A response of status 200 that keeps the connection, with the body `hello`.
const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

impl Behaviour {
    /// Answers every request with a good response: for the connections between the hostile ones.
    pub fn good() -> Self {
        Self::new([Step::ReadRequest, write(HELLO)], End::Again)
    }

    /// Answers every request with these bytes.
    pub fn answer(response: impl Into<Vec<u8>>) -> Self {
        Self::new([Step::ReadRequest, Step::Write(response.into())], End::Again)
    }

    /// Answers as a case of the corpus says: on one connection once.
    pub fn replay(case: &Case) -> Self {
        Self::replayed(Step::Write(case.response.clone()), case)
    }

    /// Answers as a case of the corpus says, every byte written for itself.
    pub fn replay_bytewise(case: &Case) -> Self {
        Self::replayed(Step::Drip(case.response.clone(), Duration::ZERO), case)
    }

    fn replayed(answer: Step, case: &Case) -> Self {
        if case.close_after {
            Self::new([Step::ReadRequest, answer], End::Finish)
        } else {
            Self::new([Step::ReadRequest, answer, Step::Hold], End::Finish)
        }
    }

    /// Accepts and never says anything.
    pub fn silent() -> Self {
        Self::new([Step::Hold], End::Finish)
    }

    /// Reads requests and never answers them.
    pub fn unanswering() -> Self {
        Self::new([Step::ReadRequest], End::Again)
    }

    /// Closes as soon as it has accepted.
    pub fn close_at_once() -> Self {
        Self::new([], End::Close)
    }

    /// Reads a request and closes.
    pub fn close_before_response() -> Self {
        Self::new([Step::ReadRequest], End::Finish)
    }

    /// Reads a request and resets.
    pub fn reset_before_response() -> Self {
        Self::new([Step::ReadRequest], End::Reset)
    }

    /// Resets in the middle of the head.
    pub fn reset_in_head() -> Self {
        Self::new([Step::ReadRequest, write("HTTP/1.1 200 OK\r\ncontent-")], End::Reset)
    }

    /// Resets in the middle of the body.
    pub fn reset_in_body() -> Self {
        Self::new(
            [Step::ReadRequest, write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhello")],
            End::Reset,
        )
    }

    /// Answers a request with 64 KiB that are not HTTP.
    pub fn garbage() -> Self {
        // A multiplicative generator: reproducible, and no printable protocol.
        let bytes = (0..65_536u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        Self::new([Step::ReadRequest, Step::Write(bytes)], End::Finish)
    }

    /// Sends header lines without end.
    pub fn endless_headers() -> Self {
        let lines = "x-more: of the same and never enough of it\r\n".repeat(100);
        Self::new(
            [Step::ReadRequest, write("HTTP/1.1 200 OK\r\n"), Step::WriteForever(lines.into())],
            End::Finish,
        )
    }

    /// Sends one header line of `len` bytes, then a good end.
    pub fn huge_header(len: usize) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\nx-huge: {}\r\ncontent-length: 0\r\n\r\n", "a".repeat(len));
        Self::answer(head)
    }

    /// Sends a body without end, as a length that is not announced.
    pub fn endless_body() -> Self {
        let start = write("HTTP/1.1 200 OK\r\n\r\n");
        Self::new([Step::ReadRequest, start, Step::WriteForever(vec![b'x'; 4_096])], End::Finish)
    }

    /// Sends chunks without end.
    pub fn endless_chunks() -> Self {
        let start = write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        Self::new([Step::ReadRequest, start, Step::WriteForever(b"5\r\nhello\r\n".repeat(400))], End::Finish)
    }

    /// Sends interim responses without end.
    pub fn interim_flood() -> Self {
        let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n".repeat(100);
        Self::new([Step::ReadRequest, Step::WriteForever(interim.into())], End::Finish)
    }

    /// Sends a good response, one byte after each pause.
    pub fn drip(pause: Duration) -> Self {
        Self::new([Step::ReadRequest, Step::Drip(HELLO.into(), pause)], End::Again)
    }

    /// Sends a good response in two halves, `at` bytes before the pause.
    pub fn halves(at: usize, pause: Duration) -> Self {
        let (first, second) = HELLO.split_at(at.min(HELLO.len()));
        Self::new([Step::ReadRequest, write(first), Step::Pause(pause), write(second)], End::Again)
    }

    /// Answers when it has read the head of a request, and reads the body never; then closes.
    pub fn early_response() -> Self {
        let response = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        Self::new([Step::ReadHead, write(response)], End::Finish)
    }

    /// Answers before it has read anything.
    pub fn answer_unasked() -> Self {
        Self::new([write(HELLO), Step::Hold], End::Finish)
    }

    /// Keeps the connection for `responses` good responses, then closes it while it is idle.
    pub fn close_when_idle_after(responses: usize) -> Self {
        Self::new(good_responses(responses), End::Close)
    }

    /// Keeps the connection for `responses` good responses, and resets it when the next request has begun to arrive:
    /// the race of a server that gives up an idle connection while the client uses it.
    pub fn reset_on_reuse_after(responses: usize) -> Self {
        let mut steps = good_responses(responses);
        steps.push(Step::AwaitByte);
        Self::new(steps, End::Reset)
    }

    /// As [`Behaviour::reset_on_reuse_after`], but the next request is read whole and then met by a FIN.
    pub fn close_on_reuse_after(responses: usize) -> Self {
        let mut steps = good_responses(responses);
        steps.push(Step::ReadRequest);
        Self::new(steps, End::Finish)
    }

    fn new(steps: impl Into<Vec<Step>>, end: End) -> Self {
        Self { steps: steps.into(), end }
    }
}

fn good_responses(count: usize) -> Vec<Step> {
    vec![[Step::ReadRequest, write(HELLO)]; count].concat()
}

fn write(text: &str) -> Step {
    Step::Write(text.into())
}
