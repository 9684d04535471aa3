//! How far a quantile that was taken from exported buckets may be from the result's.
//!
//! Both are taken by rank, and all values of one of our buckets are exported where its upper end belongs. So both lie in the
//! same exported bucket: the error is its width, and that of our own bucket. That is exact as long as the rank is no whole
//! number: Prometheus counts from above for a quantile of one half and more, and then takes the next value. So the
//! tests have counts that no ten divides, and leave the median out where an even count has two.

use api::result::{Percentile, TimeSummary};

/// The quantiles that are compared, as Prometheus and the result name them.
pub(crate) const COMPARED: [(f64, Percentile); 4] =
    [(0.5, Percentile::P50), (0.9, Percentile::P90), (0.95, Percentile::P95), (0.99, Percentile::P99)];

/// The growth of exponential buckets of scale 5: 2.2 %.
pub(crate) const EXPONENTIAL: f64 = 1.021_897_148_654_116_7;
/// Three significant digits, and the arithmetic.
const OURS: f64 = 1.002;

/// Bounds of the classic buckets, in seconds; docs/metrics.md names them.
const CLASSIC: [f64; 24] = [
    0.000_1, 0.000_25, 0.000_5, 0.000_75, 0.001, 0.002_5, 0.005, 0.007_5, 0.01, 0.025, 0.05, 0.075, 0.1,
    0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0,
];

/// Holds a quantile from exponential buckets, in seconds.
#[track_caller]
pub(crate) fn hold_exponential(seconds: f64, summary: &TimeSummary, percentile: Percentile) {
    let wanted = summary.value(percentile) / 1e6;
    let factor = (seconds / wanted).max(wanted / seconds);
    let most = EXPONENTIAL * OURS;
    assert!(
        factor <= most,
        "{}: {seconds} s for {wanted} s is off by a factor of {factor}",
        percentile.name()
    );
}

/// Holds a quantile from classic buckets, in seconds.
#[track_caller]
pub(crate) fn hold_classic(seconds: f64, summary: &TimeSummary, percentile: Percentile) {
    let wanted = summary.value(percentile) / 1e6;
    let bucket = |value: f64| CLASSIC.partition_point(|bound| *bound < value);
    // A value at a bound may be told a little beyond it.
    let buckets = bucket(wanted / OURS)..=bucket(wanted * OURS);
    assert!(
        buckets.contains(&bucket(seconds)) || buckets.contains(&bucket(seconds * OURS)),
        "{}: {seconds} s is not in the bucket of {wanted} s",
        percentile.name()
    );
}

/// The quantile of exponential buckets of scale 5 that were added up, as (index, count): the upper end of the bucket that
/// holds its rank.
#[track_caller]
pub(crate) fn of_buckets(buckets: &[(i32, u64)], zeroes: u64, quantile: f64) -> f64 {
    let count = zeroes + buckets.iter().map(|(_, count)| count).sum::<u64>();
    let rank = (quantile * count as f64).ceil() as u64;
    let mut seen = zeroes;
    if seen >= rank {
        return 0.0;
    }
    for (index, count) in buckets {
        seen += count;
        if seen >= rank {
            return EXPONENTIAL.powi(index + 1);
        }
    }
    panic!("{seen} values have no rank {rank}");
}

#[test]
fn a_quantile_is_the_upper_end_of_the_bucket_with_its_rank() {
    let buckets = [(-32, 9), (0, 1)];
    assert!((of_buckets(&buckets, 0, 0.9) - 0.5 * EXPONENTIAL).abs() < 1e-9);
    assert!((of_buckets(&buckets, 0, 0.91) - EXPONENTIAL).abs() < 1e-9);
    assert_eq!(of_buckets(&buckets, 10, 0.5), 0.0);
}
