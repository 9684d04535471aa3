//! The workers of a run that had several, and what is missing because they did not all stay.

use api::result::{Degraded, ResultFile, SessionEnding, WorkerResult, WorkerSession, WorkerSums};

use super::{Page, fit};
use crate::figures::{count, percent, span_ms, span_us};

pub(super) fn degraded(page: &mut Page, degraded: &Degraded) {
    let estimate = if degraded.is_estimate { " (an estimate)" } else { "" };
    let nobodys = degraded.iterations_lease_ended + degraded.iterations_unaccounted;
    let mut text = format!(
        "at most {} requests unaccounted{estimate}, {} planned iterations carried by nobody",
        count(degraded.requests_unaccounted_at_most),
        count(nobodys),
    );
    if !degraded.workers_lost.is_empty() {
        text.push_str(&format!("; lost: {}", degraded.workers_lost.join(", ")));
    }
    if degraded.allowed {
        text.push_str("; `allow_degraded` lets it pass");
    }
    page.field("degraded", &text);
}

/// A row for each worker, its lives below it where it had several, and a row for each label.
pub(super) fn workers(page: &mut Page, result: &ResultFile) {
    if result.workers.len() < 2 {
        return;
    }
    let with_warm_up = result.totals.warm_up.is_some();
    page.heading(if with_warm_up { "WORKERS (with warm-up, but for failures and times)" } else { "WORKERS" });
    let names = result.workers.iter().map(|worker| worker.name.chars().count());
    let labels = result.by_label.iter().map(|label| label.label.len() + 1 + label.value.len());
    let width =
        names.chain(labels).max().unwrap_or(0).clamp(5, page.width.saturating_sub(COLUMNS + 2).max(5));
    let head = format!(
        "  {:<width$}{:>7}{:>13}{:>13}{:>10}{:>9}{:>9}{:>9}",
        "", "share", "iterations", "requests", "failed", "p50", "p99", "skew"
    );
    let head = page.palette.dim(&head);
    page.line(&head);
    for worker in &result.workers {
        let share = percent((worker.share * 1e3).round() / 1e3);
        let skew = worker.start_offset_us.map_or_else(|| "-".to_owned(), span_us);
        row(page, width, &worker.name, &share, &worker.sums, &skew);
        for life in &worker.sessions {
            if let Some(text) = news(worker, life) {
                let text = page.palette.warn(&text);
                page.line(&format!("  {:<width$}  {text}", ""));
            }
        }
    }
    for label in &result.by_label {
        row(page, width, &format!("{}={}", label.label, label.value), "", &label.sums, "");
    }
}

fn row(page: &mut Page, width: usize, name: &str, share: &str, sums: &WorkerSums, skew: &str) {
    let time = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), span_us);
    let times = sums.response_time_us.as_ref();
    let line = format!(
        "  {:<width$}{share:>7}{:>13}{:>13}{:>10}{:>9}{:>9}{skew:>9}",
        fit(name, width),
        count(sums.iterations),
        count(sums.requests),
        count(sums.failed),
        time(times.map(|times| times.p50)),
        time(times.map(|times| times.p99)),
    );
    page.line(&line);
}

/// What a life of a worker has to say beside its numbers; nothing for one that came with the run and stayed to the end.
fn news(worker: &WorkerResult, life: &WorkerSession) -> Option<String> {
    let at = |at_ms: Option<f64>| match at_ms {
        Some(at_ms) if at_ms >= 0.0 => format!(" at {}", span_ms(at_ms)),
        Some(_) => " before the start".to_owned(),
        None => String::new(),
    };
    let mut parts = Vec::new();
    if life.joined_at_ms.is_some() {
        let is_first = worker.sessions.first().is_some_and(|first| first.session == life.session);
        parts.push(format!("{}{}", if is_first { "came" } else { "came back" }, at(life.joined_at_ms)));
    }
    let ended = at(life.ended_at_ms);
    let reason = life.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    match life.ended {
        SessionEnding::Finished => {}
        SessionEnding::Left => parts.push(format!("left{ended}")),
        SessionEnding::Lost => parts.push(format!("lost{ended}{reason}")),
        SessionEnding::LostAndHeard => parts.push(format!("lost{ended}{reason}, its last word came later")),
        SessionEnding::Refused => parts.push("refused".to_owned()),
        SessionEnding::Dismissed => parts.push("let go".to_owned()),
    }
    if let Some(most) = life.unaccounted_requests_at_most {
        parts.push(format!("at most {} requests unaccounted", count(most)));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Width of all columns but the name.
const COLUMNS: usize = 70;

#[cfg(test)]
mod tests {
    use crate::{TextOptions, sample, text};

    #[test]
    fn several_workers_have_a_row_each_and_what_is_missing_is_bounded() {
        let page = text(&sample::degraded(), TextOptions { color: false, width: 100 });
        insta::assert_snapshot!(page);
        assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
    }
}
