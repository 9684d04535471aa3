//! The run over time.

use api::result::{Block, Interval, IntervalTimes, Timeline};
use metrics::{Quantiles, TimelineBlock, TimelineInterval};

use super::times::encoded;

pub(super) fn timeline(timeline: &metrics::Timeline) -> Timeline {
    Timeline {
        intervals: timeline.intervals().map(|interval| of(&interval)).collect(),
        blocks: timeline.blocks().map(|times| block(&times)).collect(),
    }
}

fn block(times: &TimelineBlock) -> Block {
    Block {
        first_second: times.first,
        last_second: times.last,
        response_time: encoded(times.response_time.moments(), times.response_time.shape(), || {
            times.response_time.to_base64()
        }),
        service_time: encoded(times.service_time.moments(), times.service_time.shape(), || {
            times.service_time.to_base64()
        }),
    }
}

fn of(interval: &TimelineInterval) -> Interval {
    let (counts, levels) = (&interval.counts, &interval.gauges);
    Interval {
        first_second: interval.first,
        last_second: interval.last,
        planned: counts.due,
        started: counts.started,
        ended: counts.iterations_succeeded + counts.iterations_failed + counts.iterations_cancelled,
        dropped: counts.dropped,
        unsent: counts.unsent,
        requests_attempted: counts.requests_attempted,
        requests_succeeded: counts.requests_succeeded,
        requests_failed: counts.requests_failed,
        requests_cancelled: counts.requests_cancelled,
        checks_failed: counts.checks_failed,
        warm_up_started: counts.warm_up_started,
        warm_up_requests: counts.warm_up_requests,
        vus: levels.users,
        iterations_in_flight: levels.iterations_in_flight,
        requests_in_flight: levels.requests_in_flight,
        queued: levels.queued,
        open_connections: levels.open_connections,
        sent_bytes: counts.sent_bytes,
        received_bytes: counts.received_bytes,
        response_time_us: interval.response_time.map(times),
        service_time_us: interval.service_time.map(times),
        dispatch_lag_us: interval.dispatch_lag.map(times),
    }
}

fn times(quantiles: Quantiles) -> IntervalTimes {
    IntervalTimes {
        count: quantiles.count,
        p50: quantiles.p50.as_micros_f64(),
        p90: quantiles.p90.as_micros_f64(),
        p99: quantiles.p99.as_micros_f64(),
        max: quantiles.max.as_micros_f64(),
    }
}
