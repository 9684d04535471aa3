//! What of a scenario falls to one worker and its threads.

use crate::{LoadModel, Owned, Ownership, ScenarioId, Share, ShareError};

/// What of one scenario falls to one share and its threads: its users, its slots and its iterations of a quota, all
/// by one table.
///
/// Shares and threads that own no user of the scenario get nothing of it; what would have been theirs falls to the
/// others. Users go to shares by the table, and to thread t of T those whose ordinal in the share is t modulo T. Where
/// users are limited, slot (or iteration) n is theirs who own user n modulo the number of users: everybody gets as much
/// as they have users for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dealing {
    ownership: Ownership,
    index: u32,
    threads: u32,
    /// After so many indices the dealing repeats.
    turn: u64,
}

impl Dealing {
    /// Deals `scenario`, which has `users` users in all shares together (`None` when they are not limited), to
    /// `threads` threads of `share`.
    ///
    /// # Errors
    /// When the weights of `share` are no dealing or do not hold its index.
    ///
    /// # Panics
    /// When `threads` is 0.
    pub fn new(
        share: &Share,
        scenario: ScenarioId,
        users: Option<u32>,
        threads: u32,
    ) -> Result<Self, ShareError> {
        assert!(threads > 0, "a worker has at least one thread");
        let (index, shares) = (share.index, share.weights.len());
        if index as usize >= shares {
            return Err(ShareError::NoSuchShare { index, shares });
        }
        let (ownership, threads) = match users {
            None => (Ownership::new(&share.weights, scenario)?, threads),
            Some(users) => {
                let ownership = Ownership::over_users(&share.weights, scenario, users)?;
                let own = ownership.count_before(index, u64::from(users));
                (ownership, u64::from(threads).min(own.max(1)) as u32)
            }
        };
        let turn = users.map_or(u64::MAX, |users| u64::from(users.max(1)));
        Ok(Self { ownership, index, threads, turn })
    }

    /// The share that owns index `n`.
    pub fn owner(&self, n: u64) -> u32 {
        self.ownership.owner(n % self.turn)
    }

    /// How many threads of the share take part: the first so many; fewer than the share has when it owns fewer
    /// users than that.
    pub fn threads(&self) -> u32 {
        self.threads
    }

    /// The indices (of slots, users or iterations) that `thread` owns, ascending and without end; none when the
    /// thread does not take part.
    pub fn owned(&self, thread: u32) -> Owned {
        if thread >= self.threads {
            return Owned::none();
        }
        self.ownership.owned(self.index).of_thread(thread, self.threads).by_user(self.turn)
    }

    /// The users that `thread` runs of `users` in all shares together, ascending.
    pub fn users(&self, thread: u32, users: u32) -> impl Iterator<Item = u32> + use<> {
        self.owned(thread).take_while(move |user| *user < u64::from(users)).map(|user| user as u32)
    }

    /// How many of the indices below `total` the share owns, in all its threads.
    pub fn count_of_share(&self, total: u64) -> u64 {
        let (turns, rest) = (total / self.turn, total % self.turn);
        let of_turn = |end| self.ownership.count_before(self.index, end);
        if turns == 0 { of_turn(rest) } else { turns * of_turn(self.turn) + of_turn(rest) }
    }

    /// How many of the indices below `total` `thread` owns: of `total` slots of the scenario its own, of a quota of
    /// `total` iterations its part.
    pub fn count(&self, thread: u32, total: u64) -> u64 {
        if thread >= self.threads {
            return 0;
        }
        let of_turn = |end| {
            let of_share = self.ownership.count_before(self.index, end);
            of_share.saturating_sub(u64::from(thread)).div_ceil(u64::from(self.threads))
        };
        let (turns, rest) = (total / self.turn, total % self.turn);
        if turns == 0 { of_turn(rest) } else { turns * of_turn(self.turn) + of_turn(rest) }
    }
}

