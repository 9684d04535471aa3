//! Times: statistics as summaries, and as histograms.

use api::result::{
    ByOutcome, EncodedHistogram, Histogram, HistogramOf, Metric, OutcomeFilter, Percentile, PhaseTimes,
    TimeSummary,
};
use metrics::{Moments, Outcomes, ScenarioTime, Shape, StepTime, TimeStats, Totals};

/// The summary of times; `None` without any.
pub(super) fn summary(stats: &TimeStats) -> Option<TimeSummary> {
    let min = stats.min()?.value.as_micros_f64();
    let moments = stats.moments();
    let mut at_least = Vec::new();
    let mut value = |percentile: Percentile| {
        let estimate = match percentile {
            Percentile::Max => stats.max(),
            other => stats.quantile(other.quantile()),
        }?;
        if estimate.is_lower_bound() {
            at_least.push(percentile);
        }
        Some(estimate.value.as_micros_f64())
    };
    Some(TimeSummary {
        count: stats.count(),
        censored: stats.censored(),
        min,
        avg: moments.sum as f64 / moments.count as f64 / NANOS_PER_MICRO,
        p50: value(Percentile::P50)?,
        p90: value(Percentile::P90)?,
        p95: value(Percentile::P95)?,
        p99: value(Percentile::P99)?,
        p99_9: value(Percentile::P999)?,
        max: value(Percentile::Max)?,
        sum: moments.sum as f64 / NANOS_PER_MICRO,
        at_least,
    })
}

const NANOS_PER_MICRO: f64 = 1e3;

/// A time of steps, by outcome.
pub(super) fn of_steps(totals: &Totals, time: StepTime, steps: &[usize]) -> ByOutcome {
    by_outcome(|outcomes| totals.step_times(time, steps.iter().copied(), outcomes))
}

/// A time of one scenario's iterations, by outcome.
pub(super) fn of_scenario(totals: &Totals, time: ScenarioTime, scenario: usize) -> ByOutcome {
    by_outcome(|outcomes| totals.scenario_times(time, [scenario], outcomes))
}

fn by_outcome(times: impl Fn(Outcomes) -> TimeStats) -> ByOutcome {
    ByOutcome {
        all: summary(&times(Outcomes::Both)),
        succeeded: summary(&times(Outcomes::Succeeded)),
        failed: summary(&times(Outcomes::Failed)),
    }
}

/// The phases of the requests of steps.
pub(super) fn phases(totals: &Totals, steps: &[usize]) -> PhaseTimes {
    let of = |time| summary(&totals.step_times(time, steps.iter().copied(), Outcomes::Both));
    PhaseTimes {
        queue_wait_us: of(StepTime::QueueWait),
        dns_us: of(StepTime::Dns),
        connect_us: of(StepTime::Connect),
        tls_us: of(StepTime::Tls),
        first_byte_us: of(StepTime::FirstByte),
        receive_us: of(StepTime::Receive),
    }
}

/// Every series that holds a value, each once: of steps that share one, the first stands for all.
pub(super) fn histograms(totals: &Totals) -> Vec<Histogram> {
    let layout = totals.layout();
    let catalog = layout.catalog();
    let mut list = Vec::new();
    for (index, step) in
        catalog.steps.iter().enumerate().filter(|(index, _)| layout.step_slot(*index) == *index)
    {
        let scenario = &catalog.scenarios[step.scenario].name;
        for time in StepTime::ALL {
            for (outcome, outcomes) in views(time.is_split()) {
                let of = HistogramOf {
                    metric: step_metric(time),
                    scenario: scenario.clone(),
                    step: Some(step.name.clone()),
                    outcome: *outcome,
                };
                let stats = totals.step_times(time, [index], *outcomes);
                list.extend(histogram(of, time.shape(), &stats));
            }
        }
    }
    let scenarios = catalog.scenarios.iter().enumerate();
    for (index, scenario) in scenarios.filter(|(index, _)| layout.scenario_slot(*index) == *index) {
        for time in ScenarioTime::ALL {
            for (outcome, outcomes) in views(time.is_split()) {
                let of = HistogramOf {
                    metric: scenario_metric(time),
                    scenario: scenario.name.clone(),
                    step: None,
                    outcome: *outcome,
                };
                let stats = totals.scenario_times(time, [index], *outcomes);
                list.extend(histogram(of, time.shape(), &stats));
            }
        }
    }
    list
}

fn views(is_split: bool) -> &'static [(OutcomeFilter, Outcomes)] {
    if is_split {
        &[(OutcomeFilter::Succeeded, Outcomes::Succeeded), (OutcomeFilter::Failed, Outcomes::Failed)]
    } else {
        &[(OutcomeFilter::All, Outcomes::Both)]
    }
}

fn histogram(of: HistogramOf, shape: Shape, stats: &TimeStats) -> Option<Histogram> {
    let values = encoded(&stats.moments(), shape, || stats.to_base64())?;
    Some(Histogram { of, censored: stats.censored(), values })
}

/// The values of a histogram; `None` without any.
pub(super) fn encoded(
    moments: &Moments,
    shape: Shape,
    base64: impl FnOnce() -> String,
) -> Option<EncodedHistogram> {
    (moments.count > 0).then(|| EncodedHistogram {
        count: moments.count,
        sum_ns: u64::try_from(moments.sum).unwrap_or(u64::MAX),
        min_ns: moments.min,
        max_ns: moments.max,
        saturated: moments.overflow,
        significant_digits: shape.significant_digits(),
        hdr_v2_deflate_base64: base64(),
    })
}

const fn step_metric(time: StepTime) -> Metric {
    match time {
        StepTime::ResponseTime => Metric::ResponseTime,
        StepTime::ServiceTime => Metric::ServiceTime,
        StepTime::QueueWait => Metric::QueueWait,
        StepTime::FirstByte => Metric::FirstByte,
        StepTime::Receive => Metric::Receive,
        StepTime::Dns => Metric::Dns,
        StepTime::Connect => Metric::Connect,
        StepTime::Tls => Metric::Tls,
    }
}

const fn scenario_metric(time: ScenarioTime) -> Metric {
    match time {
        ScenarioTime::IterationResponseTime => Metric::IterationResponseTime,
        ScenarioTime::IterationDuration => Metric::IterationDuration,
        ScenarioTime::DispatchLag => Metric::DispatchLag,
        ScenarioTime::QueueWait => Metric::QueueWait,
    }
}
