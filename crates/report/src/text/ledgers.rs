//! The two ledgers, and what warm-up sent.

use api::result::{IterationCounts, RequestCounts, Totals};

use super::Page;
use crate::figures::count;

pub(super) fn ledgers(page: &mut Page, totals: &Totals) {
    page.heading("LEDGERS");
    iterations(page, &totals.iterations);
    requests(page, &totals.requests);
}

pub(super) fn warm_up(page: &mut Page, totals: &Totals) {
    let Some(warm_up) = &totals.warm_up else { return };
    page.heading("WARM-UP (in no number above)");
    iterations(page, &warm_up.iterations);
    requests(page, &warm_up.requests);
}

fn iterations(page: &mut Page, ledger: &IterationCounts) {
    let (dropped, unsent) = (&ledger.dropped, &ledger.unsent);
    let mut due = vec![("started", ledger.started), ("dropped", dropped.total()), ("unsent", unsent.total())];
    if ledger.unaccounted > 0 {
        due.push(("unaccounted", ledger.unaccounted));
    }
    let broken_mark = broken(page, ledger.balanced);
    page.field("iterations", &format!("{}{broken_mark}", equation("due", ledger.due, &due)));
    page.field(
        "",
        &equation(
            "started",
            ledger.started,
            &ends(ledger.succeeded, ledger.failed, ledger.cancelled, ledger.in_flight),
        ),
    );
    reasons(
        page,
        "dropped",
        &[
            ("queue_full", dropped.queue_full),
            ("queue_timeout", dropped.queue_timeout),
            ("no_user", dropped.no_user),
        ],
    );
    reasons(
        page,
        "unsent",
        &[
            ("generator_stall", unsent.generator_stall),
            ("stopped", unsent.stopped),
            ("lease_ended", unsent.lease_ended),
        ],
    );
}

fn requests(page: &mut Page, ledger: &RequestCounts) {
    let ends = ends(ledger.succeeded, ledger.failed, ledger.cancelled, ledger.in_flight);
    page.field(
        "requests",
        &format!("{}{}", equation("attempted", ledger.attempted, &ends), broken(page, ledger.balanced)),
    );
}

fn ends(succeeded: u64, failed: u64, cancelled: u64, in_flight: u64) -> [(&'static str, u64); 4] {
    [("succeeded", succeeded), ("failed", failed), ("cancelled", cancelled), ("in flight", in_flight)]
}

fn equation(name: &str, total: u64, parts: &[(&str, u64)]) -> String {
    let parts: Vec<String> = parts.iter().map(|(name, n)| format!("{name} {}", count(*n))).collect();
    format!("{name} {} = {}", count(total), parts.join(" + "))
}

fn broken(page: &Page, balanced: bool) -> String {
    if balanced { String::new() } else { page.palette.bad("  DOES NOT BALANCE") }
}

/// Why slots did not become iterations; nothing when all did.
fn reasons(page: &mut Page, name: &str, parts: &[(&str, u64)]) {
    let held: Vec<String> =
        parts.iter().filter(|(_, n)| *n > 0).map(|(reason, n)| format!("{reason} {}", count(*n))).collect();
    if !held.is_empty() {
        page.field("", &format!("{name}: {}", held.join(", ")));
    }
}
