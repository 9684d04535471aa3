//! The dashboards of `deploy/observability`, asked of a real Prometheus: no tile is empty.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use telemetry::catalogue::{self, Kind, Scope};
use testkit::collector::Collector;

use crate::cluster::Cluster;
use crate::documents::metric_names;
use crate::harness::{Place, WIDE_BOUNDS, pause, repository, target};
use crate::parts::Part;
use crate::prometheus::{Prometheus, QueryApi};
use crate::victoria::VictoriaMetrics;

/// One query of a panel.
pub(crate) struct Query {
    /// Where it stands, for people.
    pub(crate) place: String,
    pub(crate) expression: String,
    /// Whether it asks for one instant; else for a span of time.
    instant: bool,
}

/// The files of the dashboards, by name.
pub(crate) fn dashboards() -> Vec<(String, Value)> {
    let folder = repository().join("deploy/observability/grafana/dashboards");
    let mut boards: Vec<(String, Value)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            let board = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, board)
        })
        .collect();
    boards.sort_by(|left, right| left.0.cmp(&right.0));
    boards
}

/// Every query of every panel of a dashboard.
pub(crate) fn queries(name: &str, board: &Value) -> Vec<Query> {
    let mut queries = Vec::new();
    for panel in board["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
        for target in panel["targets"].as_array().unwrap() {
            queries.push(Query {
                place: format!("{name}, {}, {}", panel["title"], target["refId"]),
                expression: target["expr"].as_str().unwrap().to_owned(),
                instant: target["instant"] == true,
            });
        }
    }
    queries
}

/// The expression as Grafana asks it: its variables are replaced.
fn substituted(expression: &str, run_id: &str) -> String {
    expression
        .replace("$__rate_interval", "2s")
        .replace("$__range", "5m")
        .replace("$run_id", run_id)
        .replace("$scenario", ".*")
        .replace("$worker", ".*")
        .replace("$objective", "99.9")
}

impl QueryApi {
    /// Whether the query has a number, at one instant or anywhere in the last minutes. A histogram counts where a heatmap
    /// shows it.
    fn has_data(&self, query: &Query, run_id: &str) -> bool {
        let expression = substituted(&query.expression, run_id);
        if query.instant {
            return !self.query(&expression).is_empty();
        }
        self.range(&expression, 300, "1s").iter().any(|series| {
            let values = series["values"].as_array().into_iter().flatten();
            let mut numbers = values.map(|pair| pair[1].as_str().unwrap().parse::<f64>().unwrap());
            numbers.any(|number| !number.is_nan()) || !series["histograms"].is_null()
        })
    }
}

/// What has errors, drops, a backlog and thresholds, in all kinds of load.
fn trouble(url: &str) -> String {
    format!(
        "name: trouble\n\
         target: {{ url: \"{url}\" }}\n\
         verdict: {{ invalid: {WIDE_BOUNDS} }}\n\
         telemetry: {{ traces: {{ sampling: 50%, max_spans_per_second: 30 }}, max_lines_per_error: 1 }}\n\
         thresholds:\n  \
           response_time: [\"p(99) < 1ms\"]\n  \
           failed: [\"rate < 20%\"]\n\
         scenarios:\n  \
           browse:\n    \
             executor: constant-arrival-rate\n    \
             rate: 60/s\n    \
             duration: 6s\n    \
             steps:\n      \
               - {{ get: /delay/exp?mean_ms=4, name: list, checks: {{ status: 200 }} }}\n      \
               - {{ get: /errors?rate=0.1, name: pay }}\n  \
           overload:\n    \
             executor: constant-arrival-rate\n    \
             rate: 30/s\n    \
             duration: 6s\n    \
             max_vus: 3\n    \
             queue_timeout: 500ms\n    \
             steps:\n      \
               - {{ get: /delay/fixed?ms=300, name: slow }}\n  \
           users:\n    \
             executor: constant-vus\n    \
             vus: 3\n    \
             duration: 6s\n    \
             steps:\n      \
               - {{ get: /close, name: once }}\n      \
               - {{ think: 50ms }}\n"
    )
}

#[test]
fn every_panel_of_every_dashboard_has_data_after_a_run_over_three_workers() {
    let place = Place::new("dashboards");
    if Part::Prometheus.find().is_none() {
        return;
    }
    let target = target();
    place.write("s.yaml", trouble(&target.url()));
    let collector = Collector::start();
    let victoria = VictoriaMetrics::start(&place);
    let mut variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.grpc_url()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()),
        ("OTEL_LOGS_EXPORTER", "otlp".to_owned()),
    ];
    variables.extend(victoria.iter().flat_map(VictoriaMetrics::variables));
    let cluster = Cluster::start(&place, 3, &variables);
    let targets: Vec<(&str, String)> = cluster.probes();
    let prometheus = Prometheus::start(&place, &targets).unwrap();
    // Gauges are seen while the run goes on, counters from their beginning.
    let run = cluster.run("s.yaml");
    let run_id = run.identity.run_id.as_str();
    // One look more at what stays.
    pause(Duration::from_secs(1));

    no_tile_is_empty(&prometheus.api, run_id, |_| true);
    if let Some(victoria) = victoria {
        victoria.flush();
        no_tile_is_empty(&victoria.api, run_id, is_the_same_over_otlp);
    }

    // What the dashboards choose from.
    assert_eq!(prometheus.api.labels("run_id"), [run_id]);
    let workers = prometheus.api.labels("worker");
    assert!(["w1", "w2", "w3"].iter().all(|name| workers.contains(&(*name).to_owned())), "{workers:?}");
}

#[track_caller]
fn no_tile_is_empty(api: &QueryApi, run_id: &str, is_asked: fn(&Query) -> bool) {
    let boards = dashboards();
    let all = boards.iter().flat_map(|(name, board)| queries(name, board));
    let asked: Vec<Query> = all.filter(is_asked).collect();
    let empty: Vec<String> = asked
        .iter()
        .filter(|query| !api.has_data(query, run_id))
        .map(|query| format!("{}: {}", query.place, substituted(&query.expression, run_id)))
        .collect();
    assert!(empty.is_empty(), "{} of {} tiles are empty:\n{}", empty.len(), asked.len(), empty.join("\n"));
    println!("{} queries have data", asked.len());
}

/// Whether all that a query asks for is sent over OTLP, and kept there as Prometheus keeps what it scrapes: numbers of
/// runs. Those of processes are on `/metrics` only, and VictoriaMetrics has buckets of its own.
fn is_the_same_over_otlp(query: &Query) -> bool {
    metric_names(&query.expression).iter().all(|(name, _)| {
        let of = catalogue::ALL.iter().find(|of| of.prometheus_name() == *name);
        of.is_some_and(|of| of.scope == Scope::Run && of.kind != Kind::Histogram)
    })
}
