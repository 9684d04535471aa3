//! Endpoints whose answer is all about its body.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::TRAILER;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use units::Nanos;

use super::{Refusal, expect};
use crate::Law;
use crate::connection::Arrived;
use crate::paced::{Pace, Paced, Progress};
use crate::shard::Shard;

/// The longest body: 1 GiB.
const MAX_LEN: u64 = 1 << 30;
const TOO_LONG: &str = "a body is at most 1073741824 bytes long";
const CHUNKS_TRAILER: HeaderName = HeaderName::from_static("x-chunks");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chunked {
    chunks: u64,
    bytes: u64,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default)]
    trailers: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slow {
    bytes: u64,
    rate: u64,
}

pub(super) async fn bytes(Path(len): Path<u64>) -> Result<Body, Refusal> {
    expect(len <= MAX_LEN, TOO_LONG)?;
    Ok(Body::new(Paced {
        len,
        frame: Paced::MAX_FRAME,
        pace: Pace::Free,
        is_len_known: true,
        trailers: None,
        progress: Progress::default(),
    }))
}

pub(super) async fn chunked(
    State(shard): State<Arc<Shard>>,
    Extension(Arrived(start)): Extension<Arrived>,
    Query(query): Query<Chunked>,
) -> Result<Response, Refusal> {
    expect((1..=Paced::MAX_FRAME).contains(&query.bytes), "a chunk holds 1 to 65536 bytes")?;
    let len = query.chunks.saturating_mul(query.bytes);
    expect(len <= MAX_LEN, TOO_LONG)?;
    let pause = Nanos::from_millis(query.delay_ms);
    expect(pause <= Law::MAX_DELAY, "delay_ms is at most 3600000")?;
    let pace = if pause.is_zero() { Pace::Free } else { Pace::Every { pause, start, shard } };
    let trailers =
        query.trailers.then(|| HeaderMap::from_iter([(CHUNKS_TRAILER, HeaderValue::from(query.chunks))]));
    let announced = trailers.is_some().then_some([(TRAILER, HeaderValue::from_static("x-chunks"))]);
    let body = Body::new(Paced {
        len,
        frame: query.bytes,
        pace,
        is_len_known: false,
        trailers,
        progress: Progress::default(),
    });
    Ok(match announced {
        Some(headers) => (headers, body).into_response(),
        None => body.into_response(),
    })
}

pub(super) async fn slow(
    State(shard): State<Arc<Shard>>,
    Extension(Arrived(start)): Extension<Arrived>,
    Query(query): Query<Slow>,
) -> Result<Body, Refusal> {
    expect(query.bytes <= MAX_LEN, TOO_LONG)?;
    expect(query.rate >= 1, "rate is at least 1 byte per second")?;
    // A hundred frames a second, where there are as many bytes.
    let frame = (query.rate / 100).clamp(1, Paced::MAX_FRAME);
    Ok(Body::new(Paced {
        len: query.bytes,
        frame,
        pace: Pace::Rate { bytes_per_second: query.rate, start, shard },
        is_len_known: true,
        trailers: None,
        progress: Progress::default(),
    }))
}
