use metrics::{Delivery, Outcome, Signal, SinkReport, SpanId, TraceContext, TraceId};
use net::probe::Form;
use opentelemetry_proto::tonic::metrics::v1::metric;
use proptest::prelude::*;

use super::fixture::{Request, add, flat, labels, layout, part, recorded, requests, same};
use super::*;
use crate::catalogue;
use crate::{HistogramForm, Settings, Temporality};

const OK: Request = Request { step: 0, wait: 1_000_000, time: 30_000_000, outcome: Outcome::Succeeded };

fn text(board: &Board) -> String {
    let mut page = Page::default();
    board.show(&mut page);
    String::from_utf8(page.encode(Form::OpenMetrics)).unwrap()
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|found| found == line)
}

fn settings(temporality: Temporality) -> Settings {
    Settings { temporality, ..Settings::off() }
}

#[test]
fn a_run_is_on_the_page_under_its_labels() {
    let (board, run) = part(7, "w1");
    let layout = layout(1, 2, 1);
    run.measure(&layout);
    run.describe(vec![
        Some(StepTarget { method: "GET".to_owned(), address: "shop.test".to_owned(), port: 8443 }),
        None,
    ]);
    run.observe(&recorded(&layout, 0, 0, &[OK, Request { step: 1, ..OK }]));
    run.set(&catalogue::WORKER_MEMORY, &[], 5e6);
    run.set(&catalogue::WORKER_CPU, &[("part", "engine")], 1.5);
    let text = text(&board);
    let base = "run_id=\"00000000-0000-0000-0000-000000000007\",worker=\"w1\"";
    let step = format!("{base},scenario=\"scenario 0\",step=\"step 0\"");
    let http = "http_request_method=\"GET\",server_address=\"shop.test\",server_port=\"8443\"";
    for line in [
        format!("loadgen_requests_total{{{step},outcome=\"succeeded\"}} 1"),
        format!("loadgen_responses_total{{{step},status_class=\"2xx\"}} 1"),
        format!("loadgen_sent_bytes_total{{{step}}} 100"),
        format!("loadgen_slots_due_total{{{base},scenario=\"scenario 0\"}} 2"),
        format!("loadgen_slots_unsent_total{{{base},scenario=\"scenario 0\",reason=\"generator_stall\"}} 0"),
        format!("loadgen_virtual_users{{{base}}} 2"),
        format!("loadgen_pool_opened_total{{{base}}} 3"),
        format!("loadgen_engine_busy_seconds_total{{{base},thread=\"0\"}} 0.25"),
        format!("loadgen_worker_memory_bytes{{{base}}} 5000000"),
        format!("loadgen_worker_cpu_seconds_total{{{base},part=\"engine\"}} 1.5"),
        format!("http_client_request_duration_seconds_count{{{step},{http}}} 1"),
        format!("http_client_request_duration_seconds_bucket{{{step},{http},le=\"0.025\"}} 0"),
        format!("http_client_request_duration_seconds_bucket{{{step},{http},le=\"0.05\"}} 1"),
        format!("http_client_request_duration_seconds_sum{{{step},{http}}} 0.03"),
        format!("loadgen_request_response_time_seconds_sum{{{step},outcome=\"succeeded\"}} 0.031"),
        format!("loadgen_request_phase_duration_seconds_count{{{step},phase=\"first_byte\"}} 1"),
        format!(
            "loadgen_task_duration_seconds_count{{{base},scenario=\"scenario 0\",step=\"step 1\",outcome=\"succeeded\"}} 1"
        ),
        "# EOF".to_owned(),
    ] {
        assert!(has(&text, &line), "{line} in\n{text}");
    }
}

