//! Prometheus and VictoriaMetrics are asked in the same way.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::harness::{Place, Running};
use crate::http::{escaped, get};
use crate::parts::Part;

/// A Prometheus that scrapes this machine.
pub(crate) struct Prometheus {
    _process: Running,
    pub(crate) api: QueryApi,
}

impl Prometheus {
    /// Starts it in `place`; it looks at every one of `targets` (job, address) four times a second, and takes exemplars and
    /// native histograms where they are offered. `None` where it is not installed.
    pub(crate) fn start(place: &Place, targets: &[(&str, String)]) -> Option<Self> {
        let program = Part::Prometheus.find()?;
        let mut config =
            "global: { scrape_interval: 250ms, scrape_timeout: 250ms }\nscrape_configs:\n".to_owned();
        let mut jobs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (job, address) in targets {
            jobs.entry(job).or_default().push(address);
        }
        for (job, addresses) in jobs {
            let addresses = addresses.join(", ");
            let more = "scrape_classic_histograms: true";
            writeln!(
                config,
                "- {{ job_name: {job}, {more}, static_configs: [{{ targets: [{addresses}] }}] }}"
            )
            .unwrap();
        }
        place.write("prometheus.yml", config);
        let mut command = place.command(program);
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=prometheus"]);
        command.args(["--web.listen-address=127.0.0.1:0", "--query.lookback-delta=1m"]);
        command.arg("--enable-feature=native-histograms,exemplar-storage");
        let process = Running::of(command);
        // Said by two of its tasks, in either order.
        process.wait_for_stderr("TLS is disabled");
        let said = process.wait_for_stderr("Server is ready to receive web requests");
        let at = "msg=\"Listening on\" address=";
        let address = said.split_once(at).and_then(|(_, rest)| rest.split_whitespace().next());
        let api = QueryApi { address: address.unwrap().to_owned() };
        Some(Self { _process: process, api })
    }
}

/// Whatever answers PromQL.
#[derive(Clone, Debug)]
pub(crate) struct QueryApi {
    pub(crate) address: String,
}

/// A value and its labels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl QueryApi {
    /// What `expression` is now.
    #[track_caller]
    pub(crate) fn query(&self, expression: &str) -> Vec<Sample> {
        let path = format!("/api/v1/query?query={}&time={}", escaped(expression), next_second());
        let answer = get(&self.address, &path);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let result = &answer["data"]["result"];
        let number = |value: &Value| value[1].as_str().unwrap().parse::<f64>().unwrap();
        if answer["data"]["resultType"] == "scalar" {
            return vec![Sample { labels: BTreeMap::new(), value: number(result) }];
        }
        let sample = |entry: &Value| {
            let labels = entry["metric"].as_object().unwrap().iter();
            let labels = labels.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
            // A native histogram has no single value.
            let value = entry["value"].is_array().then(|| number(&entry["value"]));
            Sample { labels: labels.collect(), value: value.unwrap_or(f64::NAN) }
        };
        result.as_array().unwrap().iter().map(sample).collect()
    }

    /// What `expression` was in the last `seconds`, looked at every `step`: the series as they are told.
    #[track_caller]
    pub(crate) fn range(&self, expression: &str, seconds: i64, step: &str) -> Vec<Value> {
        let end = next_second();
        let (expression, start) = (escaped(expression), end - seconds);
        let path = format!("/api/v1/query_range?query={expression}&start={start}&end={end}&step={step}");
        let answer: Value = serde_json::from_str(&get(&self.address, &path)).unwrap();
        answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{path}: {answer}")).clone()
    }

    /// The labels of all exemplars of what `selector` matches, in the last minutes.
    #[track_caller]
    pub(crate) fn exemplars(&self, selector: &str) -> Vec<Value> {
        let end = next_second();
        let path =
            format!("/api/v1/query_exemplars?query={}&start={}&end={end}", escaped(selector), end - 300);
        let answer: Value = serde_json::from_str(&get(&self.address, &path)).unwrap();
        let series = answer["data"].as_array().unwrap_or_else(|| panic!("{path}: {answer}"));
        let all = series.iter().flat_map(|series| series["exemplars"].as_array().unwrap());
        all.map(|exemplar| exemplar["labels"].clone()).collect()
    }

    /// What `expression` is now, of which there must be exactly one value.
    #[track_caller]
    pub(crate) fn value(&self, expression: &str) -> f64 {
        let samples = self.query(expression);
        assert_eq!(samples.len(), 1, "{expression}: {samples:#?}");
        samples[0].value
    }

    /// The values of a label, over all series.
    #[track_caller]
    pub(crate) fn labels(&self, label: &str) -> Vec<String> {
        let answer = get(&self.address, &format!("/api/v1/label/{label}/values"));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let values = answer["data"].as_array().unwrap().iter();
        values.map(|value| value.as_str().unwrap().to_owned()).collect()
    }
}

/// The end of this second: what was told in it is seen, though a server may look at whole seconds only.
fn next_second() -> i64 {
    jiff::Timestamp::now().as_second() + 1
}
