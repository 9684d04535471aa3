use metrics::{Outcomes, StepTime, Totals};

use super::*;
use crate::board::fixture::{Request, layout, recorded};

#[test]
fn native_and_classic_buckets_hold_the_same_values() {
    let layout = layout(1, 1, 0);
    let mut totals = Totals::new(&layout);
    let times = [10, 1_000_000_000, 1_000_000_000, 61_000_000_000];
    let requests = times.map(|time| Request { step: 0, wait: 0, time, outcome: metrics::Outcome::Succeeded });
    totals.add(&recorded(&layout, 0, 0, &requests)).unwrap();
    let times = Times::of(totals.step_histograms(StepTime::ServiceTime, 0, Outcomes::Both));
    let buckets = buckets(times, &[], 5);
    assert_eq!((buckets.count, buckets.sum, buckets.since_unix_nanos), (4, 63.000_000_01, 5));
    let at = |bound: f64| buckets.classic.iter().find(|bucket| bucket.at_most == bound).unwrap().count;
    // Our own bucket of 1 s ends above it.
    assert_eq!((at(0.0001), at(0.75), at(1.0), at(2.5), at(60.0)), (1, 1, 1, 3, 3));
    let native = buckets.native.unwrap();
    assert_eq!((native.schema, native.zero_count), (5, 0));
    // 63 ns, the end of our first bucket: 2^(-765/32) to 2^(-764/32).
    assert_eq!(native.positive, [(-765, 1), (1, 2), (190, 1)]);
}

#[test]
fn bounds_rise_and_have_those_that_opentelemetry_advises() {
    assert!(classic::BOUNDS.is_sorted_by(|left, right| left < right));
    for bound in [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0] {
        assert!(classic::BOUNDS.contains(&bound), "{bound}");
    }
}
