//! A small run for tests: what it holds and things that happen in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use units::{Nanos, Timestamp};

use crate::{
    Activity, Catalog, CatalogCheck, CatalogScenario, CatalogStep, Drain, DropReason, ErrorClass, Gauges,
    IterationOutcome, IterationStart, IterationTimes, Layout, Outcome, Period, Phases, Record, Recorder,
    RequestSample, RequestTimes, Snapshot, UnsentReason, pair,
};

/// Scenarios `browse` (steps `list` and `order`, team shop) and `search` (step `list`, team find); a check each.
pub(crate) fn catalog() -> Catalog {
    let tags = |team: &str| BTreeMap::from([("team".to_owned(), team.to_owned())]);
    let step = |scenario, name: &str| CatalogStep { scenario, name: name.to_owned() };
    let check = |step, name: &str| CatalogCheck { step, name: name.to_owned() };
    Catalog {
        scenarios: vec![
            CatalogScenario { name: "browse".to_owned(), tags: tags("shop") },
            CatalogScenario { name: "search".to_owned(), tags: tags("find") },
        ],
        steps: vec![step(0, "list"), step(0, "order"), step(1, "list")],
        checks: vec![check(0, "status is 200"), check(1, "status is 200"), check(2, "body contains x")],
        tags: BTreeMap::from([("region".to_owned(), "eu".to_owned())]),
    }
}

pub(crate) fn layout() -> Arc<Layout> {
    Arc::new(Layout::new(catalog()))
}

/// A request that took `service_time` after waiting for `queue_wait`.
pub(crate) fn sample(queue_wait: u64, service_time: u64, outcome: Outcome) -> RequestSample {
    let start = 1_000_000_000;
    RequestSample {
        times: RequestTimes {
            intended_start: Timestamp::from_nanos(start),
            released_at: Timestamp::from_nanos(start),
            actual_start: Timestamp::from_nanos(start + queue_wait),
            completed_at: Timestamp::from_nanos(start + queue_wait + service_time),
        },
        phases: Phases { first_byte: Some(Nanos::new(service_time / 2)), ..Phases::default() },
        outcome,
        status: if outcome == Outcome::Succeeded { 200 } else { 0 },
        sent_bytes: 100,
        received_bytes: 1_000,
        resent: false,
    }
}

/// One thing that happens in the run.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Request { step: usize, sample: RequestSample, period: Period },
    Check { check: usize, passed: bool },
    Dropped { scenario: usize, reason: DropReason, slot: u128 },
    Unsent { scenario: usize, reason: UnsentReason, slot: u128 },
    Iteration { scenario: usize, slot: u128, outcome: IterationOutcome, time: u64, period: Period },
    Resumed { scenario: usize, lag: u64, period: Period },
}

impl Event {
    pub(crate) fn record(&self, recorder: &mut impl Record) {
        match *self {
            Self::Request { step, ref sample, period } => {
                recorder.request_started(step, period);
                recorder.request(step, sample, period);
            }
            Self::Check { check, passed } => recorder.check(check, passed, Period::Measured),
            Self::Dropped { scenario, reason, slot } => {
                recorder.slot_due(scenario, slot, Period::Measured);
                recorder.slot_dropped(scenario, reason, slot, Period::Measured);
            }
            Self::Unsent { scenario, reason, slot } => {
                recorder.slot_due(scenario, slot, Period::Measured);
                recorder.slot_unsent(scenario, reason, slot, Period::Measured);
            }
            Self::Iteration { scenario, slot, outcome, time, period } => {
                let time = Nanos::new(time);
                recorder.slot_due(scenario, slot, period);
                let start = IterationStart { dispatch_lag: Nanos::from_micros(30), queue_wait: Nanos::ZERO };
                recorder.iteration_started(scenario, start, slot, period);
                let times = IterationTimes { response_time: time, duration: time };
                recorder.iteration_ended(scenario, outcome, times, period);
            }
            Self::Resumed { scenario, lag, period } => {
                recorder.dispatch_lag(scenario, Nanos::new(lag), period);
            }
        }
    }
}

pub(crate) fn periods() -> impl Strategy<Value = Period> {
    prop_oneof![1 => Just(Period::WarmUp), 5 => Just(Period::Measured)]
}

pub(crate) fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        6 => Just(Outcome::Succeeded),
        3 => prop::sample::select(ErrorClass::ALL).prop_map(Outcome::Failed),
        1 => Just(Outcome::Cancelled),
    ]
}

pub(crate) fn events() -> impl Strategy<Value = Event> {
    let times = || 0_u64..20_000_000_000;
    let iteration_outcomes = prop::sample::select(vec![
        IterationOutcome::Succeeded,
        IterationOutcome::Failed,
        IterationOutcome::Cancelled,
    ]);
    prop_oneof![
        4 => (0_usize..3, times(), times(), outcomes(), periods()).prop_map(|(step, wait, time, outcome, period)| {
            Event::Request { step, sample: sample(wait, time, outcome), period }
        }),
        1 => (0_usize..3, any::<bool>()).prop_map(|(check, passed)| Event::Check { check, passed }),
        1 => (0_usize..2, prop::sample::select(&DropReason::ALL[..]), any::<u128>())
            .prop_map(|(scenario, reason, slot)| Event::Dropped { scenario, reason, slot }),
        1 => (0_usize..2, prop::sample::select(&UnsentReason::ALL[..]), any::<u128>())
            .prop_map(|(scenario, reason, slot)| Event::Unsent { scenario, reason, slot }),
        2 => (0_usize..2, any::<u128>(), iteration_outcomes, times(), periods()).prop_map(
            |(scenario, slot, outcome, time, period)| Event::Iteration { scenario, slot, outcome, time, period }
        ),
        1 => (0_usize..2, times(), periods())
            .prop_map(|(scenario, lag, period)| Event::Resumed { scenario, lag, period }),
    ]
}

/// One thread's recorder with its drain.
pub(crate) fn thread(layout: &Arc<Layout>, number: u32) -> (Recorder, Drain) {
    pair(layout, number, 2)
}

/// What `thread` makes of `events` in interval `interval`.
pub(crate) fn recorded(layout: &Arc<Layout>, number: u32, interval: u32, events: &[Event]) -> Snapshot {
    let (mut recorder, mut drain) = thread(layout, number);
    if interval > 0 {
        recorder.rotate(interval - 1, Gauges::default(), Activity::default());
        drain.next_snapshot().unwrap();
    }
    for event in events {
        event.record(&mut recorder);
    }
    recorder.finish(
        interval,
        Gauges { users: events.len() as u64, ..Gauges::default() },
        Activity::default(),
    );
    drain.next_snapshot().unwrap()
}
