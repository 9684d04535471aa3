//! The series of what a worker measures, from totals.

use metrics::{
    DropReason, ErrorClass, Outcomes, RequestLedger, ScenarioTime, StepTime, Totals, UnsentReason,
};

use super::exemplars::{Key, Time};
use super::series::{Collector, Labels, OTHER, Value};
use super::{Exemplar, StepTarget};
use crate::catalogue::{self as table, Instrument};
use crate::times::Times;

/// Counters.
pub(super) fn counts(totals: &Totals, into: &mut Collector<'_>) {
    for slot in 0..totals.layout().scenario_slots() {
        scenario(totals, slot, into);
    }
    for slot in 0..totals.layout().step_slots() {
        step(totals, slot, into);
    }
    checks(totals, into);
    let mut pool = (0, 0);
    for ((_, thread), did) in totals.activity() {
        pool = (pool.0 + did.connections_opened, pool.1 + did.connections_reused);
        let times = [
            (&table::ENGINE_WALL, did.wall),
            (&table::ENGINE_BUSY, did.busy),
            (&table::ENGINE_CPU, did.cpu),
            (&table::ENGINE_STALLED, did.stalled),
        ];
        for (instrument, time) in times {
            let labels = vec![("thread", thread.to_string())];
            into.add(instrument, labels, Value::Amount(time.as_secs_f64()));
        }
    }
    into.add(&table::POOL_OPENED, Labels::new(), Value::Count(pool.0));
    into.add(&table::POOL_REUSED, Labels::new(), Value::Count(pool.1));
    into.add(&table::INTERVALS_COALESCED, Labels::new(), Value::Count(totals.coalesced()));
}

fn scenario(totals: &Totals, slot: usize, into: &mut Collector<'_>) {
    let counts = totals.scenarios([slot]);
    let labels = of_scenario(totals, slot);
    let ledger = &counts.iterations;
    let plain = [
        (&table::SLOTS_DUE, ledger.due.count),
        (&table::SLOTS_STARTED, ledger.started.count),
        (&table::WARM_UP_ITERATIONS, counts.warm_up_iterations.started.count),
        (&table::WARM_UP_REQUESTS, counts.warm_up_requests.attempted),
    ];
    for (instrument, count) in plain {
        into.add(instrument, labels.clone(), Value::Count(count));
    }
    for reason in DropReason::ALL {
        let count = ledger.dropped[reason.index()].count;
        into.add(&table::SLOTS_DROPPED, with(&labels, "reason", reason.name()), Value::Count(count));
    }
    for reason in UnsentReason::ALL {
        let count = ledger.unsent[reason.index()].count;
        into.add(&table::SLOTS_UNSENT, with(&labels, "reason", reason.name()), Value::Count(count));
    }
    let ends = [("succeeded", ledger.succeeded), ("failed", ledger.failed), ("cancelled", ledger.cancelled)];
    for (outcome, count) in ends {
        into.add(&table::ITERATIONS, with(&labels, "outcome", outcome), Value::Count(count));
    }
}

fn step(totals: &Totals, slot: usize, into: &mut Collector<'_>) {
    let counts = totals.steps([slot]);
    let labels = of_step(totals, slot);
    let plain = [
        (&table::REQUESTS_ATTEMPTED, counts.requests.attempted),
        (&table::REQUESTS_RESENT, counts.requests.resent),
        (&table::SENT, counts.sent_bytes),
        (&table::RECEIVED, counts.received_bytes),
    ];
    for (instrument, count) in plain {
        into.add(instrument, labels.clone(), Value::Count(count));
    }
    requests(&counts.requests, &labels, into);
    let mut classes = [0; 9];
    for (status, count) in &counts.statuses {
        if let Some(class) = usize::from(status / 100).checked_sub(1).and_then(|class| classes.get_mut(class))
        {
            *class += count;
        }
    }
    for (class, count) in (1..).zip(classes) {
        if count > 0 {
            let labels = with(&labels, "status_class", &format!("{class}xx"));
            into.add(&table::RESPONSES, labels, Value::Count(count));
        }
    }
}

fn requests(ledger: &RequestLedger, labels: &Labels, into: &mut Collector<'_>) {
    for (outcome, count) in [("succeeded", ledger.succeeded), ("cancelled", ledger.cancelled)] {
        into.add(&table::REQUESTS, with(labels, "outcome", outcome), Value::Count(count));
    }
    for class in ErrorClass::ALL {
        let count = ledger.failed[class.index()];
        if count > 0 {
            let labels = with(&with(labels, "outcome", "failed"), "error.type", class.name());
            into.add(&table::REQUESTS, labels, Value::Count(count));
        }
    }
}

fn checks(totals: &Totals, into: &mut Collector<'_>) {
    let layout = totals.layout();
    for (index, check) in layout.catalog().checks.iter().enumerate() {
        let counts = totals.checks([index]);
        let step = &layout.catalog().steps[check.step];
        let scenario = &layout.catalog().scenarios[step.scenario].name;
        let labels =
            vec![("scenario", scenario.clone()), ("step", step.name.clone()), ("check", check.name.clone())];
        for (outcome, count) in [("passed", counts.passed), ("failed", counts.failed)] {
            into.add(&table::CHECKS, with(&labels, "outcome", outcome), Value::Count(count));
        }
    }
}

