use std::collections::BTreeSet;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeMetric, MetricEncoder, NativeHistogram, NativeHistogramBuckets, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::exemplar::Exemplar as TheirExemplar;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use prost::Message as _;

use super::*;
use crate::probe::{Scope, Sender};

const fn instrument(name: &'static str, unit: &'static str, kind: Kind) -> Instrument {
    let (scope, sender) = (Scope::Process, Sender::Both);
    Instrument { name, unit, kind, scope, labels: &["name", "exit"], sender, help: "Something \"else\"." }
}

static RUNS: Instrument = instrument("loadgen.runs", "{run}", Kind::Counter);
static WORKERS: Instrument = instrument("loadgen.workers", "{worker}", Kind::Gauge);
static SENT: Instrument = instrument("loadgen.sent", "By", Kind::Counter);
static TIME: Instrument = instrument("loadgen.time", "s", Kind::Histogram);

fn text(page: &Page, form: Form) -> String {
    String::from_utf8(page.encode(form)).unwrap()
}

fn buckets() -> Buckets {
    let exemplar = Exemplar {
        labels: vec![("trace_id", "0af7".to_owned()), ("span_id", "b7ad".to_owned())],
        value: 0.25,
        at_unix_nanos: 1_500_000_000_250_000_000,
    };
    Buckets {
        count: 7,
        sum: 12.5,
        classic: vec![
            ClassicBucket { at_most: 0.5, count: 2, exemplar: Some(exemplar.clone()) },
            ClassicBucket { at_most: 1.0, count: 4, exemplar: None },
        ],
        last_exemplar: Some(Exemplar { value: 8.0, ..exemplar }),
        native: Some(Native {
            schema: 0,
            zero_threshold: 0.125,
            zero_count: 1,
            positive: vec![(-2, 1), (-1, 3), (3, 2)],
        }),
        since_unix_nanos: 1_400_000_000_000_000_000,
    }
}

fn page() -> Page {
    let mut page = Page::default();
    page.family(&RUNS).sample(&[("exit", "ok")], 2.0);
    page.family(&WORKERS).sample(&[], 3.0);
    page.family(&SENT).sample(&[("name", "a\"b\\c\nd")], 0.5);
    page.family(&TIME).histogram(&[("name", "x")], buckets());
    page
}

#[test]
fn a_name_is_introduced_once_and_its_numbers_follow() {
    let mut page = Page::default();
    page.family(&RUNS).sample(&[("exit", "ok"), ("name", "no")], 2.0);
    page.family(&WORKERS).sample(&[], 3.0);
    page.family(&RUNS).sample(&[("exit", "failed"), ("name", "no")], 0.5);
    page.family(&TIME);
    assert_eq!(
        text(&page, Form::Text),
        "# HELP loadgen_runs_total Something \"else\".\n# TYPE loadgen_runs_total counter\n\
         loadgen_runs_total{exit=\"ok\",name=\"no\"} 2\nloadgen_runs_total{exit=\"failed\",name=\"no\"} 0.5\n\
         # HELP loadgen_workers Something \"else\".\n# TYPE loadgen_workers gauge\nloadgen_workers 3\n"
    );
}

#[test]
fn a_label_cannot_end_its_line() {
    let mut page = Page::default();
    let hostile = "a\"} 1\nloadgen_forged 2 \\";
    page.family(&WORKERS).sample(&[("name", hostile)], 1.0);
    let text = text(&page, Form::Text);
    assert_eq!(text.lines().count(), 3);
    assert!(text.ends_with("{name=\"a\\\"} 1\\nloadgen_forged 2 \\\\\"} 1\n"), "{text}");
}

#[test]
fn values_that_are_no_numbers_have_their_words() {
    let mut page = Page::default();
    page.family(&WORKERS)
        .sample(&[("name", "a")], f64::INFINITY)
        .sample(&[("name", "b")], f64::NEG_INFINITY)
        .sample(&[("name", "c")], f64::NAN);
    let text = text(&page, Form::Text);
    for value in ["{name=\"a\"} +Inf\n", "{name=\"b\"} -Inf\n", "{name=\"c\"} NaN\n"] {
        assert!(text.contains(value), "{text}");
    }
}

