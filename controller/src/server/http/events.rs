//! Following a run by server-sent events.
//!
//! Every event has its number as `id`, so a client that was cut off says with `Last-Event-ID` after which one to go on:
//! nothing is lost, repeated or out of order. A stream that ends before the run does says so, and how far it came; but for
//! that of a token that was revoked meanwhile, which ends without another word.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use api::http::{CutReason, RunEventBody, RunState, StreamCut};
use axum::body::{Body, Bytes};
use axum::response::Response;
use control::RunId;
use http::{HeaderMap, StatusCode, Uri};
use hyper::body::Frame;
use net::api_token::Role;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Api;
use super::answer;
use super::call::Call;
use super::followed::Followed;
use super::refusal::Refusal;
use crate::server::watch::{Events, Watched};

/// From where on to follow a run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    /// The number of the last event that was seen; 0, for all events, if left out.
    #[schemars(with = "u64")]
    after: Option<u64>,
}

/// `GET /runs/{run_id}/events`.
pub(crate) async fn follow(call: Call) -> Result<Response, Refusal> {
    let run = call.run_id()?;
    let after = match call.header(LAST)? {
        Some(text) => {
            let why = "is the number of an event";
            text.trim().parse().map_err(|_| Refusal::Header { name: LAST, why })?
        }
        None => call.query::<Position>()?.after.unwrap_or(0),
    };
    let place = call.api.streams.clone().try_acquire_owned().map_err(|_| Refusal::Busy)?;
    let events = call.api.host.events(run, after).await?;
    call.api.followed.came(run);
    let follower = Follower {
        run,
        followed: call.api.followed.clone(),
        has_seen_the_end: false,
        events,
        last: after,
        ended: false,
        ending: call.api.ending.clone(),
        api: call.api,
        headers: call.headers,
        uri: call.uri,
        _place: place,
    };
    Ok(answer::of(
        StatusCode::OK,
        answer::EVENTS,
        Body::new(Stream { next: Some(Box::pin(follower.open())) }),
    ))
}

const LAST: &str = "last-event-id";

/// One client that follows one run.
struct Follower {
    run: RunId,
    followed: Arc<Followed>,
    has_seen_the_end: bool,
    events: Events,
    /// The number of the last event that was given.
    last: u64,
    /// Whether nothing more is to be given.
    ended: bool,
    /// Becomes true when the API is about to end.
    ending: watch::Receiver<bool>,
    api: Arc<Api>,
    /// What it was let in by.
    headers: HeaderMap,
    uri: Uri,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// Says how soon to come again after a cut.
    async fn open(self) -> Option<Said> {
        Some((Bytes::from_static(b"retry: 1000\n\n"), self))
    }

    /// Waits for the next thing to say; none after the last.
    async fn step(mut self) -> Option<Said> {
        if self.ended {
            return None;
        }
        let said = tokio::select! {
            // What has happened comes before the word that nothing follows.
            biased;
            watched = self.events.next() => match watched {
                Some(Watched::Event(logged)) => {
                    self.last = logged.event.seq;
                    self.has_seen_the_end = matches!(logged.event.body, RunEventBody::Sealed(_));
                    self.ended = self.has_seen_the_end;
                    framed(Some(self.last), logged.event.body.kind(), &logged.json)
                }
                Some(Watched::Overflow { last }) => {
                    debug_assert_eq!(last, self.last, "everything before the overflow was given");
                    self.cut(CutReason::Overflow)
                }
                // Nothing follows: because the run is over, or because the controller is.
                None if self.is_sealed().await => return None,
                None => self.cut(CutReason::ShuttingDown),
            },
            () = told(&mut self.ending) => self.cut(CutReason::ShuttingDown),
            () = tokio::time::sleep(KEEPALIVE) => Bytes::from_static(b":\n\n"),
        };
        // A stream outlives revocations.
        self.api.access.admit(&self.headers, &self.uri, Role::Observe).ok()?;
        Some((said, self))
    }

    fn cut(&mut self, reason: CutReason) -> Bytes {
        self.ended = true;
        let cut = serde_json::to_string(&StreamCut { last_seq: self.last, reason });
        framed(None, "cut", &cut.expect("a cut has string keys only"))
    }

    async fn is_sealed(&self) -> bool {
        self.api.host.run(self.run).await.is_ok_and(|status| status.state == RunState::Sealed)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.followed.gone(self.run, self.has_seen_the_end);
    }
}

/// Ready when the API is about to end, or is no more.
async fn told(ending: &mut watch::Receiver<bool>) {
    // An error says that whoever would tell is gone.
    drop(ending.wait_for(|ending| *ending).await);
}

/// An event in the form of the stream. JSON has no line ends of its own.
fn framed(id: Option<u64>, kind: &str, json: &str) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("{id}event: {kind}\ndata: {json}\n\n"))
}

/// Proxies and clients give up on silence after 30 to 60 s.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// What is said, and the follower to say what comes next.
type Said = (Bytes, Follower);

/// What the follower says, as the body of an answer: it goes on when the client has taken what was said before.
struct Stream {
    /// None after the end.
    next: Option<Pin<Box<dyn Future<Output = Option<Said>> + Send>>>,
}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let said = ready!(next.as_mut().poll(cx));
        self.next = None;
        Poll::Ready(said.map(|(said, follower)| {
            self.next = Some(Box::pin(follower.step()));
            Ok(Frame::data(said))
        }))
    }
}
