//! Closed models: users go round, quotas are done exactly.

use super::*;

#[test]
fn users_of_a_closed_model_go_round_until_the_end() {
    let mut bench = Bench::new(users(3), vec![GET, think(99)]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(3_000);
    let tally = bench.tally();
    // About ten rounds of 99 ms each, thinking through the end.
    assert!((30..=33).contains(&tally.starts.len()), "{}", tally.starts.len());
    assert!(tally.ended.iter().all(|outcome| *outcome == IterationOutcome::Succeeded));
    bench.assert_balanced_and_over();
}

#[test]
fn a_quota_is_done_exactly() {
    let load = LoadModel::SharedIterations { vus: 4, iterations: 10, max_duration: Nanos::from_secs(60) };
    let mut bench = Bench::new(load, vec![GET]);
    for _ in 0..10 {
        bench.clock.advance(STEP);
        bench.run_to(20);
        bench.respond();
    }
    assert_eq!(bench.tally().starts.len(), 10);
    bench.assert_balanced_and_over();
}

#[test]
fn a_quota_that_is_not_done_in_time_is_unsent() {
    let load = LoadModel::SharedIterations { vus: 2, iterations: 10, max_duration: Nanos::from_millis(500) };
    let mut bench = Bench::new(load, vec![GET]);
    bench.run_to(600);
    bench.respond();
    assert_eq!(bench.tally().unsent, vec![UnsentReason::Stopped; 8]);
    bench.assert_balanced_and_over();
}

#[test]
fn a_long_quota_that_is_not_done_in_time_is_counted_to_its_end() {
    let max_duration = Nanos::from_millis(500);
    let load = LoadModel::SharedIterations { vus: 2, iterations: 1_000_000_000, max_duration };
    let mut bench = Bench::new(load, vec![GET]);
    bench.run_to(600);
    bench.respond();
    let tally = bench.tally();
    assert!(tally.stopped > 0, "the quota is longer than what is listed");
    assert_eq!(tally.due + tally.stopped, 1_000_000_000);
    bench.assert_balanced_and_over();
}

#[test]
fn a_closed_model_that_stood_still_says_so() {
    let profile = UserProfile::new(vec![stage(8_000, 2)]).unwrap();
    let mut bench = Bench::new(LoadModel::VirtualUsers { profile }, vec![GET, think(50)]);
    bench.script.0.borrow_mut().immediate = Some(Outcome::Succeeded);
    bench.run_to(2_500);
    assert_eq!(bench.tally().stalled, 0);
    bench.clock.advance(Nanos::from_secs(4));
    bench.next = bench.core.turn();
    bench.run_to(7_500);
    assert!((3_900..=4_000).contains(&bench.tally().stalled), "{}", bench.tally().stalled);
}
