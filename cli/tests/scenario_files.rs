//! Every file in `scenarios/` does what it is there to show.

use std::fs;
use std::path::PathBuf;

use crate::harness::{Place, repository};

fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join("scenarios")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

#[test]
fn every_committed_scenario_runs_as_it_is() {
    let place = Place::new("scenarios");
    let start = |file: PathBuf| {
        // How late this machine is while it runs all of them at once is not what is tested.
        let bounds = [
            "--set",
            "verdict.invalid.dispatch_lag_p99=10s",
            "--set",
            "verdict.invalid.generator_stall=100%",
        ];
        let args = ["run", file.to_str().unwrap(), "--quiet", "--no-out", "--format", "json"];
        let running = place.start(&[&args[..], &bounds].concat());
        (file, running)
    };
    let all: Vec<_> = files().into_iter().map(start).collect();
    assert!(all.len() >= 5, "{}", all.len());
    for (file, running) in all {
        let outcome = running.wait();
        let result = outcome.result();
        let file = file.display();
        assert!(matches!(outcome.code, Some(0 | 99)), "{file}: {}", outcome.stderr);
        let totals = &result.totals;
        let late = totals.errors.iter().filter(|error| error.class == "timeout").map(|error| error.count);
        assert!(
            totals.requests.succeeded > 0 && totals.requests.failed == late.sum::<u64>(),
            "{file}: {:?}",
            totals.errors
        );
        assert!(totals.requests.balanced && totals.iterations.balanced, "{file}: {totals:?}");
        let slow = |metric: &str| {
            ["response_time", "checks", "failed"].iter().any(|of_speed| metric.starts_with(of_speed))
        };
        for threshold in result.thresholds.iter().filter(|threshold| !slow(&threshold.metric)) {
            assert!(threshold.passed, "{file}: {threshold:?}");
        }
    }
}

#[test]
fn every_committed_scenario_is_valid_without_a_warning_and_has_its_own_digest() {
    let place = Place::new("scenarios-valid");
    let mut digests = std::collections::BTreeSet::new();
    let files = files();
    for file in &files {
        let path = file.to_str().unwrap();
        let valid = place.loadgen(&["validate", path]).expect(0);
        assert_eq!(valid.stderr, format!("{path}: valid\n"));
        let plan = place.loadgen(&["plan", path, "--format", "json"]).expect(0).stdout;
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        digests.insert(plan["scenario_digest"].as_str().unwrap().to_owned());
    }
    assert_eq!(digests.len(), files.len());
}
