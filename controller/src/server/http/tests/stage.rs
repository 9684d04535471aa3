//! A served API, and clients that hold every answer against the API's own document.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use api::http::Problem;
use axum::body::{Body, Bytes};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jsonschema::Validator;
use net::deadline::{Limits, Meter};
use net::listen::{Caps, ListenCounts, Protocol, Security, Server};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::super::openapi::openapi_json;
use super::super::{Access, ApiLimits, HttpApi, RateLimit};
use super::script::{Script, Shared, play};
use crate::server::contents::Contents;
use crate::server::handle::ClusterHandle;

/// Rates that no test reaches which is not about them.
pub(super) const BOUNDLESS: RateLimit = RateLimit { per_second: 1_000_000, burst: 1_000_000 };

pub(super) fn limits() -> ApiLimits {
    ApiLimits { rate: BOUNDLESS, ..ApiLimits::default() }
}

pub(super) struct Stage {
    pub(super) address: SocketAddr,
    pub(super) script: Shared,
    document: Value,
    end: oneshot::Sender<()>,
    serving: JoinHandle<usize>,
}

/// How an API is served.
struct Settings {
    access: Access,
    limits: ApiLimits,
    security: Security,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Stage {
    /// Everybody may do everything.
    pub(super) async fn open() -> Self {
        Self::with(Access::Open, limits()).await
    }

    pub(super) async fn with(access: Access, limits: ApiLimits) -> Self {
        let script = Shared::default();
        let host = play(&script, Contents::new(64 << 20));
        Self::before(host, script, access, limits).await
    }

    /// Before the cluster behind `host`.
    pub(super) async fn before(
        host: ClusterHandle,
        script: Shared,
        access: Access,
        limits: ApiLimits,
    ) -> Self {
        Self::serve(host, script, Settings { access, limits, security: Security::Plain }).await
    }

    /// The same over TLS.
    pub(super) async fn secured(access: Access, security: Security) -> Self {
        let script = Shared::default();
        let host = play(&script, Contents::new(64 << 20));
        Self::serve(host, script, Settings { access, limits: limits(), security }).await
    }

    async fn serve(host: ClusterHandle, script: Shared, settings: Settings) -> Self {
        let Settings { access, limits, security } = settings;
        let meter = Arc::new(Meter::new(Limits::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server {
            protocol: Protocol::Http1,
            security,
            caps: Caps::default(),
            meter: Arc::clone(&meter),
            counts: Arc::<ListenCounts>::default(),
        };
        let (end, ended) = oneshot::channel::<()>();
        let api = HttpApi::new(host, access, limits, meter);
        let serving = tokio::spawn(api.serve(server, listener, async {
            // Dropped or told: both end it.
            drop(ended.await);
        }));
        let document = serde_json::from_str(&openapi_json()).unwrap();
        Self { address, script, document, end, serving }
    }

    pub(super) fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        super::script::lock(&self.script)
    }

    /// Ends it; says how many connections had to be cut.
    pub(super) async fn end(self) -> usize {
        drop(self.end);
        self.serving.await.unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], "").await
    }

    /// Posts JSON.
    pub(super) async fn post(&self, path: &str, json: &str) -> Answer {
        self.ask(Method::POST, path, &[("content-type", "application/json")], json.to_owned()).await
    }

    /// Asks on a connection of its own and holds the answer against the document.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method.clone()).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(header::HOST, self.address.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.send(request.body(body.into()).unwrap()).await;
        self.check(&method, path, &answer);
        answer
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = validators.entry(schema.to_string()).or_insert_with(|| {
            let mut schema = schema.clone();
            schema["components"] = self.document["components"].clone();
            Arc::new(jsonschema::validator_for(&schema).unwrap())
        });
        Arc::clone(compiled)
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driving = tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        driving.abort();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Panics unless the document has this answer to this request.
    pub(super) fn check(&self, method: &Method, path: &str, answer: &Answer) {
        let path = path.split('?').next().unwrap();
        let name = method.as_str().to_ascii_lowercase();
        let paths = self.document["paths"].as_object().unwrap();
        let operation = paths
            .iter()
            .find(|(template, operations)| operations.get(&name).is_some() && is_like(template, path))
            .map(|(_, operations)| &operations[&name]);
        let Some(operation) = operation else {
            assert!(matches!(answer.status.as_u16(), 400 | 403 | 404 | 405 | 429), "{path}: {answer:?}");
            answer.problem();
            return;
        };
        let declared = &operation["responses"];
        let status = answer.status.as_u16().to_string();
        let is_declared = declared.get(&status).is_some();
        assert!(is_declared || !answer.status.is_success(), "{method} {path}: {answer:?} is not declared");
        let response = if is_declared { &declared[&status] } else { &declared["default"] };
        if *method == Method::HEAD {
            assert!(answer.body.is_empty());
            return;
        }
        let content = response.get("content").and_then(Value::as_object);
        let Some((media_type, content)) = content.and_then(|content| content.iter().next()) else {
            assert!(answer.body.is_empty(), "{method} {path}: {answer:?} has an undeclared body");
            return;
        };
        assert_eq!(answer.headers[header::CONTENT_TYPE], media_type.as_str());
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        if media_type == "application/json" {
            let value: Value = serde_json::from_slice(&answer.body).unwrap();
            let validator = self.validator(&content["schema"]);
            let faults: Vec<_> = validator.iter_errors(&value).map(|fault| fault.to_string()).collect();
            assert!(faults.is_empty(), "{method} {path}: {faults:?} in {value}");
        }
        if !answer.status.is_success() {
            answer.problem();
        }
    }
}

/// What was compiled, for all tests: compiling takes longer than everything else they do.
static VALIDATORS: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());

fn is_like(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(&path).all(|(known, found)| known.starts_with('{') || known == found)
}

impl Answer {
    pub(super) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Its problem; panics unless it has one that fits its status.
    pub(super) fn problem(&self) -> Problem {
        let problem: Problem = self.json();
        assert_eq!(problem.status, self.status.as_u16());
        assert!(!problem.code.is_empty() && !problem.message.is_empty(), "{problem:?}");
        problem
    }

    /// Panics unless it is this refusal; gives what it says.
    #[track_caller]
    pub(super) fn refused(&self, status: u16, code: &str) -> String {
        let problem = self.problem();
        assert_eq!((problem.status, problem.code.as_str()), (status, code), "{}", problem.message);
        problem.message
    }
}
