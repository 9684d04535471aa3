//! Tail sampling: what failed, what was slow, and what there is room for.

use super::*;

#[test]
fn a_tail_keeps_what_failed_or_was_slow_and_nothing_else() {
    let answers = |nth| match nth % 100 {
        7 => (10, RESET),
        50 => (400, Outcome::Succeeded),
        51 => (99, Outcome::Succeeded),
        70 => (400, DNS),
        _ => (10, Outcome::Succeeded),
    };
    let traced = Traced::new(rate(100, 10), vec![GET], slower_than(100), ExecutionLog::default());
    let (mut kept, told) = traced.answering(answers).run_to(20_000).finish();
    kept.sort_by_key(|record| record.iteration);
    let why: Vec<_> =
        kept.iter().map(|record| (record.iteration % 100, record.outcome, record.kept.slow)).collect();
    let expected = [
        (7, IterationOutcome::Failed, false),
        (50, IterationOutcome::Succeeded, true),
        (70, IterationOutcome::Failed, true),
    ];
    assert_eq!(why, expected.repeat(10));
    assert!(kept.iter().all(|record| record.kept.traced && record.kept.logged));
    assert_eq!(told, TraceTally::default());
}

/// Most take 1 to 100 ms, number 70,000 takes 300.
fn one_is_slow(nth: u64) -> (u64, Outcome) {
    (if nth == 70_000 { 300 } else { 1 + nth.wrapping_mul(7_919) % 100 }, Outcome::Succeeded)
}

#[test]
fn one_slow_request_among_a_hundred_thousand_is_found() {
    for (quantile, budget) in [(0.99, 1_000), (0.999, 100), (0.9, 40), (0.5, 1_000)] {
        let options = TraceOptions { spans_per_second: budget, ..above(quantile) };
        let mut traced = Traced::new(rate(1_000, 100), vec![GET], options, NO_LOG).answering(one_is_slow);
        traced.bench.run_to(60_000);
        let before = traced.kept();
        traced.bench.run_to(110_000);
        let (after, told) = traced.finish();
        let slow = after.iter().find(|record| record.iteration == 70_000).unwrap();
        assert!(slow.kept.slow && slow.kept.traced);
        assert!(slow.requests[0].sample.times.response_time() >= Nanos::from_millis(300));
        // The others that are slow take no more than half of the budget on average, so that none was turned away.
        let spans = 2 * (before.len() + after.len()) as u64;
        assert!(spans <= 100 * u64::from(budget) / 2, "{spans} at {quantile}");
        assert_eq!(told.over_budget, 0, "at {quantile}");
        assert!(before.iter().all(|record| record.outcome == IterationOutcome::Succeeded));
        assert!(before.iter().all(|record| record.started_at >= traced_from()), "too few to say before");
    }
}

/// The first second has no bound yet.
fn traced_from() -> Timestamp {
    NOW + Nanos::from_millis(900)
}

#[test]
fn a_slow_one_is_found_while_everything_fails() {
    let options = TraceOptions { spans_per_second: 100, ..slower_than(100) };
    let answers = |nth| if nth == 2_999 { (400, Outcome::Succeeded) } else { (10, RESET) };
    let traced = Traced::new(rate(1_000, 4), vec![GET], options, NO_LOG).answering(answers).run_to(9_000);
    let start = traced.bench.start;
    let (kept, told) = traced.finish();
    assert!(kept.iter().any(|record| record.iteration == 2_999 && record.kept.slow));
    let failed = |record: &&ExecutionRecord| record.outcome == IterationOutcome::Failed;
    let failures: Vec<_> = kept.iter().filter(failed).cloned().collect();
    assert_eq!(spans_by_second(&failures, start, AT_THE_END), [50, 50, 50, 50, 20], "half of the budget");
    assert_eq!(failures.len() as u64 + told.over_budget, 3_999);
}
