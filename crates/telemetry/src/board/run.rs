//! The numbers of one part in one run.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};

use metrics::{Layout, SinkReport, Snapshot, Totals, TraceContext};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use units::{Clock, MonotonicClock, Nanos, Timestamp};

use super::exemplars::{Exemplars, Time};
use super::series::{Admitted, Collector, Labels, MOST_SERIES, Series, Value, owned};
use super::{RunLabels, lock, measured};
use crate::Settings;
use crate::catalogue::{self, Instrument, Kind, Scope};
use crate::points;

/// Where the requests of a step go, for the labels that OpenTelemetry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTarget {
    /// The method.
    pub method: String,
    /// The host, as it is written in the scenario.
    pub address: String,
    /// The port.
    pub port: u16,
}

/// What one part in a run shows and sends. Clones are the same one.
#[derive(Clone, Debug)]
pub struct RunBoard {
    run: Arc<Run>,
}

/// One part in one run.
#[derive(Debug)]
pub(crate) struct Run {
    labels: RunLabels,
    /// Nanoseconds since the beginning of 1970 at which counting began.
    opened_at: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    measured: Option<Measured>,
    /// By step of the catalogue; empty when it is not known where requests go.
    targets: Vec<Option<StepTarget>>,
    exemplars: Exemplars,
    told: BTreeMap<&'static str, Told>,
    sinks: Vec<SinkReport>,
    admitted: Admitted,
    /// What was handed out of counters that are told, for the difference to them.
    handed: BTreeMap<(&'static str, Labels), f64>,
    /// When points were handed out last, in nanoseconds since the beginning of 1970.
    handed_at: Option<u64>,
    ended_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Measured {
    totals: Totals,
    /// What was measured since points were handed out last; only where they are differences.
    since: Option<Totals>,
}

#[derive(Debug)]
struct Told {
    instrument: &'static Instrument,
    values: BTreeMap<Labels, f64>,
    /// Hashes of the labels that there was no room for, themselves bounded.
    refused: BTreeSet<u64>,
}

/// Who asks for series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// A page: everything, counted from the beginning.
    Page,
    /// The export: exemplars that did not leave yet; counted from the last time on, if points are differences.
    Points { is_delta: bool },
}

impl RunBoard {
    pub(super) fn new(run: Arc<Run>) -> Self {
        Self { run }
    }

    /// Begins measuring, by the layout of what this process measures of the run.
    pub fn measure(&self, layout: &Arc<Layout>) {
        let mut state = lock(&self.run.state);
        state.measured = Some(Measured { totals: Totals::new(layout), since: None });
        state.exemplars = Exemplars::default();
    }

    /// Says where the requests of each step of the catalogue go, before anything is observed. A step with `None` is the
    /// execution of a task and no HTTP request.
    pub fn describe(&self, targets: Vec<Option<StepTarget>>) {
        lock(&self.run.state).targets = targets;
    }

    /// Adds what was measured; in any order.
    pub fn observe(&self, snapshot: &Snapshot) {
        let mut state = lock(&self.run.state);
        let Some(measured) = &mut state.measured else { return };
        let since = measured.since.as_mut().map_or(Ok(()), |since| since.add(snapshot));
        if let Err(fault) = measured.totals.add(snapshot).and(since) {
            tracing::warn!(%fault, run_id = %self.run.labels.run_id, "a snapshot is in no exported metric");
        }
    }

    /// Keeps a request as the example of the buckets that its times are in. `step` is the catalogue's, `ok` whether it
    /// succeeded, `at_unix_nanos` its end.
    pub fn exemplar(
        &self,
        step: usize,
        ok: bool,
        at_unix_nanos: u64,
        response_time: Nanos,
        service_time: Nanos,
        context: TraceContext,
    ) {
        let mut state = lock(&self.run.state);
        let State { measured: Some(measured), exemplars, .. } = &mut *state else { return };
        let slot = measured.totals.layout().step_slot(step);
        exemplars.keep((slot, ok, Time::Response), at_unix_nanos, response_time, context);
        exemplars.keep((slot, ok, Time::Service), at_unix_nanos, service_time, context);
    }

