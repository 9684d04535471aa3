//! A controller, workers and `run --controller`, each a process of its own.

use std::os::unix::fs::PermissionsExt;

use super::{Cluster, Link};
use crate::harness::{scenario, target};

fn a_run_over_three(name: &str, link: Link) {
    let cluster = Cluster::start(name, link, &[]).with_workers(3);
    let target = target();
    cluster.place.write("s.yaml", scenario(&target.url(), "/", "300/s", "2s"));
    let (outcome, result) = cluster.run("s.yaml", &["--expect-workers", "3"]);
    let outcome = outcome.expect_load();
    assert_eq!(result.workers.len(), 3, "{:#?}", result.workers);
    assert_eq!(result.totals.iterations.due, 600);
    assert!(result.totals.iterations.balanced && result.totals.requests.balanced, "{:#?}", result.totals);
    assert_eq!(result.totals.requests.attempted, target.stats().arrivals);
    // One run ID: on the lines of who submitted, in the result, and with the controller.
    let run = &result.identity.run_id;
    assert!(outcome.stderr.contains(&format!("[{}] load started", &run[28..])), "{}", outcome.stderr);
    let status = cluster.ask(&["status", run]).expect(0);
    assert!(status.stdout.contains("sealed") && status.stdout.contains("exit code"), "{}", status.stdout);
}

#[test]
fn three_workers_over_tls_make_one_result() {
    a_run_over_three("cluster-tls", Link::Tls);
}

#[test]
fn three_workers_without_encryption_make_one_result() {
    a_run_over_three("cluster-plain", Link::Insecure);
}

#[test]
fn files_that_the_scenario_names_travel_by_their_content() {
    let cluster = Cluster::start("cluster-files", Link::Tls, &[]).with_workers(1);
    let authority = testkit::tls::Authority::new();
    cluster.place.write("ca.pem", authority.pem());
    let target = target();
    let file = scenario(&target.url(), "/", "20/s", "500ms");
    let file = file.replace("target: { url", "target: { tls: { ca: ca.pem }, url");
    cluster.place.write("s.yaml", file);
    let (outcome, result) = cluster.run("s.yaml", &[]);
    outcome.expect_load();
    assert_eq!(result.totals.requests.succeeded, target.stats().arrivals);
    assert_ne!(result.totals.requests.succeeded, 0);
}

#[test]
fn a_run_that_is_left_to_itself_is_found_again_and_the_same_key_is_the_same_run() {
    let cluster = Cluster::start("cluster-detach", Link::Tls, &[]).with_workers(1);
    let target = target();
    cluster.place.write("s.yaml", scenario(&target.url(), "/", "50/s", "1s"));
    let submit = ["run", "s.yaml", "--detach", "--idempotency-key", "k1"];
    let run = cluster.ask(&submit).expect(0).stdout.trim().to_owned();
    assert_eq!(cluster.ask(&submit).expect(0).stdout.trim(), run);
    let (outcome, result) = cluster.run("s.yaml", &["--idempotency-key", "k1"]);
    outcome.expect_load();
    assert_eq!(result.identity.run_id, run);
    assert_eq!(target.stats().arrivals, result.totals.requests.attempted, "there was one run");
    let other = ["run", "s.yaml", "--detach", "--idempotency-key", "k1", "--rate", "60/s"];
    assert!(cluster.ask(&other).expect(104).stderr.contains("idempotency key"));
}

#[test]
fn everything_that_a_controller_keeps_is_its_owners_alone() {
    let cluster = Cluster::start("cluster-modes", Link::Tls, &[]).with_workers(1);
    let mode = |name: &str| std::fs::metadata(cluster.path(name)).unwrap().permissions().mode() & 0o777;
    for folder in ["state", "state-w1"] {
        assert_eq!(mode(folder), 0o700, "{folder}");
        for entry in std::fs::read_dir(cluster.path(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert_eq!(mode(&format!("{folder}/{name}")), 0o600, "{folder}/{name}");
        }
    }
}

#[test]
fn the_manifest_of_a_run_on_a_controller_names_it_and_the_token() {
    let cluster = Cluster::start("cluster-manifest", Link::Tls, &[]).with_workers(1);
    let target = target();
    cluster.place.write("s.yaml", scenario(&target.url(), "/", "50/s", "300ms"));
    cluster.ask(&["run", "s.yaml", "--quiet", "--out", "r.json"]).expect_load();
    let manifest = std::fs::read_to_string(cluster.path("r.run.json")).unwrap();
    let manifest: api::manifest::RunManifest = serde_json::from_str(&manifest).unwrap();
    let by = &manifest.started_by;
    assert_eq!(by.controller.as_deref(), Some(&*cluster.api));
    let tokens = cluster.place.loadgen(&["controller", "token", "list", "--state", "state"]).expect(0);
    assert!(tokens.stdout.contains(by.token.as_deref().unwrap()), "{by:?}: {}", tokens.stdout);
    assert_eq!(manifest.workers[0].name, "w1");
    assert_eq!(manifest.workload.file.as_deref(), Some("s.yaml"));
}
