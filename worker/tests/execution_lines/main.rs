//! Log lines of executions: in a process of their own, since whoever reads them is the process's.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "../local_run/run.rs"]
mod run;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use engine::TaskRegistry;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::run::{Run, document, run_id, target};

/// A line by its fields.
type Line = BTreeMap<&'static str, String>;

/// Keeps the lines of executions.
#[derive(Clone, Default)]
struct Reader(Arc<Mutex<Vec<(Level, Line)>>>);

struct Fields(Line);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Subscriber for Reader {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "loadgen::execution"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(Line::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push((*event.metadata().level(), fields.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn every_failed_execution_has_a_line_or_is_counted_in_one() {
    let reader = Reader::default();
    tracing::subscriber::set_global_default(reader.clone()).unwrap();
    let target = target();
    let run = Run::start(TaskRegistry::default());
    let scenario = r#"{"executor": "constant-arrival-rate", "rate": "100/s", "duration": "2s", "max_vus": "auto",
        "steps": [{"get": "/", "name": "fine"}, {"get": "/status/503", "name": "broken"}]}"#;
    run.prepare(&document(&target.url(), scenario), 2, false);
    run.prepared();
    run.begin();
    let (sum, last) = run.end();
    sum.agrees_with(&last);
    assert_eq!((sum.iterations.failed, run.applied.load(Ordering::Relaxed)), (200, 2));

    let lines = reader.0.lock().unwrap();
    let (executions, counts): (Vec<_>, Vec<_>) =
        lines.iter().partition(|(_, line)| line.contains_key("iteration"));
    let counted: u64 = counts.iter().map(|(_, line)| line["count"].parse::<u64>().unwrap()).sum();
    assert_eq!(executions.len() as u64 + counted, 200);
    // Each of two threads has ten a second, for at most four seconds that they touch.
    assert!(executions.len() <= 80 && counted > 0, "{} lines", executions.len());
    for (level, line) in &executions {
        assert_eq!(*level, Level::WARN);
        assert_eq!(line["run_id"], run_id().as_uuid().to_string());
        let expected = [
            ("worker", "local"),
            ("task_id", "s/broken"),
            ("scenario", "s"),
            ("outcome", "failed"),
            ("status", "503"),
            ("error", "status"),
            ("requests", "2"),
            ("sampled", "false"),
            ("message", "execution failed"),
        ];
        for (field, value) in expected {
            assert_eq!(line[field], value, "{line:?}");
        }
        assert!(!line.contains_key("trace_id"), "nothing was sampled, so there is nothing to be found");
        assert!(line["intended_start"] <= line["started"] && line["started"] <= line["ended"], "{line:?}");
    }
    for (_, line) in &counts {
        assert_eq!((line["error"].as_str(), line["worker"].as_str()), ("status", "local"));
    }
    let mut iterations: Vec<_> = executions.iter().map(|(_, line)| &line["iteration"]).collect();
    iterations.sort();
    iterations.dedup();
    assert_eq!(iterations.len(), executions.len(), "no execution has two lines");
}
