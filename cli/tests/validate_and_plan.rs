//! What `validate` and `plan` print.

use serde_json::Value;

use crate::harness::{BINARY, Place, Running, scenario};

const SHOP: &str = r#"name: shop
target: { url: "${env.TARGET:-demo://}" }
scenarios:
  browse:
    executor: constant-arrival-rate
    rate: 200/s
    warm_up: 5s
    duration: 30s
    max_vus: 50
    steps:
      - get: /products
        name: list
        checks: { status: 200 }
      - think: 250ms..1s
      - post: /orders
        json: { sku: 17 }
        timeout: 2s
  ramp:
    executor: ramping-arrival-rate
    start_rate: 0/s
    stages:
      - { duration: 10s, target: 100/s, measure: false }
      - { duration: 20s, target: 100/s }
    steps: [{ get: / }]
  poll:
    executor: constant-vus
    vus: 5
    duration: 30s
    steps: [{ get: /delay/fixed?ms=20 }]
thresholds:
  "response_time{scenario:browse}": ["p(99) < 200ms"]
"#;

const WRONG: &str = "name: wrong
target: { url: \"http://\" }
scenarios:
  browse:
    executor: constant-arrival-rate
    rate: 200
    duraton: 30s
    steps:
      - get: products
thresholds:
  respons_time: [\"p(99) < 200ms\"]
";

#[test]
fn pacing_is_a_flag_of_files_and_of_one_line_runs() {
    let place = Place::new("pacing");
    place.write("shop.yaml", SHOP);
    let resolved = place.loadgen(&["validate", "shop.yaml", "--resolved", "--pacing", "precise"]).expect(0);
    let line = resolved.stdout.lines().find(|line| line.starts_with("pacing:")).unwrap_or_default();
    assert!(line.starts_with("pacing: precise") && line.ends_with("# --pacing"), "{}", resolved.stdout);
    let args = ["http", "demo://", "-n", "5", "--pacing", "precise", "--quiet", "--out", "-"];
    let result = place.loadgen(&args).expect_load().result();
    let given: Vec<_> =
        result.overrides.iter().filter(|given| given.path == "pacing").map(|given| &*given.value).collect();
    assert_eq!(given, ["\"precise\""]);
}

#[test]
fn the_shares_of_all_workers_add_up_to_the_plan() {
    let place = Place::new("plan-shares");
    place.write("shop.yaml", SHOP);
    let plan = |flags: &[&str]| {
        let text =
            place.loadgen(&[&["plan", "shop.yaml", "--format", "json"], flags].concat()).expect(0).stdout;
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let sum = |list: &Value| list.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    let dealt = plan(&["--workers", "3", "--weights", "1,2,1"]);
    assert_eq!(dealt["plan_hash"], plan(&[])["plan_hash"], "the plan is the same for any number of workers");
    for (scenario, shares) in
        dealt["scenarios"].as_array().unwrap().iter().zip(dealt["shares"]["scenarios"].as_array().unwrap())
    {
        for (stage, slots) in scenario["stages"].as_array().unwrap().iter().enumerate() {
            if let Some(planned) = slots["slots"].as_u64() {
                assert_eq!(sum(&shares["slots_by_stage"][stage]), planned, "{shares}");
            }
        }
        if let Some(users) = scenario["max_vus"].as_u64() {
            assert_eq!(sum(&shares["users"]), users, "{shares}");
        }
    }
    let ramp = &dealt["shares"]["scenarios"][1]["slots_by_stage"][1];
    assert_eq!(*ramp, serde_json::json!([500, 1_000, 500]));
    let text = place.loadgen(&["plan", "shop.yaml", "--workers", "3"]).expect(0).stdout;
    insta::assert_snapshot!("shares", text.split_once("\nshares\n").unwrap().1);
    let wrong = ["plan", "shop.yaml", "--workers", "3", "--weights", "1,2"];
    assert!(place.loadgen(&wrong).expect(104).stderr.contains("give one for each"));
    let none = ["plan", "shop.yaml", "--workers", "2", "--weights", "0,0"];
    assert!(place.loadgen(&none).expect(104).stderr.contains("weight above 0"));
}

#[test]
fn limits_are_listed_by_the_names_that_set_them() {
    let place = Place::new("limits");
    let text = place.loadgen(&["limits"]).expect(0).stdout;
    let rows: Vec<Value> =
        serde_json::from_str(&place.loadgen(&["limits", "--format", "json"]).expect(0).stdout).unwrap();
    assert!(rows.len() > 15);
    for row in &rows {
        assert!(text.contains(row["name"].as_str().unwrap()), "{row}");
        assert!(row["default_ms"].as_f64().unwrap() > 0.0, "{row}");
    }
    let wrong = ["controller", "--state", "state", "--limit", "enroll=5s"];
    assert!(place.loadgen(&wrong).expect(104).stderr.contains("enrol"));
}

#[test]
fn a_plan_is_the_same_text_every_time() {
    let place = Place::new("plan");
    place.write("shop.yaml", SHOP);
    let text = place.loadgen(&["plan", "shop.yaml"]).expect(0).stdout;
    insta::assert_snapshot!("plan", text);
    assert_eq!(text, place.loadgen(&["plan", "shop.yaml"]).expect(0).stdout);
    let json: Value =
        serde_json::from_str(&place.loadgen(&["plan", "shop.yaml", "--format", "json"]).expect(0).stdout)
            .unwrap();
    assert!(text.contains(json["plan_hash"].as_str().unwrap()));
    assert_eq!(json["scenarios"][0]["iterations"], 7_000);
    assert_eq!(json["scenarios"][1]["iterations"], 500 + 2_000);
}

#[test]
fn the_digest_knows_the_test_and_not_its_target() {
    let place = Place::new("digest");
    place.write("shop.yaml", SHOP);
    let digests = |args: &[&str]| {
        let outcome = place.loadgen(&[&["plan", "shop.yaml", "--format", "json"], args].concat()).expect(0);
        let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
        (json["scenario_digest"].clone(), json["plan_hash"].clone())
    };
    let as_is = digests(&[]);
    assert_eq!(as_is, digests(&["-e", "TARGET=http://elsewhere.test:8080"]));
    assert_eq!(as_is, digests(&["--tag", "build=1234"]));
    let faster = digests(&["-r", "300/s"]);
    assert!(as_is.0 != faster.0 && as_is.1 != faster.1);
}

#[test]
fn problems_print_with_their_place_and_cure() {
    let place = Place::new("validate");
    place.write("wrong.yaml", WRONG);
    let outcome = place.loadgen(&["validate", "wrong.yaml"]).expect(104);
    insta::assert_snapshot!("problems", outcome.stderr);
    assert_eq!(outcome.stdout, "");
    let json = place.loadgen(&["validate", "wrong.yaml", "--format", "json"]).expect(104).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["valid"], false);
    assert_eq!(json["errors"].as_u64().unwrap() as usize, json["diagnostics"].as_array().unwrap().len());
    assert_eq!(json["diagnostics"][0]["file"], "wrong.yaml");
}

#[test]
fn resolved_values_say_where_they_come_from() {
    let place = Place::new("resolved");
    place.write("shop.yaml", SHOP);
    let mut command = place.command(BINARY);
    command.args(["validate", "shop.yaml", "--resolved", "-d", "1m", "--set", "scenarios.poll.vus=9"]);
    command.env("LOADGEN_SCENARIOS__BROWSE__RATE", "50/s");
    let outcome = Running::of(command).wait().expect(0);
    insta::assert_snapshot!("resolved", outcome.stdout);
    // What is printed is itself the same scenario.
    place.write("again.yaml", &outcome.stdout);
    let digest = |file: &str, args: &[&str]| {
        let outcome = place.loadgen(&[&["plan", file, "--format", "json"], args].concat()).expect(0);
        serde_json::from_str::<Value>(&outcome.stdout).unwrap()["scenario_digest"].clone()
    };
    let flags = ["-d", "1m", "--set", "scenarios.poll.vus=9", "--set", "scenarios.browse.rate=50/s"];
    assert_eq!(digest("again.yaml", &[]), digest("shop.yaml", &flags));
}

#[test]
fn unknown_variables_of_ours_are_warned_about() {
    let place = Place::new("unknown-variable");
    place.write("shop.yaml", SHOP);
    let mut command = place.command(BINARY);
    command.args(["validate", "shop.yaml"]).env("LOADGEN_SCENARIOS__BROWSE__RAT", "50/s");
    let outcome = Running::of(command).wait().expect(0);
    assert!(outcome.stderr.contains("LOADGEN_SCENARIOS__BROWSE__RAT"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("1 warning"), "{}", outcome.stderr);
}

#[test]
fn a_plan_too_large_to_count_is_still_shown() {
    let place = Place::new("huge-plan");
    let file = SHOP.replace("    rate: 200/s", "    rate: 10M/s\n    arrivals: poisson");
    place.write("huge.yaml", file);
    let outcome = place.loadgen(&["plan", "huge.yaml", "-d", "20d", "--format", "json"]).expect(0);
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["scenarios"][0]["iterations"], Value::Null);
    assert_eq!(json["scenarios"][0]["arrivals"], "poisson");
    assert_eq!(json["slots_per_second"][0]["slots"].as_array().unwrap().len(), 1, "the other open scenario");
    place.loadgen(&["plan", "huge.yaml", "-d", "20d"]).expect(0);
}

#[test]
fn the_plan_says_what_tail_sampling_holds_in_memory() {
    let place = Place::new("plan-tail");
    place.write("s.yaml", scenario("http://127.0.0.1:9", "/", "100/s", "1s"));
    let needs = |flags: &[&str]| {
        let plan = place.loadgen(&[&["plan", "s.yaml", "--format", "json"], flags].concat()).expect(0).stdout;
        let plan: Value = serde_json::from_str(&plan).unwrap();
        let bytes = |key: &str| plan["needs"][key].as_u64().unwrap();
        (bytes("memory_bytes"), bytes("trace_memory_bytes"), bytes("trace_bytes_per_user"))
    };
    let (plain, none, _) = needs(&[]);
    assert_eq!(none, 0);
    let (traced, all, each) = needs(&["--set", "telemetry.traces.sampling=tail"]);
    assert_eq!((traced - plain, all), (all, 100 * each), "100 users at a second an iteration");
    assert!((100..4_096).contains(&each), "{each}");
}
