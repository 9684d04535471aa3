//! Lines, and where they go.

use metrics::{SpanId, TraceId};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use tracing::Level;

use super::*;
use crate::{Identity, Pipeline, Settings};

const RUN: Uuid = Uuid::from_u128(7);

fn line(target: &str, run_id: Option<Uuid>) -> LogLine {
    LogLine {
        unix_nanos: 5,
        level: Level::WARN,
        target: target.to_owned(),
        message: "it rains".to_owned(),
        run_id,
        trace: Some(TraceId(0x0102)),
        span: Some(SpanId(3)),
        task_id: Some("browse/list".to_owned()),
        worker: None,
        fields: vec![
            ("vu".to_owned(), FieldValue::Int(4)),
            ("ok".to_owned(), FieldValue::Bool(true)),
            ("time".to_owned(), FieldValue::Float(0.5)),
            ("error".to_owned(), FieldValue::Text("reset".to_owned())),
        ],
    }
}

fn attribute(record: &LogRecord, key: &str) -> Option<Value> {
    record.attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value
}

#[test]
fn a_line_becomes_a_record_with_all_it_says() {
    let record = line("loadgen::execution", None).into_record(RUN, "w-1");
    let text = |text: &str| Some(Value::StringValue(text.to_owned()));
    assert_eq!(attribute(&record, "run_id"), text(&RUN.to_string()));
    assert_eq!(attribute(&record, "worker"), text("w-1"), "whose process it is");
    assert_eq!(attribute(&record, "target"), text("loadgen::execution"));
    assert_eq!(attribute(&record, "task_id"), text("browse/list"));
    assert_eq!(attribute(&record, "vu"), Some(Value::IntValue(4)));
    assert_eq!(attribute(&record, "ok"), Some(Value::BoolValue(true)));
    assert_eq!(attribute(&record, "time"), Some(Value::DoubleValue(0.5)));
    assert_eq!(attribute(&record, "error"), text("reset"));
    assert_eq!(record.trace_id, [[0; 14].as_slice(), &[1, 2]].concat());
    assert_eq!(record.span_id, [0, 0, 0, 0, 0, 0, 0, 3]);
    assert_eq!((record.severity_text.as_str(), record.severity_number), ("WARN", 13));
    assert_eq!((record.time_unix_nano, record.flags), (5, 1));
    assert_eq!(record.body.unwrap().value, text("it rains"));
    let other = LogLine { worker: Some("w-2".to_owned()), trace: None, span: None, ..line("x", None) };
    let record = other.into_record(RUN, "w-1");
    assert_eq!(attribute(&record, "worker"), text("w-2"));
    assert!(record.trace_id.is_empty() && record.span_id.is_empty() && record.flags == 0);
}

/// A pipeline whose receiver is nobody: what it was given is what it produced.
fn pipeline() -> Pipeline {
    let variables = |name: &str| match name {
        "OTEL_LOGS_EXPORTER" => Some("otlp".to_owned()),
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://127.0.0.1:1".to_owned()),
        _ => None,
    };
    let settings = Settings::from_variables(variables).unwrap();
    let identity = Identity { run_id: RUN, process: "w-1".to_owned(), version: "0" };
    Pipeline::start(&settings, &identity).unwrap()
}

fn produced(pipeline: &Pipeline) -> u64 {
    let reports = pipeline.outlet().reports();
    reports.iter().find(|report| report.signal == metrics::Signal::Logs).unwrap().delivery.produced
}

#[test]
fn a_line_goes_to_its_run_and_one_of_nobody_to_the_only_run() {
    let (one, other) = (pipeline(), pipeline());
    let routes = LogRoutes::new();
    let says = |run_id| routes.log(line("loadgen_worker::session", run_id));
    says(None);
    assert!(!routes.wants("loadgen_worker"), "there is no route");
    routes.open(RUN, one.outlet(), "w-1".to_owned());
    assert!(routes.wants("loadgen_worker"));
    says(None);
    says(Some(RUN));
    says(Some(Uuid::from_u128(8)));
    assert_eq!(produced(&one), 2, "not that of another run");
    routes.open(Uuid::from_u128(8), other.outlet(), "w-1".to_owned());
    says(None);
    says(Some(Uuid::from_u128(8)));
    assert_eq!((produced(&one), produced(&other)), (2, 1), "whose would it be");
    routes.close(Uuid::from_u128(8));
    says(Some(Uuid::from_u128(8)));
    says(None);
    assert_eq!((produced(&one), produced(&other)), (3, 1));
    routes.open(RUN, other.outlet(), "w-1".to_owned());
    says(None);
    assert_eq!((produced(&one), produced(&other)), (3, 2), "replaced");
}

#[test]
fn what_sends_lines_says_nothing_about_it_in_lines() {
    let pipeline = pipeline();
    let routes = LogRoutes::new();
    routes.open(RUN, pipeline.outlet(), "w-1".to_owned());
    for target in
        ["tonic::transport", "h2", "hyper_util::client", "rustls::conn", "loadgen_telemetry::carrier"]
    {
        assert!(!routes.wants(target), "{target}");
        routes.log(line(target, Some(RUN)));
    }
    assert_eq!(produced(&pipeline), 0);
}

#[test]
fn a_line_without_a_run_is_about_the_only_one_under_way() {
    let routes = LogRoutes::new();
    let other = Uuid::from_u128(8);
    assert_eq!(routes.run(), None);
    routes.begin(RUN);
    assert_eq!(routes.clone().run(), Some(RUN));
    routes.begin(other);
    assert_eq!(routes.run(), None, "nobody knows which of the two");
    routes.end(RUN);
    assert_eq!(routes.run(), Some(other));
}
