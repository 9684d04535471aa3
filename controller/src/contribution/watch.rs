//! What of a snapshot counts against a threshold.
//!
//! Histograms of a snapshot say how many values there were, not which belong together: that a late request was the one
//! with the long TLS handshake is in none of them. So causes are weighed second by second and worker by worker: of a
//! second in which `n` values of a step were beyond the bound, the `n` largest values of each phase are added up. No
//! phase can have taken more of the late requests' time than that, and one that was slow only in other seconds, on other
//! workers or in other steps gets nothing for it. Counting values of a phase above half of the bound, the other way
//! tried, names a phase that is always there and never late, as soon as the bound is near to what is normal.

use metrics::{
    Bound, DropReason, ErrorClass, Layout, Metric, Operator, Outcomes, ScenarioTime, Shape, Snapshot,
    SparseHistogram, StepTime, Threshold, UnsentReason,
};
use units::Nanos;

/// What counts against one threshold.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    counted: Counted,
    /// The steps that it can be blamed on, as slots of the layout: one flag for each.
    steps: Vec<bool>,
}

#[derive(Clone, Debug)]
enum Counted {
    /// Times of requests on the wrong side of the bound.
    StepTimes { time: StepTime, outcomes: Outcomes, wrong: Wrong },
    /// Iterations on the wrong side of the bound: the time in each of their steps.
    IterationTimes { time: ScenarioTime, outcomes: Outcomes, wrong: Wrong, scenarios: Vec<bool> },
    /// Slots that were taken up too late: the first step of their iterations is what it delays.
    Lags { wrong: Wrong, firsts: Vec<First> },
    /// Failed requests.
    Failures,
    /// Checks that did not hold, by the step of each; `None` where it is not judged.
    Checks { steps: Vec<Option<usize>> },
    /// Slots that came to nothing: what would have been their first step is to blame.
    Slots { lost: Lost, firsts: Vec<First> },
}

/// A scenario's slot in the layout, and that of its first step.
#[derive(Clone, Copy, Debug)]
struct First {
    scenario: usize,
    step: usize,
}

#[derive(Clone, Copy, Debug)]
enum Lost {
    Dropped,
    Unsent,
    Cancelled,
}

/// Which values do not do.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Above(Nanos),
    From(Nanos),
    Below(Nanos),
    UpTo(Nanos),
}

/// What one step did in one snapshot.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    /// The slot of the step.
    pub(crate) step: usize,
    /// How many were beyond the bound.
    pub(crate) beyond: u64,
    /// What the step has to answer for: so many, or nanoseconds where it is the time of whole iterations.
    pub(crate) weight: u64,
    /// Why, as far as can be told: nanoseconds by phase, or so many by class.
    pub(crate) causes: Vec<(&'static str, u128)>,
}

impl Watch {
    /// What counts against `threshold`; `None` for what nobody can be blamed for, as for too few requests.
    pub(crate) fn of(threshold: &Threshold, layout: &Layout) -> Option<Self> {
        let selector = &threshold.selector;
        let operator = threshold.condition.operator;
        let catalog = layout.catalog();
        let few = matches!(operator, Operator::Below | Operator::AtMost | Operator::Equal);
        let failed = selector.outcomes == Outcomes::Failed;
        let first = |scenario: &usize| {
            let step = catalog.steps.iter().position(|step| step.scenario == *scenario)?;
            Some(First { scenario: layout.scenario_slot(*scenario), step: layout.step_slot(step) })
        };
        let firsts = || {
            let mut firsts: Vec<First> = selector.scenarios.iter().filter_map(first).collect();
            firsts.dedup_by_key(|first| first.scenario);
            firsts
        };
        let scenarios =
            || flags(layout.scenario_slots(), selector.scenarios.iter().map(|n| layout.scenario_slot(*n)));
        let counted = match (selector.metric, threshold.condition.bound) {
            (Metric::StepTime(time), Bound::Time(bound)) => {
                Counted::StepTimes { time, outcomes: selector.outcomes, wrong: Wrong::of(operator, bound)? }
            }
            (Metric::ScenarioTime(time), Bound::Time(bound)) => {
                let wrong = Wrong::of(operator, bound)?;
                match time {
                    ScenarioTime::IterationResponseTime | ScenarioTime::IterationDuration => {
                        let outcomes = selector.outcomes;
                        Counted::IterationTimes { time, outcomes, wrong, scenarios: scenarios() }
                    }
                    ScenarioTime::DispatchLag => Counted::Lags { wrong, firsts: firsts() },
                    // No threshold can name it: that of steps holds it.
                    ScenarioTime::QueueWait => return None,
                }
            }
            (Metric::Failed, _) if few => Counted::Failures,
            (Metric::Requests | Metric::Iterations, _) if few && failed => Counted::Failures,
            (Metric::Checks, _) if !matches!(operator, Operator::Below | Operator::AtMost) => {
                let step = |check: usize| {
                    selector.checks.contains(&check).then(|| layout.step_slot(catalog.checks[check].step))
                };
                Counted::Checks { steps: (0..catalog.checks.len()).map(step).collect() }
            }
            (Metric::Dropped, _) if few => Counted::Slots { lost: Lost::Dropped, firsts: firsts() },
            (Metric::Unsent, _) if few => Counted::Slots { lost: Lost::Unsent, firsts: firsts() },
            (Metric::Cancelled, _) if few => Counted::Slots { lost: Lost::Cancelled, firsts: firsts() },
            _ => return None,
        };
        // What is selected by scenario has all of its steps selected too.
        let steps = flags(layout.step_slots(), selector.steps.iter().map(|step| layout.step_slot(*step)));
        Some(Self { counted, steps })
    }

