//! A result in which everything a report can show is there, with figures that add up.

use std::collections::BTreeMap;

use api::result::*;
use api::{Condition, Conditions};

/// The times of `count` requests around `us` microseconds.
pub(crate) fn times(count: u64, us: f64) -> TimeSummary {
    TimeSummary {
        count,
        censored: 0,
        min: us * 0.4,
        avg: us * 1.1,
        p50: us,
        p90: us * 2.0,
        p95: us * 2.5,
        p99: us * 4.0,
        p99_9: us * 12.0,
        max: us * 20.0,
        sum: us * 1.1 * count as f64,
        at_least: Vec::new(),
    }
}

fn by_outcome(count: u64, us: f64) -> ByOutcome {
    ByOutcome { all: Some(times(count, us)), succeeded: Some(times(count, us)), failed: None }
}

fn requests(attempted: u64, failed: u64) -> RequestCounts {
    RequestCounts { attempted, succeeded: attempted - failed, failed, balanced: true, ..Default::default() }
}

fn statuses(list: &[(u16, u64)]) -> Vec<StatusCount> {
    list.iter().map(|(status, count)| StatusCount { status: *status, count: *count }).collect()
}

fn errors(list: &[(&str, u64, bool)]) -> Vec<ErrorCount> {
    let error = |(class, count, own_fault): &(&str, u64, bool)| ErrorCount {
        class: (*class).to_owned(),
        count: *count,
        own_fault: *own_fault,
    };
    list.iter().map(error).collect()
}

fn step(name: &str, requests: RequestCounts, us: f64) -> StepResult {
    StepResult {
        name: name.to_owned(),
        requests,
        response_time_us: by_outcome(requests.attempted, us * 1.2),
        service_time_us: by_outcome(requests.attempted, us),
        phases: PhaseTimes::default(),
        statuses: statuses(&[(200, requests.succeeded)]),
        errors: Vec::new(),
        checks: Vec::new(),
        transfer: Transfer { sent_bytes: requests.attempted * 120, received_bytes: requests.attempted * 900 },
    }
}

