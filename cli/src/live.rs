//! What a run shows while it runs: a bar on a terminal, a line every few seconds otherwise, nothing when quiet.

mod bar;
mod line;

use controller::{LivePhase, LiveTimes, LiveView};
use report::Palette;
use report::figures::span_us;
use units::{Nanos, Ratio};

use crate::console::Console;

/// Shows a run while it runs.
pub(crate) struct Live {
    console: Console,
    form: Form,
    /// When the next line is due; at the start there is nothing to say.
    next: Nanos,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Nothing,
    Bar,
    Lines,
    Log,
}

impl Live {
    /// Shows runs on `console`, or not at all when `quiet`.
    pub(crate) fn new(console: Console, quiet: bool) -> Self {
        let form = match console.look() {
            _ if quiet => Form::Nothing,
            look if look.json => Form::Log,
            look if look.terminal => Form::Bar,
            _ => Form::Lines,
        };
        Self { console, form, next: Nanos::SECOND }
    }

    /// Shows a run as it is now.
    pub(crate) fn show(&mut self, view: &LiveView) {
        match self.form {
            Form::Nothing => {}
            Form::Bar => {
                let palette = Palette::new(self.console.look().color);
                self.console.status(&bar::bar(view, self.console.columns(), palette));
            }
            Form::Lines | Form::Log => {
                if view.elapsed < self.next {
                    return;
                }
                self.next = view.elapsed.saturating_add(LINE_EVERY);
                if self.form == Form::Log {
                    log(view)
                } else {
                    self.console.print(&format!("{}\n", line::line(view)))
                }
            }
        }
    }

    /// Takes away what was shown.
    pub(crate) fn end(&self) {
        self.console.status("");
    }
}

fn log(view: &LiveView) {
    let us = |of: fn(&LiveTimes) -> metrics::Estimate| {
        view.response_time.as_ref().map(|times| of(times).value.as_micros_f64())
    };
    tracing::info!(
        elapsed_s = view.elapsed.as_secs_f64(),
        remaining_s = view.remaining.as_secs_f64(),
        planned_per_s = view.planned_rate,
        iterations_per_s = view.iterations_per_s,
        requests_per_s = view.requests_per_s,
        vus = view.vus,
        workers = view.workers,
        requests = view.requests,
        errors = view.errors,
        dropped = view.dropped,
        unsent = view.unsent,
        response_time_us_p50 = us(|times| times.p50),
        response_time_us_p99 = us(|times| times.p99),
        "progress"
    );
}

/// What a controller elsewhere tells of a run, as one in this process would.
pub(crate) fn view_of(look: &api::http::Live, paused: bool) -> LiveView {
    let us = |us: f64| Nanos::new((us.max(0.0) * 1e3).round() as u64);
    let time = |time: api::http::LiveTime| match time.at_least {
        true => metrics::Estimate { value: us(time.value), at_most: None },
        false => metrics::Estimate::exact(us(time.value)),
    };
    LiveView {
        phase: if look.running { LivePhase::Running } else { LivePhase::Ending },
        elapsed: Nanos::from_millis(look.elapsed_ms),
        remaining: Nanos::from_millis(look.remaining_ms),
        progress: Ratio::new(look.progress),
        warming_up: look.warming_up,
        planned_rate: look.planned_per_s,
        iterations_per_s: look.iterations_per_s,
        requests_per_s: look.requests_per_s,
        vus: look.vus,
        in_flight: look.in_flight,
        queued: look.queued,
        requests: look.requests,
        errors: look.errors,
        dropped: look.dropped,
        unsent: look.unsent,
        paused,
        workers: look.workers,
        response_time: look.response_time.map(|times| LiveTimes {
            p50: time(times.p50_us),
            p95: time(times.p95_us),
            p99: time(times.p99_us),
        }),
    }
}

/// What the run is doing, in a word.
fn phase(view: &LiveView) -> &'static str {
    match view.phase {
        LivePhase::Ending => "ending",
        LivePhase::Running if view.paused => "paused",
        LivePhase::Running if view.warming_up => "warm-up",
        LivePhase::Running => "running",
    }
}

/// `198 of 200/s` in open models, `198/s` in closed ones and when no more is planned.
fn pace(view: &LiveView) -> String {
    let actual = report::figures::count(view.iterations_per_s);
    match view.planned_rate.filter(|_| view.phase == LivePhase::Running) {
        Some(planned) if planned >= 10.0 => {
            format!("{actual} of {}/s", report::figures::count(planned.round() as u64))
        }
        Some(planned) => format!("{actual} of {planned:.1}/s"),
        None => format!("{actual}/s"),
    }
}

/// A time with `≥` before a lower bound.
fn time(estimate: metrics::Estimate) -> String {
    let sign = if estimate.is_lower_bound() { "≥" } else { "" };
    format!("{sign}{}", span_us(estimate.value.as_micros_f64()))
}

/// Often enough to see that it goes on, seldom enough for a log of a build.
const LINE_EVERY: Nanos = Nanos::from_secs(5);

#[cfg(test)]
mod sample {
    use metrics::Estimate;
    use units::Ratio;

    use super::*;

    pub(super) fn view() -> LiveView {
        LiveView {
            phase: LivePhase::Running,
            elapsed: Nanos::from_secs(12),
            remaining: Nanos::from_secs(18),
            progress: Ratio::new(0.4),
            warming_up: false,
            planned_rate: Some(200.0),
            iterations_per_s: 198,
            requests_per_s: 396,
            vus: 7,
            in_flight: 3,
            queued: 0,
            requests: 4_751,
            errors: 2,
            dropped: 0,
            unsent: 0,
            paused: false,
            workers: 1,
            response_time: Some(LiveTimes {
                p50: Estimate::exact(Nanos::from_micros(1_020)),
                p95: Estimate::exact(Nanos::from_micros(2_000)),
                p99: Estimate { value: Nanos::from_micros(4_080), at_most: None },
            }),
        }
    }
}
