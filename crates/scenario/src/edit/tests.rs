use super::*;
use crate::{Environment, Folder, Loaded, Source, load};

const FILE: &str = "\
target: { url: \"http://shop\" }
scenarios:
  browse-all:
    executor: constant-arrival-rate
    rate: 10/s
    duration: 1s
    steps:
      - get: /
  users:
    executor: constant-vus
    vus: 2
    duration: 1s
    steps: [{ get: / }]
thresholds: { failed: \"rate < 1%\" }
";

fn loaded(overrides: &Overrides) -> Loaded {
    let source = Source { name: "test.yaml".to_owned(), bytes: FILE.into() };
    load(source, overrides, &Environment::empty(), &mut Folder::new(".", false))
}

/// What the value at `path` is in the end, and where it comes from.
fn value(overrides: &Overrides, path: &str) -> (String, Origin) {
    let loaded = loaded(overrides);
    assert_eq!(loaded.diagnostics.render(false), "");
    let origins = loaded.origins();
    let found = origins.iter().find(|value| value.path.to_string() == path);
    let found = found.unwrap_or_else(|| panic!("no {path} in {origins:?}"));
    (found.value.clone(), found.origin.clone())
}

fn said(overrides: &Overrides) -> String {
    loaded(overrides).diagnostics.render(false)
}

fn set(path: &str, text: &str) -> Overrides {
    let mut overrides = Overrides::none();
    overrides.set("--set", path, text);
    overrides
}

fn variables(variables: &[(&str, &str)]) -> Overrides {
    let mut overrides = Overrides::none();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    overrides.environment(variables, &["LOADGEN_LOG"]);
    overrides
}

#[test]
fn flags_set_values_at_paths() {
    let check = |path: &str, text: &str, at: &str, shown: &str| {
        let flag = Origin::Flag("--set".to_owned());
        assert_eq!(value(&set(path, text), at), (shown.to_owned(), flag), "{path}");
    };
    check("scenarios.browse-all.rate", "500/s", "scenarios.browse-all.rate", "\"500/s\"");
    check("scenarios.browse-all.steps.0.timeout", "2s", "scenarios.browse-all.steps.0.timeout", "\"2s\"");
    check("scenarios.users.vus", "7", "scenarios.users.vus", "7");
    check("target.tls.verify", "false", "target.tls.verify", "false");
    check("target.headers.x-version", "1.10", "target.headers.x-version", "\"1.10\"");
    check("target.headers.\"x.y\"", "a: b", "target.headers.\"x.y\"", "\"a: b\"");
    check(
        "scenarios.users.steps.0.checks",
        "{ status: 204 }",
        "scenarios.users.steps.0.checks.status.is.0",
        "\"204\"",
    );
    check(
        "thresholds.\"response_time{scenario:users}\"",
        "[p(99) < 1s]",
        "thresholds.response_time{scenario:users}.0",
        "\"p(99) < 1s\"",
    );
    check("name", "\"${env.X:-quoted}\"", "name", "\"quoted\"");
    check("telemetry.traces.sampling", "tail", "telemetry.traces.sampling", "\"tail\"");
    check("telemetry.traces", "{ sampling: tail, slow: 1s }", "telemetry.traces.slow", "\"1s\"");
    check("telemetry.log_executions", "failed, sampled", "telemetry.log_executions", "\"sampled,failed\"");
}

#[test]
fn values_know_where_they_come_from() {
    let none = Overrides::none();
    let file = |line, column| Origin::File { line, column };
    assert_eq!(value(&none, "scenarios.browse-all.rate"), ("\"10/s\"".to_owned(), file(5, 11)));
    assert_eq!(value(&none, "scenarios.browse-all.arrivals"), ("\"uniform\"".to_owned(), Origin::Default));
    assert_eq!(value(&none, "scenarios.browse-all.steps.0.name"), ("\"GET /\"".to_owned(), Origin::Default));
    assert_eq!(value(&none, "thresholds.failed.0"), ("\"rate < 1%\"".to_owned(), file(14, 23)));
    assert_eq!(value(&none, "target.timeouts.dns"), ("\"5s\"".to_owned(), Origin::Default));
}

#[test]
fn variables_set_values_by_folded_names() {
    let check = |name: &str, text: &str, at: &str, shown: &str| {
        let found = value(&variables(&[(name, text)]), at);
        assert_eq!(found, (shown.to_owned(), Origin::Environment(name.to_owned())), "{name}");
    };
    check("LOADGEN_SCENARIOS__BROWSE_ALL__RATE", "500/s", "scenarios.browse-all.rate", "\"500/s\"");
    check("LOADGEN_SCENARIOS__USERS__STEPS__0__TIMEOUT", "2s", "scenarios.users.steps.0.timeout", "\"2s\"");
    check("LOADGEN_TARGET__TIMEOUTS__REQUEST", "9s", "target.timeouts.request", "\"9s\"");
    check("LOADGEN_TARGET__HEADERS__X_RUN", "5", "target.headers.x_run", "\"5\"");
    check("LOADGEN_VERDICT__INVALID__OWN_FAULTS", "3%", "verdict.invalid.own_faults", "\"3%\"");
    check("LOADGEN_THREADS", "2", "threads", "2");
    check("LOADGEN_TELEMETRY__TRACES__SAMPLING", "off", "telemetry.traces.sampling", "\"off\"");
    check("LOADGEN_TELEMETRY__MAX_LOSS", "3%", "telemetry.max_loss", "\"3%\"");
    check("LOADGEN_THRESHOLDS__FAILED", "rate < 5%", "thresholds.failed.0", "\"rate < 5%\"");
}

#[test]
fn flags_win_over_variables_and_later_flags_over_earlier() {
    let mut overrides = variables(&[("LOADGEN_SEED", "1")]);
    assert_eq!(value(&overrides, "seed").0, "1");
    overrides.set("--seed", "seed", "2");
    assert_eq!(value(&overrides, "seed"), ("2".to_owned(), Origin::Flag("--seed".to_owned())));
    overrides.set("--set", "seed", "3");
    assert_eq!(value(&overrides, "seed").0, "3");
}

#[test]
fn short_flags_reach_every_scenario_that_has_the_key() {
    let mut overrides = Overrides::none();
    overrides.duration("-d", "9s");
    overrides.rate("-r", "77/s");
    overrides.vus("-u", "5");
    assert_eq!(value(&overrides, "scenarios.browse-all.duration").0, "\"9s\"");
    assert_eq!(value(&overrides, "scenarios.users.duration").0, "\"9s\"");
    assert_eq!(
        value(&overrides, "scenarios.browse-all.rate"),
        ("\"77/s\"".to_owned(), Origin::Flag("-r".to_owned()))
    );
    assert_eq!(value(&overrides, "scenarios.users.vus").0, "5");
}

#[test]
fn problems_point_at_the_flag_or_variable() {
    let mut all = variables(&[
        ("LOADGEN_SCENARIOS__USERS__VUS", "many"),
        ("LOADGEN_SCENARIOS__SHOP__RATE", "5/s"),
        ("LOADGEN_TOKEN", "do not show"),
        ("LOADGEN_LOG", "debug"),
        ("OTHER", "x"),
    ]);
    all.set("--set", "scenarios.browse.rate", "5/s");
    all.set("--set", "scenarios.users.steps.4.timeout", "5s");
    all.set("--set", "scenarios.users.steps.0.timout", "5s");
    all.set("--set", "target.url.host", "x");
    all.set("--set", "a..b", "x");
    all.set("--set", "scenarios.users.tags", "{ a: [ }");
    all.rate("-r", "200");
    let said = said(&all);
    assert!(!said.contains("do not show"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn a_short_flag_that_fits_nothing_is_an_error() {
    let source = Source {
        name: "test.yaml".to_owned(),
        bytes: b"target: { url: \"http://x\" }\nscenarios: { a: { executor: constant-vus, vus: 1, duration: 1s, task: t } }".to_vec(),
    };
    let mut overrides = Overrides::none();
    overrides.rate("-r", "5/s");
    let loaded = load(source, &overrides, &Environment::empty(), &mut Folder::new(".", false));
    insta::assert_snapshot!(loaded.diagnostics.render(false));
}

#[test]
fn paths_part_at_dots_outside_quotes() {
    let check = |path: &str, keys: Option<&[&str]>| {
        let parsed = parse_path(path);
        assert_eq!(
            parsed.as_deref(),
            keys.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>()).as_deref()
        );
    };
    check("a.b", Some(&["a", "b"]));
    check("a.\"b.c\".d", Some(&["a", "b.c", "d"]));
    check("a", Some(&["a"]));
    for wrong in ["", ".", "a.", ".a", "a..b", "\"a", "\"a\"b"] {
        check(wrong, None);
    }
}
