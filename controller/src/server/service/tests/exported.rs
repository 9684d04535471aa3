//! What a receiver of telemetry gets of a run that is asked for through the HTTP API.

use std::collections::{BTreeMap, BTreeSet};

use api::http::Submitted;
use api::result::ResultFile;
use control::{
    Beat, Command, CommandBody, CommandId, ControllerMessage, Enrol, Fact, FactBody, FromWorker, HostFacts,
    ProtocolVersions, SessionId, WorkerId, WorkerInfo, WorkerMessage,
};
use metrics::{RunKey, TraceContext, TraceShape};
use scenario::{Files, Workload, compile};
use telemetry::Settings;
use testkit::collector::otlp::common::v1::{AnyValue, KeyValue, any_value};
use testkit::collector::otlp::metrics::v1::{NumberDataPoint, metric::Data, number_data_point::Value};
use testkit::collector::otlp::trace::v1::Span;
use testkit::collector::{Behaviour, Collector, Signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::fixture::{Fate, final_fact, snapshot};

/// A tenth of a run: what it is about here is its telemetry.
const DOCUMENT: &str = r#"{ "name": "shop", "target": { "url": "http://127.0.0.1:9" }, "scenarios": {
    "browse": { "executor": "constant-arrival-rate", "rate": "10/s", "duration": "1s",
        "steps": [{ "get": "/", "name": "list", "checks": { "status": 200 } }] },
    "search": { "executor": "constant-arrival-rate", "rate": "10/s", "duration": "1s", "steps": [{ "get": "/" }] } } }"#;

/// A worker that says what it is to say, and does nothing.
fn worker(handle: ClusterHandle) -> JoinHandle<()> {
    tokio::spawn(async move {
        let (worker, session) = (WorkerId::new("a"), SessionId(Uuid::from_u128(5)));
        let enrol = Enrol {
            worker: worker.clone(),
            session,
            versions: ProtocolVersions::SPOKEN,
            info: WorkerInfo { version: "1.2.3".to_owned(), host: HostFacts::default() },
            labels: BTreeMap::new(),
            tasks: Vec::new(),
            weight: 1,
        };
        let enrolled = handle.enrol(None, enrol).await.unwrap();
        let says = |body| FromWorker { worker: worker.clone(), session, token: enrolled.token, body };
        let (sender, mut said) = mpsc::channel(64);
        let link =
            handle.open_session(says(WorkerMessage::Hello { runs: Vec::new() }), sender).await.unwrap();
        let (mut beats, mut facts) = (0, 0);
        let mut beat = tokio::time::interval(std::time::Duration::from_millis(200));
        loop {
            let message = tokio::select! {
                _ = beat.tick() => {
                    beats += 1;
                    let beat = Beat {
                        worker: worker.clone(),
                        session,
                        token: enrolled.token,
                        number: beats,
                        sent_at: MonotonicClock.now(),
                        progress: beats,
                        clock: None,
                    };
                    handle.beat(beat, MonotonicClock.now()).await.unwrap();
                    continue;
                }
                message = said.recv() => message,
            };
            let Some(message) = message else { return };
            let ControllerMessage::Command(command) = message.body else { continue };
            let Command { run_id, id, body, .. } = *command;
            if id != CommandId(facts.min(2) + 1) {
                continue;
            }
            let mut now_true = Vec::new();
            match body {
                CommandBody::Prepare(prepare) => {
                    let layout = layout_of(&prepare.document);
                    now_true.push(FactBody::Prepared(control::Prepared {
                        threads: 1,
                        max_vus: 1,
                        shape_hash: layout.shape_hash(),
                        notes: Vec::new(),
                    }));
                }
                CommandBody::Start { at } => {
                    tokio::time::sleep(at.saturating_since(MonotonicClock.now()).into()).await;
                    now_true.push(FactBody::Started { at, clock_error: Nanos::ZERO });
                    let slots: Vec<(u64, Fate)> = (0..10).map(|n| (n, Fate::Succeeds)).collect();
                    let measured = snapshot(&layout_of(DOCUMENT), 0, Nanos::ZERO, &slots);
                    now_true.push(FactBody::Measured(Box::new(measured)));
                    now_true.push(FactBody::Final(Box::new(final_fact(10, 10))));
                }
                CommandBody::Stop(_) | CommandBody::Revise(_) | CommandBody::Once { .. } => {}
            }
            let applied = WorkerMessage::Applied { run_id, through: id };
            handle.said(link, says(applied)).await.unwrap();
            for body in now_true {
                facts += 1;
                let fact = Fact { run_id, worker: worker.clone(), session, seq: facts, body };
                handle.said(link, says(WorkerMessage::Fact(Box::new(fact)))).await.unwrap();
            }
        }
    })
}

