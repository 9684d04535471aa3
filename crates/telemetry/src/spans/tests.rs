//! Spans against the records they are made of.

use metrics::{
    ErrorClass, ExecutionRecord, IterationOutcome, Kept, MOST_REQUESTS, Outcome, Period, Phases,
    RequestRecord, RequestSample, RequestTimes, RunKey, ScenarioKey, TraceContext, TraceShape,
};
use opentelemetry::Value;
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceId};
use opentelemetry_sdk::trace::SpanData;
use proptest::prelude::*;
use units::{Nanos, Timestamp};
use uuid::Uuid;

use super::*;

const RUN: Uuid = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0001);
/// What a secret's value would be; nothing of ours has ever seen it.
const SECRET: &str = "hunter2";

fn key(scenario: u32, shape: TraceShape) -> ScenarioKey {
    RunKey::new(RUN.as_u128()).scenario(scenario, shape)
}

fn catalog(shape: TraceShape) -> SpanCatalog {
    let scenario = |number, name: &str, task: Option<&str>| ScenarioNames {
        name: name.to_owned(),
        key: key(number, shape),
        task: task.map(str::to_owned),
    };
    let step = |scenario, name: &str| StepNames { scenario, name: name.to_owned() };
    let request = |method: &str, target: &str| RequestNames {
        method: method.to_owned(),
        scheme: "https",
        host: "shop.test".to_owned(),
        port: 8443,
        target: target.to_owned(),
        user_agent: "loadgen/1".to_owned(),
    };
    SpanCatalog::new(
        RUN,
        "w-1",
        vec![scenario(0, "browse", None), scenario(1, "compute", Some("fibonacci"))],
        vec![step(0, "list"), step(0, "buy"), step(1, "execute")],
        vec![
            request("GET", "/list?sort=price"),
            request("POST", &format!("/buy/{REDACTED}?token={SECRET}&n=1")),
        ],
    )
}

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(1_000_000_000 + nanos)
}

/// The calendar showed 10 s when the monotonic clock showed 1 s.
fn wall() -> WallAnchor {
    WallAnchor::new(at(0), 10_000_000_000)
}

fn request(index: u32, start: u64, end: u64, outcome: Outcome, status: u16) -> RequestRecord {
    RequestRecord {
        index,
        step: index % 2,
        request: Some(index % 2),
        sample: RequestSample {
            times: RequestTimes {
                intended_start: at(start.saturating_sub(30)),
                released_at: at(start.saturating_sub(20)),
                actual_start: at(start),
                completed_at: at(end),
            },
            phases: Phases::default(),
            outcome,
            status,
            sent_bytes: 10,
            received_bytes: 20,
            resent: false,
        },
    }
}

fn record(shape: TraceShape, iteration: u64, requests: Vec<RequestRecord>) -> ExecutionRecord {
    let failed = requests.iter().any(|request| matches!(request.sample.outcome, Outcome::Failed(_)));
    ExecutionRecord {
        scenario: 0,
        vu: 7,
        iteration,
        context: key(0, shape).execution(iteration),
        period: Period::Measured,
        outcome: if failed { IterationOutcome::Failed } else { IterationOutcome::Succeeded },
        intended_start: at(100),
        released_at: at(110),
        started_at: at(120),
        ended_at: at(10_000),
        kept: Kept { traced: true, slow: false, logged: false },
        requests,
        more_requests: 0,
    }
}

fn spans(catalog: &SpanCatalog, record: &ExecutionRecord) -> Vec<SpanData> {
    let mut spans = Vec::new();
    catalog.execution(record, &wall(), &mut spans);
    spans
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let mut found = span.attributes.iter().filter(|attribute| attribute.key.as_str() == key);
    let value = found.next().map(|attribute| attribute.value.to_string());
    assert!(found.next().is_none(), "{key} twice");
    value
}

fn named(context: TraceContext) -> (TraceId, SpanId) {
    (TraceId::from(context.trace.0), SpanId::from(context.span.0))
}

fn name_of(span: &SpanData) -> (TraceId, SpanId) {
    (span.span_context.trace_id(), span.span_context.span_id())
}

fn nanos(time: std::time::SystemTime) -> u128 {
    time.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
}

