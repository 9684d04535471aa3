//! `loadgen http URL`: one line, the same engine and result.

use crate::harness::{Place, target};

#[test]
fn a_rate_makes_it_open() {
    let place = Place::new("http-open");
    let target = target();
    let url = format!("{}/products", target.url());
    let outcome =
        place.loadgen(&["http", &url, "-r", "100/s", "-d", "500ms", "--no-out", "--format", "json"]);
    let result = outcome.result();
    outcome.expect_load();
    assert_eq!(result.scenarios[0].executor, "constant-arrival-rate");
    assert_eq!(result.totals.requests.attempted, 50);
    assert_eq!(target.stats().arrivals_on("/products"), 50);
}

#[test]
fn without_a_rate_users_send_as_fast_as_they_are_answered() {
    let place = Place::new("http-closed");
    let target = target();
    let url = format!("{}/products", target.url());
    let outcome = place.loadgen(&["http", &url, "-c", "4", "-n", "1k", "--no-out", "--format", "json"]);
    let result = outcome.result();
    outcome.expect_load();
    assert_eq!(result.totals.requests.attempted, 1_000);
    assert_eq!(target.stats().arrivals_on("/products"), 1_000);
    assert!(result.totals.connections.open_max <= 4 && target.stats().connections_accepted <= 5);
}

#[test]
fn method_headers_and_body_arrive_as_they_were_given() {
    let place = Place::new("http-body");
    let target = target();
    place.write("order.json", "{\"sku\":17}");
    let url = format!("{}/orders", target.url());
    for body in ["{\"sku\":17}", "@order.json"] {
        let outcome = place.loadgen(&[
            "http",
            &url,
            "-n",
            "3",
            "-c",
            "1",
            "-X",
            "POST",
            "-H",
            "Content-Type: application/json",
            "--body",
            body,
            "--no-out",
            "--format",
            "json",
        ]);
        let result = outcome.result();
        outcome.expect_load();
        assert_eq!(
            result.totals.statuses.iter().map(|s| (s.status, s.count)).collect::<Vec<_>>(),
            [(201, 3)]
        );
    }
    assert_eq!(target.stats().count("/orders", 201), 6);
    let missing =
        place.loadgen(&["http", &url, "-n", "1", "--body", "@missing.json", "--no-out"]).expect(104);
    assert!(missing.stderr.contains("missing.json"), "{}", missing.stderr);
}

#[test]
fn the_built_in_target_needs_nothing_else() {
    let place = Place::new("http-demo");
    let outcome = place.loadgen(&["http", "demo://", "-n", "100", "-c", "2", "--format", "json", "--no-out"]);
    let result = outcome.result();
    outcome.expect_load();
    assert!(result.target.in_process);
    assert_eq!(result.totals.requests.succeeded, 100);
}
