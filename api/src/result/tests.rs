use proptest::prelude::*;

use super::*;
use crate::ExitCode;

fn times(count: u64, scale: f64) -> TimeSummary {
    TimeSummary {
        count,
        censored: 1,
        min: scale,
        avg: 2.0 * scale,
        p50: 2.0 * scale,
        p90: 3.0 * scale,
        p95: 4.0 * scale,
        p99: 5.0 * scale,
        p99_9: 6.0 * scale,
        max: 7.0 * scale,
        sum: 2.0 * scale * count as f64,
        at_least: vec![Percentile::P999, Percentile::Max],
    }
}

fn by_outcome() -> ByOutcome {
    ByOutcome { all: Some(times(10, 1.5)), succeeded: Some(times(9, 1.25)), ..ByOutcome::default() }
}

fn encoded() -> EncodedHistogram {
    EncodedHistogram {
        count: 9,
        sum_ns: 22_500,
        min_ns: 1_250,
        max_ns: 8_750,
        saturated: 0,
        significant_digits: 3,
        hdr_v2_deflate_base64: "HISTFAAAAAA=".into(),
    }
}

/// A result in which every optional part is there at least once.
fn sample() -> ResultFile {
    let iterations = IterationCounts {
        due: 12,
        started: 10,
        succeeded: 9,
        failed: 1,
        balanced: true,
        ..Default::default()
    };
    let requests =
        RequestCounts { attempted: 10, succeeded: 9, failed: 1, balanced: true, ..Default::default() };
    let warm_up = Some(WarmUp { iterations, requests });
    let errors = vec![ErrorCount { class: "timeout".into(), count: 1, own_fault: false }];
    let statuses = vec![StatusCount { status: 200, count: 9 }];
    let transfer = Transfer { sent_bytes: 900, received_bytes: 12_000 };
    let phases = PhaseTimes { connect_us: Some(times(2, 80.0)), ..PhaseTimes::default() };
    ResultFile {
        schema_version: SCHEMA_VERSION,
        tool: Tool { name: "loadgen".into(), version: "0.1.0".into(), git: None },
        identity: Identity {
            run_id: "0190c0de-0000-7000-8000-000000000001".into(),
            name: "quick start".into(),
            scenario_digest: "ab".repeat(32),
            config_digest: "cd".repeat(32),
            plan_hash: "ef".repeat(32),
            slots_digest: SlotsDigests {
                due: "0".repeat(32),
                started: "1".repeat(32),
                dropped: "2".repeat(32),
                unsent: "3".repeat(32),
            },
        },
        seed: u64::MAX,
        time: RunTime {
            created_at: "2026-11-21T10:00:00Z".into(),
            started_at: Some("2026-11-21T10:00:01Z".into()),
            sealed_at: "2026-11-21T10:00:11Z".into(),
            preparing_ms: 50.0,
            planned_ms: 10_000.0,
            load_ms: 10_000.25,
            draining_ms: 0.25,
            total_ms: 11_000.0,
        },
        target: Target { url: "http://127.0.0.1:8080".into(), in_process: true },
        tags: BTreeMap::from([("team".into(), "shop".into())]),
        configuration: serde_json::json!({ "scenarios": { "browse": { "rate": "200/s" } } }),
        overrides: vec![Override {
            path: "scenarios.browse.rate".into(),
            value: "\"200/s\"".into(),
            origin: "-r".into(),
        }],
        verdict: Verdict {
            outcome: VerdictOutcome::Failed,
            marks: vec![Mark::Suspect, Mark::Degraded],
            reasons: vec!["threshold `failed` `rate < 0.1%` was not met".into()],
            evidence: vec![Evidence {
                bound: "dispatch lag p99".into(),
                severity: Severity::Suspect,
                limit: 1_000.0,
                measured: 1_200.0,
                unit: Unit::Us,
                held: false,
                key: Some("verdict.suspect.dispatch_lag_p99".into()),
                advice: "lower `rate`".into(),
            }],
        },
        exit: Conditions::from_iter([Condition::ThresholdFailed, Condition::StoppedBySignal]).into(),
        thresholds: vec![ThresholdResult {
            metric: "failed".into(),
            expression: "rate < 0.1%".into(),
            passed: false,
            measured: Some(0.1),
            at_least: false,
            unit: Unit::Ratio,
            explanation: None,
        }],
        totals: Totals {
            iterations,
            requests,
            requests_per_s: 1.0,
            measured_ms: 10_000.0,
            response_time_us: by_outcome(),
            service_time_us: by_outcome(),
            dispatch_lag_us: Some(times(10, 0.1)),
            queue_wait_us: Some(times(10, 0.2)),
            statuses: statuses.clone(),
            errors: errors.clone(),
            checks_passed: 9,
            checks_failed: 1,
            transfer,
            connections: Connections { opened: 2, reused: 8, open_max: 2 },
            phases: phases.clone(),
            vus_max: 2,
            warm_up,
        },
        scenarios: vec![ScenarioResult {
            name: "browse".into(),
            tags: BTreeMap::new(),
            executor: "constant-arrival-rate".into(),
            model: Model::Open,
            rate: Some(RateAccuracy {
                planned: 12,
                started: 10,
                planned_per_s: 1.2,
                achieved_per_s: 1.0,
                drift_ratio: Some(-1.0 / 6.0),
            }),
            iterations,
            requests,
            iteration_response_time_us: by_outcome(),
            iteration_duration_us: by_outcome(),
            dispatch_lag_us: Some(times(10, 0.1)),
            queue_wait_us: None,
            steps: vec![StepResult {
                name: "list".into(),
                requests,
                response_time_us: by_outcome(),
                service_time_us: by_outcome(),
                statuses,
                errors,
                checks: vec![CheckResult {
                    name: "status is 200".into(),
                    passed: 9,
                    failed: 1,
                    required: false,
                }],
                transfer,
                phases,
            }],
            warm_up,
        }],
        timeline: Timeline {
            intervals: vec![Interval {
                first_second: 0,
                last_second: 9,
                planned: 12,
                response_time_us: Some(IntervalTimes { p50: 2.5, ..Default::default() }),
                ..Default::default()
            }],
            blocks: vec![Block {
                first_second: 0,
                last_second: 9,
                response_time: Some(encoded()),
                service_time: None,
            }],
        },
        histograms: vec![Histogram {
            of: HistogramOf {
                metric: Metric::ResponseTime,
                scenario: "browse".into(),
                step: Some("list".into()),
                outcome: OutcomeFilter::Succeeded,
            },
            censored: 0,
            values: encoded(),
        }],
        workers: vec![WorkerResult {
            name: "local".into(),
            version: Some("0.1.0".into()),
            host: Some(Host {
                hostname: "bench".into(),
                kernel: "Linux 6.1".into(),
                cpu: "a processor".into(),
                cpus_allowed: 2,
                memory_bytes: 1 << 33,
                clock_source: "tsc".into(),
            }),
            threads: 1,
            max_vus: 64,
            start_offset_us: Some(12.5),
            complete: true,
            health: Some(Health {
                elapsed_ms: 10_000.0,
                engine_cpu_ms: 1_000.0,
                other_cpu_ms: 10.0,
                busiest_thread_ratio: 0.1,
                throttled_ms: 0.0,
                stolen_ms: 0.0,
                clock_step_ms: 0.0,
                peak_rss_bytes: 1 << 24,
                coalesced_intervals: 0,
            }),
            notes: vec!["file handles raised to 4096".into()],
            faults: Vec::new(),
            labels: BTreeMap::from([("zone".into(), "north".into())]),
            weight: 2,
            share: 1.0,
            clock_error_us: Some(40.0),
            sums: sums(),
            sessions: vec![WorkerSession {
                session: "00000000-0000-0000-0000-000000000001".into(),
                joined_at_ms: Some(1_000.0),
                start_skew_us: Some(12.5),
                clock_error_us: Some(40.0),
                ended: SessionEnding::LostAndHeard,
                ended_at_ms: Some(2_000.0),
                reason: Some("its lease ended".into()),
                complete: true,
                iterations: 10,
                requests: 10,
                unaccounted_requests_at_most: Some(3),
            }],
        }],
        annotations: vec![Annotation {
            at_ms: Some(-1.0),
            by: Some("ci".into()),
            text: "the target runs in this process".into(),
        }],
        by_label: vec![LabelResult {
            label: "zone".into(),
            value: "north".into(),
            workers: vec!["local".into()],
            sums: sums(),
        }],
        revisions: vec![RevisionResult {
            number: 1,
            effective_ms: 350.0,
            weights: BTreeMap::from([("local".into(), 2)]),
            plan_hash: "ef".repeat(32),
        }],
        degraded: Some(Degraded {
            allowed: false,
            workers_lost: vec!["local".into()],
            iterations_lease_ended: 1,
            iterations_unaccounted: 2,
            requests_unaccounted_at_most: 3,
            is_estimate: true,
        }),
        telemetry: Some(TelemetryResult {
            sinks: vec![SinkResult {
                process: "local".into(),
                signal: TelemetrySignal::Traces,
                endpoint: "http://127.0.0.1:4318".into(),
                produced: 10,
                acknowledged: 5,
                rejected: 2,
                lost: 2,
                unknown: 1,
                retried: 3,
            }],
            executions_over_budget: 4,
            max_loss: 0.01,
            held: false,
        }),
        slowest: vec![SlowRequest {
            worker: "local".into(),
            scenario: "browse".into(),
            step: "list".into(),
            iteration: 7,
            vu: 1,
            at_ms: 12.5,
            response_time_us: 1_200.0,
            service_time_us: 1_100.0,
            queue_wait_us: 90.0,
            dns_us: None,
            connect_us: Some(40.0),
            tls_us: None,
            first_byte_us: Some(900.0),
            receive_us: Some(3.0),
            outcome: "timeout".into(),
            status: None,
            trace_id: "0".repeat(31) + "1",
            span_id: "0".repeat(15) + "1",
        }],
    }
}

