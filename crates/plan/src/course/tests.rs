//! Whatever becomes of shares and rates on the way, every slot has exactly one owner.

use proptest::prelude::*;
use units::Ratio;

use super::*;
use crate::timetable::tests::{amendments, arrivals, cases, open, plan, stages};
use crate::{Amendment, Arrivals, LoadChange, Slot, SlotsDigest};

const ONLY: ScenarioId = ScenarioId(0);

/// Changes of membership: when, and the weights from then on.
fn memberships() -> impl Strategy<Value = Vec<(u64, Vec<u32>)>> {
    let weights = prop::collection::vec(0_u32..6, 1..7).prop_map(|mut weights| {
        weights[0] += u32::from(weights.iter().sum::<u32>() == 0);
        weights
    });
    prop::collection::vec((0_u64..4_000_000_000, weights), 1..6)
}

/// One revision for every change of membership and every amendment, each in force from its instant on.
fn revisions(
    memberships: Vec<(u64, Vec<u32>)>,
    amendments: &[Amendment],
) -> Vec<(Nanos, Vec<u32>, Vec<Amendment>)> {
    let mut memberships = memberships;
    memberships.sort_unstable();
    memberships[0].0 = 0;
    let mut instants: Vec<Nanos> = memberships.iter().map(|(at, _)| Nanos::new(*at)).collect();
    instants.extend(amendments.iter().map(|amendment| amendment.at));
    instants.sort_unstable();
    let revision = |effective: Nanos| {
        let weights = memberships.iter().rev().find(|(at, _)| Nanos::new(*at) <= effective);
        let so_far = amendments.iter().filter(|amendment| amendment.at <= effective).copied().collect();
        (effective, weights.unwrap().1.clone(), so_far)
    };
    instants.into_iter().map(revision).collect()
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn every_slot_of_a_changing_run_has_exactly_one_owner(
        stages in stages(),
        arrivals in arrivals(),
        amendments in amendments(4_000_000_000),
        memberships in memberships(),
        users in prop::option::of(1_u32..12),
        threads in 1_u32..4,
        window in (0_u64..5_000_000_000, 0_u64..3_000_000_000),
    ) {
        let plan = plan(vec![open(&stages, arrivals, users)]);
        let whole = Timetable::new(&plan, ONLY, &amendments);
        prop_assume!(whole.is_ok());
        let whole = whole.unwrap();
        let revisions = revisions(memberships, &amendments);
        let window = Nanos::new(window.0)..Nanos::new(window.0 + window.1);
        let (mut union, mut planned) = (Vec::new(), 0);
        let most = revisions.iter().map(|(_, weights, _)| weights.len()).max().unwrap() as u32;
        for worker in 0..most {
            let course = |(number, (effective, weights, amendments)): (u64, &(Nanos, Vec<u32>, Vec<Amendment>))| {
                // One who is not there yet, or no more, has a weight of 0.
                let mut weights = weights.clone();
                weights.resize(most as usize, 0);
                let share = Share { revision: number, weights, index: worker };
                let revision = Revision { effective: *effective, share, amendments: amendments.clone() };
                Course::new(&plan, revision, threads).unwrap()
            };
            let chain: Vec<Course> = (0..).zip(&revisions).map(course).collect();
            let mut own = Vec::new();
            for (at, course) in chain.iter().enumerate() {
                let end = chain.get(at + 1).map_or(Nanos::MAX, |next| next.revision().effective);
                for thread in 0..threads {
                    let slots: Vec<Slot> = course.slots(ONLY, thread).take_while(|slot| slot.due < end).collect();
                    prop_assert!(slots.iter().all(|slot| slot.due >= course.revision().effective));
                    prop_assert!(slots.is_sorted_by_key(|slot| slot.n));
                    own.extend(slots);
                }
            }
            let expected = own.iter().filter(|slot| window.contains(&slot.due)).count() as u64;
            prop_assert_eq!(planned_in(&chain, ONLY, &window), expected);
            planned += planned_in(&chain, ONLY, &(Nanos::ZERO..Nanos::MAX));
            union.extend(own);
        }
        union.sort_unstable_by_key(|slot| slot.n);
        let all: Vec<Slot> = (0..whole.total()).map(|n| Slot { n, due: whole.due(n).unwrap() }).collect();
        prop_assert_eq!(union, all);
        prop_assert_eq!(planned, whole.total());
    }
}

#[test]
fn one_three_and_seven_workers_send_the_same_slots() {
    for arrivals in [Arrivals::Uniform, Arrivals::Poisson] {
        let plan = plan(vec![open(&[(2_000, 100, 700), (2_000, 300, 300)], arrivals, Some(50))]);
        let changes = [
            Amendment { at: Nanos::from_millis(1_100), change: LoadChange::Pause },
            Amendment { at: Nanos::from_millis(1_900), change: LoadChange::Resume },
            Amendment {
                at: Nanos::from_millis(2_500),
                change: LoadChange::Scale { scenario: None, factor: Ratio::new(1.5) },
            },
        ];
        let digest = |workers: u32| {
            let mut digest = SlotsDigest::default();
            let share = |index| Share { revision: 0, weights: vec![3; workers as usize], index };
            let revision = Revision { amendments: changes.to_vec(), ..Revision::first(share(0)) };
            let first = Course::new(&plan, revision, 2).unwrap();
            for index in 0..workers {
                let course = first.for_share(&plan, share(index), 2).unwrap();
                let slots = (0..2).flat_map(|thread| course.slots(ONLY, thread));
                slots.for_each(|slot| digest.add(ONLY, slot));
            }
            (digest, plan.plan_hash_with(&first.revision().amendments))
        };
        assert_eq!(digest(1), digest(3));
        assert_eq!(digest(1), digest(7));
    }
}

#[test]
fn a_share_that_does_not_exist_is_refused() {
    let plan = plan(vec![open(&[(1_000, 10, 10)], Arrivals::Uniform, None)]);
    let share = Share { revision: 1, weights: vec![1], index: 1 };
    let error = Course::new(&plan, Revision::first(share.clone()), 1).unwrap_err();
    assert_eq!(error, CourseError::Share(ShareError::NoSuchShare { index: 1, shares: 1 }));
    let whole = Course::new(&plan, Revision::whole(), 1).unwrap();
    assert_eq!(
        whole.for_share(&plan, share, 1).unwrap_err(),
        ShareError::NoSuchShare { index: 1, shares: 1 }
    );
}
