//! One run of the real binary with telemetry, and what it left behind: a result, log lines, and what a receiver took in.

use std::collections::BTreeMap;

use api::result::{ResultFile, TelemetrySignal};
use serde_json::Value;

use crate::harness::{BINARY, Outcome, Place, Running, WIDE_BOUNDS};
use crate::received::{Attributes, Received, Span};

/// A scenario file whose `browse` sends two requests an iteration, of which the second fails one time in ten.
pub(crate) fn journey(url: &str, rate: &str, duration: &str, telemetry: &str) -> String {
    format!(
        "name: test\n\
         target: {{ url: \"{url}\" }}\n\
         verdict: {{ invalid: {WIDE_BOUNDS} }}\n\
         telemetry: {telemetry}\n\
         scenarios:\n  \
           browse:\n    \
             executor: constant-arrival-rate\n    \
             rate: {rate}\n    \
             duration: {duration}\n    \
             steps:\n      \
               - {{ get: /delay/exp?mean_ms=4, name: list }}\n      \
               - {{ get: /errors?rate=0.1, name: pay }}\n"
    )
}

/// Everything is kept.
pub(crate) const ALL: &str = "{ traces: { sampling: 100%, max_spans_per_second: 100000 } }";

/// What a run left behind.
pub(crate) struct Finished {
    pub(crate) result: ResultFile,
    pub(crate) outcome: Outcome,
    /// The log lines on stderr.
    pub(crate) lines: Vec<Value>,
}

/// Starts `loadgen run` of `s.yaml` in `place`, with log lines as JSON and the result on stdout.
pub(crate) fn begin(place: &Place, flags: &[&str], variables: &[(&str, String)]) -> Running {
    let mut command = place.command(BINARY);
    command.args(["run", "s.yaml", "--no-out", "--format", "json", "--log-format", "json"]).args(flags);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    Running::of(command)
}

/// Waits for the end of what [`begin`] began.
#[track_caller]
pub(crate) fn finish(running: Running) -> Finished {
    let outcome = running.wait();
    let result = outcome.result();
    let lines = outcome.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    Finished { result, outcome, lines }
}

impl Finished {
    /// Those of the executions.
    pub(crate) fn execution_lines(&self) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(|line| line["target"] == "loadgen::execution" && !line["span_id"].is_null())
    }

    /// Holds every row of the result's telemetry: it balances, and a receiver that took everything has what it
    /// acknowledged, item by item.
    #[track_caller]
    pub(crate) fn everything_was_acknowledged(&self, received: &Received) {
        let telemetry = self.result.telemetry.as_ref().unwrap();
        assert!(telemetry.held && !telemetry.sinks.is_empty(), "{telemetry:#?}");
        let mut sums: BTreeMap<TelemetrySignal, u64> = BTreeMap::new();
        for row in &telemetry.sinks {
            assert_eq!((row.rejected, row.lost, row.unknown), (0, 0, 0), "{row:#?}");
            assert_eq!(row.produced, row.acknowledged, "{row:#?}");
            *sums.entry(row.signal).or_default() += row.acknowledged;
        }
        let came = BTreeMap::from([
            (TelemetrySignal::Traces, received.spans.len() as u64),
            (TelemetrySignal::Metrics, received.points.len() as u64),
            (TelemetrySignal::Logs, received.records.len() as u64),
        ]);
        assert_eq!(sums, came, "{telemetry:#?}");
    }

    /// Holds that every span, point and record says which run it is of, in its resource and by itself.
    #[track_caller]
    pub(crate) fn everything_carries_the_run(&self, received: &Received) {
        let run = &self.result.identity.run_id;
        let says = |what: &str, resource: &Attributes, attributes: &Attributes| {
            assert_eq!(resource.get("loadgen.run.id"), Some(run), "{what}: {resource:#?}");
            assert_eq!(attributes.get("run_id"), Some(run), "{what}: {attributes:#?}");
        };
        received.spans.iter().for_each(|it| says(&it.name, &it.resource, &it.attributes));
        received.points.iter().for_each(|it| says(&it.metric, &it.resource, &it.attributes));
        received.records.iter().for_each(|it| says(&it.body, &it.resource, &it.attributes));
    }

    /// Holds that every line of a traced execution is a span at the receiver, and every such span has its line.
    #[track_caller]
    pub(crate) fn lines_are_spans_and_spans_are_lines(&self, received: &Received) {
        let executions = Executions::of(received);
        let of_lines: Vec<(String, String)> = self
            .execution_lines()
            .map(|line| {
                [&line["trace_id"], &line["span_id"]].map(|id| id.as_str().unwrap().to_owned()).into()
            })
            .collect();
        let of_spans: Vec<(String, String)> =
            executions.spans.iter().map(|span| (span.trace.clone(), span.id.clone())).collect();
        assert!(!of_lines.is_empty(), "{}", self.outcome.stderr);
        assert_eq!(sorted(of_lines), sorted(of_spans));
    }
}

/// The spans of one run, by what they are of.
pub(crate) struct Executions<'r> {
    pub(crate) run: &'r Span,
    pub(crate) scenarios: Vec<&'r Span>,
    pub(crate) spans: Vec<&'r Span>,
    pub(crate) requests: Vec<&'r Span>,
}

impl<'r> Executions<'r> {
    /// Sorts them by their parents, and holds that each has the right one and that no name is there twice.
    #[track_caller]
    pub(crate) fn of(received: &'r Received) -> Self {
        let spans = &received.spans;
        let names: Vec<_> = sorted(spans.iter().map(|span| (&span.trace, &span.id)).collect());
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a span came twice");
        let (roots, others): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span.parent.is_empty());
        let (scenarios, runs): (Vec<_>, Vec<_>) =
            roots.into_iter().partition(|span| !span.name.starts_with("loadgen run "));
        let [run] = runs[..] else { panic!("not one run span: {runs:#?}") };
        for scenario in &scenarios {
            assert_eq!(scenario.links, [(run.trace.clone(), run.id.clone())], "{scenario:#?}");
        }
        let is_of = |span: &&Span, parents: &[&Span]| {
            parents.iter().any(|parent| (&parent.trace, &parent.id) == (&span.trace, &span.parent))
        };
        let (executions, requests): (Vec<&Span>, Vec<&Span>) =
            others.into_iter().partition(|span| is_of(span, &scenarios));
        let mut ids: Vec<_> = executions.iter().map(|span| (&span.trace, &span.id)).collect();
        ids.sort();
        for request in &requests {
            let parent = (&request.trace, &request.parent);
            assert!(ids.binary_search(&parent).is_ok(), "its parent never came: {request:#?}");
        }
        Self { run, scenarios, spans: executions, requests }
    }
}

pub(crate) fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}
