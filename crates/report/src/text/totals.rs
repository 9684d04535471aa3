//! Totals, checks, statuses and errors.

use api::result::{ErrorCount, ResultFile, ScenarioResult, StepResult};

use super::{Page, fit};
use crate::figures::{bytes, count, percent, rate, share};

pub(super) fn totals(page: &mut Page, result: &ResultFile) {
    page.heading("TOTALS");
    let totals = &result.totals;
    let open: Vec<&ScenarioResult> = result.scenarios.iter().filter(|s| s.rate.is_some()).collect();
    for scenario in &open {
        let Some(kept) = &scenario.rate else { continue };
        let drift = kept.drift_ratio.map_or_else(String::new, |drift| format!(", drift {}", percent(drift)));
        let name = if result.scenarios.len() > 1 { format!("{}: ", scenario.name) } else { String::new() };
        let planned = rate(kept.planned_per_s);
        page.field(
            "rate",
            &format!("{name}planned {planned}, achieved {}{drift}", rate(kept.achieved_per_s)),
        );
    }
    let (iterations, requests) = (&totals.iterations, &totals.requests);
    page.field(
        "iterations",
        &format!("{} started of {} due", count(iterations.started), count(iterations.due)),
    );
    page.field(
        "requests",
        &format!("{} attempted, {}", count(requests.attempted), rate(totals.requests_per_s)),
    );
    let mut ends = format!(
        "{} of {}, {} failed, {} cancelled",
        share(requests.succeeded, requests.attempted),
        count(requests.attempted),
        count(requests.failed),
        count(requests.cancelled)
    );
    if requests.resent > 0 {
        ends.push_str(&format!(", {} sent a second time", count(requests.resent)));
    }
    page.field("succeeded", &ends);
    let transfer = &totals.transfer;
    page.field(
        "data",
        &format!("{} sent, {} received", bytes(transfer.sent_bytes), bytes(transfer.received_bytes)),
    );
    let kept = &totals.connections;
    page.field(
        "connections",
        &format!(
            "{} opened, {} reused, at most {} open",
            count(kept.opened),
            count(kept.reused),
            count(kept.open_max)
        ),
    );
    page.field("users", &format!("at most {}", count(totals.vus_max)));
}

pub(super) fn checks(page: &mut Page, scenarios: &[ScenarioResult]) {
    let checks: Vec<_> = steps(scenarios)
        .flat_map(|(scenario, step)| step.checks.iter().map(move |check| (scenario, step, check)))
        .collect();
    if checks.is_empty() {
        return;
    }
    page.heading("CHECKS");
    let names: Vec<String> = checks
        .iter()
        .map(|(scenario, step, check)| format!("{} / {}: {}", scenario, step.name, check.name))
        .collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(page.width - 36);
    for (name, (_, _, check)) in names.iter().zip(checks) {
        let total = check.passed + check.failed;
        let required = if check.required { "  required" } else { "" };
        let line = format!(
            "  {} {:<width$}  {} of {} ({}){required}",
            page.palette.mark(check.failed == 0 && total > 0),
            fit(name, width),
            count(check.passed),
            count(total),
            share(check.passed, total),
        );
        page.line(&line);
    }
}

pub(super) fn statuses(page: &mut Page, result: &ResultFile) {
    if result.totals.statuses.is_empty() {
        return;
    }
    page.heading("STATUS CODES");
    let answered: u64 = result.totals.statuses.iter().map(|status| status.count).sum();
    for status in &result.totals.statuses {
        let of = |step: &StepResult| {
            step.statuses.iter().find(|s| s.status == status.status).map_or(0, |s| s.count)
        };
        let line =
            format!("  {}  {:>12}  {:>9}", status.status, count(status.count), share(status.count, answered));
        let steps = behind(page, &line, &by_step(&result.scenarios, of));
        page.line(&format!("{line}{steps}"));
    }
}

pub(super) fn errors(page: &mut Page, result: &ResultFile) {
    if result.totals.errors.is_empty() {
        return;
    }
    page.heading("ERRORS");
    let width = result.totals.errors.iter().map(|error| error.class.chars().count()).max().unwrap_or(0);
    for error in &result.totals.errors {
        let of = |step: &StepResult| count_of(&step.errors, &error.class);
        let own = if error.own_fault { "  the generator's own fault" } else { "" };
        let line = format!(
            "  {:<width$}  {:>12}  {:>9}",
            error.class,
            count(error.count),
            share(error.count, result.totals.requests.attempted),
        );
        let steps = behind(page, &format!("{line}{own}"), &by_step(&result.scenarios, of));
        page.line(&format!("{line}{steps}{}", page.palette.bad(own)));
    }
}

/// As much of `text` as there is room for in a line that has `line` too.
fn behind(page: &Page, line: &str, text: &str) -> String {
    match page.width.saturating_sub(line.chars().count()) {
        0..LEAST_ROOM => String::new(),
        room => fit(text, room),
    }
}

/// Fewer characters than this of a list of steps say nothing.
const LEAST_ROOM: usize = 10;

fn count_of(errors: &[ErrorCount], class: &str) -> u64 {
    errors.iter().find(|error| error.class == class).map_or(0, |error| error.count)
}

/// Which steps it happened in; nothing when there is only one.
fn by_step(scenarios: &[ScenarioResult], of: impl Fn(&StepResult) -> u64) -> String {
    if steps(scenarios).count() < 2 {
        return String::new();
    }
    let shares: Vec<String> = steps(scenarios)
        .filter(|(_, step)| of(step) > 0)
        .map(|(scenario, step)| format!("{scenario} / {} {}", step.name, count(of(step))))
        .collect();
    format!("  {}", shares.join(", "))
}

fn steps(scenarios: &[ScenarioResult]) -> impl Iterator<Item = (&str, &StepResult)> {
    scenarios.iter().flat_map(|scenario| scenario.steps.iter().map(|step| (scenario.name.as_str(), step)))
}
