//! The failures that receivers are known for, by their numbers in the project's list of failures (F-O01 and so on), and
//! the last batch that fails (KF-27). Cardinality (F-O09) is the board's.

use std::sync::mpsc::SyncSender;

use testkit::chaos::{Flow, Proxy};
use testkit::collector::Behaviour;

use super::*;
use crate::settings::Compression;

#[test]
fn f_o01_a_receiver_that_is_absent_costs_nothing_but_the_items() {
    every_way(&[], |rig| {
        rig.collector.go_down();
        rig.send(0..10);
        let (delivery, _) = rig.close(AGES);
        assert_eq!(delivery, Delivery { produced: 10, lost: 10, retried: 20, ..Delivery::default() });
    });
}

#[test]
fn f_o02_a_receiver_that_comes_back_gets_what_comes_after_and_the_books_have_the_rest() {
    every_way(&[], |rig| {
        rig.send(0..10);
        rig.wait_settled();
        rig.collector.go_down();
        rig.send(10..20);
        rig.wait_settled();
        rig.collector.come_back();
        rig.send(20..30);
        let (delivery, taken) = rig.close(AGES);
        assert_eq!((delivery.acknowledged, delivery.lost), (20, 10));
        assert_eq!(taken.distinct, 20);
    });
}

#[test]
fn f_o03_a_receiver_that_hangs_holds_up_no_end() {
    every_way(&[], |rig| {
        rig.collector.behave(Behaviour::Hang);
        rig.send(0..10);
        rig.collector.await_requests(1);
        // These wait behind the batch that hangs.
        rig.send(10..30);
        let (delivery, _) = rig.close(Nanos::from_millis(200));
        assert_eq!((delivery.produced, delivery.unknown, delivery.lost), (30, 10, 20));
    });
}

#[test]
fn f_o04_and_kf27_what_only_the_last_batch_lost_is_in_the_books() {
    every_way(&[], |rig| {
        rig.send(0..10);
        rig.wait_settled();
        rig.collector.behave(Behaviour::Unavailable(None));
        rig.send(10..17);
        let (delivery, _) = rig.close(AGES);
        assert_eq!((delivery.produced, delivery.acknowledged, delivery.lost), (17, 10, 7));
    });
}

#[test]
fn f_o05_what_is_rejected_in_part_is_counted_and_not_sent_again() {
    every_way(&[], |rig| {
        rig.collector.script([Behaviour::Partial(3), Behaviour::Partial(1_000)]);
        rig.send(0..10);
        rig.wait_settled();
        rig.send(10..20);
        let (delivery, taken) = rig.close(AGES);
        let expected = Delivery { produced: 20, acknowledged: 7, rejected: 13, ..Delivery::default() };
        assert_eq!((delivery, taken.requests), (expected, 2));
    });
}

#[test]
fn f_o06_a_receiver_that_wants_an_hours_peace_holds_up_no_end() {
    every_way(&[], |rig| {
        rig.collector.behave(Behaviour::Exhausted(Some(Duration::from_secs(3_600))));
        rig.send(0..10);
        rig.collector.await_requests(1);
        let (delivery, _) = rig.close(Nanos::from_millis(300));
        assert_eq!((delivery.produced, delivery.settled(), delivery.acknowledged), (10, 10, 0));
    });
}

#[test]
fn f_o07_what_is_taken_twice_is_acknowledged_once() {
    every_way(&[], |rig| {
        rig.collector.script([Behaviour::AcceptThenDie]);
        rig.send(0..10);
        let (delivery, taken) = rig.close(AGES);
        assert_eq!(delivery, Delivery { produced: 10, acknowledged: 10, retried: 10, ..Delivery::default() });
        assert_eq!((taken.items, taken.distinct), (20, 10));
    });
}

#[test]
fn f_o08_what_a_slow_receiver_leaves_no_room_for_is_counted() {
    let small: &[(&str, &str)] = &[
        ("OTEL_BSP_MAX_QUEUE_SIZE", "500"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "500"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "100"),
    ];
    for way in WAYS {
        let collector = Collector::start();
        let address = if way.0 == Form::Grpc { collector.grpc_address() } else { collector.http_address() };
        let proxy = Proxy::start(address, 1);
        proxy.shape(Flow { bytes_per_s: Some(10_000), ..Flow::default() });
        let rig = Rig::at(collector, &format!("http://{}", proxy.address()), way, small);
        for batch in 0..400 {
            rig.send(batch * 100..batch * 100 + 100);
        }
        // Metrics have a room of their own size.
        let room = if rig.signal == Signal::Metrics { 16_384 } else { 500 };
        assert!(rig.delivery().lost > 40_000 - 2 * room, "{:?}", rig.delivery());
        let (delivery, _) = rig.close(Nanos::from_millis(200));
        assert_eq!(delivery.produced, 40_000);
    }
}

