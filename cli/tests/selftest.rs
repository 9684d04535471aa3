//! `loadgen selftest` measures what is known.

use crate::harness::Place;

#[test]
fn a_signal_ends_a_selftest_at_once() {
    let place = Place::new("selftest-stop");
    let mut running = place.start(&["selftest", "--quick"]);
    running.wait_for_stderr("fixed delay");
    running.signal(rustix::process::Signal::INT);
    running.wait().expect(105);
}

mod bounded {
    use super::*;

    #[test]
    #[ignore = "ten seconds of experiments"]
    fn a_quick_selftest_counts_exactly_and_shows_its_errors() {
        let place = Place::new("selftest");
        let outcome = place.loadgen(&["selftest", "--quick"]);
        // How late this machine is while it does other things is not what is tested.
        assert!(matches!(outcome.code, Some(0 | 113)), "{}", outcome.stderr);
        for experiment in
            ["fixed delay of 5ms", "exponential delay, mean 5ms", "stall of 500ms", "ramp from 0/s to 1000/s"]
        {
            assert!(outcome.stdout.contains(experiment), "{}", outcome.stdout);
        }
        for exact in ["✓ slots due", "✓ counted by the target"] {
            assert_eq!(outcome.stdout.matches(exact).count(), 4, "{}", outcome.stdout);
        }
        assert!(!place.join("loadgen-results").exists());
    }
}
