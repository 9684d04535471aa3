//! What one thread records during one interval: counters, and histograms packed into a pool.
//!
//! A histogram takes 4 KiB (fine) or 512 B (coarse) of the pool for each octave that is used, in the order of first
//! use. So what was used lies together, only that becomes memory, and clearing is one fill. The pool has room for
//! every octave of every histogram; that much address space is reserved, and no value is ever without a place.

use std::ops::Range;

use units::Nanos;

use crate::histogram::Moments;
use crate::layout::{ScenarioTime, StepTime};
use crate::outcome::Ending;
use crate::shape::MAX_ROWS;
use crate::sparse::SparseHistogram;
use crate::{Activity, CheckCounts, Gauges, IterationLedger, Layout, Phases, RequestLedger, Shape};

/// Counts in a block of statuses.
const STATUS_BLOCK: usize = 128;
/// Blocks of statuses of one step: up to 1023, more than the three digits of a response line can say.
const STATUS_BLOCKS: usize = 8;
/// Counts that the statuses of one step can take in the pool.
pub(crate) const STATUS_COUNTS: usize = STATUS_BLOCKS * STATUS_BLOCK;
/// Rotations without a free interval whose gauges are kept; later ones replace the last.
const GAUGES: usize = 16;

/// Counts in blocks, handed out in the order of first use.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    counts: Vec<u32>,
    used: usize,
}

/// Counts before the first that is handed out: a block that begins at place `n` starts `n` counts before its own, and
/// no start may be 0, which means "not used yet".
const PREFIX: usize = 1 + Shape::FINE.block_len();

impl Pool {
    fn new(len: usize) -> Self {
        Self { counts: vec![0; PREFIX + len], used: PREFIX }
    }

    /// Adds one to count `place` of a block that has counts for `places`. `start` is where its place 0 lies, or would
    /// lie, and is set at the first use.
    #[inline(always)]
    fn increment(&mut self, start: &mut u32, places: Range<usize>, place: usize) {
        if *start == 0 {
            *start = self.hand_out(places);
        }
        let count = &mut self.counts[*start as usize + place];
        let (next, is_full) = count.overflowing_add(1);
        *count = next;
        if is_full {
            Self::keep_full(count);
        }
    }

    /// A full count stays full. It takes an hour without a collector at a million values a second.
    #[cold]
    #[inline(never)]
    fn keep_full(count: &mut u32) {
        debug_assert!(false, "intervals are swapped long before a count is full");
        *count = u32::MAX;
    }

    #[cold]
    #[inline(never)]
    fn hand_out(&mut self, places: Range<usize>) -> u32 {
        let start = self.used - places.start;
        self.used += places.len();
        debug_assert!(self.used <= self.counts.len(), "the pool has room for every block");
        start as u32
    }

    /// The counts of a block, if it was used.
    fn block(&self, start: u32, places: Range<usize>) -> &[u32] {
        if start == 0 { &[] } else { &self.counts[start as usize + places.start..][..places.len()] }
    }

    fn clear(&mut self) {
        self.counts[PREFIX..self.used].fill(0);
        self.used = PREFIX;
    }
}

/// One histogram: exact numbers, and where its rows lie in the pool.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimeCell {
    moments: Moments,
    rows: [u32; MAX_ROWS],
}

impl TimeCell {
    /// Counts one value. Inlined, so that the shape is a constant in it.
    #[inline(always)]
    pub(crate) fn record(&mut self, shape: Shape, pool: &mut Pool, value: u64) {
        if value > Shape::LIMIT {
            return self.record_overflow(shape, pool, value);
        }
        self.count(shape, pool, value);
        self.moments.record_one(value);
    }

    #[cold]
    #[inline(never)]
    fn record_overflow(&mut self, shape: Shape, pool: &mut Pool, value: u64) {
        self.count(shape, pool, Shape::LIMIT);
        self.moments.record_one(value);
        self.moments.overflow += 1;
    }

    #[inline(always)]
    fn count(&mut self, shape: Shape, pool: &mut Pool, value: u64) {
        let (row, sub_bucket) = shape.locate(value);
        pool.increment(&mut self.rows[row % MAX_ROWS], shape.sub_buckets(row), sub_bucket);
    }

    fn to_sparse(self, shape: Shape, pool: &Pool) -> SparseHistogram {
        let mut counts = Vec::new();
        for row in shape.rows() {
            let sub_buckets = shape.sub_buckets(row);
            let first = shape.index_at(row, sub_buckets.start) as u32;
            let used =
                (first..).zip(pool.block(self.rows[row], sub_buckets)).filter(|(_, count)| **count > 0);
            counts.extend(used.map(|(index, count)| (index, u64::from(*count))));
        }
        SparseHistogram::new(self.moments, counts)
    }
}

