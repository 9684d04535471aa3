//! What contributed most to a threshold that was not met: which step, which worker, when and why.
//!
//! One thing at a time, each within what the one before left: the step with most of what is beyond the bound, of that
//! step the worker with most, of both the shortest stretch of the run with nine tenths, and the phase or class with most.
//! What counts, and how phases are weighed, is said in [`crate::contribution`]; nothing of it needs tracing. Traces are
//! named where there are some.

use std::collections::{BTreeMap, BTreeSet};

use api::result::Explanation;
use control::{TracedRequest, WorkerId};
use metrics::{Layout, Outcome, Threshold};

use crate::contribution::{Contribution, Span, Watch};
use crate::run::SealedRun;
use crate::slowest::SlowTrace;

/// Explains threshold number `number` of a run, which was not met; `None` where nothing can be said.
pub(crate) fn explain(sealed: &SealedRun, number: usize, threshold: &Threshold) -> Option<Explanation> {
    let layout = sealed.merged.totals().layout();
    let watch = Watch::of(threshold, layout)?;
    let mut steps: BTreeMap<usize, BTreeMap<&WorkerId, Contribution>> = BTreeMap::new();
    for session in &sealed.sessions {
        for (step, contribution) in session.contributions.to(number) {
            let workers = steps.entry(step).or_default();
            match workers.get_mut(&session.worker) {
                Some(earlier) => earlier.merge(contribution),
                None => drop(workers.insert(&session.worker, contribution.clone())),
            }
        }
    }
    let weight = |contribution: &Contribution| u128::from(contribution.weight.total());
    let of_step = |workers: &BTreeMap<&WorkerId, Contribution>| workers.values().map(weight).sum::<u128>();
    let all: u128 = steps.values().map(of_step).sum();
    let (step, workers) = first_highest(&steps, of_step)?;
    let (worker, contribution) = first_highest(workers, weight)?;
    let span = contribution.weight.span(MOST)?;

    let found = Found {
        layout,
        watch: &watch,
        step: *step,
        step_share: share(of_step(workers), all),
        worker,
        worker_share: share(weight(contribution), of_step(workers)),
        workers: sealed.sessions.iter().map(|session| &session.worker).collect::<BTreeSet<_>>().len(),
        cause: cause(&watch, contribution),
        span,
    };
    let catalog = layout.catalog();
    Some(Explanation {
        scenario: catalog.scenarios[catalog.steps[*step].scenario].name.clone(),
        step: found.step_name(),
        step_share: found.step_share,
        worker: worker.to_string(),
        worker_share: found.worker_share,
        phase: found.cause.map(|(name, _)| name.to_owned()),
        from_ms: span.from as f64 * 1e3,
        to_ms: span.to as f64 * 1e3,
        span_share: span.share,
        text: found.text(),
        traces: found.traces(sealed),
    })
}

/// The part of the whole that makes a stretch of time the one in which it happened.
const MOST: f64 = 0.9;

/// The most traces to look at.
const MOST_TRACES: usize = 5;

/// The entry that is highest; the first of those as high, none when all are nothing.
fn first_highest<K, V>(entries: &BTreeMap<K, V>, of: impl Fn(&V) -> u128) -> Option<(&K, &V)> {
    let highest = entries.values().map(&of).max().filter(|highest| *highest > 0)?;
    entries.iter().find(|(_, value)| of(value) == highest)
}

fn share(part: u128, whole: u128) -> f64 {
    part as f64 / whole as f64
}

/// The cause with most weight, and its part. A phase must have taken half of what the bound allows each of the values:
/// otherwise it was none of them alone.
fn cause(watch: &Watch, contribution: &Contribution) -> Option<(&'static str, f64)> {
    let (name, weight) = first_highest(&contribution.causes, |weight| *weight)?;
    let all: u128 = contribution.causes.values().sum();
    let stands_out = match watch.bound().filter(|_| watch.weighs_phases()) {
        Some(bound) => *weight >= u128::from(contribution.beyond) * u128::from(bound.as_u64()) / 2,
        None => true,
    };
    stands_out.then(|| (*name, share(*weight, all)))
}

