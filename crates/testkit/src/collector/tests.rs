//! The receiver, judged by a client that is not ours.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use tokio::net::TcpStream;

use super::*;

fn export(names: std::ops::Range<u8>) -> ExportTraceServiceRequest {
    let spans = names.map(|name| Span { span_id: vec![name; 8], ..Span::default() }).collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }],
    }
}

/// Sends spans in one form; `None` when the connection ends without an answer.
async fn send(collector: &Collector, form: Form, names: std::ops::Range<u8>) -> Option<Response<Incoming>> {
    let message = export(names).encode_to_vec();
    match form {
        Form::Http => {
            let io = TokioIo::new(TcpStream::connect(collector.http_address()).await.ok()?);
            let (mut requests, connection) = hyper::client::conn::http1::handshake(io).await.ok()?;
            tokio::spawn(connection);
            let request = Request::post("/v1/traces").header("host", "collector");
            requests.send_request(request.body(Full::new(Bytes::from(message))).unwrap()).await.ok()
        }
        Form::Grpc => {
            let io = TokioIo::new(TcpStream::connect(collector.grpc_address()).await.ok()?);
            let (mut requests, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.ok()?;
            tokio::spawn(connection);
            let mut framed = BytesMut::new();
            framed.put_u8(0);
            framed.put_u32(message.len() as u32);
            framed.put_slice(&message);
            let path = "http://collector/opentelemetry.proto.collector.trace.v1.TraceService/Export";
            requests.send_request(Request::post(path).body(Full::new(framed.freeze())).unwrap()).await.ok()
        }
    }
}

/// The status that an answer has in its form: HTTP's, or gRPC's from head or trailers.
async fn status(response: Response<Incoming>, form: Form) -> u16 {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    match form {
        Form::Http => head.status.as_u16(),
        Form::Grpc => {
            let status = head.headers.get("grpc-status").or(trailers.get("grpc-status")).unwrap();
            status.to_str().unwrap().parse().unwrap()
        }
    }
}

#[tokio::test]
async fn requests_are_taken_as_scripted_and_counted_with_and_without_repetitions() {
    for form in [Form::Grpc, Form::Http] {
        let collector = Collector::start();
        collector.script([Behaviour::Reject, Behaviour::Partial(1), Behaviour::HalfThenDie]);
        let rejected = send(&collector, form, 0..4).await.unwrap();
        assert_eq!(status(rejected, form).await, if form == Form::Grpc { 3 } else { 400 });
        assert_eq!(collector.taken(Signal::Traces), Taken::default());

        let partly = send(&collector, form, 0..4).await.unwrap();
        assert_eq!(status(partly, form).await, if form == Form::Grpc { 0 } else { 200 });
        assert_eq!(collector.taken(Signal::Traces), Taken { items: 3, distinct: 3, requests: 1 });

        assert!(send(&collector, form, 0..4).await.is_none());
        assert_eq!(collector.taken(Signal::Traces), Taken { items: 5, distinct: 3, requests: 2 });
        assert!(send(&collector, form, 0..4).await.is_some());
        assert_eq!(collector.taken(Signal::Traces), Taken { items: 9, distinct: 4, requests: 3 });
        assert_eq!((collector.seen().len(), collector.connections()), (4, 4));
        assert_eq!(collector.traces()[2], export(0..4));
    }
}

#[tokio::test]
async fn a_receiver_that_went_down_comes_back_at_the_same_ports() {
    let collector = Collector::start();
    for form in [Form::Grpc, Form::Http] {
        assert!(send(&collector, form, 0..1).await.is_some());
        collector.go_down();
        assert!(send(&collector, form, 1..2).await.is_none());
        collector.come_back();
        assert!(send(&collector, form, 2..3).await.is_some());
    }
    assert_eq!(collector.taken(Signal::Traces).distinct, 2);
}

#[tokio::test]
async fn a_rage_ends_when_it_is_told_to() {
    let collector = Collector::start();
    collector.rage(1, Duration::from_millis(1));
    for name in 0..50 {
        let limit = Duration::from_millis(5);
        let _ = tokio::time::timeout(limit, send(&collector, Form::Http, name..name + 1)).await;
    }
    collector.calm_down();
    let response = send(&collector, Form::Http, 100..101).await.unwrap();
    assert_eq!(status(response, Form::Http).await, 200);
}
