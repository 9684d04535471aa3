//! Every timetable is held against one that is played out step by step.

use proptest::prelude::*;
use units::{Rate, Ratio};

use super::*;
use crate::{
    Amendment, LoadChange, Overload, PlanHash, ScenarioBody, ScenarioPlan, Share, Slot, SlotsDigest, Stage,
    UserProfile,
};

pub(crate) fn plan(loads: Vec<LoadModel>) -> RunPlan {
    let scenario = |(number, load): (usize, LoadModel)| ScenarioPlan {
        name: format!("s{number}"),
        tags: Default::default(),
        load,
        body: ScenarioBody::Program(Default::default()),
        graceful_stop: Nanos::SECOND,
    };
    RunPlan {
        scenarios: loads.into_iter().enumerate().map(scenario).collect(),
        steps: vec![],
        requests: vec![],
        origins: vec![],
        checks: vec![],
        seed: Seed(11),
    }
}

/// Milliseconds and rates per second at both ends of each stage.
pub(crate) fn open(stages: &[(u64, u64, u64)], arrivals: Arrivals, max_vus: Option<u32>) -> LoadModel {
    let stage = |(millis, from, to): &(u64, u64, u64)| Stage {
        duration: Nanos::from_millis(*millis),
        from: Rate::from_per_second(*from),
        to: Rate::from_per_second(*to),
        measured: true,
    };
    let profile = RateProfile::new(stages.iter().map(stage).collect()).unwrap();
    LoadModel::ArrivalRate { profile, arrivals, max_vus, overload: Overload::Drop }
}

fn users(stages: &[(u64, u32, u32)]) -> LoadModel {
    let stage = |(millis, from, to): &(u64, u32, u32)| Stage {
        duration: Nanos::from_millis(*millis),
        from: *from,
        to: *to,
        measured: true,
    };
    LoadModel::VirtualUsers { profile: UserProfile::new(stages.iter().map(stage).collect()).unwrap() }
}

const ONLY: ScenarioId = ScenarioId(0);

fn millis(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

fn at(at: u64, change: LoadChange) -> Amendment {
    Amendment { at: millis(at), change }
}

fn rate(per_second: u64) -> LoadChange {
    LoadChange::Rate { scenario: ONLY, rate: Rate::from_per_second(per_second) }
}

fn scale(factor: f64) -> LoadChange {
    LoadChange::Scale { scenario: None, factor: Ratio::new(factor) }
}

fn timetable(load: LoadModel, amendments: &[Amendment]) -> Timetable {
    Timetable::new(&plan(vec![load]), ONLY, amendments).unwrap()
}

fn dues(timetable: &Timetable) -> Vec<u64> {
    (0..).map_while(|n| timetable.due(n)).map(|due| due.as_u64() / 1_000_000).collect()
}

/// Changes in any order that makes sense, at most so late.
pub(crate) fn amendments(latest: u64) -> impl Strategy<Value = Vec<Amendment>> {
    let one = (0_u64..latest, 0_u32..4, prop_oneof![Just(0), 1_u64..150], 0_u32..40);
    prop::collection::vec(one, 0..7).prop_map(|mut raw| {
        raw.sort_unstable();
        let mut paused = false;
        let change = |(nanos, kind, per_second, tenths): (u64, u32, u64, u32)| {
            let change = match kind {
                0 => rate(per_second),
                1 => scale(f64::from(tenths) / 10.0),
                _ => {
                    paused = !paused;
                    if paused { LoadChange::Pause } else { LoadChange::Resume }
                }
            };
            Amendment { at: Nanos::new(nanos), change }
        };
        raw.into_iter().map(change).collect()
    })
}

pub(crate) fn stages() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    let rate = || prop_oneof![Just(0_u64), 1_u64..120];
    let stage = (1_u64..900, rate(), rate(), any::<bool>())
        .prop_map(|(millis, from, to, constant)| (millis, from, if constant { from } else { to }));
    prop::collection::vec(stage, 1..4)
}

/// As many cases, unless the environment says how many.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked { ProptestConfig::default() } else { ProptestConfig::with_cases(count) }
}

pub(crate) fn arrivals() -> impl Strategy<Value = Arrivals> {
    prop_oneof![Just(Arrivals::Uniform), Just(Arrivals::Poisson)]
}

/// All instants of a law, from the start of its profile, walked from its first point.
fn instants(profile: &RateProfile, arrivals: Arrivals, number: u64) -> Vec<u64> {
    let dues: Vec<Nanos> = match arrivals {
        Arrivals::Uniform => (0..).map_while(|n| profile.due(n)).collect(),
        Arrivals::Poisson => {
            let mut walk = Walk::new(Seed(11), ONLY, number);
            let places = profile.places();
            (0..).map_while(|n| places.due(walk.mark(n, places.total())?)).collect()
        }
    };
    dues.into_iter().map(Nanos::as_u64).collect()
}

