//! Thresholds and the verdict.

use api::result::{Evidence, ResultFile, Severity, ThresholdResult, Unit};

use super::{FIELD_WIDTH, INDENT, Page, explain, fit, verdict_words, wrap};
use crate::figures::{bytes, count, percent, rate, span_us};

pub(super) fn thresholds(page: &mut Page, thresholds: &[ThresholdResult]) {
    if thresholds.is_empty() {
        return;
    }
    page.heading("THRESHOLDS");
    let widest = |of: fn(&ThresholdResult) -> &str| {
        thresholds.iter().map(|t| of(t).chars().count()).max().unwrap_or(0)
    };
    let metric_width = widest(|t| &t.metric).min(page.width / 2);
    let expression_width = widest(|t| &t.expression);
    for threshold in thresholds {
        let measured = match threshold.measured {
            Some(value) => {
                format!("measured {}{}", at_least(threshold.at_least), amount(value, threshold.unit))
            }
            None => "no sample".to_owned(),
        };
        let metric = fit(&threshold.metric, metric_width);
        let line = format!(
            "  {} {metric:<metric_width$}  {:<expression_width$}  {measured}",
            page.palette.mark(threshold.passed),
            threshold.expression,
        );
        page.line(&line);
        if let Some(explanation) = &threshold.explanation {
            explain::explanation(page, explanation);
        }
    }
}

pub(super) fn verdict(page: &mut Page, result: &ResultFile) {
    let words = verdict_words(page.palette, result);
    page.heading("VERDICT");
    page.line(&format!("  {words}, exit code {} {}", result.exit.code, result.exit.name.name()));
    for reason in &result.verdict.reasons {
        bullet(page, "-", reason);
    }
    let evidence = &result.verdict.evidence;
    let width = evidence.iter().map(|e| e.bound.chars().count()).max().unwrap_or(0);
    for bound in evidence {
        let line =
            format!("  {} {:<width$}  {}", page.palette.mark(bound.held), bound.bound, comparison(bound));
        page.line(&line);
    }
    for worker in &result.workers {
        if !worker.complete {
            bullet(page, "-", &format!("worker {} was not received to its end", worker.name));
        }
        let is_news = |fault: &&String| !result.verdict.reasons.iter().any(|reason| reason.contains(*fault));
        for note in worker.notes.iter().chain(worker.faults.iter().filter(is_news)) {
            let of =
                if result.workers.len() > 1 { format!("worker {}: ", worker.name) } else { String::new() };
            bullet(page, "-", &format!("{of}{note}"));
        }
        // Several have a table of their own.
        if let Some(health) = worker.health.as_ref().filter(|_| result.workers.len() == 1) {
            let engine = format!(
                "engine CPU {} on {} (busiest {}), other threads {}, memory {}",
                span_us(health.engine_cpu_ms * 1e3),
                if worker.threads == 1 {
                    "1 thread".to_owned()
                } else {
                    format!("{} threads", worker.threads)
                },
                percent((health.busiest_thread_ratio * 1e3).round() / 1e3),
                span_us(health.other_cpu_ms * 1e3),
                bytes(health.peak_rss_bytes),
            );
            page.field("generator", &engine);
        }
    }
}

fn comparison(bound: &Evidence) -> String {
    let sign = if bound.held { "≤" } else { ">" };
    let measured = amount(bound.measured, bound.unit);
    let limit = amount(bound.limit, bound.unit);
    let severity = match bound.severity {
        Severity::Suspect => "suspect",
        Severity::Invalid => "invalid",
    };
    // The reasons above name the key that sets the limit.
    let severity = if bound.held { format!("else {severity}") } else { severity.to_owned() };
    format!("{measured} {sign} {limit} ({severity})")
}

fn bullet(page: &mut Page, sign: &str, text: &str) {
    let mut sign = sign;
    for row in wrap(text, page.width - INDENT - FIELD_WIDTH) {
        page.line(&format!("  {sign} {row}"));
        sign = " ";
    }
}

fn at_least(is_lower_bound: bool) -> &'static str {
    if is_lower_bound { "≥" } else { "" }
}

fn amount(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Us => span_us(value),
        Unit::Ratio => percent(value),
        Unit::Count => count(value.round() as u64),
        Unit::PerS => rate(value),
        Unit::Bytes => bytes(value.round() as u64),
        Unit::BytesPerS => format!("{}/s", bytes(value.round() as u64)),
    }
}
