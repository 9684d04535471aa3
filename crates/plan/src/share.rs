//! Who carries which index: shares of a run, and the table that deals slots, users and quotas to them.
//!
//! Every index has exactly one owner, whoever asks: the union of all shares *is* the whole. The table is a smooth
//! weighted round robin (the one of nginx), so a share of a third gets every third index and not a third of them
//! in a row.

use crate::ScenarioId;

/// The part of a run that one worker carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which dealing of the run this belongs to, from 0.
    pub revision: u64,
    /// Integer weights of all shares; their sum is 1 to 4,096.
    pub weights: Vec<u32>,
    /// Which of the weights is this worker's.
    pub index: u32,
}

/// Why weights are no dealing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// No weight above zero.
    #[error("a run needs at least one share with a weight above 0")]
    NoWeight,
    /// Too fine a dealing.
    #[error("the weights add up to {sum}; at most 4096 are dealt")]
    TooManyWeights {
        /// Their sum.
        sum: u64,
    },
    /// The share is none of those dealt.
    #[error("share {index} does not exist; there are {shares}")]
    NoSuchShare {
        /// The index asked for.
        index: u32,
        /// How many there are.
        shares: usize,
    },
}

impl Share {
    /// The only share of a run on one worker.
    pub fn whole() -> Self {
        Self { revision: 0, weights: vec![1], index: 0 }
    }
}

/// The table that says which share owns an index (a slot, a user, an iteration of a quota).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The owner of index n is at n modulo the length.
    table: Box<[u32]>,
    /// For each share, ascending, where in the table it stands.
    places: Box<[Box<[u32]>]>,
}

impl Ownership {
    /// Deals by `weights`, the table rotated by an offset derived from `scenario`.
    ///
    /// A share of weight 0 owns nothing.
    ///
    /// # Errors
    /// When the weights do not add up to 1 to 4,096.
    ///
    /// # Cost
    /// The number of shares times the sum of their weights: microseconds for a few, 15 ms for 4,096 shares.
    pub fn new(weights: &[u32], scenario: ScenarioId) -> Result<Self, ShareError> {
        let sum: u64 = weights.iter().copied().map(u64::from).sum();
        if sum == 0 {
            return Err(ShareError::NoWeight);
        }
        if sum > MOST_WEIGHTS {
            return Err(ShareError::TooManyWeights { sum });
        }
        let mut table = smooth_round_robin(weights, sum);
        table.rotate_left(offset(scenario, sum) as usize);
        let mut places = vec![Vec::new(); weights.len()];
        for (place, owner) in (0..).zip(&table) {
            places[*owner as usize].push(place);
        }
        Ok(Self { table: table.into(), places: places.into_iter().map(Vec::into_boxed_slice).collect() })
    }

    /// As [`Ownership::new`], but only over shares that own one of the first `users` indices: a share without a
    /// user of a scenario could not start any of its slots.
    ///
    /// Leaving shares out changes the table, and with it who owns a user, so this is repeated until every share
    /// that is left owns one. Users, slots and quotas then all go by this one table.
    ///
    /// # Errors
    /// As [`Ownership::new`].
    pub fn over_users(weights: &[u32], scenario: ScenarioId, users: u32) -> Result<Self, ShareError> {
        let mut weights = weights.to_vec();
        loop {
            let dealt = Self::new(&weights, scenario)?;
            // With no user at all there is nothing to hold on to: the first index stands for one.
            let users = u64::from(users.max(1));
            let idle = |index: &u32| weights[*index as usize] > 0 && dealt.count_before(*index, users) == 0;
            let idle: Vec<u32> = (0..dealt.shares()).filter(idle).collect();
            if idle.is_empty() {
                return Ok(dealt);
            }
            for index in idle {
                weights[index as usize] = 0;
            }
        }
    }

    /// How many shares there are, those that own nothing included.
    pub fn shares(&self) -> u32 {
        self.places.len() as u32
    }

    /// The share that owns index `n`.
    pub fn owner(&self, n: u64) -> u32 {
        self.table[(n % self.table.len() as u64) as usize]
    }

    /// The indices that share `index` owns, ascending and without end; none for a share that does not exist.
    pub fn owned(&self, index: u32) -> Owned {
        let places = self.places.get(index as usize).cloned().unwrap_or_default();
        Owned { places, period: self.table.len() as u64, ..Owned::none() }
    }

    /// How many of the indices below `n` share `index` owns; also the ordinal of `n` within the share when it owns
    /// `n`.
    ///
    /// # Cost
    /// One division and a bisection of the table.
    pub fn count_before(&self, index: u32, n: u64) -> u64 {
        let Some(places) = self.places.get(index as usize) else { return 0 };
        let period = self.table.len() as u64;
        let (rounds, rest) = (n / period, n % period);
        rounds * places.len() as u64 + places.partition_point(|place| u64::from(*place) < rest) as u64
    }
}

