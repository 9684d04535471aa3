//! What contributes to thresholds that are not met, taken up as it is measured: by threshold, step, life of a worker,
//! time and cause.
//!
//! Each session keeps its own, so the order in which workers report makes no difference. Memory is bounded: at most
//! [`MOST_PAIRS`] pairs of threshold and step, [`MOST_CELLS`] numbers over time and a few causes each, per session,
//! however long the run. [`crate::explain`] reads it when the run is over.

mod blocks;
mod watch;

use std::collections::BTreeMap;

use metrics::{Layout, Snapshot, Threshold};

pub(crate) use blocks::{Blocks, Span};
pub(crate) use watch::Watch;

/// What counts against each threshold of a run, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Watches {
    watches: Vec<Option<Watch>>,
    /// The most blocks of time that each pair may have.
    blocks: usize,
}

impl Watches {
    /// What counts against `thresholds` in a run of `layout`.
    pub(crate) fn new(thresholds: &[Threshold], layout: &Layout) -> Self {
        let watches: Vec<_> = thresholds.iter().map(|threshold| Watch::of(threshold, layout)).collect();
        let pairs: usize = watches.iter().flatten().map(Watch::places).sum();
        let blocks = (MOST_CELLS / pairs.clamp(1, MOST_PAIRS)).min(MOST_BLOCKS);
        Self { watches, blocks }
    }
}

/// Pairs of threshold and step that a session keeps; further ones are in no explanation.
const MOST_PAIRS: usize = 4_096;

/// Numbers over time that a session keeps: half a MiB.
const MOST_CELLS: usize = 65_536;

/// Blocks of time, as many as a timeline has.
const MOST_BLOCKS: usize = 128;

/// What one session contributed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Contributions {
    /// By threshold and step slot.
    pairs: BTreeMap<(usize, usize), Contribution>,
}

/// What one session contributed to one threshold with one step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contribution {
    /// Values beyond the bound, or their time, by when they came.
    pub(crate) weight: Blocks,
    /// Values beyond the bound.
    pub(crate) beyond: u64,
    /// Why, by phase or class.
    pub(crate) causes: BTreeMap<&'static str, u128>,
}

impl Contribution {
    /// Adds another session's.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.weight.merge(&other.weight);
        self.beyond = self.beyond.saturating_add(other.beyond);
        for (cause, weight) in &other.causes {
            add(self.causes.entry(cause).or_default(), *weight);
        }
    }
}

impl Contributions {
    /// Takes up what `snapshot`, which the run's totals have taken, contributes.
    pub(crate) fn add(&mut self, watches: &Watches, snapshot: &Snapshot, layout: &Layout) {
        for (threshold, watch) in watches.watches.iter().enumerate() {
            let Some(watch) = watch else { continue };
            watch.look(snapshot, layout, |finding| {
                let pair = (threshold, finding.step);
                if self.pairs.len() >= MOST_PAIRS && !self.pairs.contains_key(&pair) {
                    return;
                }
                let contribution = self.pairs.entry(pair).or_insert_with(|| Contribution {
                    weight: Blocks::new(watches.blocks),
                    beyond: 0,
                    causes: BTreeMap::new(),
                });
                contribution.weight.add(snapshot.last, finding.weight);
                contribution.beyond = contribution.beyond.saturating_add(finding.beyond);
                for (cause, weight) in finding.causes {
                    add(contribution.causes.entry(cause).or_default(), weight);
                }
            });
        }
    }

    /// What was contributed to threshold number `threshold`, by step slot.
    pub(crate) fn to(&self, threshold: usize) -> impl Iterator<Item = (usize, &Contribution)> {
        let pairs = self.pairs.range((threshold, 0)..=(threshold, usize::MAX));
        pairs.map(|((_, step), contribution)| (*step, contribution))
    }
}

fn add(sum: &mut u128, weight: u128) {
    *sum = sum.saturating_add(weight);
}
