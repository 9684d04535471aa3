//! The budget of spans: hard in every second, on every thread.

use super::*;

#[test]
fn the_budget_of_a_ratio_is_hard_in_every_second_and_the_target_knows() {
    let options = TraceOptions { spans_per_second: 101, propagation: Propagation::Always, ..ratio(1.0) };
    let traced = Traced::new(rate(500, 3), vec![GET], options, NO_LOG).prompt(Outcome::Succeeded);
    let traced = traced.run_to(5_000);
    let sampled: Vec<_> =
        traced.bench.script.0.borrow().parents.iter().map(|parent| parent.unwrap().sampled).collect();
    let start = traced.bench.start;
    let (kept, told) = traced.finish();
    let spans = spans_by_second(&kept, start, AT_THE_START);
    assert!(spans[0] == 100 && spans.iter().all(|spans| (70..=100).contains(spans)), "{spans:?}");
    assert_eq!(kept.len() as u64 + told.over_budget, 1_500);
    // Once it is known how many are drawn, the budget lasts for the whole second.
    assert!(numbers(&kept).iter().any(|n| (900..1_000).contains(n)));
    let kept: BTreeSet<_> = numbers(&kept).into_iter().collect();
    for (n, sampled) in (0..).zip(sampled) {
        assert_eq!(sampled, kept.contains(&n), "{n}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_second_has_more_spans_than_the_threads_part(
        budget in 0..400_u32,
        weights in proptest::collection::vec(0..4_u32, 1..4),
        threads in 1..4_u32,
        requests in 1..20_usize,
        tail: bool,
    ) {
        prop_assume!(weights[0] > 0);
        let sampling = if tail { slower_than(0).sampling } else { ratio(0.7).sampling };
        let options = TraceOptions { spans_per_second: budget, ..options(sampling) };
        let sum: u32 = weights.iter().sum();
        let share = Share { revision: 0, weights: weights.clone(), index: 0 };
        let part = Part { revision: Revision::first(share), threads, ..Part::default() };
        let traced = Traced::of(plan(rate(300, 3), vec![GET; requests]), options, NO_LOG, part);
        let traced = traced.answering(|nth| (0, if nth % 3 == 0 { RESET } else { Outcome::Succeeded }));
        let traced = traced.run_to(9_000);
        let (start, started) = (traced.bench.start, traced.bench.tally().starts.len() as u64);
        let (kept, told) = traced.finish();
        let largest = 1 + requests.min(MOST_REQUESTS) as u64;
        let least = if tail { 2 * largest } else { largest };
        let part = u64::from(budget) * u64::from(weights[0]) / u64::from(sum * threads);
        let most = if budget == 0 { 0 } else { part.max(least) };
        for spans in spans_by_second(&kept, start, if tail { AT_THE_END } else { AT_THE_START }) {
            prop_assert!(spans <= most, "{spans} of {most}");
        }
        prop_assert!(kept.is_empty() == (budget == 0));
        prop_assert!(kept.len() as u64 + told.over_budget <= started);
    }
}

#[test]
fn a_revision_changes_the_part_of_the_budget() {
    let options = TraceOptions { spans_per_second: 100, ..ratio(1.0) };
    let revision = |number, effective, weights: [u32; 2]| Revision {
        effective: Nanos::from_secs(effective),
        share: Share { revision: number, weights: weights.to_vec(), index: 0 },
        amendments: Vec::new(),
    };
    let part = Part { revision: revision(0, 0, [1, 1]), ..Part::default() };
    let traced = Traced::of(plan(rate(1_000, 6), vec![GET]), options, NO_LOG, part);
    let mut traced = traced.prompt(Outcome::Succeeded);
    traced.bench.run_to(500);
    traced.bench.revise(revision(1, 2, [3, 1]));
    traced.bench.revise(revision(2, 4, [0, 1]));
    traced.bench.revise(revision(3, 5, [1, 0]));
    let traced = traced.run_to(9_000);
    let start = traced.bench.start;
    let (kept, _) = traced.finish();
    let spans = spans_by_second(&kept, start, AT_THE_START);
    for (spans, part) in spans.into_iter().zip([50, 50, 75, 75, 0, 100]) {
        assert!(spans <= part && spans >= part * 7 / 10, "{spans} of {part}");
    }
}