    /// How many steps can be blamed.
    pub(crate) fn places(&self) -> usize {
        self.steps.iter().filter(|judged| **judged).count()
    }

    /// What its findings are of, in the plural; `bound` is that of the threshold.
    pub(crate) fn subject(&self) -> String {
        match &self.counted {
            Counted::StepTimes { time, wrong, .. } => format!("the `{}` values {wrong}", name_of(*time)),
            Counted::IterationTimes { time, wrong, .. } => {
                format!("the time of iterations whose `{}` is {wrong}", Metric::ScenarioTime(*time).name())
            }
            Counted::Lags { wrong, .. } => format!("the `{DISPATCH_LAG}` values {wrong}"),
            Counted::Failures => "the failures".to_owned(),
            Counted::Checks { .. } => "the checks that did not hold".to_owned(),
            Counted::Slots { lost, .. } => match lost {
                Lost::Dropped => "the dropped iterations".to_owned(),
                Lost::Unsent => "the unsent iterations".to_owned(),
                Lost::Cancelled => "the cancelled iterations".to_owned(),
            },
        }
    }

    /// What of a time stands for what is beyond the bound; `None` where it is no time.
    pub(crate) fn bound(&self) -> Option<Nanos> {
        match &self.counted {
            Counted::StepTimes { wrong, .. }
            | Counted::IterationTimes { wrong, .. }
            | Counted::Lags { wrong, .. } => Some(wrong.bound()),
            Counted::Failures | Counted::Checks { .. } | Counted::Slots { .. } => None,
        }
    }

    /// Whether its causes are times that all must explain the values, not classes that each value has one of.
    pub(crate) fn weighs_phases(&self) -> bool {
        match &self.counted {
            Counted::StepTimes { time, .. } => is_sum(*time),
            Counted::IterationTimes { .. } => true,
            _ => false,
        }
    }

    /// Whether failed requests are what it counts.
    pub(crate) fn is_of_failures(&self) -> bool {
        matches!(self.counted, Counted::Failures)
    }

