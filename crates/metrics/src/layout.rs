//! Which series a run has, and where each of them lies.

use std::collections::BTreeMap;

use crate::Shape;
use crate::outcome::Ending;

/// The names of everything a run measures, in the order of their indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The scenarios.
    pub scenarios: Vec<CatalogScenario>,
    /// The steps of all scenarios.
    pub steps: Vec<CatalogStep>,
    /// The checks of all steps.
    pub checks: Vec<CatalogCheck>,
    /// Labels on the whole run.
    pub tags: BTreeMap<String, String>,
}

/// A scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogScenario {
    /// Its name.
    pub name: String,
    /// Labels on everything it measures.
    pub tags: BTreeMap<String, String>,
}

/// A measured step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogStep {
    /// Index of its scenario.
    pub scenario: usize,
    /// Its name.
    pub name: String,
}

/// A check on the response of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogCheck {
    /// Index of its step.
    pub step: usize,
    /// How it is shown.
    pub name: String,
}

/// What is timed for each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum StepTime {
    /// Completion − intended start, kept apart by outcome.
    ResponseTime,
    /// Completion − actual start, kept apart by outcome.
    ServiceTime,
    /// Actual start − released.
    QueueWait,
    /// First byte sent to first byte received.
    FirstByte,
    /// First byte received to last.
    Receive,
    /// Looking the host up.
    Dns,
    /// The TCP handshake.
    Connect,
    /// The TLS handshake.
    Tls,
}

/// What is timed for each scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ScenarioTime {
    /// End − intended start of an iteration's slot, kept apart by outcome.
    IterationResponseTime,
    /// End − actual start of an iteration, kept apart by outcome.
    IterationDuration,
    /// Released − intended start of an iteration's slot.
    DispatchLag,
    /// Started − released: waiting for a free virtual user.
    QueueWait,
}

impl StepTime {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::ResponseTime,
        Self::ServiceTime,
        Self::QueueWait,
        Self::FirstByte,
        Self::Receive,
        Self::Dns,
        Self::Connect,
        Self::Tls,
    ];
    /// Histograms of one step.
    pub(crate) const SERIES: usize = series_before(Self::ALL.len());

    /// Whether it is kept apart by outcome.
    pub const fn is_split(self) -> bool {
        matches!(self, Self::ResponseTime | Self::ServiceTime)
    }

    /// The layout of its histograms.
    pub const fn shape(self) -> Shape {
        if self.is_split() { Shape::FINE } else { Shape::COARSE }
    }

    /// Which of the step's histograms holds it.
    #[inline]
    pub(crate) const fn series(self, ending: Ending) -> usize {
        series_before(self as usize) + if self.is_split() { ending as usize } else { 0 }
    }
}

impl ScenarioTime {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] =
        [Self::IterationResponseTime, Self::IterationDuration, Self::DispatchLag, Self::QueueWait];
    /// Histograms of one scenario.
    pub(crate) const SERIES: usize = series_before(Self::ALL.len());

    /// Whether it is kept apart by outcome.
    pub const fn is_split(self) -> bool {
        matches!(self, Self::IterationResponseTime | Self::IterationDuration)
    }

    /// The layout of its histograms.
    pub const fn shape(self) -> Shape {
        if matches!(self, Self::IterationResponseTime) { Shape::FINE } else { Shape::COARSE }
    }

    /// Which of the scenario's histograms holds it.
    #[inline]
    pub(crate) const fn series(self, ending: Ending) -> usize {
        series_before(self as usize) + if self.is_split() { ending as usize } else { 0 }
    }
}

/// In both lists the times that are kept apart by outcome come first, and there are two of them.
const SPLIT_TIMES: usize = 2;

/// Histograms that the first `times` of either list take.
const fn series_before(times: usize) -> usize {
    let split = if times < SPLIT_TIMES { times } else { SPLIT_TIMES };
    split * Ending::COUNT + (times - split)
}

/// Where the series of a run lie: at most [`Layout::MAX_SERIES`], further steps and scenarios share one called
/// `other`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    catalog: Catalog,
    step_slots: usize,
    scenario_slots: usize,
    shape_hash: u64,
}

