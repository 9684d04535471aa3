//! What is missing of a run whose workers did not all stay.

use std::collections::BTreeSet;

use api::result::Degraded;

use crate::run::SealedRun;

/// What is missing; `None` when nothing is.
pub(super) fn degraded(sealed: &SealedRun) -> Option<Degraded> {
    if !sealed.is_degraded() {
        return None;
    }
    let lost = sealed.sessions.iter().filter(|session| session.loss.is_some());
    let lost: BTreeSet<String> = lost.map(|session| session.worker.to_string()).collect();
    let sum = |slots: &[(usize, u64)]| slots.iter().map(|(_, count)| count).sum();
    let bound = sealed.missing.bound().unwrap_or_default();
    Some(Degraded {
        allowed: sealed.policy.allow_degraded,
        workers_lost: lost.into_iter().collect(),
        iterations_lease_ended: sum(&sealed.missing.lease_ended),
        iterations_unaccounted: sum(&sealed.missing.unaccounted),
        requests_unaccounted_at_most: bound.requests,
        is_estimate: bound.is_estimate,
    })
}

/// Why a degraded run is no simple pass, one line each.
pub(super) fn reasons(sealed: &SealedRun) -> Vec<String> {
    let Some(degraded) = degraded(sealed) else { return Vec::new() };
    let mut reasons = vec![summary(&degraded)];
    let kinds = sealed.incidents.iter().map(|incident| &incident.kind);
    reasons.extend(kinds.filter(|kind| kind.is_degradation()).map(ToString::to_string));
    reasons
}

fn summary(degraded: &Degraded) -> String {
    let estimate = if degraded.is_estimate { " (an estimate)" } else { "" };
    format!(
        "the run is degraded: at most {} requests unaccounted{estimate}, {} planned iterations carried by nobody",
        degraded.requests_unaccounted_at_most,
        degraded.iterations_lease_ended + degraded.iterations_unaccounted,
    )
}
