//! The union of all shares and threads is the whole schedule, and no slot comes twice.

use proptest::prelude::*;
use units::Rate;

use super::*;
use crate::{LoadModel, Overload, RunPlan, ScenarioBody, ScenarioPlan, Stage};

fn profile(stages: &[(u64, u64, u64)]) -> RateProfile {
    let stage = |(millis, from, to): &(u64, u64, u64)| Stage {
        duration: Nanos::from_millis(*millis),
        from: Rate::from_per_second(*from),
        to: Rate::from_per_second(*to),
        measured: true,
    };
    RateProfile::new(stages.iter().map(stage).collect()).unwrap()
}

fn walk(schedule: Schedule<'_>, share: &Share, thread: u32, threads: u32) -> Slots {
    let Schedule { profile, arrivals, seed, scenario } = schedule;
    Slots::new(profile, arrivals, seed, scenario, share, thread, threads).unwrap()
}

fn whole(schedule: Schedule<'_>) -> Vec<Slot> {
    walk(schedule, &Share::whole(), 0, 1).collect()
}

fn stages() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    let rate = || prop_oneof![Just(0_u64), 1_u64..200];
    let stage = (1_u64..800, rate(), rate(), any::<bool>())
        .prop_map(|(millis, from, to, constant)| (millis, from, if constant { from } else { to }));
    prop::collection::vec(stage, 1..5)
}

fn arrivals() -> impl Strategy<Value = Arrivals> {
    prop_oneof![Just(Arrivals::Uniform), Just(Arrivals::Poisson)]
}

proptest! {
    #[test]
    fn shares_and_threads_add_up_to_the_schedule(
        stages in stages(),
        arrivals in arrivals(),
        weights in prop::collection::vec(0_u32..6, 1..65),
        threads in 1_u32..5,
        seed in any::<u64>(),
        scenario in 0_u32..5,
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let profile = profile(&stages);
        let schedule = Schedule { profile: &profile, arrivals, seed: Seed(seed), scenario: ScenarioId(scenario) };
        let whole = whole(schedule);
        let numbers: Vec<u64> = whole.iter().map(|slot| slot.n).collect();
        prop_assert_eq!(numbers, (0..whole.len() as u64).collect::<Vec<_>>(), "slots are numbered densely");
        prop_assert!(whole.is_sorted_by_key(|slot| slot.due), "and never go backwards");
        prop_assert_eq!(whole.len() as u64, schedule.total());

        let mut union = Vec::new();
        for index in 0..weights.len() as u32 {
            let share = Share { revision: 0, weights: weights.clone(), index };
            let dealing = Dealing::new(&share, schedule.scenario, None, threads).unwrap();
            for thread in 0..threads {
                let own: Vec<Slot> = walk(schedule, &share, thread, threads).collect();
                prop_assert_eq!(own.len() as u64, dealing.count(thread, schedule.total()));
                prop_assert!(own.iter().all(|slot| dealing.owner(slot.n) == index));
                union.extend(own);
            }
        }
        union.sort_unstable_by_key(|slot| slot.n);
        prop_assert_eq!(union, whole);
    }

    #[test]
    fn windows_hold_the_slots_that_are_due_in_them(
        stages in stages(),
        arrivals in arrivals(),
        mut edges in prop::collection::vec(0_u64..7_000_000_000, 2..9),
    ) {
        let profile = profile(&stages);
        let schedule = Schedule { profile: &profile, arrivals, seed: Seed(5), scenario: ScenarioId(0) };
        let whole = whole(schedule);
        edges.extend(whole.iter().take(3).map(|slot| slot.due.as_u64()));
        edges.sort_unstable();
        let edges: Vec<Nanos> = edges.into_iter().map(Nanos::new).collect();
        let expected: Vec<u64> = edges
            .windows(2)
            .map(|pair| whole.iter().filter(|slot| pair[0] <= slot.due && slot.due < pair[1]).count() as u64)
            .collect();
        prop_assert_eq!(schedule.counts(&edges), expected);
    }
}

#[test]
fn uniform_slots_are_due_when_the_profile_says() {
    let profile = profile(&[(500, 0, 100), (1_000, 100, 100), (700, 0, 0), (500, 80, 10)]);
    let schedule =
        Schedule { profile: &profile, arrivals: Arrivals::Uniform, seed: Seed(1), scenario: ScenarioId(0) };
    let whole = whole(schedule);
    assert_eq!(whole.len() as u64, profile.total());
    assert!(whole.iter().all(|slot| profile.due(slot.n) == Some(slot.due)));
}