#[test]
fn a_run_its_scenarios_and_their_executions_hang_together_in_both_shapes() {
    for shape in [TraceShape::Tree, TraceShape::Linked] {
        let key = key(0, shape);
        let run = RunSpan {
            run_id: RUN,
            name: "checkout",
            scenario_digest: "s",
            config_digest: "c",
            seed: u64::MAX,
            verdict: "failed",
            failure: Some("p99 is too high"),
            started: 5,
            ended: 9,
            scenarios: &[key],
        };
        let run = run.span();
        let scenario = ScenarioSpan { run_id: RUN, name: "browse", key, started: 5, ended: 9 }.span();
        assert_eq!((run.name.as_ref(), scenario.name.as_ref()), ("loadgen run checkout", "browse"));
        assert_eq!(run.span_context.trace_id().to_string(), RUN.simple().to_string(), "the run's own ID");
        assert_eq!(name_of(&run), named(RunKey::new(RUN.as_u128()).context()));
        assert_eq!(run.status, Status::error("p99 is too high"));
        assert_eq!(attribute(&run, "loadgen.seed").unwrap(), u64::MAX.to_string());
        assert_eq!(attribute(&run, "run_id").unwrap(), RUN.to_string());
        assert_eq!(name_of(&scenario), named(key.root()));
        let links = |span: &SpanData| -> Vec<_> {
            let context = |link: &opentelemetry::trace::Link| {
                (link.span_context.trace_id(), link.span_context.span_id())
            };
            span.links.iter().map(context).collect()
        };
        assert_eq!((links(&run), links(&scenario)), (vec![name_of(&scenario)], vec![name_of(&run)]));
        assert_ne!(run.span_context.trace_id(), scenario.span_context.trace_id());

        let requests = vec![request(0, 200, 300, Outcome::Succeeded, 200)];
        let spans = spans(&catalog(shape), &record(shape, 3, requests));
        let [execution, request] = spans.as_slice() else { panic!("{spans:?}") };
        assert_eq!(name_of(execution), named(key.execution(3)));
        assert_eq!(name_of(request), named(key.execution(3).request(0)));
        assert_eq!(request.parent_span_id, execution.span_context.span_id());
        match shape {
            TraceShape::Tree => {
                assert_eq!(execution.span_context.trace_id(), scenario.span_context.trace_id());
                assert_eq!(execution.parent_span_id, scenario.span_context.span_id());
                assert!(execution.parent_span_is_remote && execution.links.is_empty());
            }
            TraceShape::Linked => {
                assert_ne!(execution.span_context.trace_id(), scenario.span_context.trace_id());
                assert_eq!(execution.parent_span_id, SpanId::INVALID);
                assert_eq!(links(execution), [name_of(&scenario)]);
            }
        }
    }
}

#[test]
fn an_execution_begins_when_it_was_due_and_a_request_lasts_its_service_time() {
    let requests = vec![request(0, 200, 300, Outcome::Succeeded, 200)];
    let spans = spans(&catalog(TraceShape::Tree), &record(TraceShape::Tree, 3, requests));
    let times = |span: &SpanData| (nanos(span.start_time), nanos(span.end_time));
    assert_eq!(times(&spans[0]), (10_000_000_100, 10_000_010_000));
    assert_eq!(times(&spans[1]), (10_000_000_200, 10_000_000_300));
    assert_eq!((&spans[0].span_kind, &spans[1].span_kind), (&SpanKind::Internal, &SpanKind::Client));
    assert_eq!((spans[0].name.as_ref(), spans[1].name.as_ref()), ("browse", "GET /list"));
    let check = |span: usize, key: &str, expected: &str| {
        assert_eq!(attribute(&spans[span], key).as_deref(), Some(expected), "{key}");
    };
    check(0, "loadgen.response_time_us", "9.9");
    check(0, "loadgen.dispatch_lag_us", "0.01");
    check(0, "loadgen.queue_wait_us", "0.01");
    check(1, "loadgen.response_time_us", "0.13");
    check(1, "http.request.method", "GET");
    check(1, "server.address", "shop.test");
    check(1, "server.port", "8443");
    check(1, "url.full", "https://shop.test:8443/list?sort=price");
    check(1, "url.template", "/list");
    check(1, "http.response.status_code", "200");
    check(1, "loadgen.step", "list");
    for span in [0, 1] {
        check(span, "run_id", &RUN.to_string());
        check(span, "scenario", "browse");
        check(span, "worker", "w-1");
        check(span, "task_id", "browse/list");
        check(span, "loadgen.vu", "7");
        check(span, "loadgen.iteration", "3");
        check(span, "user_agent.synthetic.type", "test");
        assert_eq!(spans[span].status, Status::Ok);
        assert_eq!(attribute(&spans[span], "error.type"), None);
    }
    let events: Vec<_> =
        spans[0].events.iter().map(|event| (event.name.as_ref(), nanos(event.timestamp))).collect();
    assert_eq!(events, [("released", 10_000_000_110), ("started", 10_000_000_120)]);
}