/// The due times as they are defined: one clock that is stopped and started, and the rates of the moment.
fn played_out(
    stages: &[Stage<Rate>],
    arrivals: Arrivals,
    amendments: &[Amendment],
) -> (Vec<u64>, Option<u64>) {
    let mut stages = stages.to_vec();
    let mut law = instants(&RateProfile::new(stages.clone()).unwrap(), arrivals, 0);
    let end: u64 = stages.iter().map(|stage| stage.duration.as_u64()).sum();
    let mut held = false;
    let (mut now, mut shown, mut due, mut ended) = (0_u64, 0_u64, Vec::new(), None);
    let mut play = |until: u64, held: bool, law: &[u64]| {
        if !held {
            let to = shown.saturating_add(until - now);
            due.extend(law.iter().filter(|t| shown <= **t && **t < to).map(|t| t - shown + now));
            if shown < end && end <= to {
                ended = Some(now + end - shown);
            }
            shown = to;
        }
        now = until;
    };
    for (number, amendment) in (1..).zip(amendments) {
        play(amendment.at.as_u64(), held, &law);
        let mut change = |change: &dyn Fn(Rate) -> Rate| {
            for stage in &mut stages {
                (stage.from, stage.to) = (change(stage.from), change(stage.to));
            }
            law = instants(&RateProfile::new(stages.clone()).unwrap(), arrivals, number);
        };
        match amendment.change {
            LoadChange::Pause => held = true,
            LoadChange::Resume => held = false,
            LoadChange::Rate { rate, .. } => change(&|_| rate),
            LoadChange::Scale { factor, .. } => {
                let tenths = (factor.as_f64() * 10.0).round() as u64;
                let per = |rate: Rate| Nanos::new(rate.per().as_u64() * 10);
                change(&|rate| Rate::new(rate.count() * tenths, per(rate)));
            }
        }
    }
    play(u64::MAX, held, &law);
    (due, ended)
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn any_chain_of_changes_is_what_it_is_when_played_out(
        stages in stages(),
        arrivals in arrivals(),
        amendments in amendments(4_000_000_000),
        picks in prop::collection::vec(0_u64..6_000_000_000, 6),
    ) {
        let load = open(&stages, arrivals, None);
        let LoadModel::ArrivalRate { profile, .. } = &load else { unreachable!() };
        let profile = profile.clone();
        let made = Timetable::new(&plan(vec![load]), ONLY, &amendments);
        // A change of what has ended is refused; what is in force up to there is another case.
        prop_assume!(!matches!(made, Err(AmendmentError::Ended { .. })));
        let timetable = Arc::new(made.unwrap());
        let (expected, end) = played_out(profile.stages(), arrivals, &amendments);

        prop_assert_eq!(timetable.end().map(Nanos::as_u64), end);
        prop_assert_eq!(timetable.total(), expected.len() as u64);
        let due: Vec<u64> = (0..).map_while(|n| timetable.due(n)).map(Nanos::as_u64).collect();
        prop_assert_eq!(&due, &expected);
        let mut edges: Vec<u64> = picks.into_iter().chain(amendments.iter().map(|change| change.at.as_u64())).collect();
        edges.extend(expected.iter().take(2).flat_map(|due| [*due, due + 1]));
        edges.sort_unstable();
        let before = |edge: &u64| expected.iter().filter(|due| *due < edge).count() as u64;
        let reached: Vec<u64> = edges.iter().map(before).collect();
        let edges: Vec<Nanos> = edges.into_iter().map(Nanos::new).collect();
        for (edge, before) in edges.iter().zip(&reached) {
            prop_assert_eq!(timetable.before(*edge), *before, "before {}", edge);
            let dealing = Dealing::new(&Share::whole(), ONLY, None, 1).unwrap();
            let walked: Vec<u64> = timetable.slots(&dealing, 0, *edge).map(|slot| slot.due.as_u64()).collect();
            prop_assert_eq!(&walked, &expected[*before as usize..], "from {}", edge);
        }
        let counts: Vec<u64> = reached.windows(2).map(|pair| pair[1] - pair[0]).collect();
        prop_assert_eq!(timetable.counts(&edges), counts.clone());
        let between: Vec<u64> = edges.windows(2).map(|pair| timetable.due_between(pair[0], pair[1])).collect();
        prop_assert_eq!(between, counts);
    }

    #[test]
    fn without_changes_a_timetable_is_the_schedule(stages in stages(), arrivals in arrivals()) {
        let plan = plan(vec![open(&stages, arrivals, None)]);
        let schedule = plan.schedule(ONLY).unwrap();
        let timetable = Arc::new(Timetable::new(&plan, ONLY, &[]).unwrap());
        let dealing = Dealing::new(&Share::whole(), ONLY, None, 1).unwrap();
        let one: Vec<Slot> = schedule.slots(&dealing, 0).collect();
        let other: Vec<Slot> = timetable.slots(&dealing, 0, Nanos::ZERO).collect();
        prop_assert_eq!(one, other);
        prop_assert_eq!(schedule.total(), timetable.total());
        prop_assert_eq!(plan.ends_at(&[]), Ok(Some(schedule.profile.duration())));
    }

    #[test]
    fn users_are_active_while_their_clock_moves(
        stages in prop::collection::vec((1_u64..900, 0_u32..5, 0_u32..5), 1..4),
        raw in prop::collection::vec(0_u64..3_000_000_000, 0..6),
        picks in prop::collection::vec(0_u64..6_000_000_000, 20),
    ) {
        let mut raw = raw;
        raw.sort_unstable();
        let changes = [LoadChange::Pause, LoadChange::Resume].into_iter().cycle();
        let amendments: Vec<Amendment> =
            raw.iter().zip(changes).map(|(at, change)| Amendment { at: Nanos::new(*at), change }).collect();
        let load = users(&stages);
        let LoadModel::VirtualUsers { profile } = &load else { unreachable!() };
        let profile = profile.clone();
        let timetable = timetable(load, &amendments);
        let spans: Vec<_> = (0..profile.max_users()).map(|user| timetable.spans(user)).collect();
        for t in picks.into_iter().chain(raw.iter().flat_map(|at| [*at, at + 1])) {
            // Time in pauses so far does not count.
            let mut held = 0;
            let mut is_held = false;
            for pair in raw.chunks(2) {
                let end = pair.get(1).copied().unwrap_or(u64::MAX);
                held += end.min(t).saturating_sub(pair[0]);
                is_held |= pair[0] <= t && t < end;
            }
            let level = if is_held { 0 } else { profile.users_at(Nanos::new(t - held)) };
            for (user, spans) in spans.iter().enumerate() {
                let active = spans.iter().any(|span| span.start.as_u64() <= t && t < span.end.as_u64());
                prop_assert_eq!(active, (user as u32) < level, "user {} at {}", user, t);
            }
        }
    }
}

