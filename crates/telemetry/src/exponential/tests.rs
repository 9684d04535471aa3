use metrics::{Outcomes, StepTime, Totals};
use proptest::prelude::*;

use super::*;
use crate::board::fixture::{layout, recorded, requests};
use crate::prometheus::classic;
use crate::times::Times;

/// The bounds of the bucket that holds the value of rank ⌈quantile · count⌉: whatever is taken for the quantile by who has
/// only the buckets lies between them.
fn quantile(form: &Exponential, quantile: f64) -> (f64, f64) {
    let count = form.zero_count + form.buckets.iter().map(|(_, count)| count).sum::<u64>();
    let rank = (quantile * count as f64).ceil().max(1.0) as u64;
    let mut seen = form.zero_count;
    if rank <= seen {
        return (0.0, ZERO_THRESHOLD);
    }
    for (index, count) in &form.buckets {
        seen += count;
        if rank <= seen {
            let bound = |index: i32| 2_f64.powf(f64::from(index) / 32.0);
            return (bound(*index), bound(index + 1));
        }
    }
    panic!("rank {rank} of {count}");
}

#[test]
fn a_value_on_a_bound_is_in_the_bucket_below_it() {
    for (seconds, index) in [(1.0, -1), (2.0, 31), (0.5, -33), (1.000_001, 0), (1.999_999, 31), (4.0, 63)] {
        assert_eq!(index_of(seconds), index, "{seconds}");
    }
}

proptest! {
    #[test]
    fn quantiles_are_within_the_stated_error(requests in requests(1)) {
        let layout = layout(1, 1, 0);
        let mut totals = Totals::new(&layout);
        totals.add(&recorded(&layout, 0, 0, &requests)).unwrap();
        for (time, width) in [(StepTime::ResponseTime, 0.001), (StepTime::QueueWait, 0.01)] {
            let stats = totals.all_step_times(time, Outcomes::Both);
            let times = Times::of(totals.step_histograms(time, 0, Outcomes::Both));
            let form = times.exponential;
            let count = form.zero_count + form.buckets.iter().map(|(_, count)| count).sum::<u64>();
            prop_assert_eq!(count, stats.count());
            prop_assert!(form.buckets.is_sorted_by(|left, right| left.0 < right.0));
            if stats.count() == 0 || stats.moments().overflow > 0 {
                continue;
            }
            for q in [0.0, 0.01, 0.5, 0.9, 0.99, 1.0] {
                let value = stats.quantile(q).unwrap().value.as_secs_f64();
                let (low, high) = quantile(&form, q);
                let room = value * (width + 0.022) + 64e-9;
                prop_assert!(value - low <= room && high - value <= room, "{} in {}..{}, q {}", value, low, high, q);
            }
        }
    }

    #[test]
    fn classic_buckets_count_what_is_at_most_their_bound(requests in requests(1)) {
        let layout = layout(1, 1, 0);
        let mut totals = Totals::new(&layout);
        totals.add(&recorded(&layout, 0, 0, &requests)).unwrap();
        let counts = Times::of(totals.step_histograms(StepTime::ServiceTime, 0, Outcomes::Both)).classic;
        prop_assert_eq!(counts.iter().sum::<u64>(), requests.len() as u64);
        let mut counted = 0;
        for (bound, count) in classic::BOUNDS.iter().zip(counts) {
            counted += count;
            let at_most = |bound: f64| requests.iter().filter(|request| request.time as f64 <= bound * 1e9).count() as u64;
            // Off by no more than the width of our own buckets, and only downwards.
            let surely = requests.iter().filter(|request| request.time as f64 * 1.001 + 64.0 <= bound * 1e9).count() as u64;
            prop_assert!((surely..=at_most(*bound)).contains(&counted), "{} at most {} s", counted, bound);
        }
    }
}
