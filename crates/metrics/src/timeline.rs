//! A run over time, in bounded memory.

use std::sync::Arc;

use units::Nanos;

use crate::fault::{SnapshotFault, grown};
use crate::interval_counts::IntervalCounts;
use crate::outcome::Ending;
use crate::packed::PackedHistogram;
use crate::sparse::SparseHistogram;
use crate::track::{Stretch, Track};
use crate::{Gauges, Histogram, Layout, ScenarioTime, Shape, Snapshot, StepTime};

/// Quantiles of one time in one stretch, to 2 significant digits; the maximum is exact. Censored times count as they
/// were recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// How many times.
    pub count: u64,
    /// The median.
    pub p50: Nanos,
    /// 90 % do not exceed it.
    pub p90: Nanos,
    /// 99 % do not exceed it.
    pub p99: Nanos,
    /// The highest.
    pub max: Nanos,
}

impl Quantiles {
    fn of(histogram: &SparseHistogram) -> Option<Self> {
        let moments = histogram.moments();
        let quantile = |percent: u64| {
            let rank = (u128::from(moments.count) * u128::from(percent)).div_ceil(100);
            let mut seen = 0;
            let mut reaches = |count: u64| {
                seen += u128::from(count);
                seen >= rank
            };
            let bucket = histogram.counts().find(|(_, count)| reaches(*count)).map(|(index, _)| index);
            let highest = bucket.map_or(moments.max, |index| Shape::COARSE.highest_of(index));
            Nanos::new(highest.clamp(moments.min, moments.max))
        };
        (moments.count > 0).then(|| Self {
            count: moments.count,
            p50: quantile(50),
            p90: quantile(90),
            p99: quantile(99),
            max: Nanos::new(moments.max),
        })
    }
}

/// One stretch of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineInterval {
    /// The first second of the run it covers.
    pub first: u32,
    /// The last second of the run it covers.
    pub last: u32,
    /// What happened in it.
    pub counts: IntervalCounts,
    /// The levels at its end.
    pub gauges: Gauges,
    /// Response times of all steps and outcomes.
    pub response_time: Option<Quantiles>,
    /// Service times of all steps and outcomes.
    pub service_time: Option<Quantiles>,
    /// Dispatch lag of all scenarios.
    pub dispatch_lag: Option<Quantiles>,
}

/// A longer stretch with whole histograms, for statistics over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineBlock {
    /// The first second of the run it covers.
    pub first: u32,
    /// The last second of the run it covers.
    pub last: u32,
    /// Response times of all steps and outcomes.
    pub response_time: Histogram,
    /// Service times of all steps and outcomes.
    pub service_time: Histogram,
}

/// A run over time: at most [`Timeline::MAX_INTERVALS`] intervals of numbers and [`Timeline::MAX_BLOCKS`] blocks of
/// histograms, both from a second upwards. When there are too many, neighbours merge and each covers twice as long, so
/// memory grows neither with requests nor with hours.
///
/// What a late thread recorded over several seconds counts in the last of them.
#[derive(Clone, Debug)]
pub struct Timeline {
    layout: Arc<Layout>,
    intervals: Track<Interval>,
    blocks: Track<Block>,
    /// Of all snapshots: no sum of theirs is above it.
    volume: u64,
}

impl Timeline {
    /// The most intervals that are kept.
    pub const MAX_INTERVALS: usize = 3_600;
    /// The most blocks that are kept.
    pub const MAX_BLOCKS: usize = 128;

    /// Makes the timeline of a run that has not begun.
    pub fn new(layout: &Arc<Layout>) -> Self {
        Self {
            layout: Arc::clone(layout),
            intervals: Track::new(Self::MAX_INTERVALS),
            blocks: Track::new(Self::MAX_BLOCKS),
            volume: 0,
        }
    }

