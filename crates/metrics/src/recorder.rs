//! The recorder of one engine thread, and the end at which the collector empties it.
//!
//! ```text
//!  engine thread                                   collector
//!  Recorder ── full interval ──► ArrayQueue ──►  Drain ── Snapshot
//!      ▲────── empty interval ◄── ArrayQueue ◄──── clears ──┘
//! ```
//!
//! A fixed number of intervals goes round. Each queue holds all of them, so a push never fails and nothing is lost;
//! when the collector is slow and no empty one is left, the recorder goes on with the one it has.

use std::mem;
use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

use crate::interval::Interval;
use crate::layout::{ScenarioTime, StepTime};
use crate::outcome::Ending;
use crate::{
    Activity, DropReason, Gauges, IterationOutcome, IterationStart, IterationTimes, Layout, Period, Record,
    RequestSample, Snapshot, UnsentReason,
};

/// Makes the recorder of engine thread `thread`, a number of its own in the run, and its drain.
///
/// `intervals` go round between them. With 2, one is written while the other is read; more bridge a collector that
/// is late at times, and cost their memory.
///
/// # Panics
/// When `intervals` is less than 2.
///
/// ```
/// use std::sync::Arc;
///
/// use loadgen_metrics::{Activity, Catalog, Gauges, Layout, Record, pair};
///
/// let layout = Arc::new(Layout::new(Catalog::default()));
/// let (mut recorder, mut drain) = pair(&layout, 0, 2);
/// recorder.rotate(0, Gauges::default(), Activity::default());
/// recorder.finish(1, Gauges::default(), Activity::default());
/// let snapshots: Vec<_> = std::iter::from_fn(|| drain.next_snapshot()).collect();
/// assert_eq!((snapshots[0].first, snapshots[1].last), (0, 1));
/// assert!(drain.is_finished());
/// ```
pub fn pair(layout: &Arc<Layout>, thread: u32, intervals: usize) -> (Recorder, Drain) {
    assert!(intervals >= 2, "one interval is written while another one is read");
    let full = Arc::new(ArrayQueue::new(intervals));
    let empty = Arc::new(ArrayQueue::new(intervals));
    for _ in 1..intervals {
        put(&empty, Box::new(Interval::new(layout)));
    }
    let step_scenario = layout.catalog().steps.iter().map(|step| layout.scenario_slot(step.scenario));
    let recorder = Recorder {
        interval: Box::new(Interval::new(layout)),
        last_step: layout.step_slot(usize::MAX),
        last_scenario: layout.scenario_slot(usize::MAX),
        step_scenario: step_scenario.collect(),
        full: Arc::clone(&full),
        empty: Arc::clone(&empty),
    };
    (recorder, Drain { layout: Arc::clone(layout), thread, full, empty, is_finished: false })
}

type Queue = ArrayQueue<Box<Interval>>;

fn put(queue: &Queue, interval: Box<Interval>) {
    queue.push(interval).expect("a queue has room for every interval that goes round");
}

/// Records what one engine thread measures. One writer, no allocation, no lock; the only shared writes are the two
/// queue operations of a rotation.
///
/// Dropping it without [`Record::finish`], as a panic does, still hands out what was recorded.
#[derive(Debug)]
pub struct Recorder {
    interval: Box<Interval>,
    last_step: usize,
    last_scenario: usize,
    /// The scenario slot of each step.
    step_scenario: Box<[usize]>,
    full: Arc<Queue>,
    empty: Arc<Queue>,
}

impl Record for Recorder {
    #[inline]
    fn request_started(&mut self, step: usize, period: Period) {
        match period {
            Period::Measured => self.interval.steps[step.min(self.last_step)].requests.started(),
            Period::WarmUp => self.interval.scenarios[self.step_scenario[step]].warm_up_requests.started(),
        }
    }

    // One body for all callers: within a caller it has fewer registers and costs 15 instructions more.
    #[inline(never)]
    fn request(&mut self, step: usize, sample: &RequestSample, period: Period) {
        let Interval { steps, scenarios, pool, .. } = &mut *self.interval;
        if period == Period::WarmUp {
            scenarios[self.step_scenario[step]].warm_up_requests.ended(sample.outcome, sample.resent);
            return;
        }
        let cell = &mut steps[step.min(self.last_step)];
        cell.requests.ended(sample.outcome, sample.resent);
        cell.sent_bytes += sample.sent_bytes;
        cell.received_bytes += sample.received_bytes;
        cell.record_status(pool, sample.status);
        let RequestSample { times, phases, .. } = sample;
        let ending = Ending::from(sample.outcome);
        cell.record_fine(pool, StepTime::ResponseTime, ending, times.response_time());
        cell.record_fine(pool, StepTime::ServiceTime, ending, times.service_time());
        cell.record_coarse(pool, StepTime::QueueWait, times.queue_wait());
        if let Some(value) = phases.first_byte {
            cell.record_coarse(pool, StepTime::FirstByte, value);
        }
        if let Some(value) = phases.receive {
            cell.record_coarse(pool, StepTime::Receive, value);
        }
        if phases.dns.is_some() || phases.connect.is_some() || phases.tls.is_some() {
            cell.record_opening(pool, phases);
        }
    }

