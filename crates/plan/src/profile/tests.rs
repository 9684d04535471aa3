use super::*;

fn stage(secs: u64, from: u64, to: u64, measured: bool) -> Stage<Rate> {
    Stage {
        duration: Nanos::from_secs(secs),
        from: Rate::from_per_second(from),
        to: Rate::from_per_second(to),
        measured,
    }
}

fn dues(profile: &RateProfile) -> Vec<u64> {
    (0..).map_while(|n| profile.due(n)).map(Nanos::as_u64).collect()
}

#[test]
fn a_constant_rate_is_evenly_spaced() {
    let profile = RateProfile::new(vec![stage(1, 4, 4, true)]).unwrap();
    assert_eq!(dues(&profile), [0, 250_000_000, 500_000_000, 750_000_000]);
    assert_eq!(profile.total(), 4);
    assert_eq!(profile.due(4), None);
    assert_eq!(profile.due(u64::MAX), None);
}

#[test]
fn due_times_are_the_next_whole_nanosecond() {
    let profile = RateProfile::new(vec![stage(1, 3, 3, true)]).unwrap();
    assert_eq!(dues(&profile), [0, 333_333_334, 666_666_667]);
}

#[test]
fn a_ramp_follows_the_square_root_and_falls_as_it_rose() {
    let up_and_down = RateProfile::new(vec![stage(2, 0, 2, true), stage(2, 2, 0, true)]).unwrap();
    // N(2s) = 2 and N(4s) = 4, which the profile's end no longer holds.
    assert_eq!(dues(&up_and_down), [0, 1_414_213_563, 2_000_000_000, 2_585_786_438]);
}

#[test]
fn a_ramp_sends_its_mean_rate_and_not_twice_the_load() {
    let ramp = RateProfile::new(vec![stage(10, 0, 100, true)]).unwrap();
    assert_eq!(ramp.total(), 500);
    assert_eq!(ramp.due_before(Nanos::from_secs(5)), 125);
}

#[test]
fn nothing_is_due_in_a_pause_and_the_count_goes_on_after_it() {
    let profile =
        RateProfile::new(vec![stage(1, 2, 2, true), stage(10, 0, 0, true), stage(1, 2, 2, true)]).unwrap();
    assert_eq!(dues(&profile), [0, 500_000_000, 1_000_000_000, 11_500_000_000]);
    assert_eq!(profile.due_before(Nanos::from_secs(7)), 3);
}

#[test]
fn only_slot_0_is_due_before_the_rate_leaves_zero() {
    let profile = RateProfile::new(vec![stage(5, 0, 0, true), stage(1, 2, 2, true)]).unwrap();
    assert_eq!(dues(&profile), [0, 5_500_000_000]);
    assert_eq!(profile.due_before(Nanos::from_secs(5)), 1);
}

#[test]
fn a_rate_of_zero_all_along_plans_nothing() {
    let profile = RateProfile::new(vec![stage(5, 0, 0, true)]).unwrap();
    assert_eq!(profile.total(), 0);
    assert_eq!(profile.due(0), None);
    assert_eq!(profile.due_before(Nanos::from_secs(9)), 0);
}

#[test]
fn a_rate_too_low_for_a_second_slot_plans_one() {
    let hourly = Rate::new(1, Nanos::from_secs(3_600));
    let minute = Stage { duration: Nanos::from_secs(60), from: hourly, to: hourly, measured: true };
    let profile = RateProfile::new(vec![minute]).unwrap();
    assert_eq!(dues(&profile), [0]);
    assert_eq!(profile.due_before(Nanos::from_secs(30)), 1);
}

#[test]
fn fractions_of_a_slot_are_carried_over_stage_borders() {
    // Half a slot in the first stage, so the first due time of the second is half a gap after its start.
    let profile = RateProfile::new(vec![
        Stage { duration: Nanos::from_millis(500), ..stage(1, 1, 1, true) },
        stage(1, 10, 10, true),
    ])
    .unwrap();
    assert_eq!(profile.due(1), Some(Nanos::from_millis(550)));
    assert_eq!(profile.due(2), Some(Nanos::from_millis(650)));
}

#[test]
fn rate_and_measure_are_those_of_the_stage() {
    let profile = RateProfile::new(vec![stage(2, 0, 100, false), stage(2, 50, 50, true)]).unwrap();
    let at = |millis| profile.rate_at(Nanos::from_millis(millis));
    assert_eq!([at(0), at(500), at(2_000), at(4_000)], [0.0, 25.0, 50.0, 0.0]);
    assert!(!profile.measured_at(Nanos::new(1_999_999_999)));
    assert!(profile.measured_at(Nanos::from_secs(2)));
    assert_eq!(profile.stage_ends(), [Nanos::from_secs(2), Nanos::from_secs(4)]);
    assert_eq!(profile.duration(), Nanos::from_secs(4));
    assert_eq!(profile.stages().len(), 2);
}

#[test]
fn stages_that_are_no_profile_are_refused() {
    let refusal = |stages| RateProfile::new(stages).unwrap_err().to_string();
    assert_eq!(refusal(vec![]), "a profile needs at least one stage");
    assert_eq!(
        refusal(vec![stage(1, 1, 1, true), stage(0, 1, 1, true)]),
        "stage 2 lasts 0s; give it a positive duration"
    );
    let huge = Stage { from: Rate::new(u64::MAX, Nanos::new(1)), ..stage(86_400, 1, 1, true) };
    assert_eq!(
        refusal(vec![huge]),
        "stage 1 is too large to be scheduled exactly; lower its rate or its duration"
    );
}
