//! Revisions: another part of the load, to the nanosecond and to the slot.

use plan::{Amendment, LoadChange, Share, Slot, SlotsDigest, Timetable, planned_in};
use proptest::prelude::*;

use super::*;
use crate::scenario::Load;

fn share(revision: u64, weights: &[u32], index: u32) -> Share {
    Share { revision, weights: weights.to_vec(), index }
}

fn revision(number: u64, effective: u64, weights: &[u32], index: u32) -> Revision {
    Revision {
        effective: Nanos::from_millis(effective),
        share: share(number, weights, index),
        amendments: Vec::new(),
    }
}

fn changed(number: u64, effective: u64, changes: &[(u64, LoadChange)]) -> Revision {
    let amendment =
        |(at, change): &(u64, LoadChange)| Amendment { at: Nanos::from_millis(*at), change: *change };
    Revision { amendments: changes.iter().map(amendment).collect(), ..revision(number, effective, &[1], 0) }
}

fn rate(per_second: u64) -> LoadChange {
    LoadChange::Rate { scenario: ScenarioId(0), rate: Rate::from_per_second(per_second) }
}

/// Answers at once.
fn prompt(bench: Bench) -> Bench {
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench
}

/// 100/s for one second, answered at once.
fn hundred() -> Bench {
    prompt(Bench::new(open(1_000, queue(30_000)), vec![GET]))
}

/// The digest of slots of the plan as it was written.
fn due_digest(bench: &Bench, numbers: impl Iterator<Item = u64>) -> u128 {
    let timetable = Timetable::new(&bench.core.plan, ScenarioId(0), &[]).unwrap();
    let mut digest = SlotsDigest::default();
    numbers.for_each(|n| digest.add(ScenarioId(0), Slot { n, due: timetable.due(n).unwrap() }));
    digest.0
}

#[test]
fn what_is_due_before_the_instant_of_a_revision_stays_as_it_was() {
    let mut bench = hundred();
    bench.run_to(200);
    bench.revise(revision(1, 500, &[1, 1], 0));
    assert_eq!(bench.told(), [(1, 500)], "before its instant");
    bench.run_to(3_000);
    let half = Course::new(&bench.core.plan, revision(1, 500, &[1, 1], 0), 1).unwrap();
    let numbers = (0..50).chain((50..100).filter(|n| half.dealing(ScenarioId(0)).owner(*n) == 0));
    let expected = due_digest(&bench, numbers.clone());
    assert_eq!((bench.tally().due, bench.tally().due_digest), (numbers.count() as u64, expected));
    assert!(bench.tally().starts.iter().all(|start| *start == (0, 0)), "every slot at its instant");
    bench.assert_balanced_and_over();
}

#[test]
fn a_late_revision_holds_from_when_it_came_and_says_so() {
    let mut bench = hundred();
    bench.run_to(395);
    bench.revise(revision(1, 200, &[0, 1], 0));
    assert_eq!(bench.told(), [(1, 395)]);
    bench.run_to(3_000);
    assert_eq!(bench.tally().due, 40);
    bench.assert_balanced_and_over();
}

#[test]
fn a_late_revision_gives_nothing_that_was_due_before_it_came() {
    let part = Part { revision: revision(0, 0, &[0, 1], 0), ..Part::default() };
    let mut bench = prompt(Bench::of(plan(open(1_000, queue(30_000)), vec![GET]), part));
    bench.run_to(395);
    bench.revise(revision(1, 200, &[1, 0], 0));
    bench.run_to(3_000);
    assert_eq!(bench.tally().due, 60);
    assert!(bench.tally().starts.iter().all(|start| *start == (0, 0)));
    bench.assert_balanced_and_over();
}

#[test]
fn a_revision_that_is_not_newer_has_no_effect() {
    let mut bench = hundred();
    bench.revise(revision(2, 300, &[0, 1], 0));
    bench.revise(revision(2, 400, &[1, 0], 0));
    bench.revise(revision(1, 400, &[1, 0], 0));
    assert_eq!(bench.told(), [(2, 300)]);
    bench.run_to(3_000);
    assert_eq!(bench.tally().due, 30);
}

#[test]
fn revisions_in_a_row_each_hold_until_the_next() {
    let mut bench = hundred();
    bench.revise(revision(1, 200, &[0, 1], 0));
    bench.revise(revision(2, 600, &[1, 0], 0));
    bench.revise(revision(3, 800, &[0, 1], 0));
    assert_eq!(bench.told(), [(1, 200), (2, 600), (3, 800)]);
    bench.run_to(3_000);
    let expected = due_digest(&bench, (0..20).chain(60..80));
    assert_eq!((bench.tally().due, bench.tally().due_digest), (40, expected));
    bench.assert_balanced_and_over();
}