fn layout_of(document: &str) -> Arc<metrics::Layout> {
    let workload = Workload::from_canonical_json(document, &Files::default()).unwrap();
    crate::fixture::layout(&compile(&workload, &Files::default()).unwrap())
}

/// Submits the run, waits for its end, and asks for its result, all through the API.
async fn run(api: SocketAddr) -> ResultFile {
    let run = serde_json::json!({ "document": DOCUMENT, "preflight": false });
    let submitted = post(api, "/api/v1/runs", &run.to_string()).await;
    let submitted: Submitted = serde_json::from_str(body(&submitted)).unwrap();
    let path = format!("/api/v1/runs/{}", submitted.run_id);
    let events = answer(api, &format!("{path}/events")).await;
    assert!(events.contains("event: sealed"), "{events}");
    let result = answer(api, &format!("{path}/result")).await;
    let result = ResultFile::from_json(body(&result)).unwrap();
    assert_eq!(result.identity.run_id, submitted.run_id);
    result
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

async fn post(address: SocketAddr, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         idempotency-key: once\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

fn telemetry(collector: &Collector) -> Telemetry {
    let url = collector.http_url();
    let settings = Settings::from_variables(|name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(url.clone()),
        "OTEL_EXPORTER_OTLP_PROTOCOL" => Some("http/protobuf".to_owned()),
        _ => None,
    });
    Telemetry { settings: settings.unwrap(), ..Telemetry::off() }
}

fn text<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    match &found.value {
        Some(AnyValue { value: Some(any_value::Value::StringValue(text)) }) => Some(text),
        _ => None,
    }
}

fn names(span: &Span) -> (Vec<u8>, Vec<u8>) {
    (span.trace_id.clone(), span.span_id.clone())
}

