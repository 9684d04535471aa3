//! From a run that is over to what is kept of it.

use std::sync::Arc;

use api::http::RunExit;
use api::result::Tool;
use api::{Conditions, ExitCode};
use control::Refusal;
use tokio::task::JoinError;

use crate::cluster::{Build, Outcome, WallClock};
use crate::observe::RunObserver;
use crate::result::{ResultContext, build};
use crate::session::SessionEnd;

/// Makes the result of a run, after what `observer` sends of it was flushed: the result has its ledger. A run that its
/// workers refused before it began has none, but their reasons.
///
/// # Cost
/// Milliseconds to seconds, and the flush: not for a task that others wait for.
pub(super) fn of(made_of: &Build, observer: Option<RunObserver>, tool: &Tool, wall: &WallClock) -> Outcome {
    let Build { sealed, submission } = made_of;
    let telemetry = observer.map(|observer| observer.close(sealed)).unwrap_or_default();
    let reasons: Vec<String> = sealed.sessions.iter().flat_map(|session| refusals(&session.end)).collect();
    if sealed.start.is_none() && !reasons.is_empty() {
        let held: Conditions = sealed.incidents.iter().map(|incident| incident.kind.condition()).collect();
        return Outcome { exit: exit(held.exit_code(), reasons), result: None, bytes: 0 };
    }
    let context = ResultContext {
        workload: &submission.workload,
        files: &submission.files,
        tool: tool.clone(),
        overrides: submission.overrides.clone(),
        telemetry,
        label: &|instant| wall.label(instant),
    };
    let result = build(sealed, &context);
    Outcome {
        exit: exit(result.exit.name, Vec::new()),
        // Text takes about what the values do: most of it are numbers of a few digits.
        bytes: result.to_json().len(),
        result: Some(Arc::new(result)),
    }
}

/// What is kept of a run whose result could not be made.
pub(super) fn broken(fault: &JoinError) -> Outcome {
    let why = format!("the result could not be made: {fault}");
    Outcome { exit: exit(ExitCode::InternalError, vec![why]), result: None, bytes: 0 }
}

fn exit(code: ExitCode, reasons: Vec<String>) -> RunExit {
    RunExit { code: code.code(), name: code.name().to_owned(), reasons }
}

fn refusals(end: &Option<SessionEnd>) -> Vec<String> {
    match end {
        Some(SessionEnd::Refused(Refusal::Impossible(lines) | Refusal::Forbidden(lines))) => lines.clone(),
        Some(SessionEnd::Refused(Refusal::Internal(fault))) => vec![fault.clone()],
        _ => Vec::new(),
    }
}
