//! Log lines on standard error: for people, or one JSON object per line; the run's ID is on every one.
//!
//! The ID is not a span's field, because a span is entered per thread and every line of every thread shall have it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use control::RunId;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::args::LogFormat;
use crate::console::Console;

/// The variable that says which lines are shown.
pub(crate) const FILTER_VARIABLE: &str = "LOADGEN_LOG";

/// The run that log lines belong to; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunLabel {
    run: Arc<Mutex<Option<RunId>>>,
}

impl RunLabel {
    /// Puts `run` on every line from now on.
    pub(crate) fn set(&self, run: RunId) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
    }

    fn run(&self) -> Option<RunId> {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends the log lines of this process to `console`, those that `filter` shows.
///
/// # Errors
/// When `filter` is no filter.
pub(crate) fn init(
    console: &Console,
    format: LogFormat,
    filter: &str,
    label: RunLabel,
) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        anyhow::anyhow!(
            "{FILTER_VARIABLE} is not a filter: {error}; write for example `debug` or `loadgen_worker=debug`"
        )
    })?;
    let console = console.clone();
    let lines = Lines { format, label, color: console.look().color };
    // A second call in one process (a program that runs the command line twice) keeps the first subscriber.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || console.clone())
        .event_format(lines)
        .try_init();
    Ok(())
}

/// How a line is made.
struct Lines {
    format: LogFormat,
    label: RunLabel,
    color: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let meta = event.metadata();
        let line = Line {
            time: jiff::Timestamp::now(),
            level: *meta.level(),
            target: meta.target(),
            run: self.label.run(),
            fields,
        };
        match self.format {
            LogFormat::Human => writeln!(writer, "{}", line.human(self.color)),
            LogFormat::Json => writeln!(writer, "{}", line.json()),
        }
    }
}

/// One log line.
struct Line<'a> {
    time: jiff::Timestamp,
    level: Level,
    target: &'a str,
    run: Option<RunId>,
    fields: Fields,
}

impl Line<'_> {
    fn human(&self, color: bool) -> String {
        let time = self.time.strftime("%H:%M:%S%.3fZ");
        let level = match (color, self.level) {
            (true, Level::ERROR) => "\x1b[31mERROR\x1b[0m".to_owned(),
            (true, Level::WARN) => "\x1b[33m WARN\x1b[0m".to_owned(),
            (_, level) => format!("{level:>5}"),
        };
        let mut text = format!("{time} {level}");
        if let Some(run) = self.run {
            text.push_str(&format!(" [{}]", run.short()));
        }
        text.push_str(&format!(" {}", self.fields.message));
        // The whole configuration fills a screen; who wants it has it in the result and in the JSON form.
        for (name, value) in self.fields.others.iter().filter(|(name, _)| name != "configuration") {
            match value {
                Value::String(value) => text.push_str(&format!(" {name}={value}")),
                value => text.push_str(&format!(" {name}={value}")),
            }
        }
        text
    }

    fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("time".to_owned(), self.time.to_string().into());
        object.insert("level".to_owned(), self.level.as_str().to_ascii_lowercase().into());
        if let Some(run) = self.run {
            object.insert("run_id".to_owned(), run.to_string().into());
        }
        object.insert("target".to_owned(), self.target.into());
        object.insert("message".to_owned(), self.fields.message.as_str().into());
        for (name, value) in &self.fields.others {
            object.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Value::Object(object)
    }
}

/// The fields of an event, its message apart.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(String, Value)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.others.push((field.name().to_owned(), value.into()));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(run: Option<RunId>) -> Line<'static> {
        let fields = Fields {
            message: "run finished".to_owned(),
            others: vec![("verdict".to_owned(), "passed".into()), ("requests".to_owned(), 7.into())],
        };
        let time = "2026-01-02T03:04:05.678Z".parse().unwrap();
        Line { time, level: Level::INFO, target: "loadgen", run, fields }
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
    fn a_line_for_machines_has_the_whole_run_id_and_typed_fields() {
        let json = line(Some(run())).json();
        assert_eq!(json["run_id"], "0190f0f0-0000-7000-8000-0000deadbeef");
        assert_eq!(json["requests"], 7);
        assert_eq!(json["level"], "info");
        assert_eq!(json["message"], "run finished");
    }
}