/// What is recorded of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepCell {
    pub(crate) requests: RequestLedger,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    statuses: [u32; STATUS_BLOCKS],
    pub(crate) times: [TimeCell; StepTime::SERIES],
}

impl Default for StepCell {
    fn default() -> Self {
        Self {
            requests: RequestLedger::default(),
            sent_bytes: 0,
            received_bytes: 0,
            statuses: [0; STATUS_BLOCKS],
            times: [TimeCell::default(); StepTime::SERIES],
        }
    }
}

impl StepCell {
    /// Counts the status of a response; 0, for no response, and what no response line can say are left out.
    #[inline]
    pub(crate) fn record_status(&mut self, pool: &mut Pool, status: u16) {
        let status = usize::from(status);
        if status != 0
            && let Some(start) = self.statuses.get_mut(status / STATUS_BLOCK)
        {
            pool.increment(start, 0..STATUS_BLOCK, status % STATUS_BLOCK);
        }
    }

    /// Counts a time that is kept apart by outcome.
    #[inline(always)]
    pub(crate) fn record_fine(&mut self, pool: &mut Pool, time: StepTime, ending: Ending, value: Nanos) {
        self.times[time.series(ending)].record(Shape::FINE, pool, value.as_u64());
    }

    /// Counts a time that is not kept apart by outcome.
    #[inline(always)]
    pub(crate) fn record_coarse(&mut self, pool: &mut Pool, time: StepTime, value: Nanos) {
        self.times[time.series(Ending::Succeeded)].record(Shape::COARSE, pool, value.as_u64());
    }

    /// Counts the times it took to open a connection.
    #[cold]
    #[inline(never)]
    pub(crate) fn record_opening(&mut self, pool: &mut Pool, phases: &Phases) {
        for (time, value) in
            [(StepTime::Dns, phases.dns), (StepTime::Connect, phases.connect), (StepTime::Tls, phases.tls)]
        {
            if let Some(value) = value {
                self.record_coarse(pool, time, value);
            }
        }
    }

    /// Whether anything was recorded.
    pub(crate) fn is_used(&self) -> bool {
        self.requests != RequestLedger::default()
    }

    /// The statuses that were counted, in ascending order.
    pub(crate) fn statuses(&self, pool: &Pool) -> impl Iterator<Item = (u16, u64)> {
        self.statuses.iter().zip((0_u16..).step_by(STATUS_BLOCK)).flat_map(|(start, first)| {
            let block = (first..).zip(pool.block(*start, 0..STATUS_BLOCK));
            block.filter(|(_, count)| **count > 0).map(|(status, count)| (status, u64::from(*count)))
        })
    }
}

/// What is recorded of one scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScenarioCell {
    pub(crate) iterations: IterationLedger,
    pub(crate) warm_up_iterations: IterationLedger,
    pub(crate) warm_up_requests: RequestLedger,
    pub(crate) times: [TimeCell; ScenarioTime::SERIES],
}

impl Default for ScenarioCell {
    fn default() -> Self {
        Self {
            iterations: IterationLedger::default(),
            warm_up_iterations: IterationLedger::default(),
            warm_up_requests: RequestLedger::default(),
            times: [TimeCell::default(); ScenarioTime::SERIES],
        }
    }
}

impl ScenarioCell {
    /// Whether anything was recorded. An interval may hold times and no entry in a ledger: of an iteration that was
    /// only taken up again in it.
    pub(crate) fn is_used(&self) -> bool {
        self.iterations != IterationLedger::default()
            || self.warm_up_iterations != IterationLedger::default()
            || self.warm_up_requests != RequestLedger::default()
            || self.times.iter().any(|time| time.moments.count > 0)
    }
}

/// Everything one thread records between two rotations.
#[derive(Debug, Default)]
pub(crate) struct Interval {
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// Rotations that found no free interval.
    pub(crate) coalesced: u64,
    /// Whether the recorder will hand out no more.
    pub(crate) is_final: bool,
    pub(crate) pool: Pool,
    pub(crate) steps: Vec<StepCell>,
    pub(crate) scenarios: Vec<ScenarioCell>,
    pub(crate) checks: Vec<CheckCounts>,
    pub(crate) gauges: Vec<(u32, Gauges)>,
    pub(crate) activity: Activity,
}

