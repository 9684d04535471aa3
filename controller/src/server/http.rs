//! The HTTP API under `/api/v1`, for people and pipelines.
//!
//! What there is stands in one table (`route`); the router, the check of roles, the limits on bodies and the OpenAPI
//! document are made from it. A request passes, in this order: the rate its address may have, its token and role (or,
//! without tokens, the host it names), the rate its token may have, its query's keys and its media type, the place among
//! requests at once, the size of its body, and then its handler, under a limit of time. Whatever is refused is answered
//! by an [`api::http::Problem`]. The API opens no file and knows the cluster only by its [`ClusterHandle`].

mod access;
mod answer;
mod call;
mod contents;
mod events;
mod flowing;
mod followed;
mod openapi;
mod rate;
mod refusal;
mod route;
mod runs;
mod vitals;
mod workers;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodFilter, on};
use net::deadline::Meter;
use net::listen::{self, Server};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

pub use access::Access;
pub use openapi::openapi_json;
pub use rate::RateLimit;
pub use vitals::ClusterVitals;

use self::flowing::Flowing;
use self::followed::Followed;
use self::rate::Buckets;
use self::refusal::Refusal;
use self::route::{BASE, TABLE};
use super::handle::ClusterHandle;

/// What the API allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiLimits {
    /// Bytes a content may have; 64 MiB.
    pub content_bytes: usize,
    /// Requests of one address, and of one token.
    pub rate: RateLimit,
    /// Requests at once, streams of events aside; 64.
    pub requests: usize,
    /// Contents on their way in at once; 4. More wait.
    pub uploads: usize,
    /// Streams of events at once; 256.
    pub streams: usize,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self { content_bytes: 64 << 20, rate: RateLimit::default(), requests: 64, uploads: 4, streams: 256 }
    }
}

/// Says when an API has nothing more to hand out.
#[derive(Clone, Debug)]
pub struct LastWord(Arc<Followed>);

impl LastWord {
    /// From now on whoever follows a run is waited for.
    pub fn begin(&self) {
        self.0.begin_to_end();
    }

    /// Whether anybody follows a run.
    #[cfg(test)]
    pub(super) fn is_awaited(&self) -> bool {
        self.0.is_followed()
    }

    /// Waits until all who followed a run at [`LastWord::begin`] were given its result, or are gone.
    pub async fn said(&self) {
        self.0.all_served().await;
    }
}

/// The API of one controller.
#[derive(Debug)]
pub struct HttpApi {
    api: Arc<Api>,
    ending: watch::Sender<bool>,
}

/// What all requests share.
#[derive(Debug)]
struct Api {
    host: ClusterHandle,
    access: Access,
    limits: ApiLimits,
    meter: Arc<Meter>,
    buckets: Mutex<Buckets>,
    places: Semaphore,
    uploads: Semaphore,
    streams: Arc<Semaphore>,
    followed: Arc<Followed>,
    ending: watch::Receiver<bool>,
}

impl HttpApi {
    /// An API to the cluster behind `host`, whose waits are bounded and counted by `meter`.
    pub fn new(host: ClusterHandle, access: Access, limits: ApiLimits, meter: Arc<Meter>) -> Self {
        let (ending, told) = watch::channel(false);
        let api = Arc::new(Api {
            host,
            access,
            limits,
            meter,
            buckets: Mutex::new(Buckets::new(limits.rate)),
            places: Semaphore::new(limits.requests),
            uploads: Semaphore::new(limits.uploads),
            streams: Arc::new(Semaphore::new(limits.streams)),
            followed: Arc::default(),
            ending: told,
        });
        Self { api, ending }
    }

    /// Whom it still owes a result when the controller ends.
    pub fn last_word(&self) -> LastWord {
        LastWord(Arc::clone(&self.api.followed))
    }

    /// Serves the API until `shutdown` is ready; then its streams end, each with the word how far it came, and so do its
    /// connections. Returns how many had to be cut.
    pub async fn serve(
        self,
        server: Server,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> usize {
        let router = self.router();
        let ending = async {
            shutdown.await;
            self.ending.send_replace(true);
        };
        listen::serve(server, Flowing(listener), router, ending).await
    }

    fn router(&self) -> Router {
        let mut router = Router::new();
        for route in TABLE {
            let api = Arc::clone(&self.api);
            let method = MethodFilter::try_from(route.method.clone()).expect("the table has common methods");
            let answer = move |request: Request| call::answer(Arc::clone(&api), route, request);
            router = router.route(&format!("{BASE}{}", route.path), on(method, answer));
        }
        let (unknown, method) = (Arc::clone(&self.api), Arc::clone(&self.api));
        router
            .fallback(move |request: Request| {
                call::refuse(Arc::clone(&unknown), request, |head| {
                    Refusal::UnknownPath(head.uri.path().to_owned())
                })
            })
            .method_not_allowed_fallback(move |request: Request| {
                call::refuse(Arc::clone(&method), request, |head| Refusal::Method {
                    method: head.method.to_string(),
                    path: head.uri.path().to_owned(),
                })
            })
    }
}

#[cfg(test)]
mod tests;