#[test]
fn what_failed_has_its_class_and_its_time_is_kept_apart() {
    let (board, run) = part(7, "w1");
    let layout = layout(1, 1, 0);
    run.measure(&layout);
    let class = metrics::ErrorClass::ConnectRefused;
    run.observe(&recorded(&layout, 0, 0, &[OK, Request { outcome: Outcome::Failed(class), ..OK }]));
    let text = text(&board);
    assert!(text.contains("outcome=\"failed\",error_type=\"connect_refused\"} 1\n"), "{text}");
    assert!(text.contains("duration_seconds_count{run_id=\"00000000-0000-0000-0000-000000000007\",worker=\"w1\",scenario=\"scenario 0\",step=\"step 0\",error_type=\"failed\"} 1\n"), "{text}");
    assert!(text.contains("response_time_seconds_count{run_id=\"00000000-0000-0000-0000-000000000007\",worker=\"w1\",scenario=\"scenario 0\",step=\"step 0\",outcome=\"failed\"} 1\n"), "{text}");
}

#[test]
fn two_runs_of_one_process_are_told_apart_by_their_ids() {
    let board = Board::new();
    let layout = layout(1, 1, 0);
    let runs = [board.open(labels(1, "w1")), board.open(labels(2, "w1"))];
    for (run, requests) in runs.iter().zip([2, 5]) {
        run.measure(&layout);
        run.observe(&recorded(&layout, 0, 0, &vec![OK; requests]));
    }
    let text = text(&board);
    for (run, requests) in [(1, 2), (2, 5)] {
        let line = format!(
            "loadgen_requests_attempted_total{{run_id=\"00000000-0000-0000-0000-00000000000{run}\",worker=\"w1\",scenario=\"scenario 0\",step=\"step 0\"}} {requests}"
        );
        assert!(has(&text, &line), "{line} in\n{text}");
    }
    assert_eq!(text.matches("# TYPE loadgen_requests counter").count(), 1, "a name is introduced once");
}

#[test]
fn when_a_run_ends_its_gauges_are_gone_and_its_counters_stay_for_a_last_scrape() {
    let (board, run) = part(7, "w1");
    let layout = layout(1, 1, 0);
    run.measure(&layout);
    run.observe(&recorded(&layout, 0, 0, &[OK]));
    run.set(&catalogue::WORKER_MEMORY, &[], 5e6);
    run.set(&catalogue::VERDICT, &[("verdict", "passed")], 1.0);
    let before = text(&board);
    assert!(before.contains("loadgen_virtual_users{") && before.contains("loadgen_worker_memory_bytes{"));
    run.end();
    run.set(&catalogue::WORKER_MEMORY, &[], 6e6);
    let after = text(&board);
    assert!(
        after.contains("loadgen_requests_total{") && after.contains("duration_seconds_count{"),
        "{after}"
    );
    for gauge in
        ["loadgen_virtual_users{", "loadgen_worker_memory_bytes{", "in_flight{", "loadgen_queue_depth{"]
    {
        assert!(!after.contains(gauge), "{gauge} in\n{after}");
    }
    assert!(after.contains("verdict=\"passed\"} 1\n"), "what came of it stays: {after}");
    let points = run.points(2_000_000_000_000_000_000, &Settings::off());
    let gauges = points.iter().filter(|metric| matches!(metric.data, Some(metric::Data::Gauge(_))));
    assert_eq!(gauges.map(|metric| metric.name.as_str()).collect::<Vec<_>>(), ["loadgen.verdict"]);
    assert!(points.iter().any(|metric| metric.name == "loadgen.requests"), "the last points have all counts");

    let ended = lock(&board.shared.runs)[0].ended_at().unwrap();
    let left = |after: Nanos| {
        let mut runs = lock(&board.shared.runs).clone();
        forget(&mut runs, ended.saturating_add(after));
        runs.len()
    };
    assert_eq!((left(LAST_SCRAPE - Nanos::new(1)), left(LAST_SCRAPE)), (1, 0));
}