#[test]
fn one_who_joins_a_run_under_way_has_missed_nothing() {
    let load = arrivals(vec![stage(20_000, Rate::from_per_second(100))], None, queue(30_000));
    let part = Part { revision: revision(3, 0, &[1, 0], 1), ago: Nanos::from_secs(8), ..Part::default() };
    let mut bench = prompt(Bench::of(plan(load, vec![GET]), part));
    bench.run_to(9_000);
    bench.revise(revision(4, 10_000, &[0, 1], 1));
    bench.run_to(30_000);
    assert_eq!((bench.tally().due, bench.tally().stalled), (1_000, 0));
    assert_eq!(bench.tally().due_digest, due_digest(&bench, 1_000..2_000));
    bench.assert_balanced_and_over();
}

#[test]
fn one_who_gives_its_share_away_stays_for_another() {
    let mut bench = hundred();
    bench.revise(revision(1, 300, &[0, 1], 0));
    bench.run_to(900);
    assert_ne!(bench.next, Next::Over);
    bench.revise(revision(2, 950, &[1, 0], 0));
    bench.run_to(3_000);
    assert_eq!(bench.tally().due, 35);
}

#[test]
fn users_beyond_a_smaller_share_retire_when_they_are_free() {
    let load = arrivals(vec![stage(2_000, Rate::from_per_second(100))], Some(8), queue(30_000));
    let mut bench = Bench::of(plan(load, vec![GET]), Part::default());
    bench.run_to(95);
    let users = |bench: &Bench| {
        let Load::Open(open) = &bench.core.scenarios[0].load else { panic!("an open model") };
        (open.made, open.limit, open.retired.len())
    };
    // Eight users are busy, two slots wait.
    assert_eq!(users(&bench), (8, 8, 0));
    bench.revise(revision(1, 100, &[1, 3], 0));
    bench.run_to(100);
    assert_eq!(users(&bench), (8, 2, 0), "the busy ones finish");
    bench.respond();
    assert_eq!(bench.tally().starts.len(), 10, "what waited was this share's and is sent");
    bench.respond();
    assert_eq!(users(&bench), (2, 2, 6));
    bench.revise(revision(2, 500, &[1], 0));
    bench.run_to(800);
    assert_eq!(users(&bench), (8, 8, 0), "the same ones come back");
    assert_eq!(bench.core.users.len(), 8);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.respond();
    bench.run_to(9_000);
    bench.assert_balanced_and_over();
}

#[test]
fn slots_that_wait_are_started_by_users_that_come_with_a_larger_share() {
    let load = arrivals(vec![stage(1_000, Rate::from_per_second(100))], Some(4), queue(30_000));
    let part = Part { revision: revision(0, 0, &[1, 3], 0), ..Part::default() };
    let mut bench = Bench::of(plan(load, vec![GET]), part);
    bench.run_to(195);
    let started = bench.tally().starts.len();
    assert_eq!(started, 1);
    bench.revise(revision(1, 200, &[1], 0));
    bench.run_to(200);
    assert_eq!(bench.tally().starts.len(), 4);
}

/// Three rounds of a closed user a second.
fn closed(count: u32) -> Bench {
    prompt(Bench::new(
        LoadModel::VirtualUsers { profile: UserProfile::new(vec![stage(10_000, count)]).unwrap() },
        vec![GET, think(300)],
    ))
}

#[test]
fn closed_users_go_over_after_their_iteration_and_are_numbered_anew() {
    let mut bench = closed(4);
    bench.run_to(350);
    let numbers = |bench: &Bench| -> Vec<(u32, u64)> {
        bench.core.users.iter().map(|user| (user.number, user.iteration.n)).collect()
    };
    assert_eq!(numbers(&bench), [(0, 4), (1, 5), (2, 6), (3, 7)]);
    bench.revise(revision(1, 400, &[1, 1], 0));
    bench.run_to(2_000);
    let half = numbers(&bench);
    let kept: Vec<u32> = half.iter().filter(|(_, n)| *n > 7).map(|(number, _)| *number).collect();
    assert_eq!(kept.len(), 2, "{half:?}");
    assert_eq!(bench.core.gauges().users, 2);
    bench.revise(revision(2, 2_100, &[1], 0));
    bench.run_to(3_000);
    for (number, n) in numbers(&bench) {
        let is_kept = kept.contains(&number);
        assert_eq!(n >> 40, if is_kept { 0 } else { 2 }, "user {number}");
        assert_eq!((n & ((1 << 40) - 1)) % 4, u64::from(number), "user {number}");
    }
    bench.run_to(20_000);
    bench.assert_balanced_and_over();
}

