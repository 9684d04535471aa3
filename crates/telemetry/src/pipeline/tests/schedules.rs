//! Receivers that misbehave at random instants, each schedule from its seed.

use std::ops::Range;

use super::*;

/// Sends all signals while the receiver rages, and closes in the middle of it.
fn hold(seeds: Range<u64>) {
    let mut sums = Delivery::default();
    for seed in seeds {
        let collector = Collector::start();
        collector.rage(seed, Duration::from_millis(8));
        let form = if seed.is_multiple_of(2) { Form::Grpc } else { Form::Http };
        let url = if form == Form::Grpc { collector.grpc_url() } else { collector.http_url() };
        let mut variables = variables(&url, form);
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "15"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "60"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16"),
            ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "16"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        let pipeline = Pipeline::start_with(&settings(&variables), &identity(), HASTE).unwrap();
        let outlet = pipeline.outlet();
        for round in 0..12 {
            for signal in Signal::ALL {
                send(&outlet, signal, round * 10..round * 10 + 10);
            }
            collector.pause(Duration::from_millis(3));
        }
        // One close in three has next to no time.
        let budget = Nanos::from_millis(if seed.is_multiple_of(3) { 5 } else { 60 });
        let reports = in_time(move || pipeline.close(MonotonicClock.now() + budget));
        for signal in Signal::ALL {
            let delivery = delivery(&reports, signal);
            assert_eq!(delivery.produced, 120, "seed {seed}");
            check(delivery, collector.taken(kind(signal)), &format!("seed {seed}, {signal:?}"));
            sums.merge(&delivery);
        }
    }
    // Schedules in which something never happens would test nothing.
    let parts = [sums.acknowledged, sums.rejected, sums.lost, sums.unknown, sums.retried];
    assert!(parts.iter().all(|part| *part > 0), "{sums:?}");
}

#[test]
fn whatever_a_receiver_does_every_item_is_in_one_place_and_the_place_is_true() {
    hold(0..100);
}

/// What CI runs.
mod bounded {
    #[test]
    #[ignore = "a minute"]
    fn two_thousand_schedules_hold() {
        super::hold(1_000..3_000);
    }
}
