//! What became of the run's telemetry, and where to look in it.

use api::result::{ResultFile, SinkResult, SlowRequest, TelemetryResult, TelemetrySignal};

use super::{Page, fit, wrap};
use crate::figures::{count, span_ms, span_us};

/// A row for each signal that was sent, with a row for each process that did not get all of it across.
pub(super) fn telemetry(page: &mut Page, result: &ResultFile) {
    let Some(telemetry) = &result.telemetry else { return };
    page.heading("TELEMETRY");
    if !telemetry.sinks.is_empty() {
        sinks(page, telemetry);
    }
    if telemetry.executions_over_budget > 0 {
        let kept = count(telemetry.executions_over_budget);
        page.field(
            "over budget",
            &format!("{kept} executions would have been traced but for the budget of spans"),
        );
    }
}

/// The slowest of the requests whose spans were made; what arrived of them is in the block above.
pub(super) fn slowest(page: &mut Page, slowest: &[SlowRequest]) {
    if slowest.is_empty() {
        return;
    }
    page.heading("SLOWEST REQUESTS (of those that were traced)");
    for request in slowest.iter().take(SHOWN) {
        let time = span_us(request.response_time_us);
        let outcome = match request.outcome.as_str() {
            "succeeded" => String::new(),
            other => format!(", {other}"),
        };
        let place = format!("{}/{} on {}", request.scenario, request.step, request.worker);
        let what = format!("{place} at {}{outcome}", span_ms(request.at_ms));
        let names = format!("trace {} span {}", request.trace_id, request.span_id);
        let room = page.width - TIME_WIDTH - 4;
        page.line(&format!("  {time:>TIME_WIDTH$}  {}", fit(&what, room)));
        for row in wrap(&names, room) {
            let row = page.palette.dim(&row);
            page.line(&format!("  {:TIME_WIDTH$}  {row}", ""));
        }
    }
}

fn sinks(page: &mut Page, telemetry: &TelemetryResult) {
    let signals = [TelemetrySignal::Traces, TelemetrySignal::Metrics, TelemetrySignal::Logs];
    let names = telemetry.sinks.iter().map(|sink| sink.process.chars().count() + INDENT.len());
    let width = names
        .max()
        .unwrap_or(0)
        .clamp(LONGEST_SIGNAL, page.width.saturating_sub(COLUMNS + 2).max(LONGEST_SIGNAL));
    let head = format!(
        "  {:<width$}{:>13}{:>10}{:>9}{:>9}{:>10}",
        "", "acknowledged", "rejected", "lost", "unknown", "retried"
    );
    let head = page.palette.dim(&head);
    page.line(&head);
    for signal in signals {
        let processes = || telemetry.sinks.iter().filter(|sink| sink.signal == signal);
        let Some(sum) = processes().cloned().reduce(add) else { continue };
        row(page, width, name(signal), &sum);
        if is_whole(&sum) || processes().count() < 2 {
            continue;
        }
        for sink in processes().filter(|sink| !is_whole(sink)) {
            row(page, width, &format!("{INDENT}{}", sink.process), sink);
        }
    }
    let mut endpoints: Vec<&str> = telemetry.sinks.iter().map(|sink| sink.endpoint.as_str()).collect();
    endpoints.sort_unstable();
    endpoints.dedup();
    page.field("sent to", &endpoints.join(", "));
}

fn row(page: &mut Page, width: usize, name: &str, sink: &SinkResult) {
    let line = format!(
        "  {:<width$}{:>13}{:>10}{:>9}{:>9}{:>10}",
        fit(name, width),
        count(sink.acknowledged),
        count(sink.rejected),
        count(sink.lost),
        count(sink.unknown),
        count(sink.retried),
    );
    if is_whole(sink) {
        page.line(&line);
    } else {
        let line = page.palette.warn(line.trim_end());
        page.line(&line);
    }
}

/// Whether the receiver is known to have all of it.
fn is_whole(sink: &SinkResult) -> bool {
    sink.acknowledged == sink.produced
}

fn add(sum: SinkResult, more: SinkResult) -> SinkResult {
    SinkResult {
        produced: sum.produced.saturating_add(more.produced),
        acknowledged: sum.acknowledged.saturating_add(more.acknowledged),
        rejected: sum.rejected.saturating_add(more.rejected),
        lost: sum.lost.saturating_add(more.lost),
        unknown: sum.unknown.saturating_add(more.unknown),
        retried: sum.retried.saturating_add(more.retried),
        ..sum
    }
}

const fn name(signal: TelemetrySignal) -> &'static str {
    match signal {
        TelemetrySignal::Traces => "traces",
        TelemetrySignal::Metrics => "metrics",
        TelemetrySignal::Logs => "logs",
    }
}

/// Of those that the result has.
const SHOWN: usize = 5;
const TIME_WIDTH: usize = 7;
/// Before a process below its signal.
const INDENT: &str = "  ";
const LONGEST_SIGNAL: usize = 7;
/// Width of all columns but the name.
const COLUMNS: usize = 51;

#[cfg(test)]
mod tests {
    use crate::{TextOptions, sample, text};

    #[test]
    fn what_was_lost_is_told_by_signal_and_process_and_the_slowest_by_their_spans() {
        let page = text(&sample::traced(), TextOptions { color: false, width: 100 });
        insta::assert_snapshot!(page);
        for width in [60, 80, 100] {
            let page = text(&sample::traced(), TextOptions { color: false, width });
            let block = page.split("TELEMETRY").nth(1).unwrap().split("VERDICT").next().unwrap();
            assert!(block.lines().all(|line| line.chars().count() <= width), "{block}");
        }
    }

    #[test]
    fn signals_that_came_across_whole_have_a_row_each_and_processes_none() {
        let mut result = sample::traced();
        let telemetry = result.telemetry.as_mut().unwrap();
        for sink in &mut telemetry.sinks {
            (sink.acknowledged, sink.lost, sink.unknown, sink.rejected) = (sink.produced, 0, 0, 0);
        }
        let page = text(&result, TextOptions { color: false, width: 100 });
        let block = page.split("TELEMETRY").nth(1).unwrap().split("SLOWEST").next().unwrap();
        assert!(block.contains("traces") && !block.contains("north"), "{block}");
    }
}