#[test]
fn a_user_who_is_new_here_starts_at_the_instant_of_the_revision() {
    let part = Part { revision: revision(0, 0, &[0, 1], 0), ..Part::default() };
    let load = users(2);
    let mut bench = prompt(Bench::of(plan(load, vec![GET, think(5_000)]), part));
    bench.run_to(300);
    assert_eq!(bench.tally().due, 0);
    bench.revise(revision(1, 450, &[1, 0], 0));
    bench.run_to(460);
    assert_eq!(bench.tally().starts, [(0, 0); 2]);
    assert!(
        bench.core.users.iter().all(|user| user.iteration.intended == bench.start + Nanos::from_millis(450))
    );
}

#[test]
fn one_who_sleeps_through_a_pause_and_the_former_end_goes_on_after_it() {
    let mut bench = hundred();
    bench.run_to(295);
    bench.revise(changed(1, 300, &[(300, LoadChange::Pause)]));
    // Beyond the second of grace too.
    bench.clock.advance(Nanos::from_secs(4));
    bench.next = bench.core.turn();
    bench.revise(changed(2, 5_000, &[(300, LoadChange::Pause), (5_000, LoadChange::Resume)]));
    bench.run_to(9_000);
    assert_eq!((bench.tally().due, bench.tally().starts.len()), (100, 100));
    bench.assert_balanced_and_over();

    let mut bench = prompt(Bench::new(users(2), vec![GET, think(99)]));
    bench.run_to(295);
    bench.revise(changed(1, 300, &[(300, LoadChange::Pause)]));
    bench.clock.advance(Nanos::from_secs(4));
    bench.next = bench.core.turn();
    bench.revise(changed(2, 5_000, &[(300, LoadChange::Pause), (5_000, LoadChange::Resume)]));
    bench.run_to(9_000);
    assert!((19..=24).contains(&bench.tally().due), "{}", bench.tally().due);
}

#[test]
fn a_rate_that_is_set_is_sent_from_its_instant_on() {
    let mut bench = hundred();
    bench.run_to(300);
    bench.revise(changed(1, 500, &[(500, rate(10))]));
    bench.run_to(3_000);
    assert_eq!(bench.tally().due, 55);
    bench.assert_balanced_and_over();
}

#[test]
fn a_pause_holds_every_model_and_moves_its_end() {
    let pause = |bench: &mut Bench| {
        bench.run_to(200);
        bench.revise(changed(1, 300, &[(300, LoadChange::Pause)]));
        bench.run_to(1_900);
        let held = bench.tally();
        assert_ne!(bench.next, Next::Over);
        bench.revise(changed(2, 2_000, &[(300, LoadChange::Pause), (2_000, LoadChange::Resume)]));
        bench.run_to(9_000);
        held
    };
    let mut bench = hundred();
    assert_eq!(pause(&mut bench).due, 30);
    assert_eq!(bench.tally().due, 100);
    assert!(bench.tally().starts.iter().all(|start| *start == (0, 0)));
    bench.assert_balanced_and_over();

    let mut bench = prompt(Bench::new(users(2), vec![GET, think(99)]));
    let held = pause(&mut bench).due;
    assert!((6..=8).contains(&held), "{held}");
    let all = bench.tally().due;
    assert!((19..=24).contains(&all), "{all}");
    bench.assert_balanced_and_over();

    let quota = LoadModel::SharedIterations { vus: 2, iterations: 20, max_duration: Nanos::SECOND };
    let mut bench = prompt(Bench::new(quota, vec![GET, think(60)]));
    let held = pause(&mut bench).due;
    assert!((8..=10).contains(&held), "{held}");
    assert_eq!(bench.tally().starts.len(), 20, "a quota is done whatever the pause");
    bench.assert_balanced_and_over();
}

