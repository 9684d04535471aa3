//! One log line, for people and for machines.

use std::fmt;

use control::RunId;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};
use uuid::Uuid;

/// One log line.
pub(super) struct Line<'a> {
    pub(super) at: jiff::Timestamp,
    pub(super) level: Level,
    pub(super) target: &'a str,
    /// The run of the process; a line that names another one is about that.
    pub(super) run: Option<RunId>,
    /// The process as a part of its run.
    pub(super) process: Option<&'a str>,
    pub(super) fields: Fields,
}

impl Line<'_> {
    pub(super) fn human(&self, color: bool) -> String {
        let time = self.at.strftime("%H:%M:%S%.3fZ");
        let level = match (color, self.level) {
            (true, Level::ERROR) => "\x1b[31mERROR\x1b[0m".to_owned(),
            (true, Level::WARN) => "\x1b[33m WARN\x1b[0m".to_owned(),
            (_, level) => format!("{level:>5}"),
        };
        let mut text = format!("{time} {level}");
        if let Some(run) = self.run {
            text.push_str(&format!(" [{}]", run.short()));
        }
        text.push_str(&format!(" {}", shown(&self.fields.message)));
        // The whole configuration fills a screen; who wants it has it in the result and in the JSON form.
        for (name, value) in self.fields.others.iter().filter(|(name, _)| *name != CONFIGURATION) {
            match value {
                Value::String(value) => text.push_str(&format!(" {name}={}", shown(value))),
                value => text.push_str(&format!(" {name}={value}")),
            }
        }
        text
    }

    /// One object. Keys that do not apply are absent.
    pub(super) fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("timestamp".to_owned(), self.at.to_string().into());
        object.insert("level".to_owned(), self.level.as_str().to_ascii_lowercase().into());
        object.insert("target".to_owned(), self.target.into());
        object.insert("message".to_owned(), self.fields.message.as_str().into());
        for (name, value) in &self.fields.others {
            object.entry(*name).or_insert_with(|| value.clone());
        }
        // What a line says of itself wins: a controller has many runs, and speaks of many workers.
        if let Some(run) = self.run {
            object.entry("run_id").or_insert_with(|| run.to_string().into());
        }
        if let Some(process) = self.process {
            object.entry("worker").or_insert_with(|| process.into());
        }
        Value::Object(object)
    }
}

/// A text on one line of a terminal: what would end the line or move the cursor is written out, as errors of other
/// machines and the like come from elsewhere.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// The fields of an event, its message apart.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) message: String,
    pub(super) others: Vec<(&'static str, Value)>,
}

impl Fields {
    /// Those of `event`.
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut fields = Self::default();
        event.record(&mut fields);
        fields
    }

    /// Takes out the text of a field.
    pub(super) fn take_text(&mut self, name: &str) -> Option<String> {
        let place = self.others.iter().position(|(other, value)| *other == name && value.is_string())?;
        match self.others.remove(place).1 {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Takes out the run, where the line names one.
    pub(super) fn take_run(&mut self) -> Option<Uuid> {
        self.take_text("run_id").and_then(|text| text.parse().ok())
    }

    /// Leaves out what is only to be read on this machine: a whole scenario, which is too large for a record, and what was
    /// set in it, which may be a header of the target. The result holds both.
    pub(super) fn leave_out_configuration(&mut self) {
        self.others.retain(|(name, _)| ![CONFIGURATION, OVERRIDES].contains(name));
    }

    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.others.push((field.name(), value.into()));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            // One event is one line, whatever the text holds.
            self.message = text.replace('\n', "\\n");
        } else {
            self.add(field, text);
        }
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.replace('\n', "\\n")
        } else {
            self.add(field, value)
        }
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }
}

/// The field that holds a whole scenario.
const CONFIGURATION: &str = "configuration";
/// The field that holds the values from outside the file.
const OVERRIDES: &str = "overrides";

#[cfg(test)]
mod tests {
    use super::*;

    fn line(run: Option<RunId>) -> Line<'static> {
        let fields = Fields {
            message: "run finished".to_owned(),
            others: vec![("verdict", "passed".into()), ("requests", 7.into())],
        };
        let at = "2026-01-02T03:04:05.678Z".parse().unwrap();
        Line { at, level: Level::INFO, target: "loadgen", run, process: Some("local"), fields }
    }

    fn run() -> RunId {
        RunId::new("0190f0f0-0000-7000-8000-0000deadbeef".parse().unwrap())
    }

    #[test]
    fn a_line_for_people_has_the_short_run_id() {
        assert_eq!(
            line(Some(run())).human(false),
            "03:04:05.678Z  INFO [deadbeef] run finished verdict=passed requests=7"
        );
        assert_eq!(line(None).human(false), "03:04:05.678Z  INFO run finished verdict=passed requests=7");
    }

    #[test]
    fn a_line_for_people_stays_one_line_whatever_it_says() {
        let mut line = line(None);
        line.fields.message = "a\r\u{1b}[2K".to_owned();
        line.fields.others = vec![("reason", "b\n03:04:05.678Z  INFO forged".into())];
        assert_eq!(
            line.human(false),
            "03:04:05.678Z  INFO a\\r\\u{1b}[2K reason=b\\n03:04:05.678Z  INFO forged"
        );
    }

    #[test]
    fn a_line_for_machines_has_the_whole_run_id_and_typed_fields() {
        let expected = serde_json::json!({
            "timestamp": "2026-01-02T03:04:05.678Z",
            "level": "info",
            "target": "loadgen",
            "message": "run finished",
            "run_id": "0190f0f0-0000-7000-8000-0000deadbeef",
            "worker": "local",
            "verdict": "passed",
            "requests": 7,
        });
        assert_eq!(line(Some(run())).json(), expected);
    }

    #[test]
    fn what_a_line_says_of_itself_wins() {
        let other = "0190f0f0-0000-7000-8000-00000000cafe";
        let mut line = line(Some(run()));
        line.fields.others.extend([("run_id", other.into()), ("worker", "worker-2".into())]);
        let json = line.json();
        assert_eq!((&json["run_id"], &json["worker"]), (&other.into(), &"worker-2".into()));
    }

    #[test]
    fn keys_that_do_not_apply_are_absent() {
        let json = Line { process: None, ..line(None) }.json();
        let object = json.as_object().unwrap();
        for key in ["run_id", "trace_id", "span_id", "task_id", "worker"] {
            assert!(!object.contains_key(key), "{key}");
        }
    }

    #[test]
    fn what_was_set_in_a_scenario_stays_here() {
        let others = vec![
            ("plan_hash", "1f".into()),
            (OVERRIDES, "target.headers.authorization=\"s3cret\" (--set target)".into()),
            (CONFIGURATION, "{}".into()),
        ];
        let mut fields = Fields { others, ..Fields::default() };
        fields.leave_out_configuration();
        assert_eq!(fields.others, [("plan_hash", "1f".into())]);
    }

    #[test]
    fn a_run_is_taken_out_once() {
        let mut fields = Fields { others: vec![("run_id", run().to_string().into())], ..Fields::default() };
        assert_eq!(fields.take_run(), Some("0190f0f0-0000-7000-8000-0000deadbeef".parse().unwrap()));
        assert_eq!((fields.take_run(), fields.others.len()), (None, 0));
    }
}
