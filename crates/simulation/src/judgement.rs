//! What must hold of a run that is over, whatever happened to it. The numbers are those of reliability's invariants.

use std::collections::BTreeMap;

use api::ExitCode;
use api::result::Tool;
use control::SessionId;
use controller::cluster::Build;
use controller::result::{ResultContext, build};
use controller::{IncidentKind, SealedRun, Session};
use plan::{LoadModel, Timetable};
use units::{Nanos, Timestamp};

use crate::sink::{Seen, Sink};
use crate::weather::Classes;
use crate::wrong_clock::WrongClock;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its exit code; `None` for a run that never began.
    pub exit: Option<ExitCode>,
    /// Whether it is marked as less than it was meant to be.
    pub is_degraded: bool,
    /// Requests that the target saw and nobody reported.
    pub untold: u64,
    /// The most there may be, as the result says.
    pub bound: Option<u64>,
    /// Slots that nobody carried or knows of.
    pub missing: u64,
    /// Slots that were sent twice, where that was told.
    pub twice: u64,
    /// Dealings after the first.
    pub revisions: u64,
    /// Lives of workers that took part.
    pub sessions: u64,
}

/// What is known of a run once it is over.
#[derive(Debug)]
pub(crate) struct Seal {
    pub(crate) broken: Option<String>,
    pub(crate) verdict: Verdict,
    /// All that was counted, as one number.
    pub(crate) fingerprint: u64,
    /// From when on each session may not have sent anything.
    silent_from: BTreeMap<SessionId, Timestamp>,
}

/// What a judgement is made by, beside the run itself.
pub(crate) struct Surroundings<'a> {
    pub(crate) classes: Classes,
    /// The controller's.
    pub(crate) clock: WrongClock,
    pub(crate) seen: Option<&'a Seen>,
    pub(crate) now: Timestamp,
}

impl Seal {
    /// Of a run that never began.
    pub(crate) fn unbegun() -> Self {
        let verdict = Verdict {
            exit: None,
            is_degraded: false,
            untold: 0,
            bound: None,
            missing: 0,
            twice: 0,
            revisions: 0,
            sessions: 0,
        };
        Self { broken: None, verdict, fingerprint: 0, silent_from: BTreeMap::new() }
    }
}

/// Holds a run against what the target saw.
pub(crate) fn judge(of: &Build, by: &Surroundings<'_>) -> Seal {
    let sealed = &of.sealed;
    let nothing = Seen::default();
    let seen = by.seen.unwrap_or(&nothing);
    let label = |_: Timestamp| String::new();
    let tool = Tool { name: "loadgen".to_owned(), version: "0".to_owned(), git: None };
    let submission = &of.submission;
    let context = ResultContext {
        workload: &submission.workload,
        files: &submission.files,
        tool,
        overrides: Vec::new(),
        telemetry: Vec::new(),
        label: &label,
    };
    let result = build(sealed, &context);
    let exit = result.exit.name;
    let totals = sealed.merged.totals();
    let reported = totals.all_steps().requests.attempted + totals.all_scenarios().warm_up_requests.attempted;
    let bound = sealed.missing.bound();
    let verdict = Verdict {
        exit: Some(exit),
        is_degraded: sealed.is_degraded(),
        untold: seen.requests.saturating_sub(reported),
        bound: bound.map(|bound| bound.requests),
        missing: sealed.missing.slots(),
        twice: seen.twice.len() as u64,
        revisions: sealed.revisions.len() as u64 - 1,
        sessions: sealed.sessions.len() as u64,
    };
    let sums = totals.all_scenarios().iterations;
    let fingerprint = sums.due.digest as u64 ^ sums.due.count.rotate_left(32) ^ seen.requests.rotate_left(16);
    let silent_from = sealed.sessions.iter().map(|session| {
        // Whether it had ended, or only nobody waited for it any longer, is what its loss says.
        let lost_at = match &session.loss {
            Some(loss) if loss.may_go_on || loss.is_quarantine => Timestamp::NEVER,
            Some(loss) => by.clock.reaches(loss.at),
            None => by.now,
        };
        (session.session, lost_at)
    });
    let silent_from = if by.classes.twins { BTreeMap::new() } else { silent_from.collect() };
    let broken = counts(sealed, by, seen, reported)
        .or_else(|| books(sealed, by))
        .or_else(|| words(sealed, by, exit))
        .or_else(|| lives(sealed, seen))
        .map(|why| {
            let incidents =
                sealed.incidents.iter().map(|incident| format!("\n  {:?} {}", incident.at, incident.kind));
            let incidents: String = incidents.collect();
            let reasons = result.verdict.reasons.join("; ");
            format!("run {}: {why}; {verdict:?}; {reasons}{incidents}", sealed.run_id)
        });
    Seal { broken, verdict, fingerprint, silent_from }
}

/// What the target saw against what is reported (I-01, I-04, I-08).
fn counts(sealed: &SealedRun, by: &Surroundings<'_>, seen: &Seen, reported: u64) -> Option<String> {
    if reported > seen.requests {
        return Some(format!("I-04: {reported} requests are reported, the target saw {}", seen.requests));
    }
    let untold = seen.requests - reported;
    match sealed.missing.bound() {
        None if untold > 0 => {
            return Some(format!("I-01: {untold} requests are missing, and nothing says so"));
        }
        Some(bound) if untold > bound.requests && !bound.is_estimate => {
            return Some(format!("I-08: {untold} requests are missing, at most {} it says", bound.requests));
        }
        _ => {}
    }
    if let Some(twice) = seen.twice.first()
        && !is_misdealt(sealed)
        && !by.classes.twins
    {
        return Some(format!("I-05: a slot was sent twice, and nothing says so: {twice}"));
    }
    None
}

