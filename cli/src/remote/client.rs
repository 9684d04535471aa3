//! The controller's HTTP API, typed: one method for each thing that can be asked.
//!
//! Every call opens a connection of its own: calls are seconds apart, and a connection that is not kept cannot have
//! died meanwhile. Each wait has its limit; see `loadgen limits`.

use std::sync::Arc;

use api::http::{
    ClusterStatus, DrainWorker, NoParameters, Problem, RunPage, RunStatus, SetRate, StopRun, SubmitRun,
    Submitted,
};
use bytes::Bytes;
use control::ContentDigest;
use http::{Method, Request, Response, header};
use net::dial::ReplyBody;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connector::Connector;
use super::error::RemoteError;
use super::events::EventStream;

/// A controller that can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    connector: Arc<Connector>,
}

/// What a request carries.
enum Payload {
    None,
    Json(Vec<u8>),
    Octets(Bytes),
}

impl Client {
    /// Asks through `connector`.
    pub(crate) fn new(connector: Connector) -> Self {
        Self { connector: Arc::new(connector) }
    }

    /// The controller's address, as people write it.
    pub(crate) fn controller(&self) -> String {
        self.connector.controller()
    }

    /// How the cluster is.
    pub(crate) async fn status(&self) -> Result<ClusterStatus, RemoteError> {
        self.json(Method::GET, "/status", Payload::None, &[]).await
    }

    /// Where a run stands.
    pub(crate) async fn run(&self, run: &str) -> Result<RunStatus, RemoteError> {
        self.json(Method::GET, &format!("/runs/{run}"), Payload::None, &[]).await
    }

    /// The latest runs that the controller keeps, the last first.
    pub(crate) async fn runs(&self) -> Result<Vec<RunStatus>, RemoteError> {
        let page: RunPage = self.json(Method::GET, "/runs?limit=1000", Payload::None, &[]).await?;
        Ok(page.runs)
    }

    /// Hands a content over, so that a submission can refer to it; again is no harm.
    pub(crate) async fn put_content(
        &self,
        digest: ContentDigest,
        bytes: impl Into<Bytes>,
    ) -> Result<(), RemoteError> {
        let path = format!("/contents/{digest}");
        self.call(Method::PUT, &path, Payload::Octets(bytes.into()), &[]).await.map(drop)
    }

    /// Submits a run under a key: the same key with the same body is the same run.
    pub(crate) async fn submit(&self, run: &SubmitRun, key: &str) -> Result<Submitted, RemoteError> {
        self.json(Method::POST, "/runs", body(run), &[("idempotency-key", key)]).await
    }

    /// Ends a run.
    pub(crate) async fn stop(&self, run: &str, cancel: bool) -> Result<(), RemoteError> {
        self.change(&format!("/runs/{run}/stop"), &StopRun { cancel }).await
    }

    /// Changes rates of a run.
    pub(crate) async fn set_rate(&self, run: &str, rate: &SetRate) -> Result<(), RemoteError> {
        self.change(&format!("/runs/{run}/rate"), rate).await
    }

    /// Lets a run stand still.
    pub(crate) async fn pause(&self, run: &str) -> Result<(), RemoteError> {
        self.change(&format!("/runs/{run}/pause"), &NoParameters {}).await
    }

    /// Lets a run go on.
    pub(crate) async fn resume(&self, run: &str) -> Result<(), RemoteError> {
        self.change(&format!("/runs/{run}/resume"), &NoParameters {}).await
    }

    /// Lets a worker go.
    pub(crate) async fn drain(&self, worker: &str, fast: bool) -> Result<(), RemoteError> {
        self.change(&format!("/workers/{worker}/drain"), &DrainWorker { fast }).await
    }

    /// What came of a run, as the text of its result file.
    pub(crate) async fn result(&self, run: &str) -> Result<String, RemoteError> {
        let bytes = self.call(Method::GET, &format!("/runs/{run}/result"), Payload::None, &[]).await?;
        String::from_utf8(bytes.into()).map_err(|_| self.connector.foreign("the result is no text"))
    }

    /// The events of a run after the number `after`, as they come.
    pub(crate) async fn events(&self, run: &str, after: u64) -> Result<EventStream, RemoteError> {
        let headers = [("last-event-id", &*after.to_string()), ("accept", "text/event-stream")];
        let answer = self.ask(Method::GET, &format!("/runs/{run}/events"), Payload::None, &headers).await?;
        Ok(EventStream::new(answer.into_body(), self.controller()))
    }

    async fn change(&self, path: &str, wish: &impl Serialize) -> Result<(), RemoteError> {
        self.call(Method::POST, path, body(wish), &[]).await.map(drop)
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        payload: Payload,
        headers: &[(&str, &str)],
    ) -> Result<T, RemoteError> {
        let bytes = self.call(method, path, payload, headers).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| self.connector.foreign(format!("its answer cannot be read: {error}")))
    }

    /// Asks and reads the whole answer.
    async fn call(
        &self,
        method: Method,
        path: &str,
        payload: Payload,
        headers: &[(&str, &str)],
    ) -> Result<Bytes, RemoteError> {
        let answer = self.ask(method, path, payload, headers).await?;
        self.read(answer.into_body()).await
    }

    async fn read(&self, body: ReplyBody) -> Result<Bytes, RemoteError> {
        body.collect(MOST_ANSWER_BYTES).await.map_err(|error| self.connector.broken(error))
    }

    /// Asks and waits for the head of an answer that is a success.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        payload: Payload,
        headers: &[(&str, &str)],
    ) -> Result<Response<ReplyBody>, RemoteError> {
        let (media_type, bytes) = match payload {
            Payload::None => (None, Bytes::new()),
            Payload::Json(bytes) => (Some("application/json"), bytes.into()),
            Payload::Octets(bytes) => (Some("application/octet-stream"), bytes),
        };
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        let media_type = media_type.map(|media_type| ("content-type", media_type));
        for (name, value) in headers.iter().copied().chain(media_type) {
            request = request.header(name, value);
        }
        if let Some(token) = self.connector.bearer() {
            request = request.header(header::AUTHORIZATION, token);
        }
        // A name in a path or a key in a header may be any text that the user gave.
        let request = request.body(bytes).map_err(|error| RemoteError::Wish { reason: error.to_string() })?;
        let mut connection = self.connector.connect().await?;
        let answer = connection.call(request).await.map_err(|error| self.connector.broken(error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let bytes = self.read(answer.into_body()).await?;
        Err(match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => RemoteError::Refused(problem),
            Err(_) => self.connector.foreign(format!("it answers {status}")),
        })
    }
}

fn body(value: &impl Serialize) -> Payload {
    Payload::Json(serde_json::to_vec(value).expect("bodies of the API have string keys only"))
}

/// A result with an hour of timeline and a thousand series is below a tenth of it.
const MOST_ANSWER_BYTES: usize = 512 << 20;