    /// Adds a snapshot; in any order.
    ///
    /// # Errors
    /// When no recorder of this layout would have made it, or sums would become too large; nothing is added then.
    pub fn add(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotFault> {
        self.volume = grown(self.volume, snapshot.volume_in(&self.layout)?)?;
        let layout = &self.layout;
        let step_times = |time: StepTime| {
            let mut sum = Histogram::new(Shape::FINE);
            for slot in 0..layout.step_slots() {
                for ending in Ending::ALL {
                    let series = layout.step_series(slot, time, ending) as u32;
                    if let Some(histogram) = snapshot.histograms.get(&series) {
                        sum.merge_sparse(histogram);
                    }
                }
            }
            sum.to_sparse()
        };
        let response_time = step_times(StepTime::ResponseTime);
        let service_time = step_times(StepTime::ServiceTime);
        let mut dispatch_lag = SparseHistogram::default();
        for slot in 0..layout.scenario_slots() {
            let series = layout.scenario_series(slot, ScenarioTime::DispatchLag, Ending::Succeeded) as u32;
            if let Some(histogram) = snapshot.histograms.get(&series) {
                dispatch_lag.merge(histogram);
            }
        }
        let interval = self.intervals.at(snapshot.last);
        interval.counts.merge(&IntervalCounts::of(snapshot));
        for (at, levels) in &snapshot.gauges {
            interval.merge_gauges(*at, levels);
        }
        interval.response_time.merge(&coarsened(&response_time));
        interval.service_time.merge(&coarsened(&service_time));
        interval.dispatch_lag.merge(&dispatch_lag);
        let block = self.blocks.at(snapshot.last);
        block.response_time.merge(&response_time);
        block.service_time.merge(&service_time);
        Ok(())
    }

    /// The intervals from the run's start to the last one recorded, without gaps.
    pub fn intervals(&self) -> impl Iterator<Item = TimelineInterval> {
        self.intervals.stretches().map(Interval::shown)
    }

    /// The last interval in which anything was recorded; another thread may still add to it.
    pub fn latest(&self) -> Option<TimelineInterval> {
        self.intervals.stretches().last().map(Interval::shown)
    }

    /// The blocks from the run's start to the last one recorded, without gaps.
    pub fn blocks(&self) -> impl Iterator<Item = TimelineBlock> {
        let histogram = |packed: &PackedHistogram| {
            let mut histogram = Histogram::new(Shape::FINE);
            histogram.merge_sparse(&packed.unpack());
            histogram
        };
        self.blocks.stretches().map(move |(first, last, block)| TimelineBlock {
            first,
            last,
            response_time: histogram(&block.response_time),
            service_time: histogram(&block.service_time),
        })
    }

    /// Seconds that one interval covers: a power of two.
    pub fn interval_seconds(&self) -> u32 {
        self.intervals.width
    }

    /// Memory it holds, in bytes.
    pub fn heap_bytes(&self) -> usize {
        let intervals = self.intervals.stretches.iter().map(|interval| {
            size_of::<Interval>()
                + interval.response_time.heap_bytes()
                + interval.service_time.heap_bytes()
                + interval.dispatch_lag.heap_bytes()
        });
        let blocks = self.blocks.stretches.iter().map(|block| {
            size_of::<Block>() + block.response_time.heap_bytes() + block.service_time.heap_bytes()
        });
        intervals.chain(blocks).sum()
    }
}

/// The same counts in the coarse shape.
fn coarsened(fine: &SparseHistogram) -> SparseHistogram {
    let mut counts: Vec<(u32, u64)> = Vec::new();
    for (index, count) in fine.counts() {
        let index = Shape::COARSE.index_of(Shape::FINE.lowest_of(index)) as u32;
        match counts.last_mut() {
            Some(last) if last.0 == index => last.1 += count,
            _ => counts.push((index, count)),
        }
    }
    SparseHistogram::new(*fine.moments(), counts)
}

#[derive(Clone, Debug, Default)]
struct Interval {
    counts: IntervalCounts,
    gauges: Gauges,
    gauges_at: u32,
    response_time: PackedHistogram,
    service_time: PackedHistogram,
    dispatch_lag: PackedHistogram,
}

impl Interval {
    fn shown((first, last, interval): (u32, u32, &Self)) -> TimelineInterval {
        TimelineInterval {
            first,
            last,
            counts: interval.counts,
            gauges: interval.gauges,
            response_time: Quantiles::of(&interval.response_time.unpack()),
            service_time: Quantiles::of(&interval.service_time.unpack()),
            dispatch_lag: Quantiles::of(&interval.dispatch_lag.unpack()),
        }
    }

    /// Keeps the levels of the latest second, summed over threads.
    fn merge_gauges(&mut self, at: u32, levels: &Gauges) {
        if at > self.gauges_at {
            self.gauges = Gauges::default();
            self.gauges_at = at;
        }
        if at == self.gauges_at {
            self.gauges.merge(levels);
        }
    }
}

impl Stretch for Interval {
    fn append(&mut self, next: Self) {
        self.counts.merge(&next.counts);
        self.merge_gauges(next.gauges_at, &next.gauges);
        self.response_time.merge(&next.response_time.unpack());
        self.service_time.merge(&next.service_time.unpack());
        self.dispatch_lag.merge(&next.dispatch_lag.unpack());
    }
}

#[derive(Clone, Debug, Default)]
struct Block {
    response_time: PackedHistogram,
    service_time: PackedHistogram,
}

impl Stretch for Block {
    fn append(&mut self, next: Self) {
        self.response_time.merge(&next.response_time.unpack());
        self.service_time.merge(&next.service_time.unpack());
    }
}

#[cfg(test)]
mod tests;