impl Interval {
    /// Makes an empty interval with room for all series of `layout`.
    pub(crate) fn new(layout: &Layout) -> Self {
        Self {
            pool: Pool::new(layout.pool_len()),
            steps: vec![StepCell::default(); layout.step_slots()],
            scenarios: vec![ScenarioCell::default(); layout.scenario_slots()],
            checks: vec![CheckCounts::default(); layout.catalog().checks.len()],
            gauges: Vec::with_capacity(GAUGES),
            ..Self::default()
        }
    }

    /// Notes the levels at the end of interval `at`.
    pub(crate) fn push_gauges(&mut self, at: u32, gauges: Gauges) {
        if self.gauges.len() == GAUGES {
            self.gauges.pop();
        }
        self.gauges.push((at, gauges));
    }

    /// Hands each histogram that holds something to `take`, with its number in the layout.
    pub(crate) fn for_each_histogram(&self, layout: &Layout, mut take: impl FnMut(usize, SparseHistogram)) {
        let steps = self.steps.iter().flat_map(|cell| &cell.times);
        let scenarios = self.scenarios.iter().flat_map(|cell| &cell.times);
        for (series, cell) in steps.chain(scenarios).enumerate() {
            if cell.moments.count > 0 {
                take(series, cell.to_sparse(layout.shape_of(series), &self.pool));
            }
        }
    }

    /// Makes it empty again; touches only what was used.
    pub(crate) fn clear(&mut self) {
        self.pool.clear();
        for cell in self.steps.iter_mut().filter(|cell| cell.is_used()) {
            *cell = StepCell::default();
        }
        for cell in self.scenarios.iter_mut().filter(|cell| cell.is_used()) {
            *cell = ScenarioCell::default();
        }
        self.checks.fill(CheckCounts::default());
        self.gauges.clear();
        self.activity = Activity::default();
        self.coalesced = 0;
        self.is_final = false;
    }
}

// What a request on a kept connection touches of its step, apart from the pool.
const _: () = assert!(size_of::<TimeCell>() <= 192, "three cache lines");
const _: () = assert!(size_of::<StepCell>() <= 2_560);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cleared_pool_is_as_new_and_starts_from_its_beginning() {
        let mut pool = Pool::new(4 * Shape::COARSE.block_len());
        let mut cell = TimeCell::default();
        for value in [0, 1_000_000, 5_000_000] {
            cell.record(Shape::COARSE, &mut pool, value);
        }
        // The lowest octave has two blocks.
        assert_eq!(pool.used, PREFIX + 4 * Shape::COARSE.block_len());
        pool.clear();
        assert_eq!(pool.used, PREFIX);
        assert!(pool.counts.iter().all(|count| *count == 0));
    }

    #[test]
    fn a_step_whose_times_span_five_octaves_takes_at_most_64_kib() {
        let mut pool = Pool::new(StepTime::ALL.len() * Shape::FINE.buckets());
        let mut cell = StepCell::default();
        for n in 0..10_000_u64 {
            let time = Nanos::from_micros(66 + n % 2_000);
            cell.record_fine(&mut pool, StepTime::ResponseTime, Ending::Succeeded, time);
            cell.record_fine(&mut pool, StepTime::ServiceTime, Ending::Succeeded, time);
            cell.record_coarse(&mut pool, StepTime::QueueWait, Nanos::new(n));
            cell.record_coarse(&mut pool, StepTime::FirstByte, time);
            cell.record_coarse(&mut pool, StepTime::Receive, Nanos::new(n * 2));
            cell.record_status(&mut pool, 200);
        }
        let bytes = size_of::<StepCell>() + (pool.used - PREFIX) * size_of::<u32>();
        assert!(bytes <= 64 << 10, "{bytes} bytes");
    }

    #[test]
    fn statuses_outside_a_response_line_are_left_out() {
        let mut pool = Pool::new(STATUS_COUNTS);
        let mut cell = StepCell::default();
        for status in [0, 100, 204, 204, 599, 999, 1_024, u16::MAX] {
            cell.record_status(&mut pool, status);
        }
        assert_eq!(cell.statuses(&pool).collect::<Vec<_>>(), [(100, 1), (204, 2), (599, 1), (999, 1)]);
    }

    #[test]
    fn gauges_of_many_missed_rotations_keep_the_last() {
        let mut interval = Interval::default();
        for at in 0..100 {
            interval.push_gauges(at, Gauges { users: u64::from(at), ..Gauges::default() });
        }
        assert_eq!(interval.gauges.len(), GAUGES);
        assert_eq!(interval.gauges.last().unwrap().1.users, 99);
    }
}