#[test]
fn a_rate_that_is_set_holds_to_the_end_of_the_profile() {
    let load = open(&[(1_000, 10, 10), (1_000, 20, 40), (1_000, 0, 0)], Arrivals::Uniform, None);
    let table = timetable(load, &[at(1_500, rate(4))]);
    assert_eq!(table.end(), Some(Nanos::from_secs(3)));
    assert_eq!([1_499, 1_500, 2_999, 3_000].map(|t| table.rate_at(millis(t)).round() as u64), [30, 4, 4, 0]);
    assert_eq!(table.counts(&[0, 1_000, 1_500, 3_000].map(millis)), [10, 13, 6]);
    // Nothing of the new rate before its instant, by its own clock.
    let new: Vec<u64> = dues(&table).into_iter().filter(|due| *due >= 1_500).collect();
    assert_eq!(new, [1_500, 1_750, 2_000, 2_250, 2_500, 2_750]);
}

#[test]
fn a_factor_multiplies_what_remains_as_it_is_by_then() {
    let load = open(&[(2_000, 10, 10), (2_000, 30, 30)], Arrivals::Uniform, None);
    let table = timetable(load, &[at(1_000, scale(0.5)), at(3_000, scale(2.0))]);
    assert_eq!([500, 1_500, 2_500, 3_500].map(|t| table.rate_at(millis(t))), [10.0, 5.0, 15.0, 30.0]);
    assert_eq!(table.counts(&[0, 1_000, 2_000, 3_000, 4_000].map(millis)), [10, 5, 15, 30]);
}

