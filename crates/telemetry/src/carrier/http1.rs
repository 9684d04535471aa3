//! OTLP over HTTP/1.1: a POST, and the status of its answer.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Method, Request};
use net::dial::{CallError, Http1};

use super::{Answer, MAX_ANSWER, Payload, Reason, Stale, reply};
use crate::settings::Destination;

/// Puts the request together.
pub(super) fn request(to: &Destination, user_agent: &str, payload: &Payload) -> Request<Bytes> {
    let mut request = Request::new(payload.bytes.clone());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = to.path.parse().expect("the path is part of a URL that was read");
    let head = request.headers_mut();
    to.headers.add_to(head);
    head.insert(USER_AGENT, HeaderValue::from_str(user_agent).expect("a name and a version"));
    head.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    if payload.is_gzip {
        head.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    request
}

/// Sends it and reads the answer; and whether the connection is good for another one.
pub(super) async fn call(connection: &mut Http1, request: Request<Bytes>) -> (Result<Answer, Stale>, bool) {
    let response = match connection.call(request).await {
        Ok(response) => response,
        Err(error) => return (failed(&error), false),
    };
    let (head, body) = response.into_parts();
    let body = body.collect(MAX_ANSWER).await;
    let is_open = body.is_ok();
    let answer = match body {
        _ if !head.status.is_success() => {
            let after = head.headers.get(RETRY_AFTER).and_then(|value| reply::retry_after(value.as_bytes()));
            reply::of_http_status(head.status.as_u16(), after)
        }
        Ok(body) => reply::taken(&body),
        // Longer than any word on what was rejected.
        Err(CallError::TooLong { .. }) => reply::taken(&[]),
        Err(error) => Answer::Silent(Reason::of(&error)),
    };
    (Ok(answer), is_open)
}

fn failed(error: &CallError) -> Result<Answer, Stale> {
    let reason = Reason::of(error);
    match error {
        // hyper says so only of requests that it had not begun to send.
        CallError::Broken { source, .. } if source.is_canceled() || source.is_closed() => Err(Stale(reason)),
        _ => Ok(Answer::Silent(reason)),
    }
}
