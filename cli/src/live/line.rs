//! Progress as plain lines, for logs of builds.

use controller::LiveView;
use report::figures::{count, span_us};

use super::{pace, phase, time};

/// Writes `view` as one line.
pub(super) fn line(view: &LiveView) -> String {
    let whole = view.elapsed.saturating_add(view.remaining);
    let mut line = format!(
        "{} {} of {}: {}, {} requests, {} errors",
        phase(view),
        span_us(view.elapsed.as_micros_f64()),
        span_us(whole.as_micros_f64()),
        pace(view),
        count(view.requests),
        count(view.errors)
    );
    if let Some(times) = &view.response_time {
        line.push_str(&format!(", p50 {}, p99 {}", time(times.p50), time(times.p99)));
    }
    line.push_str(&format!(", {} users", count(view.vus)));
    if view.workers > 1 {
        line.push_str(&format!(", {} workers", view.workers));
    }
    for (name, n) in [("queued", view.queued), ("dropped", view.dropped), ("unsent", view.unsent)] {
        if n > 0 {
            line.push_str(&format!(", {} {name}", count(n)));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::sample::view;
    use super::*;

    #[test]
    fn a_line_says_where_the_run_stands() {
        assert_eq!(
            line(&view()),
            "running 12.0s of 30.0s: 198 of 200/s, 4,751 requests, 2 errors, p50 1.02ms, p99 ≥4.08ms, 7 users"
        );
    }
}
