//! The variables, as data for the documentation.

/// Declares the list with the four names of what can be said for all signals and for each.
macro_rules! variables {
    ($($for_all:literal: $meaning:literal,)+ ; $($name:literal: $other:literal,)+) => {
        /// Every variable that has an effect, with its meaning and default.
        pub const VARIABLES: &[(&str, &str)] = &[
            $(
                (concat!("OTEL_EXPORTER_OTLP_", $for_all), $meaning),
                (concat!("OTEL_EXPORTER_OTLP_TRACES_", $for_all), concat!("The same for traces only. ", $meaning)),
                (concat!("OTEL_EXPORTER_OTLP_METRICS_", $for_all), concat!("The same for metrics only. ", $meaning)),
                (concat!("OTEL_EXPORTER_OTLP_LOGS_", $for_all), concat!("The same for logs only. ", $meaning)),
            )+
            $(($name, $other),)+
        ];
    };
}

variables! {
    "ENDPOINT": "Where to: a URL. HTTP adds `/v1/<signal>` to the one for all signals and takes a signal's own as it is. \
        Without a scheme it means `http://`. Not set: nothing is sent, unless `OTEL_<SIGNAL>_EXPORTER=otlp` asks for it.",
    "PROTOCOL": "`grpc` or `http/protobuf`. Default: `grpc` when the endpoint's port is 4317, otherwise `http/protobuf`.",
    "HEADERS": "Headers of every request, `key=value,key=value`, values percent-encoded. Never shown.",
    "TIMEOUT": "Milliseconds that one attempt may take. Default 10000.",
    "COMPRESSION": "`none` or `gzip`. Default `none`.",
    "CERTIFICATE": "File with the authorities to trust, PEM. Default: the public ones.",
    "CLIENT_KEY": "File with the client's private key, PEM.",
    "CLIENT_CERTIFICATE": "File with the client's certificate chain, PEM.",
    "INSECURE": "`true` or `false`: whether an endpoint without a scheme means `http://`. Default `true`.",
    ;
    "OTEL_SDK_DISABLED": "`true` sends nothing, whatever else is set. Default `false`.",
    "OTEL_TRACES_EXPORTER": "`otlp` or `none`. Default: `otlp` when an endpoint is set.",
    "OTEL_METRICS_EXPORTER": "`otlp` or `none`. Default: `otlp` when an endpoint is set. The page at `/metrics` is there anyway.",
    "OTEL_LOGS_EXPORTER": "`otlp` or `none`. Default: `otlp` when `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT` is set, otherwise `none`.",
    "OTEL_SERVICE_NAME": "`service.name` of the resource. Default `loadgen`.",
    "OTEL_RESOURCE_ATTRIBUTES": "Attributes of the resource, `key=value,key=value`, values percent-encoded.",
    "OTEL_TRACES_SAMPLER": "`always_on`, `always_off`, `traceidratio`, or one of these behind `parentbased_`, which is the same here: \
        instead of what the file says.",
    "OTEL_TRACES_SAMPLER_ARG": "The part that `traceidratio` keeps, 0 to 1. Default 1.",
    "OTEL_PROPAGATORS": "Without `tracecontext` in it, no trace headers go to the target; with it all of them do. Default `tracecontext,baggage`.",
    "OTEL_METRIC_EXPORT_INTERVAL": "Milliseconds between exports of the metrics. Default 10000.",
    "OTEL_METRIC_EXPORT_TIMEOUT": "Milliseconds that one export of the metrics may take with all its attempts. Default 30000.",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "`cumulative`, `delta` or `lowmemory`. Default `cumulative`.",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "`base2_exponential_bucket_histogram` or \
        `explicit_bucket_histogram`. Default the former, in which the error of the buckets is bounded.",
    "OTEL_BSP_SCHEDULE_DELAY": "Milliseconds that a span waits for others. Default 1000.",
    "OTEL_BSP_MAX_QUEUE_SIZE": "Spans that may wait; more are lost. Default 16384.",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "Spans of one request. Default 512.",
    "OTEL_BSP_EXPORT_TIMEOUT": "Milliseconds that a batch of spans may take with all its attempts. Default 30000.",
    "OTEL_BLRP_SCHEDULE_DELAY": "Milliseconds that a log record waits for others. Default 1000.",
    "OTEL_BLRP_MAX_QUEUE_SIZE": "Log records that may wait; more are lost. Default 16384.",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "Log records of one request. Default 512.",
    "OTEL_BLRP_EXPORT_TIMEOUT": "Milliseconds that a batch of log records may take with all its attempts. Default 30000.",
}

/// Standard variables without an effect here; one that is set is a warning.
pub const IGNORED_VARIABLES: &[&str] = &[
    "OTEL_CONFIG_FILE",
    "OTEL_EXPERIMENTAL_CONFIG_FILE",
    "OTEL_LOG_LEVEL",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_EXPORTER_OTLP_SPAN_INSECURE",
    "OTEL_EXPORTER_OTLP_METRIC_INSECURE",
    "OTEL_EXPORTER_PROMETHEUS_HOST",
    "OTEL_EXPORTER_PROMETHEUS_PORT",
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
    "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
];
