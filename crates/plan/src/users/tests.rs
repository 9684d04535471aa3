use proptest::prelude::*;

use super::*;

fn stage(secs: u64, from: u32, to: u32) -> Stage<u32> {
    Stage { duration: Nanos::from_secs(secs), from, to, measured: true }
}

fn profile(stages: Vec<Stage<u32>>) -> UserProfile {
    UserProfile::new(stages).unwrap()
}

/// The spans of a user in nanoseconds.
fn spans(profile: &UserProfile, user: u32) -> Vec<(u64, u64)> {
    profile.spans(user).iter().map(|span| (span.start.as_u64(), span.end.as_u64())).collect()
}

#[test]
fn a_constant_number_of_users_is_active_all_along() {
    let constant = profile(vec![stage(2, 3, 3)]);
    assert_eq!(constant.max_users(), 3);
    for user in 0..3 {
        assert_eq!(spans(&constant, user), [(0, 2_000_000_000)]);
    }
    assert_eq!(spans(&constant, 3), []);
}

#[test]
fn a_ramp_starts_and_stops_users_one_by_one() {
    let hill = profile(vec![stage(4, 0, 4), stage(4, 4, 0)]);
    assert_eq!(spans(&hill, 0), [(1_000_000_000, 7_000_000_001)]);
    assert_eq!(spans(&hill, 2), [(3_000_000_000, 5_000_000_001)]);
    assert_eq!(spans(&hill, 3), [(4_000_000_000, 4_000_000_001)]);
}

#[test]
fn a_user_whose_level_is_only_reached_at_the_end_is_never_active() {
    let ramp = profile(vec![stage(4, 0, 4)]);
    assert_eq!(ramp.max_users(), 4);
    assert_eq!(spans(&ramp, 3), []);
}

#[test]
fn users_come_back_and_spans_that_touch_are_one() {
    let twice = profile(vec![stage(1, 2, 2), stage(1, 2, 2), stage(1, 1, 1), stage(1, 2, 2)]);
    assert_eq!(spans(&twice, 0), [(0, 4_000_000_000)]);
    assert_eq!(spans(&twice, 1), [(0, 2_000_000_000), (3_000_000_000, 4_000_000_000)]);
}

#[test]
fn measure_is_that_of_the_stage() {
    let warm = profile(vec![Stage { measured: false, ..stage(1, 1, 1) }, stage(1, 1, 1)]);
    assert!(!warm.measured_at(Nanos::new(999_999_999)));
    assert!(warm.measured_at(Nanos::SECOND));
    assert_eq!(warm.duration(), Nanos::from_secs(2));
    assert_eq!(warm.stage_ends(), [Nanos::SECOND, Nanos::from_secs(2)]);
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    let year = profile(vec![stage(365 * 86_400, 0, u32::MAX), stage(86_400, u32::MAX, 0)]);
    assert_eq!(year.max_users(), u32::MAX);
    assert_eq!(year.users_at(Nanos::from_secs(365 * 86_400)), u32::MAX);
    assert_eq!(spans(&year, u32::MAX - 1), [(31_536_000_000_000_000, 31_536_000_000_000_001)]);
    assert_eq!(spans(&year, u32::MAX), []);
}

fn stages() -> impl Strategy<Value = Vec<Stage<u32>>> {
    let duration = prop_oneof![1_u64..30, 1_u64..5_000_000_000];
    let one = (duration, 0_u32..12, 0_u32..12).prop_map(|(nanos, from, to)| Stage {
        duration: Nanos::new(nanos),
        from,
        to,
        measured: true,
    });
    prop::collection::vec(one, 1..6)
}

proptest! {
    #[test]
    fn as_many_users_are_active_as_the_level_says(
        stages in stages(),
        picks in prop::collection::vec(any::<u64>(), 20),
    ) {
        let profile = profile(stages);
        let spans: Vec<_> = (0..profile.max_users()).map(|user| profile.spans(user)).collect();
        let end = profile.duration().as_u64();
        // Random instants, and both sides of every start and end.
        let borders = spans.iter().flatten().flat_map(|span| [span.start, span.end]).map(Nanos::as_u64);
        let instants = borders.flat_map(|t| [t.saturating_sub(1), t, t + 1]).chain(picks.iter().map(|p| p % end));
        for t in instants.map(Nanos::new) {
            let active = |user: usize| spans[user].iter().any(|span| span.start <= t && t < span.end);
            let level = profile.users_at(t) as usize;
            for user in 0..spans.len() {
                prop_assert_eq!(active(user), user < level, "user {} at {}", user, t);
            }
            if t < profile.duration() {
                prop_assert_eq!(level as u128, floor_of_level(&profile, t));
            }
        }
        for spans in &spans {
            prop_assert!(spans.iter().all(|span| span.start < span.end && span.end <= profile.duration()));
            prop_assert!(spans.windows(2).all(|pair| pair[0].end < pair[1].start), "spans that touch are one");
        }
    }
}

/// ⌊from + (to − from)·x/duration⌋ over a common denominator, as it is defined.
fn floor_of_level(profile: &UserProfile, t: Nanos) -> u128 {
    let mut start = Nanos::ZERO;
    for stage in profile.stages() {
        let end = start + stage.duration;
        if t < end {
            let (x, duration) = (i128::from((t - start).as_u64()), i128::from(stage.duration.as_u64()));
            let (from, to) = (i128::from(stage.from), i128::from(stage.to));
            return (from * duration + (to - from) * x).div_euclid(duration) as u128;
        }
        start = end;
    }
    0
}