    #[inline]
    fn check(&mut self, check: usize, passed: bool, period: Period) {
        if period == Period::Measured {
            let counts = &mut self.interval.checks[check];
            counts.passed += u64::from(passed);
            counts.failed += u64::from(!passed);
        }
    }

    #[inline]
    fn slot_due(&mut self, scenario: usize, slot: u128, period: Period) {
        self.ledger(scenario, period).slot_due(slot);
    }

    #[inline]
    fn slot_dropped(&mut self, scenario: usize, reason: DropReason, slot: u128, period: Period) {
        self.ledger(scenario, period).slot_dropped(reason, slot);
    }

    #[inline]
    fn slot_unsent(&mut self, scenario: usize, reason: UnsentReason, slot: u128, period: Period) {
        self.ledger(scenario, period).slot_unsent(reason, slot);
    }

    fn slots_stopped(&mut self, scenario: usize, count: u64, period: Period) {
        self.ledger(scenario, period).slots_stopped(count);
    }

    #[inline]
    fn iteration_started(&mut self, scenario: usize, start: IterationStart, slot: u128, period: Period) {
        self.ledger(scenario, period).started(slot);
        if period == Period::Measured {
            self.time(scenario, ScenarioTime::DispatchLag, Ending::Succeeded, start.dispatch_lag.as_u64());
            self.time(scenario, ScenarioTime::QueueWait, Ending::Succeeded, start.queue_wait.as_u64());
        }
    }

    #[inline]
    fn dispatch_lag(&mut self, scenario: usize, lag: units::Nanos, period: Period) {
        if period == Period::Measured {
            self.time(scenario, ScenarioTime::DispatchLag, Ending::Succeeded, lag.as_u64());
        }
    }

    #[inline]
    fn iteration_ended(
        &mut self,
        scenario: usize,
        outcome: IterationOutcome,
        times: IterationTimes,
        period: Period,
    ) {
        self.ledger(scenario, period).ended(outcome);
        if period == Period::Measured {
            let ending = Ending::from(outcome);
            self.time(scenario, ScenarioTime::IterationResponseTime, ending, times.response_time.as_u64());
            self.time(scenario, ScenarioTime::IterationDuration, ending, times.duration.as_u64());
        }
    }

    fn rotate(&mut self, ended: u32, gauges: Gauges, activity: Activity) {
        self.close(ended, gauges, activity);
        match self.empty.pop() {
            Some(mut next) => {
                next.first = self.interval.last.saturating_add(1);
                put(&self.full, mem::replace(&mut self.interval, next));
            }
            None => self.interval.coalesced += 1,
        }
    }

    fn finish(mut self, last: u32, gauges: Gauges, activity: Activity) {
        self.close(last, gauges, activity);
    }
}

impl Recorder {
    #[inline]
    fn ledger(&mut self, scenario: usize, period: Period) -> &mut crate::IterationLedger {
        let cell = &mut self.interval.scenarios[scenario.min(self.last_scenario)];
        match period {
            Period::Measured => &mut cell.iterations,
            Period::WarmUp => &mut cell.warm_up_iterations,
        }
    }

    /// Counts one time. Inlined, so that the shape is a constant in it.
    #[inline(always)]
    fn time(&mut self, scenario: usize, time: ScenarioTime, ending: Ending, value: u64) {
        let Interval { scenarios, pool, .. } = &mut *self.interval;
        let cell = &mut scenarios[scenario.min(self.last_scenario)];
        cell.times[time.series(ending)].record(time.shape(), pool, value);
    }

    fn close(&mut self, ended: u32, gauges: Gauges, activity: Activity) {
        self.interval.last = ended.max(self.interval.first);
        self.interval.push_gauges(self.interval.last, gauges);
        self.interval.activity.merge(&activity);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let mut interval = mem::take(&mut self.interval);
        interval.last = interval.last.max(interval.first);
        interval.is_final = true;
        put(&self.full, interval);
    }
}

/// The collector's end of a [`Recorder`].
#[derive(Debug)]
pub struct Drain {
    layout: Arc<Layout>,
    thread: u32,
    full: Arc<Queue>,
    empty: Arc<Queue>,
    is_finished: bool,
}

impl Drain {
    /// Takes the oldest full interval as a snapshot and gives its storage back, cleared; `None` when none is full.
    ///
    /// # Cost
    /// In proportion to what was used in the interval; the recording thread never waits for it.
    pub fn next_snapshot(&mut self) -> Option<Snapshot> {
        let mut interval = self.full.pop()?;
        let snapshot = Snapshot::of(&interval, &self.layout, self.thread);
        if interval.is_final {
            self.is_finished = true;
        } else {
            interval.clear();
            put(&self.empty, interval);
        }
        Some(snapshot)
    }

    /// Whether the last snapshot of the recorder has been taken.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }
}

#[cfg(test)]
mod tests;
