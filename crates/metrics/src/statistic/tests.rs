use proptest::prelude::*;

use super::*;
use crate::StepTime;

const TIME: Metric = Metric::StepTime(StepTime::ResponseTime);

#[track_caller]
fn read(text: &str, metric: Metric, statistic: Statistic, operator: Operator, bound: Bound) {
    assert_eq!(Condition::parse(text, metric), Ok(Condition { statistic, operator, bound }), "{text}");
}

/// `marked` has the text at fault between `[` and `]`.
#[track_caller]
fn refused(metric: Metric, marked: &str, message: &str) {
    let (before, rest) = marked.split_once('[').unwrap();
    let (fault, after) = rest.split_once(']').unwrap();
    let error = Condition::parse(&format!("{before}{fault}{after}"), metric).unwrap_err();
    assert_eq!(error.to_string(), message);
    assert_eq!(error.at, before.len()..before.len() + fault.len(), "{marked}");
}

#[test]
fn conditions_read_as_in_k6_with_units() {
    let ms = |n| Bound::Time(Nanos::from_millis(n));
    read("p(99) < 200ms", TIME, Statistic::Percentile(99.0), Operator::Below, ms(200));
    read("p(99.9)<=1s", TIME, Statistic::Percentile(99.9), Operator::AtMost, ms(1_000));
    read(" avg>1.5ms ", TIME, Statistic::Average, Operator::Above, Bound::Time(Nanos::from_micros(1_500)));
    read("min >= 1ms", TIME, Statistic::Minimum, Operator::AtLeast, ms(1));
    read("med == 1ms", TIME, Statistic::Median, Operator::Equal, ms(1));
    read("max != 1m", TIME, Statistic::Maximum, Operator::Unequal, ms(60_000));
    read("count > 100", TIME, Statistic::Count, Operator::Above, Bound::Count(100.0));
    read("rate < 0.1%", Metric::Failed, Statistic::Rate, Operator::Below, Bound::Share(Ratio::new(0.001)));
    read("rate<0.001", Metric::Failed, Statistic::Rate, Operator::Below, Bound::Share(Ratio::new(0.001)));
    read("count == 0", Metric::Checks, Statistic::Count, Operator::Equal, Bound::Count(0.0));
    read("rate > 90/m", Metric::Iterations, Statistic::Rate, Operator::Above, Bound::PerSecond(1.5));
    read(
        "count < 10MB",
        Metric::DataSent,
        Statistic::Count,
        Operator::Below,
        Bound::Bytes(Bytes::new(10_000_000)),
    );
    let per_second = Bound::BytesPerSecond(Bytes::from_kib(1_536));
    read("rate < 1.5MiB/s", Metric::DataReceived, Statistic::Rate, Operator::Below, per_second);
    read("max < 100", Metric::Users, Statistic::Maximum, Operator::Below, Bound::Count(100.0));
}

#[test]
fn numbers_that_need_a_unit_are_errors_that_suggest_one() {
    refused(TIME, "p(99) < [200]", "`200` has no unit; write `200s` for seconds or `200ms` for milliseconds");
    refused(Metric::Requests, "rate > [100]", "`100` has no unit; write `100/s` for so many per second");
    refused(
        Metric::DataSent,
        "count > [100]",
        "`100` has no unit; write `100B` for bytes, or kB, MB, GB, KiB, MiB, GiB",
    );
    refused(Metric::Failed, "rate < [5]", "`5` is more than the whole; did you mean `5%`?");
}

#[test]
fn wrong_conditions_say_where_and_how_to_mend_them() {
    refused(TIME, "p(99) 200ms[]", "an operator is missing; write for example `p(99) < 200ms`");
    refused(
        TIME,
        "p(99) [=<] 2s",
        "`=<` is not an operator; did you mean `<=`?; there are `<`, `<=`, `>`, `>=`, `==` and `!=`",
    );
    refused(TIME, "[p99] < 2s", "`p99` is not a statistic; did you mean `p(99)`?");
    refused(TIME, "[mean] < 2s", "`mean` is not a statistic; did you mean `avg`?");
    refused(
        TIME,
        "[rate] < 2s",
        "`response_time` has no `rate`; it has `avg`, `min`, `med`, `max`, `p(99)` and `count`",
    );
    refused(Metric::Failed, "[p(99)] < 1%", "`failed` has no `p(99)`; it has `rate` and `count`");
    refused(Metric::Dropped, "[stddev] < 1", "`stddev` is not a statistic; `dropped` has `rate` and `count`");
    refused(
        TIME,
        "p([101]) < 2s",
        "`101` is not a percentile; write a number from 0 to 100, for example `p(99.9)`",
    );
    refused(
        TIME,
        "p([9x]) < 2s",
        "`9x` is not a percentile; write a number from 0 to 100, for example `p(99.9)`",
    );
    refused(TIME, "p(99) <[]", "a bound is missing; write for example `p(99) < 200ms`");
    refused(TIME, "p(99) < [-1s]", "`-1s` is negative; a duration is 0 or more");
    refused(Metric::Failed, "rate < [101%]", "`101%` is not a share; write for example `0.1%` or `0.001`");
    refused(Metric::Failed, "rate < [few]", "`few` is not a share; write for example `0.1%` or `0.001`");
    refused(Metric::Iterations, "count > [1e3]", "`1e3` is not a number");
    refused(Metric::DataSent, "rate > [10MB]", "`10MB` is not an amount of data; write for example `10MB/s`");
    refused(Metric::DataSent, "count > [10m]", "`10m` is not an amount of data; write for example `10MB`");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_at_a_place_in_it(text in "[ -~äµ≥]{0,24}") {
        for metric in Metric::all() {
            if let Err(error) = Condition::parse(&text, metric) {
                prop_assert!(text.get(error.at).is_some());
            }
        }
    }

    #[test]
    fn statistics_print_as_they_read(percent in 0.0_f64..=100.0) {
        let statistic = Statistic::Percentile((percent * 1e3).round() / 1e3);
        let text = format!("{statistic} {} 1s", Operator::AtLeast);
        prop_assert_eq!(Condition::parse(&text, TIME).map(|condition| condition.statistic), Ok(statistic));
    }
}
