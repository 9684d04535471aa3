//! What Prometheus scrapes and VictoriaMetrics is sent, asked in PromQL and held against the results.

use std::collections::{BTreeMap, BTreeSet};

use api::result::ResultFile;
use testkit::collector::Collector;

use crate::harness::{Place, Running, target};
use crate::parts::Part;
use crate::prometheus::{Prometheus, QueryApi};
use crate::quantiles::{COMPARED, hold_classic, hold_exponential, of_buckets};
use crate::received::PointValue;
use crate::receiver::Receiver;
use crate::run::{Finished, begin, finish, journey};
use crate::slowest::hex;
use crate::victoria::VictoriaMetrics;

/// Begins a run that can be scraped; it and its address.
fn listening(place: &Place, rate: &str, collector: &Collector) -> (Running, String) {
    let variables = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/v1/traces", collector.http_url()))];
    let running = begin(place, &["--listen", "127.0.0.1:0", "--linger", "30s", "--rate", rate], &variables);
    let said = running.wait_for_stderr("/metrics");
    let address = said.split_once("metrics are at http://").and_then(|(_, rest)| rest.split_once("/metrics"));
    (running, address.unwrap_or_else(|| panic!("no address: {said}")).0.to_owned())
}

#[test]
fn prometheus_tells_two_parallel_runs_apart_and_counts_what_their_results_count() {
    let place = Place::new("scraped");
    let target = target();
    place.write("s.yaml", journey(&target.url(), "1/s", "4s", "{}"));
    if Part::Prometheus.find().is_none() {
        return;
    }
    let collector = Collector::start();
    let (runs, addresses): (Vec<_>, Vec<_>) =
        ["81/s", "52/s"].into_iter().map(|rate| listening(&place, rate, &collector)).unzip();
    let targets: Vec<_> = addresses.into_iter().map(|address| ("loadgen-run", address)).collect();
    let prometheus = Prometheus::start(&place, &targets).unwrap();
    let finished: Vec<Finished> = runs.into_iter().map(finish).collect();

    let by_run = prometheus.api.labels("run_id");
    let [first, second] = [&finished[0].result, &finished[1].result];
    let ids = [&first.identity.run_id, &second.identity.run_id].map(String::clone);
    assert_eq!(by_run, crate::run::sorted(ids.to_vec()));
    // The slots of 4 s at the two rates: nobody could take one for the other.
    assert_eq!([first.totals.iterations.due, second.totals.iterations.due], [324, 208]);
    let spans = span_ids(&collector);
    for result in [first, second] {
        sums_are_the_results(&prometheus.api, result);
        quantiles_are_the_results(&prometheus.api, result);
        exemplars_are_spans(&prometheus.api, result, &spans);
    }
}

/// The spans that a collector has.
fn span_ids(collector: &Collector) -> BTreeSet<String> {
    let requests = collector.traces();
    let resources = requests.iter().flat_map(|request| &request.resource_spans);
    let spans = resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans);
    spans.map(|span| hex(&span.span_id)).collect()
}

/// The examples of a histogram are spans that left, in both forms of it.
fn exemplars_are_spans(api: &QueryApi, result: &ResultFile, spans: &BTreeSet<String>) {
    let run = &result.identity.run_id;
    for form in ["loadgen_request_response_time_seconds", "loadgen_request_response_time_seconds_bucket"] {
        let exemplars = api.exemplars(&format!("{form}{{run_id=\"{run}\"}}"));
        assert!(!exemplars.is_empty(), "5 % of the executions are sampled, and none is an exemplar of {run}");
        for labels in &exemplars {
            assert!(spans.contains(labels["span_id"].as_str().unwrap()), "{labels} is no span that came");
        }
    }
}

/// Prometheus forgets a target that is gone; what it had last is what the run came to.
fn last(selector: &str) -> String {
    format!("last_over_time({selector}[5m])")
}

fn sums_are_the_results(api: &QueryApi, result: &ResultFile) {
    let (run, totals) = (&result.identity.run_id, &result.totals);
    let sum = |metric: &str, more: &str| {
        api.value(&format!("sum({})", last(&format!("{metric}{{run_id=\"{run}\"{more}}}"))))
    };
    let wanted = BTreeMap::from([
        (("loadgen_slots_due_total", ""), totals.iterations.due),
        (("loadgen_slots_planned_total", ""), totals.iterations.due),
        (("loadgen_slots_started_total", ""), totals.iterations.started),
        (("loadgen_slots_dropped_total", ""), totals.iterations.dropped.total()),
        (("loadgen_slots_unsent_total", ""), totals.iterations.unsent.total()),
        (("loadgen_iterations_total", ",outcome=\"failed\""), totals.iterations.failed),
        (("loadgen_requests_attempted_total", ""), totals.requests.attempted),
        (("loadgen_requests_total", ",outcome=\"succeeded\""), totals.requests.succeeded),
        (("loadgen_requests_total", ",outcome=\"failed\",error_type=\"status\""), totals.requests.failed),
        (("loadgen_sent_bytes_total", ""), totals.transfer.sent_bytes),
        (("loadgen_received_bytes_total", ""), totals.transfer.received_bytes),
        (("loadgen_request_response_time_seconds_count", ""), totals.requests.attempted),
    ]);
    for ((metric, more), wanted) in wanted {
        assert_eq!(sum(metric, more), wanted as f64, "{metric}{more}");
    }
}