#[test]
fn who_opens_the_same_part_again_begins_anew() {
    let board = Board::new();
    let layout = layout(1, 1, 0);
    let first = board.open(labels(1, "w1"));
    first.measure(&layout);
    first.observe(&recorded(&layout, 0, 0, &[OK]));
    let second = board.open(labels(1, "w1"));
    second.measure(&layout);
    let line = "loadgen_requests_attempted_total{run_id=\"00000000-0000-0000-0000-000000000001\",worker=\"w1\",scenario=\"scenario 0\",step=\"step 0\"} 0";
    assert!(has(&text(&board), line));
}

#[test]
fn a_request_is_the_example_of_its_buckets_and_leaves_once() {
    let (board, run) = part(7, "w1");
    let layout = layout(1, 1, 0);
    run.measure(&layout);
    run.observe(&recorded(&layout, 0, 0, &[OK; 3]));
    let context = |n: u128| TraceContext { trace: TraceId(0xabc0 + n), span: SpanId(0xdef) };
    let at = 1_700_000_000_500_000_000;
    for n in 0..3 {
        run.exemplar(0, true, at, Nanos::from_millis(31), Nanos::from_millis(30), context(n));
    }
    run.exemplar(0, true, at, Nanos::from_secs(90), Nanos::from_millis(30), context(9));
    let text = text(&board);
    let example = |trace: &str, value: &str| {
        format!(
            "# {{trace_id=\"0000000000000000000000000000{trace}\",span_id=\"0000000000000def\"}} {value} 1700000000.500000000"
        )
    };
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("trace_id")).collect();
    for (name, bound, example) in [
        ("loadgen_request_response_time_seconds", "le=\"0.05\"", example("abc2", "0.031")),
        ("loadgen_request_response_time_seconds", "le=\"+Inf\"", example("abc9", "90")),
        ("http_client_request_duration_seconds", "le=\"0.05\"", example("abc9", "0.03")),
    ] {
        let found = |line: &&str| line.starts_with(name) && line.contains(bound) && line.ends_with(&example);
        assert!(lines.iter().any(found), "{name} {bound} {example} in {lines:#?}");
    }
    assert_eq!(lines.len(), 3, "the latest of each bucket: {lines:#?}");

    let count = |metrics: &[opentelemetry_proto::tonic::metrics::v1::Metric]| -> usize {
        let points = metrics.iter().filter_map(|metric| match &metric.data {
            Some(metric::Data::ExponentialHistogram(histogram)) => Some(&histogram.data_points),
            _ => None,
        });
        points.flatten().map(|point| point.exemplars.len()).sum()
    };
    let first = run.points(at, &Settings::off());
    assert_eq!((count(&first), count(&run.points(at, &Settings::off()))), (3, 0));
    let Some(metric::Data::ExponentialHistogram(histogram)) =
        &first.iter().find(|metric| metric.name == "http.client.request.duration").unwrap().data
    else {
        panic!("a histogram");
    };
    let exemplar = &histogram.data_points[0].exemplars[0];
    assert_eq!((exemplar.trace_id.len(), exemplar.span_id.len(), exemplar.time_unix_nano), (16, 8, at));
    assert_eq!(exemplar.trace_id, 0xabc9_u128.to_be_bytes());
}

