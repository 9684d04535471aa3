//! The API as it is served by default: with TLS and tokens, asked by the client that the command line uses.

use std::sync::Arc;

use api::http::{RunEventBody, RunExit, RunStatus};
use axum::body::Bytes;
use http::Request;
use net::WallTime;
use net::api_token::{Role, TokenSet};
use net::deadline::{Limits, Meter};
use net::dial::Dialer;
use net::identity::Authority;
use net::listen::Security;
use net::tls::{Alpn, Trust, client_config, server_config};
use units::Nanos;

use super::super::Access;
use super::script::{RUNNING, run};
use super::stage::Stage;

#[tokio::test]
async fn a_client_that_knows_the_fingerprint_and_has_a_token_looks_at_a_run_and_follows_it() {
    let now = WallTime::now();
    let authority = Authority::create("cluster", now).unwrap();
    let identity = authority.server(&["127.0.0.1".to_owned()], now, Nanos::from_secs(3_600)).unwrap();
    let mut tokens = TokenSet::default();
    let (_, token) = tokens.create(Role::Observe, now).unwrap();
    let security = Security::Tls(server_config(&identity, None, Alpn::Http1).unwrap());
    let stage = Stage::secured(Access::Tokens(tokens.into()), security).await;
    stage.script().happens(RunEventBody::Sealed(RunExit {
        code: 0,
        name: "passed".into(),
        reasons: Vec::new(),
    }));

    let trust = Trust::Fingerprint(authority.fingerprint());
    let tls = Some(client_config(&trust, None, Alpn::Http1).unwrap());
    let dialer = Dialer { tls, meter: Arc::new(Meter::new(Limits::default())) };
    let endpoint = format!("https://{}", stage.address).parse().unwrap();
    let mut connection = dialer.http1(&endpoint).await.unwrap();
    let path = format!("/api/v1/runs/{}", run(RUNNING));
    let ask = |path: &str, token: &str| {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        request.body(Bytes::new()).unwrap()
    };
    // One connection carries one request after another, also after a refusal.
    let refused = connection.call(ask(&path, "lga1_wrong")).await.unwrap();
    assert_eq!(refused.status(), 401);
    refused.into_body().collect(10_000).await.unwrap();
    let status = connection.call(ask(&path, token.expose())).await.unwrap();
    let status = status.into_body().collect(10_000).await.unwrap();
    assert_eq!(serde_json::from_slice::<RunStatus>(&status).unwrap().run_id, run(RUNNING).to_string());
    let events = connection.call(ask(&format!("{path}/events"), token.expose())).await.unwrap();
    let events = events.into_body().collect(10_000).await.unwrap();
    assert!(str::from_utf8(&events).unwrap().contains("id: 1\nevent: sealed\ndata: {"), "{events:?}");
    drop(connection);
    assert_eq!(stage.end().await, 0);
}
