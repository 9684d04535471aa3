use plan::{Overload, Scheme, TemplatePart};
use units::{Nanos, Rate};

use super::*;
use crate::{Environment, Folder, Overrides, Source, load};

fn plan(yaml: &str) -> (Workload, RunPlan) {
    let source = Source { name: "test.yaml".to_owned(), bytes: yaml.as_bytes().to_vec() };
    let loaded =
        load(source, &Overrides::none(), &Environment::empty(), &mut Folder::new("tests/files", false));
    let workload = loaded.workload.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(false)));
    let plan = compile(&workload, &loaded.files).unwrap();
    (workload, plan)
}

/// The plan of these steps against `http://shop/api`.
fn steps(steps: &str) -> RunPlan {
    plan(&format!(
        "target: {{ url: \"http://shop/api\", headers: {{ accept: a, x-run: r }} }}\nscenarios:\n  a:\n    \
         executor: constant-vus\n    vus: 1\n    duration: 1s\n    steps:\n{}",
        steps.lines().map(|line| format!("      {line}\n")).collect::<String>(),
    ))
    .1
}

fn shown(template: &Template) -> String {
    let part = |part: &TemplatePart| match part {
        TemplatePart::Literal(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        TemplatePart::Secret { name, encoding } => format!("<{name} {encoding:?}>"),
    };
    template.parts.iter().map(part).collect()
}

#[test]
fn paths_are_joined_and_percent_encoded() {
    let path =
        |step: &str, expected: &str| assert_eq!(shown(&steps(step).requests[0].path), expected, "{step}");
    path("- get: /", "/api/");
    path("- get: /a b?q=1", "/api/a%20b?q=1");
    path("- get: /a\n  query: { q: x y, r: [1, 2], s: a&b }", "/api/a?q=x%20y&r=1&r=2&s=a%26b");
    path("- get: /a?q=1\n  query: { r: 1.10 }", "/api/a?q=1&r=1.10");
    path("- get: \"http://other/x\"", "/x");
    path("- get: \"http://other\"", "/");
}

#[test]
fn bodies_are_templates_with_merged_literals() {
    let plan = steps("- post: /\n  json: { a: [1, 2.5, null, true], \"k\\n\": \"x ${secret.S} \\\"y\\\"\" }");
    let body = &plan.requests[0].body;
    assert_eq!(body.parts.len(), 3);
    assert_eq!(shown(body), "{\"a\":[1,2.5,null,true],\"k\\n\":\"x <S JsonString> \\\"y\\\"\"}");
    assert_eq!(shown(&steps("- post: /\n  body: plain").requests[0].body), "plain");
    assert!(steps("- post: /").requests[0].body.is_empty());
}

#[test]
fn secrets_are_written_as_their_place_asks() {
    let request = |step: &str| steps(step).requests.remove(0);
    assert_eq!(
        shown(&request("- get: /a\n  query: { \"k&\": \"v ${secret.S}&\" }").path),
        "/api/a?k%26=v%20<S Query>%26"
    );
    assert_eq!(shown(&request("- post: /\n  body: \"x ${secret.S}\"").body), "x <S AsIs>");
    let headers = request("- get: /\n  headers: { accept: \"Bearer ${secret.S}\" }").headers;
    assert!(headers.iter().any(|(_, value)| shown(value) == "Bearer <S AsIs>"), "{headers:?}");
}

#[test]
fn headers_of_the_step_win_over_those_of_the_target_and_these_over_ours() {
    let headers = |step: &str| -> Vec<String> {
        let plan = steps(step);
        plan.requests[0].headers.iter().map(|(name, value)| format!("{name}: {}", shown(value))).collect()
    };
    assert_eq!(headers("- get: /"), ["accept: a", "x-run: r"]);
    let own = headers("- post: /\n  headers: { Accept: b, User-Agent: me, x-new: n }\n  json: 1");
    assert_eq!(
        own,
        ["Accept: b", "x-run: r", "User-Agent: me", "x-new: n", "content-type: application/json"]
    );
    let own = headers("- post: /\n  headers: { Content-Type: text/csv }\n  body: a");
    assert_eq!(own, ["accept: a", "x-run: r", "Content-Type: text/csv"]);
}

#[test]
fn requests_to_one_place_share_an_origin() {
    let plan = steps(
        "- get: /\n- get: /b\n- get: \"https://shop\"\n- get: \"http://SHOP:80/c\"\n- get: \"http://[::1]:9/\"",
    );
    let origins: Vec<(Scheme, &str, u16)> =
        plan.origins.iter().map(|origin| (origin.scheme, origin.host.as_str(), origin.port)).collect();
    assert_eq!(origins, [(Scheme::Http, "shop", 80), (Scheme::Https, "shop", 443), (Scheme::Http, "::1", 9)]);
    let of_requests: Vec<u32> = plan.requests.iter().map(|request| request.origin.0).collect();
    assert_eq!(of_requests, [0, 0, 1, 0, 2]);
}

#[test]
fn an_origin_carries_its_address_certificates_and_bounds() {
    let (_, plan) = plan(
        "target:\n  url: \"https://shop\"\n  tls: { ca: certificate.pem, verify: false, server_name: x }\n  resolve: { Shop: \
         10.0.0.7 }\n  timeouts: { dns: 1s, connect: 2s, tls: 3s, request: 4s }\nscenarios:\n  a: { executor: \
         constant-vus, vus: 1, duration: 1s, steps: [{ get: / }, { get: /b, timeout: 9s }] }\n",
    );
    let origin = &plan.origins[0];
    assert_eq!(origin.address, Some("10.0.0.7".parse().unwrap()));
    assert!(origin.tls.ca.as_ref().unwrap().starts_with(b"-----BEGIN CERTIFICATE"));
    assert_eq!((origin.tls.verify, origin.tls.server_name.as_deref()), (false, Some("x")));
    let bounds = [origin.dns_timeout, origin.connect_timeout, origin.tls_timeout];
    assert_eq!(bounds, [1, 2, 3].map(Nanos::from_secs));
    let timeouts: Vec<Nanos> = plan.requests.iter().map(|request| request.timeout).collect();
    assert_eq!(timeouts, [4, 9].map(Nanos::from_secs));
}

#[test]
fn a_status_check_says_which_statuses_succeed() {
    let expected =
        |check: &str| status_words(&steps(&format!("- get: /\n  checks: {check}")).requests[0].expected);
    assert_eq!(expected("{}"), ["200-399"]);
    assert_eq!(expected("{ status: 404 }"), ["200-399", "404"]);
    assert_eq!(expected("{ status: 200 }"), ["200-399"]);
    assert_eq!(expected("{ status: { is: [200, 4xx], required: true } }"), ["200", "4xx"]);
}

#[test]
fn checks_are_shown_by_what_they_demand() {
    let plan = steps(
        "- get: /\n  checks:\n    status: [200, 201, 3xx]\n    header: { ETag: { present: true }, a: b }\n    body: { contains: \
         x }\n    response_time: \"< 200ms\"",
    );
    let names: Vec<&str> = plan.checks.iter().map(|check| check.name.as_str()).collect();
    let shown = [
        "status is 200-201 or 3xx",
        "header etag is present",
        "header a is \"b\"",
        "body contains \"x\"",
        "response time < 200ms",
    ];
    assert_eq!(names, shown);
    assert_eq!(plan.requests[0].checks, [0, 1, 2, 3, 4].map(CheckId));
}

#[test]
fn loads_become_models_of_stages() {
    let model = |keys: &str| {
        let yaml =
            format!("target: {{ url: http://x }}\nscenarios: {{ a: {{ {keys}, steps: [{{ get: / }}] }} }}\n");
        plan(&yaml).1.scenarios.remove(0).load
    };
    let LoadModel::ArrivalRate { profile, max_vus, overload, .. } = model(
        "executor: constant-arrival-rate, rate: 5/s, warm_up: 1s, duration: 2s, max_vus: 3, queue_timeout: 1s",
    ) else {
        panic!("open")
    };
    let rate = Rate::from_per_second(5);
    let stage = |secs, measured| Stage { duration: Nanos::from_secs(secs), from: rate, to: rate, measured };
    assert_eq!(profile.stages(), [stage(1, false), stage(2, true)]);
    assert_eq!((max_vus, overload), (Some(3), Overload::Queue { timeout: Nanos::SECOND }));
    let LoadModel::VirtualUsers { profile } = model(
        "executor: ramping-vus, start_vus: 2, stages: [{ duration: 1s, target: 9, measure: false }, { duration: 1s, target: 4 }]",
    ) else {
        panic!("closed")
    };
    let ends: Vec<(u32, u32, bool)> =
        profile.stages().iter().map(|stage| (stage.from, stage.to, stage.measured)).collect();
    assert_eq!(ends, [(2, 9, false), (9, 4, true)]);
}

#[test]
fn the_catalog_numbers_as_the_plan_does() {
    let (workload, plan) = plan(
        "target: { url: http://x }\ntags: { run: r }\nscenarios:\n  b: { executor: constant-vus, vus: 1, duration: 1s, \
         tags: { t: b }, steps: [{ get: /1, checks: { status: 200 } }, { think: 1s }, { get: /2, checks: { status: 200, \
         response_time: 1s } }] }\n  a: { executor: constant-vus, vus: 1, duration: 1s, task: echo }\n",
    );
    let catalog = catalog(&workload);
    let steps: Vec<(usize, &str)> =
        plan.steps.iter().map(|step| (step.scenario.index(), step.name.as_str())).collect();
    assert_eq!(
        catalog.steps.iter().map(|step| (step.scenario, step.name.as_str())).collect::<Vec<_>>(),
        steps
    );
    assert_eq!(steps, [(0, "GET /1"), (0, "GET /2"), (1, "echo")]);
    let checks: Vec<(usize, &str)> =
        plan.checks.iter().map(|check| (check.step.index(), check.name.as_str())).collect();
    assert_eq!(
        catalog.checks.iter().map(|check| (check.step, check.name.as_str())).collect::<Vec<_>>(),
        checks
    );
    let scenarios: Vec<&str> = plan.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!(
        catalog.scenarios.iter().map(|scenario| scenario.name.as_str()).collect::<Vec<_>>(),
        scenarios
    );
    assert_eq!(scenarios, ["b", "a"]);
    assert_eq!((catalog.tags["run"].as_str(), catalog.scenarios[0].tags["t"].as_str()), ("r", "b"));
}

#[test]
fn the_built_in_target_needs_an_address() {
    let yaml = "target: { url: demo:// }\nscenarios: { a: { executor: constant-vus, vus: 1, duration: 1s, steps: [{ get: / }] } }";
    let source = Source { name: "test.yaml".to_owned(), bytes: yaml.as_bytes().to_vec() };
    let loaded = load(source, &Overrides::none(), &Environment::empty(), &mut Folder::new(".", false));
    let mut workload = loaded.workload.unwrap();
    assert!(workload.uses_demo_target());
    assert!(matches!(compile(&workload, &loaded.files), Err(CompileError::DemoTarget { .. })));
    workload.replace_demo_target(&"http://127.0.0.1:4000".parse().unwrap());
    assert!(!workload.uses_demo_target());
    assert_eq!(compile(&workload, &loaded.files).unwrap().origins[0].port, 4000);
}

#[test]
fn ten_thousand_steps_compile() {
    let many: String = (0..10_000)
        .map(|n| {
            format!("- get: /items/{n}?page={n}\n  headers: {{ x-step: {n} }}\n  checks: {{ status: 200 }}\n")
        })
        .collect();
    let plan = steps(&many);
    assert_eq!((plan.requests.len(), plan.steps.len(), plan.checks.len()), (10_000, 10_000, 10_000));
}
