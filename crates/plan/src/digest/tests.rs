use proptest::prelude::*;

use super::*;
use crate::{Overload, RateProfile, UserProfile};

fn open(rate: u64, secs: u64, arrivals: Arrivals, measured: bool) -> LoadModel {
    let rate = Rate::from_per_second(rate);
    let stage = Stage { duration: Nanos::from_secs(secs), from: rate, to: rate, measured };
    let profile = RateProfile::new(vec![stage]).unwrap();
    LoadModel::ArrivalRate { profile, arrivals, max_vus: None, overload: Overload::Drop }
}

fn closed(users: u32, secs: u64) -> LoadModel {
    let stage = Stage { duration: Nanos::from_secs(secs), from: users, to: users, measured: true };
    LoadModel::VirtualUsers { profile: UserProfile::new(vec![stage]).unwrap() }
}

fn quota(vus: u32, iterations: u64, secs: u64) -> LoadModel {
    LoadModel::SharedIterations { vus, iterations, max_duration: Nanos::from_secs(secs) }
}

fn hash(scenarios: &[(&str, LoadModel)], seed: u64) -> PlanHash {
    PlanHash::of(scenarios.iter().map(|(name, load)| (*name, load)), Seed(seed))
}

#[test]
fn the_encoding_stays_what_it_was() {
    // A change here is a change of law: raise `LAW_VERSION` with it.
    let plan = [("browse", open(200, 30, Arrivals::Uniform, true)), ("buy", closed(3, 5))];
    assert_eq!(
        hash(&plan, 1).to_string(),
        "0c7658282c6e5121080c17ce96b5ae11263bcc21b09a30f335ecad5f699d2104"
    );
    let mut digest = SlotsDigest::default();
    digest.add(ScenarioId(0), Slot { n: 0, due: Nanos::ZERO });
    digest.add(ScenarioId(1), Slot { n: 7, due: Nanos::SECOND });
    assert_eq!(digest.to_string(), "3f4d1d6550ef3840cb7e821b2caa3b8f");
}

#[test]
fn whatever_moves_a_start_changes_the_plan_hash() {
    let base = || open(200, 30, Arrivals::Uniform, true);
    let plans: Vec<PlanHash> = vec![
        hash(&[("a", base())], 1),
        hash(&[("a", base())], 2),
        hash(&[("b", base())], 1),
        hash(&[], 1),
        hash(&[("a", base()), ("b", base())], 1),
        hash(&[("b", base()), ("a", base())], 1),
        hash(&[("a", open(201, 30, Arrivals::Uniform, true))], 1),
        hash(&[("a", open(200, 31, Arrivals::Uniform, true))], 1),
        hash(&[("a", open(200, 30, Arrivals::Poisson, true))], 1),
        hash(&[("a", open(200, 30, Arrivals::Uniform, false))], 1),
        hash(&[("a", closed(200, 30))], 1),
        hash(&[("a", closed(201, 30))], 1),
        hash(&[("a", quota(200, 30, 5))], 1),
        hash(&[("a", quota(201, 30, 5))], 1),
        hash(&[("a", quota(200, 31, 5))], 1),
        hash(&[("a", quota(200, 30, 6))], 1),
    ];
    for (i, one) in plans.iter().enumerate() {
        for (j, other) in plans.iter().enumerate() {
            assert_eq!(one == other, i == j, "plans {i} and {j}");
        }
    }
}

#[test]
fn what_becomes_of_a_slot_does_not_change_the_plan_hash() {
    let mut load = open(200, 30, Arrivals::Uniform, true);
    let before = hash(&[("a", load.clone())], 1);
    if let LoadModel::ArrivalRate { max_vus, overload, .. } = &mut load {
        *max_vus = Some(4);
        *overload = Overload::Queue { timeout: Nanos::SECOND };
    }
    assert_eq!(hash(&[("a", load)], 1), before);
}

#[test]
fn digests_read_what_they_print() {
    let hash = hash(&[], 3);
    assert_eq!(hash.to_string().len(), 64);
    assert_eq!(hash.to_string().parse(), Ok(hash));
    let digest = SlotsDigest(0xabc);
    assert_eq!(digest.to_string(), "00000000000000000000000000000abc");
    assert_eq!(digest.to_string().parse(), Ok(digest));
}