#[test]
fn exemplars_are_in_openmetrics_and_not_in_the_older_text() {
    let open = text(&page(), Form::OpenMetrics);
    for line in [
        "loadgen_time_seconds_bucket{name=\"x\",le=\"0.5\"} 2 # {trace_id=\"0af7\",span_id=\"b7ad\"} 0.25 1500000000.250000000",
        "loadgen_time_seconds_bucket{name=\"x\",le=\"1.0\"} 4",
        "loadgen_time_seconds_bucket{name=\"x\",le=\"+Inf\"} 7 # {trace_id=\"0af7\",span_id=\"b7ad\"} 8 1500000000.250000000",
    ] {
        assert!(open.lines().any(|found| found == line), "{line}\n{open}");
    }
    let older = text(&page(), Form::Text);
    assert!(!older.contains("trace_id") && !older.contains("# EOF"), "{older}");
    assert!(older.contains("loadgen_time_seconds_bucket{name=\"x\",le=\"+Inf\"} 7\n"), "{older}");
}

/// The same numbers as [`page`] has, told to `prometheus-client`'s own encoders.
#[derive(Debug)]
struct Same;

struct SameHistogram;

impl EncodeMetric for SameHistogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let none = None::<&std::collections::HashMap<usize, TheirExemplar<NoLabelSet, f64>>>;
        let positive = NativeHistogramBuckets { spans: &[(-2, 2), (3, 1)], deltas: &[1, 2, -1] };
        let native = NativeHistogram {
            schema: 0,
            zero_threshold: 0.125,
            zero_count: 1,
            negative: NativeHistogramBuckets { spans: &[], deltas: &[] },
            positive,
            created: Some(UNIX_EPOCH + Duration::from_secs(1_400_000_000)),
        };
        let classic = [(0.5, 2), (1.0, 2), (f64::INFINITY, 3)];
        encoder.encode_family(&[("name", "x")])?.encode_histogram_with_native(12.5, 7, &classic, none, native)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

impl Collector for Same {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        use prometheus_client::registry::Unit;
        let help = "Something \"else\".";
        let mut runs = encoder.encode_descriptor("loadgen_runs", help, None, MetricType::Counter)?;
        ConstCounter::new(2.0).encode(runs.encode_family(&[("exit", "ok")])?)?;
        let workers = encoder.encode_descriptor("loadgen_workers", help, None, MetricType::Gauge)?;
        ConstGauge::new(3.0).encode(workers)?;
        let mut sent =
            encoder.encode_descriptor("loadgen_sent", help, Some(&Unit::Bytes), MetricType::Counter)?;
        ConstCounter::new(0.5).encode(sent.encode_family(&[("name", "a\"b\\c\nd")])?)?;
        let time =
            encoder.encode_descriptor("loadgen_time", help, Some(&Unit::Seconds), MetricType::Histogram)?;
        SameHistogram.encode(time)
    }
}

fn same() -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Same));
    registry
}

fn without_exemplars(page: &Page) -> Page {
    let mut page = page.clone();
    for metric in page.families.iter_mut().flat_map(|family| &mut family.metric) {
        for bucket in metric.histogram.iter_mut().flat_map(|histogram| &mut histogram.bucket) {
            bucket.exemplar = None;
        }
    }
    page
}

#[test]
fn the_protobuf_form_is_that_of_prometheus_client() {
    let families = prometheus_client::encoding::prometheus_protobuf::encode(&same()).unwrap();
    let mut theirs = Vec::new();
    for family in families {
        theirs.extend(family.encode_length_delimited_to_vec());
    }
    assert_eq!(without_exemplars(&page()).encode(Form::Protobuf), theirs);
}

#[test]
fn the_openmetrics_form_is_that_of_prometheus_client() {
    let mut theirs = String::new();
    prometheus_client::encoding::text::encode(&mut theirs, &same()).unwrap();
    // It writes sum and count before the buckets, `le` before other labels, whole numbers as 2.0, and quotes in helps as
    // they are: all of which means the same.
    let lines = |text: &str| -> BTreeSet<String> { text.lines().map(without_taste).collect() };
    assert_eq!(lines(&text(&without_exemplars(&page()), Form::OpenMetrics)), lines(&theirs));
}

fn without_taste(line: &str) -> String {
    let line = line.replace("\\\"else\\\"", "\"else\"");
    let line = line.strip_suffix(".0").unwrap_or(&line);
    match line.split_once('{').and_then(|(name, rest)| Some((name, rest.split_once('}')?))) {
        Some((name, (labels, value))) => {
            let labels: BTreeSet<&str> = labels.split(',').collect();
            format!("{name}{labels:?}{value}")
        }
        None => line.to_owned(),
    }
}

#[test]
fn a_native_histogram_of_nothing_is_one() {
    let mut page = Page::default();
    let nothing = Buckets { native: Some(Native { schema: 5, ..Native::default() }), ..Buckets::default() };
    page.family(&TIME).histogram(&[], nothing);
    let histogram = page.families[0].metric[0].histogram.as_ref().unwrap();
    assert_eq!(histogram.positive_span, [model::BucketSpan { offset: 0, length: 0 }]);
}
