//! What the variables mean, one by one and together.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;

use proptest::prelude::*;
use testkit::Scratch;
use testkit::tls::{Authority, Subject};
use units::Ratio;

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_variables(|name| {
        variables.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    read(variables).unwrap()
}

/// The error and its causes, as people see them.
fn refused(variables: &[(&str, &str)]) -> String {
    let error = read(variables).unwrap_err();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

const HERE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

/// Which signals are sent.
fn sent(settings: &Settings) -> Vec<&'static str> {
    let sent = Signal::ALL.into_iter().filter(|signal| settings.destination(*signal).is_some());
    sent.map(Signal::name).collect()
}

#[test]
fn nothing_is_sent_unless_an_endpoint_or_an_exporter_asks_for_it() {
    for (variables, expected) in [
        (&[][..], &[][..]),
        (&[("OTEL_SERVICE_NAME", "x"), ("OTEL_EXPORTER_OTLP_HEADERS", "a=b")], &[]),
        (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], &[]),
        (&[HERE], &["traces", "metrics"]),
        (&[HERE, ("OTEL_LOGS_EXPORTER", "otlp")], &["traces", "metrics", "logs"]),
        (&[HERE, ("OTEL_TRACES_EXPORTER", "none")], &["metrics"]),
        (&[HERE, ("OTEL_METRICS_EXPORTER", "prometheus")], &["traces"]),
        (&[HERE, ("OTEL_METRICS_EXPORTER", "prometheus,otlp")], &["traces", "metrics"]),
        (&[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://c:1")], &["logs"]),
        (&[("OTEL_TRACES_EXPORTER", "otlp")], &["traces"]),
        (&[HERE, ("OTEL_SDK_DISABLED", "true"), ("OTEL_LOGS_EXPORTER", "otlp")], &[]),
        (&[HERE, ("OTEL_SDK_DISABLED", "False")], &["traces", "metrics"]),
    ] {
        assert_eq!(sent(&settings(variables)), expected, "{variables:?}");
    }
}

#[test]
fn an_endpoint_for_all_signals_gets_their_paths_and_a_signals_own_is_taken_as_it_is() {
    let paths = |variables: &[(&str, &str)]| {
        let settings = settings(variables);
        [settings.traces, settings.metrics].map(|to| {
            let to = to.unwrap();
            format!("{}{} {:?}", to.endpoint, to.path, to.protocol)
        })
    };
    assert_eq!(
        paths(&[HERE]),
        ["http://collector:4318/v1/traces Http", "http://collector:4318/v1/metrics Http"]
    );
    assert_eq!(
        paths(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:80/otlp/")]),
        ["http://c:80/otlp/v1/traces Http", "http://c:80/otlp/v1/metrics Http"]
    );
    let own = [HERE, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/in/?key=1")];
    assert_eq!(paths(&own), ["http://t:1/in/?key=1 Http", "http://collector:4318/v1/metrics Http"]);
    assert_eq!(paths(&[HERE, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1")])[0], "http://t:1/ Http");
}

#[test]
fn the_protocol_is_what_is_asked_for_or_what_the_port_says() {
    let protocol = |variables: &[(&str, &str)]| settings(variables).traces.unwrap().protocol;
    let grpc_port = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317");
    assert_eq!(protocol(&[HERE]), Protocol::Http);
    assert_eq!(protocol(&[grpc_port]), Protocol::Grpc);
    assert_eq!(protocol(&[HERE, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]), Protocol::Grpc);
    let own = [
        HERE,
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
    ];
    assert_eq!(protocol(&own), Protocol::Http);

    let odd = settings(&[grpc_port, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]);
    assert_eq!(odd.traces.as_ref().unwrap().protocol, Protocol::Http);
    assert!(odd.warnings()[0].contains("4317"), "{:?}", odd.warnings());

    let default = |protocol| {
        let to =
            settings(&[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)]).traces;
        to.unwrap().endpoint.to_string()
    };
    assert_eq!(default("grpc"), "http://localhost:4317");
    assert_eq!(default("http/protobuf"), "http://localhost:4318");
}

#[test]
fn an_endpoint_without_a_scheme_is_plain_unless_insecure_is_false() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
    let to = |settings: &Settings| settings.traces.as_ref().unwrap().endpoint.to_string();
    let guessed = settings(&[endpoint]);
    assert_eq!(to(&guessed), "http://collector:4317");
    assert_eq!(guessed.warnings().len(), 1, "{:?}", guessed.warnings());
    let said = settings(&[endpoint, ("OTEL_EXPORTER_OTLP_INSECURE", "true")]);
    assert_eq!((to(&said).as_str(), said.warnings().len()), ("http://collector:4317", 0));
    let secure = settings(&[endpoint, ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "false")]);
    assert_eq!(to(&secure), "https://collector:4317");
    assert!(secure.traces.unwrap().tls.is_some());
    assert!(secure.metrics.unwrap().tls.is_none());
}

#[test]
fn a_signals_own_variable_goes_before_the_one_for_all() {
    let settings = settings(&[
        HERE,
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", ""),
    ]);
    let (traces, metrics) = (settings.traces.unwrap(), settings.metrics.unwrap());
    assert_eq!((traces.timeout, metrics.timeout), (Nanos::from_millis(2_500), Nanos::from_millis(1)));
    assert_eq!((traces.compression, metrics.compression), (Compression::Gzip, Compression::None));
    assert_eq!(traces.headers, metrics.headers);
}

#[test]
fn headers_are_decoded_and_shown_to_nobody() {
    let settings =
        settings(&[HERE, ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization = Basic%20c2VjcmV0 ,x-a=b=c;p=1,")]);
    let mut head = http::HeaderMap::new();
    settings.traces.as_ref().unwrap().headers.add_to(&mut head);
    assert_eq!(head.get("authorization").unwrap(), "Basic c2VjcmV0");
    assert_eq!(head.get("x-a").unwrap(), "b=c");
    assert_eq!(head.len(), 2);
    let shown = format!("{settings:?}");
    assert!(shown.contains("authorization") && !shown.contains("c2VjcmV0") && !shown.contains("b=c"));

    for broken in ["s3cret", "a=%zzs3cret", "a=1,b c=s3cret", "a=s3cret%0a"] {
        let text = refused(&[HERE, ("OTEL_EXPORTER_OTLP_HEADERS", broken)]);
        assert!(text.contains("`OTEL_EXPORTER_OTLP_HEADERS`: entry ") && !text.contains("s3cret"), "{text}");
    }
    let text = refused(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:s3cret@c:4318")]);
    assert!(text.contains("OTEL_EXPORTER_OTLP_HEADERS") && !text.contains("s3cret"), "{text}");
}

#[test]
fn samplers_have_the_files_meaning() {
    let sampler = |variables: &[(&str, &str)]| settings(variables).sampler;
    assert_eq!(sampler(&[]), None);
    let of = |name: String, argument| {
        sampler(&[("OTEL_TRACES_SAMPLER", &name), ("OTEL_TRACES_SAMPLER_ARG", argument)])
    };
    for prefix in ["", "parentbased_"] {
        assert_eq!(of(format!("{prefix}always_on"), "0.5"), Some(Sampling::Ratio(Ratio::new(1.0))));
        assert_eq!(of(format!("{prefix}always_off"), ""), Some(Sampling::Off));
        assert_eq!(of(format!("{prefix}traceidratio"), "0.25"), Some(Sampling::Ratio(Ratio::new(0.25))));
        assert_eq!(of(format!("{prefix}traceidratio"), ""), Some(Sampling::Ratio(Ratio::new(1.0))));
    }
    let unknown = settings(&[("OTEL_TRACES_SAMPLER", "jaeger_remote")]);
    assert_eq!((unknown.sampler, unknown.warnings().len()), (None, 1));
    for argument in ["1.5", "-0.1", "NaN", "half"] {
        let variables = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", argument)];
        assert!(refused(&variables).contains("a number from 0 to 1"), "{argument}");
    }
}

#[test]
fn trace_headers_go_to_the_target_unless_the_propagators_leave_them_out() {
    let propagates = |value| settings(&[("OTEL_PROPAGATORS", value)]).propagates;
    assert!(propagates("") && propagates("tracecontext") && propagates("baggage, tracecontext"));
    assert!(!propagates("none") && !propagates("baggage") && !propagates("b3"));
    assert_eq!(settings(&[("OTEL_PROPAGATORS", "b3,tracecontext")]).warnings().len(), 1);
}

#[test]
fn batches_intervals_and_forms_are_what_the_variables_say() {
    let defaults = settings(&[]);
    assert_eq!(defaults.metric_interval, Nanos::from_secs(10));
    assert_eq!((defaults.span_batches.queue, defaults.span_batches.most), (16_384, 512));
    assert_eq!(defaults.span_batches.delay, Nanos::SECOND);
    assert_eq!(
        (defaults.temporality, defaults.histograms),
        (Temporality::Cumulative, HistogramForm::Exponential)
    );

    let settings = settings(&[
        ("OTEL_METRIC_EXPORT_INTERVAL", "60000"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "7000"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "64"),
        ("OTEL_BLRP_EXPORT_TIMEOUT", "1500"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "LowMemory"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram"),
    ]);
    assert_eq!(settings.metric_interval, Nanos::from_secs(60));
    assert_eq!(settings.point_batches.timeout, Nanos::from_secs(7));
    let (spans, records) = (settings.span_batches, settings.record_batches);
    // A batch is never more than what may wait.
    assert_eq!((spans.queue, spans.most, spans.delay), (100, 100, Nanos::ZERO));
    assert_eq!((records.most, records.timeout), (64, Nanos::from_millis(1_500)));
    assert_eq!(
        (settings.temporality, settings.histograms),
        (Temporality::LowMemory, HistogramForm::Explicit)
    );
    assert!(settings.warnings().is_empty());
}

#[test]
fn the_resource_is_what_its_variables_say_and_the_services_name_has_its_own() {
    let resource = |variables: &[(&str, &str)]| settings(variables).resource.into_iter().collect::<Vec<_>>();
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,team=x%2Cy, region = eu ,");
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        resource(&[attributes]),
        [pair("region", "eu"), pair("service.name", "a"), pair("team", "x,y")]
    );
    assert_eq!(resource(&[attributes, ("OTEL_SERVICE_NAME", "b")])[1], pair("service.name", "b"));
    assert!(refused(&[("OTEL_RESOURCE_ATTRIBUTES", "a=1,b")]).contains("entry 2"));
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_variable_its_value_and_a_cure() {
    for (variable, value, cure) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "`grpc` or `http/protobuf`"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "`none` or `gzip`"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds from 1 to"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0", "milliseconds from 1 to"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "yes", "`true` or `false`"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "ftp://c", "neither `http` nor `https`"),
        ("OTEL_SDK_DISABLED", "1", "`true` or `false`"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1", "milliseconds from 1 to"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "a whole number from 1"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "many", "a whole number from 1"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "fast", "`cumulative`, `delta`"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "hdr", "`explicit_bucket_histogram`"),
    ] {
        let text = refused(&[HERE, (variable, value)]);
        assert!(text.contains(&format!("`{variable}`")), "{text}");
        assert!(text.contains(&format!("`{value}`")) && text.contains(cure), "{text}");
    }
}

#[test]
fn files_of_certificates_are_read_where_the_connection_is_encrypted() {
    let folder = Scratch::new("otlp-files");
    let authority = Authority::new();
    let client = authority.issue(Subject::Client);
    let file = |name: &str, text: &str| {
        fs::write(folder.join(name), text).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    };
    let ca = file("ca.pem", &authority.pem());
    let chain = file("client.pem", &client.certificate_pem());
    let key = file("client.key", &client.key_pem());
    let other_key = file("other.key", &authority.issue(Subject::Client).key_pem());
    let empty = file("empty.pem", "");
    let secure = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318");
    const CA: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
    const CHAIN: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
    const KEY: &str = "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY";

    let both =
        settings(&[secure, (CA, &ca), (CHAIN, &chain), (KEY, &key), ("OTEL_METRICS_EXPORTER", "none")]);
    assert!(both.traces.unwrap().tls.is_some());
    assert!(settings(&[secure]).traces.unwrap().tls.is_some());
    // Nothing is read that is not used.
    assert!(settings(&[HERE, (CA, "/nowhere")]).traces.unwrap().tls.is_none());

    assert!(refused(&[secure, (CA, "/nowhere")]).contains("cannot read it"));
    assert!(refused(&[secure, (CA, &empty)]).contains("holds no certificate"));
    assert!(refused(&[secure, (CHAIN, &chain), (KEY, &empty)]).contains("holds no private key"));
    assert!(refused(&[secure, (CHAIN, &chain)]).contains("is set alone"));
    assert!(refused(&[secure, (CHAIN, &chain), (KEY, &other_key)]).contains("cannot be used for TLS"));
}

#[test]
fn what_is_set_and_has_no_effect_is_a_warning() {
    for variable in IGNORED_VARIABLES {
        let warnings = settings(&[(variable, "1")]).warnings;
        assert_eq!(warnings, [format!("`{variable}` has no effect here")]);
    }
    let unknown = settings(&[HERE, ("OTEL_TRACES_EXPORTER", "zipkin,console")]);
    assert_eq!(unknown.warnings().len(), 2);
    assert_eq!(sent(&unknown), ["metrics"]);
    let path = settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317/x")]);
    assert!(path.warnings()[0].contains("no effect with gRPC"), "{:?}", path.warnings());
}

#[test]
fn the_list_of_variables_is_the_list_of_those_that_are_read() {
    use std::cell::RefCell;
    let asked = RefCell::new(BTreeSet::new());
    let answer = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        // Enough that everything is looked at.
        match name {
            "OTEL_LOGS_EXPORTER" => Some("otlp".to_owned()),
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("https://collector:1".to_owned()),
            "OTEL_TRACES_SAMPLER" => Some("traceidratio".to_owned()),
            _ => None,
        }
    };
    Settings::from_variables(answer).unwrap();
    let listed: BTreeSet<_> = VARIABLES
        .iter()
        .map(|(name, _)| *name)
        .chain(IGNORED_VARIABLES.iter().copied())
        .map(str::to_owned)
        .collect();
    assert_eq!(asked.into_inner(), listed);
    assert_eq!(listed.len(), VARIABLES.len() + IGNORED_VARIABLES.len());
    for (name, meaning) in VARIABLES {
        assert!(meaning.ends_with('.'), "{name}");
    }
}

#[test]
fn a_key_in_a_query_is_shown_nowhere() {
    for url in ["grpc://c:4317/x?api-key=s3cret", "http://c:0/?api-key=s3cret", "http://c/x y?api-key=s3cret"]
    {
        let text = refused(&[("OTEL_EXPORTER_OTLP_ENDPOINT", url)]);
        assert!(text.contains("OTEL_EXPORTER_OTLP_ENDPOINT") && !text.contains("s3cret"), "{text}");
    }
    let sent = settings(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318/x?api-key=s3cret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret"),
    ]);
    assert_eq!(sent.traces.as_ref().unwrap().path, "/x?api-key=s3cret");
    let shown = format!("{sent:?}");
    assert!(shown.contains("\"/x\"") && !shown.contains("s3cret"), "{shown}");
}

proptest! {
    #[test]
    fn no_value_of_any_variable_panics(which in 0..VARIABLES.len(), value in "\\PC{0,40}") {
        let name = VARIABLES[which].0;
        // Only that it returns.
        let _ = read(&[("OTEL_LOGS_EXPORTER", "otlp"), ("OTEL_TRACES_SAMPLER", "traceidratio"), HERE, (name, &value)]);
    }
}