/// Passed: one scenario, all well.
pub(crate) fn passed() -> ResultFile {
    let iterations = IterationCounts {
        due: 6_000,
        started: 6_000,
        succeeded: 6_000,
        balanced: true,
        ..Default::default()
    };
    let list = StepResult {
        checks: vec![CheckResult { name: "status is 200".into(), passed: 6_000, failed: 0, required: false }],
        ..step("list", requests(6_000, 0), 850.0)
    };
    ResultFile {
        schema_version: SCHEMA_VERSION,
        tool: Tool { name: "loadgen".into(), version: "0.1.0".into(), git: None },
        identity: Identity {
            run_id: "0190c0de-0000-7000-8000-000000000001".into(),
            name: "quick start".into(),
            scenario_digest: "ab".repeat(32),
            config_digest: "cd".repeat(32),
            plan_hash: "ef01".repeat(16),
            slots_digest: SlotsDigests {
                due: "1".repeat(32),
                started: "1".repeat(32),
                dropped: "0".repeat(32),
                unsent: "0".repeat(32),
            },
        },
        seed: 7,
        time: RunTime {
            created_at: "2026-01-02T03:04:05Z".into(),
            started_at: Some("2026-01-02T03:04:06Z".into()),
            sealed_at: "2026-01-02T03:04:36Z".into(),
            preparing_ms: 50.0,
            planned_ms: 30_000.0,
            load_ms: 30_000.25,
            draining_ms: 0.25,
            total_ms: 30_060.0,
        },
        target: Target { url: "http://127.0.0.1:41000".into(), in_process: true },
        tags: BTreeMap::from([("team".into(), "shop".into()), ("build".into(), "1234".into())]),
        configuration: serde_json::json!({ "name": "quick start" }),
        overrides: Vec::new(),
        verdict: Verdict {
            outcome: VerdictOutcome::Passed,
            marks: Vec::new(),
            reasons: Vec::new(),
            evidence: vec![Evidence {
                bound: "dispatch lag p99".into(),
                severity: Severity::Invalid,
                limit: 20_000.0,
                measured: 48.3,
                unit: Unit::Us,
                held: true,
                key: Some("verdict.invalid.dispatch_lag_p99".into()),
                advice: "lower `rate`, or give the generator more CPUs".into(),
            }],
        },
        exit: Conditions::default().into(),
        thresholds: vec![ThresholdResult {
            metric: "response_time{scenario:browse}".into(),
            expression: "p(99) < 200ms".into(),
            passed: true,
            measured: Some(4_080.0),
            at_least: false,
            unit: Unit::Us,
            explanation: None,
        }],
        totals: Totals {
            iterations,
            requests: requests(6_000, 0),
            requests_per_s: 200.0,
            measured_ms: 30_000.0,
            response_time_us: by_outcome(6_000, 1_020.0),
            service_time_us: by_outcome(6_000, 850.0),
            phases: PhaseTimes {
                connect_us: Some(times(3, 40.0)),
                first_byte_us: Some(times(6_000, 800.0)),
                receive_us: Some(times(6_000, 2.0)),
                ..Default::default()
            },
            dispatch_lag_us: Some(times(6_000, 12.0)),
            queue_wait_us: Some(times(6_000, 0.0)),
            statuses: statuses(&[(200, 6_000)]),
            checks_passed: 6_000,
            transfer: Transfer { sent_bytes: 720_000, received_bytes: 5_400_000 },
            connections: Connections { opened: 3, reused: 5_997, open_max: 3 },
            vus_max: 3,
            ..Default::default()
        },
        scenarios: vec![ScenarioResult {
            name: "browse".into(),
            tags: BTreeMap::new(),
            executor: "constant-arrival-rate".into(),
            model: Model::Open,
            rate: Some(RateAccuracy {
                planned: 6_000,
                started: 6_000,
                planned_per_s: 200.0,
                achieved_per_s: 200.0,
                drift_ratio: Some(0.0),
            }),
            iterations,
            requests: requests(6_000, 0),
            iteration_response_time_us: by_outcome(6_000, 1_100.0),
            iteration_duration_us: by_outcome(6_000, 1_000.0),
            dispatch_lag_us: Some(times(6_000, 12.0)),
            queue_wait_us: Some(times(6_000, 0.0)),
            steps: vec![list],
            warm_up: None,
        }],
        timeline: Timeline::default(),
        histograms: Vec::new(),
        workers: vec![WorkerResult {
            name: "local".into(),
            version: Some("0.1.0".into()),
            host: None,
            threads: 1,
            max_vus: 1_000,
            start_offset_us: Some(12.5),
            complete: true,
            health: Some(Health {
                elapsed_ms: 30_000.0,
                engine_cpu_ms: 410.0,
                other_cpu_ms: 12.0,
                busiest_thread_ratio: 0.014,
                throttled_ms: 0.0,
                stolen_ms: 0.0,
                clock_step_ms: 0.0,
                peak_rss_bytes: 9 << 20,
                coalesced_intervals: 0,
            }),
            notes: Vec::new(),
            faults: Vec::new(),
            labels: BTreeMap::new(),
            weight: 1,
            share: 1.0,
            clock_error_us: Some(0.0),
            sums: WorkerSums {
                iterations: 6_000,
                requests: 6_000,
                failed: 0,
                response_time_us: Some(times(6_000, 1_020.0)),
            },
            sessions: vec![session(0, SessionEnding::Finished)],
        }],
        annotations: Vec::new(),
        by_label: Vec::new(),
        revisions: Vec::new(),
        degraded: None,
        telemetry: None,
        slowest: Vec::new(),
    }
}

fn session(life: u32, ended: SessionEnding) -> WorkerSession {
    WorkerSession {
        session: format!("00000000-0000-0000-0000-{life:012}"),
        joined_at_ms: None,
        start_skew_us: Some(12.5),
        clock_error_us: Some(0.0),
        ended,
        ended_at_ms: None,
        reason: None,
        complete: ended != SessionEnding::Lost,
        iterations: 3_000,
        requests: 3_000,
        unaccounted_requests_at_most: None,
    }
}

/// Degraded: of two workers one was lost and came back, and somebody changed the rate.
pub(crate) fn degraded() -> ResultFile {
    let mut result = passed();
    let mut north = result.workers.remove(0);
    north.share = 0.5;
    north.name = "north".into();
    north.labels = BTreeMap::from([("zone".into(), "eu".into())]);
    let mut south = WorkerResult { name: "south".into(), complete: false, ..north.clone() };
    south.sums.failed = 12;
    south.sessions = vec![
        WorkerSession {
            ended_at_ms: Some(12_400.0),
            reason: Some("its lease ended".into()),
            unaccounted_requests_at_most: Some(1_250),
            ..session(1, SessionEnding::Lost)
        },
        WorkerSession { joined_at_ms: Some(15_000.0), ..session(2, SessionEnding::Finished) },
    ];
    result.by_label = vec![LabelResult {
        label: "zone".into(),
        value: "eu".into(),
        workers: vec!["north".into(), "south".into()],
        sums: WorkerSums { iterations: 12_000, requests: 12_000, failed: 12, ..north.sums.clone() },
    }];
    result.workers = vec![north, south];
    result.annotations = vec![
        Annotation { at_ms: None, by: None, text: "worker `south` was lost: its lease ended".into() },
        Annotation {
            at_ms: Some(20_000.0),
            by: Some("ci".into()),
            text: "rate of scenario `browse` 200/s → 400/s".into(),
        },
    ];
    result.degraded = Some(Degraded {
        allowed: false,
        workers_lost: vec!["south".into()],
        iterations_lease_ended: 0,
        iterations_unaccounted: 700,
        requests_unaccounted_at_most: 1_250,
        is_estimate: false,
    });
    result.verdict.outcome = VerdictOutcome::Failed;
    result.verdict.marks = vec![Mark::Degraded];
    result.verdict.reasons = vec!["the run is degraded: at most 1250 requests unaccounted".into()];
    result.exit = Conditions::from_iter([Condition::WorkersLost]).into();
    result
}

