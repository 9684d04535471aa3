//! Why a request is not carried out, and how that is answered: always an [`api::http::Problem`].

use std::time::Duration;

use api::http::Problem;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use net::api_token::{ApiTokenError, Role};
use net::deadline::TimeoutError;
use units::Nanos;

use super::answer;
use crate::cluster::{ControlError, DrainError, SubmitError};
use crate::server::contents::ContentError;
use crate::server::handle::{Ended, ResultError};

/// Why a request is not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is no `{0}` here; `/api/v1/openapi.json` lists what there is")]
    UnknownPath(String),
    #[error("`{method}` cannot be done with `{path}`; `/api/v1/openapi.json` lists what can")]
    Method { method: String, path: String },
    #[error("the host `{0}` may be anybody's; without tokens, ask by `localhost` or by an address")]
    ForeignHost(String),
    #[error("this needs a token of role {needs}; send one header `Authorization: Bearer lga1_…`")]
    NoToken { needs: Role },
    #[error(transparent)]
    Token(#[from] ApiTokenError),
    #[error("more requests than one client may send; the next is taken in {0}")]
    TooMany(Nanos),
    #[error("the controller answers as many requests as it can at once; try again in a second")]
    Busy,
    #[error("the content type is {found}; send `{needs}`")]
    MediaType { found: String, needs: &'static str },
    #[error("the body is larger than the {limit} bytes it may have")]
    TooLarge { limit: usize },
    #[error("the body broke off: {0}")]
    Cut(String),
    #[error("the body is not what is wanted here: {0}")]
    Body(String),
    #[error("the query is not what is wanted here: {0}")]
    Query(String),
    #[error("the path names nothing there could be: {0}")]
    Path(String),
    #[error("the header `{name}` {why}")]
    Header { name: &'static str, why: &'static str },
    #[error("no content with the digest {0} is here; put it first")]
    UnknownContent(String),
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Result(ResultError),
    #[error(transparent)]
    Drain(#[from] DrainError),
    #[error(transparent)]
    Ended(#[from] Ended),
    #[error(transparent)]
    Timeout(#[from] TimeoutError),
}

impl From<ResultError> for Refusal {
    fn from(error: ResultError) -> Self {
        match error {
            ResultError::Run(error) => Self::Control(error),
            error @ (ResultError::NotOver(_) | ResultError::None { .. }) => Self::Result(error),
        }
    }
}

impl Refusal {
    /// The status, and the word for programs.
    pub(crate) fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::UnknownPath(_) => (StatusCode::NOT_FOUND, "unknown_path"),
            Self::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, "wrong_method"),
            Self::ForeignHost(_) => (StatusCode::FORBIDDEN, "foreign_host"),
            Self::NoToken { .. } => (StatusCode::UNAUTHORIZED, "no_token"),
            Self::Token(error) => of_token(error),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::MediaType { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_content_type"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Cut(_) => (StatusCode::BAD_REQUEST, "broken_body"),
            Self::Body(_) => (StatusCode::BAD_REQUEST, "bad_body"),
            Self::Query(_) => (StatusCode::BAD_REQUEST, "bad_query"),
            Self::Path(_) => (StatusCode::BAD_REQUEST, "bad_path"),
            Self::Header { .. } => (StatusCode::BAD_REQUEST, "bad_header"),
            Self::UnknownContent(_) => (StatusCode::NOT_FOUND, "unknown_content"),
            Self::Content(error) => of_content(error),
            Self::Submit(error) => of_submit(error),
            Self::Control(error) => of_control(error),
            Self::Result(ResultError::None { .. }) => (StatusCode::GONE, "no_result"),
            Self::Result(_) => (StatusCode::CONFLICT, "not_sealed"),
            Self::Drain(error) => of_drain(error),
            Self::Ended(_) => ENDED,
            Self::Timeout(_) => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        }
    }

    /// What is said beside the body.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            _ if self.kind().0 == StatusCode::UNAUTHORIZED => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            Self::TooMany(after) | Self::Submit(SubmitError::QueueFull { retry_after: after, .. }) => {
                let seconds = Duration::from(*after).as_secs().saturating_add(1);
                Some((header::RETRY_AFTER, HeaderValue::from(seconds)))
            }
            Self::Busy => Some((header::RETRY_AFTER, HeaderValue::from(1))),
            _ => None,
        }
    }
}

const ENDED: (StatusCode, &str) = (StatusCode::SERVICE_UNAVAILABLE, "ended");

fn of_token(error: &ApiTokenError) -> (StatusCode, &'static str) {
    match error {
        ApiTokenError::Malformed => (StatusCode::UNAUTHORIZED, "no_token"),
        ApiTokenError::Unknown => (StatusCode::UNAUTHORIZED, "unknown_token"),
        ApiTokenError::Role { .. } => (StatusCode::FORBIDDEN, "not_allowed"),
        ApiTokenError::Random => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

fn of_submit(error: &SubmitError) -> (StatusCode, &'static str) {
    match error {
        SubmitError::Conflict { .. } => (StatusCode::CONFLICT, "idempotency_conflict"),
        SubmitError::QueueFull { .. } => (StatusCode::SERVICE_UNAVAILABLE, "queue_full"),
        SubmitError::Key { .. } => (StatusCode::BAD_REQUEST, "bad_header"),
        SubmitError::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_workload"),
        SubmitError::MissingContent { .. } => (StatusCode::CONFLICT, "missing_content"),
        SubmitError::Ended => ENDED,
    }
}

fn of_control(error: &ControlError) -> (StatusCode, &'static str) {
    match error {
        ControlError::UnknownRun(_) => (StatusCode::NOT_FOUND, "unknown_run"),
        ControlError::Forgotten(_) => (StatusCode::GONE, "forgotten"),
        ControlError::NotRunning { .. } => (StatusCode::CONFLICT, "not_running"),
        ControlError::UnknownScenario { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_scenario"),
        ControlError::ClosedScenario { .. }
        | ControlError::AmbiguousScenario { .. }
        | ControlError::Factor(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_change"),
        ControlError::Refused(_) => (StatusCode::CONFLICT, "refused"),
        ControlError::Ended => ENDED,
    }
}

fn of_drain(error: &DrainError) -> (StatusCode, &'static str) {
    match error {
        DrainError::UnknownWorker(_) => (StatusCode::NOT_FOUND, "unknown_worker"),
        DrainError::NotThere { .. } => (StatusCode::CONFLICT, "not_there"),
        DrainError::Ended => ENDED,
    }
}

fn of_content(error: &ContentError) -> (StatusCode, &'static str) {
    match error {
        ContentError::Digest { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "digest_mismatch"),
        ContentError::Full(_) => (StatusCode::INSUFFICIENT_STORAGE, "full"),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code) = self.kind();
        let problem = Problem { status: status.as_u16(), code: code.to_owned(), message: self.to_string() };
        let mut response = answer::json(status, &problem);
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
