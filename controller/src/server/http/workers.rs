//! The cluster and its workers.

use api::http::DrainWorker;
use axum::response::Response;
use control::{LeaveMode, WorkerId};
use http::StatusCode;

use super::answer;
use super::call::Call;
use super::refusal::Refusal;

/// `GET /status`.
pub(crate) async fn status(call: Call) -> Result<Response, Refusal> {
    Ok(answer::json(StatusCode::OK, &call.api.host.status().await?))
}

/// `POST /workers/{name}/drain`.
pub(crate) async fn drain(call: Call) -> Result<Response, Refusal> {
    let DrainWorker { fast } = call.json()?;
    let mode = if fast { LeaveMode::Fast } else { LeaveMode::Graceful };
    // Only compared with the names of workers that are there.
    let worker = WorkerId::new(call.segment("name"));
    call.api.host.drain(worker, mode, call.by.clone()).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
