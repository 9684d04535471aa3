//! A local run sends its traces, metrics and logs to a receiver of independent make.

use crate::harness::{Place, target};
use crate::receiver::Receiver;
use crate::run::{ALL, Executions, begin, finish, journey};

#[test]
fn a_receiver_has_everything_over_grpc() {
    a_receiver_has_everything("grpc");
}

#[test]
fn a_receiver_has_everything_over_http() {
    a_receiver_has_everything("http/protobuf");
}

/// Every item carries the run, spans hang together, log lines and spans name each other, and the counts are the result's.
fn a_receiver_has_everything(protocol: &'static str) {
    let place = Place::new("otlp");
    let Some(receiver) = Receiver::start(&place) else { return };
    let target = target();
    place.write("s.yaml", journey(&target.url(), "60/s", "2s", ALL));
    let run = finish(begin(&place, &[], &receiver.variables(protocol)));
    let received = receiver.finish(&place);

    run.everything_carries_the_run(&received);
    run.everything_was_acknowledged(&received);
    run.lines_are_spans_and_spans_are_lines(&received);

    let totals = &run.result.totals;
    let executions = Executions::of(&received);
    assert_eq!(executions.run.trace, run.result.identity.run_id.replace('-', ""));
    assert_eq!(executions.scenarios.len(), 1);
    assert_eq!(executions.spans.len() as u64, totals.iterations.started);
    assert_eq!(executions.requests.len() as u64, totals.requests.attempted);
    let failed = |spans: &[&crate::received::Span]| spans.iter().filter(|span| span.failed).count() as u64;
    assert_eq!(failed(&executions.requests), totals.requests.failed);
    assert_eq!(failed(&executions.spans), totals.iterations.failed);
    assert!(totals.requests.failed > 0, "the second step fails one time in ten: {totals:#?}");
    for request in &executions.requests {
        let says = |name: &str| request.attributes.get(name).map(String::as_str);
        assert_eq!(request.kind, "SPAN_KIND_CLIENT", "{request:#?}");
        assert!(request.name.starts_with("GET "), "{request:#?}");
        assert_eq!(says("http.request.method"), Some("GET"), "{request:#?}");
        assert_eq!(says("server.address"), Some("127.0.0.1"), "{request:#?}");
        assert!(says("server.port").is_some() && says("url.full").is_some(), "{request:#?}");
        assert_eq!(says("user_agent.synthetic.type"), Some("test"), "{request:#?}");
        let status = if request.failed { "500" } else { "200" };
        assert_eq!(says("http.response.status_code"), Some(status), "{request:#?}");
        assert_eq!(says("error.type").is_some(), request.failed, "{request:#?}");
        assert!(request.start < request.end && !request.events.is_empty(), "{request:#?}");
    }

    // The records of the executions are the same lines once more.
    let of_executions: Vec<_> = received.records.iter().filter(|record| !record.span.is_empty()).collect();
    assert_eq!(of_executions.len(), executions.spans.len());
    let warnings = of_executions.iter().filter(|record| record.severity == "WARN").count() as u64;
    assert_eq!(warnings, totals.iterations.failed);
}

#[test]
fn nothing_is_sent_where_nobody_asked_for_it() {
    let place = Place::new("otlp-off");
    let Some(receiver) = Receiver::start(&place) else { return };
    let target = target();
    place.write("s.yaml", journey(&target.url(), "40/s", "300ms", ALL));
    let mut variables = receiver.variables("grpc");
    variables.push(("OTEL_SDK_DISABLED", "true".to_owned()));
    let run = finish(begin(&place, &[], &variables));
    let received = receiver.finish(&place);
    assert_eq!((received.spans.len(), received.points.len(), received.records.len()), (0, 0, 0));
    assert!(run.result.telemetry.is_none_or(|telemetry| telemetry.sinks.is_empty()));
}