#[test]
fn a_pause_leaves_out_nothing_and_the_plan_ends_later() {
    for arrivals in [Arrivals::Uniform, Arrivals::Poisson] {
        let load = || open(&[(500, 0, 100), (1_500, 100, 100)], arrivals, None);
        let whole = dues(&timetable(load(), &[]));
        let held = timetable(load(), &[at(700, LoadChange::Pause), at(1_600, LoadChange::Resume)]);
        let expected: Vec<u64> = whole.iter().map(|due| if *due < 700 { *due } else { due + 900 }).collect();
        assert_eq!(dues(&held), expected);
        assert_eq!(held.end(), Some(millis(2_900)));
        assert_eq!((held.profile_time(millis(1_000)), held.rate_at(millis(1_000))), (millis(700), 0.0));
        assert!(held.is_moving(millis(699)) && !held.is_moving(millis(700)) && held.is_moving(millis(1_600)));
        let stuck = timetable(load(), &[at(700, LoadChange::Pause)]);
        assert_eq!(
            (stuck.end(), stuck.total()),
            (None, whole.iter().filter(|due| **due < 700).count() as u64)
        );
    }
}

#[test]
fn new_rates_have_random_points_of_their_own() {
    let load = || open(&[(4_000, 100, 100)], Arrivals::Poisson, None);
    let whole = dues(&timetable(load(), &[]));
    // The same rate set anew: the same process, other points, each time.
    let again = dues(&timetable(load(), &[at(1_000, rate(100)), at(2_000, rate(100))]));
    let window = |dues: &[u64], from: u64| -> Vec<u64> {
        dues.iter().filter(|due| (from..from + 1_000).contains(due)).map(|due| due - from).collect()
    };
    assert_eq!(window(&whole, 0), window(&again, 0));
    assert_ne!(window(&whole, 1_000), window(&again, 1_000));
    assert_ne!(window(&again, 1_000), window(&again, 2_000));
    // Five standard deviations.
    assert!((again.len() as f64 - 400.0).abs() < 100.0, "{}", again.len());
}

#[test]
fn of_several_changes_in_one_instant_the_last_holds() {
    let load = || open(&[(1_000, 10, 10)], Arrivals::Uniform, None);
    let table = timetable(load(), &[at(0, rate(1)), at(0, rate(40)), at(500, rate(7)), at(500, rate(20))]);
    assert_eq!(table.counts(&[0, 500, 1_000].map(millis)), [20, 10]);
    let blink = timetable(load(), &[at(500, LoadChange::Pause), at(500, LoadChange::Resume)]);
    assert_eq!(dues(&blink), dues(&timetable(load(), &[])));
}

#[test]
fn a_quota_is_paused_and_has_its_time_later() {
    let load = LoadModel::SharedIterations { vus: 2, iterations: 9, max_duration: Nanos::SECOND };
    let table = timetable(load, &[at(400, LoadChange::Pause), at(900, LoadChange::Resume)]);
    let span = |start, end| UserSpan { start: millis(start), end: millis(end) };
    assert_eq!(table.spans(1), [span(0, 400), span(900, 1_500)]);
    assert_eq!(table.spans(2), []);
    assert_eq!((table.end(), table.total(), table.due(0)), (Some(millis(1_500)), 0, None));
}

#[test]
fn warm_up_stays_with_its_stages() {
    let per_second = Rate::from_per_second(10);
    let stage = |measured| Stage { duration: Nanos::SECOND, from: per_second, to: per_second, measured };
    let profile = RateProfile::new(vec![stage(false), stage(true)]).unwrap();
    let load = LoadModel::ArrivalRate {
        profile,
        arrivals: Arrivals::Uniform,
        max_vus: None,
        overload: Overload::Drop,
    };
    let changes = [at(200, LoadChange::Pause), at(700, LoadChange::Resume), at(800, rate(30))];
    let table = timetable(load, &changes);
    assert_eq!([0, 1_499, 1_500].map(|t| table.measured_at(millis(t))), [false, false, true]);
}

#[test]
fn a_plan_ends_with_its_last_scenario() {
    let plan = plan(vec![open(&[(1_000, 1, 1)], Arrivals::Uniform, None), users(&[(3_000, 1, 1)])]);
    assert_eq!(plan.ends_at(&[]), Ok(Some(Nanos::from_secs(3))));
    let pause = at(2_000, LoadChange::Pause);
    assert_eq!(plan.ends_at(&[pause]), Ok(None));
    assert_eq!(plan.ends_at(&[pause, at(4_000, LoadChange::Resume)]), Ok(Some(Nanos::from_secs(5))));
    assert_eq!(plan.ends_at(&[at(3_000, LoadChange::Pause)]), Ok(Some(Nanos::from_secs(3))), "it was over");
}