struct Found<'a> {
    layout: &'a Layout,
    watch: &'a Watch,
    step: usize,
    step_share: f64,
    worker: &'a WorkerId,
    worker_share: f64,
    /// How many took part.
    workers: usize,
    cause: Option<(&'static str, f64)>,
    span: Span,
}

impl Found<'_> {
    /// The name of the step; of those that are counted together, what they are called.
    fn step_name(&self) -> String {
        let folded = self.layout.folded_steps();
        if folded > 0 && self.step + 1 == self.layout.step_slots() {
            return format!("other ({folded} steps)");
        }
        self.layout.catalog().steps[self.step].name.clone()
    }

    fn text(&self) -> String {
        let catalog = self.layout.catalog();
        let scenario = &catalog.scenarios[catalog.steps[self.step].scenario].name;
        let Span { from, to, share } = self.span;
        let mut text = format!(
            "`{scenario}/{}` has {} of {}",
            self.step_name(),
            percent(self.step_share),
            self.watch.subject()
        );
        if self.workers > 1 {
            // A share that is not much more than one's own part says only that there must be a highest one.
            let evenly = self.worker_share * self.workers as f64 <= EVENLY;
            let before = if evenly { "spread over the workers, most on" } else { "worker" };
            text += &format!(", {before} `{}` {} of these", self.worker, percent(self.worker_share));
        }
        text += &format!(", from {from}s to {to}s ({})", percent(share));
        match self.cause {
            Some((phase, _)) if self.watch.weighs_phases() => {
                text += &format!("; most of their time is `{phase}`");
            }
            Some((class, share)) if self.watch.bound().is_none() => {
                text += &format!("; {} are `{class}`", percent(share));
            }
            _ => {}
        }
        text
    }

    /// Requests of the step to look at: of the worker and the stretch of time if there are some, else of the worker, else
    /// of anybody.
    fn traces(&self, sealed: &SealedRun) -> Vec<String> {
        let step = self.step as u32;
        let known = &sealed.slowest;
        let of_step =
            if self.watch.is_of_failures() { known.failed_of_step(step) } else { known.of_step(step) };
        // The run's list is longer, and may have more of the step than its own has.
        let of_run = known.of_run().iter().filter(|trace| trace.request.step == step);
        let counting: Vec<&SlowTrace> =
            of_step.iter().chain(of_run).filter(|trace| self.counts(&trace.request)).collect();
        let is_workers = |trace: &SlowTrace| &trace.worker == self.worker;
        let is_in_span = |trace: &SlowTrace| {
            let began = trace.request.at.as_secs_f64();
            let ended = began + trace.request.response_time.as_secs_f64();
            began < self.span.to as f64 && ended >= self.span.from as f64
        };
        let levels: [&dyn Fn(&SlowTrace) -> bool; 3] =
            [&|trace| is_workers(trace) && is_in_span(trace), &is_workers, &|_| true];
        let level = levels.iter().find(|level| counting.iter().any(|trace| level(trace)));
        let mut traces: Vec<String> = Vec::new();
        for trace in counting.iter().filter(|trace| level.is_some_and(|level| level(trace))) {
            let id = trace.request.context.trace.to_string();
            if traces.len() < MOST_TRACES && !traces.contains(&id) {
                traces.push(id);
            }
        }
        traces
    }

    /// Whether a request may be one of what is explained.
    fn counts(&self, request: &TracedRequest) -> bool {
        match request.outcome {
            Outcome::Failed(class) if self.watch.is_of_failures() => {
                self.cause.is_none_or(|(name, _)| class.name() == name)
            }
            _ if self.watch.is_of_failures() => false,
            _ => self.watch.bound().is_none_or(|bound| request.response_time >= bound),
        }
    }
}

/// Up to this many times one's own part of the workers is even.
const EVENLY: f64 = 1.25;

/// Whole per cent, rounded down: only all of it is 100%.
fn percent(share: f64) -> String {
    let whole = (share * 100.0 + 1e-9).floor();
    if whole < 1.0 { "under 1%".to_owned() } else { format!("{whole}%") }
}

#[cfg(test)]
mod tests;
