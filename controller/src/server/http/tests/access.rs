//! Who may do what, for every route there is.

use http::Method;
use net::WallTime;
use net::api_token::{Role, TokenSet};

use super::super::Access;
use super::super::route::{BASE, Route, TABLE, Takes};
use super::routes::submission;
use super::script::{RUNNING, SEALED, run};
use super::stage::{Answer, Stage, limits};

/// A request that is right but for who sends it.
async fn request(stage: &Stage, route: &Route, authorization: Option<&str>) -> Answer {
    // Only a run that is over has a result.
    let number = if route.name == "getResult" { SEALED } else { RUNNING };
    let path = format!("{BASE}{}", route.path)
        .replace("{run_id}", &run(number).to_string())
        .replace("{name}", "w1")
        .replace("{sha256}", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let mut headers = vec![("idempotency-key", "k")];
    headers.extend(authorization.map(|value| ("authorization", value)));
    let body = match route.takes {
        Takes::Nothing => String::new(),
        Takes::Content => {
            headers.push(("content-type", "application/octet-stream"));
            String::new()
        }
        Takes::Json(..) => {
            headers.push(("content-type", "application/json; charset=utf-8"));
            match route.name {
                "submitRun" => submission(),
                "setRate" => r#"{"scale":{"factor":2}}"#.to_owned(),
                _ => "{}".to_owned(),
            }
        }
    };
    stage.ask(route.method.clone(), &path, &headers, body).await
}

/// Routes of which a success never ends.
fn is_endless(route: &Route) -> bool {
    route.name == "followRun"
}

fn code(answer: &Answer) -> String {
    if answer.body.is_empty() { String::new() } else { answer.problem().code }
}

#[tokio::test]
async fn every_role_may_do_what_the_table_says_and_nothing_else() {
    let mut tokens = TokenSet::default();
    let texts = Role::ALL.map(|role| tokens.create(role, WallTime::from_unix(0)).unwrap().1);
    let (_, foreign) = TokenSet::default().create(Role::Admin, WallTime::from_unix(0)).unwrap();
    let stage = Stage::with(Access::Tokens(tokens.into()), limits()).await;
    // The run that is followed is over, so that following it ends.
    stage.script().happens(api::http::RunEventBody::Sealed(api::http::RunExit {
        code: 0,
        name: "passed".into(),
        reasons: Vec::new(),
    }));
    for route in TABLE {
        for bad in [None, Some("lga1_"), Some("Bearer lga1_0011"), Some("Basic YTpi"), Some("Bearer ")] {
            let answer = request(&stage, route, bad).await;
            assert_eq!(answer.status, 401, "{} with {bad:?}", route.name);
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
        let foreign = format!("Bearer {}", foreign.expose());
        assert_eq!(request(&stage, route, Some(&foreign)).await.status, 401, "{}", route.name);
        for (role, text) in Role::ALL.into_iter().zip(&texts) {
            let answer = request(&stage, route, Some(&format!("Bearer {}", text.expose()))).await;
            if role >= route.role {
                assert!(answer.status.is_success(), "{} as {role}: {answer:?}", route.name);
                continue;
            }
            assert_eq!(answer.status, 403, "{} as {role}", route.name);
            if route.method != Method::HEAD {
                assert_eq!(code(&answer), "not_allowed");
                assert!(answer.problem().message.contains(route.role.name()), "says which role is missing");
            }
        }
    }
}

#[test]
fn whatever_changes_something_needs_more_than_to_look() {
    for route in TABLE {
        let looks = route.method == Method::GET;
        assert_eq!(looks, route.role == Role::Observe, "{}", route.name);
    }
}

#[tokio::test]
async fn who_changed_something_is_known_by_the_id_of_the_token() {
    let mut tokens = TokenSet::default();
    let (id, text) = tokens.create(Role::Admin, WallTime::from_unix(0)).unwrap();
    let stage = Stage::with(Access::Tokens(tokens.into()), limits()).await;
    let authorization = format!("bearer {}", text.expose());
    for route in TABLE.iter().filter(|route| !is_endless(route)) {
        assert!(request(&stage, route, Some(&authorization)).await.status.is_success(), "{}", route.name);
    }
    let script = stage.script();
    assert_eq!(script.submitted_by, std::slice::from_ref(&id));
    assert_eq!(script.changes.len(), 4);
    assert!(script.changes.iter().all(|(_, _, by)| *by == id));
    assert!(script.drained.iter().all(|(_, _, by)| *by == id));
}

#[tokio::test]
async fn two_tokens_at_once_are_none() {
    let mut tokens = TokenSet::default();
    let (_, text) = tokens.create(Role::Admin, WallTime::from_unix(0)).unwrap();
    let stage = Stage::with(Access::Tokens(tokens.into()), limits()).await;
    let value = format!("Bearer {}", text.expose());
    let both = [("authorization", value.as_str()), ("authorization", value.as_str())];
    stage.ask(Method::GET, "/api/v1/status", &both, "").await.refused(401, "no_token");
}

#[tokio::test]
async fn without_tokens_no_web_page_can_ask_under_a_name_of_its_own() {
    let stage = Stage::open().await;
    let port = stage.address.port();
    let ask = async |host: &str| stage.ask(Method::GET, "/api/v1/status", &[("host", host)], "").await;
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "192.0.2.7"] {
        assert_eq!(ask(host).await.status, 200, "{host}");
        assert_eq!(ask(&format!("{host}:{port}")).await.status, 200, "{host}");
    }
    for host in
        ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "2130706433", "a@127.0.0.1", ""]
    {
        ask(host).await.refused(403, "foreign_host");
    }
    let absolute = stage.ask(Method::GET, "http://evil.example/api/v1/status", &[("host", "localhost")], "");
    // Spelled in the request line.
    assert_eq!(absolute.await.status, 403);
    let both = [("host", "localhost"), ("host", "evil.example")];
    stage.ask(Method::GET, "/api/v1/status", &both, "").await.refused(400, "bad_header");
}

#[tokio::test]
async fn what_a_web_page_can_send_without_asking_is_refused_and_no_page_is_let_in() {
    let stage = Stage::open().await;
    let path = format!("/api/v1/runs/{}/stop", run(RUNNING));
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"]
    {
        let asked = stage.ask(Method::POST, &path, &[("content-type", kind)], "{}").await;
        asked.refused(415, "wrong_content_type");
    }
    stage.ask(Method::POST, &path, &[], "{}").await.refused(415, "wrong_content_type");
    assert!(stage.script().changes.is_empty());
    let preflight = [("origin", "http://evil.example"), ("access-control-request-method", "POST")];
    let answer = stage.ask(Method::OPTIONS, &path, &preflight, "").await;
    answer.refused(405, "wrong_method");
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
}
