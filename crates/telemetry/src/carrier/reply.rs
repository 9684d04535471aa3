//! What a receiver's answer says.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use super::{Answer, Reason};

/// Reads the body of an answer that says all went well. All three signals' answers have the same form: a count in field
/// 1 of field 1. A body that cannot be read takes nothing back.
pub(super) fn taken(body: &[u8]) -> Answer {
    let partial = ExportTraceServiceResponse::decode(body).ok().and_then(|answer| answer.partial_success);
    let rejected = partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0));
    Answer::Taken { rejected }
}

/// What an HTTP status other than success says (OTLP, "Failures").
pub(super) fn of_http_status(status: u16, after: Option<Duration>) -> Answer {
    let reason = Reason::new(format!("the receiver answers with status {status}"));
    match status {
        429 | 503 => Answer::Busy { after, reason },
        // Somebody on the way gave up waiting: whether the receiver has it is not known.
        408 | 502 | 504 => Answer::Silent(reason),
        _ => Answer::Refused(reason),
    }
}

/// What a gRPC status other than OK says (OTLP, "Failures"); `details` is `grpc-status-details-bin`.
pub(super) fn of_grpc_status(code: u32, details: &[u8]) -> Answer {
    let name = GRPC_CODES.get(code as usize).copied().unwrap_or("?");
    let reason = Reason::new(format!("the receiver answers with gRPC status {code} ({name})"));
    let after = retry_delay(details);
    match code {
        // ABORTED, OUT_OF_RANGE, UNAVAILABLE: it did not take them.
        10 | 11 | 14 => Answer::Busy { after, reason },
        // RESOURCE_EXHAUSTED: for good, unless it says when to come again.
        8 if after.is_some() => Answer::Busy { after, reason },
        // CANCELLED, DEADLINE_EXCEEDED, DATA_LOSS: it may have taken them, or some.
        1 | 4 | 15 => Answer::Silent(reason),
        _ => Answer::Refused(reason),
    }
}

/// Reads `Retry-After` where it is a number of seconds; a date, which no receiver of telemetry is known to send, is left
/// to the own back-off.
pub(super) fn retry_after(value: &[u8]) -> Option<Duration> {
    std::str::from_utf8(value).ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The delay of a `google.rpc.RetryInfo` among the details of a `google.rpc.Status`.
fn retry_delay(details: &[u8]) -> Option<Duration> {
    let status = Status::decode(details).ok()?;
    let info = status.details.iter().find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay.unwrap_or_default();
    let (seconds, nanos) = (u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?);
    (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
}

/// `google.rpc.Status`, but for its code and message.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Span>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct Span {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

const GRPC_CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_another_try_and_what_is_not_follows_the_protocol() {
        let kind = |answer| match answer {
            Answer::Busy { .. } => "busy",
            Answer::Silent(_) => "silent",
            Answer::Refused(_) => "refused",
            _ => "other",
        };
        for (status, expected) in [
            (301, "refused"),
            (400, "refused"),
            (401, "refused"),
            (403, "refused"),
            (404, "refused"),
            (408, "silent"),
            (413, "refused"),
            (429, "busy"),
            (500, "refused"),
            (502, "silent"),
            (503, "busy"),
            (504, "silent"),
        ] {
            assert_eq!(kind(of_http_status(status, None)), expected, "{status}");
        }
        let codes = (1..=17).map(|code| (code, kind(of_grpc_status(code, &[]))));
        let busy_or_silent: Vec<_> = codes.filter(|(_, kind)| *kind != "refused").collect();
        assert_eq!(
            busy_or_silent,
            [(1, "silent"), (4, "silent"), (10, "busy"), (11, "busy"), (14, "busy"), (15, "silent")]
        );
    }

    #[test]
    fn a_receiver_that_has_no_room_is_tried_again_only_when_it_says_when() {
        let info = RetryInfo { retry_delay: Some(Span { seconds: 3_600, nanos: 5 }) };
        let detail = Any {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: info.encode_to_vec(),
        };
        let details = Status { details: vec![detail] }.encode_to_vec();
        assert!(matches!(
            of_grpc_status(8, &details),
            Answer::Busy { after: Some(after), .. } if after == Duration::new(3_600, 5)
        ));
        assert!(matches!(of_grpc_status(8, &[]), Answer::Refused(_)));
        assert!(matches!(of_grpc_status(14, &[0xff, 0xff]), Answer::Busy { after: None, .. }));
    }

    #[test]
    fn a_negative_count_of_rejected_items_is_none() {
        use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
        let answer = |rejected_spans| ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess { rejected_spans, error_message: String::new() }),
        };
        assert_eq!(taken(&answer(3).encode_to_vec()), Answer::Taken { rejected: 3 });
        assert_eq!(taken(&answer(-3).encode_to_vec()), Answer::Taken { rejected: 0 });
        assert_eq!(taken(&[0xff]), Answer::Taken { rejected: 0 });
        assert_eq!(taken(&[]), Answer::Taken { rejected: 0 });
    }

    #[test]
    fn a_time_to_wait_is_read_where_it_is_a_number_of_seconds() {
        assert_eq!(retry_after(b"120"), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(b"Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(retry_after(b"-1"), None);
    }
}