impl LoadModel {
    /// Deals this load of `scenario` to `threads` threads of `share`, over those that own one of its users.
    ///
    /// # Errors
    /// As [`Dealing::new`].
    ///
    /// # Panics
    /// When `threads` is 0.
    pub fn deal(&self, scenario: ScenarioId, share: &Share, threads: u32) -> Result<Dealing, ShareError> {
        Dealing::new(share, scenario, self.users(), threads)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn deal(weights: &[u32], index: u32, users: Option<u32>, threads: u32) -> Dealing {
        let share = Share { revision: 0, weights: weights.to_vec(), index };
        Dealing::new(&share, ScenarioId(3), users, threads).unwrap()
    }

    proptest! {
        #[test]
        fn every_index_has_one_thread_of_one_share(
            weights in prop::collection::vec(0_u32..9, 1..12),
            users in prop::option::of(1_u32..40),
            threads in 1_u32..9,
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let total = 500;
            let mut seen = vec![0; total as usize];
            for index in 0..weights.len() as u32 {
                let dealing = deal(&weights, index, users, threads);
                let of_threads: u64 = (0..threads).map(|thread| dealing.count(thread, total)).sum();
                prop_assert_eq!(dealing.count_of_share(total), of_threads);
                for thread in 0..threads {
                    let own: Vec<u64> = dealing.owned(thread).take_while(|n| *n < total).collect();
                    prop_assert!(own.is_sorted());
                    prop_assert_eq!(own.len() as u64, dealing.count(thread, total));
                    own.iter().for_each(|n| seen[*n as usize] += 1);
                    let owns_a_user = users.is_none_or(|users| dealing.users(thread, users).next().is_some());
                    prop_assert!(owns_a_user || own.is_empty(), "slots without a user");
                }
            }
            prop_assert!(seen.iter().all(|owners| *owners == 1));
        }
    }

    proptest! {
        #[test]
        fn indices_begin_anywhere_as_if_walked_to(
            weights in prop::collection::vec(0_u32..9, 1..12),
            users in prop::option::of(1_u32..40),
            threads in 1_u32..9,
            from in prop_oneof![0_u64..200, any::<u64>().prop_map(|n| n >> 2)],
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            for index in 0..weights.len() as u32 {
                let dealing = deal(&weights, index, users, threads);
                for thread in 0..threads {
                    let owned = || dealing.owned(thread).starting_at(from).take(40);
                    if from < 200 {
                        let walked = dealing.owned(thread).skip_while(|n| *n < from).take(40);
                        prop_assert!(owned().eq(walked));
                    }
                    prop_assert!(owned().all(|n| n >= from && dealing.owner(n) == index));
                    let end = owned().last().map_or(from, |n| n + 1);
                    let between = dealing.count(thread, end) - dealing.count(thread, from);
                    prop_assert_eq!(owned().count() as u64, between);
                }
            }
        }
    }

    #[test]
    fn a_thread_gets_slots_as_it_has_users() {
        let dealing = deal(&[1], 0, Some(3), 2);
        assert_eq!((0..2).map(|thread| dealing.users(thread, 3).count()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!((0..2).map(|thread| dealing.count(thread, 1_200)).collect::<Vec<_>>(), [800, 400]);
        assert_eq!(dealing.owned(0).take(5).collect::<Vec<_>>(), [0, 2, 3, 5, 6]);
        assert_eq!(dealing.owned(1).take(3).collect::<Vec<_>>(), [1, 4, 7]);
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_the_users_at_hand(
            weights in prop::collection::vec(1_u32..9, 1..6),
            users in 1_u32..60,
            threads in 1_u32..9,
        ) {
            let turns = 7;
            for index in 0..weights.len() as u32 {
                let dealing = deal(&weights, index, Some(users), threads);
                for thread in 0..threads {
                    let own = dealing.users(thread, users).count() as u64;
                    prop_assert_eq!(dealing.count(thread, turns * u64::from(users)), turns * own);
                }
            }
        }
    }

    #[test]
    fn two_users_keep_two_of_four_threads_busy() {
        let dealing = deal(&[1], 0, Some(2), 4);
        assert_eq!(dealing.threads(), 2);
        assert_eq!((0..4).map(|thread| dealing.count(thread, 10)).collect::<Vec<_>>(), [5, 5, 0, 0]);
        assert_eq!(dealing.users(1, 2).collect::<Vec<_>>(), [1]);
        assert_eq!(dealing.users(2, 2).count(), 0);
    }

    #[test]
    fn a_share_that_does_not_exist_is_refused() {
        let share = Share { revision: 0, weights: vec![1, 1], index: 2 };
        let error = Dealing::new(&share, ScenarioId(0), None, 1).unwrap_err();
        assert_eq!(error, ShareError::NoSuchShare { index: 2, shares: 2 });
    }
}