#[test]
fn texts_that_are_no_digests_are_refused() {
    let plus = format!("+{}", "0".repeat(31));
    for text in ["", "abc", "é", &"g".repeat(32), &plus, &"0".repeat(33)] {
        let error = text.parse::<SlotsDigest>().unwrap_err().to_string();
        assert_eq!(error, format!("`{text}` is not a digest; it has 32 hexadecimal digits"));
    }
    let across = format!("{}é{}", "0".repeat(31), "0".repeat(31));
    for text in ["", &"0".repeat(32), &"0".repeat(63), &"0".repeat(65), &across] {
        assert!(text.parse::<PlanHash>().is_err(), "{text}");
    }
}

/// Scenario, n and due time of a slot.
type Numbers = (u32, u64, u64);

fn digest(slots: &[Numbers]) -> SlotsDigest {
    let mut digest = SlotsDigest::default();
    for (scenario, n, due) in slots {
        digest.add(ScenarioId(*scenario), Slot { n: *n, due: Nanos::new(*due) });
    }
    digest
}

/// Slots as they come in a run: small numbers in rows, evenly spaced.
fn evenly(scenario: u32, count: u64, gap: u64) -> Vec<Numbers> {
    (0..count).map(|n| (scenario, n, n * gap)).collect()
}

proptest! {
    #[test]
    fn order_and_grouping_do_not_matter(
        slots in prop::collection::vec((0_u32..3, any::<u64>(), any::<u64>()), 0..50),
        split in any::<prop::sample::Index>(),
    ) {
        let whole = digest(&slots);
        let reversed: Vec<_> = slots.iter().rev().copied().collect();
        prop_assert_eq!(digest(&reversed), whole);
        let (left, right) = slots.split_at(split.index(slots.len() + 1));
        let mut merged = digest(right);
        merged.merge(digest(left));
        prop_assert_eq!(merged, whole);
    }

    #[test]
    fn a_missing_doubled_shifted_or_swapped_slot_shows(
        scenario in 0_u32..4,
        count in 2_u64..100,
        gap in 1_u64..1_000_000,
        at in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        let slots = evenly(scenario, count, gap);
        let whole = digest(&slots);
        let (at, other) = (at.index(slots.len()), other.index(slots.len()));
        let changed = |change: &dyn Fn(&mut Vec<Numbers>)| {
            let mut slots = slots.clone();
            change(&mut slots);
            digest(&slots)
        };
        prop_assert_ne!(changed(&|slots| slots.retain(|slot| slot.1 != at as u64)), whole);
        prop_assert_ne!(changed(&|slots| slots.push(slots[at])), whole);
        prop_assert_ne!(changed(&|slots| slots[at].2 += 1), whole);
        prop_assert_ne!(changed(&|slots| slots[at].1 += count), whole);
        prop_assert_ne!(changed(&|slots| slots[at].0 += 1), whole);
        prop_assert_ne!(changed(&|slots| slots.iter_mut().for_each(|slot| slot.2 += 1)), whole);
        if at != other {
            // One sent twice in place of another, and two that exchanged their due times.
            prop_assert_ne!(changed(&|slots| slots[at] = slots[other]), whole);
            let exchange = |slots: &mut Vec<Numbers>| (slots[at].2, slots[other].2) = (slots[other].2, slots[at].2);
            prop_assert_ne!(changed(&exchange), whole);
        }
    }
}

#[test]
fn every_bit_of_a_slot_moves_about_half_the_bits_of_its_mix() {
    let base = (2, 1_000, 5_000_000);
    let mix = digest(&[base]).0;
    for bit in 0..64 {
        for changed in [(base.0, base.1 ^ (1 << bit), base.2), (base.0, base.1, base.2 ^ (1 << bit))] {
            let moved = (digest(&[changed]).0 ^ mix).count_ones();
            // 64 of 128 on average, with a standard deviation of 5.7.
            assert!((36..=92).contains(&moved), "bit {bit} of {changed:?} moves {moved}");
        }
    }
}
