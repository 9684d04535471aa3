//! What became of the run's telemetry, and where to look in it.

use api::result::{SinkResult, SlowRequest, TelemetryResult, TelemetrySignal};
use metrics::{Outcome, Signal, SinkReport};
use units::{Nanos, Ratio};

use super::ResultContext;
use crate::observe::CONTROLLER;
use crate::run::SealedRun;
use crate::session::Session;
use crate::slowest::SlowTrace;

/// The ledgers of all processes that sent something, and of those that said nothing of it.
pub(super) struct Ledgers {
    sinks: Vec<(String, SinkReport)>,
    /// Workers that were lost with what they had not said.
    silent: Vec<String>,
    executions_over_budget: u64,
    max_loss: Ratio,
}

impl Ledgers {
    pub(super) fn of(sealed: &SealedRun, context: &ResultContext<'_>) -> Self {
        let finals = || sealed.sessions.iter().filter_map(|session| Some((session, session.final_fact()?)));
        let reported = finals().flat_map(|(session, said)| {
            said.telemetry.iter().map(|report| (session.worker.to_string(), report.clone()))
        });
        let mut sinks: Vec<(String, SinkReport)> = reported.collect();
        // Workers of one cluster send to one place: where one of them sent something, so did those who did not say.
        let is_sent_by_workers = !sinks.is_empty();
        let is_silent =
            |session: &&Session| session.is_missing() && (session.is_traced || is_sent_by_workers);
        let silent = sealed.sessions.iter().filter(|_| sealed.start.is_some()).filter(is_silent);
        let silent = silent.map(|session| session.worker.to_string()).collect();
        sinks.extend(context.telemetry.iter().map(|report| (CONTROLLER.to_owned(), report.clone())));
        Self {
            sinks,
            silent,
            executions_over_budget: finals()
                .fold(0, |sum, (_, said)| said.executions_over_budget.saturating_add(sum)),
            max_loss: context.workload.options.telemetry.max_loss,
        }
    }

    /// What may be missing where it was sent to, beyond what may be; one line each.
    pub(super) fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for (process, report) in &self.sinks {
            let (signal, endpoint, books) = (report.signal.name(), &report.endpoint, &report.delivery);
            let missing = books.produced.saturating_sub(books.acknowledged);
            if !books.balances() {
                reasons.push(format!(
                    "telemetry: the books of `{process}` on its {signal} do not balance: {} were produced, and {} are accounted for",
                    books.produced,
                    books.settled(),
                ));
            } else if Ratio::of(missing, books.produced) > self.max_loss {
                reasons.push(format!(
                    "telemetry: {} of {} {} of `{process}` may be missing at {endpoint} ({} rejected, {} lost, {} without an answer), more than `telemetry.max_loss: {}`",
                    missing,
                    books.produced,
                    items(report.signal),
                    books.rejected,
                    books.lost,
                    books.unknown,
                    self.max_loss,
                ));
            }
        }
        if self.max_loss.as_f64() < 1.0 {
            reasons.extend(self.silent.iter().map(|worker| {
                format!("telemetry: worker `{worker}` was lost before it said what became of its own; how much of it is missing is not known")
            }));
        }
        reasons
    }

    /// `None` where nothing was sent.
    pub(super) fn result(&self) -> Option<TelemetryResult> {
        let nothing = self.sinks.is_empty() && self.silent.is_empty() && self.executions_over_budget == 0;
        (!nothing).then(|| TelemetryResult {
            sinks: self.sinks.iter().map(|(process, report)| sink(process, report)).collect(),
            executions_over_budget: self.executions_over_budget,
            max_loss: self.max_loss.as_f64(),
            held: self.reasons().is_empty(),
        })
    }
}

fn sink(process: &str, report: &SinkReport) -> SinkResult {
    let books = &report.delivery;
    SinkResult {
        process: process.to_owned(),
        signal: match report.signal {
            Signal::Traces => TelemetrySignal::Traces,
            Signal::Metrics => TelemetrySignal::Metrics,
            Signal::Logs => TelemetrySignal::Logs,
        },
        endpoint: report.endpoint.clone(),
        produced: books.produced,
        acknowledged: books.acknowledged,
        rejected: books.rejected,
        lost: books.lost,
        unknown: books.unknown,
        retried: books.retried,
    }
}

const fn items(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "spans",
        Signal::Metrics => "data points",
        Signal::Logs => "log records",
    }
}

/// The slowest requests that can be found in traces.
pub(super) fn slowest(sealed: &SealedRun) -> Vec<SlowRequest> {
    sealed.slowest.of_run().iter().map(|trace| slow(sealed, trace)).collect()
}

fn slow(sealed: &SealedRun, trace: &SlowTrace) -> SlowRequest {
    let request = &trace.request;
    // The plan has the step: what names another one was not taken.
    let step = &sealed.plan.steps[request.step as usize];
    let micros = |phase: Option<Nanos>| phase.map(Nanos::as_micros_f64);
    SlowRequest {
        worker: trace.worker.to_string(),
        scenario: sealed.plan.scenarios[step.scenario.0 as usize].name.clone(),
        step: step.name.clone(),
        iteration: request.iteration,
        vu: request.vu,
        at_ms: request.at.as_millis_f64(),
        response_time_us: request.response_time.as_micros_f64(),
        service_time_us: request.service_time.as_micros_f64(),
        queue_wait_us: request.queue_wait.as_micros_f64(),
        dns_us: micros(request.phases.dns),
        connect_us: micros(request.phases.connect),
        tls_us: micros(request.phases.tls),
        first_byte_us: micros(request.phases.first_byte),
        receive_us: micros(request.phases.receive),
        outcome: match request.outcome {
            Outcome::Succeeded => "succeeded".to_owned(),
            Outcome::Cancelled => "cancelled".to_owned(),
            Outcome::Failed(class) => class.name().to_owned(),
        },
        status: (request.status != 0).then_some(request.status),
        trace_id: request.context.trace.to_string(),
        span_id: request.context.span.to_string(),
    }
}