impl Layout {
    /// The most series of one run, where a step makes two (succeeded and failed) and a scenario one.
    pub const MAX_SERIES: usize = 1_000;
    /// The most histograms of one run: with as many scenarios as have a slot of their own.
    pub const MAX_HISTOGRAMS: usize = Self::MAX_SCENARIOS * ScenarioTime::SERIES
        + (Self::MAX_SERIES - Self::MAX_SCENARIOS) / 2 * StepTime::SERIES;
    /// The most scenarios with a slot of their own.
    const MAX_SCENARIOS: usize = Self::MAX_SERIES / 4;

    /// Lays out the series of `catalog`.
    ///
    /// # Panics
    /// When a step or a check names a scenario or step that is not there.
    pub fn new(catalog: Catalog) -> Self {
        for step in &catalog.steps {
            assert!(step.scenario < catalog.scenarios.len(), "step `{}` belongs to a scenario", step.name);
        }
        for check in &catalog.checks {
            assert!(check.step < catalog.steps.len(), "check `{}` belongs to a step", check.name);
        }
        let scenario_slots = catalog.scenarios.len().min(Self::MAX_SCENARIOS);
        let step_slots = catalog.steps.len().min((Self::MAX_SERIES - scenario_slots) / 2);
        let shape_hash = hash_of(&catalog, step_slots, scenario_slots);
        Self { catalog, step_slots, scenario_slots, shape_hash }
    }

    /// The names it was made from.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What must be equal for snapshots to add up: names, their order, and the layout of histograms.
    pub fn shape_hash(&self) -> u64 {
        self.shape_hash
    }

    /// How many slots hold the numbers of steps.
    pub fn step_slots(&self) -> usize {
        self.step_slots
    }

    /// How many slots hold the numbers of scenarios.
    pub fn scenario_slots(&self) -> usize {
        self.scenario_slots
    }

    /// How many steps are counted under `other`; 0 when each has a slot of its own.
    pub fn folded_steps(&self) -> usize {
        folded(self.catalog.steps.len(), self.step_slots)
    }

    /// How many scenarios are counted under `other`; 0 when each has a slot of its own.
    pub fn folded_scenarios(&self) -> usize {
        folded(self.catalog.scenarios.len(), self.scenario_slots)
    }

    /// The slot of a step; that of `other` for what came after the last free one.
    pub fn step_slot(&self, step: usize) -> usize {
        step.min(self.step_slots.saturating_sub(1))
    }

    /// The slot of a scenario; that of `other` for what came after the last free one.
    pub fn scenario_slot(&self, scenario: usize) -> usize {
        scenario.min(self.scenario_slots.saturating_sub(1))
    }

    /// The address space one interval reserves, in bytes. Only what is used becomes memory: at most 64 KiB for a step
    /// whose times span five octaves (60 µs to 2 ms), 8 KiB for each further one.
    pub fn reserved_bytes(&self) -> usize {
        self.pool_len() * size_of::<u32>()
            + self.step_slots * size_of::<crate::interval::StepCell>()
            + self.scenario_slots * size_of::<crate::interval::ScenarioCell>()
    }

    /// Counts of the pool in which every bucket of every histogram has a place.
    pub(crate) fn pool_len(&self) -> usize {
        let buckets = |split: bool, shape: Shape| shape.buckets() * if split { Ending::COUNT } else { 1 };
        let step: usize = StepTime::ALL.iter().map(|time| buckets(time.is_split(), time.shape())).sum();
        let scenario: usize =
            ScenarioTime::ALL.iter().map(|time| buckets(time.is_split(), time.shape())).sum();
        self.step_slots * (step + crate::interval::STATUS_COUNTS) + self.scenario_slots * scenario
    }

    /// How many histograms there are.
    pub(crate) fn series(&self) -> usize {
        self.scenario_series(self.scenario_slots, ScenarioTime::IterationResponseTime, Ending::Succeeded)
    }

    /// The number of a step's histogram among all.
    pub(crate) fn step_series(&self, slot: usize, time: StepTime, ending: Ending) -> usize {
        slot * StepTime::SERIES + time.series(ending)
    }

    /// The number of a scenario's histogram among all.
    pub(crate) fn scenario_series(&self, slot: usize, time: ScenarioTime, ending: Ending) -> usize {
        self.step_slots * StepTime::SERIES + slot * ScenarioTime::SERIES + time.series(ending)
    }