fn sums() -> WorkerSums {
    WorkerSums { iterations: 10, requests: 10, failed: 1, response_time_us: Some(times(10, 1.5)) }
}

#[test]
fn what_is_written_reads_back() {
    let result = sample();
    assert_eq!(ResultFile::from_json(&result.to_json()).unwrap(), result);
}

#[test]
fn a_result_of_another_version_is_refused_by_its_number() {
    let text = sample().to_json().replace("\"schema_version\": 1", "\"schema_version\": 7");
    assert_eq!(
        ResultFile::from_json(&text).unwrap_err().to_string(),
        "this result has schema_version 7; this program reads 1"
    );
    assert!(matches!(ResultFile::from_json("{}"), Err(ReadError::Form(_))));
}

#[test]
fn keys_of_a_later_program_are_passed_over() {
    let text = sample().to_json().replacen('{', "{ \"from_the_future\": [1, 2],", 1);
    assert_eq!(ResultFile::from_json(&text).unwrap(), sample());
}

#[test]
fn a_result_of_before_there_were_clusters_reads_too() {
    let mut document = serde_json::to_value(sample()).unwrap();
    let result = document.as_object_mut().unwrap();
    for key in ["by_label", "revisions", "degraded"] {
        result.remove(key).unwrap();
    }
    result["annotations"][0].as_object_mut().unwrap().remove("by").unwrap();
    for key in ["labels", "weight", "share", "clock_error_us", "sums", "sessions"] {
        result["workers"][0].as_object_mut().unwrap().remove(key).unwrap();
    }
    let read = ResultFile::from_json(&document.to_string()).unwrap();
    assert_eq!((read.degraded, read.revisions.len(), read.workers[0].sessions.len()), (None, 0, 0));
    assert_eq!(read.totals, sample().totals);
}

