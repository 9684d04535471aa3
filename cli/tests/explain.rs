//! A threshold that is not met says what contributed most to it.

use api::result::Explanation;

use crate::harness::{Place, WIDE_BOUNDS, target};

/// A scenario of a step that answers at once and one that takes 300 ms, with one threshold.
fn two_steps(url: &str, threshold: &str) -> String {
    format!(
        "name: test\n\
         target: {{ url: \"{url}\" }}\n\
         verdict: {{ invalid: {WIDE_BOUNDS} }}\n\
         scenarios:\n  \
           shop:\n    \
             executor: constant-arrival-rate\n    \
             rate: 40/s\n    \
             duration: 2s\n    \
             steps:\n      \
               - {{ get: /, name: list }}\n      \
               - {{ get: /delay/fixed?ms=300, name: pay }}\n      \
               - {{ get: /status/503, name: thank }}\n\
         thresholds: {{ {threshold} }}\n"
    )
}

/// The explanation of the one threshold of a run by two workers, which was not met.
fn explanation(place: &str, threshold: &str) -> Explanation {
    let place = Place::new(place);
    let target = target();
    place.write("s.yaml", two_steps(&target.url(), threshold));
    let (outcome, result) = place.run(&["s.yaml", "--workers", "2"]);
    assert!(!result.thresholds[0].passed, "{outcome:#?}");
    result.thresholds[0].explanation.clone().unwrap_or_else(|| panic!("it is explained: {outcome:#?}"))
}

#[test]
fn a_slow_step_is_named_with_its_phase_and_its_time() {
    let found = explanation("explain-slow", "response_time: [\"p(95) < 200ms\"]");
    assert_eq!((found.scenario.as_str(), found.step.as_str()), ("shop", "pay"));
    assert_eq!(found.phase.as_deref(), Some("first_byte"));
    assert!(found.step_share > 0.5 && found.worker_share >= 0.5, "{found:?}");
    // Requests of the last second may end in the next one, and on a busy machine a little later.
    assert!(found.from_ms < found.to_ms && found.from_ms <= 1_000.0 && found.span_share >= 0.9, "{found:?}");
}

#[test]
fn a_rate_of_failures_is_named_by_its_step_and_class() {
    let found = explanation("explain-failed", "failed: [\"rate < 1%\"]");
    assert_eq!((found.step.as_str(), found.phase.as_deref()), ("thank", Some("status")));
}

#[test]
fn the_summary_says_it_below_the_threshold() {
    let place = Place::new("explain-summary");
    let target = target();
    place.write(
        "s.yaml",
        two_steps(&target.url(), "failed: [\"rate < 1%\"], response_time: [\"p(95) < 60s\"]"),
    );
    let outcome = place.loadgen(&["run", "s.yaml", "--no-out"]);
    let text: Vec<&str> = outcome.stderr.lines().map(str::trim).collect();
    let threshold = text.iter().position(|line| line.contains("rate < 1%")).unwrap();
    let below = text[threshold + 1..threshold + 3].join(" ");
    assert!(below.starts_with("`shop/thank` has "), "{outcome:#?}");
    assert!(below.contains("100% are `status`"), "{outcome:#?}");
    // One that is met has nothing to be explained.
    assert_eq!(outcome.stderr.matches("`shop/").count(), 1, "{outcome:#?}");
}
