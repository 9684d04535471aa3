//! OTLP over gRPC: one message there, one back, and the status in the trailers.

use std::future::poll_fn;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Full};
use metrics::Signal;
use net::dial::Http2;
use tower::Service as _;

use super::{Answer, MAX_ANSWER, Payload, Reason, Stale, reply};
use crate::settings::Destination;

/// Whether the connection can take a request.
pub(super) async fn is_open(connection: &mut Http2<Full<Bytes>>) -> bool {
    poll_fn(|context| connection.poll_ready(context)).await.is_ok()
}

/// Puts the request together; the receiver is told to give up after `limit`.
pub(super) fn request(
    signal: Signal,
    to: &Destination,
    user_agent: &str,
    payload: &Payload,
    limit: Duration,
) -> Request<Full<Bytes>> {
    let mut message = BytesMut::with_capacity(PREFIX + payload.bytes.len());
    message.put_u8(u8::from(payload.is_gzip));
    message.put_u32(u32::try_from(payload.bytes.len()).expect("a batch is far below 4 GiB"));
    message.put_slice(&payload.bytes);
    let mut request = Request::new(Full::new(message.freeze()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static(method(signal));
    let head = request.headers_mut();
    to.headers.add_to(head);
    head.insert(USER_AGENT, HeaderValue::from_str(user_agent).expect("a name and a version"));
    head.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    head.insert(TE, HeaderValue::from_static("trailers"));
    // At most 8 digits (gRPC over HTTP/2, "Timeout").
    let millis = limit.as_millis().clamp(1, 99_999_999);
    head.insert("grpc-timeout", HeaderValue::from_str(&format!("{millis}m")).expect("digits and a letter"));
    if payload.is_gzip {
        head.insert("grpc-encoding", HeaderValue::from_static("gzip"));
    }
    request
}

fn method(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

/// Sends it and reads the answer.
pub(super) async fn call(
    connection: &mut Http2<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Stale> {
    // hyper says of a request that it is cancelled, or of a connection that it is closed, only when it had not begun.
    if let Err(error) = poll_fn(|context| connection.poll_ready(context)).await {
        return Err(Stale(Reason::of(&error)));
    }
    let response = match connection.call(request).await {
        Ok(response) => response,
        Err(error) if error.is_canceled() || error.is_closed() => return Err(Stale(Reason::of(&error))),
        Err(error) => return Ok(Answer::Silent(Reason::of(&error))),
    };
    let (head, mut body) = response.into_parts();
    if !head.status.is_success() {
        return Ok(reply::of_http_status(head.status.as_u16(), None));
    }
    let mut message = BytesMut::new();
    // An answer without a body has its status in its head.
    let mut trailers = head.headers.contains_key(STATUS).then_some(head.headers);
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(_) if trailers.is_some() => break,
            Err(error) => return Ok(Answer::Silent(Reason::of(&error))),
        };
        match frame.into_data() {
            // What is longer than any word on what was rejected is not kept; the status comes behind it.
            Ok(data) if message.len() + data.len() <= MAX_ANSWER => message.extend_from_slice(&data),
            Ok(_) => {}
            Err(frame) => trailers = frame.into_trailers().ok().or(trailers),
        }
    }
    Ok(match trailers {
        None => Answer::Silent(Reason::new("the receiver's answer has no gRPC status")),
        Some(trailers) => answer(&trailers, &message),
    })
}

fn answer(trailers: &HeaderMap, message: &[u8]) -> Answer {
    let status = trailers.get(STATUS).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    match status {
        None => Answer::Silent(Reason::new("the receiver's gRPC status is no number")),
        // Compressed answers are not asked for; the prefix is not looked at.
        Some(0) => reply::taken(message.get(PREFIX..).unwrap_or_default()),
        Some(code) => {
            let details = trailers.get("grpc-status-details-bin").and_then(|value| BASE64.decode(value).ok());
            reply::of_grpc_status(code, &details.unwrap_or_default())
        }
    }
}

/// The flag and the length before a message.
const PREFIX: usize = 5;
const STATUS: &str = "grpc-status";
/// Padding is optional in binary metadata.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent),
);