/// A pipeline of one signal that is carried by a puppet.
struct Stage {
    pipeline: Pipeline,
    acts: Arc<Mutex<VecDeque<Act>>>,
    /// What hangs ends with this.
    ends: SyncSender<()>,
}

fn puppet_pipeline(acts: &[Act]) -> Stage {
    let (ends, over) = sync_channel(1);
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let closing = Arc::new(Closing::new());
    let pulse = Arc::new(Pulse::new());
    let batches = Batches { most: 10, ..Settings::off().record_batches };
    let route = Arc::new(Route::new("http://nowhere:1".to_owned(), batches, Arc::clone(&closing)));
    let acts: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(acts.iter().copied().collect()));
    let over = Arc::new(Mutex::new(over));
    let resource = Resource::new(&Settings::off(), &identity());
    let encoder = RecordEncoder { resource, compression: Compression::None };
    let left = Arc::clone(&acts);
    let keeper = Keeper {
        route: Arc::clone(&route),
        pulse: Arc::clone(&pulse),
        attempt: Duration::from_secs(10),
        patience: HASTE,
        parts: move || (encoder.clone(), Puppet { acts: Arc::clone(&left), over: Arc::clone(&over) }),
    };
    runtime.spawn(keeper.keep());
    let outlet = Outlet { spans: None, points: None, records: Some(route), closing, pulse };
    Stage { pipeline: Pipeline { outlet, runtime: Some(runtime) }, acts, ends }
}

/// Looks again and again until it is so.
fn await_that(is_so: impl Fn() -> bool) {
    let limit = MonotonicClock.now() + AGES;
    while !is_so() {
        assert!(MonotonicClock.now() < limit, "it did not come to that");
        thread::yield_now();
    }
}

#[test]
fn f_o10_an_exporter_that_panics_loses_its_batch_and_nothing_else() {
    let acts = [Act::Take, Act::PanicBefore, Act::Take, Act::PanicWhile, Act::Take];
    let Stage { pipeline, .. } = puppet_pipeline(&acts);
    let outlet = pipeline.outlet();
    send(&outlet, Signal::Logs, 0..50);
    let report = delivery(&in_time(move || pipeline.close(MonotonicClock.now() + AGES)), Signal::Logs);
    let expected = Delivery { produced: 50, acknowledged: 30, lost: 10, unknown: 10, ..Delivery::default() };
    assert_eq!(report, expected);
    assert_eq!(outlet.failures(), 2);
}

#[test]
fn f_o10_an_exporter_that_hangs_for_ever_holds_up_no_end() {
    for (act, unknown, lost) in [(Act::HangBefore, 0, 50), (Act::HangWhile, 10, 40)] {
        let Stage { pipeline, ends, .. } = puppet_pipeline(&[act]);
        let outlet = pipeline.outlet();
        send(&outlet, Signal::Logs, 0..50);
        await_that(|| outlet.records.as_ref().unwrap().is_under_way(unknown > 0));
        let closing = move || pipeline.close(MonotonicClock.now() + Nanos::from_millis(100));
        let report = delivery(&in_time(closing), Signal::Logs);
        assert_eq!((report.produced, report.unknown, report.lost), (50, unknown, lost), "{act:?}");
        // What the exporter finds out afterwards changes nothing.
        drop(ends);
        send(&outlet, Signal::Logs, 50..55);
        let report = delivery(&outlet.reports(), Signal::Logs);
        assert_eq!((report.produced, report.unknown, report.lost), (55, unknown, lost + 5), "{act:?}");
    }
}

#[test]
fn f_o06_a_close_cuts_short_the_peace_that_a_receiver_wants() {
    let Stage { pipeline, acts, .. } = puppet_pipeline(&[Act::Busy(3_600)]);
    send(&pipeline.outlet(), Signal::Logs, 0..10);
    await_that(|| acts.lock().unwrap().is_empty());
    // 15 s would be waited, half of what there is for a batch. Now it is half of this.
    let closing = move || pipeline.close(MonotonicClock.now() + Nanos::from_secs(4));
    assert_eq!(delivery(&in_time(closing), Signal::Logs).acknowledged, 10);
}