#[test]
fn a_stop_books_what_is_left_by_the_revisions_to_come() {
    let mut bench = hundred();
    bench.run_to(95);
    let chain = [revision(1, 300, &[0, 1], 0), revision(2, 800, &[1, 0], 0)];
    chain.iter().cloned().for_each(|revision| bench.revise(revision));
    bench.core.drain(bench.clock.now());
    bench.next = bench.core.turn();
    bench.run_to(3_000);
    let all = [&[revision(0, 0, &[1], 0)], &chain[..]].concat();
    let courses: Vec<Course> =
        all.into_iter().map(|revision| Course::new(&bench.core.plan, revision, 1).unwrap()).collect();
    let planned = planned_in(&courses, ScenarioId(0), &(Nanos::ZERO..Nanos::MAX));
    assert_eq!((bench.tally().due, planned), (50, 50));
    assert_eq!(bench.tally().due_digest, due_digest(&bench, (0..30).chain(80..100)));
    bench.assert_balanced_and_over();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the shares become on the way, all threads together send the timetable, each slot once and on time. A
    /// revision that comes at its very instant is late: what is due then has been sent by the one before.
    #[test]
    fn threads_of_a_changing_run_send_every_slot_once(
        memberships in prop::collection::vec((1_u64..1_900, prop::collection::vec(0_u32..4, 3)), 0..5),
        changes in prop::collection::vec((1_u64..1_900, 0_u64..300), 0..4),
        lead in 1_u64..300,
        threads in 1_u32..3,
    ) {
        let load = || arrivals(vec![stage(2_000, Rate::from_per_second(100))], None, Overload::Drop);
        let plan = plan(load(), vec![GET]);
        let mut instants: Vec<u64> = memberships.iter().map(|(at, _)| *at).chain(changes.iter().map(|(at, _)| *at)).collect();
        instants.sort_unstable();
        let mut changes = changes;
        changes.sort_unstable();
        let amendments = |until: u64| {
            let so_far = changes.iter().filter(|(at, _)| *at <= until);
            so_far.map(|(at, per_second)| Amendment { at: Nanos::from_millis(*at), change: rate(*per_second) }).collect::<Vec<_>>()
        };
        let weights = |until: u64| {
            let so_far = memberships.iter().filter(|(at, weights)| *at <= until && weights.iter().any(|weight| *weight > 0));
            so_far.max_by_key(|(at, _)| *at).map_or(vec![1, 1, 1], |(_, weights)| weights.clone())
        };
        let whole = Timetable::new(&plan, ScenarioId(0), &amendments(u64::MAX)).unwrap();
        let mut expected = SlotsDigest::default();
        (0..whole.total()).for_each(|n| expected.add(ScenarioId(0), Slot { n, due: whole.due(n).unwrap() }));
        let (mut sent, mut due) = (SlotsDigest::default(), 0);
        for index in 0..3 {
            for thread in 0..threads {
                let first = Revision::first(share(0, &[1, 1, 1], index));
                let part = Part { revision: first, thread, threads, ..Part::default() };
                let mut bench = prompt(Bench::of(plan.clone(), part));
                for (number, at) in (1..).zip(&instants) {
                    bench.run_to(at.saturating_sub(lead));
                    let effective = Nanos::from_millis(*at);
                    let share = share(number, &weights(*at), index);
                    bench.revise(Revision { effective, share, amendments: amendments(*at) });
                }
                bench.run_to(9_000);
                bench.assert_balanced_and_over();
                let tally = bench.tally();
                prop_assert!(tally.starts.iter().all(|start| *start == (0, 0)));
                sent.merge(SlotsDigest(tally.due_digest));
                due += tally.due;
            }
        }
        prop_assert_eq!((due, sent), (whole.total(), expected));
    }
}

#[test]
fn a_user_who_comes_round_at_the_instant_of_a_revision_goes_by_that_one() {
    let mut bench = Bench::new(users(1), vec![GET]);
    bench.run_to(100);
    bench.revise(revision(1, 500, &[0, 1], 0));
    bench.run_to(499);
    bench.clock.advance_to(bench.start + Nanos::from_millis(500));
    bench.respond();
    bench.run_to(9_000);
    assert_eq!((bench.tally().due, bench.tally().attempted), (1, 1), "the user is another worker's");
    bench.assert_balanced_and_over();
}

#[test]
fn no_revision_holds_before_the_one_it_waits_behind() {
    let mut bench = hundred();
    bench.run_to(100);
    bench.revise(revision(1, 500, &[1, 1], 0));
    bench.revise(revision(2, 300, &[1], 0));
    assert_eq!(bench.told(), [(1, 500), (2, 500)]);
}

#[test]
fn a_thread_that_left_takes_no_revision_up() {
    let mut bench = hundred();
    bench.run_to(95);
    bench.core.leave(bench.clock.now());
    bench.revise(revision(1, 500, &[1, 1], 0));
    assert!(bench.told().is_empty(), "whoever is told would take it for one that carries its part");
}