#[test]
fn random_slots_follow_the_rate_through_ramps_and_pauses() {
    let profile = profile(&[(10_000, 0, 1_000), (10_000, 0, 0), (10_000, 500, 500)]);
    let schedule =
        Schedule { profile: &profile, arrivals: Arrivals::Poisson, seed: Seed(1), scenario: ScenarioId(0) };
    let edges: Vec<Nanos> = [0, 5, 10, 20, 25, 30].map(Nanos::from_secs).to_vec();
    let counts = schedule.counts(&edges);
    // Five standard deviations of a Poisson count.
    for (count, expected) in counts.iter().zip([1_250.0_f64, 3_750.0, 0.0, 2_500.0, 2_500.0]) {
        assert!((*count as f64 - expected).abs() <= 5.0 * expected.sqrt(), "{counts:?}");
    }
}

#[test]
fn schedules_stay_what_they_were() {
    // A change here is a change of law: raise `LAW_VERSION` in `digest.rs` with it.
    let profile = profile(&[(3_000, 0, 900), (2_000, 333, 333), (700, 0, 0), (2_500, 500, 10)]);
    let digest = |arrivals| {
        let mut digest = crate::SlotsDigest::default();
        let schedule = Schedule { profile: &profile, arrivals, seed: Seed(11), scenario: ScenarioId(2) };
        whole(schedule).into_iter().for_each(|slot| digest.add(schedule.scenario, slot));
        digest.to_string()
    };
    assert_eq!(digest(Arrivals::Uniform), "e2e7ec52ea89d1c66022750c7396ae72");
    assert_eq!(digest(Arrivals::Poisson), "35ccb5d4f2157748e7a3fa2825993e97");
}

#[test]
fn random_slots_differ_by_seed_and_scenario() {
    let profile = profile(&[(1_000, 100, 100)]);
    let slots = |seed, scenario| {
        let (seed, scenario) = (Seed(seed), ScenarioId(scenario));
        whole(Schedule { profile: &profile, arrivals: Arrivals::Poisson, seed, scenario })
    };
    assert_eq!(slots(1, 0), slots(1, 0));
    assert_ne!(slots(1, 0), slots(2, 0));
    assert_ne!(slots(1, 0), slots(1, 1));
}

#[test]
fn a_walk_that_has_ended_stays_ended() {
    let profile = profile(&[(100, 50, 50)]);
    for arrivals in [Arrivals::Uniform, Arrivals::Poisson] {
        let schedule = Schedule { profile: &profile, arrivals, seed: Seed(1), scenario: ScenarioId(0) };
        let mut slots = walk(schedule, &Share::whole(), 0, 1);
        slots.by_ref().for_each(drop);
        assert!((0..1_000).all(|_| slots.next().is_none()));
    }
}

#[test]
fn a_profile_of_no_rate_has_no_slots() {
    let profile = profile(&[(1_000, 0, 0)]);
    for arrivals in [Arrivals::Uniform, Arrivals::Poisson] {
        let schedule = Schedule { profile: &profile, arrivals, seed: Seed(1), scenario: ScenarioId(0) };
        assert_eq!(whole(schedule), []);
        assert_eq!(schedule.total(), 0);
    }
}

#[test]
fn a_plan_has_schedules_for_its_open_scenarios_only() {
    let scenario = |load| ScenarioPlan {
        name: "a".to_owned(),
        tags: Default::default(),
        load,
        body: ScenarioBody::Program(Default::default()),
        graceful_stop: Nanos::SECOND,
    };
    let open = LoadModel::ArrivalRate {
        profile: profile(&[(1_000, 7, 7)]),
        arrivals: Arrivals::Uniform,
        max_vus: Some(2),
        overload: Overload::Drop,
    };
    let closed = LoadModel::SharedIterations { vus: 2, iterations: 9, max_duration: Nanos::SECOND };
    let plan = RunPlan {
        scenarios: vec![scenario(open), scenario(closed)],
        steps: vec![],
        requests: vec![],
        origins: vec![],
        checks: vec![],
        seed: Seed(1),
    };
    let schedule = plan.schedule(ScenarioId(0)).unwrap();
    assert_eq!(schedule.total(), 7);
    assert!(plan.schedule(ScenarioId(1)).is_none());
    // Two users keep two of three threads busy; together these fire everything.
    let dealing = plan.scenarios[0].load.deal(ScenarioId(0), &Share::whole(), 3).unwrap();
    let numbers = [0, 1, 2].map(|thread| schedule.slots(&dealing, thread).count());
    assert_eq!(numbers, [4, 3, 0]);
    assert_ne!(plan.plan_hash(), RunPlan { seed: Seed(2), ..plan.clone() }.plan_hash());
}