/// Whether it is said that the dealing may have had gaps and overlaps.
fn is_misdealt(sealed: &SealedRun) -> bool {
    sealed.incidents.iter().any(|incident| {
        matches!(incident.kind, IncidentKind::RevisedLate { .. } | IncidentKind::RevisionUnknown { .. })
    })
}

/// Every planned iteration in one class, once (I-02, I-09).
fn books(sealed: &SealedRun, by: &Surroundings<'_>) -> Option<String> {
    let totals = sealed.merged.totals();
    let broken = totals.broken_ledgers();
    // What a lost worker left open when it told last stays open; the result holds that against its reports.
    if !broken.is_empty() && !sealed.sessions.iter().any(Session::is_missing) {
        return Some(format!("I-02: {broken:?}"));
    }
    sealed.start?;
    // Of two processes under one name the earlier goes on until it is told, or until its lease ends, while its share is
    // another's already: the verdict finds that in the books.
    if is_misdealt(sealed) || by.classes.twins {
        return None;
    }
    let amendments: Vec<_> = sealed.revisions.iter().filter_map(|made| made.amendment).collect();
    for id in sealed.plan.scenario_ids() {
        let planned = match &sealed.plan.scenarios[id.index()].load {
            LoadModel::ArrivalRate { .. } => Timetable::new(&sealed.plan, id, &amendments).ok()?.total(),
            LoadModel::SharedIterations { iterations, .. } => *iterations,
            LoadModel::VirtualUsers { .. } => continue,
        };
        let counts = totals.scenarios([totals.layout().scenario_slot(id.index())]);
        let (measured, warm_up) = (counts.iterations, counts.warm_up_iterations);
        let due = measured.due.count + warm_up.due.count;
        if planned != due {
            return Some(format!("I-09: scenario {} has {planned} iterations, {due} came due", id.index()));
        }
    }
    None
}

/// What the run says of itself (I-06, I-27, I-28).
fn words(sealed: &SealedRun, by: &Surroundings<'_>, exit: ExitCode) -> Option<String> {
    for incident in &sealed.incidents {
        let is_ours = match &incident.kind {
            // A process that was stopped while it ended may not have been able to end its threads in time.
            IncidentKind::Fault { .. } => !by.classes.freezes,
            IncidentKind::Quarantined { .. }
            | IncidentKind::TotalsDisagree { .. }
            | IncidentKind::Protocol { .. }
            | IncidentKind::OtherPlan { .. }
            | IncidentKind::Panicked { .. }
            | IncidentKind::Refused { .. }
            | IncidentKind::Forbidden { .. } => true,
            _ => false,
        };
        if is_ours {
            return Some(format!("honest machines did this: {}", incident.kind));
        }
    }
    let (passed, degraded) = (exit == ExitCode::Passed, sealed.is_degraded());
    if passed && degraded && !sealed.policy.allow_degraded {
        return Some("I-28: a degraded run passed".to_owned());
    }
    if !by.classes.are_harmless() {
        return None;
    }
    let is_paused = |kind: &IncidentKind| matches!(kind, IncidentKind::PausedTooLong { .. });
    if let Some(incident) = sealed.incidents.iter().find(|incident| !is_paused(&incident.kind)) {
        return Some(format!("nothing went wrong, and yet: {}", incident.kind));
    }
    if degraded || sealed.missing.bound().is_some() {
        return Some("nothing went wrong, and yet the run is degraded".to_owned());
    }
    (!passed && !by.classes.changes).then(|| format!("nothing went wrong, and yet it ended with {exit:?}"))
}

/// Each life against what the target saw of it (I-07, I-12).
fn lives(sealed: &SealedRun, seen: &Seen) -> Option<String> {
    for session in &sealed.sessions {
        let Some(last) = session.final_fact() else { continue };
        let sent = seen.senders.get(&session.session);
        let (requests, iterations) = sent.map_or((0, 0), |sent| (sent.requests, sent.iterations));
        let said = (last.requests_attempted, last.iterations_started);
        if said != (requests, iterations) {
            let peer = session.peer();
            return Some(format!(
                "I-12: {peer} says it did {said:?}, the target saw {:?}",
                (requests, iterations)
            ));
        }
    }
    None
}

/// What nobody may have sent: a session whose authority had ended, anybody after the end of a run (I-16, I-17).
pub(crate) fn afterwards(seals: &BTreeMap<control::RunId, Seal>, sink: &Sink) -> Option<String> {
    for (run, seal) in seals {
        let Some(seen) = sink.of(*run) else { continue };
        for (session, sender) in &seen.senders {
            let Some(limit) = seal.silent_from.get(session) else { continue };
            if sender.last > limit.saturating_add(Nanos::from_micros(1)) {
                let (last, limit) = (sender.last, *limit);
                return Some(format!(
                    "I-16: session {session} of run {run} sent at {last:?} although its right to had ended by {limit:?}"
                ));
            }
        }
    }
    None
}
