//! Series: a metric, the labels beside those of the run, and what it has come to. A metric has at most a thousand.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Exemplar;
use crate::catalogue::{self, Instrument, Kind};
use crate::times::Times;

/// Labels beside those of the run.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// The most series that a metric has in a run. What would be more is counted in one whose scenario and step are `other`.
pub(crate) const MOST_SERIES: usize = 1_000;

/// What a series shows.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A level.
    Level(f64),
    /// How many.
    Count(u64),
    /// How much.
    Amount(f64),
    /// How often which times.
    Times(Box<Times>, Vec<Exemplar>),
}

/// A series.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) instrument: &'static Instrument,
    pub(crate) labels: Labels,
    pub(crate) value: Value,
}

/// The series that have a place of their own, by metric: those that came first, for good.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    series: HashMap<&'static str, HashSet<Labels>>,
    /// The metrics of which it was said that they have too many.
    said: HashSet<&'static str>,
}

/// Takes series, and folds those that are too many.
pub(super) struct Collector<'a> {
    admitted: &'a mut Admitted,
    series: Vec<Series>,
    folded: BTreeMap<&'static str, Folded>,
}

struct Folded {
    instrument: &'static Instrument,
    series: u64,
    sum: Option<Value>,
}

impl Value {
    /// Adds what another series shows.
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Level(mine), Self::Level(theirs)) => *mine += theirs,
            (Self::Count(mine), Self::Count(theirs)) => *mine += theirs,
            (Self::Amount(mine), Self::Amount(theirs)) => *mine += theirs,
            (Self::Times(mine, examples), Self::Times(theirs, others)) => {
                mine.merge(&theirs);
                examples.extend(others);
            }
            (mine, theirs) => debug_assert!(false, "{mine:?} and {theirs:?} are not of one metric"),
        }
    }
}

impl<'a> Collector<'a> {
    pub(super) fn new(admitted: &'a mut Admitted) -> Self {
        Self { admitted, series: Vec::new(), folded: BTreeMap::new() }
    }

    /// Takes a series.
    pub(super) fn add(&mut self, instrument: &'static Instrument, labels: Labels, value: Value) {
        debug_assert!(
            labels.iter().all(|(name, _)| instrument.labels.contains(name)),
            "`{}` has no such labels: {labels:?}",
            instrument.name
        );
        let admitted = self.admitted.series.entry(instrument.name).or_default();
        if !admitted.contains(&labels) {
            if admitted.len() >= MOST_SERIES - 1 {
                return self.fold(instrument, value);
            }
            admitted.insert(labels.clone());
        }
        // A scenario may have the name of those that the layout folds: a series is on a page once.
        if labels.contains(&("scenario", OTHER.to_owned()))
            && let Some(same) = self.same(instrument, &labels)
        {
            return same.value.merge(value);
        }
        self.series.push(Series { instrument, labels, value });
    }

    /// Says that there were series that found no place before they came here.
    pub(super) fn refused(&mut self, instrument: &'static Instrument, series: u64) {
        if series > 0 {
            self.folded_of(instrument).series += series;
        }
    }

    fn same(&mut self, instrument: &Instrument, labels: &Labels) -> Option<&mut Series> {
        self.series
            .iter_mut()
            .find(|series| series.instrument.name == instrument.name && series.labels == *labels)
    }

    fn fold(&mut self, instrument: &'static Instrument, value: Value) {
        let folded = self.folded_of(instrument);
        folded.series += 1;
        if instrument.kind != Kind::Gauge {
            match &mut folded.sum {
                Some(sum) => sum.merge(value),
                None => folded.sum = Some(value),
            }
        }
    }

    fn folded_of(&mut self, instrument: &'static Instrument) -> &mut Folded {
        self.folded.entry(instrument.name).or_insert(Folded { instrument, series: 0, sum: None })
    }

    /// The series, and how many were folded.
    pub(super) fn finish(self, shows_levels: bool) -> Vec<Series> {
        let Self { admitted, mut series, folded } = self;
        for Folded { instrument, series: count, sum } in folded.into_values() {
            if admitted.said.insert(instrument.name) {
                tracing::warn!(
                    metric = instrument.name,
                    series = count,
                    most = MOST_SERIES,
                    "a metric has too many series: what is beyond the most is counted under `other`"
                );
            }
            if let Some(sum) = sum {
                let named = |name: &&&'static str| matches!(**name, "scenario" | "step");
                let labels: Labels =
                    instrument.labels.iter().filter(named).map(|name| (*name, OTHER.to_owned())).collect();
                // The layout folds steps by itself, and calls them the same.
                let same = series
                    .iter_mut()
                    .find(|series| series.instrument.name == instrument.name && series.labels == labels);
                match same {
                    Some(same) => same.value.merge(sum),
                    None => series.push(Series { instrument, labels, value: sum }),
                }
            }
            if shows_levels {
                series.push(Series {
                    instrument: &catalogue::SERIES_FOLDED,
                    labels: vec![("metric", instrument.prometheus_name())],
                    value: Value::Level(count as f64),
                });
            }
        }
        series
    }
}

/// The name of what shares a series.
pub(super) const OTHER: &str = "other";

/// The labels to keep.
pub(super) fn owned(instrument: &Instrument, labels: &[(&'static str, &str)]) -> Labels {
    debug_assert!(
        labels.iter().all(|(name, _)| instrument.labels.contains(name)),
        "`{}` has no such labels: {labels:?}",
        instrument.name
    );
    labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

/// The labels to show.
pub(super) fn borrowed(labels: &Labels) -> Vec<(&str, &str)> {
    labels.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
