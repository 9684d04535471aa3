//! How fast the part of requests that may fail is used up.

use std::collections::VecDeque;

use metrics::{Bound, Metric, Operator, Statistic, Threshold, Totals};
use units::Nanos;

/// The error budget of a threshold on the part of requests that fail.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    /// The part that may fail, above 0.
    allowed: f64,
    /// What had ended at these instants of the run, of the last [`WINDOW`] and one before it.
    seen: VecDeque<(Nanos, Ended)>,
}

/// Requests that are over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ended {
    failed: u64,
    all: u64,
}

/// How a budget stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    /// The part that failed in the last [`WINDOW`], divided by the part that may: above 1 it will not last.
    pub(super) burn: f64,
    /// 1 less the part that failed since the start, divided by the part that may.
    pub(super) left: f64,
}

impl Budget {
    /// The budget that `threshold` gives; `None` for one that is not on the part of requests that fail, or allows none.
    pub(super) fn of(threshold: &Threshold) -> Option<Self> {
        let condition = &threshold.condition;
        let is_share = threshold.selector.metric == Metric::Failed && condition.statistic == Statistic::Rate;
        let is_upper = matches!(condition.operator, Operator::Below | Operator::AtMost);
        match condition.bound {
            Bound::Share(allowed) if is_share && is_upper && allowed.as_f64() > 0.0 => {
                Some(Self { allowed: allowed.as_f64(), seen: VecDeque::new() })
            }
            _ => None,
        }
    }

    /// Looks at the run at the run time `at`; not before it did last.
    pub(super) fn look(&mut self, at: Nanos, threshold: &Threshold, totals: &Totals) -> Standing {
        let requests = totals.steps(threshold.selector.steps.iter().copied()).requests;
        let failed = requests.failed_total();
        self.take(at, Ended { failed, all: requests.succeeded + failed })
    }

    fn take(&mut self, at: Nanos, now: Ended) -> Standing {
        self.seen.push_back((at, now));
        // The last one that is a whole window old is what the window begins with.
        let begin = at.saturating_sub(WINDOW);
        while self.seen.get(1).is_some_and(|(second, _)| *second <= begin) {
            self.seen.pop_front();
        }
        let before = match self.seen.front() {
            Some((first, ended)) if *first <= begin && *first < at => *ended,
            // The run is younger than the window.
            _ => Ended::default(),
        };
        let recent = Ended { failed: now.failed - before.failed, all: now.all - before.all };
        Standing { burn: recent.part() / self.allowed, left: 1.0 - now.part() / self.allowed }
    }
}

impl Ended {
    fn part(self) -> f64 {
        if self.all == 0 { 0.0 } else { self.failed as f64 / self.all as f64 }
    }
}

/// What burn is measured over.
const WINDOW: Nanos = Nanos::from_secs(60);

#[cfg(test)]
mod tests {
    use metrics::{Catalog, CatalogScenario, CatalogStep};

    use super::*;

    fn catalog() -> Catalog {
        Catalog {
            scenarios: vec![CatalogScenario { name: "browse".to_owned(), ..CatalogScenario::default() }],
            steps: vec![CatalogStep { scenario: 0, name: "list".to_owned() }],
            ..Catalog::default()
        }
    }

    fn budget(condition: &str) -> Option<Budget> {
        Budget::of(&Threshold::parse("failed", condition, &catalog()).unwrap())
    }

    #[test]
    fn only_a_part_that_may_fail_is_a_budget() {
        assert!(budget("rate < 1%").is_some() && budget("rate <= 0.1%").is_some());
        assert!(budget("rate > 1%").is_none(), "a wish for failures");
        assert!(budget("count < 5").is_none() && budget("rate <= 0%").is_none());
        let slow = Threshold::parse("response_time", "p(99) < 1s", &catalog()).unwrap();
        assert!(Budget::of(&slow).is_none());
    }

    #[test]
    fn burn_is_that_of_the_last_minute_and_what_is_left_that_of_the_whole_run() {
        let mut budget = budget("rate < 1%").unwrap();
        // 100 a second, of which 5 fail in seconds 61 to 120.
        let mut ended = Ended::default();
        let mut standings = Vec::new();
        for second in 0..=240 {
            standings.push(budget.take(Nanos::from_secs(second), ended));
            let fails = (60..120).contains(&second);
            ended = Ended { failed: ended.failed + if fails { 5 } else { 0 }, all: ended.all + 100 };
        }
        let near =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}, {expected}");
        near(standings[0].burn, 0.0);
        near(standings[0].left, 1.0);
        near(standings[60].burn, 0.0);
        near(standings[90].burn, 2.5);
        near(standings[120].burn, 5.0);
        near(standings[150].burn, 2.5);
        near(standings[180].burn, 0.0);
        near(standings[120].left, 1.0 - 2.5);
        near(standings[240].left, 1.0 - 1.25);
        assert!(budget.seen.len() <= 62);
    }

    #[test]
    fn a_run_younger_than_a_minute_burns_by_all_of_it() {
        let mut budget = budget("rate < 10%").unwrap();
        budget.take(Nanos::from_secs(1), Ended { failed: 0, all: 100 });
        let standing = budget.take(Nanos::from_secs(2), Ended { failed: 20, all: 200 });
        assert_eq!(standing, Standing { burn: 1.0, left: 0.0 });
    }
}
