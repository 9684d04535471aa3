//! The table of times.

use api::result::{Model, Percentile, ResultFile, TimeSummary};

use super::{Page, fit};
use crate::figures::{count, span_us};

pub(super) fn times(page: &mut Page, result: &ResultFile) {
    let totals = &result.totals;
    if totals.response_time_us.all.is_none() && totals.dispatch_lag_us.is_none() {
        return;
    }
    page.heading("TIMES");
    let mut head = format!("  {:<LABEL_WIDTH$}{:>COUNT_WIDTH$}", "", "count");
    for column in ["min", "avg", "p50", "p90", "p95", "p99", "p99.9", "max"] {
        head.push_str(&format!("{column:>TIME_WIDTH$}"));
    }
    let head = page.palette.dim(&head);
    page.line(&head);
    for scenario in &result.scenarios {
        for step in &scenario.steps {
            let name = fit(&format!("{} / {}", scenario.name, step.name), page.width - 2);
            page.line(&format!("  {name}"));
            row(page, "  response time", step.response_time_us.all.as_ref());
            row(page, "  service time", step.service_time_us.all.as_ref());
        }
    }
    if result.scenarios.iter().map(|scenario| scenario.steps.len()).sum::<usize>() > 1 {
        page.line("  all requests");
        row(page, "  response time", totals.response_time_us.all.as_ref());
        row(page, "  service time", totals.service_time_us.all.as_ref());
    }
    let apart = &totals.response_time_us;
    if apart.succeeded.is_some() && apart.failed.is_some() {
        page.line("  response time apart");
        row(page, "  succeeded", apart.succeeded.as_ref());
        row(page, "  failed", apart.failed.as_ref());
    }
    row(page, "dispatch lag", totals.dispatch_lag_us.as_ref());
    row(page, "queue wait", totals.queue_wait_us.as_ref());
    let phases = &totals.phases;
    let phases = [
        ("  dns", &phases.dns_us),
        ("  connect", &phases.connect_us),
        ("  tls handshake", &phases.tls_us),
        ("  first byte", &phases.first_byte_us),
        ("  receive", &phases.receive_us),
    ];
    if phases.iter().any(|(_, summary)| summary.is_some()) {
        page.line("  phases");
        for (label, summary) in phases {
            row(page, label, summary.as_ref());
        }
    }
    let closed = result.scenarios.iter().any(|scenario| scenario.model == Model::Closed);
    let mut legend =
        "response time: from when the request was due; service time: from when it was sent".to_owned();
    if closed {
        legend.push_str("; a closed model's first step is due when its user is free");
    }
    for row in super::wrap(&legend, page.width - 2) {
        let row = page.palette.dim(&row);
        page.line(&format!("  {row}"));
    }
}

fn row(page: &mut Page, label: &str, summary: Option<&TimeSummary>) {
    let Some(summary) = summary else { return };
    let mut line = format!("  {label:<LABEL_WIDTH$}{:>COUNT_WIDTH$}", count(summary.count));
    let cell = |value: f64, is_lower_bound: bool| {
        format!("{:>TIME_WIDTH$}", format!("{}{}", if is_lower_bound { "≥" } else { "" }, span_us(value)))
    };
    line.push_str(&cell(summary.min, false));
    line.push_str(&cell(summary.avg, summary.censored > 0));
    for percentile in Percentile::ALL {
        line.push_str(&cell(summary.value(*percentile), summary.is_lower_bound(*percentile)));
    }
    page.line(&line);
}

// 2 + 16 + 13 + 8 × 8 = 95 columns; the widest cell is a lower bound such as `≥1.23ms`.
const LABEL_WIDTH: usize = 16;
const COUNT_WIDTH: usize = 13;
const TIME_WIDTH: usize = 8;
