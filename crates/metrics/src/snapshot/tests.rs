use proptest::prelude::*;

use super::*;
use crate::fixture::{Event, catalog, events, layout, recorded};

fn event_lists() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(events(), 0..25)
}

fn merged(snapshots: &[&Snapshot]) -> Snapshot {
    let mut sum = snapshots[0].clone();
    for snapshot in &snapshots[1..] {
        sum.merge(snapshot).unwrap();
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merging_is_the_same_in_any_order_and_grouping(a in event_lists(), b in event_lists(), c in event_lists()) {
        let layout = layout();
        let (a, b, c) = (recorded(&layout, 0, 4, &a), recorded(&layout, 1, 4, &b), recorded(&layout, 0, 9, &c));
        let expected = merged(&[&a, &b, &c]);
        prop_assert_eq!((expected.first, expected.last), (4, 9));
        prop_assert_eq!(&merged(&[&c, &b, &a]), &expected);
        prop_assert_eq!(&merged(&[&b, &c, &a]), &expected);
        prop_assert_eq!(&merged(&[&a, &merged(&[&b, &c])]), &expected);
    }

    #[test]
    fn merging_is_recording_in_one(a in event_lists(), b in event_lists()) {
        let layout = layout();
        let together = recorded(&layout, 0, 0, &[a.clone(), b.clone()].concat());
        prop_assert_eq!(merged(&[&recorded(&layout, 0, 0, &a), &recorded(&layout, 0, 0, &b)]), together);
    }

    #[test]
    fn a_snapshot_survives_json(list in event_lists()) {
        let snapshot = recorded(&layout(), 0, 7, &list);
        let json = serde_json::to_string(&snapshot).unwrap();
        prop_assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), snapshot);
    }

    #[test]
    fn ledgers_of_recorded_events_balance(list in event_lists()) {
        let snapshot = recorded(&layout(), 0, 0, &list);
        for scenario in snapshot.scenarios.values() {
            prop_assert_eq!(scenario.iterations.check_closed(), Ok(()));
            prop_assert_eq!(scenario.warm_up_iterations.check_closed(), Ok(()));
            prop_assert_eq!(scenario.warm_up_requests.check_closed(), Ok(()));
        }
        for step in snapshot.steps.values() {
            prop_assert_eq!(step.requests.check_closed(), Ok(()));
        }
    }
}

#[test]
fn snapshots_of_another_layout_are_refused() {
    let mut other = catalog();
    other.steps[0].name.push('x');
    let mut mine = recorded(&layout(), 0, 0, &[]);
    let theirs = recorded(&std::sync::Arc::new(Layout::new(other)), 0, 0, &[]);
    let error = mine.merge(&theirs).unwrap_err();
    assert_eq!(error, ShapeMismatch { expected: mine.shape_hash, found: theirs.shape_hash });
    assert_ne!(error.expected, error.found);
}