#[test]
fn what_went_wrong_is_an_event_with_class_and_message_on_both_spans() {
    let requests = vec![
        request(0, 200, 300, Outcome::Succeeded, 200),
        request(1, 300, 400, Outcome::Failed(ErrorClass::Status), 503),
        request(2, 400, 500, Outcome::Failed(ErrorClass::Timeout), 0),
    ];
    let made = spans(&catalog(TraceShape::Tree), &record(TraceShape::Tree, 3, requests));
    let error = |span: &SpanData| {
        let event = span.events.iter().find(|event| event.name == "error").unwrap();
        let value = |key: &str| {
            event.attributes.iter().find(|attribute| attribute.key.as_str() == key).unwrap().value.to_string()
        };
        assert_eq!(Some(value("error.type")), attribute(span, "error.type"));
        assert_eq!(span.status, Status::error(value("error.message")));
        (value("error.type"), nanos(event.timestamp))
    };
    assert_eq!(error(&made[0]), ("503".to_owned(), 10_000_000_400), "the first failure, when it came");
    assert_eq!(error(&made[2]), ("503".to_owned(), 10_000_000_400));
    assert_eq!(error(&made[3]), ("timeout".to_owned(), 10_000_000_500));
    assert_eq!(attribute(&made[2], "loadgen.error_class").as_deref(), Some("status"));
    assert_eq!(attribute(&made[3], "http.response.status_code"), None);
    assert_eq!(attribute(&made[0], "task_id").as_deref(), Some("browse/buy"), "where it failed");
    assert!(made[1].events.iter().all(|event| event.name != "error"));

    let mut none_kept = record(TraceShape::Tree, 3, Vec::new());
    none_kept.outcome = IterationOutcome::Failed;
    none_kept.more_requests = 40;
    let made = spans(&catalog(TraceShape::Tree), &none_kept);
    assert!(matches!(made[0].status, Status::Error { .. }));
    assert_eq!(attribute(&made[0], "loadgen.requests_not_kept").as_deref(), Some("40"));
}

#[test]
fn every_class_has_words() {
    for class in ErrorClass::ALL {
        let text = failure_text(*class, 500);
        assert!(!text.is_empty() && !text.ends_with('.'), "{class:?}: {text}");
    }
}

#[test]
fn phases_follow_each_other_as_events() {
    let mut request = request(0, 200, 1_200, Outcome::Succeeded, 200);
    request.sample.phases = Phases {
        dns: Some(Nanos::new(100)),
        connect: Some(Nanos::new(200)),
        tls: Some(Nanos::new(300)),
        first_byte: Some(Nanos::new(350)),
        receive: Some(Nanos::new(50)),
    };
    let spans = spans(&catalog(TraceShape::Tree), &record(TraceShape::Tree, 3, vec![request]));
    let events = spans[1].events.iter().map(|event| {
        let value = |key: &str| match event.attributes.iter().find(|attribute| attribute.key.as_str() == key)
        {
            Some(attribute) => match attribute.value {
                Value::F64(value) => Some(value),
                _ => panic!("{event:?}"),
            },
            None => None,
        };
        let offset = value("loadgen.offset_us").unwrap();
        assert_eq!(nanos(event.timestamp) as f64, 10_000_000_200.0 + offset * 1_000.0);
        (event.name.as_ref(), offset, value("loadgen.duration_us"))
    });
    let expected = [
        ("dns", 0.0, Some(0.1)),
        ("connect", 0.1, Some(0.2)),
        ("tls", 0.3, Some(0.3)),
        ("send", 0.6, None),
        ("wait", 0.6, Some(0.35)),
        ("receive", 0.95, Some(0.05)),
    ];
    assert_eq!(events.collect::<Vec<_>>(), expected);
}

#[test]
fn no_value_of_a_secret_or_of_a_sensitive_parameter_appears_anywhere() {
    let requests = vec![request(1, 300, 400, Outcome::Failed(ErrorClass::Status), 401)];
    let spans = spans(&catalog(TraceShape::Tree), &record(TraceShape::Tree, 3, requests));
    assert_eq!(
        attribute(&spans[1], "url.full").as_deref(),
        Some("https://shop.test:8443/buy/REDACTED?token=REDACTED&n=1")
    );
    assert_eq!(spans[1].name, "POST /buy/REDACTED");
    assert!(!format!("{spans:?}").contains(SECRET));
}

