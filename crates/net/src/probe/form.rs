//! The forms in which Prometheus takes a page, and which of them it wants.

use std::borrow::Cow;
use std::fmt::Write as _;

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as model;
use prost::Message as _;

/// A form of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Prometheus' text, version 0.0.4: what everything reads. Without exemplars.
    #[default]
    Text,
    /// OpenMetrics text, version 1.0.0, with exemplars.
    OpenMetrics,
    /// Prometheus' protobuf, with exemplars and native histograms.
    Protobuf,
}

impl Form {
    /// The form that the `Accept` of a request puts first; the richest of those it puts equal, and text without a wish
    /// that can be met.
    pub fn wanted(accept: &str) -> Self {
        let mut best = (0.0, Self::Text);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
            let parameter = |name: &str| {
                let found = parameters.iter().find(|(found, _)| found.trim().eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.trim().trim_matches('"'))
            };
            let form = match media.as_str() {
                "application/vnd.google.protobuf"
                    if parameter("proto") == Some("io.prometheus.client.MetricFamily")
                        && parameter("encoding") == Some("delimited") =>
                {
                    Self::Protobuf
                }
                "application/openmetrics-text"
                    if matches!(parameter("version"), None | Some("1.0.0" | "0.0.1")) =>
                {
                    Self::OpenMetrics
                }
                "text/plain" | "text/*" | "*/*" => Self::Text,
                _ => continue,
            };
            let weight = parameter("q").map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if weight > best.0 || (weight == best.0 && weight > 0.0 && form.rank() > best.1.rank()) {
                best = (weight, form);
            }
        }
        best.1
    }

    /// How a page in this form is labelled.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    const fn rank(self) -> u8 {
        self as u8
    }

    pub(super) fn encode<'a>(self, families: impl Iterator<Item = &'a model::MetricFamily>) -> Vec<u8> {
        match self {
            Self::Protobuf => {
                let mut bytes = Vec::new();
                for family in families {
                    family.encode_length_delimited(&mut bytes).expect("a vector takes every byte");
                }
                bytes
            }
            Self::Text | Self::OpenMetrics => {
                let mut text = Text { text: String::new(), is_open: self == Self::OpenMetrics };
                for family in families {
                    text.family(family);
                }
                if text.is_open {
                    text.text.push_str("# EOF\n");
                }
                text.text.into_bytes()
            }
        }
    }
}

/// A page in the making, in either text form.
struct Text {
    text: String,
    /// Whether it is OpenMetrics.
    is_open: bool,
}

impl Text {
    fn family(&mut self, family: &model::MetricFamily) {
        let is_counter = family.r#type() == model::MetricType::Counter;
        // In OpenMetrics `_total` is no part of a counter's name, only of its sample's.
        let name = match family.name.strip_suffix("_total") {
            Some(name) if is_counter && self.is_open => name,
            _ => &family.name,
        };
        let kind = match family.r#type() {
            model::MetricType::Counter => "counter",
            model::MetricType::Histogram => "histogram",
            _ => "gauge",
        };
        // OpenMetrics escapes quotes here too; the older form does not.
        let _ = write!(
            self.text,
            "# HELP {name} {}\n# TYPE {name} {kind}\n",
            escaped(&family.help, self.is_open)
        );
        if self.is_open && !family.unit.is_empty() {
            let _ = writeln!(self.text, "# UNIT {name} {}", family.unit);
        }
        for metric in &family.metric {
            if let Some(histogram) = &metric.histogram {
                self.histogram(&family.name, &metric.label, histogram);
            } else {
                let value = match (&metric.counter, &metric.gauge) {
                    (Some(counter), _) => counter.value,
                    (_, gauge) => gauge.as_ref().map_or(0.0, |gauge| gauge.value),
                };
                self.sample(&family.name, "", &metric.label, None, value);
                self.text.push('\n');
            }
        }
    }

    fn histogram(&mut self, name: &str, labels: &[model::LabelPair], histogram: &model::Histogram) {
        for bucket in &histogram.bucket {
            let count = bucket.cumulative_count as f64;
            self.sample(name, "_bucket", labels, Some(bucket.upper_bound), count);
            if let Some(exemplar) = bucket.exemplar.as_ref().filter(|_| self.is_open) {
                self.exemplar(exemplar);
            }
            self.text.push('\n');
        }
        self.sample(name, "_sum", labels, None, histogram.sample_sum);
        self.text.push('\n');
        self.sample(name, "_count", labels, None, histogram.sample_count as f64);
        self.text.push('\n');
    }

    /// A number, without the end of its line.
    fn sample(
        &mut self,
        name: &str,
        suffix: &str,
        labels: &[model::LabelPair],
        at_most: Option<f64>,
        value: f64,
    ) {
        self.text.push_str(name);
        self.text.push_str(suffix);
        let mut before = '{';
        self.labels(labels, &mut before);
        if let Some(end) = at_most {
            // As OpenMetrics has it in both forms, so that a series is the same in either.
            let end = if end.is_infinite() { "+Inf".to_owned() } else { format!("{end:?}") };
            let _ = write!(self.text, "{before}le=\"{end}\"");
            before = ',';
        }
        if before == ',' {
            self.text.push('}');
        }
        self.text.push(' ');
        self.value(value);
    }

    fn exemplar(&mut self, exemplar: &model::Exemplar) {
        self.text.push_str(" # ");
        let mut before = '{';
        self.labels(&exemplar.label, &mut before);
        self.text.push_str(if before == '{' { "{} " } else { "} " });
        self.value(exemplar.value);
        if let Some(at) = &exemplar.timestamp {
            let _ = write!(self.text, " {}.{:09}", at.seconds, at.nanos);
        }
    }

    fn labels(&mut self, labels: &[model::LabelPair], before: &mut char) {
        for model::LabelPair { name, value } in labels {
            let _ = write!(self.text, "{before}{name}=\"{}\"", escaped(value, true));
            *before = ',';
        }
    }

    fn value(&mut self, value: f64) {
        let _ = match value {
            value if value == f64::INFINITY => self.text.write_str("+Inf"),
            value if value == f64::NEG_INFINITY => self.text.write_str("-Inf"),
            value if value.is_nan() => self.text.write_str("NaN"),
            value => write!(self.text, "{value}"),
        };
    }
}

/// Line ends and backslashes, and in labels quotes, would end what they stand in.
fn escaped(text: &str, quotes: bool) -> Cow<'_, str> {
    if !text.contains(['\\', '\n', '"']) {
        return Cow::Borrowed(text);
    }
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    Cow::Owned(if quotes { text.replace('"', "\\\"") } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scraper_puts_first_it_gets() {
        // As Prometheus 2.42 asks with and without native histograms, and Prometheus 3.
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
                      application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let plain = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                     text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let third = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                     text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.2";
        for (accept, form) in [
            (native, Form::Protobuf),
            (plain, Form::OpenMetrics),
            (third, Form::OpenMetrics),
            ("*/*", Form::Text),
            ("", Form::Text),
            ("text/html, application/json", Form::Text),
            ("text/plain, application/openmetrics-text; version=1.0.0", Form::OpenMetrics),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.1", Form::Text),
            ("application/openmetrics-text;q=0", Form::Text),
            ("application/openmetrics-text;version=2.0.0", Form::Text),
            ("application/vnd.google.protobuf", Form::Text),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"", Form::OpenMetrics),
        ] {
            assert_eq!(Form::wanted(accept), form, "{accept}");
        }
    }
}
