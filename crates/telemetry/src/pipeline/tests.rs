//! Pipelines against a scripted receiver: what they say became of their items, held against what it took.

mod answers;
mod faults;
mod limits;
mod schedules;
mod secure;

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use metrics::Delivery;
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Gauge, NumberDataPoint, metric::Data, number_data_point};
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
use testkit::collector::{self, Collector, Form, Taken};
use units::Nanos;
use uuid::Uuid;

use super::*;
use crate::carrier::{Answer, Payload, Reason};

/// Both forms with all signals.
const WAYS: [(Form, Signal); 6] = [
    (Form::Grpc, Signal::Traces),
    (Form::Grpc, Signal::Metrics),
    (Form::Grpc, Signal::Logs),
    (Form::Http, Signal::Traces),
    (Form::Http, Signal::Metrics),
    (Form::Http, Signal::Logs),
];

/// Two retries, at once.
const HASTE: Patience =
    Patience { retries: 2, first: Duration::from_millis(1), longest: Duration::from_millis(4) };

/// Far longer than anything here takes.
const AGES: Nanos = Nanos::from_secs(60);

/// Variables that send everything to `endpoint`, in batches that leave at once.
fn variables(endpoint: &str, form: Form) -> BTreeMap<String, String> {
    let protocol = if form == Form::Grpc { "grpc" } else { "http/protobuf" };
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "0"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn settings(variables: &BTreeMap<String, String>) -> Settings {
    Settings::from_variables(|name| variables.get(name).cloned()).unwrap()
}

fn identity() -> Identity {
    Identity { run_id: Uuid::from_u128(7), process: "w1".to_owned(), version: "1.2.3" }
}

/// One pipeline with its receiver, for one signal.
struct Rig {
    signal: Signal,
    collector: Collector,
    pipeline: Pipeline,
}

impl Rig {
    fn new(collector: Collector, (form, signal): (Form, Signal), extra: &[(&str, &str)]) -> Self {
        let url = if form == Form::Grpc { collector.grpc_url() } else { collector.http_url() };
        Self::at(collector, &url, (form, signal), extra)
    }

    /// One that sends to `url`, which leads to the receiver.
    fn at(collector: Collector, url: &str, (form, signal): (Form, Signal), extra: &[(&str, &str)]) -> Self {
        let mut variables = variables(url, form);
        variables.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let pipeline = Pipeline::start_with(&settings(&variables), &identity(), HASTE).unwrap();
        Self { signal, collector, pipeline }
    }

    fn send(&self, numbers: std::ops::Range<u64>) {
        send(&self.pipeline.outlet(), self.signal, numbers);
    }

    /// What is booked so far.
    fn delivery(&self) -> Delivery {
        delivery(&self.pipeline.outlet().reports(), self.signal)
    }

    /// Waits until all that was sent is booked, without a close.
    fn wait_settled(&self) {
        for _ in 0..120_000 {
            if self.delivery().balances() {
                return;
            }
            self.collector.pause(Duration::from_millis(1));
        }
        panic!("{:?}", self.delivery());
    }

    /// Closes the pipeline after `budget` at the latest; what became of the items, which agrees with what was taken.
    fn close(self, budget: Nanos) -> (Delivery, Taken) {
        let signal = self.signal;
        let reports = in_time(move || self.pipeline.close(MonotonicClock.now() + budget));
        let delivery = delivery(&reports, signal);
        // A request that nobody waits for any more may still be taken: never more than is not known.
        let taken = self.collector.taken(kind(signal));
        check(delivery, taken, "");
        (delivery, taken)
    }
}

/// Runs `case` once for each form and signal, all at the same time, each against a receiver of its own.
fn every_way(extra: &[(&str, &str)], case: impl Fn(Rig) + Sync) {
    thread::scope(|scope| {
        for way in WAYS {
            let case = &case;
            scope.spawn(move || case(Rig::new(Collector::start(), way, extra)));
        }
    });
}

fn send(outlet: &Outlet, signal: Signal, numbers: std::ops::Range<u64>) {
    match signal {
        Signal::Traces => outlet.spans(numbers.map(span).collect()),
        Signal::Metrics => outlet.points(vec![points(numbers)]),
        Signal::Logs => outlet.records(numbers.map(record).collect()),
    }
}

fn span(number: u64) -> SpanData {
    let context = SpanContext::new(
        TraceId::from(7),
        SpanId::from(number + 1),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    );
    SpanData {
        span_context: context,
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Client,
        name: "GET".into(),
        start_time: UNIX_EPOCH,
        end_time: UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

/// One metric with a point for each number.
fn points(numbers: std::ops::Range<u64>) -> Metric {
    let data_points = numbers
        .map(|number| NumberDataPoint {
            time_unix_nano: number,
            value: Some(number_data_point::Value::AsInt(1)),
            ..Default::default()
        })
        .collect();
    Metric {
        name: "loadgen.test".to_owned(),
        data: Some(Data::Gauge(Gauge { data_points })),
        ..Default::default()
    }
}

fn record(number: u64) -> LogRecord {
    LogRecord {
        body: Some(AnyValue { value: Some(any_value::Value::IntValue(number as i64)) }),
        ..Default::default()
    }
}

fn kind(signal: Signal) -> collector::Signal {
    match signal {
        Signal::Traces => collector::Signal::Traces,
        Signal::Metrics => collector::Signal::Metrics,
        Signal::Logs => collector::Signal::Logs,
    }
}

fn delivery(reports: &[SinkReport], signal: Signal) -> Delivery {
    reports.iter().find(|report| report.signal == signal).unwrap().delivery
}

/// Every item is in one place, and the receiver has what it acknowledged, and nothing but that and what is not known.
fn check(delivery: Delivery, taken: Taken, what: &str) {
    assert!(delivery.balances(), "{what} {delivery:?}");
    assert!(delivery.acknowledged <= taken.distinct, "{what} {delivery:?} {taken:?}");
    assert!(taken.distinct <= delivery.acknowledged + delivery.unknown, "{what} {delivery:?} {taken:?}");
}

/// Runs something that must end, on a thread of its own.
fn in_time<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> R {
    let (ended, end) = sync_channel(1);
    thread::spawn(move || ended.send(run()));
    end.recv_timeout(Duration::from_secs(120)).expect("it ends")
}

/// What a carrier of a test does with an attempt.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// The receiver takes all.
    Take,
    /// Panics before anything is sent.
    PanicBefore,
    /// Panics while it sends.
    PanicWhile,
    /// Blocks the thread before anything is sent.
    HangBefore,
    /// Blocks the thread while it sends.
    HangWhile,
    /// The receiver is busy, and wants to be left alone for so many seconds.
    Busy(u64),
}

/// A carrier that does what it is told, then takes all.
struct Puppet {
    acts: Arc<Mutex<VecDeque<Act>>>,
    /// Ends what hangs when the test is over.
    over: Arc<Mutex<Receiver<()>>>,
}

impl Puppet {
    fn hang(&self) {
        // Ends with the sender.
        let _ = self.over.lock().unwrap_or_else(PoisonError::into_inner).recv();
    }
}

impl Carry for Puppet {
    async fn connect(&mut self) -> Result<(), Reason> {
        let act = self.acts.lock().unwrap().front().copied();
        match act {
            Some(Act::PanicBefore) => {
                self.acts.lock().unwrap().pop_front();
                panic!("a fault of the test")
            }
            Some(Act::HangBefore) => self.hang(),
            _ => {}
        }
        Ok(())
    }

    async fn send(&mut self, _: &Payload, _: Duration) -> Answer {
        let act = self.acts.lock().unwrap().pop_front();
        match act.unwrap_or(Act::Take) {
            Act::Take => Answer::Taken { rejected: 0 },
            Act::PanicBefore | Act::PanicWhile => panic!("a fault of the test"),
            Act::HangBefore | Act::HangWhile => {
                self.hang();
                Answer::Silent(Reason::new("it hung"))
            }
            Act::Busy(seconds) => Answer::Busy {
                after: Some(Duration::from_secs(seconds)),
                reason: Reason::new("the receiver of the test is busy"),
            },
        }
    }
}
