use proptest::prelude::*;

use super::*;

fn ownership(weights: &[u32], scenario: u32) -> Ownership {
    Ownership::new(weights, ScenarioId(scenario)).unwrap()
}

fn owners(ownership: &Ownership, count: u64) -> Vec<u32> {
    (0..count).map(|n| ownership.owner(n)).collect()
}

#[test]
fn the_table_is_a_smooth_weighted_round_robin() {
    // The example of nginx's commit message ("smooth weighted round-robin balancing", 2012).
    assert_eq!(owners(&ownership(&[5, 1, 1], 0), 7), [0, 0, 1, 0, 2, 0, 0]);
    assert_eq!(owners(&ownership(&[1, 1], 0), 4), [0, 1, 0, 1]);
}

#[test]
fn scenarios_start_at_different_shares() {
    let firsts: Vec<u32> = (0..8).map(|scenario| ownership(&[1; 8], scenario).owner(0)).collect();
    let mut different = firsts.clone();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() >= 6, "{firsts:?}");
}

#[test]
fn weights_that_are_no_dealing_are_refused() {
    let refusal = |weights: &[u32]| Ownership::new(weights, ScenarioId(0)).unwrap_err();
    assert_eq!(refusal(&[]), ShareError::NoWeight);
    assert_eq!(refusal(&[0, 0]), ShareError::NoWeight);
    assert_eq!(refusal(&[4_096, 1]), ShareError::TooManyWeights { sum: 4_097 });
    assert_eq!(refusal(&[u32::MAX; 3]), ShareError::TooManyWeights { sum: 3 * u64::from(u32::MAX) });
    assert!(Ownership::new(&[1; 4_096], ScenarioId(1)).is_ok());
}

#[test]
fn a_share_that_does_not_exist_owns_nothing() {
    let dealt = ownership(&[1, 0], 0);
    assert_eq!(dealt.owned(1).next(), None);
    assert_eq!(dealt.owned(2).next(), None);
    assert_eq!(dealt.count_before(2, 100), 0);
}

#[test]
fn the_last_indices_of_all_end_the_walk_without_overflow() {
    let mut owned = ownership(&[1, 3], 2).owned(1);
    owned.round = u64::MAX - 3;
    assert!(owned.by_ref().take(100).count() < 5);
    assert_eq!(owned.next(), None);
}

#[test]
fn a_scenario_is_dealt_only_over_shares_that_own_one_of_its_users() {
    let dealt = Ownership::over_users(&[1; 8], ScenarioId(0), 3).unwrap();
    let mut owning = owners(&dealt, 300);
    owning.sort_unstable();
    owning.dedup();
    assert_eq!(owning.len(), 3);
    // Sharing out 5, 1, 1 without the last one moves the second behind the first three users: it falls out as well.
    let dealt = Ownership::over_users(&[5, 1, 1], ScenarioId(0), 3).unwrap();
    assert_eq!(owners(&dealt, 10), [0; 10]);
}

proptest! {
    #[test]
    fn every_index_has_one_owner_in_proportion_to_its_weight(
        weights in prop::collection::vec(0_u32..20, 1..65),
        scenario in any::<u32>(),
        rounds in 1_u64..4,
    ) {
        let sum: u64 = weights.iter().copied().map(u64::from).sum();
        prop_assume!(sum > 0);
        let dealt = ownership(&weights, scenario);
        let owners = owners(&dealt, sum * rounds);
        for (index, weight) in (0..).zip(&weights) {
            let own: Vec<u64> = (0..sum * rounds).filter(|n| owners[*n as usize] == index).collect();
            prop_assert_eq!(own.len() as u64, u64::from(*weight) * rounds);
            prop_assert_eq!(&dealt.owned(index).take(own.len()).collect::<Vec<_>>(), &own);
            for n in 0..sum * rounds {
                prop_assert_eq!(dealt.count_before(index, n), own.partition_point(|o| *o < n) as u64);
            }
        }
    }

    #[test]
    fn threads_take_every_tth_index_of_their_share(
        weights in prop::collection::vec(0_u32..9, 1..9),
        index in 0_u32..9,
        threads in 1_u32..20,
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let dealt = ownership(&weights, 1);
        let own: Vec<u64> = dealt.owned(index).take_while(|n| *n < 300).collect();
        for thread in 0..threads {
            let expected: Vec<u64> = own.iter().copied().skip(thread as usize).step_by(threads as usize).collect();
            let walked: Vec<u64> =
                dealt.owned(index).of_thread(thread, threads).take_while(|n| *n < 300).collect();
            prop_assert_eq!(walked, expected);
        }
    }

    #[test]
    fn shares_with_slots_own_a_user(
        weights in prop::collection::vec(0_u32..40, 1..40),
        scenario in any::<u32>(),
        users in 1_u32..60,
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let dealt = Ownership::over_users(&weights, ScenarioId(scenario), users).unwrap();
        prop_assert_eq!(dealt.shares() as usize, weights.len());
        for owner in owners(&dealt, 2_000) {
            prop_assert!(dealt.count_before(owner, u64::from(users)) > 0);
        }
        if u64::from(users) >= weights.iter().copied().map(u64::from).sum() {
            prop_assert_eq!(dealt, ownership(&weights, scenario));
        }
    }
}
