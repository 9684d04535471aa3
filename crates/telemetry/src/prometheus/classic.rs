//! Buckets with explicit bounds: 100 µs to 60 s, those that OpenTelemetry advises among them.
//!
//! All values of one of our buckets count where its upper end belongs: a value counts at most 0.1 % (or 64 ns) above what
//! it is in response and service times, 1 % in the others.

use metrics::Histogram;
use units::Nanos;

/// The upper ends, which belong to their buckets, in seconds.
pub(crate) const BOUNDS: [f64; 24] = [
    0.000_1, 0.000_25, 0.000_5, 0.000_75, 0.001, 0.002_5, 0.005, 0.007_5, 0.01, 0.025, 0.05, 0.075, 0.1,
    0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0,
];
/// Buckets, the one without an upper end included.
pub(crate) const BUCKETS: usize = BOUNDS.len() + 1;

/// The bucket of a time.
pub(crate) fn bucket_of(time: Nanos) -> usize {
    BOUNDS.partition_point(|bound| nanos(*bound) < time.as_u64())
}

/// How many times are in each bucket.
pub(crate) fn counts(times: &Histogram) -> [u64; BUCKETS] {
    let mut counts = [0; BUCKETS];
    let (mut place, mut end) = (0, nanos(BOUNDS[0]));
    // Both kinds of buckets rise.
    for (bucket, count) in times.counts() {
        let highest = times.shape().highest_of(bucket);
        while highest > end {
            place += 1;
            end = BOUNDS.get(place).map_or(u64::MAX, |bound| nanos(*bound));
        }
        counts[place] += count;
    }
    counts
}

/// The bound as times are kept; all of them are whole microseconds.
fn nanos(bound: f64) -> u64 {
    (bound * 1e9).round() as u64
}
