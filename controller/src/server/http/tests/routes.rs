//! Every route does what it is there for.

use api::http::{ClusterStatus, RunPage, RunStatus, Submitted};
use control::LeaveMode;
use http::Method;
use serde_json::json;

use super::script::{FAILED, FORGOTTEN, RESULT, RUNNING, SEALED, UNKNOWN, run};
use super::stage::Stage;
use crate::cluster::RunControl;

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn document() -> String {
    json!({
        "name": "quick start",
        "target": { "url": "http://127.0.0.1:1" },
        "scenarios": {
            "browse": {
                "executor": "constant-arrival-rate",
                "rate": "10/s",
                "duration": "2s",
                "steps": [{ "get": "/" }],
            }
        }
    })
    .to_string()
}

pub(super) fn submission() -> String {
    json!({ "document": document() }).to_string()
}

pub(super) async fn submit(stage: &Stage, key: &str, body: &str) -> super::stage::Answer {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    stage.ask(Method::POST, "/api/v1/runs", &headers, body.to_owned()).await
}

#[tokio::test]
async fn a_content_is_there_once_it_was_put_and_only_as_what_it_is() {
    let stage = Stage::open().await;
    let path = format!("/api/v1/contents/{HELLO}");
    let octets = [("content-type", "application/octet-stream")];
    assert_eq!(stage.ask(Method::HEAD, &path, &[], "").await.status, 404);
    stage.ask(Method::PUT, &path, &octets, "hello!").await.refused(422, "digest_mismatch");
    assert_eq!(stage.ask(Method::HEAD, &path, &[], "").await.status, 404);
    for _ in 0..2 {
        assert_eq!(stage.ask(Method::PUT, &path, &octets, "hello").await.status, 204);
    }
    assert_eq!(stage.ask(Method::HEAD, &path, &[], "").await.status, 204);
}

#[tokio::test]
async fn the_same_key_and_body_are_the_same_run_and_another_body_is_refused() {
    let stage = Stage::open().await;
    let first = submit(&stage, "k1", &submission()).await;
    assert_eq!(first.status, 201);
    let again = submit(&stage, "k1", &submission()).await;
    assert_eq!(again.status, 200);
    let (first, again): (Submitted, Submitted) = (first.json(), again.json());
    assert!(!first.repeated && again.repeated);
    assert_eq!(first.run_id, again.run_id);
    let other =
        submission().replace("10/s", "11/s").replace("\"document\"", "\"preflight\":false,\"document\"");
    submit(&stage, "k1", &other).await.refused(409, "idempotency_conflict");
    stage.post("/api/v1/runs", &submission()).await.refused(400, "bad_header");
    submit(&stage, "k2", &json!({ "document": "{}" }).to_string()).await.refused(422, "invalid_workload");
    let absent = json!({ "document": document(), "files": [{ "path": "a", "sha256": HELLO, "bytes": 5 }] });
    submit(&stage, "k3", &absent.to_string()).await.refused(409, "missing_content");
    assert_eq!(stage.script().submitted_by, ["local"]);
}

#[tokio::test]
async fn runs_are_listed_by_page_and_state() {
    let stage = Stage::open().await;
    let ids = |page: &RunPage| page.runs.iter().map(|run| run.run_id.clone()).collect::<Vec<_>>();
    let all: RunPage = stage.get("/api/v1/runs").await.json();
    assert_eq!(ids(&all), [FAILED, SEALED, RUNNING].map(|number| run(number).to_string()));
    assert_eq!(all.next_after, None);
    let page: RunPage = stage.get("/api/v1/runs?state=sealed&limit=1").await.json();
    assert_eq!(ids(&page), [run(FAILED).to_string()]);
    let after = page.next_after.unwrap();
    let page: RunPage = stage.get(&format!("/api/v1/runs?state=sealed&limit=1&after={after}")).await.json();
    assert_eq!((ids(&page), page.next_after), (vec![run(SEALED).to_string()], None));
}