/// Telemetry that did not all come across, of a run that failed a threshold.
pub(crate) fn traced() -> ResultFile {
    let mut result = passed();
    let sink = |process: &str, signal, produced, [rejected, lost, unknown, retried]: [u64; 4]| SinkResult {
        process: process.into(),
        signal,
        endpoint: "http://127.0.0.1:4317".into(),
        produced,
        acknowledged: produced - rejected - lost - unknown,
        rejected,
        lost,
        unknown,
        retried,
    };
    result.telemetry = Some(TelemetryResult {
        sinks: vec![
            sink("north", TelemetrySignal::Traces, 12_000, [0; 4]),
            sink("north", TelemetrySignal::Metrics, 480, [0; 4]),
            sink("a-worker-with-a-long-name", TelemetrySignal::Traces, 11_900, [1, 512, 30, 7]),
            sink("a-worker-with-a-long-name", TelemetrySignal::Metrics, 470, [0, 0, 0, 3]),
            sink("controller", TelemetrySignal::Traces, 2, [0; 4]),
        ],
        executions_over_budget: 1_204,
        max_loss: 0.01,
        held: false,
    });
    let slow = |n: u8, response_time_us: f64| SlowRequest {
        worker: "north".into(),
        scenario: "browse".into(),
        step: "list".into(),
        iteration: 4_000 + u64::from(n),
        vu: 3,
        at_ms: 12_345.0 + f64::from(n),
        response_time_us,
        service_time_us: response_time_us / 2.0,
        queue_wait_us: 0.0,
        dns_us: None,
        connect_us: None,
        tls_us: None,
        first_byte_us: Some(response_time_us / 2.0),
        receive_us: Some(3.0),
        outcome: if n == 1 { "timeout".into() } else { "succeeded".into() },
        status: (n != 1).then_some(200),
        trace_id: format!("{n:032x}"),
        span_id: format!("{n:016x}"),
    };
    result.slowest = (1..=7).map(|n| slow(n, 20_000.0 - 1_000.0 * f64::from(n))).collect();
    let threshold = &mut result.thresholds[0];
    (threshold.passed, threshold.measured) = (false, Some(201_000.0));
    threshold.explanation = Some(Explanation {
        scenario: "browse".into(),
        step: "list".into(),
        step_share: 0.93,
        worker: "north".into(),
        worker_share: 0.8,
        phase: Some("first_byte".into()),
        from_ms: 12_000.0,
        to_ms: 14_000.0,
        span_share: 0.7,
        text: "93% of the values above 200ms are of browse/list; most of them between 12s and 14s, and most of their time was spent in first_byte".into(),
        traces: vec![format!("{:032x}", 1), format!("{:032x}", 2)],
    });
    result.verdict.outcome = VerdictOutcome::Failed;
    result.verdict.reasons = vec![
        "threshold `response_time{scenario:browse}: p(99) < 200ms` was not met: 201ms".into(),
        "telemetry: 543 of 11900 spans of `a-worker-with-a-long-name` may be missing at http://127.0.0.1:4317 (1 rejected, 512 lost, 30 without an answer), more than `telemetry.max_loss: 1.00%`".into(),
    ];
    result.exit = Conditions::from_iter([Condition::ThresholdFailed, Condition::TelemetryLost]).into();
    result
}

