//! Log lines: on standard error for people or as one JSON object per line, and over OTLP where that is on. The run's ID is on
//! every one.
//!
//! The ID is not a span's field, because a span is entered per thread and every line of every thread shall have it. What is
//! shown and what is exported have filters of their own: a terminal shows no line per execution, a receiver takes them.

mod filter;
mod line;
mod routed;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use control::RunId;
use telemetry::LogRoutes;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::filter::parsed;
use self::line::{Fields, Line};
use self::routed::Routed;
use crate::args::LogFormat;
use crate::console::Console;

/// The variable that says which lines are shown.
pub(crate) const FILTER_VARIABLE: &str = "LOADGEN_LOG";

/// What log lines belong to; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogLabel {
    run: Arc<Mutex<Option<RunId>>>,
    /// The runs that come and go in a process that has many.
    routes: LogRoutes,
    process: Arc<OnceLock<String>>,
}

impl LogLabel {
    /// Of a process whose runs are those of `routes`, unless it is said to have one of its own.
    pub(crate) fn new(routes: LogRoutes) -> Self {
        Self { routes, ..Self::default() }
    }

    /// Puts `run` on every line from now on.
    pub(crate) fn set_run(&self, run: RunId) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
    }

    /// Puts the name of this process, as a part of runs, on every line from now on: a worker's, or `controller`. The first
    /// one stays.
    pub(crate) fn set_process(&self, name: &str) {
        // A program that runs the command line twice keeps its subscriber, too.
        let _ = self.process.set(name.to_owned());
    }

    fn run(&self) -> Option<RunId> {
        let own = *self.run.lock().unwrap_or_else(PoisonError::into_inner);
        own.or_else(|| self.routes.run().map(RunId::new))
    }

    fn process(&self) -> Option<&str> {
        self.process.get().map(String::as_str)
    }
}

/// What a process does with its log lines.
pub(crate) struct Logging<'a> {
    /// Where they are shown.
    pub(crate) console: &'a Console,
    /// How they look there.
    pub(crate) format: LogFormat,
    /// What the user wants of them.
    pub(crate) wanted: Option<&'a str>,
    /// What is shown when the user said nothing.
    pub(crate) usual: &'a str,
    /// What they belong to.
    pub(crate) label: LogLabel,
    /// Where they go beside the console, if anywhere.
    pub(crate) routes: Option<LogRoutes>,
}

impl Logging<'_> {
    /// Begins to take log lines.
    ///
    /// # Errors
    /// When what the user wants is no filter.
    pub(crate) fn begin(self) -> anyhow::Result<()> {
        let Self { console, format, wanted, usual, label, routes } = self;
        let shown = parsed(&filter::shown(wanted, usual, format))?;
        let exported = parsed(&filter::exported(wanted))?.and(LevelFilter::INFO);
        let console = console.clone();
        let lines = Lines { format, label: label.clone(), color: console.look().color };
        let on_console = tracing_subscriber::fmt::layer()
            .with_writer(move || console.clone())
            .event_format(lines)
            .with_filter(shown);
        // A second call in one process (a program that runs the command line twice) keeps the first subscriber.
        let _ = tracing_subscriber::registry()
            .with(on_console)
            .with(routes.map(|routes| Routed::new(routes, label).with_filter(exported)))
            .try_init();
        Ok(())
    }
}

/// How a line is made.
struct Lines {
    format: LogFormat,
    label: LogLabel,
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
        let meta = event.metadata();
        let line = Line {
            at: jiff::Timestamp::now(),
            level: *meta.level(),
            target: meta.target(),
            run: self.label.run(),
            process: self.label.process(),
            fields: Fields::of(event),
        };
        match self.format {
            LogFormat::Human => writeln!(writer, "{}", line.human(self.color)),
            LogFormat::Json => writeln!(writer, "{}", line.json()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_of_a_process_is_its_own_or_the_only_one_under_way() {
        let routes = LogRoutes::new();
        let label = LogLabel::new(routes.clone());
        assert_eq!(label.run(), None);
        let first = uuid::Uuid::from_u128(1);
        routes.begin(first);
        assert_eq!(label.run(), Some(RunId::new(first)));
        let own = RunId::new(uuid::Uuid::from_u128(2));
        label.clone().set_run(own);
        assert_eq!(label.run(), Some(own));
    }

    #[test]
    fn the_first_name_of_a_process_stays() {
        let label = LogLabel::default();
        label.set_process("w-1");
        label.set_process("w-2");
        assert_eq!(label.process(), Some("w-1"));
    }
}
