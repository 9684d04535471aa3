//! The requests worth looking at: the slowest of those that can be found in traces.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use control::{TracedRequest, WorkerId};
use metrics::{Outcome, TraceContext};
use units::Nanos;

/// A request that can be found in traces, and who sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct SlowTrace {
    /// Who sent it.
    pub worker: WorkerId,
    /// What is known of it.
    pub request: TracedRequest,
}

/// The slowest requests that workers told of: of the run, and of each step, so that one of a fast step has its place too.
/// They are the same in whatever order they were told. Bounded by the number of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Slowest {
    of_run: Ranking,
    by_step: BTreeMap<u32, OfStep>,
}

impl Slowest {
    /// The most of the run.
    pub const MOST: usize = 20;
    /// The most of a step, and the most of its failed ones.
    pub const MOST_OF_STEP: usize = 5;

    /// The slowest of the run, the slowest first.
    pub fn of_run(&self) -> &[SlowTrace] {
        &self.of_run.list
    }

    /// The slowest of a step, failed or not, by its position in the plan, the slowest first.
    pub fn of_step(&self, step: u32) -> &[SlowTrace] {
        self.by_step.get(&step).map_or(&[], |of_step| &of_step.slowest.list)
    }

    /// The slowest of a step's failed requests, the slowest first.
    pub fn failed_of_step(&self, step: u32) -> &[SlowTrace] {
        self.by_step.get(&step).map_or(&[], |of_step| &of_step.failed.list)
    }

    /// Takes up what a worker told.
    pub(crate) fn add(&mut self, worker: &WorkerId, requests: &[TracedRequest]) {
        for request in requests {
            let trace = SlowTrace { worker: worker.clone(), request: request.clone() };
            let of_step = self.by_step.entry(request.step).or_default();
            if matches!(request.outcome, Outcome::Failed(_)) {
                of_step.failed.add(&trace);
            }
            of_step.slowest.add(&trace);
            self.of_run.add(&trace);
        }
    }
}

impl Default for Slowest {
    fn default() -> Self {
        Self { of_run: Ranking::new(Self::MOST), by_step: BTreeMap::new() }
    }
}

/// Those of one step.
#[derive(Clone, Debug, PartialEq)]
struct OfStep {
    slowest: Ranking,
    failed: Ranking,
}

impl Default for OfStep {
    fn default() -> Self {
        let empty = Ranking::new(Slowest::MOST_OF_STEP);
        Self { slowest: empty.clone(), failed: empty }
    }
}

/// So many of the slowest, in order.
#[derive(Clone, Debug, PartialEq)]
struct Ranking {
    most: usize,
    list: Vec<SlowTrace>,
}

impl Ranking {
    const fn new(most: usize) -> Self {
        Self { most, list: Vec::new() }
    }

    fn add(&mut self, trace: &SlowTrace) {
        let place = self.list.partition_point(|before| rank(before) <= rank(trace));
        if place < self.most {
            self.list.insert(place, trace.clone());
            self.list.truncate(self.most);
        }
    }
}

/// The slowest first, and of those as slow the first one: no two requests of a run have the same rank.
fn rank(trace: &SlowTrace) -> impl Ord + '_ {
    let TraceContext { trace: of, span } = trace.request.context;
    let at: Nanos = trace.request.at;
    (Reverse(trace.request.response_time), at, of, span, &trace.worker)
}

#[cfg(test)]
mod tests {
    use metrics::ErrorClass;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::traced;

    /// Requests of three steps as told by three workers, some as slow as others, each with a span of its own.
    fn told() -> impl Strategy<Value = Vec<(WorkerId, TracedRequest)>> {
        vec((0_u32..3, 0_u64..40, any::<bool>(), 0_usize..3), 0..120).prop_map(|requests| {
            let of = |(span, (step, time, fails, worker)): (u64, (u32, u64, bool, usize))| {
                let mut request = traced(step, Nanos::from_millis(time), span);
                if fails {
                    request.outcome = Outcome::Failed(ErrorClass::Timeout);
                }
                (WorkerId::new(["a", "b", "c"][worker]), request)
            };
            (1..).zip(requests).map(of).collect()
        })
    }

    fn slowest<'a>(told: impl Iterator<Item = &'a (WorkerId, TracedRequest)>) -> Slowest {
        let mut slowest = Slowest::default();
        told.for_each(|(worker, request)| slowest.add(worker, std::slice::from_ref(request)));
        slowest
    }

    proptest! {
        #[test]
        fn the_slowest_are_the_same_in_whatever_order_they_are_told(
            (told, shuffled) in told().prop_flat_map(|told| (Just(told.clone()), Just(told).prop_shuffle()))
        ) {
            prop_assert_eq!(slowest(told.iter()), slowest(shuffled.iter()));
        }

        #[test]
        fn the_slowest_are_those_that_sorting_all_would_find(told in told()) {
            let slowest = slowest(told.iter());
            let best = |most: usize, wanted: &dyn Fn(&TracedRequest) -> bool| {
                let mut times: Vec<Nanos> =
                    told.iter().filter(|(_, r)| wanted(r)).map(|(_, r)| r.response_time).collect();
                times.sort_unstable_by_key(|time| Reverse(*time));
                times.truncate(most);
                times
            };
            let times = |list: &[SlowTrace]| -> Vec<Nanos> {
                list.iter().map(|trace| trace.request.response_time).collect()
            };
            prop_assert_eq!(times(slowest.of_run()), best(20, &|_| true));
            for step in 0..3 {
                prop_assert_eq!(times(slowest.of_step(step)), best(5, &|r| r.step == step));
                let failed = |r: &TracedRequest| r.step == step && r.outcome != Outcome::Succeeded;
                prop_assert_eq!(times(slowest.failed_of_step(step)), best(5, &failed));
            }
        }
    }
}
