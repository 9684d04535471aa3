//! Listeners, connections and answers.

use std::convert::Infallible;
use std::future::pending;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::read::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message as _;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::behaviour::Behaviour;
use super::port::Port;
use super::shelf::{Export, Seen};
use super::{Form, Shared, Signal, rage};

/// Serves until it is told to stop.
pub(super) fn run(
    ports: [(Form, Port); 2],
    tls: Option<ServerConfig>,
    shared: Arc<Shared>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for (form, port) in ports {
            let tls = tls.clone().map(|mut config| {
                config.alpn_protocols = vec![match form {
                    Form::Grpc => b"h2".to_vec(),
                    Form::Http => b"http/1.1".to_vec(),
                }];
                TlsAcceptor::from(Arc::new(config))
            });
            tasks.spawn(listen(form, port, tls, Arc::clone(&shared)));
        }
        tasks.spawn(async move { rage::run(&shared).await });
        // Whoever holds the other end let go of it.
        let _ = stopped.await;
    });
    // Connections that hang end here.
    runtime.shutdown_background();
}

/// Takes connections while the collector is up.
async fn listen(form: Form, port: Port, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut is_up = shared.is_up.subscribe();
    loop {
        let open = port.listen();
        shared.change(|state| state.listening += 1);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = open.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    shared.change(|state| state.connections += 1);
                    connections.spawn(connection(form, stream, tls.clone(), Arc::clone(&shared)));
                }
                _ = connections.join_next(), if !connections.is_empty() => {}
                () = until(&mut is_up, false) => break,
            }
        }
        drop(open);
        connections.shutdown().await;
        shared.change(|state| state.listening -= 1);
        until(&mut is_up, true).await;
    }
}

async fn until(is_up: &mut watch::Receiver<bool>, wanted: bool) {
    if is_up.wait_for(|is_up| *is_up == wanted).await.is_err() {
        pending().await
    }
}

async fn connection(form: Form, stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    match tls {
        None => serve(form, stream, shared).await,
        Some(acceptor) => {
            // A client that does not like the certificate goes.
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(form, stream, shared).await;
            }
        }
    }
}