    /// The layout of histogram number `series`.
    pub(crate) fn shape_of(&self, series: usize) -> Shape {
        let scenarios = self.step_slots * StepTime::SERIES;
        let fine = if series < scenarios {
            series % StepTime::SERIES < SPLIT_TIMES * Ending::COUNT
        } else {
            (series - scenarios) % ScenarioTime::SERIES < Ending::COUNT
        };
        if fine { Shape::FINE } else { Shape::COARSE }
    }
}

fn folded(wanted: usize, slots: usize) -> usize {
    if wanted > slots { wanted - slots + 1 } else { 0 }
}

/// FNV-1a over all that gives numbers their meaning; only equality matters.
fn hash_of(catalog: &Catalog, step_slots: usize, scenario_slots: usize) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    let mut eat_numbers = |numbers: &[usize]| {
        for number in numbers {
            eat(&(*number as u64).to_le_bytes());
        }
    };
    eat_numbers(&[StepTime::SERIES, ScenarioTime::SERIES, Shape::FINE.buckets(), Shape::COARSE.buckets()]);
    eat_numbers(&[
        step_slots,
        scenario_slots,
        catalog.scenarios.len(),
        catalog.steps.len(),
        catalog.checks.len(),
    ]);
    for scenario in &catalog.scenarios {
        eat(scenario.name.as_bytes());
    }
    for step in &catalog.steps {
        eat(&(step.scenario as u64).to_le_bytes());
        eat(step.name.as_bytes());
    }
    for check in &catalog.checks {
        eat(&(check.step as u64).to_le_bytes());
        eat(check.name.as_bytes());
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(scenarios: usize, steps: usize) -> Catalog {
        Catalog {
            scenarios: (0..scenarios)
                .map(|n| CatalogScenario { name: format!("scenario {n}"), ..Default::default() })
                .collect(),
            steps: (0..steps)
                .map(|n| CatalogStep { scenario: n % scenarios, name: format!("step {n}") })
                .collect(),
            ..Catalog::default()
        }
    }

    #[test]
    fn every_histogram_has_a_number_and_the_shape_of_its_time() {
        let layout = Layout::new(catalog(2, 3));
        let mut seen = vec![false; layout.series()];
        let mut see = |series: usize, shape: Shape| {
            assert_eq!(layout.shape_of(series), shape);
            std::mem::replace(&mut seen[series], true)
        };
        for slot in 0..3 {
            for time in StepTime::ALL {
                for ending in if time.is_split() { &Ending::ALL[..] } else { &Ending::ALL[..1] } {
                    assert!(!see(layout.step_series(slot, time, *ending), time.shape()));
                }
            }
        }
        for slot in 0..2 {
            for time in ScenarioTime::ALL {
                for ending in if time.is_split() { &Ending::ALL[..] } else { &Ending::ALL[..1] } {
                    assert!(!see(layout.scenario_series(slot, time, *ending), time.shape()));
                }
            }
        }
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn steps_beyond_the_most_series_share_the_last_slot_and_are_counted() {
        let layout = Layout::new(catalog(10, 2_000));
        assert_eq!(layout.step_slots(), 495);
        assert_eq!(layout.step_slot(493), 493);
        assert_eq!(layout.step_slot(494), layout.step_slot(1_999));
        assert_eq!(layout.folded_steps(), 2_000 - 494);
        assert!(u32::try_from(layout.pool_len()).is_ok(), "places in the pool are 32 bits wide");
        assert_eq!(Layout::new(catalog(1, 495)).folded_steps(), 0);
        let most = (1..300).map(|scenarios| Layout::new(catalog(scenarios, 2_000)).series()).max().unwrap();
        assert_eq!(most, Layout::MAX_HISTOGRAMS);
        assert_eq!(Layout::new(catalog(251, 1)).folded_scenarios(), 2);
    }

    #[test]
    fn the_shape_hash_changes_with_names_and_their_order() {
        let hash = |catalog| Layout::new(catalog).shape_hash();
        let base = catalog(2, 2);
        assert_eq!(hash(base.clone()), hash(catalog(2, 2)));
        let mut renamed = base.clone();
        renamed.steps[0].name.push('x');
        let mut swapped = base.clone();
        swapped.steps.swap(0, 1);
        let mut tagged = base.clone();
        tagged.tags.insert("team".to_owned(), "shop".to_owned());
        assert_ne!(hash(base.clone()), hash(renamed));
        assert_ne!(hash(base.clone()), hash(swapped));
        assert_eq!(hash(base), hash(tagged), "tags select, they do not move series");
    }
}