    /// Sets a number: the level of a gauge, or what a counter has come to. After [`RunBoard::end`] gauges stay away.
    ///
    /// # Panics
    /// When the metric is none of a run, or a histogram.
    pub fn set(&self, instrument: &'static Instrument, labels: &[(&'static str, &str)], value: f64) {
        assert!(instrument.scope == Scope::Run, "`{}` is of the process", instrument.name);
        assert!(instrument.kind != Kind::Histogram, "`{}` is more than a number", instrument.name);
        let mut state = lock(&self.run.state);
        let told = state.told.entry(instrument.name).or_insert_with(|| Told {
            instrument,
            values: BTreeMap::new(),
            refused: BTreeSet::new(),
        });
        let labels = owned(instrument, labels);
        if told.values.len() < MOST_SERIES || told.values.contains_key(&labels) {
            told.values.insert(labels, value);
        } else if told.refused.len() < MOST_REFUSED {
            let mut hasher = DefaultHasher::new();
            labels.hash(&mut hasher);
            told.refused.insert(hasher.finish());
        }
    }

    /// Takes away all series of a gauge, before those of another set of labels are set.
    pub fn clear(&self, instrument: &'static Instrument) {
        lock(&self.run.state).told.remove(instrument.name);
    }

    /// Says what became of telemetry so far.
    pub fn sinks(&self, reports: &[SinkReport]) {
        lock(&self.run.state).sinks = reports.to_vec();
    }

    /// Everything as data points of OTLP, counted from the beginning or from the last call, as the settings say; each
    /// exemplar is in one answer only.
    ///
    /// # Cost
    /// Milliseconds for 50 steps.
    pub fn points(&self, now_unix_nanos: u64, settings: &Settings) -> Vec<Metric> {
        let mut state = lock(&self.run.state);
        let is_delta = settings.temporality.is_delta();
        let series = state.series(View::Points { is_delta });
        let from = if is_delta { state.handed_at } else { None }.unwrap_or(self.run.opened_at);
        state.exemplars.hand_out();
        state.handed_at = Some(now_unix_nanos.max(from));
        if is_delta && let Some(measured) = &mut state.measured {
            measured.since = Some(Totals::new(measured.totals.layout()));
        }
        drop(state);
        let span = points::Span { from, to: now_unix_nanos.max(from) };
        points::encode(&self.run.labels, &series, span, settings)
    }

    /// Ends the run here: its gauges are gone at once, but for [`catalogue::OUTCOMES`]; everything else can be scraped for
    /// another minute.
    pub fn end(&self) {
        let mut state = lock(&self.run.state);
        state.ended_at.get_or_insert_with(|| MonotonicClock.now());
    }
}

impl Run {
    pub(super) fn new(labels: RunLabels, opened_at: u64) -> Self {
        Self { labels, opened_at, state: Mutex::default() }
    }

    pub(crate) fn labels(&self) -> &RunLabels {
        &self.labels
    }

    /// Nanoseconds since the beginning of 1970 at which counting began.
    pub(crate) fn opened_at(&self) -> u64 {
        self.opened_at
    }

    pub(super) fn ended_at(&self) -> Option<Timestamp> {
        lock(&self.state).ended_at
    }

    /// All series as they are, counted from the beginning.
    pub(crate) fn series(&self) -> Vec<Series> {
        lock(&self.state).series(View::Page)
    }
}

impl State {
    /// All series.
    fn series(&mut self, view: View) -> Vec<Series> {
        let since_handed = view == View::Points { is_delta: true };
        let Self { measured, targets, exemplars, told, sinks, admitted, handed, ended_at, .. } = self;
        let shows_levels = ended_at.is_none();
        let mut into = Collector::new(admitted);
        if let Some(Measured { totals, since }) = measured {
            let counted = since.as_ref().filter(|_| since_handed).unwrap_or(totals);
            let fresh_only = view != View::Page;
            measured::counts(counted, &mut into);
            measured::times(counted, targets, &mut |key| exemplars.of(key, fresh_only), &mut into);
            if shows_levels {
                measured::levels(totals, &mut into);
            }
        }
        let mut since_last = |instrument: &'static Instrument, labels: &Labels, value: f64| {
            if !since_handed {
                return value;
            }
            let before = handed.insert((instrument.name, labels.clone()), value).unwrap_or(0.0);
            // A counter that was set to less began anew.
            if value >= before { value - before } else { value }
        };
        for Told { instrument, values, refused } in told.values() {
            for (labels, value) in values {
                match instrument.kind {
                    Kind::Gauge if shows_levels || catalogue::OUTCOMES.contains(instrument) => {
                        into.add(instrument, labels.clone(), Value::Level(*value));
                    }
                    Kind::Gauge => {}
                    _ => {
                        let value = since_last(instrument, labels, *value);
                        into.add(instrument, labels.clone(), Value::Amount(value));
                    }
                }
            }
            into.refused(instrument, refused.len() as u64);
        }
        for report in sinks.iter() {
            let delivery = report.delivery;
            let states = [
                ("produced", delivery.produced),
                ("acknowledged", delivery.acknowledged),
                ("rejected", delivery.rejected),
                ("lost", delivery.lost),
                ("unknown", delivery.unknown),
                ("retried", delivery.retried),
            ];
            for (state, items) in states {
                let labels = vec![("signal", report.signal.name().to_owned()), ("state", state.to_owned())];
                let items = since_last(&catalogue::TELEMETRY_ITEMS, &labels, items as f64);
                into.add(&catalogue::TELEMETRY_ITEMS, labels, Value::Amount(items));
            }
        }
        into.finish(shows_levels)
    }
}

/// Series that were refused are told apart up to this many; there are more, but how many is not known.
const MOST_REFUSED: usize = 1 << 16;
