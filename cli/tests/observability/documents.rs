//! What stands in documents and deployment files, held against the code and against each other. Needs nothing of others,
//! but for the checks by `promtool`.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;
use telemetry::catalogue;
use telemetry::settings::VARIABLES;

use crate::dashboards::{dashboards, queries};
use crate::harness::repository;
use crate::parts::Part;

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// YAML as JSON has it.
fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_variable_has_its_row_and_every_row_a_variable() {
    let rows: Vec<String> = VARIABLES
        .iter()
        // What is true of all signals stands once; the text above the table says that each has its own.
        .filter(|(name, _)| !is_of_one_signal(name))
        .map(|(name, meaning)| format!("| `{name}` | {meaning} |"))
        .collect();
    let table = ["| variable | is |".to_owned(), "|---|---|".to_owned()].into_iter().chain(rows);
    let wanted: Vec<String> = table.collect();
    let document = read("docs/observability.md");
    let marks = "<!-- variables: begin (checked by cli/tests/observability/documents.rs) -->";
    let found = document.split_once(marks).and_then(|(_, rest)| rest.split_once("<!-- variables: end -->"));
    let found: Vec<&str> = found.unwrap().0.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(found, wanted, "the table must be:\n\n{}\n", wanted.join("\n"));
}

/// Whether the variable is the form for one signal of one that all have.
fn is_of_one_signal(name: &str) -> bool {
    ["TRACES", "METRICS", "LOGS"].into_iter().any(|signal| {
        let for_all = name.replacen(&format!("OTEL_EXPORTER_OTLP_{signal}_"), "OTEL_EXPORTER_OTLP_", 1);
        for_all != name && VARIABLES.iter().any(|(other, _)| *other == for_all)
    })
}

