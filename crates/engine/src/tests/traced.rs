//! What is kept of single executions: which, how much of them, and what the target is told.

use std::collections::BTreeSet;

use metrics::{
    ExecutionDrain, ExecutionLog, ExecutionRecord, MOST_REQUESTS, Period, Propagation, RunKey, Sampling,
    ScenarioKey, SlowBound, TraceOptions, TraceShape, TraceTally, execution_queue,
};
use plan::{RunPlan, Share};
use proptest::prelude::*;
use units::{Ratio, Timestamp};

use super::*;
use crate::Tracer;

mod budget;
mod lines;
mod tail;

const RUN: RunKey = RunKey::new(0x0192_3f4e_8a6b_7c5d_9e0f_1a2b_3c4d_5e6f);
const KEY: ScenarioKey = RUN.scenario(0, TraceShape::Tree);
const NO_LOG: ExecutionLog = ExecutionLog { sampled: false, failed: false, all: false, lines_per_error: 10 };
const RESET: Outcome = Outcome::Failed(ErrorClass::Reset);
const DNS: Outcome = Outcome::Failed(ErrorClass::Dns);

/// A budget that is never spent.
fn options(sampling: Sampling) -> TraceOptions {
    TraceOptions { sampling, spans_per_second: 1_000_000_000, ..TraceOptions::default() }
}

fn ratio(ratio: f64) -> TraceOptions {
    options(Sampling::Ratio(Ratio::new(ratio)))
}

fn slower_than(millis: u64) -> TraceOptions {
    options(Sampling::Tail(SlowBound::Time(Nanos::from_millis(millis))))
}

fn above(quantile: f64) -> TraceOptions {
    options(Sampling::Tail(SlowBound::Quantile(Ratio::new(quantile))))
}

/// Evenly spaced arrivals at so many a second, for so many seconds.
fn rate(per_second: u64, seconds: u64) -> LoadModel {
    arrivals(vec![stage(seconds * 1_000, Rate::from_per_second(per_second))], None, queue(30_000))
}

/// A thread whose executions are kept, and where they come out.
struct Traced {
    bench: Bench,
    drain: ExecutionDrain,
    told: TraceTally,
}

impl Traced {
    fn new(load: LoadModel, ops: Vec<Op>, options: TraceOptions, log: ExecutionLog) -> Self {
        Self::of(plan(load, ops), options, log, Part::default())
    }

    fn of(plan: RunPlan, options: TraceOptions, log: ExecutionLog, part: Part) -> Self {
        let (sender, drain) = execution_queue(1 << 18, MOST_REQUESTS);
        let tracer = Some(Tracer::new(vec![KEY], options, log, sender));
        let bench = Bench::of(plan, Part { tracer, ..part });
        Self { bench, drain, told: TraceTally::default() }
    }

    /// Ends the n-th request as `answers` says: after so many milliseconds, and how.
    fn answering(self, answers: fn(u64) -> (u64, Outcome)) -> Self {
        self.bench.script.0.borrow_mut().answers = Some(answers);
        self
    }

    fn prompt(self, outcome: Outcome) -> Self {
        self.bench.script.0.borrow_mut().immediate = Some(outcome);
        self
    }

    fn run_to(mut self, millis: u64) -> Self {
        self.bench.run_to(millis);
        self
    }

    /// What was handed over since this was last asked, in order.
    fn kept(&mut self) -> Vec<ExecutionRecord> {
        let mut kept = Vec::new();
        while let Some(record) = self.drain.next_record() {
            kept.push(ExecutionRecord::clone(&record));
            self.drain.give_back(record);
        }
        self.told.merge(&self.drain.take_tally());
        kept
    }

    /// The rest of what was kept, and what was counted, when the thread is over.
    fn finish(mut self) -> (Vec<ExecutionRecord>, TraceTally) {
        self.bench.assert_balanced_and_over();
        let Bench { core, .. } = self.bench;
        core.finish();
        let mut kept = Vec::new();
        while let Some(record) = self.drain.next_record() {
            kept.push(ExecutionRecord::clone(&record));
        }
        self.told.merge(&self.drain.take_tally());
        (kept, self.told)
    }
}

