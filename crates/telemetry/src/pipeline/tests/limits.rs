//! Queues, batches, pauses and deadlines.

use tokio::time::Instant;

use super::*;
use crate::settings::Compression;

fn route<T: Item>(batches: Batches) -> Route<T> {
    Route::new("http://nowhere:1".to_owned(), batches, Arc::new(Closing::new()))
}

fn small() -> Batches {
    Batches { queue: 10, most: 4, delay: Nanos::from_secs(1), timeout: Nanos::from_secs(30) }
}

fn records(numbers: std::ops::Range<u64>) -> Vec<LogRecord> {
    numbers.map(record).collect()
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_leaves_at_once_and_a_part_of_one_after_the_delay() {
    let route = route(small());
    let began = Instant::now();
    route.push(records(0..6));
    assert_eq!(next(&route).await, records(0..4));
    assert_eq!(began.elapsed(), Duration::ZERO);
    route.give_up();
    assert_eq!(next(&route).await, records(4..6));
    assert!(began.elapsed() >= Duration::from_secs(1));
    route.give_up();
    assert_eq!(route.report().delivery, Delivery { produced: 6, lost: 6, ..Delivery::default() });
}

#[tokio::test(start_paused = true)]
async fn a_close_sends_what_waits_at_once_and_takes_no_more() {
    let route = route(small());
    let began = Instant::now();
    route.push(records(0..2));
    route.close();
    route.push(records(2..5));
    assert_eq!(next(&route).await, records(0..2));
    assert!(route.next_batch().await.is_none());
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(route.report().delivery, Delivery { produced: 5, lost: 3, ..Delivery::default() });
}

#[tokio::test(start_paused = true)]
async fn records_that_come_to_a_full_queue_are_lost() {
    let route = route(small());
    route.push(records(0..15));
    assert_eq!(route.report().delivery, Delivery { produced: 15, lost: 5, ..Delivery::default() });
    assert_eq!(next(&route).await, records(0..4));
}

#[tokio::test(start_paused = true)]
async fn points_that_come_to_a_full_queue_push_out_the_oldest() {
    let route = route::<Metric>(small());
    for collection in 0..4 {
        route.push(vec![points(collection * 4..collection * 4 + 4)]);
    }
    assert_eq!(route.report().delivery, Delivery { produced: 16, lost: 8, ..Delivery::default() });
    assert_eq!(next(&route).await, [points(8..12)]);
    route.give_up();
    assert_eq!(next(&route).await, [points(12..16)]);
    route.give_up();
    // One that has no room at all pushes out nothing.
    route.push(vec![points(16..20)]);
    route.push(vec![points(20..31)]);
    assert_eq!(next(&route).await, [points(16..20)]);
    assert_eq!(route.report().delivery, Delivery { produced: 31, lost: 31 - 4, ..Delivery::default() });
}

/// The batch that comes next, if one does.
async fn next<T: Item>(route: &Route<T>) -> Vec<T> {
    let coming = tokio::time::timeout(Duration::from_secs(3_600), route.next_batch());
    coming.await.expect("one comes").expect("there is more")
}

/// Sends ten records by a puppet; what became of them and how long it took.
async fn sent_by_puppet(acts: &[Act], patience: Patience) -> (Delivery, Duration) {
    let route = route(Batches { most: 10, ..small() });
    route.push(records(0..10));
    route.close();
    let (_ends, over) = sync_channel(1);
    let acts = Arc::new(Mutex::new(acts.iter().copied().collect()));
    let puppet = Puppet { acts, over: Arc::new(Mutex::new(over)) };
    let resource = Resource::new(&Settings::off(), &identity());
    let encoder = RecordEncoder { resource, compression: Compression::None };
    let began = Instant::now();
    exporter::run(&route, encoder, puppet, Duration::from_secs(10), patience).await;
    (route.report().delivery, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_receiver_is_tried_five_times_in_all_with_pauses_that_grow() {
    let (delivery, took) = sent_by_puppet(&[Act::Busy(0); 9], Patience::USUAL).await;
    assert_eq!(delivery, Delivery { produced: 10, lost: 10, retried: 40, ..Delivery::default() });
    // 0.5 + 1 + 2 + 4 s, each ± 20 %.
    assert!((6.0..=9.1).contains(&took.as_secs_f64()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_says_when_to_come_again_is_heard_within_the_time_there_is() {
    let (delivery, took) = sent_by_puppet(&[Act::Busy(7)], Patience::USUAL).await;
    assert_eq!(delivery, Delivery { produced: 10, acknowledged: 10, retried: 10, ..Delivery::default() });
    assert!((7.0..7.1).contains(&took.as_secs_f64()), "{took:?}");

    // An hour is more than there is: half of what is left, four times.
    let (delivery, took) = sent_by_puppet(&[Act::Busy(3_600); 9], Patience::USUAL).await;
    assert_eq!(delivery, Delivery { produced: 10, lost: 10, retried: 40, ..Delivery::default() });
    assert!((28.0..=30.0).contains(&took.as_secs_f64()), "{took:?}");
}

#[test]
fn a_close_under_way_can_be_shortened() {
    let collector = Collector::start();
    collector.behave(collector::Behaviour::Hang);
    let rig = Rig::new(collector, (Form::Http, Signal::Traces), &[("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000")]);
    rig.send(0..10);
    rig.collector.await_requests(1);
    let outlet = rig.pipeline.outlet();
    let closing = thread::spawn(move || rig.close(Nanos::from_secs(3_600)));
    // Holds whether it comes before the close or after.
    outlet.give_up_by(MonotonicClock.now() + Nanos::from_millis(50));
    let (delivery, _) = in_time(move || closing.join().unwrap());
    assert_eq!(delivery.unknown, 10);
}

#[test]
fn what_is_lost_elsewhere_and_what_comes_after_the_end_is_in_the_books() {
    let rig = Rig::new(Collector::start(), (Form::Http, Signal::Logs), &[]);
    let outlet = rig.pipeline.outlet();
    outlet.lost(Signal::Logs, 3);
    rig.send(0..2);
    assert_eq!(rig.close(AGES).0, Delivery { produced: 5, acknowledged: 2, lost: 3, ..Delivery::default() });
    send(&outlet, Signal::Logs, 2..6);
    let late = delivery(&outlet.reports(), Signal::Logs);
    assert_eq!(late, Delivery { produced: 9, acknowledged: 2, lost: 7, ..Delivery::default() });
}

#[test]
fn a_pipeline_that_sends_nothing_has_no_threads_and_no_reports() {
    let pipeline = Pipeline::start(&Settings::off(), &identity()).unwrap();
    let outlet = pipeline.outlet();
    assert!(Signal::ALL.into_iter().all(|signal| !outlet.sends(signal)));
    outlet.spans(vec![span(1)]);
    outlet.lost(Signal::Traces, 1);
    assert!(pipeline.runtime.is_none());
    assert_eq!(pipeline.close(MonotonicClock.now() + AGES), []);
}

#[test]
fn many_hands_at_once_are_booked_to_the_last_item() {
    let extra = [("OTEL_BSP_MAX_QUEUE_SIZE", "700")];
    let rig = Rig::new(Collector::start(), (Form::Grpc, Signal::Traces), &extra);
    let outlet = rig.pipeline.outlet();
    thread::scope(|scope| {
        for hand in 0..8 {
            let outlet = &outlet;
            scope.spawn(move || {
                for batch in 0..50 {
                    let first = (hand * 50 + batch) * 20;
                    send(outlet, Signal::Traces, first..first + 20);
                }
            });
        }
    });
    assert_eq!(rig.close(AGES).0.produced, 8_000);
}
