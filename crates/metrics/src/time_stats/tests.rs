use hdrhistogram::serialization::Deserializer;
use proptest::prelude::*;

use super::*;

fn stats(shape: Shape, exact: &[u64], censored: &[u64]) -> TimeStats {
    let mut stats = TimeStats::new(shape);
    for (ending, values) in [(Ending::Failed, exact), (Ending::Censored, censored)] {
        let mut histogram = Histogram::new(shape);
        for value in values {
            histogram.record(Nanos::new(*value));
        }
        stats.merge(ending, &histogram);
    }
    stats
}

/// The value of rank ⌈q·n⌉ of a sorted list, with the quantile in thousandths so that the rank is exact.
fn ranked(sorted: &[u64], thousandths: usize) -> Option<u64> {
    let rank = (thousandths * sorted.len()).div_ceil(1_000).max(1);
    sorted.get(rank - 1).copied()
}

const MS: u64 = 1_000_000;

#[test]
fn without_times_there_are_no_statistics() {
    let empty = stats(Shape::FINE, &[], &[]);
    assert_eq!((empty.min(), empty.mean(), empty.max(), empty.quantile(0.5)), (None, None, None, None));
}

#[test]
fn a_quantile_below_all_censored_times_is_exact_and_one_among_them_is_not() {
    let exact: Vec<u64> = (1..=90).map(|n| n * MS).collect();
    let stats = stats(Shape::FINE, &exact, &[1_000 * MS; 10]);
    assert_eq!((stats.count(), stats.censored()), (100, 10));
    assert!(!stats.quantile(0.5).unwrap().is_lower_bound());
    assert!(!stats.quantile(0.9).unwrap().is_lower_bound());
    let among = stats.quantile(0.91).unwrap();
    assert_eq!(among, Estimate { value: Nanos::from_secs(1), at_most: None });
    assert_eq!(among.to_string(), "≥1s");
    assert_eq!(stats.max().unwrap().to_string(), "≥1s");
    assert!(stats.mean().unwrap().is_lower_bound());
    assert_eq!(stats.min(), Some(Estimate::exact(Nanos::from_millis(1))));
}

#[test]
fn a_time_cancelled_young_leaves_higher_quantiles_uncertain_by_its_rank() {
    let exact: Vec<u64> = (1..=99).map(|n| n * MS).collect();
    let stats = stats(Shape::FINE, &exact, &[1]);
    let median = stats.quantile(0.5).unwrap();
    assert_eq!(median.value, Nanos::new(Shape::FINE.highest_of(Shape::FINE.index_of(49 * MS))));
    assert_eq!(median.at_most, Some(Nanos::new(Shape::FINE.highest_of(Shape::FINE.index_of(50 * MS)))));
    assert_eq!(stats.quantile(1.0).unwrap().at_most, None);
    let lowest = Estimate { value: Nanos::new(1), at_most: Some(Nanos::from_millis(1)) };
    assert_eq!(stats.min(), Some(lowest));
}

#[test]
fn a_censored_time_that_cannot_move_a_quantile_out_of_its_bucket_leaves_it_exact() {
    let stats = stats(Shape::FINE, &[5 * MS; 1_000], &[1]);
    assert_eq!(stats.quantile(0.5), Some(Estimate::exact(Nanos::from_millis(5))));
}

#[test]
fn times_above_the_limit_show_their_exact_maximum() {
    let stats = stats(Shape::COARSE, &[Shape::LIMIT * 3], &[]);
    assert_eq!(stats.quantile(0.5), Some(Estimate::exact(Nanos::new(Shape::LIMIT * 3))));
    assert_eq!(stats.moments().overflow, 1);
}

#[test]
fn the_interchange_encoding_reads_back() {
    use base64::Engine as _;
    let stats = stats(Shape::FINE, &[5 * MS, 70 * MS], &[900 * MS]);
    let bytes = base64::engine::general_purpose::STANDARD.decode(stats.to_base64()).unwrap();
    let read: hdrhistogram::Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
    assert_eq!(read, stats.to_hdr());
    assert_eq!(read.len(), 3);
}

proptest! {
    #[test]
    fn quantiles_are_those_of_the_sorted_values_within_one_bucket(
        mut values in prop::collection::vec(0_u64..100_000_000_000, 1..300),
        thousandths in 0_usize..=1_000,
    ) {
        for shape in [Shape::FINE, Shape::COARSE] {
            let stats = stats(shape, &values, &[]);
            let estimate = stats.quantile(thousandths as f64 / 1e3).unwrap();
            values.sort_unstable();
            let truth = ranked(&values, thousandths).unwrap();
            prop_assert!(!estimate.is_lower_bound());
            prop_assert_eq!(shape.index_of(estimate.value.as_u64()), shape.index_of(truth));
            prop_assert!(estimate.value.as_u64() >= truth);
            prop_assert!(estimate.value.as_u64() <= *values.last().unwrap());
        }
    }

    #[test]
    fn whatever_censored_times_would_have_become_a_quantile_stays_within_its_bounds(
        exact in prop::collection::vec(0_u64..10_000_000, 0..60),
        censored in prop::collection::vec((0_u64..10_000_000, 0_u64..20_000_000), 0..20),
        thousandths in 0_usize..=1_000,
    ) {
        prop_assume!(exact.len() + censored.len() > 0);
        let ages: Vec<u64> = censored.iter().map(|(age, _)| *age).collect();
        let shape = Shape::FINE;
        let estimate = stats(shape, &exact, &ages).quantile(thousandths as f64 / 1e3).unwrap();
        let mut become_true: Vec<u64> =
            exact.iter().copied().chain(censored.iter().map(|(age, more)| age + more)).collect();
        become_true.sort_unstable();
        let truth = shape.index_of(ranked(&become_true, thousandths).unwrap());
        prop_assert!(truth >= shape.index_of(estimate.value.as_u64()));
        if let Some(at_most) = estimate.at_most {
            prop_assert!(at_most >= estimate.value);
            prop_assert!(truth <= shape.index_of(at_most.as_u64()));
        }
        if ages.is_empty() {
            prop_assert!(!estimate.is_lower_bound());
        }
    }
}
