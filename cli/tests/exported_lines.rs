//! Log lines over OTLP: the same as on stderr, under the same run, but none about sending them.

use std::collections::BTreeMap;

use testkit::collector::Collector;
use testkit::collector::otlp::common::v1::any_value::Value;
use testkit::collector::otlp::logs::v1::LogRecord;

use crate::harness::{BINARY, Outcome, Place, Running, scenario, target};

/// A record: what it says, and its attributes as texts.
struct Record {
    body: String,
    trace_id: String,
    attributes: BTreeMap<String, String>,
}

impl Record {
    fn of(record: LogRecord) -> Self {
        let text = |value: Option<Value>| match value {
            Some(Value::StringValue(text)) => text,
            Some(Value::IntValue(number)) => number.to_string(),
            other => format!("{other:?}"),
        };
        let attributes = record.attributes.into_iter();
        Self {
            body: text(record.body.and_then(|body| body.value)),
            trace_id: record.trace_id.iter().map(|byte| format!("{byte:02x}")).collect(),
            attributes: attributes
                .map(|attribute| (attribute.key, text(attribute.value.and_then(|value| value.value))))
                .collect(),
        }
    }

    fn is_of_execution(&self) -> bool {
        self.attributes["target"] == "loadgen::execution"
    }
}

fn records(collector: &Collector) -> Vec<Record> {
    let resources = collector.logs().into_iter().flat_map(|request| request.resource_logs);
    let records = resources.flat_map(|of| of.scope_logs).flat_map(|of| of.log_records);
    records.map(Record::of).collect()
}

fn run(place: &Place, collector: &Collector, flags: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = place.command(BINARY);
    command.args(["run", "s.yaml", "--quiet", "--no-out", "--format", "json", "--log-executions", "all"]);
    command.args(flags).env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.grpc_url());
    command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").env("OTEL_LOGS_EXPORTER", "otlp");
    command.envs(variables.iter().copied());
    Running::of(command).wait()
}

#[test]
fn every_execution_has_a_record_with_its_run_and_worker_and_none_is_about_sending() {
    let place = Place::new("exported");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "1s"));
    for (flags, workers) in [(&[][..], &["local"][..]), (&["--workers", "2"], &["worker-1", "worker-2"])] {
        let collector = Collector::start();
        let outcome = run(&place, &collector, flags, &[("OTEL_TRACES_SAMPLER", "always_on")]).expect_load();
        let result = outcome.result();
        let records = records(&collector);
        for record in &records {
            assert_eq!(record.attributes["run_id"], result.identity.run_id, "{}", record.body);
            assert!(record.attributes["target"].starts_with("loadgen"), "{:?}", record.attributes);
            assert!(!record.attributes["target"].starts_with("loadgen_telemetry"), "{:?}", record.attributes);
        }
        let executions: Vec<&Record> = records.iter().filter(|record| record.is_of_execution()).collect();
        assert_eq!(executions.len(), 50, "{flags:?}");
        for record in executions {
            assert!(workers.contains(&&*record.attributes["worker"]), "{:?}", record.attributes);
            assert_eq!(record.attributes["task_id"], "browse/list");
            assert_eq!(
                record.trace_id.len(),
                32,
                "a sampled execution can be found: {:?}",
                record.attributes
            );
        }
        let telemetry = result.telemetry.unwrap();
        assert!(telemetry.held, "{telemetry:#?}");
        // No terminal shows them.
        assert!(!outcome.stderr.contains("execution succeeded"), "{}", outcome.stderr);
    }
}

#[test]
fn what_is_logged_before_the_load_is_exported_without_the_whole_scenario() {
    let place = Place::new("exported-configured");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "200ms"));
    let collector = Collector::start();
    let result = run(&place, &collector, &[], &[]).expect_load().result();
    let records = records(&collector);
    let configured = records.iter().find(|record| record.body == "run configured").unwrap();
    assert_eq!(configured.attributes["plan_hash"], result.identity.plan_hash);
    assert!(!configured.attributes.contains_key("configuration"));
}

#[test]
fn the_users_filter_holds_for_records_too() {
    let place = Place::new("exported-filter");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "200ms"));
    let collector = Collector::start();
    run(&place, &collector, &[], &[("LOADGEN_LOG", "warn")]).expect_load();
    assert_eq!(records(&collector).iter().filter(|record| record.is_of_execution()).count(), 0);
}