/// Histograms of which there is something.
pub(super) fn times(
    totals: &Totals,
    targets: &[Option<StepTarget>],
    examples: &mut dyn FnMut(Key) -> Vec<Exemplar>,
    into: &mut Collector<'_>,
) {
    let mut add = |instrument: &'static Instrument, labels: Labels, times: Times, kept: Vec<Exemplar>| {
        if times.moments.count > 0 {
            into.add(instrument, labels, Value::Times(Box::new(times), kept));
        }
    };
    let outcomes = [(Outcomes::Succeeded, "succeeded", true), (Outcomes::Failed, "failed", false)];
    for slot in 0..totals.layout().step_slots() {
        let labels = of_step(totals, slot);
        for (outcomes, name, ok) in outcomes {
            let of = |time| Times::of(totals.step_histograms(time, slot, outcomes));
            let named = with(&labels, "outcome", name);
            let kept = examples((slot, ok, Time::Response));
            add(&table::RESPONSE_TIME, named.clone(), of(StepTime::ResponseTime), kept);
            let kept = examples((slot, ok, Time::Service));
            if is_folded_step(totals, slot) || targets.is_empty() {
                let labels = if ok { labels.clone() } else { with(&labels, "error.type", name) };
                add(&table::SERVICE_TIME, labels, of(StepTime::ServiceTime), kept);
            } else if let Some(Some(target)) = targets.get(slot) {
                let mut labels = labels.clone();
                labels.push(("http.request.method", target.method.clone()));
                labels.push(("server.address", target.address.clone()));
                labels.push(("server.port", target.port.to_string()));
                let labels = if ok { labels } else { with(&labels, "error.type", name) };
                add(&table::SERVICE_TIME, labels, of(StepTime::ServiceTime), kept);
            } else {
                add(&table::TASK_DURATION, named, of(StepTime::ServiceTime), kept);
            }
        }
        let both = |time| Times::of(totals.step_histograms(time, slot, Outcomes::Both));
        add(&table::REQUEST_QUEUE_WAIT, labels.clone(), both(StepTime::QueueWait), Vec::new());
        for (time, phase) in PHASES {
            add(&table::REQUEST_PHASES, with(&labels, "phase", phase), both(time), Vec::new());
        }
    }
    for slot in 0..totals.layout().scenario_slots() {
        let labels = of_scenario(totals, slot);
        for (outcomes, name, _) in outcomes {
            let of = |time| Times::of(totals.scenario_histograms(time, slot, outcomes));
            let named = with(&labels, "outcome", name);
            let response = of(ScenarioTime::IterationResponseTime);
            add(&table::ITERATION_RESPONSE_TIME, named.clone(), response, Vec::new());
            add(&table::ITERATION_DURATION, named, of(ScenarioTime::IterationDuration), Vec::new());
        }
        let both = |time| Times::of(totals.scenario_histograms(time, slot, Outcomes::Both));
        add(&table::ITERATION_QUEUE_WAIT, labels.clone(), both(ScenarioTime::QueueWait), Vec::new());
        add(&table::DISPATCH_LAG, labels, both(ScenarioTime::DispatchLag), Vec::new());
    }
}

/// Levels as they are now.
pub(super) fn levels(totals: &Totals, into: &mut Collector<'_>) {
    let gauges = totals.latest_gauges();
    into.add(&table::VIRTUAL_USERS, Labels::new(), Value::Level(gauges.users as f64));
    into.add(&table::POOL_OPEN, Labels::new(), Value::Level(gauges.open_connections as f64));
    let layout = totals.layout();
    let mut requests = vec![0_i64; layout.scenario_slots()];
    for slot in 0..layout.step_slots() {
        let in_flight = totals.steps([slot]).requests.in_flight;
        let scenario = if is_folded_step(totals, slot) {
            layout.scenario_slots() - 1
        } else {
            layout.scenario_slot(layout.catalog().steps[slot].scenario)
        };
        requests[scenario] += in_flight;
    }
    for (slot, requests) in requests.into_iter().enumerate() {
        let counts = totals.scenarios([slot]);
        let (measured, warm_up) = (&counts.iterations, &counts.warm_up_iterations);
        let levels = [
            (&table::ITERATIONS_IN_FLIGHT, measured.in_flight + warm_up.in_flight),
            (&table::QUEUE_DEPTH, measured.waiting + warm_up.waiting),
            (&table::REQUESTS_IN_FLIGHT, requests + counts.warm_up_requests.in_flight),
        ];
        for (instrument, level) in levels {
            into.add(instrument, of_scenario(totals, slot), Value::Level(level as f64));
        }
    }
}

/// Whether the slot is the one that steps without a slot of their own share.
fn is_folded_step(totals: &Totals, slot: usize) -> bool {
    totals.layout().folded_steps() > 0 && slot + 1 == totals.layout().step_slots()
}

fn of_step(totals: &Totals, slot: usize) -> Labels {
    let catalog = totals.layout().catalog();
    let (scenario, step) = if is_folded_step(totals, slot) {
        (OTHER, OTHER)
    } else {
        let step = &catalog.steps[slot];
        (catalog.scenarios[step.scenario].name.as_str(), step.name.as_str())
    };
    vec![("scenario", scenario.to_owned()), ("step", step.to_owned())]
}

fn of_scenario(totals: &Totals, slot: usize) -> Labels {
    let layout = totals.layout();
    let is_folded = layout.folded_scenarios() > 0 && slot + 1 == layout.scenario_slots();
    let name = if is_folded { OTHER } else { layout.catalog().scenarios[slot].name.as_str() };
    vec![("scenario", name.to_owned())]
}

fn with(labels: &Labels, name: &'static str, value: &str) -> Labels {
    let mut labels = labels.clone();
    labels.push((name, value.to_owned()));
    labels
}

const PHASES: [(StepTime, &str); 5] = [
    (StepTime::Dns, "dns"),
    (StepTime::Connect, "connect"),
    (StepTime::Tls, "tls"),
    (StepTime::FirstByte, "first_byte"),
    (StepTime::Receive, "receive"),
];
