use metrics::{
    ErrorClass, Histogram, Moments, Outcomes, ScenarioTime, SparseHistogram, StepTime, TimeStats, Timeline,
    Totals,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::tests::messages::{Event, events, layout, recorded};

fn travelled(snapshot: &Snapshot) -> Snapshot {
    decode(&encode(snapshot).unwrap()).unwrap()
}

/// Every time of a run, in every view.
fn times(totals: &Totals) -> Vec<TimeStats> {
    let views = [Outcomes::Both, Outcomes::Succeeded, Outcomes::Failed];
    let steps =
        StepTime::ALL.into_iter().flat_map(|time| views.map(|view| totals.all_step_times(time, view)));
    let scenarios = ScenarioTime::ALL
        .into_iter()
        .flat_map(|time| views.map(|view| totals.all_scenario_times(time, view)));
    steps.chain(scenarios).collect()
}

const QUANTILES: [f64; 9] = [0.0, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of a cluster: each list is what one worker's thread saw in one interval.
    #[test]
    fn percentiles_of_what_came_over_the_wire_are_those_of_one_recorder_that_saw_all(
        parts in vec(vec(events(), 0..25), 1..7),
        order in any::<prop::sample::Index>(),
        joined in any::<bool>(),
    ) {
        let layout = layout();
        let all: Vec<Event> = parts.iter().flatten().cloned().collect();
        let mut alone = Totals::new(&layout);
        alone.add(&recorded(&layout, 0, 0, &all)).unwrap();

        let mut parts: Vec<_> = parts.iter().map(|list| recorded(&layout, 0, 0, list)).collect();
        if joined && parts.len() > 2 {
            // A worker adds its threads up before it sends.
            let last = parts.pop().unwrap();
            parts[0].merge(&last).unwrap();
        }
        let mut sent: Vec<_> = (0_u32..).zip(parts.iter().map(travelled)).collect();
        prop_assert!(sent.iter().zip(&parts).all(|((_, there), here)| there == here));
        let (middle, len) = (order.index(sent.len()), sent.len());
        sent.rotate_left(middle);
        sent[..len / 2].reverse();
        let mut merged = Totals::new(&layout);
        for (worker, snapshot) in &sent {
            merged.add_from(*worker, snapshot).unwrap();
        }
        for (found, expected) in times(&merged).iter().zip(&times(&alone)) {
            prop_assert_eq!(found, expected);
            for quantile in QUANTILES {
                prop_assert_eq!(found.quantile(quantile), expected.quantile(quantile));
            }
            prop_assert_eq!((found.mean(), found.to_base64()), (expected.mean(), expected.to_base64()));
        }
        prop_assert_eq!(merged.all_steps(), alone.all_steps());
        prop_assert_eq!(merged.all_scenarios(), alone.all_scenarios());
        prop_assert_eq!(merged.activity().len(), sent.len(), "one thread 0 of each worker");
    }

    #[test]
    fn a_damaged_snapshot_is_refused_or_adds_up_without_panic(
        list in vec(events(), 1..10),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let layout = layout();
        let mut bytes = encode(&recorded(&layout, 0, 3, &list)).unwrap();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(snapshot) = decode(&bytes) {
            prop_assert_eq!(&travelled(&snapshot), &snapshot);
            let (mut totals, mut timeline) = (Totals::new(&layout), Timeline::new(&layout));
            prop_assert_eq!(totals.add(&snapshot), timeline.add(&snapshot));
            let _ = (times(&totals), totals.broken_ledgers(), timeline.intervals().count());
        }
    }
}

#[test]
fn an_ordinary_snapshot_is_small() {
    let events: Vec<_> = (0..10_000)
        .map(|n: u64| Event::Request {
            step: (n % 3) as usize,
            time: 800_000 + n * n % 3_000_000,
            outcome: metrics::Outcome::Succeeded,
            status: 200,
            period: metrics::Period::Measured,
        })
        .collect();
    let bytes = encode(&recorded(&layout(), 0, 3, &events)).unwrap();
    assert!(bytes.len() < 24 << 10, "{} bytes for 10,000 requests of three steps", bytes.len());
}

/// A snapshot of the most histograms a run can have, each of `buckets` used ones.
fn full(buckets: u32) -> Snapshot {
    let counts: Vec<_> = (0..buckets).map(|place| (10_000 + place, 200)).collect();
    let moments = Moments { count: u64::from(buckets) * 200, ..Moments::default() };
    let histogram = SparseHistogram::from_parts(moments, counts).unwrap();
    let histograms = (0..Layout::MAX_HISTOGRAMS as u32).map(|series| (series, histogram.clone())).collect();
    Snapshot { histograms, ..recorded(&layout(), 0, 0, &[]) }
}

#[test]
fn a_snapshot_of_a_thousand_series_fits_and_one_too_large_is_refused_before_it_is_sent() {
    let fits = full(400);
    assert_eq!(travelled(&fits), fits);
    let error = encode(&full(500)).unwrap_err();
    assert_eq!((error.message, error.field), ("Fact", "measured"));
    assert!(error.why.ends_with("at most 8126464 can be sent"), "{error}");
}

#[test]
fn lists_without_end_are_refused_before_they_are_unpacked() {
    for (number, name, most) in LISTS {
        let entry = [(number << 3 | 2) as u8, 0];
        let error = screen(&entry.repeat(most + 1)).unwrap_err();
        assert_eq!(error.field, name);
        assert_eq!(screen(&entry.repeat(most)), Ok(()));
    }
    // Unpacking would meet what is wrong inside of the first entry.
    let error = decode(&[0x22, 1, 0xff].repeat(501)).unwrap_err();
    assert_eq!(error.to_string(), "`steps` of `Snapshot` is 501 entries; it may be 0 to 500");
    assert!(screen(&vec![0; MAX_SNAPSHOT_BYTES + 1]).is_err());
}

#[test]
fn what_no_recorder_makes_is_refused() {
    let snapshot = recorded(
        &layout(),
        0,
        3,
        &[Event::Request {
            step: 0,
            time: 5_000_000,
            outcome: metrics::Outcome::Failed(ErrorClass::Status),
            status: 503,
            period: metrics::Period::Measured,
        }],
    );
    let wrong = |change: fn(&mut proto::Snapshot)| {
        let mut message = proto::Snapshot::from(&snapshot);
        change(&mut message);
        Snapshot::try_from(message).unwrap_err().to_string()
    };
    let twice = |message: &mut proto::Snapshot| message.steps.push(message.steps[0].clone());
    assert!(wrong(twice).starts_with("`steps` of `Snapshot` are not in order: 0 comes after"));
    assert!(wrong(|message| message.first = 4).contains("covers the intervals 4 to 3"));
    assert!(wrong(|message| message.activity[0].thread = 1_024).contains("thread 1024"));
    assert!(
        wrong(|message| message.activity[0].wall_nanos = u64::MAX).starts_with("`wall_nanos` of `Activity`")
    );
    assert!(
        wrong(|message| message.steps[0].requests = None)
            .starts_with("`requests` of `StepCounts` is missing")
    );
    assert!(wrong(|message| message.steps[0].sent_bytes = u64::MAX).contains("above 2^63"));
    assert!(wrong(|message| message.steps[0].statuses[0] = 70_000).starts_with("`statuses` of `StepCounts`"));
    assert!(
        wrong(|message| message.steps[0].statuses.clear()).starts_with("`status_counts` of `StepCounts`")
    );
    let classes = |message: &mut proto::Snapshot| {
        message.steps[0].requests.as_mut().unwrap().failed = vec![0; ErrorClass::COUNT + 1];
    };
    assert!(wrong(classes).starts_with("`failed` of `RequestLedger`"));
    assert!(wrong(|message| message.histograms[0].count += 1).contains("the buckets hold 1 values"));
    assert!(wrong(|message| message.histograms[0].gaps.clear()).starts_with("`counts` of `Histogram`"));
    let beyond = |message: &mut proto::Snapshot| {
        message.histograms[0].gaps = vec![u32::MAX, 1];
        message.histograms[0].counts = vec![1, 1];
    };
    assert!(wrong(beyond).starts_with("`gaps` of `Histogram` lead beyond"));
}

/// The published list is the order of the classes: new ones come last.
#[test]
fn numbers_of_error_classes_are_published() {
    let published = include_str!("../../../../../api/proto/loadgen/v1/snapshot.proto").replace("\n  //", "");
    let names: Vec<_> = ErrorClass::ALL.iter().map(|class| class.name()).collect();
    let list = format!("In order: {}.\n", names.join(", "));
    assert!(published.contains(&list), "{list}");
}

#[test]
fn an_empty_histogram_survives_too() {
    let mut snapshot = recorded(&layout(), 0, 0, &[]);
    snapshot.histograms.insert(3, SparseHistogram::default());
    assert_eq!(travelled(&snapshot), snapshot);
    let empty = Histogram::new(metrics::Shape::FINE);
    assert_eq!(travelled(&snapshot).histograms[&3].moments(), empty.moments());
}
