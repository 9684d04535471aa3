//! Answers that are no refusals.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// `value` as JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let text = serde_json::to_vec(value).expect("answers have string keys only");
    of(status, JSON, Body::from(text))
}

/// `text`, which is JSON already.
pub(crate) fn json_text(text: impl Into<Body>) -> Response {
    of(StatusCode::OK, JSON, text.into())
}

/// No body at all.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// `body`, of a media type.
pub(crate) fn of(status: StatusCode, media_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The media type of nearly everything.
pub(crate) const JSON: &str = "application/json";
/// The media type of contents.
pub(crate) const OCTETS: &str = "application/octet-stream";
/// The media type of events.
pub(crate) const EVENTS: &str = "text/event-stream";
