//! What a worker exports, as its receiver got it, against what it measured.

use std::collections::{BTreeMap, BTreeSet};

use control::{CommandBody, FinalFact, StopMode};
use engine::TaskRegistry;
use loadgen_worker::WorkerTelemetry;
use metrics::{Delivery, RunKey, ScenarioKey, Signal as Kind, TraceContext, TraceShape};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use telemetry::{Settings, catalogue};
use testkit::collector::{Behaviour, Collector, Signal};

use crate::run::{Run, Sum, run_id, target};

fn sent_to(collector: &Collector) -> WorkerTelemetry {
    let endpoint = collector.http_url();
    let variables = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.clone()),
        "OTEL_EXPORTER_OTLP_PROTOCOL" => Some("http/protobuf".to_owned()),
        // Once while the load lasts, and at the end.
        "OTEL_METRIC_EXPORT_INTERVAL" => Some("600".to_owned()),
        _ => None,
    };
    WorkerTelemetry { settings: Settings::from_variables(variables).unwrap(), ..WorkerTelemetry::default() }
}

fn document(target: &str, telemetry: &str, scenarios: &str) -> String {
    format!(
        r#"{{"name": "test", "target": {{"url": "{target}"}}, "telemetry": {telemetry},
            "scenarios": {{{scenarios}}}}}"#
    )
}

/// All of what a document makes, to its end.
fn carried(collector: &Collector, document: &str) -> (Sum, FinalFact) {
    let run = Run::start_with(TaskRegistry::default(), sent_to(collector));
    run.prepare(document, 2, false);
    run.prepared();
    run.begin();
    run.end()
}

fn key(shape: TraceShape) -> ScenarioKey {
    RunKey::new(run_id().as_uuid().as_u128()).scenario(0, shape)
}

fn text<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    let attribute = attributes.iter().find(|attribute| attribute.key == name)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn int(attributes: &[KeyValue], name: &str) -> Option<i64> {
    let attribute = attributes.iter().find(|attribute| attribute.key == name)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::IntValue(value) => Some(*value),
        _ => None,
    }
}

