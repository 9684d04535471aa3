//! VictoriaMetrics, which takes metrics by OTLP over HTTP and answers PromQL.

use crate::harness::{Place, Running};
use crate::http::get;
use crate::parts::Part;
use crate::prometheus::QueryApi;

/// It names metrics as Prometheus does.
pub(crate) struct VictoriaMetrics {
    _process: Running,
    pub(crate) api: QueryApi,
}

impl VictoriaMetrics {
    /// Starts it in `place`. `None` where it is not installed.
    pub(crate) fn start(place: &Place) -> Option<Self> {
        let program = Part::VictoriaMetrics.find()?;
        let mut command = place.command(program);
        command.args(["-storageDataPath=victoria", "-httpListenAddr=127.0.0.1:0", "-retentionPeriod=1d"]);
        command.args(["-opentelemetry.usePrometheusNaming", "-memory.allowedBytes=64MB"]);
        // What was just written is to be found at once.
        command.args(["-search.latencyOffset=0s", "-search.disableCache"]);
        let process = Running::of(command);
        let said = process.wait_for_stderr("pprof handlers are exposed");
        let at = "started server at http://";
        let address = said.split_once(at).and_then(|(_, rest)| rest.split('/').next());
        let api = QueryApi { address: address.unwrap().to_owned() };
        Some(Self { _process: process, api })
    }

    /// The variables that send metrics here, and nothing else.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let address = &self.api.address;
        vec![
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", format!("http://{address}/opentelemetry/v1/metrics")),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf".to_owned()),
            ("OTEL_METRIC_EXPORT_INTERVAL", "500".to_owned()),
        ]
    }

    /// Makes everything that was taken in visible.
    pub(crate) fn flush(&self) {
        get(&self.api.address, "/internal/force_flush");
    }
}