#[test]
fn series_beyond_the_most_are_counted_under_other() {
    let (board, run) = part(7, "w1");
    let layout = layout(1, 2_000, 3_000);
    run.measure(&layout);
    let failed = Outcome::Failed(metrics::ErrorClass::Reset);
    let outcome = |step: usize| if step.is_multiple_of(2) { Outcome::Succeeded } else { failed };
    let all: Vec<Request> = (0..2_000).map(|step| Request { step, outcome: outcome(step), ..OK }).collect();
    run.observe(&recorded(&layout, 0, 0, &all));
    for n in (0..10_000).chain(0..10_000) {
        run.set(&catalogue::THRESHOLD_MET, &[("expression", &format!("p95 < {n}ms"))], 1.0);
    }
    let text = text(&board);
    let mut series = BTreeMap::<&str, usize>::new();
    let mut sums = BTreeMap::<&str, f64>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        if !line.contains("le=\"") {
            *series.entry(name).or_default() += 1;
        }
        *sums.entry(name).or_default() += line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    }
    let most = series.iter().max_by_key(|(_, count)| **count).unwrap();
    assert!(*most.1 <= series::MOST_SERIES, "{most:?}");
    assert_eq!(series["loadgen_threshold_met"], series::MOST_SERIES - 1);
    for (name, sum) in
        [("loadgen_requests_total", 2_000.0), ("loadgen_request_phase_duration_seconds_count", 3.0 * 2_000.0)]
    {
        assert_eq!(
            (series[name], sums[name]),
            (series::MOST_SERIES, sum),
            "{name}: nothing is lost by folding"
        );
    }
    assert!(text.contains("step=\"other\""), "the layout's own");
    let folded = |metric: &str| {
        text.lines()
            .find(|line| line.starts_with("loadgen_telemetry_series_folded{") && line.contains(metric))
            .unwrap_or_else(|| panic!("{metric}"))
    };
    assert!(folded("metric=\"loadgen_checks_total\"").ends_with(" 5001"));
    // One that was let in when it was told and found no place after, and those that were refused.
    assert!(
        folded("metric=\"loadgen_threshold_met\"").ends_with(" 9001"),
        "{}",
        folded("metric=\"loadgen_threshold_met\"")
    );
}

#[test]
fn a_scenario_called_other_shares_the_series_of_those_that_are_folded() {
    let (board, run) = part(7, "w1");
    let mut catalog = layout(300, 2, 0).catalog().clone();
    catalog.scenarios[3].name = "other".to_owned();
    catalog.steps[6].name = "other".to_owned();
    let layout = Arc::new(metrics::Layout::new(catalog));
    assert!(layout.folded_scenarios() > 0 && layout.folded_steps() > 0);
    run.measure(&layout);
    let all: Vec<Request> = (0..600).map(|step| Request { step, ..OK }).collect();
    run.observe(&recorded(&layout, 0, 0, &all));
    let text = text(&board);
    let mut names = std::collections::BTreeSet::new();
    let mut sum = 0.0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(names.insert(name), "{name} is there twice");
        if name.starts_with("loadgen_requests_total{") {
            sum += value.parse::<f64>().unwrap();
        }
    }
    assert_eq!(sum, 600.0);
}

#[test]
fn what_became_of_telemetry_is_a_metric() {
    let (board, run) = part(7, "w1");
    let delivery = Delivery { produced: 10, acknowledged: 4, rejected: 3, lost: 2, unknown: 1, retried: 5 };
    run.sinks(&[SinkReport { signal: Signal::Traces, endpoint: "http://[::1]:4318".to_owned(), delivery }]);
    let text = text(&board);
    for (state, count) in
        [("produced", 10), ("acknowledged", 4), ("rejected", 3), ("lost", 2), ("unknown", 1), ("retried", 5)]
    {
        let line = format!(
            "loadgen_telemetry_items_total{{run_id=\"00000000-0000-0000-0000-000000000007\",worker=\"w1\",signal=\"traces\",state=\"{state}\"}} {count}"
        );
        assert!(has(&text, &line), "{line} in\n{text}");
    }
}

#[test]
fn a_process_counts_what_is_of_no_run() {
    let board = Board::new();
    for outcome in ["loaded", "refused", "loaded"] {
        board.count(&catalogue::CONFIGURATION_LOADS, &[("kind", "scenario"), ("outcome", outcome)]);
    }
    let text = text(&board);
    assert!(
        has(&text, "loadgen_configuration_loads_total{kind=\"scenario\",outcome=\"loaded\"} 2"),
        "{text}"
    );
    assert!(text.contains("process_cpu_time_seconds_total "), "{text}");
}