#[test]
fn what_cannot_be_changed_is_refused() {
    let plan = plan(vec![open(&[(1_000, 10, 10)], Arrivals::Uniform, None), users(&[(3_000, 1, 1)])]);
    let check = |amendments: &[Amendment], expected: &str| {
        let error = plan.ends_at(amendments).unwrap_err();
        assert_eq!(error.to_string(), expected, "{amendments:?}");
    };
    let of = |scenario| LoadChange::Rate { scenario: ScenarioId(scenario), rate: Rate::from_per_second(1) };
    let scale_of =
        |scenario| LoadChange::Scale { scenario: Some(ScenarioId(scenario)), factor: Ratio::new(2.0) };
    let closed = "scenario `s1` is a closed model and has no rate; pause it, or change its `vus` in the file";
    check(&[at(0, of(2))], "there is no scenario number 2; the run has 2");
    check(&[at(0, scale_of(7))], "there is no scenario number 7; the run has 2");
    check(&[at(0, of(1))], closed);
    check(&[at(0, scale_of(1))], closed);
    check(
        &[at(500, rate(1)), at(499, rate(1))],
        "a change at 499ms comes after one at 500ms; changes follow each other in time",
    );
    check(&[at(0, LoadChange::Resume)], "the run is not paused, so it cannot be resumed");
    check(
        &[at(0, LoadChange::Pause), at(1, LoadChange::Pause)],
        "the run is paused already; resume it first",
    );
    check(&[at(1_000, rate(1))], "scenario `s0` has ended at 1s; a change at 1s comes too late");
    check(&[at(0, scale(f64::NAN))], "the load of scenario `s0` cannot be multiplied");
    check(&[at(5_000, scale(-1.0))], "the load of scenario `s0` cannot be multiplied");
    check(&[at(0, scale(f64::INFINITY))], "the load of scenario `s0` cannot be multiplied");
    check(&[at(0, scale(1e9))], "the load of scenario `s0` cannot be multiplied");
    let fast = LoadChange::Rate { scenario: ONLY, rate: Rate::new(2, Nanos::new(1)) };
    check(&[at(0, fast)], "2000000000/s is too fast for scenario `s0`; the highest rate is 1000000000/s");
    let many = vec![at(0, rate(1)); MOST_AMENDMENTS + 1];
    check(&many, "the load of a run can be changed 4096 times; begin another run");
    assert!(plan.ends_at(&many[1..]).is_ok());
    // All scenarios together leave out those without a rate and those that have ended.
    assert_eq!(plan.ends_at(&[at(2_000, scale(2.0))]), Ok(Some(Nanos::from_secs(3))));
}

#[test]
fn the_plan_hash_is_chained_over_the_changes() {
    let plan = plan(vec![open(&[(1_000, 10, 10)], Arrivals::Uniform, None)]);
    let only = Some(ONLY);
    let changes = [
        vec![],
        vec![at(1, rate(5))],
        vec![at(2, rate(5))],
        vec![at(1, rate(6))],
        vec![at(1, scale(5.0))],
        vec![at(1, LoadChange::Scale { scenario: only, factor: Ratio::new(5.0) })],
        vec![at(1, LoadChange::Pause)],
        vec![at(1, LoadChange::Pause), at(1, LoadChange::Resume)],
        vec![at(1, rate(5)), at(1, rate(6))],
        vec![at(1, rate(6)), at(1, rate(5))],
    ];
    let hashes: Vec<PlanHash> = changes.iter().map(|changes| plan.plan_hash_with(changes)).collect();
    for (i, one) in hashes.iter().enumerate() {
        for (j, other) in hashes.iter().enumerate() {
            assert_eq!(one == other, i == j, "changes {i} and {j}");
        }
    }
    assert_eq!(hashes[0], plan.plan_hash());
    assert_eq!(hashes[1].amended(&at(1, rate(6))), hashes[8]);
    // A change here is a change of law.
    assert_eq!(hashes[7].to_string(), "fdba3979b806109ed34b197cc32a70246e6e396f157ae6eddb5d923fae7eecc5");
}

#[test]
fn changed_timetables_stay_what_they_were() {
    // A change here is a change of law: raise `LAW_VERSION` in `digest.rs` with it.
    let changes = [
        at(700, rate(333)),
        at(1_200, LoadChange::Pause),
        at(1_300, scale(1.7)),
        at(2_000, LoadChange::Resume),
        at(2_400, scale(0.3)),
    ];
    let digest = |arrivals| {
        let load = open(&[(1_500, 0, 900), (1_500, 400, 10)], arrivals, None);
        let table = timetable(load, &changes);
        let mut digest = SlotsDigest::default();
        (0..table.total()).for_each(|n| digest.add(ONLY, Slot { n, due: table.due(n).unwrap() }));
        digest.to_string()
    };
    assert_eq!(digest(Arrivals::Uniform), "ccb6d913a3ab8fe6a15119d323ff5b40");
    assert_eq!(digest(Arrivals::Poisson), "616cf5f12dffce865c22a9ce1c2edb5b");
}
