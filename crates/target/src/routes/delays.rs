//! Endpoints that answer after a declared delay.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use units::Nanos;

use super::{Refusal, expect};
use crate::Law;
use crate::connection::Arrived;
use crate::shard::Shard;

/// What was done to a request.
#[derive(Serialize)]
pub(super) struct Delayed {
    /// Which delay of the sequence it was.
    index: u64,
    /// The delay as drawn.
    delay_ns: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fixed {
    ms: Option<u64>,
    us: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exponential {
    mean_ms: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogNormal {
    median_ms: f64,
    sigma: f64,
}

pub(super) async fn fixed(
    State(shard): State<Arc<Shard>>,
    Extension(arrived): Extension<Arrived>,
    Query(query): Query<Fixed>,
) -> Result<Json<Delayed>, Refusal> {
    let delay = match (query.ms, query.us) {
        (Some(ms), None) => Nanos::from_millis(ms),
        (None, Some(us)) => Nanos::from_micros(us),
        _ => return Err(Refusal("say how long, with either ms or us".to_owned())),
    };
    expect(delay <= Law::MAX_DELAY, "a delay is at most an hour")?;
    Ok(after(&shard, arrived, Law::Fixed(delay), ("fixed", delay.as_u64(), 0)).await)
}

pub(super) async fn exponential(
    State(shard): State<Arc<Shard>>,
    Extension(arrived): Extension<Arrived>,
    Query(query): Query<Exponential>,
) -> Result<Json<Delayed>, Refusal> {
    let mean = span("mean_ms", query.mean_ms)?;
    Ok(after(&shard, arrived, Law::Exponential { mean }, ("exp", mean.as_u64(), 0)).await)
}

pub(super) async fn log_normal(
    State(shard): State<Arc<Shard>>,
    Extension(arrived): Extension<Arrived>,
    Query(LogNormal { median_ms, sigma }): Query<LogNormal>,
) -> Result<Json<Delayed>, Refusal> {
    let median = span("median_ms", median_ms)?;
    expect((0.0..=10.0).contains(&sigma), "sigma is 0 to 10")?;
    let law = Law::LogNormal { median, sigma };
    Ok(after(&shard, arrived, law, ("lognormal", median.as_u64(), sigma.to_bits())).await)
}

fn span(name: &str, millis: f64) -> Result<Nanos, Refusal> {
    expect((0.0..=3.6e6).contains(&millis), &format!("{name} is 0 to 3600000, found {millis}"))?;
    Ok(Nanos::new((millis * 1e6).round() as u64))
}

async fn after(
    shard: &Shard,
    Arrived(at): Arrived,
    law: Law,
    key: (&'static str, u64, u64),
) -> Json<Delayed> {
    let index = shard.shared.sequences.take(key);
    let delay = law.delay(shard.shared.seed, index);
    shard.sleeper.until(at + delay).await;
    Json(Delayed { index, delay_ns: delay.as_u64() })
}