#[test]
#[should_panic(expected = "is of the process")]
fn a_number_of_the_process_is_not_set_in_a_run() {
    part(7, "w1").1.set(&catalogue::WORKERS, &[], 1.0);
}

#[test]
fn a_snapshot_of_another_layout_changes_nothing() {
    let (board, run) = part(7, "w1");
    run.observe(&recorded(&layout(1, 1, 0), 0, 0, &[OK]));
    run.measure(&layout(1, 1, 0));
    run.observe(&recorded(&layout(1, 2, 0), 0, 0, &[OK]));
    assert!(text(&board).contains("loadgen_requests_attempted_total{run_id=\"00000000-0000-0000-0000-000000000007\",worker=\"w1\",scenario=\"scenario 0\",step=\"step 0\"} 0\n"));
}

fn forms() -> impl Strategy<Value = HistogramForm> {
    prop_oneof![Just(HistogramForm::Exponential), Just(HistogramForm::Explicit)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn differences_add_up_to_what_is_counted_from_the_beginning(
        parts in prop::collection::vec(requests(4), 0..4),
        told in prop::collection::vec(0_u32..1_000, 4),
        histograms in forms(),
    ) {
        let layout = layout(2, 2, 1);
        let (_, whole) = part(7, "w1");
        let (_, differences) = part(7, "w1");
        whole.measure(&layout);
        differences.measure(&layout);
        let delta = Settings { histograms, ..settings(Temporality::Delta) };
        let cumulative = Settings { histograms, ..settings(Temporality::Cumulative) };
        let (mut sum, mut cpu) = (Default::default(), 0.0);
        for (interval, requests) in (0..).zip(&parts) {
            let snapshot = recorded(&layout, 0, interval, requests);
            cpu += f64::from(told[interval as usize]);
            for run in [&whole, &differences] {
                run.observe(&snapshot);
                run.set(&catalogue::WORKER_CPU, &[("part", "engine")], cpu);
            }
            let points = differences.points(2_000_000_000_000_000_000 + u64::from(interval), &delta);
            sum = add(sum, flat(&points, ""));
        }
        sum = add(sum, flat(&differences.points(2_100_000_000_000_000_000, &delta), ""));
        same(sum, flat(&whole.points(2_100_000_000_000_000_000, &cumulative), ""))?;
    }

    #[test]
    fn points_of_two_workers_add_up_to_those_of_their_merged_snapshots(
        left in requests(4),
        right in requests(4),
        histograms in forms(),
    ) {
        let layout = layout(2, 2, 1);
        let of = |snapshots: &[&metrics::Snapshot], worker: &str| {
            let (_, run) = part(7, worker);
            run.measure(&layout);
            snapshots.iter().for_each(|snapshot| run.observe(snapshot));
            let settings = Settings { histograms, ..Settings::off() };
            flat(&run.points(2_000_000_000_000_000_000, &settings), "worker")
        };
        let (left, right) = (recorded(&layout, 0, 0, &left), recorded(&layout, 1, 0, &right));
        let mut merged = left.clone();
        merged.merge(&right).unwrap();
        same(add(of(&[&left], "w1"), of(&[&right], "w2")), of(&[&merged], "w3"))?;
        prop_assert_eq!(of(&[&left, &right], "w1"), of(&[&right, &left], "w1"), "in any order");
    }

    #[test]
    fn every_point_says_whose_it_is(requests in requests(4)) {
        let layout = layout(2, 2, 1);
        let (_, run) = part(7, "w1");
        run.measure(&layout);
        run.observe(&recorded(&layout, 0, 0, &requests));
        let points = flat(&run.points(2_000_000_000_000_000_000, &Settings::off()), "");
        for (name, labels) in points.keys() {
            prop_assert!(labels.starts_with("run_id=00000000-0000-0000-0000-000000000007,worker=w1"), "{} {}", name, labels);
        }
        prop_assert!(points.keys().any(|(name, _)| name == "loadgen.slots.due"));
    }
}