/// All spans that the collector has, every one with the run's ID on itself and on its resource.
fn spans(collector: &Collector) -> Vec<Span> {
    let id = run_id().as_uuid().to_string();
    let mut spans = Vec::new();
    for batch in collector.traces().into_iter().flat_map(|request| request.resource_spans) {
        assert_eq!(text(&batch.resource.as_ref().unwrap().attributes, "loadgen.run.id"), Some(id.as_str()));
        spans.extend(batch.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    for span in &spans {
        assert_eq!(text(&span.attributes, "run_id"), Some(id.as_str()));
        assert_eq!(text(&span.attributes, "worker"), Some("local"));
        assert!(text(&span.attributes, "scenario").is_some());
    }
    spans
}

fn named(context: TraceContext) -> (Vec<u8>, Vec<u8>) {
    (context.trace.0.to_be_bytes().to_vec(), context.span.0.to_be_bytes().to_vec())
}

fn delivery(last: &FinalFact, signal: Kind) -> Delivery {
    let mut reports = last.telemetry.iter().filter(|report| report.signal == signal);
    let report = reports.next().unwrap();
    assert!(reports.next().is_none(), "one of each signal");
    report.delivery
}

#[test]
fn every_sampled_execution_and_request_is_received_under_its_derived_name() {
    for (shape, word) in [(TraceShape::Tree, "tree"), (TraceShape::Linked, "linked")] {
        let (target, collector) = (target(), Collector::start());
        let telemetry = format!(r#"{{"traces": {{"sampling": "100%", "shape": "{word}"}}}}"#);
        let scenario = r#""s": {"executor": "constant-arrival-rate", "rate": "100/s", "duration": "1s",
            "max_vus": "auto", "steps": [{"get": "/", "name": "root"}, {"get": "/again", "name": "again"}]}"#;
        let (sum, last) = carried(&collector, &document(&target.url(), &telemetry, scenario));
        sum.agrees_with(&last);
        assert_eq!((last.iterations_started, last.executions_over_budget), (100, 0));

        let spans = spans(&collector);
        let key = key(shape);
        let expected: BTreeSet<_> = (0..100)
            .flat_map(|n| [key.execution(n), key.execution(n).request(0), key.execution(n).request(1)])
            .map(named)
            .collect();
        let received: BTreeSet<_> =
            spans.iter().map(|span| (span.trace_id.clone(), span.span_id.clone())).collect();
        assert_eq!(received, expected);
        assert_eq!(spans.len(), 300, "each once");
        for span in &spans {
            let n = int(&span.attributes, "loadgen.iteration").unwrap() as u64;
            let (_, own) = named(key.execution(n));
            if span.span_id == own {
                let parent = if shape == TraceShape::Tree { named(key.root()).1 } else { Vec::new() };
                assert_eq!((span.name.as_str(), &span.parent_span_id), ("s", &parent));
            } else {
                assert_eq!(span.parent_span_id, own);
                assert_eq!(text(&span.attributes, "server.address"), Some("127.0.0.1"));
            }
        }
        let traces = delivery(&last, Kind::Traces);
        assert_eq!((traces.produced, traces.acknowledged), (300, 300), "{traces:?}");
        assert_eq!(collector.taken(Signal::Traces).distinct, 300);
        let of_run: BTreeSet<_> = sum.traced.iter().map(|traced| named(traced.context)).collect();
        assert!(!of_run.is_empty() && of_run.is_subset(&expected), "the slowest ones are among them");
        let slowest = sum.traced.iter().max_by_key(|traced| traced.response_time).unwrap();
        assert!(slowest.at < units::Nanos::from_secs(10), "in run time");
    }
}

/// The latest value of every series of a counter, added up.
fn counted(collector: &Collector, name: &str) -> f64 {
    let mut latest = BTreeMap::new();
    for metric in metrics_of(collector).into_iter().filter(|metric| metric.name == name) {
        let Some(Data::Sum(sum)) = metric.data else { panic!("{metric:?}") };
        for point in sum.data_points {
            let labels: Vec<_> = point.attributes.iter().map(|label| format!("{label:?}")).collect();
            latest.insert(labels, point);
        }
    }
    latest.values().map(value).sum()
}

fn value(point: &NumberDataPoint) -> f64 {
    match point.value.unwrap() {
        number_data_point::Value::AsDouble(value) => value,
        number_data_point::Value::AsInt(value) => value as f64,
    }
}

fn metrics_of(collector: &Collector) -> Vec<Metric> {
    let resources = collector.metrics().into_iter().flat_map(|request| request.resource_metrics);
    resources.flat_map(|resource| resource.scope_metrics).flat_map(|scope| scope.metrics).collect()
}

#[test]
fn the_last_data_points_are_the_totals_of_the_run() {
    let (target, collector) = (target(), Collector::start());
    let scenario = r#""s": {"executor": "constant-arrival-rate", "rate": "200/s", "warm_up": "300ms",
        "duration": "1s", "max_vus": "auto", "steps": [{"get": "/", "name": "root"}, {"get": "/status/500", "name": "b"}]}"#;
    let (sum, last) =
        carried(&collector, &document(&target.url(), r#"{"traces": {"sampling": "off"}}"#, scenario));
    sum.agrees_with(&last);
    let of = |instrument: &catalogue::Instrument| counted(&collector, instrument.name);
    let warm_up = of(&catalogue::WARM_UP_REQUESTS);
    assert_eq!(of(&catalogue::REQUESTS_ATTEMPTED) + warm_up, last.requests_attempted as f64);
    assert_eq!(of(&catalogue::REQUESTS), of(&catalogue::REQUESTS_ATTEMPTED), "every one of them ended");
    assert!(warm_up > 0.0);
    assert_eq!(
        of(&catalogue::SLOTS_STARTED) + of(&catalogue::WARM_UP_ITERATIONS),
        last.iterations_started as f64
    );
    assert!(of(&catalogue::WORKER_CPU) > 0.0, "how the machine fared");
    let failures = &catalogue::EXPORTER_FAILURES;
    assert!(
        metrics_of(&collector).iter().any(|metric| metric.name == failures.name),
        "also when there are none"
    );
    assert_eq!(of(failures), 0.0);
    let id = run_id().as_uuid().to_string();
    for metric in metrics_of(&collector) {
        for attributes in attributes(&metric) {
            assert_eq!(text(attributes, "run_id"), Some(id.as_str()), "{}", metric.name);
            assert_eq!(text(attributes, "worker"), Some("local"), "{}", metric.name);
        }
    }
    let metrics = delivery(&last, Kind::Metrics);
    assert!(
        metrics.balances() && metrics.acknowledged == metrics.produced && metrics.produced > 0,
        "{metrics:?}"
    );
    assert_eq!(delivery(&last, Kind::Traces), Delivery::default());
    assert!(sum.traced.is_empty());
}

/// The labels of each data point.
fn attributes(metric: &Metric) -> Vec<&[KeyValue]> {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => gauge.data_points.iter().map(|point| point.attributes.as_slice()).collect(),
        Data::Sum(sum) => sum.data_points.iter().map(|point| point.attributes.as_slice()).collect(),
        Data::Histogram(histogram) => {
            histogram.data_points.iter().map(|point| point.attributes.as_slice()).collect()
        }
        Data::ExponentialHistogram(histogram) => {
            histogram.data_points.iter().map(|point| point.attributes.as_slice()).collect()
        }
        Data::Summary(summary) => {
            summary.data_points.iter().map(|point| point.attributes.as_slice()).collect()
        }
    }
}

#[test]
fn a_collector_that_hangs_keeps_no_worker_from_its_last_word_and_nothing_from_the_account() {
    for (mode, behaviour) in [
        (StopMode::Drain, Behaviour::Hang),
        (StopMode::Cancel, Behaviour::Hang),
        (StopMode::Cancel, Behaviour::Mute),
        (StopMode::Drain, Behaviour::Unavailable(None)),
    ] {
        let (target, collector) = (target(), Collector::start());
        collector.behave(behaviour);
        let run = Run::start_with(TaskRegistry::default(), sent_to(&collector));
        let scenario = r#""s": {"executor": "constant-arrival-rate", "rate": "50/s", "duration": "1h",
            "max_vus": "auto", "steps": [{"get": "/", "name": "root"}]}"#;
        run.prepare(&document(&target.url(), r#"{"traces": {"sampling": "100%"}}"#, scenario), 1, false);
        run.prepared();
        run.begin();
        // Something is under way as it stops.
        collector.await_requests(1);
        run.command(CommandBody::Stop(mode));
        let (sum, last) = run.end();
        sum.agrees_with(&last);
        for signal in [Kind::Traces, Kind::Metrics] {
            let delivery = delivery(&last, signal);
            assert!(delivery.balances() && delivery.produced > 0, "{behaviour:?} {signal:?}: {delivery:?}");
            assert_eq!(delivery.acknowledged, 0, "{behaviour:?} {signal:?}: {delivery:?}");
        }
        assert_eq!(delivery(&last, Kind::Traces).produced, 2 * last.iterations_started);
    }
}

#[test]
fn the_one_slow_request_is_found_under_tail_sampling() {
    let (target, collector) = (target(), Collector::start());
    let telemetry = r#"{"traces": {"sampling": "tail", "slow": "700ms"}}"#;
    let scenarios = r#""s": {"executor": "shared-iterations", "vus": 1, "iterations": 1, "max_duration": "10s",
            "steps": [{"get": "/", "name": "quick"}, {"get": "/delay/fixed?ms=800", "name": "slow"}]},
        "t": {"executor": "constant-arrival-rate", "rate": "500/s", "duration": "1s", "max_vus": "auto",
            "steps": [{"get": "/", "name": "root"}]}"#;
    let (sum, last) = carried(&collector, &document(&target.url(), telemetry, scenarios));
    sum.agrees_with(&last);
    let slow = key(TraceShape::Tree).execution(0);
    let spans = spans(&collector);
    let found = |context| {
        let (trace, span) = named(context);
        spans.iter().find(|found| found.trace_id == trace && found.span_id == span)
    };
    let execution = found(slow).unwrap();
    assert_eq!(text(&execution.attributes, "task_id"), Some("s/slow"), "where it waited");
    assert_eq!(found(slow.request(0)).unwrap().parent_span_id, execution.span_id);
    assert_eq!(text(&found(slow.request(1)).unwrap().attributes, "loadgen.step"), Some("slow"));
    let told = sum.traced.iter().find(|traced| traced.context == slow.request(1)).unwrap();
    assert!(told.service_time >= units::Nanos::from_millis(800));
    assert_eq!((told.step, told.iteration, told.status), (1, 0, 200));
    assert!(spans.len() < 500, "and not all of the others");
}

#[test]
fn what_sampling_would_keep_beyond_the_budget_is_counted() {
    let (target, collector) = (target(), Collector::start());
    let telemetry = r#"{"traces": {"sampling": "100%", "max_spans_per_second": 20}}"#;
    let scenario = r#""s": {"executor": "constant-arrival-rate", "rate": "200/s", "duration": "1s",
        "max_vus": "auto", "steps": [{"get": "/", "name": "root"}]}"#;
    let (sum, last) = carried(&collector, &document(&target.url(), telemetry, scenario));
    sum.agrees_with(&last);
    let executions = collector.taken(Signal::Traces).distinct / 2;
    assert!(executions > 0 && last.executions_over_budget > 0);
    assert_eq!(executions + last.executions_over_budget, last.iterations_started, "kept or counted");
}