fn expected(context: TraceContext) -> (Vec<u8>, Vec<u8>) {
    (context.trace.0.to_be_bytes().to_vec(), context.span.0.to_be_bytes().to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_gets_the_runs_own_spans_and_numbers_and_the_result_says_so() {
    let collector = Collector::start();
    let mut options = options(Security::Insecure { anywhere: false });
    options.telemetry = telemetry(&collector);
    let server = Server::start(options).await.unwrap();
    let life = worker(server.handle().clone());
    let result = run(server.api_address()).await;
    let run_id = result.identity.run_id.clone();

    let requests = collector.traces();
    let spans: Vec<&Span> = requests
        .iter()
        .flat_map(|request| &request.resource_spans)
        .inspect(|of| {
            let resource = of.resource.as_ref().unwrap();
            assert_eq!(text(&resource.attributes, "loadgen.run.id"), Some(run_id.as_str()));
        })
        .flat_map(|of| &of.scope_spans)
        .flat_map(|of| &of.spans)
        .collect();
    let key = RunKey::new(run_id.parse::<Uuid>().unwrap().as_u128());
    let scenarios = [key.scenario(0, TraceShape::Tree), key.scenario(1, TraceShape::Tree)];
    let found: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.name.as_str(), *span)).collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), [&"browse", &"loadgen run shop", &"search"]);
    let (whole, browse) = (found["loadgen run shop"], found["browse"]);
    assert_eq!(names(whole), expected(key.context()));
    assert_eq!(names(browse), expected(scenarios[0].root()));
    assert_eq!(names(found["search"]), expected(scenarios[1].root()));
    assert_eq!(whole.links.len(), 2, "to both scenarios");
    assert_eq!((browse.links[0].trace_id.clone(), browse.links[0].span_id.clone()), names(whole));
    assert!(whole.start_time_unix_nano < whole.end_time_unix_nano);
    assert!(browse.end_time_unix_nano <= whole.end_time_unix_nano);
    for span in &spans {
        assert_eq!(text(&span.attributes, "run_id"), Some(run_id.as_str()));
    }

    let requests = collector.metrics();
    let metrics = || {
        let scopes =
            requests.iter().flat_map(|request| &request.resource_metrics).flat_map(|of| &of.scope_metrics);
        scopes.flat_map(|of| &of.metrics)
    };
    let points = |metric: &Data| -> Vec<NumberDataPoint> {
        match metric {
            Data::Gauge(gauge) => gauge.data_points.clone(),
            Data::Sum(sum) => sum.data_points.clone(),
            other => panic!("the controller measures no times: {other:?}"),
        }
    };
    for point in metrics().flat_map(|metric| points(metric.data.as_ref().unwrap())) {
        assert_eq!(text(&point.attributes, "run_id"), Some(run_id.as_str()));
        assert_eq!(text(&point.attributes, "worker"), Some("controller"));
    }
    let last = |name: &str, scenario: &str| {
        let of = metrics().filter(|metric| metric.name == name);
        let mut points: Vec<NumberDataPoint> = of
            .flat_map(|metric| points(metric.data.as_ref().unwrap()))
            .filter(|point| text(&point.attributes, "scenario") == Some(scenario))
            .collect();
        points.sort_by_key(|point| point.time_unix_nano);
        match points.pop().and_then(|point| point.value) {
            Some(Value::AsInt(value)) => value as f64,
            Some(Value::AsDouble(value)) => value,
            None => panic!("{name} of {scenario} is there"),
        }
    };
    assert_eq!(
        (last("loadgen.slots.planned", "browse"), last("loadgen.slots.planned", "search")),
        (10.0, 10.0)
    );
    assert_eq!(last("loadgen.success", "browse"), 1.0);
    let names: BTreeSet<&str> = metrics().map(|metric| metric.name.as_str()).collect();
    for name in ["loadgen.run.info", "loadgen.run.workers", "loadgen.verdict", "loadgen.target_rate"] {
        assert!(names.contains(name), "{name} in {names:?}");
    }

    // What the result says is what the receiver counted.
    let books = result.telemetry.unwrap();
    assert!(books.held);
    for (signal, of) in [(Signal::Traces, "Traces"), (Signal::Metrics, "Metrics")] {
        let row = books.sinks.iter().find(|sink| format!("{:?}", sink.signal) == of).unwrap();
        assert_eq!((row.process.as_str(), row.produced), ("controller", row.acknowledged));
        assert_eq!(row.acknowledged, collector.taken(signal).distinct, "{of}");
    }
    life.abort();
    assert!(server.shut_down(LIMIT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_takes_nothing_keeps_no_result_back_and_is_told_of_by_115() {
    for behaviour in [Behaviour::Reject, Behaviour::Hang] {
        let collector = Collector::start();
        collector.behave(behaviour);
        let mut options = options(Security::Insecure { anywhere: false });
        options.telemetry = telemetry(&collector);
        let server = Server::start(options).await.unwrap();
        let life = worker(server.handle().clone());
        let result = run(server.api_address()).await;
        let books = result.telemetry.as_ref().unwrap();
        assert!(!books.held && books.sinks.len() == 2, "{books:?}");
        for sink in &books.sinks {
            let missing = sink.rejected + sink.lost + sink.unknown;
            assert_eq!((sink.acknowledged, missing), (0, sink.produced), "{behaviour:?}: {sink:?}");
            assert_eq!(sink.rejected > 0, behaviour == Behaviour::Reject, "{sink:?}");
        }
        assert!(result.conditions().contains(api::Condition::TelemetryLost));
        let text = "telemetry: 3 of 3 spans of `controller`";
        let reasons = &result.verdict.reasons;
        assert!(reasons.iter().any(|reason| reason.starts_with(text)), "{reasons:?}");
        life.abort();
        assert!(server.shut_down(LIMIT).await);
    }
}