/// Invalid: an overloaded generator against a failing target, with a warm-up, and stopped on the way.
pub(crate) fn invalid() -> ResultFile {
    let mut result = passed();
    let iterations = IterationCounts {
        due: 6_000,
        started: 5_100,
        succeeded: 4_880,
        failed: 200,
        cancelled: 20,
        dropped: Dropped { queue_full: 0, queue_timeout: 300, no_user: 0 },
        unsent: Unsent { generator_stall: 100, stopped: 500, lease_ended: 0 },
        balanced: true,
        ..Default::default()
    };
    let all = RequestCounts { cancelled: 20, succeeded: 9_780, resent: 4, ..requests(10_000, 200) };
    let mut censored = times(10_000, 250_000.0);
    censored.censored = 170;
    censored.at_least = vec![Percentile::P99, Percentile::P999, Percentile::Max];
    let totals = &mut result.totals;
    totals.iterations = iterations;
    totals.requests = all;
    totals.requests_per_s = 333.4;
    totals.response_time_us = ByOutcome {
        all: Some(censored),
        succeeded: Some(times(9_780, 1_020.0)),
        failed: Some(TimeSummary {
            censored: 170,
            at_least: vec![
                Percentile::P50,
                Percentile::P90,
                Percentile::P95,
                Percentile::P99,
                Percentile::P999,
                Percentile::Max,
            ],
            ..times(220, 800_000.0)
        }),
    };
    totals.dispatch_lag_us = Some(times(5_100, 9_000.0));
    totals.statuses = statuses(&[(200, 9_780), (503, 45)]);
    totals.errors = errors(&[("status", 45, false), ("timeout", 150, false), ("no_local_port", 5, true)]);
    totals.checks_failed = 12;
    totals.warm_up = Some(WarmUp {
        iterations: IterationCounts {
            due: 1_000,
            started: 1_000,
            succeeded: 1_000,
            balanced: true,
            ..Default::default()
        },
        requests: requests(2_000, 0),
    });
    let browse = &mut result.scenarios[0];
    browse.iterations = iterations;
    browse.rate = Some(RateAccuracy {
        planned: 6_000,
        started: 5_100,
        planned_per_s: 200.0,
        achieved_per_s: 170.0,
        drift_ratio: Some(-0.15),
    });
    browse.steps[0].checks.push(CheckResult {
        name: "body contains \"sku\"".into(),
        passed: 5_988,
        failed: 12,
        required: true,
    });
    let mut order = step("order", requests(4_900, 200), 2_400.0);
    order.statuses = statuses(&[(200, 4_700), (503, 45)]);
    order.errors = errors(&[("status", 45, false), ("timeout", 150, false), ("no_local_port", 5, true)]);
    browse.steps.push(order);
    result.scenarios.push(ScenarioResult {
        name: "background".into(),
        executor: "constant-vus".into(),
        model: Model::Closed,
        rate: None,
        steps: vec![step("poll", requests(100, 0), 300.0)],
        ..result.scenarios[0].clone()
    });
    result.thresholds.push(ThresholdResult {
        metric: "failed".into(),
        expression: "rate < 0.1%".into(),
        passed: false,
        measured: Some(0.022),
        at_least: false,
        unit: Unit::Ratio,
        explanation: None,
    });
    result.thresholds.push(ThresholdResult {
        metric: "response_time{step:search}".into(),
        expression: "p(95) < 1s".into(),
        passed: false,
        measured: None,
        at_least: false,
        unit: Unit::Us,
        explanation: None,
    });
    result.thresholds.push(ThresholdResult {
        metric: "response_time".into(),
        expression: "p(99) < 500ms".into(),
        passed: false,
        measured: Some(1_000_000.0),
        at_least: true,
        unit: Unit::Us,
        explanation: None,
    });
    result.verdict.outcome = VerdictOutcome::Invalid;
    result.verdict.marks = vec![Mark::Suspect, Mark::Degraded];
    result.verdict.reasons = vec![
        "the generator was too slow: dispatch lag p99 was 36 ms, above the bound of 20 ms (verdict.invalid.dispatch_lag_p99)"
            .into(),
        "threshold `failed` `rate < 0.1%` was not met".into(),
    ];
    result.verdict.evidence[0].measured = 36_000.0;
    result.verdict.evidence[0].held = false;
    result.workers[0].notes = vec!["the soft limit of file handles was raised from 1024 to 4096".into()];
    result.annotations =
        vec![Annotation { at_ms: Some(25_000.0), by: None, text: "stopped by SIGINT".into() }];
    result.exit = Conditions::from_iter([
        Condition::StoppedBySignal,
        Condition::MeasurementInvalid,
        Condition::ThresholdFailed,
    ])
    .into();
    result
}

/// Failed: nothing answered, so there is hardly a number.
pub(crate) fn nothing() -> ResultFile {
    let mut result = passed();
    result.target.in_process = false;
    result.tags.clear();
    result.thresholds.clear();
    result.totals = Totals {
        iterations: IterationCounts { balanced: true, ..Default::default() },
        requests: RequestCounts { balanced: true, ..Default::default() },
        ..Default::default()
    };
    result.scenarios.clear();
    result.workers.clear();
    result.time.started_at = None;
    result.time.load_ms = 0.0;
    result.verdict = Verdict {
        outcome: VerdictOutcome::Failed,
        marks: Vec::new(),
        reasons: vec!["nothing succeeded".into()],
        evidence: Vec::new(),
    };
    result.exit = Conditions::from_iter([Condition::NothingSucceeded]).into();
    result
}