fn quantiles_are_the_results(api: &QueryApi, result: &ResultFile) {
    let run = &result.identity.run_id;
    let totals = &result.totals;
    let times = [
        ("loadgen_request_response_time_seconds", totals.response_time_us.all.as_ref().unwrap()),
        ("http_client_request_duration_seconds", totals.service_time_us.all.as_ref().unwrap()),
    ];
    for (metric, summary) in times {
        for (quantile, percentile) in COMPARED {
            let of = |by: &str, suffix: &str| {
                let series = last(&format!("{metric}{suffix}{{run_id=\"{run}\"}}"));
                api.value(&format!("histogram_quantile({quantile}, sum{by} ({series}))"))
            };
            hold_classic(of(" by (le)", "_bucket"), summary, percentile);
            if quantile > 0.5 {
                hold_exponential(of("", ""), summary, percentile);
            }
        }
    }
}

#[test]
fn histograms_over_otlp_give_the_quantiles_of_the_result() {
    let place = Place::new("otlp-quantiles");
    let Some(receiver) = Receiver::start(&place) else { return };
    let target = target();
    place.write("s.yaml", journey(&target.url(), "150/s", "2s", "{}"));
    let run = finish(begin(&place, &[], &receiver.variables("http/protobuf")));
    let received = receiver.finish(&place);
    let totals = &run.result.totals;
    assert_eq!(received.total_of("loadgen.requests.attempted"), totals.requests.attempted as f64);
    assert_eq!(received.total_of("loadgen.slots.due"), totals.iterations.due as f64);
    let times = [
        ("loadgen.request.response_time", totals.response_time_us.all.as_ref().unwrap()),
        ("http.client.request.duration", totals.service_time_us.all.as_ref().unwrap()),
    ];
    for (metric, summary) in times {
        let (mut buckets, mut zeroes, mut sum) = (BTreeMap::<i32, u64>::new(), 0, 0.0);
        for point in received.last_of(metric) {
            let PointValue::Exponential { sum: of_point, scale, zeroes: of_none, buckets: more, .. } =
                &point.value
            else {
                panic!("{point:#?}");
            };
            assert_eq!(*scale, 5, "{point:#?}");
            more.iter().for_each(|(index, count)| *buckets.entry(*index).or_default() += count);
            (zeroes, sum) = (zeroes + of_none, sum + of_point);
        }
        let buckets: Vec<(i32, u64)> = buckets.into_iter().collect();
        assert_eq!(zeroes + buckets.iter().map(|(_, count)| count).sum::<u64>(), summary.count);
        assert!((sum * 1e6 / summary.sum - 1.0).abs() < 1e-6, "{metric}: {sum} s are not {} us", summary.sum);
        for (quantile, percentile) in COMPARED {
            hold_exponential(of_buckets(&buckets, zeroes, quantile), summary, percentile);
        }
    }
    // Exemplars: traces that came are named on the histograms.
    let traces: Vec<&str> = received.spans.iter().map(|span| span.trace.as_str()).collect();
    let exemplars: Vec<&str> = received
        .points
        .iter()
        .filter(|point| point.metric == "loadgen.request.response_time")
        .flat_map(|point| point.exemplars.iter().map(String::as_str))
        .collect();
    assert!(!exemplars.is_empty(), "5 % of 300 executions are sampled, and none is an exemplar");
    assert!(exemplars.iter().all(|trace| traces.contains(trace)), "{exemplars:?} are not all in {traces:?}");
}

#[test]
fn victoria_metrics_has_the_sums_and_quantiles_of_the_result() {
    let place = Place::new("victoria");
    let Some(victoria) = VictoriaMetrics::start(&place) else { return };
    let target = target();
    place.write("s.yaml", journey(&target.url(), "151/s", "2s", "{}"));
    let run = finish(begin(&place, &[], &victoria.variables()));
    victoria.flush();
    let (result, api) = (&run.result, &victoria.api);
    assert!(result.telemetry.as_ref().unwrap().held, "{:#?}", result.telemetry);
    sums_are_the_results(api, result);
    // Its histograms have buckets of their own, made from ours.
    let run_id = &result.identity.run_id;
    let summary = result.totals.response_time_us.all.as_ref().unwrap();
    for (quantile, percentile) in COMPARED.into_iter().filter(|(quantile, _)| *quantile > 0.5) {
        let series = last(&format!("loadgen_request_response_time_seconds_bucket{{run_id=\"{run_id}\"}}"));
        let found = api.value(&format!("histogram_quantile({quantile}, sum by (vmrange) ({series}))"));
        hold_exponential(found, summary, percentile);
    }
}
