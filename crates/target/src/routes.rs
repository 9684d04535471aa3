//! The endpoints. Their index is `ENDPOINTS.md`.

mod bodies;
mod control;
mod delays;
mod exchanges;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};

use crate::shard::Shard;

/// All endpoints of a serving thread.
pub(crate) fn routes(shard: Arc<Shard>) -> Router {
    Router::new()
        .route("/", get(exchanges::index))
        .route("/products", get(exchanges::products))
        .route("/status/{code}", any(exchanges::status))
        .route("/errors", any(exchanges::errors))
        .route("/cookies", get(exchanges::cookies))
        .route("/cookies/set", get(exchanges::set_cookies))
        .route("/redirect/{n}", any(exchanges::redirect))
        .route("/delay/fixed", any(delays::fixed))
        .route("/delay/exp", any(delays::exponential))
        .route("/delay/lognormal", any(delays::log_normal))
        .route("/bytes/{n}", get(bodies::bytes))
        .route("/chunked", get(bodies::chunked))
        .route("/slow", get(bodies::slow))
        .route("/close", any(control::close))
        .route("/abort", any(control::abort))
        .route("/reset", any(control::reset))
        .route("/stats", get(control::stats))
        .route("/stats/reset", post(control::reset_stats))
        .route("/control/stall", post(control::stall))
        .layer(from_fn(read_first))
        // These two read the body themselves.
        .route("/orders", post(exchanges::order))
        .route("/echo", any(exchanges::echo))
        .with_state(shard)
}

/// Reads the body before the request goes on: an answer to a body half read would cost the connection.
async fn read_first(request: Request, next: Next) -> Result<Response, Refusal> {
    if request.body().is_end_stream() {
        return Ok(next.run(request).await);
    }
    let (head, body) = request.into_parts();
    read(body).await?;
    Ok(next.run(Request::from_parts(head, Body::empty())).await)
}

/// Reads a body to its end and keeps nothing; its length in bytes.
async fn read(mut body: Body) -> Result<u64, Refusal> {
    let mut len = 0;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| Refusal(format!("the body cannot be read: {error}")))?;
        len += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(len)
}

/// A request that asks for what the target does not do.
struct Refusal(String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.0 + "\n").into_response()
    }
}

/// `Ok` when `holds`; else a refusal that says what is expected.
fn expect(holds: bool, expectation: &str) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal(expectation.to_owned())) }
}
