//! The series of a run on a page.

pub(crate) mod classic;

use net::probe::{self, Buckets, ClassicBucket, Native, Page};

use crate::board::{Exemplar, Run, Series, Value};
use crate::exponential::{SCALE, ZERO_THRESHOLD};
use crate::times::Times;

/// Adds the numbers of a run to a page.
pub(crate) fn show(run: &Run, page: &mut Page) {
    let run_id = run.labels().run_id.to_string();
    for Series { instrument, labels, value } in run.series() {
        let mut all = vec![("run_id", run_id.as_str()), ("worker", run.labels().worker.as_str())];
        all.extend(labels.iter().map(|(name, value)| (*name, value.as_str())));
        let mut family = page.family(instrument);
        match value {
            Value::Level(value) | Value::Amount(value) => family.sample(&all, value),
            Value::Count(count) => family.sample(&all, count as f64),
            Value::Times(times, exemplars) => {
                family.histogram(&all, buckets(*times, &exemplars, run.opened_at()))
            }
        };
    }
}

/// Times in both kinds of buckets.
fn buckets(times: Times, exemplars: &[Exemplar], since_unix_nanos: u64) -> Buckets {
    let mut examples: [Option<probe::Exemplar>; classic::BUCKETS] = [const { None }; classic::BUCKETS];
    for exemplar in exemplars {
        examples[classic::bucket_of(exemplar.value)] = Some(probe::Exemplar {
            labels: vec![
                ("trace_id", exemplar.context.trace.to_string()),
                ("span_id", exemplar.context.span.to_string()),
            ],
            value: exemplar.value.as_secs_f64(),
            at_unix_nanos: exemplar.at_unix_nanos,
        });
    }
    let mut examples = examples.into_iter();
    let mut sum = 0;
    let classic = classic::BOUNDS.iter().zip(times.classic).zip(&mut examples);
    let classic: Vec<_> = classic
        .map(|((at_most, count), exemplar)| {
            sum += count;
            ClassicBucket { at_most: *at_most, count: sum, exemplar }
        })
        .collect();
    Buckets {
        count: times.moments.count,
        sum: times.sum(),
        classic,
        last_exemplar: examples.next().flatten(),
        native: Some(Native {
            schema: SCALE,
            zero_threshold: ZERO_THRESHOLD,
            zero_count: times.exponential.zero_count,
            // There a bucket is numbered by its upper end.
            positive: times
                .exponential
                .buckets
                .into_iter()
                .map(|(index, count)| (index + 1, count))
                .collect(),
        }),
        since_unix_nanos,
    }
}

#[cfg(test)]
mod tests;