    /// Finds what `snapshot`, which the run's totals have taken, has of it.
    ///
    /// # Cost
    /// A look at each step that was measured; more where something is beyond the bound.
    pub(crate) fn look(&self, snapshot: &Snapshot, layout: &Layout, mut found: impl FnMut(Finding)) {
        let steps = || snapshot.steps.keys().map(|slot| *slot as usize).filter(|slot| self.steps[*slot]);
        match &self.counted {
            Counted::StepTimes { time, outcomes, wrong } => {
                for step in steps() {
                    let times = snapshot.step_times(layout, step, *time, *outcomes);
                    let beyond = times.map(|times| wrong.count(times, time.shape())).sum();
                    if beyond > 0 {
                        let causes = match wrong {
                            Wrong::Above(bound) | Wrong::From(bound) if is_sum(*time) => {
                                Causes { snapshot, layout, step, beyond, outcomes: *outcomes }
                                    .of(*time, *bound)
                            }
                            Wrong::Above(_) | Wrong::From(_) if !is_sum(*time) => {
                                vec![(name_of(*time), u128::from(beyond))]
                            }
                            _ => Vec::new(),
                        };
                        found(Finding { step, beyond, weight: beyond, causes });
                    }
                }
            }
            Counted::IterationTimes { time, outcomes, wrong, scenarios } => {
                for slot in judged(snapshot, scenarios) {
                    let times = snapshot.scenario_times(layout, slot, *time, *outcomes);
                    let beyond = times.map(|times| wrong.count(times, time.shape())).sum();
                    let of_scenario = |step: &usize| {
                        let catalog = layout.catalog();
                        layout.scenario_slot(catalog.steps[*step].scenario) == slot
                    };
                    // With `other` a slot is more than one step; the first of them stands for all.
                    for step in steps().filter(of_scenario).filter(|_| beyond > 0) {
                        let causes = Causes { snapshot, layout, step, beyond, outcomes: Outcomes::Both };
                        let whole = causes.largest(StepTime::ResponseTime);
                        let weight = u64::try_from(whole).unwrap_or(u64::MAX);
                        let causes = match wrong {
                            Wrong::Above(bound) | Wrong::From(bound) => {
                                causes.of(StepTime::ResponseTime, *bound)
                            }
                            Wrong::Below(_) | Wrong::UpTo(_) => Vec::new(),
                        };
                        found(Finding { step, beyond, weight, causes });
                    }
                }
            }
            Counted::Lags { wrong, firsts } => {
                let time = ScenarioTime::DispatchLag;
                for First { scenario, step } in firsts {
                    let times = snapshot.scenario_times(layout, *scenario, time, Outcomes::Both);
                    let beyond = times.map(|times| wrong.count(times, time.shape())).sum();
                    if beyond > 0 {
                        let causes = vec![(DISPATCH_LAG, u128::from(beyond))];
                        found(Finding { step: *step, beyond, weight: beyond, causes });
                    }
                }
            }
            Counted::Failures => {
                for step in steps() {
                    let requests = &snapshot.steps[&(step as u32)].requests;
                    let classes =
                        ErrorClass::ALL.iter().map(|class| (class.name(), requests.failed[class.index()]));
                    found_classes(step, classes, &mut found);
                }
            }
            Counted::Checks { steps } => {
                for (check, counts) in &snapshot.checks {
                    if let Some(step) = steps[*check as usize].filter(|_| counts.failed > 0) {
                        let (beyond, weight) = (counts.failed, counts.failed);
                        found(Finding { step, beyond, weight, causes: Vec::new() });
                    }
                }
            }
            Counted::Slots { lost, firsts } => {
                for First { scenario, step } in firsts {
                    let Some(counts) = snapshot.scenarios.get(&(*scenario as u32)) else { continue };
                    let ledger = &counts.iterations;
                    let (dropped, unsent) = (&ledger.dropped, &ledger.unsent);
                    match lost {
                        Lost::Dropped => {
                            let reasons = DropReason::ALL.map(|why| (why.name(), dropped[why.index()].count));
                            found_classes(*step, reasons.into_iter(), &mut found);
                        }
                        Lost::Unsent => {
                            let reasons =
                                UnsentReason::ALL.map(|why| (why.name(), unsent[why.index()].count));
                            found_classes(*step, reasons.into_iter(), &mut found);
                        }
                        Lost::Cancelled => {
                            found_classes(*step, [("cancelled", ledger.cancelled)].into_iter(), &mut found);
                        }
                    }
                }
            }
        }
    }
}

fn found_classes(
    step: usize,
    classes: impl Iterator<Item = (&'static str, u64)>,
    found: &mut impl FnMut(Finding),
) {
    let causes: Vec<_> =
        classes.filter(|(_, count)| *count > 0).map(|(name, n)| (name, u128::from(n))).collect();
    let beyond = causes.iter().map(|(_, count)| *count as u64).sum();
    if beyond > 0 {
        found(Finding { step, beyond, weight: beyond, causes });
    }
}

fn flags(count: usize, set: impl Iterator<Item = usize>) -> Vec<bool> {
    let mut flags = vec![false; count];
    set.for_each(|place| flags[place] = true);
    flags
}

/// The scenario slots of a snapshot that are judged.
fn judged<'a>(snapshot: &'a Snapshot, scenarios: &'a [bool]) -> impl Iterator<Item = usize> + 'a {
    snapshot.scenarios.keys().map(|slot| *slot as usize).filter(|slot| scenarios[*slot])
}

/// Whether a time is made up of phases.
const fn is_sum(time: StepTime) -> bool {
    matches!(time, StepTime::ResponseTime | StepTime::ServiceTime)
}

const DISPATCH_LAG: &str = "dispatch_lag";

fn name_of(time: StepTime) -> &'static str {
    Metric::StepTime(time).name()
}

impl Wrong {
    fn of(operator: Operator, bound: Nanos) -> Option<Self> {
        match operator {
            Operator::AtMost => Some(Self::Above(bound)),
            Operator::Below => Some(Self::From(bound)),
            Operator::AtLeast => Some(Self::Below(bound)),
            Operator::Above => Some(Self::UpTo(bound)),
            Operator::Equal | Operator::Unequal => None,
        }
    }

    fn bound(self) -> Nanos {
        match self {
            Self::Above(bound) | Self::From(bound) | Self::Below(bound) | Self::UpTo(bound) => bound,
        }
    }