#[tokio::test]
async fn a_run_and_its_result_are_there_unknown_too_early_or_gone() {
    let stage = Stage::open().await;
    let path = |number: u128, rest: &str| format!("/api/v1/runs/{}{rest}", run(number));
    let status: RunStatus = stage.get(&path(RUNNING, "")).await.json();
    assert_eq!(status.run_id, run(RUNNING).to_string());
    stage.get(&path(UNKNOWN, "")).await.refused(404, "unknown_run");
    stage.get(&path(FORGOTTEN, "")).await.refused(410, "forgotten");

    let result = stage.get(&path(SEALED, "/result")).await;
    let expected = api::result::ResultFile::from_json(RESULT).unwrap().to_json();
    assert_eq!(str::from_utf8(&result.body).unwrap(), expected);
    stage.get(&path(RUNNING, "/result")).await.refused(409, "not_sealed");
    stage.get(&path(UNKNOWN, "/result")).await.refused(404, "unknown_run");
    stage.get(&path(FORGOTTEN, "/result")).await.refused(410, "forgotten");
    let none = stage.get(&path(FAILED, "/result")).await.refused(410, "no_result");
    assert!(none.contains("no worker was ready"), "{none}");
}

#[tokio::test]
async fn every_change_reaches_the_cluster_as_it_was_asked_for() {
    let stage = Stage::open().await;
    let path = |rest: &str| format!("/api/v1/runs/{}/{rest}", run(RUNNING));
    let asked = [
        ("stop", "{}", RunControl::Stop { cancel: false }),
        ("stop", r#"{"cancel":true}"#, RunControl::Stop { cancel: true }),
        (
            "rate",
            r#"{"rate":{"scenario":"browse","rate":"2000/s"}}"#,
            RunControl::Rate { scenario: Some("browse".into()), rate: "2000/s".parse().unwrap() },
        ),
        (
            "rate",
            r#"{"rate":{"rate":"30/m"}}"#,
            RunControl::Rate { scenario: None, rate: "30/m".parse().unwrap() },
        ),
        ("rate", r#"{"scale":{"factor":0.5}}"#, RunControl::Scale { scenario: None, factor: 0.5 }),
        ("pause", "{}", RunControl::Pause),
        ("resume", "{}", RunControl::Resume),
    ];
    for (rest, body, expected) in asked {
        assert_eq!(stage.post(&path(rest), body).await.status, 200, "{rest} {body}");
        assert_eq!(stage.script().changes.pop(), Some((run(RUNNING), expected, "local".into())));
    }
    let over = format!("/api/v1/runs/{}/pause", run(SEALED));
    stage.post(&over, "{}").await.refused(409, "not_running");
    let unknown = format!("/api/v1/runs/{}/stop", run(UNKNOWN));
    stage.post(&unknown, "{}").await.refused(404, "unknown_run");
}

#[tokio::test]
async fn the_cluster_is_shown_and_its_workers_are_let_go() {
    let stage = Stage::open().await;
    let status: ClusterStatus = stage.get("/api/v1/status").await.json();
    assert_eq!(status.runs.len(), 1);
    assert_eq!(stage.post("/api/v1/workers/w1/drain", "{}").await.status, 204);
    assert_eq!(stage.post("/api/v1/workers/w1/drain", r#"{"fast":true}"#).await.status, 204);
    stage.post("/api/v1/workers/w%2F2/drain", "{}").await.refused(404, "unknown_worker");
    let asked = |name: &str, mode| (name.to_owned(), mode, "local".to_owned());
    assert_eq!(
        stage.script().drained,
        [asked("w1", LeaveMode::Graceful), asked("w1", LeaveMode::Fast), asked("w/2", LeaveMode::Graceful)]
    );
}

#[tokio::test]
async fn what_is_not_there_and_what_cannot_be_done_are_problems_too() {
    let stage = Stage::open().await;
    for path in ["/", "/api", "/api/v1", "/api/v1/", "/api/v2/runs", "/api/v1/runs/", "/metrics"] {
        stage.get(path).await.refused(404, "unknown_path");
    }
    stage.ask(Method::DELETE, "/api/v1/runs", &[], "").await.refused(405, "wrong_method");
    let put = stage.ask(Method::PUT, "/api/v1/status", &[], "").await;
    put.refused(405, "wrong_method");
    assert_eq!(put.headers[http::header::ALLOW], "GET,HEAD");
}

#[tokio::test]
async fn the_document_is_given_as_it_is_committed() {
    let stage = Stage::open().await;
    let given = stage.get("/api/v1/openapi.json").await;
    assert_eq!(str::from_utf8(&given.body).unwrap(), super::super::openapi_json());
}