#[test]
fn a_result_satisfies_its_schema() {
    let schema: serde_json::Value = serde_json::from_str(&schema_json()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut document = serde_json::to_value(sample()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    document["totals"]["response_time_us"]["all"]["p99"] = "fast".into();
    assert!(!validator.is_valid(&document), "the schema must say what a number is");
}

#[test]
fn the_committed_schema_is_the_one_of_this_program() {
    let committed = include_str!("../../schema/result.schema.json");
    assert!(
        committed == schema_json(),
        "api/schema/result.schema.json is out of date: run `cargo xtask schema`"
    );
}

#[test]
fn a_result_of_before_there_was_telemetry_reads_too() {
    let mut document = serde_json::to_value(sample()).unwrap();
    let result = document.as_object_mut().unwrap();
    for key in ["telemetry", "slowest"] {
        result.remove(key).unwrap();
    }
    let threshold = result["thresholds"][0].as_object().unwrap();
    assert!(!threshold.contains_key("explanation"), "what is not there is not written");
    let read = ResultFile::from_json(&document.to_string()).unwrap();
    assert_eq!((read.telemetry, read.slowest), (None, Vec::new()));
}

#[test]
fn an_exit_status_names_the_first_condition_and_lists_all() {
    let exit = sample().exit;
    assert_eq!((exit.code, exit.name), (105, ExitCode::StoppedBySignal));
    let json = serde_json::to_value(&exit).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "code": 105,
            "name": "stopped_by_signal",
            "conditions": ["stopped_by_signal", "threshold_failed"]
        })
    );
}

#[test]
fn a_condition_that_is_added_later_decides_the_code_if_it_comes_first() {
    let mut result = sample();
    result.add_condition(Condition::InternalError);
    assert_eq!(result.exit.code, 1);
    assert!(result.conditions().contains(Condition::ThresholdFailed));
}

#[test]
fn percentiles_are_found_by_name_in_the_document() {
    let summary = times(10, 1.0);
    let json = serde_json::to_value(&summary).unwrap();
    for percentile in Percentile::ALL {
        let key = serde_json::to_value(percentile).unwrap();
        assert_eq!(json[key.as_str().unwrap()], summary.value(*percentile), "{}", percentile.name());
    }
    assert!(summary.is_lower_bound(Percentile::Max));
    assert!(!summary.is_lower_bound(Percentile::P50));
}

proptest! {
    #[test]
    fn every_finite_time_survives_the_file(value in prop::num::f64::NORMAL | prop::num::f64::ZERO) {
        let mut result = sample();
        result.time.load_ms = value;
        let back = ResultFile::from_json(&result.to_json()).unwrap();
        prop_assert_eq!(back.time.load_ms.to_bits(), value.to_bits());
    }
}
