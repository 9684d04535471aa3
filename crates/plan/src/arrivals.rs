//! Arrival processes: how starts are spread over the cumulative axis of a profile.
//!
//! Random arrivals are part of the plan. On the cumulative axis, where a rate profile of any shape becomes the
//! constant rate 1, each unit block [k, k + 1) holds Poisson(1) points at uniform places; mapped back through the
//! profile's inverse they are a Poisson process of the profile's rate. A block is drawn from its number alone, so
//! every thread of every worker sees the same points, and points are numbered densely over all blocks.

use crate::draw::{Draws, Purpose};
use crate::profile::PLACE_BITS;
use crate::{ScenarioId, Seed};

/// How arrivals are spread over the cumulative axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrivals {
    /// Evenly: slot n is where the cumulative count reaches n.
    Uniform,
    /// At random: a Poisson process with the profile's rate, the same for the same seed.
    Poisson,
}

/// A walk along the random arrivals of one scenario, from the first.
///
/// # Cost
/// About 5 ns for a block that is passed, 20 ns more for one whose points are read.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    draws: Draws,
    block: u64,
    /// The number of the block's first point.
    first: u64,
    count: u32,
    /// The places of the block's points, ascending, once one of them was asked for.
    places: [u32; MOST],
    read: bool,
}

impl Walk {
    /// The walk along law number `law` of a scenario: 0 is the plan's own, a change of rates has points of its own.
    pub(crate) fn new(seed: Seed, scenario: ScenarioId, law: u64) -> Self {
        let draws = Draws::new(seed, Purpose::Arrivals.stream(scenario));
        let draws = if law == 0 { draws } else { draws.branch(law) };
        Self { draws, block: 0, first: 0, count: count(draws.at(0)), places: [0; MOST], read: false }
    }

    /// Lets the walk begin at mark `from`: point 0 is the first that is not below it.
    ///
    /// # Cost
    /// The same wherever that is.
    pub(crate) fn starting_at(mut self, from: u128) -> Self {
        self.block = (from.saturating_sub(1) >> PLACE_BITS) as u64;
        self.count = count(self.draws.at(self.block * WORDS));
        self.read = false;
        self.first = 0;
        let below = self.points_before(from);
        // Points of the block that lie before `from` have numbers below 0, which nobody asks for.
        self.first = 0_u64.wrapping_sub(below);
        self
    }

    /// The mark of point `n` on the axis of places; `None` if it is not below `limit`. Points are asked for in
    /// ascending order.
    pub(crate) fn mark(&mut self, n: u64, limit: u128) -> Option<u128> {
        while n.wrapping_sub(self.first) >= u64::from(self.count) {
            if self.end() >= limit {
                return None;
            }
            self.advance();
        }
        let at = n.wrapping_sub(self.first) as usize;
        Some(self.marks()[at]).map(|place| self.start() + u128::from(place) + 1).filter(|mark| *mark < limit)
    }

    /// How many points have a mark below `limit`. Limits are given in ascending order.
    pub(crate) fn points_before(&mut self, limit: u128) -> u64 {
        while self.end() < limit {
            self.advance();
        }
        let start = self.start() + 1;
        let below = self.marks().iter().filter(|place| start + u128::from(**place) < limit).count();
        self.first.wrapping_add(below as u64)
    }

    /// Marks of the block are above this: a place is at 1 to 2^[`PLACE_BITS`] of them, never at the block's very
    /// start, which a profile may reach long before its rate leaves zero.
    fn start(&self) -> u128 {
        u128::from(self.block) << PLACE_BITS
    }

    /// The last mark of the block.
    fn end(&self) -> u128 {
        u128::from(self.block + 1) << PLACE_BITS
    }

    fn advance(&mut self) {
        self.first = self.first.wrapping_add(u64::from(self.count));
        self.block += 1;
        self.count = count(self.draws.at(self.block * WORDS));
        self.read = false;
    }

    fn marks(&mut self) -> &[u32] {
        let count = self.count as usize;
        if !self.read {
            for at in 0..count {
                let word = self.draws.at(self.block * WORDS + 1 + at as u64 / 2);
                self.places[at] = if at % 2 == 0 { word as u32 } else { (word >> 32) as u32 };
            }
            self.places[..count].sort_unstable();
            self.read = true;
        }
        &self.places[..count]
    }
}

/// How many points a block holds whose first word is `word`: Poisson(1) by inversion.
fn count(word: u64) -> u32 {
    // Without branches up to three points, which is 98 blocks in 100.
    let few: u32 = CUMULATIVE[..4].iter().map(|bound| u32::from(word >= *bound)).sum();
    if few < 4 {
        return few;
    }
    CUMULATIVE.iter().take_while(|bound| word >= **bound).count() as u32
}

/// Words that belong to a block: one for the count, the rest for two places each.
const WORDS: u64 = 16;

/// The most points in a block: more come once in 10¹⁸ blocks.
const MOST: usize = CUMULATIVE.len();

/// ⌊2⁶⁴ · P(at most k points)⌋ for k = 0, 1, …, with P(at most k) = e⁻¹ · Σ 1/i! over i ≤ k.
const CUMULATIVE: [u64; 20] = [
    0x5e2d_58d8_b3bc_df1a,
    0xbc5a_b1b1_6779_be35,
    0xeb71_5e1d_c158_2dc2,
    0xfb23_9797_34a2_52f1,
    0xff10_25f5_9174_dc3d,
    0xffd9_0f3b_a405_5e19,
    0xfffa_8b71_fc72_c913,
    0xffff_540c_0914_b3c9,
    0xffff_ed1f_4aa8_f120,
    0xffff_fe21_6e64_1462,
    0xffff_ffd4_d85d_3183,
    0xffff_fffc_6da2_62b4,
    0xffff_ffff_ba12_d178,
    0xffff_ffff_fb07_c64c,
    0xffff_ffff_ffab_8ea5,
    0xffff_ffff_fffa_be22,
    0xffff_ffff_ffff_b11a,
    0xffff_ffff_ffff_fba1,
    0xffff_ffff_ffff_ffc5,
    0xffff_ffff_ffff_fffd,
];

#[cfg(test)]
mod tests;