fn numbers(kept: &[ExecutionRecord]) -> Vec<u64> {
    kept.iter().map(|record| record.iteration).collect()
}

/// The iterations below `end` that are drawn.
fn drawn(part: f64, end: u64) -> BTreeSet<u64> {
    (0..end).filter(|n| (KEY.draw(*n) as f64) < part * 2.0_f64.powi(64)).collect()
}

/// Spans by the second in which they were decided on.
fn spans_by_second(kept: &[ExecutionRecord], start: Timestamp, decided: Decided) -> Vec<u64> {
    let mut spans = Vec::new();
    for record in kept.iter().filter(|record| record.kept.traced) {
        let second = decided(record).saturating_since(start).as_u64() / 1_000_000_000;
        spans.resize(spans.len().max(second as usize + 1), 0);
        spans[second as usize] += record.spans();
    }
    spans
}

/// When it was decided that an execution is kept.
type Decided = fn(&ExecutionRecord) -> Timestamp;

const AT_THE_START: Decided = |record| record.started_at;
const AT_THE_END: Decided = |record| record.ended_at;

#[test]
fn a_ratio_keeps_exactly_the_iterations_that_are_drawn() {
    for part in [0.0, 0.05, 0.5, 1.0] {
        let traced = Traced::new(rate(1_000, 2), vec![GET], ratio(part), NO_LOG);
        let (kept, told) = traced.prompt(Outcome::Succeeded).run_to(4_000).finish();
        assert_eq!(numbers(&kept), drawn(part, 2_000).into_iter().collect::<Vec<_>>(), "{part}");
        assert_eq!(told, TraceTally::default());
        assert!(kept.iter().all(|record| record.kept.traced && !record.kept.slow && !record.kept.logged));
    }
}

#[test]
fn the_same_iterations_are_drawn_whoever_carries_them() {
    let mut kept = Vec::new();
    for index in 0..2 {
        for thread in 0..3 {
            let share = Share { revision: 0, weights: vec![1, 2], index };
            let part = Part { revision: Revision::first(share), thread, threads: 3, ..Part::default() };
            let plan = plan(rate(1_000, 2), vec![GET]);
            let traced = Traced::of(plan, ratio(0.1), NO_LOG, part).prompt(Outcome::Succeeded);
            let part = traced.run_to(4_000).finish().0;
            assert!(!part.is_empty());
            kept.extend(part);
        }
    }
    kept.sort_by_key(|record| record.iteration);
    assert_eq!(numbers(&kept), drawn(0.1, 2_000).into_iter().collect::<Vec<_>>());
    assert!(kept.iter().all(|record| record.context == KEY.execution(record.iteration)));
}

#[test]
fn a_record_says_what_was_measured() {
    let traced = Traced::new(rate(10, 1), vec![GET, think(100), GET], ratio(1.0), ExecutionLog::default());
    let mut traced = traced.answering(|nth| (20 + nth, if nth == 4 { RESET } else { Outcome::Succeeded }));
    traced.bench.run_to(95);
    traced.bench.clock.advance(Nanos::from_millis(20));
    traced.bench.next = traced.bench.core.turn();
    traced.bench.run_to(5_000);
    let samples = traced.bench.tally().samples;
    let start = traced.bench.start;
    let (kept, _) = traced.finish();
    assert_eq!(kept.len(), 10);
    let second = kept.iter().find(|record| record.iteration == 1).unwrap();
    let millis = |at: Timestamp| at.saturating_since(start).as_u64() / 1_000_000;
    let times = [second.intended_start, second.released_at, second.started_at, second.ended_at].map(millis);
    // Due at 100 ms, taken up at 115; 21 ms of request, 100 of thinking, and 24 of another request, which failed.
    assert_eq!(times, [100, 115, 115, 260]);
    assert_eq!(
        (second.scenario, second.period, second.outcome),
        (0, Period::Measured, IterationOutcome::Failed)
    );
    assert_eq!((second.requests.len(), second.more_requests), (2, 0));
    assert_eq!(second.first_failure(), Some(ErrorClass::Reset));
    assert_eq!(
        (second.requests[1].index, second.requests[1].step, second.requests[1].request),
        (1, 0, Some(0))
    );
    for request in kept.iter().flat_map(|record| &record.requests) {
        assert!(samples.contains(&request.sample), "the sample is the recorder's");
    }
}