/// The indices that one share, or one thread of it, owns: ascending, without end, by jumps instead of a search.
#[derive(Clone, Debug)]
pub struct Owned {
    places: Box<[u32]>,
    period: u64,
    /// The first index of the present round through the table.
    round: u64,
    /// The next one's position in `places`.
    at: usize,
    /// Where `round` and `at` began.
    first: (u64, usize),
    /// After so many indices everything repeats.
    turn: u64,
    /// The first index of the present turn.
    base: u64,
    /// How far one step goes: this many rounds of the table …
    rounds: u64,
    /// … and this many places, no more than there are.
    step: usize,
}

impl Owned {
    /// No index at all.
    pub(crate) fn none() -> Self {
        let places = Box::default();
        Self {
            places,
            period: 1,
            round: 0,
            at: 0,
            first: (0, 0),
            turn: u64::MAX,
            base: 0,
            rounds: 0,
            step: 1,
        }
    }

    /// Of these, those whose ordinal modulo `threads` is `thread`: the ones of one thread of a share.
    ///
    /// # Panics
    /// When `thread` is not below `threads`.
    pub fn of_thread(self, thread: u32, threads: u32) -> Self {
        assert!(thread < threads, "thread {thread} is one of {threads}");
        let count = self.places.len().max(1);
        let (thread, threads) = (thread as usize, threads as usize);
        let first = ((thread / count) as u64 * self.period, thread % count);
        Self {
            round: first.0,
            at: first.1,
            first,
            rounds: (threads / count) as u64 * self.period,
            step: threads % count,
            ..self
        }
    }

    /// Of these, those below `users`, again in every further turn of `users` indices: index n belongs to whoever has
    /// user n modulo `users`. So a thread with two of three users gets two of three slots, and no user of one thread
    /// stands idle while slots wait on another.
    pub(crate) fn by_user(self, users: u64) -> Self {
        Self { turn: users.max(1), ..self }
    }

    /// Of these, those from `n` on.
    ///
    /// # Cost
    /// A few divisions and a bisection of the table, whatever `n` is.
    pub(crate) fn starting_at(self, n: u64) -> Self {
        let count = self.places.len() as u64;
        if count == 0 {
            return self;
        }
        let base = n / self.turn * self.turn;
        let within = n - base;
        let passed = self.places.partition_point(|place| u64::from(*place) < within % self.period) as u64;
        // Ordinals in the share, within a turn: the first of the thread, the first from `within` on, one step.
        let first = self.first.0 / self.period * count + self.first.1 as u64;
        let reached = within / self.period * count + passed;
        let step = self.rounds / self.period * count + self.step as u64;
        let ordinal = first + reached.saturating_sub(first).div_ceil(step.max(1)) * step;
        Self { base, round: ordinal / count * self.period, at: (ordinal % count) as usize, ..self }
    }
}

impl Iterator for Owned {
    type Item = u64;

    /// # Cost
    /// A few additions, whatever the number of shares and threads.
    fn next(&mut self) -> Option<u64> {
        let mut within = self.round.checked_add(u64::from(*self.places.get(self.at)?))?;
        if within >= self.turn {
            (self.round, self.at) = self.first;
            within = self.round.checked_add(u64::from(self.places[self.at]))?;
            if within >= self.turn {
                return None;
            }
            self.base = self.base.checked_add(self.turn)?;
        }
        let n = self.base.checked_add(within)?;
        self.round = self.round.saturating_add(self.rounds);
        self.at += self.step;
        if self.at >= self.places.len() {
            self.at -= self.places.len();
            self.round = self.round.saturating_add(self.period);
        }
        Some(n)
    }
}

/// One round of the table: in each turn every share gains its weight, the one with the most owns the index and
/// pays the sum.
fn smooth_round_robin(weights: &[u32], sum: u64) -> Vec<u32> {
    let mut credits = vec![0_i64; weights.len()];
    let turn = |_| {
        let mut owner = 0;
        for (index, weight) in weights.iter().enumerate() {
            credits[index] += i64::from(*weight);
            // A share of weight 0 never leads: some credit is positive in every turn, its own stays 0. Among equals
            // the first wins.
            if credits[index] > credits[owner] {
                owner = index;
            }
        }
        credits[owner] -= sum as i64;
        owner as u32
    };
    (0..sum).map(turn).collect()
}

/// Where a scenario starts in the table: multiples of the golden ratio, which spread any number of scenarios evenly
/// over any length (Weyl's sequence).
fn offset(scenario: ScenarioId, length: u64) -> u64 {
    const GOLDEN: u32 = 0x9e37_79b9;
    (u64::from(scenario.0.wrapping_mul(GOLDEN)) * length) >> 32
}

/// The finest dealing. The table stays within a cache, and a weight of one part in four thousand is finer than
/// machines differ.
const MOST_WEIGHTS: u64 = 4_096;

#[cfg(test)]
mod tests;
