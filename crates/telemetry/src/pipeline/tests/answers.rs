//! Every kind of answer, in both forms, for all signals.

use testkit::collector::Behaviour::{
    self, Accept, AcceptThenDie, Die, Exhausted, HalfThenDie, Hang, Mute, Partial, Reject, Slow,
    Unauthenticated, Unavailable, Verbose,
};

use super::*;

/// Attempts that are not answered end soon.
const IMPATIENT: &[(&str, &str)] = &[("OTEL_EXPORTER_OTLP_TIMEOUT", "150")];

const TEN: Delivery =
    Delivery { produced: 10, acknowledged: 0, rejected: 0, lost: 0, unknown: 0, retried: 0 };

/// Sends ten items under `script`, of which the last behaviour stays; what must have become of them, and how many
/// requests must have come.
fn ten_items(script: &[Behaviour], extra: &[(&str, &str)], expected: Delivery, requests: usize) {
    every_way(extra, |rig| {
        let (last, before) = script.split_last().unwrap();
        rig.collector.script(before.iter().copied());
        rig.collector.behave(*last);
        rig.send(0..10);
        rig.wait_settled();
        let seen = rig.collector.seen();
        let (form, signal) = (seen[0].form, rig.signal);
        let (delivery, _) = rig.close(AGES);
        assert_eq!(delivery, expected, "{script:?} {form:?} {signal:?}");
        assert_eq!(seen.len(), requests, "{script:?} {form:?} {signal:?}");
    });
}

#[test]
fn what_is_taken_is_acknowledged_however_slow_and_wordy_the_answer_is() {
    ten_items(&[Accept], &[], Delivery { acknowledged: 10, ..TEN }, 1);
    ten_items(&[Slow(Duration::from_millis(20))], &[], Delivery { acknowledged: 10, ..TEN }, 1);
    ten_items(&[Verbose], &[], Delivery { acknowledged: 10, ..TEN }, 1);
}

#[test]
fn what_is_refused_for_good_is_rejected_and_not_sent_again() {
    ten_items(&[Reject], &[], Delivery { rejected: 10, ..TEN }, 1);
    ten_items(&[Unauthenticated], &[], Delivery { rejected: 10, ..TEN }, 1);
}

#[test]
fn what_the_receiver_has_no_time_for_is_sent_again_and_at_last_lost() {
    ten_items(&[Unavailable(None), Accept], &[], Delivery { acknowledged: 10, retried: 10, ..TEN }, 2);
    ten_items(&[Unavailable(None)], &[], Delivery { lost: 10, retried: 20, ..TEN }, 3);
    let soon = Some(Duration::ZERO);
    ten_items(&[Exhausted(soon), Accept], &[], Delivery { acknowledged: 10, retried: 10, ..TEN }, 2);
}

#[test]
fn what_may_have_been_taken_without_an_answer_is_unknown() {
    let unknown = Delivery { unknown: 10, retried: 20, ..TEN };
    for behaviour in [Mute, Hang] {
        ten_items(&[behaviour], IMPATIENT, unknown, 3);
    }
    for behaviour in [Die, AcceptThenDie, HalfThenDie] {
        ten_items(&[behaviour], &[], unknown, 3);
    }
}

#[test]
fn a_later_refusal_proves_nothing_about_an_attempt_without_an_answer() {
    ten_items(&[AcceptThenDie, Reject], &[], Delivery { unknown: 10, retried: 10, ..TEN }, 2);
    ten_items(&[AcceptThenDie, Unavailable(None)], &[], Delivery { unknown: 10, retried: 20, ..TEN }, 3);
    let partly = Delivery { acknowledged: 8, unknown: 2, retried: 10, ..TEN };
    ten_items(&[AcceptThenDie, Partial(2)], &[], partly, 2);
    ten_items(&[Die, Unavailable(None), Accept], &[], Delivery { acknowledged: 10, retried: 20, ..TEN }, 3);
}

#[test]
fn items_are_what_was_sent_with_who_sent_it() {
    let extra = [
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=a%20b,loadgen.run.id=forged,service.version=0"),
    ];
    every_way(&extra, |rig| {
        rig.send(0..10);
        rig.wait_settled();
        let resource = match rig.signal {
            Signal::Traces => rig.collector.traces()[0].resource_spans[0].resource.clone(),
            Signal::Metrics => rig.collector.metrics()[0].resource_metrics[0].resource.clone(),
            Signal::Logs => rig.collector.logs()[0].resource_logs[0].resource.clone(),
        };
        let attributes = resource.unwrap().attributes;
        let value = |key: &str| {
            let attribute = attributes.iter().find(|attribute| attribute.key == key).unwrap();
            match attribute.value.as_ref().unwrap().value.as_ref().unwrap() {
                any_value::Value::StringValue(value) => value.clone(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(value("service.name"), "loadgen");
        assert_eq!(value("service.version"), "1.2.3");
        assert_eq!(value("service.instance.id"), "w1");
        assert_eq!(value("loadgen.run.id"), Uuid::from_u128(7).to_string());
        assert_eq!(value("team"), "a b");
        let seen = &rig.collector.seen()[0];
        assert_eq!(seen.headers.get("user-agent").unwrap(), "loadgen/1.2.3");
        let encoding = if seen.form == Form::Grpc { "grpc-encoding" } else { "content-encoding" };
        assert_eq!(seen.headers.get(encoding).unwrap(), "gzip");
        assert_eq!(rig.close(AGES).0.acknowledged, 10);
    });
}

#[test]
fn headers_go_with_every_request_and_into_no_text() {
    every_way(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret,x-tenant=7")], |rig| {
        rig.send(0..1);
        rig.wait_settled();
        let seen = &rig.collector.seen()[0];
        assert_eq!(seen.headers.get("authorization").unwrap(), "Bearer s3cret");
        assert_eq!(seen.headers.get("x-tenant").unwrap(), "7");
        assert!(!format!("{:?}", rig.pipeline).contains("s3cret"));
        rig.close(AGES);
    });
}

#[test]
fn one_connection_is_used_for_many_batches_and_an_ended_one_is_replaced() {
    every_way(&[], |rig| {
        for batch in 0..20 {
            rig.send(batch * 10..batch * 10 + 10);
            rig.wait_settled();
            if batch == 9 {
                assert_eq!(rig.collector.connections(), 1);
                rig.collector.go_down();
                rig.collector.come_back();
            }
        }
        assert_eq!(rig.collector.connections(), 2);
        let (delivery, taken) = rig.close(AGES);
        assert_eq!((delivery.acknowledged, taken.distinct), (200, 200));
    });
}