#[test]
fn a_slot_that_waited_for_a_user_says_when_it_was_taken_up() {
    let traced = Traced::new(open(1, queue(30_000)), vec![GET, GET], ratio(1.0), NO_LOG);
    let mut traced = traced.answering(|_| (10, Outcome::Succeeded));
    traced.bench.run_to(9_000);
    let start = traced.bench.start;
    let (kept, _) = traced.finish();
    let millis = |at: Timestamp| at.saturating_since(start).as_u64() / 1_000_000;
    // Due at 10 ms, when the one user was still at the first for as long again.
    assert_eq!([kept[1].intended_start, kept[1].released_at, kept[1].started_at].map(millis), [10, 10, 20]);
}

#[test]
fn warm_up_is_kept_and_says_so() {
    let second = Rate::from_per_second(100);
    let warm = Stage { measured: false, ..stage(300, second) };
    let load = arrivals(vec![warm, stage(700, second)], None, Overload::Drop);
    let traced = Traced::new(load, vec![GET], ratio(1.0), NO_LOG).prompt(Outcome::Succeeded);
    let (kept, _) = traced.run_to(3_000).finish();
    let warm_up = kept.iter().filter(|record| record.period == Period::WarmUp).count();
    assert_eq!((kept.len(), warm_up), (100, 30));
}

#[test]
fn requests_beyond_the_sixteenth_are_counted() {
    let traced = Traced::new(rate(10, 1), vec![GET; 20], ratio(1.0), NO_LOG);
    // Of the first iteration the 19th fails and of the second the 3rd.
    let answers = |nth| (0, if nth == 18 || nth == 22 { RESET } else { Outcome::Succeeded });
    let (kept, _) = traced.answering(answers).run_to(5_000).finish();
    assert_eq!(kept.len(), 10);
    for record in &kept {
        assert_eq!((record.requests.len(), record.more_requests, record.spans()), (16, 4, 17));
        let indices = record.requests.iter().map(|request| request.index);
        let last = if record.iteration == 0 { 18 } else { 15 };
        assert!(indices.eq((0..15).chain([last])));
        let class = if record.iteration < 2 { Some(ErrorClass::Reset) } else { None };
        assert_eq!(record.first_failure(), class);
    }
}

/// For each request in the order of their starts, whether the target is told, and that it is sampled.
fn told_of(sampling: TraceOptions, propagation: Propagation) -> Vec<Option<bool>> {
    let options = TraceOptions { propagation, ..sampling };
    let traced = Traced::new(rate(100, 1), vec![GET], options, NO_LOG).prompt(Outcome::Succeeded);
    let traced = traced.run_to(3_000);
    let told = traced.bench.script.0.borrow();
    told.parents.iter().map(|parent| parent.map(|parent| parent.sampled)).collect()
}

#[test]
fn the_target_is_told_as_propagation_says() {
    let (half, tail, off) = (ratio(0.5), slower_than(100), options(Sampling::Off));
    let picked = drawn(0.5, 100);
    let sampled: Vec<_> = (0..100).map(|n| picked.contains(&n)).collect();
    let of_sampled: Vec<_> = sampled.iter().map(|sampled| sampled.then_some(true)).collect();
    let of_all: Vec<_> = sampled.iter().map(|sampled| Some(*sampled)).collect();
    assert_eq!(told_of(half, Propagation::Sampled), of_sampled);
    assert_eq!(told_of(half, Propagation::Always), of_all);
    assert_eq!(told_of(half, Propagation::Never), [None; 100]);
    assert_eq!(told_of(tail, Propagation::Sampled), [Some(true); 100], "each may yet be kept");
    assert_eq!(told_of(tail, Propagation::Always), [Some(true); 100]);
    assert_eq!(told_of(tail, Propagation::Never), [None; 100]);
    assert_eq!(told_of(off, Propagation::Sampled), [None; 100]);
    assert_eq!(told_of(off, Propagation::Always), [Some(false); 100]);
}