    /// How many values do not do. A bucket counts by its highest value, or by its lowest against a lower bound, as quantiles
    /// do: what makes one of them miss the bound is counted.
    fn count(self, times: &SparseHistogram, shape: Shape) -> u64 {
        let moments = times.moments();
        let bound = self.bound().as_u64();
        let is_wrong = |index: usize| {
            let highest = shape.highest_of(index).min(moments.max);
            let lowest = shape.lowest_of(index).max(moments.min);
            match self {
                Self::Above(_) => highest > bound,
                Self::From(_) => highest >= bound,
                Self::Below(_) => lowest < bound,
                Self::UpTo(_) => lowest <= bound,
            }
        };
        let can_be = match self {
            Self::Above(_) => moments.max > bound,
            Self::From(_) => moments.max >= bound,
            Self::Below(_) => moments.min < bound,
            Self::UpTo(_) => moments.min <= bound,
        };
        if !can_be {
            return 0;
        }
        times.counts().filter(|(index, _)| is_wrong(*index)).map(|(_, count)| count).sum()
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Above(bound) => write!(f, "above {bound}"),
            Self::From(bound) => write!(f, "of {bound} and more"),
            Self::Below(bound) => write!(f, "below {bound}"),
            Self::UpTo(bound) => write!(f, "of {bound} and less"),
        }
    }
}

/// Why values of a step were beyond a bound in one snapshot.
struct Causes<'a> {
    snapshot: &'a Snapshot,
    layout: &'a Layout,
    step: usize,
    beyond: u64,
    outcomes: Outcomes,
}

impl Causes<'_> {
    /// The time that each phase of `time` can have taken of the values beyond `bound`.
    fn of(&self, time: StepTime, bound: Nanos) -> Vec<(&'static str, u128)> {
        const PHASES: [StepTime; 5] =
            [StepTime::Dns, StepTime::Connect, StepTime::Tls, StepTime::FirstByte, StepTime::Receive];
        // A request that was given up has no time of the phase that it was in: at least the bound.
        const GIVEN_UP: [(StepTime, ErrorClass); 4] = [
            (StepTime::Dns, ErrorClass::DnsTimeout),
            (StepTime::Connect, ErrorClass::ConnectTimeout),
            (StepTime::Tls, ErrorClass::TlsTimeout),
            (StepTime::FirstByte, ErrorClass::Timeout),
        ];
        let failed = &self.snapshot.steps[&(self.step as u32)].requests.failed;
        let given_up = |phase: StepTime| {
            let class = GIVEN_UP.iter().find(|(of, _)| *of == phase).map(|(_, class)| class);
            let count = class
                .filter(|_| self.outcomes != Outcomes::Succeeded)
                .map_or(0, |class| failed[class.index()]);
            u128::from(count.min(self.beyond)) * u128::from(bound.as_u64())
        };
        let mut causes = Vec::with_capacity(PHASES.len() + 2);
        if time == StepTime::ResponseTime {
            causes.push((DISPATCH_LAG, self.lag()));
            causes.push((name_of(StepTime::QueueWait), self.largest(StepTime::QueueWait)));
        }
        causes.extend(PHASES.map(|phase| (name_of(phase), self.largest(phase) + given_up(phase))));
        causes.retain(|(_, time)| *time > 0);
        causes
    }

    /// The sum of as many of the largest values of a time as were beyond the bound.
    fn largest(&self, time: StepTime) -> u128 {
        let times = self.snapshot.step_times(self.layout, self.step, time, Outcomes::Both);
        times.map(|times| largest(times, time.shape(), self.beyond)).sum()
    }

    /// The same of the dispatch lag, which only the first step of an iteration has.
    fn lag(&self) -> u128 {
        let catalog = self.layout.catalog();
        let scenario = catalog.steps[self.step].scenario;
        if catalog.steps[..self.step].iter().any(|step| step.scenario == scenario) {
            return 0;
        }
        let time = ScenarioTime::DispatchLag;
        let slot = self.layout.scenario_slot(scenario);
        let times = self.snapshot.scenario_times(self.layout, slot, time, Outcomes::Both);
        times.map(|times| largest(times, time.shape(), self.beyond)).sum()
    }
}

/// The sum of the `n` largest values, as the lowest values of their buckets.
fn largest(times: &SparseHistogram, shape: Shape, n: u64) -> u128 {
    let mut others = times.moments().count.saturating_sub(n);
    let mut sum = 0;
    for (index, count) in times.counts() {
        let left_out = others.min(count);
        others -= left_out;
        sum += u128::from(count - left_out) * u128::from(shape.lowest_of(index));
    }
    sum
}
