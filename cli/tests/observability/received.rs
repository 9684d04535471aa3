//! What a receiver took in: spans, data points and log records, flat, each with its resource.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// Attributes by name; numbers and words alike as text.
pub(crate) type Attributes = BTreeMap<String, String>;

/// All of it, in the order of its arrival.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) spans: Vec<Span>,
    pub(crate) points: Vec<Point>,
    pub(crate) records: Vec<Record>,
}

/// A span.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) resource: Attributes,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for a root.
    pub(crate) parent: String,
    pub(crate) kind: String,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: Attributes,
    /// Names of its events.
    pub(crate) events: Vec<String>,
    /// Trace and span of what it is linked to.
    pub(crate) links: Vec<(String, String)>,
    pub(crate) failed: bool,
}

/// A data point of a metric.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) resource: Attributes,
    pub(crate) metric: String,
    pub(crate) attributes: Attributes,
    pub(crate) at: u64,
    pub(crate) value: PointValue,
    /// Traces of its exemplars.
    pub(crate) exemplars: Vec<String>,
}

/// What a point says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PointValue {
    Number(f64),
    /// An exponential histogram: bucket `i` ends at 2^(i × 2^-scale) × 2^(2^-scale).
    Exponential {
        count: u64,
        sum: f64,
        scale: i32,
        zeroes: u64,
        buckets: Vec<(i32, u64)>,
    },
    Explicit {
        count: u64,
        sum: f64,
        bounds: Vec<f64>,
        counts: Vec<u64>,
    },
}

/// A log record.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) resource: Attributes,
    pub(crate) body: String,
    pub(crate) severity: String,
    pub(crate) trace: String,
    pub(crate) span: String,
    pub(crate) attributes: Attributes,
}

impl Received {
    /// Of the file that `receiver.js` wrote.
    #[track_caller]
    pub(crate) fn read(path: &Path) -> Self {
        let mut received = Self::default();
        // Nothing that came is a file that was never begun.
        for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
            let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            received.take(&entry["signal"], &entry["request"]);
        }
        received
    }

    fn take(&mut self, signal: &Value, request: &Value) {
        let (resources, scopes, items) = match signal.as_str().unwrap() {
            "traces" => ("resourceSpans", "scopeSpans", "spans"),
            "metrics" => ("resourceMetrics", "scopeMetrics", "metrics"),
            _ => ("resourceLogs", "scopeLogs", "logRecords"),
        };
        for group in list(&request[resources]) {
            let resource = attributes(&group["resource"]["attributes"]);
            for item in list(&group[scopes]).iter().flat_map(|scope| list(&scope[items])) {
                match items {
                    "spans" => self.spans.push(span(&resource, item)),
                    "metrics" => self.points.extend(points(&resource, item)),
                    _ => self.records.push(record(&resource, item)),
                }
            }
        }
    }

    /// The last points of `metric`, one for each set of attributes and process: cumulative ones are the whole run.
    pub(crate) fn last_of(&self, metric: &str) -> Vec<&Point> {
        let mut last: BTreeMap<(&Attributes, &Attributes), &Point> = BTreeMap::new();
        for point in self.points.iter().filter(|point| point.metric == metric) {
            let newest = last.entry((&point.resource, &point.attributes)).or_insert(point);
            if point.at >= newest.at {
                *newest = point;
            }
        }
        last.into_values().collect()
    }

    /// The sum of those points' numbers, or of their counts.
    pub(crate) fn total_of(&self, metric: &str) -> f64 {
        let value = |point: &&Point| match &point.value {
            PointValue::Number(number) => *number,
            PointValue::Exponential { count, .. } | PointValue::Explicit { count, .. } => *count as f64,
        };
        self.last_of(metric).iter().map(value).sum()
    }
}

fn span(resource: &Attributes, item: &Value) -> Span {
    let link = |link: &Value| (text(&link["traceId"]), text(&link["spanId"]));
    Span {
        resource: resource.clone(),
        name: text(&item["name"]),
        trace: text(&item["traceId"]),
        id: text(&item["spanId"]),
        parent: text(&item["parentSpanId"]),
        kind: text(&item["kind"]),
        start: whole(&item["startTimeUnixNano"]),
        end: whole(&item["endTimeUnixNano"]),
        attributes: attributes(&item["attributes"]),
        events: list(&item["events"]).iter().map(|event| text(&event["name"])).collect(),
        links: list(&item["links"]).iter().map(link).collect(),
        failed: text(&item["status"]["code"]).ends_with("ERROR"),
    }
}

fn points(resource: &Attributes, metric: &Value) -> Vec<Point> {
    let name = text(&metric["name"]);
    let kinds = ["gauge", "sum", "exponentialHistogram", "histogram"];
    let kind = kinds.into_iter().find(|kind| metric[*kind].is_object());
    let kind = kind.unwrap_or_else(|| panic!("a metric of no known kind: {metric}"));
    let point = |item: &Value| Point {
        resource: resource.clone(),
        metric: name.clone(),
        attributes: attributes(&item["attributes"]),
        at: whole(&item["timeUnixNano"]),
        value: value(kind, item),
        exemplars: list(&item["exemplars"]).iter().map(|exemplar| text(&exemplar["traceId"])).collect(),
    };
    list(&metric[kind]["dataPoints"]).iter().map(point).collect()
}

fn value(kind: &str, item: &Value) -> PointValue {
    let (count, sum) = (whole(&item["count"]), float(&item["sum"]));
    let wholes = |value: &Value| list(value).iter().map(whole).collect::<Vec<_>>();
    match kind {
        "exponentialHistogram" => {
            let first = float(&item["positive"]["offset"]) as i32;
            PointValue::Exponential {
                count,
                sum,
                scale: float(&item["scale"]) as i32,
                zeroes: whole(&item["zeroCount"]),
                buckets: (first..).zip(wholes(&item["positive"]["bucketCounts"])).collect(),
            }
        }
        "histogram" => PointValue::Explicit {
            count,
            sum,
            bounds: list(&item["explicitBounds"]).iter().map(float).collect(),
            counts: wholes(&item["bucketCounts"]),
        },
        _ if item["asDouble"].is_null() => PointValue::Number(float(&item["asInt"])),
        _ => PointValue::Number(float(&item["asDouble"])),
    }
}

fn record(resource: &Attributes, item: &Value) -> Record {
    Record {
        resource: resource.clone(),
        body: text(&item["body"]),
        severity: text(&item["severityText"]),
        trace: text(&item["traceId"]),
        span: text(&item["spanId"]),
        attributes: attributes(&item["attributes"]),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn attributes(value: &Value) -> Attributes {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), text(value))).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// 64 bits come as text, smaller numbers as numbers.
fn whole(value: &Value) -> u64 {
    float_or_text(value, |text| text.parse().ok(), Value::as_u64).unwrap_or(0)
}

fn float(value: &Value) -> f64 {
    float_or_text(value, |text| text.parse().ok(), Value::as_f64).unwrap_or(0.0)
}

fn float_or_text<T>(
    value: &Value,
    of_text: impl Fn(&str) -> Option<T>,
    of_number: impl Fn(&Value) -> Option<T>,
) -> Option<T> {
    value.as_str().map_or_else(|| of_number(value), of_text)
}