/// Alerts with their expression and where they lead.
fn alerts() -> Vec<(String, String, String)> {
    let rules = yaml(ALERTS);
    let groups = rules["groups"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    groups
        .flat_map(|group| group["rules"].as_array().unwrap())
        .map(|rule| (text(&rule["alert"]), text(&rule["expr"]), text(&rule["annotations"]["runbook_url"])))
        .collect()
}

#[test]
fn every_alert_leads_to_its_section_and_every_section_has_an_alert() {
    let runbook = read("docs/runbook.md");
    let mut sections: BTreeSet<String> =
        runbook.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect();
    assert!(!sections.is_empty());
    let known = sections.clone();
    for (alert, _, url) in alerts() {
        let (page, section) = url.split_once('#').unwrap_or_default();
        assert!(page.ends_with("/docs/runbook.md"), "{alert}: {url}");
        assert!(known.contains(section), "{alert}: there is no `{section}` among {known:#?}");
        sections.remove(section);
        // The section says which alerts it is for.
        let text = runbook.split("\n## ").find(|text| anchor(text.lines().next().unwrap()) == section);
        assert!(text.unwrap().contains(&format!("`{alert}`")), "`{section}` does not name {alert}");
    }
    assert_eq!(sections, BTreeSet::new(), "no alert leads there");
}

/// The name by which a heading is linked to.
fn anchor(heading: &str) -> String {
    let heading = heading.to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_alert_is_shown_firing() {
    let tests = read("deploy/observability/prometheus/alerts.test.yml");
    for (alert, _, _) in alerts() {
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{alert} is in no test");
    }
    let Some(promtool) = Part::Promtool.find() else { return };
    let folder = repository().join("deploy/observability/prometheus");
    for args in [["check", "config", "prometheus.yml"], ["test", "rules", "alerts.test.yml"]] {
        let output = Command::new(&promtool).args(args).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:#?}");
    }
}

/// Every expression that somebody will ask, with where it stands.
fn expressions() -> Vec<(String, String)> {
    let of_alerts = alerts().into_iter().map(|(alert, expression, _)| (alert, expression));
    let of_boards = dashboards().into_iter().flat_map(|(name, board)| {
        let variables = board["templating"]["list"].as_array().unwrap().iter();
        let of_variables = variables.filter_map(|variable| variable["query"]["query"].as_str());
        let of_variables = of_variables.map(|query| (format!("{name}, variable"), query.to_owned()));
        let of_panels = queries(&name, &board).into_iter().map(|query| (query.place, query.expression));
        of_variables.chain(of_panels).collect::<Vec<_>>()
    });
    of_alerts.chain(of_boards).collect()
}

#[test]
fn dashboards_and_alerts_ask_for_metrics_and_labels_that_exist() {
    let instruments: Vec<_> = catalogue::ALL.iter().chain(net::probe::OWN).collect();
    let mut asked = 0;
    for (place, expression) in expressions() {
        for (name, rest) in metric_names(&expression) {
            asked += 1;
            let plain = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let known = |name: &str| instruments.iter().find(|of| of.prometheus_name() == name);
            let of = known(name).or_else(|| plain.and_then(known));
            let of = of.unwrap_or_else(|| panic!("{place}: there is no `{name}`"));
            let own = of.labels.iter().map(|label| label.replace('.', "_"));
            let labels: Vec<String> =
                own.chain(["run_id", "worker", "job", "instance"].map(str::to_owned)).collect();
            for label in labels_in(rest) {
                assert!(labels.contains(&label), "{place}: `{name}` has no `{label}`, but {labels:?}");
            }
        }
    }
    assert!(asked > 100, "{asked}");
}

/// The names of metrics in an expression, each with what stands behind it.
pub(crate) fn metric_names(expression: &str) -> Vec<(&str, &str)> {
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(start) = expression[at..].find(is_of_a_name).map(|start| at + start) {
        let end = expression[start..].find(|c| !is_of_a_name(c)).map_or(expression.len(), |end| start + end);
        let name = &expression[start..end];
        if ["loadgen_", "http_client_", "process_"].iter().any(|prefix| name.starts_with(prefix)) {
            names.push((name, &expression[end..]));
        }
        at = end;
    }
    names
}

/// The labels that a selector behind a name asks for.
fn labels_in(rest: &str) -> Vec<String> {
    let Some((selector, _)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
        return Vec::new();
    };
    selector.split(',').map(|part| part.split(['=', '!']).next().unwrap().trim().to_owned()).collect()
}

#[test]
fn names_and_labels_are_found_in_expressions() {
    let expression = "sum by (le) (rate(loadgen_a_bucket{run_id=\"x\",worker=~\"$w\"}[1m])) / process_b";
    let names = metric_names(expression);
    assert_eq!(names.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["loadgen_a_bucket", "process_b"]);
    assert_eq!(labels_in(names[0].1), ["run_id", "worker"]);
    assert_eq!(labels_in(names[1].1), [""; 0]);
}

#[test]
fn dashboards_choose_by_source_run_scenario_and_worker_and_no_two_are_one() {
    let boards = dashboards();
    assert!(boards.len() >= 3);
    let mut uids = BTreeSet::new();
    for (name, board) in &boards {
        assert!(uids.insert(board["uid"].as_str().unwrap()), "{name}: another has its uid");
        let variables = board["templating"]["list"].as_array().unwrap().iter();
        let variables: Vec<&str> = variables.map(|variable| variable["name"].as_str().unwrap()).collect();
        for wanted in ["datasource", "run_id", "scenario", "worker"] {
            assert!(variables.contains(&wanted), "{name} has {variables:?}");
        }
        let panels = board["panels"].as_array().unwrap();
        let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{name}: two panels have one id");
        for panel in panels.iter().filter(|panel| panel["type"] != "row") {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {}", panel["title"]);
        }
    }
}

#[test]
fn what_the_compose_files_mount_exists_and_what_links_name_is_provisioned() {
    let folder = repository().join("deploy/observability");
    for file in ["compose.yaml", "compose.lgtm.yaml"] {
        let compose = yaml(&format!("deploy/observability/{file}"));
        for (name, service) in compose["services"].as_object().unwrap() {
            let volumes =
                service["volumes"].as_array().unwrap().iter().map(|volume| volume.as_str().unwrap());
            for volume in volumes.filter(|volume| volume.starts_with("./")) {
                let here = volume.split(':').next().unwrap();
                assert!(folder.join(here).exists(), "{file}, {name}: {here} does not exist");
            }
            for port in service["ports"].as_array().into_iter().flatten() {
                assert!(
                    port.as_str().unwrap().starts_with("127.0.0.1:"),
                    "{file}, {name}: {port} is open to others"
                );
            }
        }
    }
    let sources = yaml("deploy/observability/grafana/provisioning/datasources/loadgen.yaml");
    let sources = sources["datasources"].as_array().unwrap();
    let uids: Vec<&str> = sources.iter().map(|source| source["uid"].as_str().unwrap()).collect();
    let prometheus = &sources[0]["jsonData"]["exemplarTraceIdDestinations"][0];
    let loki = sources.iter().find(|source| source["type"] == "loki").unwrap();
    let fields = loki["jsonData"]["derivedFields"].as_array().unwrap();
    for link in fields.iter().chain([prometheus]) {
        assert!(uids.contains(&link["datasourceUid"].as_str().unwrap()), "{link} leads nowhere");
    }
    assert_eq!(prometheus["name"], "trace_id");
}

#[test]
fn every_pipeline_of_the_collector_is_made_of_parts_that_are_declared() {
    let config = yaml("deploy/observability/collector/config.yaml");
    let pipelines = config["service"]["pipelines"].as_object().unwrap();
    assert_eq!(pipelines.keys().collect::<Vec<_>>(), ["logs", "metrics", "traces"]);
    for (name, pipeline) in pipelines {
        for kind in ["receivers", "processors", "exporters"] {
            for part in pipeline[kind].as_array().unwrap() {
                assert!(!config[kind][part.as_str().unwrap()].is_null(), "{name}: {kind} has no {part}");
            }
        }
    }
}

#[test]
fn every_dashboard_is_in_the_documents() {
    let document = read("docs/observability.md");
    for (name, board) in dashboards() {
        let title = board["title"].as_str().unwrap().trim_start_matches("loadgen: ");
        assert!(
            document.contains(&format!("*{title}*")),
            "docs/observability.md does not name {name}: {title}"
        );
    }
    assert!(document.contains("](runbook.md)"));
}

const ALERTS: &str = "deploy/observability/prometheus/alerts.yml";
