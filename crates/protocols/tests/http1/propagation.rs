//! Trace headers as they arrive at the target.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use engine::{CallId, Completion};
use loadgen_protocols::{Propagated, Stream, Transport};
use metrics::{ErrorClass, Outcome, RunKey, SpanId, TraceContext, TraceId, TraceParent, TraceShape};
use plan::{RequestPlan, Template};

use crate::driver::{Driver, drive, origin, prepared, propagating, request};

const RUN: Propagated = Propagated { run_id: 0x0193_5c1e_0000_7abc_8def_0123_4567_89ab };

/// The span of a request of iteration `n`.
fn span(n: u64, sampled: bool) -> TraceParent {
    let scenario = RunKey::new(RUN.run_id).scenario(0, TraceShape::Linked);
    TraceParent { context: scenario.execution(n).request(0), sampled }
}

/// A `traceparent`, read as W3C Trace Context level 1, section 3.2.2 writes it.
#[track_caller]
fn read(value: &str) -> TraceParent {
    let digits = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let fields: Vec<_> = value.split('-').collect();
    let [version, trace, span, flags] = fields[..] else { panic!("four fields: {value}") };
    assert_eq!([version.len(), trace.len(), span.len(), flags.len()], [2, 32, 16, 2], "{value}");
    assert!(fields.iter().all(|field| digits(field)), "{value}");
    assert_eq!(version, "00");
    let (trace, span) = (u128::from_str_radix(trace, 16).unwrap(), u64::from_str_radix(span, 16).unwrap());
    assert!(trace != 0 && span != 0, "zeroes name nothing");
    let flags = u8::from_str_radix(flags, 16).unwrap();
    assert_eq!(flags & !1, 0, "only `sampled` is known");
    TraceParent {
        context: TraceContext { trace: TraceId(trace), span: SpanId(span) },
        sampled: flags & 1 == 1,
    }
}

/// The values of `name` in the head of one request.
fn header<'a>(request: &'a str, name: &str) -> Vec<&'a str> {
    let head = request.split("\r\n\r\n").next().unwrap();
    let lines = head.split("\r\n").skip(1).map(|line| line.split_once(": ").unwrap());
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

/// Asserts that `request` tells of `parent`, in whole and once.
#[track_caller]
fn check(request: &str, parent: &TraceParent) {
    let values = header(request, "traceparent");
    assert_eq!(values.len(), 1, "{request}");
    assert_eq!(read(values[0]), *parent);
    assert_eq!(header(request, "tracestate"), ["loadgen=01935c1e00007abc8def0123456789ab"]);
    assert_eq!(header(request, "baggage"), ["loadgen.run_id=01935c1e-0000-7abc-8def-0123456789ab"]);
}

/// A target that takes so many bytes in a write, keeps them by connection, and answers what ends with an empty line.
#[derive(Clone)]
struct Narrow {
    room: usize,
    /// The first connection takes so many bytes in all and is closed by the target then.
    first_takes: usize,
    arrived: Rc<RefCell<Vec<Vec<u8>>>>,
    /// Which connection each write was for, in order.
    writes: Rc<RefCell<Vec<usize>>>,
}

struct NarrowStream {
    target: Narrow,
    number: usize,
    room: usize,
    unanswered: usize,
    reader: Option<Waker>,
}

impl Narrow {
    fn new(room: usize) -> Self {
        Self { room, first_takes: usize::MAX, arrived: Rc::default(), writes: Rc::default() }
    }

    fn driver(&self, requests: Vec<RequestPlan>) -> Driver<Self> {
        let prepared = propagating(origin((Ipv4Addr::LOCALHOST, 1).into()), requests, RUN);
        Driver::over(self.clone(), Arc::default(), prepared)
    }

    /// The requests that arrived on a connection.
    fn requests(&self, connection: usize) -> Vec<String> {
        let text = String::from_utf8(self.arrived.borrow()[connection].clone()).unwrap();
        text.split_inclusive("\r\n\r\n").map(str::to_owned).collect()
    }
}

impl Transport for Narrow {
    type Stream = NarrowStream;

    fn connect(&mut self, _: Option<&str>, _: SocketAddr) -> io::Result<NarrowStream> {
        let number = self.arrived.borrow().len();
        self.arrived.borrow_mut().push(Vec::new());
        Ok(NarrowStream { target: self.clone(), number, room: self.room, unanswered: 0, reader: None })
    }
}

impl Stream for NarrowStream {
    fn poll_connected(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
        if self.unanswered > 0 {
            self.unanswered -= 1;
            buffer[..ANSWER.len()].copy_from_slice(ANSWER);
            return Poll::Ready(Ok(ANSWER.len()));
        }
        if self.number == 0 && self.target.arrived.borrow()[0].len() >= self.target.first_takes {
            return Poll::Ready(Ok(0));
        }
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut arrived = self.target.arrived.borrow_mut();
        let room = if self.number == 0 { self.target.first_takes - arrived[0].len() } else { usize::MAX };
        let length = bytes.len().min(self.room).min(room);
        if length == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room -= length;
        arrived[self.number].extend_from_slice(&bytes[..length]);
        self.target.writes.borrow_mut().push(self.number);
        let complete = arrived[self.number].ends_with(b"\r\n\r\n");
        self.unanswered += usize::from(complete);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Ok(length)
    }

