//! Runs: submitted, looked at, changed.

use api::http::{NoParameters, RunPage, RunState, RunStatus, SetRate, StopRun};
use axum::response::Response;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use super::answer;
use super::call::{Call, run_id};
use super::refusal::Refusal;
use crate::cluster::RunControl;
use crate::server::handle::ResultError;

/// Which runs to list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Selection {
    /// Only runs in this state.
    #[schemars(with = "RunState")]
    state: Option<RunState>,
    /// The most to list; 100 if left out.
    #[schemars(with = "u64", range(min = 1, max = 1000))]
    limit: Option<u64>,
    /// Only runs before this one: `next_after` of the page before.
    #[schemars(with = "String", length(equal = 36))]
    after: Option<String>,
}

/// `POST /runs`.
pub(crate) async fn submit(call: Call) -> Result<Response, Refusal> {
    let key = call.header(KEY)?.filter(|key| !key.is_empty());
    let key = key.ok_or(Refusal::Header { name: KEY, why: "is wanted: a text that is new for every run" })?;
    let submitted = call.api.host.submit(call.json()?, key.to_owned(), call.by.clone()).await?;
    let status = if submitted.repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok(answer::json(status, &submitted))
}

/// `GET /runs`.
pub(crate) async fn list(call: Call) -> Result<Response, Refusal> {
    let selection: Selection = call.query()?;
    let runs = call.api.host.runs().await?;
    Ok(answer::json(StatusCode::OK, &page(runs, &selection)?))
}

/// A page of `runs`, which come in order of submission.
fn page(mut runs: Vec<RunStatus>, selection: &Selection) -> Result<RunPage, Refusal> {
    let limit = selection.limit.unwrap_or(DEFAULT_LIMIT);
    if limit == 0 || limit > MAX_LIMIT {
        return Err(Refusal::Query(format!("`limit` is from 1 to {MAX_LIMIT}, found {limit}")));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // IDs rise with time, so a page is where it was even if the run before it is not kept any more.
    runs.sort_by(|a, b| b.run_id.cmp(&a.run_id));
    if let Some(after) = &selection.after {
        run_id(after).ok_or_else(|| Refusal::Query(format!("`after` is a run's ID, found `{after}`")))?;
        runs.retain(|run| run.run_id < *after);
    }
    if let Some(state) = selection.state {
        runs.retain(|run| run.state == state);
    }
    let has_more = runs.len() > limit;
    runs.truncate(limit);
    let next_after = runs.last().filter(|_| has_more).map(|run| run.run_id.clone());
    Ok(RunPage { runs, next_after })
}

/// `GET /runs/{run_id}`.
pub(crate) async fn status(call: Call) -> Result<Response, Refusal> {
    let status = call.api.host.run(call.run_id()?).await?;
    Ok(answer::json(StatusCode::OK, &status))
}

/// `GET /runs/{run_id}/result`.
pub(crate) async fn result(call: Call) -> Result<Response, Refusal> {
    let run = call.run_id()?;
    let result = call.api.host.result(run).await;
    if !matches!(result, Err(ResultError::NotOver(_))) {
        call.api.followed.has_result(run);
    }
    Ok(answer::json_text(result?.to_json()))
}

/// `POST /runs/{run_id}/stop`.
pub(crate) async fn stop(call: Call) -> Result<Response, Refusal> {
    let StopRun { cancel } = call.json()?;
    control(call, RunControl::Stop { cancel }).await
}

/// `POST /runs/{run_id}/rate`.
pub(crate) async fn set_rate(call: Call) -> Result<Response, Refusal> {
    let change = match call.json()? {
        SetRate::Rate { scenario, rate } => {
            let found = rate.parse();
            let rate = found.map_err(|error| Refusal::Body(format!("`{rate}` is no rate: {error}")))?;
            RunControl::Rate { scenario, rate }
        }
        SetRate::Scale { scenario, factor } => RunControl::Scale { scenario, factor },
    };
    control(call, change).await
}

/// `POST /runs/{run_id}/pause`.
pub(crate) async fn pause(call: Call) -> Result<Response, Refusal> {
    let NoParameters {} = call.json()?;
    control(call, RunControl::Pause).await
}

/// `POST /runs/{run_id}/resume`.
pub(crate) async fn resume(call: Call) -> Result<Response, Refusal> {
    let NoParameters {} = call.json()?;
    control(call, RunControl::Resume).await
}

async fn control(call: Call, control: RunControl) -> Result<Response, Refusal> {
    let status = call.api.host.control(call.run_id()?, control, call.by.clone()).await?;
    Ok(answer::json(StatusCode::OK, &status))
}

const KEY: &str = "idempotency-key";
const DEFAULT_LIMIT: u64 = 100;
/// More than a controller keeps.
const MAX_LIMIT: u64 = 1000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(number: u64, state: RunState) -> RunStatus {
        RunStatus {
            run_id: format!("0190c0de-0000-7000-8000-{number:012x}"),
            name: "n".into(),
            state,
            created_at: String::new(),
            submitted_by: "t".into(),
            started_at: None,
            waits_for: None,
            workers: Vec::new(),
            degraded: false,
            live: None,
            exit: None,
        }
    }

    proptest! {
        #[test]
        fn pages_together_are_all_runs_of_a_state_once_and_the_latest_first(
            sealed in prop::collection::vec(any::<bool>(), 0..60), limit in 1u64..9,
        ) {
            let state = |sealed: bool| if sealed { RunState::Sealed } else { RunState::Queued };
            let runs: Vec<_> = (0..).zip(&sealed).map(|(number, sealed)| run(number, state(*sealed))).collect();
            let mut listed = Vec::new();
            let mut after = None;
            loop {
                let selection = Selection { state: Some(RunState::Sealed), limit: Some(limit), after };
                let page = page(runs.clone(), &selection).unwrap();
                prop_assert!(page.runs.len() as u64 <= limit);
                listed.extend(page.runs);
                let Some(next) = page.next_after else { break };
                after = Some(next);
            }
            let mut expected = runs;
            expected.retain(|run| run.state == RunState::Sealed);
            expected.reverse();
            prop_assert_eq!(listed, expected);
        }
    }

    #[test]
    fn a_page_that_cannot_be_is_refused() {
        let limits = [Some(0), Some(MAX_LIMIT + 1)];
        for limit in limits {
            assert!(page(Vec::new(), &Selection { limit, ..Selection::default() }).is_err());
        }
        let after = Some("../../etc/passwd".to_owned());
        assert!(page(Vec::new(), &Selection { after, ..Selection::default() }).is_err());
    }
}
