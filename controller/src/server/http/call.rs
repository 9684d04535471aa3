//! One request, from its head to the head of its answer: all that is checked before it is carried out.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Query, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use control::RunId;
use http::request::Parts;
use http::{HeaderMap, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use net::deadline::{Operation, within};
use net::listen::Peer;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use units::{Clock, MonotonicClock};

use super::Api;
use super::answer::{JSON, OCTETS};
use super::rate::Client;
use super::refusal::Refusal;
use super::route::{Route, Takes};
use crate::run::Actor;

/// A request that may be carried out.
pub(crate) struct Call {
    pub(crate) api: Arc<Api>,
    pub(crate) by: Actor,
    pub(crate) headers: HeaderMap,
    pub(crate) uri: Uri,
    /// The whole of it; its size was checked.
    pub(crate) body: Bytes,
    path: Vec<(String, String)>,
}

/// Checks a request, carries it out and answers it.
pub(crate) async fn answer(api: Arc<Api>, route: &'static Route, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let peer = peer(&parts);
    let name = peer.to_string();
    let by = match admit(&api, route, peer, &parts) {
        Ok(by) => by,
        Err(refusal) => {
            tracing::debug!(peer = %name, route = route.name, "refused: {refusal}");
            discard(&parts.headers, body).await;
            return refusal.into_response();
        }
    };
    let done = async {
        let _place = api.places.try_acquire().map_err(|_| Refusal::Busy)?;
        let path = path(&mut parts).await?;
        let body = read(&api, route, &name, &parts.headers, body).await?;
        let call = Call {
            api: Arc::clone(&api),
            by: by.clone(),
            headers: std::mem::take(&mut parts.headers),
            uri: parts.uri.clone(),
            body,
            path,
        };
        within(&api.meter, Operation::ApiCall, &name, (route.carry_out)(call)).await?
    };
    let answer = done.await.unwrap_or_else(IntoResponse::into_response);
    // What is changed is told by the cluster, with who changed it.
    let status = answer.status().as_u16();
    tracing::debug!(%by, peer = %name, route = route.name, path = parts.uri.path(), status, "answered");
    answer
}

/// Answers what no route is for.
pub(crate) async fn refuse(api: Arc<Api>, request: Request, why: fn(&Parts) -> Refusal) -> Response {
    let (parts, body) = request.into_parts();
    let refusal = api.take(peer(&parts).ip().into()).err().unwrap_or_else(|| why(&parts));
    discard(&parts.headers, body).await;
    refusal.into_response()
}

/// Who asks, if they may.
fn admit(api: &Api, route: &Route, peer: SocketAddr, parts: &Parts) -> Result<Actor, Refusal> {
    // Before the token is looked at, so that guessing one is no faster than anything else.
    api.take(peer.ip().into())?;
    let by = api.access.admit(&parts.headers, &parts.uri, route.role)?;
    if !by.is_local() {
        api.take(Client::Token(by.to_string()))?;
    }
    if route.query.is_none() {
        Query::<NoKeys>::try_from_uri(&parts.uri).map_err(|refused| Refusal::Query(refused.body_text()))?;
    }
    // What a web page can send without asking first is never of these types.
    match route.takes {
        Takes::Nothing => {}
        Takes::Json(..) => check_media_type(&parts.headers, JSON)?,
        Takes::Content => check_media_type(&parts.headers, OCTETS)?,
    }
    Ok(by)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoKeys {}

fn check_media_type(headers: &HeaderMap, needs: &'static str) -> Result<(), Refusal> {
    let refused = |found: String| Err(Refusal::MediaType { found, needs });
    let mut sent = headers.get_all(header::CONTENT_TYPE).into_iter();
    let (Some(value), None) = (sent.next(), sent.next()) else {
        return refused("missing or there twice".into());
    };
    let value = String::from_utf8_lossy(value.as_bytes());
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(needs) { Ok(()) } else { refused(format!("`{essence}`")) }
}

/// What the segments in braces are here, percent signs resolved.
async fn path(parts: &mut Parts) -> Result<Vec<(String, String)>, Refusal> {
    let path = RawPathParams::from_request_parts(parts, &()).await;
    let path = path.map_err(|refused| Refusal::Path(refused.body_text()))?;
    Ok(path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The body, if it is as small as it must be and comes in time.
async fn read(
    api: &Api,
    route: &Route,
    peer: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Bytes, Refusal> {
    let (limit, operation) = match route.takes {
        Takes::Nothing => (0, Operation::ApiCall),
        Takes::Json(_, limit) => (limit, Operation::ApiCall),
        Takes::Content => (api.limits.content_bytes, Operation::Content),
    };
    if body.size_hint().lower() > limit as u64 {
        discard(headers, body).await;
        return Err(Refusal::TooLarge { limit });
    }
    let reading = async {
        // Bounds the memory that contents under way take; the others wait, within the same limit of time.
        let _place = match route.takes {
            Takes::Content => api.uploads.acquire().await.ok(),
            Takes::Nothing | Takes::Json(..) => None,
        };
        Limited::new(body, limit).collect().await
    };
    match within(&api.meter, operation, peer, reading).await? {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge { limit }),
        Err(error) => Err(Refusal::Cut(error.to_string())),
    }
}

/// Reads a little of what nobody wants: closing a connection on unread bytes resets it, and the peer may lose the answer
/// that says why. Not where the peer waits to be asked for the body: it never sends it then.
async fn discard(headers: &HeaderMap, body: Body) {
    if !body.is_end_stream() && !headers.contains_key(header::EXPECT) {
        // Whatever comes of it: nobody wants it.
        let _ = timeout(DISCARD_TIME, Limited::new(body, DISCARDED_BYTES).collect()).await;
    }
}

/// As much as a peer has under way before it hears of the refusal.
const DISCARDED_BYTES: usize = 256 << 10;
/// What is under way is here by then.
const DISCARD_TIME: Duration = Duration::from_millis(100);

/// Where a request comes from: the listener puts it in.
fn peer(parts: &Parts) -> SocketAddr {
    parts.extensions.get::<Peer>().expect("the listener says who calls").address
}

impl Api {
    /// Takes one request of a client from what it may send.
    fn take(&self, client: Client) -> Result<(), Refusal> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.take(client, MonotonicClock.now()).map_err(Refusal::TooMany)
    }
}

impl Call {
    /// The segment of the path in the place of `{name}`.
    pub(crate) fn segment(&self, name: &str) -> &str {
        let found = self.path.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).expect("the route's path has this segment")
    }

    /// The run that the path names.
    pub(crate) fn run_id(&self) -> Result<RunId, Refusal> {
        let text = self.segment("run_id");
        run_id(text).ok_or_else(|| Refusal::Path(format!("`{text}` is no run's ID")))
    }

    /// The body.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        // serde would take the fields of a struct from an array, in their order, too.
        if self.body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Refusal::Body("a JSON object is wanted, at line 1 column 1".into()));
        }
        serde_json::from_slice(&self.body).map_err(|error| Refusal::Body(error.to_string()))
    }

    /// The query.
    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let query = Query::try_from_uri(&self.uri);
        query.map(|Query(query)| query).map_err(|refused| Refusal::Query(refused.body_text()))
    }

    /// A header that may be there once, as text.
    pub(crate) fn header(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let mut sent = self.headers.get_all(name).into_iter();
        let Some(value) = sent.next() else { return Ok(None) };
        if sent.next().is_some() {
            return Err(Refusal::Header { name, why: "is there twice" });
        }
        value.to_str().map(Some).map_err(|_| Refusal::Header { name, why: "is no visible ASCII text" })
    }
}

/// A run's ID in the one form in which they are written: 36 characters, lower case.
pub(crate) fn run_id(text: &str) -> Option<RunId> {
    let id = RunId::new(uuid::Uuid::try_parse(text).ok()?);
    (id.to_string() == text).then_some(id)
}
