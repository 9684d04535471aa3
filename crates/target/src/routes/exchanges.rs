//! Endpoints that a client's handling of requests and answers is tried on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Refusal, expect, read};
use crate::sequence::fails;
use crate::shard::Shard;

const INDEX: &str = include_str!("../../ENDPOINTS.md");
const PRODUCTS: &str = r#"[{"sku":17,"name":"kettle","price_cents":2995},{"sku":18,"name":"teapot","price_cents":1850},{"sku":19,"name":"cup","price_cents":490}]"#;

pub(super) async fn index() -> &'static str {
    INDEX.trim().trim_matches('`').trim_start_matches("text\n")
}

pub(super) async fn products() -> impl IntoResponse {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], PRODUCTS)
}

#[derive(Serialize)]
pub(super) struct Order {
    id: u64,
    bytes: u64,
}

pub(super) async fn order(
    State(shard): State<Arc<Shard>>,
    body: Body,
) -> Result<(StatusCode, Json<Order>), Refusal> {
    let bytes = read(body).await?;
    let id = shard.shared.next_order.fetch_add(1, Ordering::Relaxed) + 1;
    Ok((StatusCode::CREATED, Json(Order { id, bytes })))
}

pub(super) async fn status(Path(code): Path<u16>) -> Result<Response, Refusal> {
    expect(code >= 200, "the status of an answer is 200 to 999")?;
    let status = StatusCode::from_u16(code).map_err(|_| Refusal(format!("{code} is not a status")))?;
    let has_body = !matches!(code, 204 | 205 | 304);
    Ok(if has_body { (status, format!("status {code}\n")).into_response() } else { status.into_response() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Errors {
    rate: f64,
    #[serde(default = "internal_server_error")]
    status: u16,
}

fn internal_server_error() -> u16 {
    500
}

pub(super) async fn errors(
    State(shard): State<Arc<Shard>>,
    Query(Errors { rate, status }): Query<Errors>,
) -> Result<Response, Refusal> {
    expect((0.0..=1.0).contains(&rate), "rate is 0 to 1")?;
    expect((400..=599).contains(&status), "the status of an error is 400 to 599")?;
    let per_million = (rate * 1e6).round() as u32;
    let index = shard.shared.sequences.take(("errors", per_million.into(), status.into()));
    if !fails(per_million, index) {
        return Ok("ok\n".into_response());
    }
    let status = StatusCode::from_u16(status).map_err(|_| Refusal(format!("{status} is not a status")))?;
    Ok((status, "declared error\n").into_response())
}

pub(super) async fn echo(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Json<Value> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    Json(json!({
        "method": method.as_str(),
        "path": uri.path(),
        "query": uri.query(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
        "bytes": body.len(),
    }))
}

pub(super) async fn cookies(headers: HeaderMap) -> Json<Value> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    Json(
        pairs
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    )
}

pub(super) async fn set_cookies(
    RawQuery(query): RawQuery,
) -> Result<AppendHeaders<Vec<(HeaderName, HeaderValue)>>, Refusal> {
    let query = query.unwrap_or_default();
    // As they came, without decoding: what is a token in a query is one in a cookie.
    let pairs = query.split('&').filter(|pair| pair.contains('='));
    let cookies = pairs.map(|pair| {
        let line = HeaderValue::from_str(&format!("{pair}; Path=/"));
        line.map(|line| (SET_COOKIE, line)).map_err(|_| Refusal(format!("`{pair}` is not a cookie")))
    });
    let cookies = cookies.collect::<Result<Vec<_>, _>>()?;
    expect(!cookies.is_empty(), "name a cookie: /cookies/set?name=value")?;
    Ok(AppendHeaders(cookies))
}

pub(super) async fn redirect(Path(n): Path<u32>) -> Response {
    match n.checked_sub(1) {
        Some(next) => (StatusCode::FOUND, [(LOCATION, format!("/redirect/{next}"))]).into_response(),
        None => "arrived\n".into_response(),
    }
}