/// Serves one connection until either side ends it.
async fn serve(form: Form, io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, shared: Arc<Shared>) {
    let end = Arc::new(Notify::new());
    let ending = Arc::clone(&end);
    let service = service_fn(move |request| {
        let (shared, end) = (Arc::clone(&shared), Arc::clone(&end));
        async move { Ok::<_, Infallible>(answer(form, request, &shared, &end).await) }
    });
    let io = TokioIo::new(io);
    let serving = async {
        // What ends a connection is the test's doing.
        match form {
            Form::Http => {
                drop(hyper::server::conn::http1::Builder::new().serve_connection(io, service).await)
            }
            Form::Grpc => drop(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(io, service)
                    .await,
            ),
        }
    };
    tokio::select! {
        () = serving => {}
        () = ending.notified() => {}
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn answer(form: Form, request: Request<Incoming>, shared: &Shared, end: &Notify) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let Some(signal) = signal_of(path) else {
        return refusal(form, StatusCode::NOT_FOUND, UNIMPLEMENTED, None);
    };
    let seen = Seen { signal, form, path: path.to_owned(), headers: head.headers.clone() };
    let mut behaviour = Behaviour::Accept;
    shared.change(|state| {
        state.shelves.see(seen);
        behaviour = state.script.take();
    });
    if behaviour == Behaviour::Hang {
        return pending().await;
    }
    if behaviour == Behaviour::Die {
        end.notify_one();
        return pending().await;
    }
    // The whole request is read before anything is taken, as collectors do.
    let Ok(body) = body.collect().await else { return pending().await };
    let body = body.to_bytes();
    let export = match unpacked(form, &head.headers, &body).map(|body| Export::decode(signal, &body)) {
        Some(Ok(export)) => export,
        _ => return refusal(form, StatusCode::BAD_REQUEST, INVALID_ARGUMENT, None),
    };
    take(form, behaviour, export, shared, end).await
}

async fn take(
    form: Form,
    behaviour: Behaviour,
    mut export: Export,
    shared: &Shared,
    end: &Notify,
) -> Response<Body> {
    let take = |export| shared.change(|state| state.shelves.take(export));
    match behaviour {
        Behaviour::Accept => take(export),
        Behaviour::Slow(pause) => {
            tokio::time::sleep(pause).await;
            take(export);
        }
        Behaviour::Reject => return refusal(form, StatusCode::BAD_REQUEST, INVALID_ARGUMENT, None),
        Behaviour::Unauthenticated => return refusal(form, StatusCode::UNAUTHORIZED, UNAUTHENTICATED, None),
        Behaviour::Unavailable(after) => {
            return refusal(form, StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, after);
        }
        Behaviour::Exhausted(after) => {
            return refusal(form, StatusCode::TOO_MANY_REQUESTS, RESOURCE_EXHAUSTED, after);
        }
        Behaviour::Partial(count) => {
            let rejected = count.min(export.items());
            export.skip(rejected);
            take(export);
            return success(form, rejected, String::new());
        }
        Behaviour::Mute => {
            take(export);
            return pending().await;
        }
        Behaviour::AcceptThenDie | Behaviour::HalfThenDie => {
            if behaviour == Behaviour::HalfThenDie {
                export.skip(export.items() / 2);
            }
            take(export);
            end.notify_one();
            return pending().await;
        }
        Behaviour::Verbose => {
            take(export);
            return success(form, 0, "x".repeat(1024 * 1024));
        }
        Behaviour::Hang | Behaviour::Die => unreachable!("nothing was read"),
    }
    success(form, 0, String::new())
}

fn signal_of(path: &str) -> Option<Signal> {
    match path {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(Signal::Traces),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Some(Signal::Metrics),
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(Signal::Logs),
        path if path.ends_with("/traces") => Some(Signal::Traces),
        path if path.ends_with("/metrics") => Some(Signal::Metrics),
        path if path.ends_with("/logs") => Some(Signal::Logs),
        _ => None,
    }
}

/// The message in a body, which may be compressed.
fn unpacked(form: Form, headers: &HeaderMap, body: &[u8]) -> Option<Vec<u8>> {
    let (is_gzip, message) = match form {
        Form::Http => (headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip"), body),
        Form::Grpc => {
            let (prefix, message) = body.split_at_checked(5)?;
            let len = u32::from_be_bytes(prefix[1..].try_into().ok()?);
            (prefix[0] == 1, (len as usize == message.len()).then_some(message)?)
        }
    };
    if !is_gzip {
        return Some(message.to_vec());
    }
    let mut plain = Vec::new();
    GzDecoder::new(message).read_to_end(&mut plain).ok()?;
    Some(plain)
}

fn success(form: Form, rejected: u64, error_message: String) -> Response<Body> {
    let partial_success = (rejected > 0 || !error_message.is_empty())
        .then_some(ExportTracePartialSuccess { rejected_spans: rejected as i64, error_message });
    // All three answers have the same form.
    let message = ExportTraceServiceResponse { partial_success }.encode_to_vec();
    match form {
        Form::Http => {
            let mut response = Response::new(Full::new(Bytes::from(message)).boxed_unsync());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
            response
        }
        Form::Grpc => {
            let mut framed = BytesMut::new();
            framed.put_u8(0);
            framed.put_u32(message.len() as u32);
            framed.put_slice(&message);
            let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]);
            let body = Full::new(framed.freeze()).with_trailers(async { Some(Ok(trailers)) });
            let mut response = Response::new(body.boxed_unsync());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            response
        }
    }
}

fn refusal(form: Form, status: StatusCode, code: u16, after: Option<Duration>) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::new()).boxed_unsync());
    match form {
        Form::Http => {
            *response.status_mut() = status;
            if let Some(after) = after {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs()));
            }
        }
        Form::Grpc => {
            let head = response.headers_mut();
            head.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            head.insert(GRPC_STATUS, HeaderValue::from(code));
            if let Some(after) = after {
                let details = STANDARD_NO_PAD.encode(retry_info(code, after));
                let details = HeaderValue::from_str(&details).expect("base64 is plain text");
                head.insert("grpc-status-details-bin", details);
            }
        }
    }
    response
}

/// A `google.rpc.Status` with a `google.rpc.RetryInfo`.
fn retry_info(code: u16, after: Duration) -> Vec<u8> {
    let retry_delay = Some(Span { seconds: after.as_secs() as i64, nanos: after.subsec_nanos() as i32 });
    let detail = Any {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
        value: RetryInfo { retry_delay }.encode_to_vec(),
    };
    Status { code: i32::from(code), message: String::new(), details: vec![detail] }.encode_to_vec()
}

#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Span>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Span {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

const GRPC_STATUS: http::HeaderName = http::HeaderName::from_static("grpc-status");
const INVALID_ARGUMENT: u16 = 3;
const RESOURCE_EXHAUSTED: u16 = 8;
const UNIMPLEMENTED: u16 = 12;
const UNAVAILABLE: u16 = 14;
const UNAUTHENTICATED: u16 = 16;