    /// Makes room, in the next turn of the runtime: others come in between.
    fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.room = self.target.room;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

async fn succeed(driver: &Driver<Narrow>, call: CallId) -> Completion {
    let completion = driver.end(call).await;
    assert_eq!(completion.outcome, Outcome::Succeeded);
    completion
}

#[test]
fn requests_on_one_connection_tell_of_one_span_each() {
    drive(async {
        let target = Narrow::new(usize::MAX);
        let driver = target.driver(vec![request("GET")]);
        let spans: Vec<_> = (0..20).map(|n| span(n / 2, n % 3 == 0)).collect();
        for span in &spans {
            succeed(&driver, driver.start_below(0, Some(span))).await;
        }
        let requests = target.requests(0);
        assert_eq!(requests.len(), spans.len());
        for (request, span) in requests.iter().zip(&spans) {
            check(request, span);
        }
    });
}

#[test]
fn requests_that_are_written_piece_by_piece_do_not_mix_their_spans() {
    // From a byte at a time, which cuts every identifier everywhere, to pieces that cut the value once.
    for room in [1, 7, 40, 190] {
        drive(async {
            let target = Narrow::new(room);
            let driver = target.driver(vec![request("GET")]);
            for round in 0..3 {
                let spans: Vec<_> = (0..4).map(|n| span(10 * round + n, n % 2 == 0)).collect();
                let calls: Vec<_> = spans.iter().map(|span| driver.start_below(0, Some(span))).collect();
                let mut sent = 0;
                for call in calls {
                    sent += succeed(&driver, call).await.sent_bytes as usize;
                }
                let mut seen = Vec::new();
                for connection in 0..4 {
                    let requests = target.requests(connection);
                    assert_eq!(requests.len() as u64, round + 1);
                    let last = requests.last().unwrap();
                    sent -= last.len();
                    let parent = read(header(last, "traceparent")[0]);
                    check(last, &parent);
                    seen.push(parent);
                }
                assert_eq!(sent, 0, "what was counted is what arrived");
                let sorted = |mut spans: Vec<TraceParent>| {
                    spans.sort_by_key(|span| span.context.span);
                    spans
                };
                assert_eq!(sorted(seen), sorted(spans));
            }
            let writes = target.writes.borrow();
            let turns = writes.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(turns > 10, "the writes of the connections come in turn: {turns}");
        });
    }
}

#[test]
fn a_request_that_is_sent_again_keeps_its_span_whatever_else_was_sent_between() {
    drive(async {
        // The first request has a length; the target leaves in the middle of the second one's.
        let probe = Narrow::new(usize::MAX);
        let driver = probe.driver(vec![request("GET")]);
        succeed(&driver, driver.start_below(0, Some(&span(0, true)))).await;
        let length = probe.arrived.borrow()[0].len();

        for cut in [1, length - 30, length - 5] {
            let target = Narrow { first_takes: length + cut, ..Narrow::new(usize::MAX) };
            let driver = target.driver(vec![request("GET")]);
            let (first, again, other) = (span(1, true), span(2, false), span(3, true));
            succeed(&driver, driver.start_below(0, Some(&first))).await;
            let again_call = driver.start_below(0, Some(&again));
            let other_call = driver.start_below(0, Some(&other));
            assert!(succeed(&driver, again_call).await.resent);
            assert!(!succeed(&driver, other_call).await.resent);
            let (one, two) = (target.requests(1), target.requests(2));
            let mut told = [read(header(&one[0], "traceparent")[0]), read(header(&two[0], "traceparent")[0])];
            told.sort_by_key(|span| span.sampled);
            assert_eq!(told, [again, other], "cut after {cut} bytes");
            // What had arrived before is the beginning of the very same bytes.
            let torn = target.requests(0)[1].clone();
            assert!(one[0].starts_with(&torn) || two[0].starts_with(&torn), "{torn}");
        }
    });
}

#[test]
fn a_trace_header_of_the_requests_own_goes_out_as_it_is() {
    drive(async {
        let own = "00-11111111111111111111111111111111-2222222222222222-01";
        let headers = vec![("Traceparent".to_owned(), Template::literal(own))];
        let target = Narrow::new(50);
        let driver = target.driver(vec![RequestPlan { headers, ..request("GET") }]);
        succeed(&driver, driver.start_below(0, Some(&span(1, true)))).await;
        let arrived = target.requests(0);
        assert_eq!(header(&arrived[0], "traceparent"), [own]);
        assert_eq!(header(&arrived[0], "tracestate").len(), 1);
    });
}

#[test]
fn nothing_is_told_of_a_request_without_a_parent_or_in_a_run_that_does_not_propagate() {
    let names = ["traceparent", "tracestate", "baggage"];
    drive(async {
        let target = Narrow::new(20);
        let driver = target.driver(vec![request("GET")]);
        for parent in [None, Some(span(1, true)), None] {
            succeed(&driver, driver.start_below(0, parent.as_ref())).await;
        }
        let told = target
            .requests(0)
            .iter()
            .map(|request| names.map(|name| header(request, name).len()))
            .collect::<Vec<_>>();
        assert_eq!(told, [[0; 3], [1; 3], [0; 3]]);

        let target = Narrow::new(20);
        let origin = origin((Ipv4Addr::LOCALHOST, 1).into());
        let prepared = prepared(origin, vec![request("GET")], vec![]).unwrap();
        let driver = Driver::over(target.clone(), Arc::default(), prepared);
        succeed(&driver, driver.start_below(0, Some(&span(1, true)))).await;
        assert_eq!(names.map(|name| header(&target.requests(0)[0], name).len()), [0; 3]);
    });
}

#[test]
fn a_request_that_is_lost_in_the_middle_of_its_headers_fails_as_ever() {
    drive(async {
        let target = Narrow { first_takes: 100, ..Narrow::new(10) };
        let driver = target.driver(vec![request("GET")]);
        let end = driver.end(driver.start_below(0, Some(&span(1, true)))).await;
        assert_eq!(end.outcome, Outcome::Failed(ErrorClass::ConnectionClosed));
        assert_eq!((end.sent_bytes, end.resent), (100, false));
    });
}
