//! Endpoints about the connection and about the target itself.

use std::future::pending;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::header::CONNECTION;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::Deserialize;
use units::{Clock, MonotonicClock, Nanos};

use super::{Refusal, expect};
use crate::connection::Cut;
use crate::shard::Shard;
use crate::{Law, StallSpan, Stats};

/// How long after the request the stall begins, so that the answer gets out before it.
const STALL_NOTICE: Nanos = Nanos::from_millis(1);

pub(super) async fn close() -> impl IntoResponse {
    ([(CONNECTION, "close")], "closing\n")
}

pub(super) async fn abort(Extension(cut): Extension<Arc<Cut>>) {
    cut.ask(false);
    pending().await
}

pub(super) async fn reset(Extension(cut): Extension<Arc<Cut>>) {
    cut.ask(true);
    pending().await
}

pub(super) async fn stats(State(shard): State<Arc<Shard>>) -> Json<Stats> {
    Json(shard.shared.stats())
}

pub(super) async fn reset_stats(State(shard): State<Arc<Shard>>) -> Json<Stats> {
    Json(shard.shared.reset())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StallQuery {
    ms: u64,
}

pub(super) async fn stall(
    State(shard): State<Arc<Shard>>,
    Query(StallQuery { ms }): Query<StallQuery>,
) -> Result<Json<StallSpan>, Refusal> {
    let lasting = Nanos::from_millis(ms);
    expect(lasting <= Law::MAX_DELAY, "a stall lasts at most an hour")?;
    let span = shard.shared.gate.add(MonotonicClock.now() + STALL_NOTICE, lasting);
    span.map(Json).ok_or_else(|| Refusal("too many stalls were declared".to_owned()))
}