#[test]
fn a_task_is_called_by_its_name_and_its_execution_is_no_call_to_anybody() {
    let mut execution = record(TraceShape::Tree, 9, vec![request(0, 200, 300, Outcome::Succeeded, 0)]);
    (execution.scenario, execution.context) = (1, key(1, TraceShape::Tree).execution(9));
    (execution.requests[0].step, execution.requests[0].request) = (2, None);
    let spans = spans(&catalog(TraceShape::Tree), &execution);
    assert_eq!((spans[0].name.as_ref(), spans[1].name.as_ref()), ("compute", "fibonacci"));
    assert_eq!(spans[1].span_kind, SpanKind::Internal);
    assert_eq!(attribute(&spans[1], "task_id").as_deref(), Some("fibonacci"));
    assert_eq!(attribute(&spans[1], "url.full"), None);
}

#[test]
fn what_is_in_no_plan_makes_no_spans() {
    let mut unknown = record(TraceShape::Tree, 9, Vec::new());
    unknown.scenario = 2;
    assert!(spans(&catalog(TraceShape::Tree), &unknown).is_empty());
    let mut request = request(0, 200, 300, Outcome::Succeeded, 0);
    (request.step, request.request) = (99, Some(99));
    assert_eq!(spans(&catalog(TraceShape::Tree), &record(TraceShape::Tree, 9, vec![request])).len(), 2);
}

#[test]
fn the_calendar_is_that_of_the_anchor_and_never_goes_back() {
    let wall = wall();
    assert_eq!(wall.unix_nanos(at(5)), 10_000_000_005);
    assert_eq!(wall.unix_nanos(Timestamp::from_nanos(999_999_999)), 9_999_999_999);
    assert_eq!(wall.rfc3339(at(5)), "1970-01-01T00:00:10.000000005Z");
    let now = WallAnchor::read(&units::MonotonicClock);
    let unix = u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap();
    let read = now.unix_nanos(units::Clock::now(&units::MonotonicClock));
    assert!(read.abs_diff(unix) < 1_000_000_000, "{read} and {unix}");
}

proptest! {
    #[test]
    fn names_are_the_derived_ones_and_times_lie_in_each_other_whatever_was_measured(
        iteration: u64,
        linked: bool,
        requests in prop::collection::vec((0_u64..20_000, 0_u64..20_000, 0_u8..3), 0..=MOST_REQUESTS),
        phases in prop::collection::vec(prop::option::of(0_u64..5_000), 5),
        (released, started, ended) in (0_u64..20_000, 0_u64..20_000, 0_u64..20_000),
        first in 0_u32..1_000,
    ) {
        let shape = if linked { TraceShape::Linked } else { TraceShape::Tree };
        let phase = |number: usize| phases[number].map(Nanos::new);
        let requests: Vec<_> = requests.iter().zip(first..).map(|((start, end, outcome), index)| {
            let outcome = match outcome {
                0 => Outcome::Succeeded,
                1 => Outcome::Failed(ErrorClass::Reset),
                _ => Outcome::Cancelled,
            };
            let mut request = request(index, *start, *end, outcome, 0);
            request.sample.phases =
                Phases { dns: phase(0), connect: phase(1), tls: phase(2), first_byte: phase(3), receive: phase(4) };
            request
        }).collect();
        let mut record = record(shape, iteration, requests);
        (record.released_at, record.started_at, record.ended_at) = (at(released), at(started), at(ended));
        let spans = spans(&catalog(shape), &record);
        prop_assert_eq!(spans.len() as u64, record.spans());
        let execution = key(0, shape).execution(iteration);
        prop_assert_eq!(name_of(&spans[0]), named(execution));
        for (span, request) in spans[1..].iter().zip(&record.requests) {
            prop_assert_eq!(name_of(span), named(execution.request(request.index)));
            prop_assert_eq!(span.parent_span_id, spans[0].span_context.span_id());
            prop_assert!(spans[0].start_time <= span.start_time && span.end_time <= spans[0].end_time);
        }
        for span in &spans {
            prop_assert!(span.start_time <= span.end_time);
            prop_assert_eq!(attribute(span, "run_id"), Some(RUN.to_string()));
            for event in span.events.iter() {
                prop_assert!(span.start_time <= event.timestamp && event.timestamp <= span.end_time);
            }
        }
        let mut ids: Vec<_> = spans.iter().map(name_of).collect();
        ids.sort_by_key(|(_, span)| span.to_bytes());
        ids.dedup();
        prop_assert_eq!(ids.len(), spans.len(), "no two of one name");
    }
}
