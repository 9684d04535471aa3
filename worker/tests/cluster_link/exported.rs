//! What a worker of a cluster tells beside its facts, to whom its own variables say.

use control::FactBody;
use loadgen_worker::{Credentials, DaemonOptions, WorkerTelemetry};
use metrics::Signal as Kind;
use net::listen::Security;
use net::probe::{Form, Page};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use target::{Config, Target};
use telemetry::{LogLine, LogRoutes, Settings};
use testkit::collector::{Collector, Signal};

use crate::controller::{Beats, Controller};
use crate::{Worker, begin, options, run_id, until, wait, welcome};

fn sent_to(collector: &Collector) -> WorkerTelemetry {
    let endpoint = collector.grpc_url();
    let variables = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.clone()),
        "OTEL_EXPORTER_OTLP_PROTOCOL" => Some("grpc".to_owned()),
        "OTEL_LOGS_EXPORTER" => Some("otlp".to_owned()),
        "OTEL_TRACES_SAMPLER" => Some("always_on".to_owned()),
        _ => None,
    };
    let settings = Settings::from_variables(variables).unwrap();
    WorkerTelemetry { settings, routes: Some(LogRoutes::new()), ..WorkerTelemetry::default() }
}

fn line(message: &str) -> LogLine {
    LogLine {
        unix_nanos: 1,
        level: tracing::Level::INFO,
        target: "test".to_owned(),
        message: message.to_owned(),
        run_id: None,
        trace: None,
        span: None,
        task_id: None,
        worker: None,
        fields: Vec::new(),
    }
}

fn text<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    let attribute = attributes.iter().find(|attribute| attribute.key == name)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_flushes_and_says_what_became_of_it() {
    let (target, collector) = (Target::bind(Config::default()).unwrap(), Collector::start());
    let telemetry = sent_to(&collector);
    let (board, routes) = (telemetry.board.clone(), telemetry.routes.clone().unwrap());
    let mut controller = Controller::start(Security::Plain, None).await;
    let options = DaemonOptions { telemetry, ..options(&controller, Credentials::Insecure) };
    let worker = Worker::start(options).await;
    let mut session = welcome(&mut controller).await;

    routes.log(line("before any run"));
    begin(&mut session, &target, "100/s", "1h").await;
    until(|| target.stats().arrivals > 20).await;
    routes.log(line("while it lasts"));
    let mut page = Page::default();
    board.show(&mut page);
    let shown = String::from_utf8(page.encode(Form::Text)).unwrap();
    assert!(shown.contains(r#"worker="w1""#), "{shown}");
    controller.answer_beats(Beats::Silent);
    until(|| controller.enrolled().len() == 2).await;
    routes.log(line("after it"));
    controller.answer_beats(Beats::Answered);
    let _again = welcome(&mut controller).await;
    let last = loop {
        if let FactBody::Final(last) = wait(controller.residual.recv()).await.unwrap().body {
            break last;
        }
    };
    assert!(last.left_at.is_some());
    let of = |kind| last.telemetry.iter().find(|report| report.signal == kind).unwrap().delivery;
    let (traces, logs, metrics) = (of(Kind::Traces), of(Kind::Logs), of(Kind::Metrics));
    assert_eq!(traces.produced, 2 * last.iterations_started);
    assert_eq!(traces.acknowledged, traces.produced, "{traces:?}");
    assert_eq!((logs.produced, logs.acknowledged), (1, 1), "that of the run");
    assert!(metrics.produced > 0 && metrics.acknowledged == metrics.produced, "{metrics:?}");
    assert_eq!(collector.taken(Signal::Traces).distinct, traces.produced);

    let id = run_id().as_uuid().to_string();
    let records: Vec<_> = collector
        .logs()
        .into_iter()
        .flat_map(|request| request.resource_logs)
        .flat_map(|resource| resource.scope_logs)
        .flat_map(|scope| scope.log_records)
        .collect();
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(
        (text(&record.attributes, "run_id"), text(&record.attributes, "worker")),
        (Some(id.as_str()), Some("w1"))
    );
    drop(worker);
}