#[test]
fn each_request_has_a_span_of_its_own_that_the_record_knows() {
    for shape in [TraceShape::Tree, TraceShape::Linked] {
        let key = RUN.scenario(0, shape);
        let (sender, drain) = execution_queue(64, 3);
        let options = TraceOptions { shape, ..ratio(1.0) };
        let tracer = Some(Tracer::new(vec![key], options, NO_LOG, sender));
        let plan = plan(rate(10, 1), vec![GET, think(20), GET, GET]);
        let bench = Bench::of(plan, Part { tracer, ..Part::default() });
        let traced = Traced { bench, drain, told: TraceTally::default() }.prompt(Outcome::Succeeded);
        let traced = traced.run_to(3_000);
        let told: Vec<_> = {
            let script = traced.bench.script.0.borrow();
            script.parents.iter().map(|parent| parent.unwrap().context).collect()
        };
        let (kept, _) = traced.finish();
        assert_eq!(told.len(), 30);
        let named: Vec<_> = kept
            .iter()
            .flat_map(|record| record.requests.iter().map(|request| record.context.request(request.index)))
            .collect();
        // One iteration was over before the next one began.
        assert_eq!(told, named);
        assert!(kept.iter().all(|record| record.context == key.execution(record.iteration)));
    }
}

#[test]
fn a_stop_keeps_what_was_in_flight_as_far_as_it_came() {
    for options in [ratio(1.0), slower_than(30)] {
        let log = ExecutionLog { all: true, ..ExecutionLog::default() };
        let load = rate(100, 10);
        let mut traced = Traced::new(load, vec![GET, think(10), GET, think(1_000)], options, log)
            .answering(|_| (10, Outcome::Succeeded));
        traced.bench.run_to(95);
        traced.bench.core.drain(traced.bench.clock.now());
        traced.bench.next = traced.bench.core.turn();
        let started = traced.bench.tally().starts.len();
        let (kept, told) = traced.finish();
        assert_eq!(kept.len(), started);
        assert_eq!(told, TraceTally::default());
        for record in &kept {
            assert_eq!(record.outcome, IterationOutcome::Cancelled);
            assert!(record.kept.logged);
            let age = 95 - 10 * record.iteration;
            assert_eq!(record.ended_at.saturating_since(record.intended_start), Nanos::from_millis(age));
            let is_slow = options.sampling == slower_than(30).sampling && age > 30;
            assert_eq!(record.kept.slow, is_slow);
            // The first request ends after 10 ms, the second begins after 20 and ends after 30.
            let outcomes: Vec<_> = record.requests.iter().map(|request| request.sample.outcome).collect();
            let expected = match age {
                0..10 => vec![Outcome::Cancelled],
                10..20 => vec![Outcome::Succeeded],
                20..30 => vec![Outcome::Succeeded, Outcome::Cancelled],
                _ => vec![Outcome::Succeeded, Outcome::Succeeded],
            };
            assert_eq!(outcomes, expected, "after {age} ms");
            assert_eq!(record.more_requests, 0);
        }
    }
}

#[test]
fn an_iteration_without_a_request_is_a_span_without_one() {
    let (mut keeper, lease) = Lease::until(Timestamp::NEVER);
    let part = Part { lease, ..Part::default() };
    let mut traced = Traced::of(plan(rate(10, 1), vec![think(50), GET]), ratio(1.0), NO_LOG, part);
    traced.bench.run_to(40);
    keeper.end(traced.bench.clock.now());
    traced.bench.run_to(9_000);
    let (kept, _) = traced.finish();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].outcome, kept[0].spans()), (IterationOutcome::Cancelled, 1));
    assert_eq!(kept[0].requests, []);
}

#[test]
fn what_the_exporter_does_not_take_is_counted() {
    let (sender, drain) = execution_queue(10, 1);
    let tracer = Some(Tracer::new(vec![KEY], ratio(1.0), ExecutionLog::default(), sender));
    let bench = Bench::of(plan(rate(100, 1), vec![GET]), Part { tracer, ..Part::default() });
    let traced = Traced { bench, drain, told: TraceTally::default() }.prompt(Outcome::Succeeded);
    let (kept, told) = traced.run_to(3_000).finish();
    assert_eq!(numbers(&kept), (0..10).collect::<Vec<_>>());
    assert_eq!((told.lost_spans, told.lost_lines), (180, 90));
}
