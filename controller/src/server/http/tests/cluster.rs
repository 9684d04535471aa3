//! The API before the real cluster, without workers.

use api::http::{RunPage, RunState, RunStatus, Submitted};
use api::result::Tool;
use control::{ClusterId, Epoch};
use units::{Clock, MonotonicClock};
use uuid::Uuid;

use super::super::Access;
use super::routes::{submission, submit};
use super::script::Shared;
use super::stage::{Stage, limits};
use crate::cluster::{ClusterOptions, WallClock};
use crate::observe::Telemetry;
use crate::server::host::Host;

async fn stage() -> (Host, Stage) {
    let wall = WallClock::new(MonotonicClock.now(), jiff::Timestamp::UNIX_EPOCH);
    let options = ClusterOptions::new(ClusterId(Uuid::nil()), Epoch(1), "0.1.0".into(), wall);
    let tool = Tool { name: "loadgen".into(), version: "0.1.0".into(), git: None };
    let host = Host::start(MonotonicClock, options, tool, 1 << 20, Telemetry::off());
    let stage = Stage::before(host.handle().clone(), Shared::default(), Access::Open, limits()).await;
    (host, stage)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_clients_with_one_key_make_one_run() {
    let (host, stage) = stage().await;
    let stage = std::sync::Arc::new(stage);
    let clients: Vec<_> = (0..32)
        .map(|_| {
            let stage = std::sync::Arc::clone(&stage);
            tokio::spawn(async move { submit(&stage, "one", &submission()).await })
        })
        .collect();
    let (mut made, mut ids) = (0, std::collections::BTreeSet::new());
    for client in clients {
        let answer = client.await.unwrap();
        let submitted: Submitted = answer.json();
        assert_eq!(answer.status == 201, !submitted.repeated);
        made += usize::from(answer.status == 201);
        ids.insert(submitted.run_id);
    }
    assert_eq!((made, ids.len()), (1, 1));
    let page: RunPage = stage.get("/api/v1/runs").await.json();
    assert_eq!(page.runs.len(), 1);
    let other = submission().replace("10/s", "11/s");
    submit(&stage, "one", &other).await.refused(409, "idempotency_conflict");
    let long = "k".repeat(1000);
    submit(&stage, &long, &submission()).await.refused(400, "bad_header");
    host.shut_down().await;
}

#[tokio::test]
async fn a_run_that_waits_is_seen_refused_a_rate_stopped_and_told_to_whoever_follows() {
    let (host, stage) = stage().await;
    let submitted: Submitted = submit(&stage, "k", &submission()).await.json();
    let path = |rest: &str| format!("/api/v1/runs/{}{rest}", submitted.run_id);
    let status: RunStatus = stage.get(&path("")).await.json();
    assert_eq!((status.state, status.submitted_by.as_str()), (RunState::Queued, "local"));
    stage.get(&path("/result")).await.refused(409, "not_sealed");
    stage.post(&path("/pause"), "{}").await.refused(409, "not_running");
    assert_eq!(stage.post(&path("/stop"), "{}").await.status, 200);
    let told = stage.get(&path("/events")).await;
    let told = str::from_utf8(&told.body).unwrap();
    assert!(told.contains("id: 1\nevent: state\n") && told.contains("\nevent: sealed\n"), "{told}");
    let gone = stage.get(&path("/result")).await;
    gone.refused(410, "no_result");
    host.shut_down().await;
    // Whoever asks a controller that has ended is told so.
    stage.get("/api/v1/status").await.refused(503, "ended");
}
