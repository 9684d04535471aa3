//! Frames that no worker of ours sends.

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderValue;
use http_body_util::Full;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service as _;

use super::super::access::METHODS;
use super::fixture::{self, Served, scripted};
use super::*;

/// Sends bytes as the body of a call; the status it ends with.
async fn send(
    connection: &mut fixture::Connection,
    path: &str,
    body: Bytes,
    encoding: Option<&str>,
) -> Status {
    use http_body_util::BodyExt as _;

    let mut request = http::Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Full::new(body)))
        .unwrap();
    if let Some(encoding) = encoding {
        request.headers_mut().insert("grpc-encoding", HeaderValue::from_str(encoding).unwrap());
    }
    std::future::poll_fn(|context| connection.poll_ready(context)).await.unwrap();
    let response = match connection.call(request).await {
        Ok(response) => response,
        Err(error) => return Status::from_error(Box::new(error)),
    };
    if let Some(status) = Status::from_header_map(response.headers()) {
        return status;
    }
    match response.into_body().collect().await {
        Ok(whole) => {
            let trailers = whole.trailers().and_then(Status::from_header_map);
            trailers.unwrap_or_else(|| Status::unknown("no status"))
        }
        Err(error) => Status::from_error(Box::new(error)),
    }
}

fn framed(compressed: u8, claimed: usize, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(compressed);
    frame.put_u32(claimed as u32);
    frame.put_slice(payload);
    frame.freeze()
}

/// Calls that need no cluster to be refused.
fn paths() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|(_, path, _)| *path).filter(|path| !path.contains("Health"))
}

#[tokio::test]
async fn frames_that_lie_are_refused_and_take_no_memory() {
    let (cluster, _calls, _beats) = scripted();
    let served = Served::plain(cluster).await;
    let mut connection = served.dial_plain().await;
    let enrolment = "/loadgen.v1.Enrolment/RequestCertificate";
    for path in paths() {
        let limit = if path == enrolment { MAX_SMALL_MESSAGE } else { MAX_MESSAGE_BYTES };
        // One byte more than may come, of which none comes; and as much as can be claimed.
        for claimed in [limit + 1, u32::MAX as usize] {
            let status = send(&mut connection, path, framed(0, claimed, b""), None).await;
            assert_eq!(status.code(), Code::OutOfRange, "{path}: {status}");
        }
        let cut = send(&mut connection, path, framed(0, 100, b"abc"), None).await;
        assert_ne!(cut.code(), Code::Ok, "{path}: {cut}");
        for compressed in [1, 2, 255] {
            let status = send(&mut connection, path, framed(compressed, 3, b"abc"), None).await;
            assert_ne!(status.code(), Code::Ok, "{path}: {status}");
        }
        let status = send(&mut connection, path, framed(1, 3, b"abc"), Some("gzip")).await;
        assert_eq!(status.code(), Code::Unimplemented, "{path}: {status}");
        // Nothing at all, and an empty message where something is required.
        if path != "/loadgen.v1.Control/SubmitResidual" && path != "/loadgen.v1.Control/Heartbeat" {
            let status = send(&mut connection, path, Bytes::new(), None).await;
            assert_ne!(status.code(), Code::Ok, "{path}: {status}");
        }
    }
    for path in ["/", "/loadgen.v1.Control/Enroll", "/loadgen.v1.Operator/Stop", "/loadgen.v1.Control/Enrol/"]
    {
        let status = send(&mut connection, path, framed(0, 0, b""), None).await;
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
    }
    served.stop().await;
}

#[tokio::test]
async fn messages_without_what_they_need_are_invalid_arguments() {
    let (cluster, _calls, _beats) = scripted();
    let served = Served::plain(cluster).await;
    let mut connection = served.dial_plain().await;
    for path in paths().filter(|path| path.contains("Control")) {
        let status = send(&mut connection, path, framed(0, 0, b""), None).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{path}: {status}");
    }
    served.stop().await;
}

#[tokio::test]
async fn arbitrary_bytes_end_a_call_and_nothing_else() {
    let (cluster, _calls, _beats) = scripted();
    let limits = Limits::default().with(Operation::SessionOpen, Nanos::from_millis(200));
    let served = Served::start(cluster, false, limits).await;
    let mut connection = served.dial_plain().await;
    let mut runner = TestRunner::deterministic();
    let bytes = prop::collection::vec(any::<u8>(), 1..80);
    for _ in 0..60 {
        let payload = bytes.new_tree(&mut runner).unwrap().current();
        for path in paths() {
            let status = send(&mut connection, path, framed(0, payload.len(), &payload), None).await;
            assert_ne!(status.code(), Code::Ok, "{path}: {payload:?}");
        }
    }
    let mut health = HealthClient::new(connection);
    let checked = health.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(checked.status(), ServingStatus::Serving, "other calls on the connection go on");
    served.stop().await;
}
