use super::*;
use crate::{Body, Folder, Load, Payload, Workload};

fn options(url: &str) -> HttpOptions {
    HttpOptions { url: url.to_owned(), connections: 64, ..HttpOptions::default() }
}

fn built(options: &HttpOptions) -> Loaded {
    http_workload(options, &Environment::empty(), &mut Folder::new("tests/files", false))
}

fn workload(options: &HttpOptions) -> Workload {
    let loaded = built(options);
    loaded.workload.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(false)))
}

fn load_of(options: &HttpOptions) -> Load {
    workload(options).scenarios.remove(0).load
}

#[test]
fn without_a_rate_it_is_closed_for_ten_seconds() {
    let load = Load::ConstantVus { vus: 64, warm_up: Nanos::ZERO, duration: Nanos::from_secs(10) };
    assert_eq!(load_of(&options("http://localhost:8080/a?b=c")), load);
}

#[test]
fn with_a_number_of_requests_it_ends_after_them() {
    let counted = HttpOptions { requests: Some(10), ..options("http://localhost") };
    let Load::SharedIterations { vus, iterations, max_duration } = load_of(&counted) else {
        panic!("shared")
    };
    assert_eq!((vus, iterations, max_duration), (10, 10, Nanos::from_secs(86_400)));
}

#[test]
fn with_a_rate_it_is_open() {
    let open = HttpOptions {
        rate: Some("500/s".to_owned()),
        duration: Some("3s".to_owned()),
        ..options("http://x")
    };
    let Load::ConstantArrivalRate { rate, duration, open, .. } = load_of(&open) else { panic!("open") };
    assert_eq!((rate, duration, open.max_vus), (Rate::from_per_second(500), Nanos::from_secs(3), Some(64)));
}

#[test]
fn a_rate_and_a_number_of_requests_give_exactly_that_many_slots() {
    for (rate, requests) in [("3/s", 10), ("1/s", 1), ("7/m", 123), ("1000/s", 1_000)] {
        let open =
            HttpOptions { rate: Some(rate.to_owned()), requests: Some(requests), ..options("http://x") };
        let model = crate::compile::load_model(&load_of(&open)).unwrap();
        let plan::LoadModel::ArrivalRate { profile, .. } = model else { panic!("open") };
        assert_eq!(profile.total(), requests, "{rate}");
    }
}

#[test]
fn the_request_is_what_the_flags_say() {
    let posted = HttpOptions {
        method: Some("propfind".to_owned()),
        headers: vec!["X-A: b: c".to_owned(), "Empty:".to_owned()],
        body: Some("x".to_owned()),
        timeout: Some("2s".to_owned()),
        insecure: true,
        resolve: vec!["shop:443:10.0.0.7".to_owned(), "other:::1".to_owned()],
        ..options("https://shop/a b?c=d")
    };
    let workload = workload(&posted);
    let target = &workload.target;
    assert_eq!(target.url.to_string(), "https://shop");
    assert!(!target.tls.verify);
    assert_eq!(target.resolve["shop"].to_string(), "10.0.0.7");
    assert_eq!(target.resolve["other"].to_string(), "::1");
    let Body::Steps(steps) = &workload.scenarios[0].body else { panic!("steps") };
    let request = steps[0].request().unwrap();
    assert_eq!((request.method.as_str(), request.url.to_string().as_str()), ("PROPFIND", "/a b?c=d"));
    assert_eq!(request.timeout, Nanos::from_secs(2));
    let headers: Vec<String> =
        request.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(headers, ["X-A=b: c", "Empty="]);
    assert!(matches!(&request.payload, Payload::Text(text) if text.as_literal() == Some("x")));
}

#[test]
fn a_body_is_posted_and_the_built_in_target_has_paths() {
    let workload = workload(&HttpOptions { body: Some("x".to_owned()), ..options("demo:///orders") });
    assert!(workload.uses_demo_target());
    let Body::Steps(steps) = &workload.scenarios[0].body else { panic!("steps") };
    assert_eq!(steps[0].request().unwrap().name, "POST /orders");
}

#[test]
fn it_reads_back_like_any_workload() {
    let workload = workload(&HttpOptions { rate: Some("5/s".to_owned()), ..options("http://x/?a=b") });
    let back =
        Workload::from_canonical_json(&workload.to_canonical_json(), &crate::Files::default()).unwrap();
    assert_eq!(back, workload);
}

#[test]
fn problems_point_at_the_flags() {
    let wrong = HttpOptions {
        headers: vec!["no colon".to_owned(), "a b: c".to_owned()],
        rate: Some("200".to_owned()),
        duration: Some("10".to_owned()),
        connections: 0,
        timeout: Some("0s".to_owned()),
        ca: Some("missing.pem".to_owned()),
        resolve: vec!["x".to_owned()],
        ..options("localhost:8080/a")
    };
    insta::assert_snapshot!(built(&wrong).diagnostics.render(false));
}

#[test]
fn origins_are_flags() {
    let loaded = built(&HttpOptions { rate: Some("5/s".to_owned()), ..options("http://x/a") });
    let origins = loaded.origins();
    let origin =
        |path: &str| origins.iter().find(|value| value.path.to_string() == path).unwrap().origin.clone();
    assert_eq!(origin("scenarios.http.rate"), Origin::Flag("-r".to_owned()));
    assert_eq!(origin("target.url"), Origin::Flag("URL".to_owned()));
    assert_eq!(origin("scenarios.http.arrivals"), Origin::Default);
}

#[test]
fn the_pacing_is_that_of_the_flag() {
    let precise = HttpOptions { pacing: Some("precise".to_owned()), ..options("http://x") };
    assert_eq!(workload(&precise).options.pacing, crate::Pacing::Precise);
    assert_eq!(workload(&options("http://x")).options.pacing, crate::Pacing::Balanced);
}

#[test]
fn lines_of_executions_are_those_of_the_flag() {
    let log = |words: &str| HttpOptions { log_executions: Some(words.to_owned()), ..options("http://x") };
    let logged = workload(&log("failed")).options.telemetry.log;
    assert!(logged.failed && !logged.sampled && !logged.all);
    let said = built(&log("off,failed")).diagnostics.render(false);
    assert!(said.contains("--log-executions:1:1") && said.contains("stand alone"), "{said}");
}
