//! What is reported is what the target counted, for every executor.

use api::result::ResultFile;
use plan::{ScenarioId, Slot, SlotsDigest};
use target::Target;
use units::Nanos;

use crate::harness::{LIMIT, Outcome, Place, WIDE_BOUNDS, scenario, target, wait_until};

/// Requests of warm-up and measurement together: what the target saw.
fn attempted(result: &ResultFile) -> u64 {
    result.totals.requests.attempted + result.totals.warm_up.map_or(0, |warm_up| warm_up.requests.attempted)
}

#[track_caller]
fn books_agree(outcome: &Outcome, result: &ResultFile, target: &Target) {
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(attempted(result), target.stats().arrivals);
    assert!(result.totals.iterations.balanced && result.totals.requests.balanced, "{:#?}", result.totals);
    assert_eq!(result.totals.requests.in_flight, 0);
}

#[track_caller]
fn check(name: &str, load: &str, check: impl FnOnce(&ResultFile)) {
    let place = Place::new(name);
    let target = target();
    let file = format!(
        "target: {{ url: \"{}\" }}\nverdict: {{ invalid: {WIDE_BOUNDS} }}\nscenarios:\n  it:\n{load}    steps: [{{ get: /products }}]\n",
        target.url()
    );
    place.write("s.yaml", file);
    let (outcome, result) = place.run(&["s.yaml"]);
    books_agree(&outcome, &result, &target);
    check(&result);
}

#[test]
fn a_constant_arrival_rate_sends_every_slot_of_its_plan() {
    check(
        "constant-rate",
        "    executor: constant-arrival-rate\n    rate: 200/s\n    warm_up: 500ms\n    duration: 1s\n",
        |result| {
            let warm_up = result.totals.warm_up.unwrap();
            assert_eq!(warm_up.iterations.due, 100);
            assert_eq!(result.totals.iterations.due, 200);
            assert_eq!(result.totals.iterations.started + result.totals.iterations.unsent.total(), 200);
            assert_eq!(result.scenarios[0].rate.unwrap().planned, 200);
        },
    );
}

#[test]
fn a_ramp_sends_the_area_under_it() {
    let load = "    executor: ramping-arrival-rate\n    start_rate: 0/s\n    stages:\n      - { duration: 1s, target: 200/s }\n      - { duration: 500ms, target: 200/s }\n";
    check("ramp", load, |result| assert_eq!(result.totals.iterations.due, 200));
}

#[test]
fn the_digests_of_slots_prove_which_were_sent() {
    let load = "    executor: constant-arrival-rate\n    rate: 200/s\n    warm_up: 500ms\n    duration: 1s\n";
    check("digests", load, |result| {
        let digests = &result.identity.slots_digest;
        let number = |digest: &str| u128::from_str_radix(digest, 16).unwrap();
        // Computed here from nothing but the plan: slot n is due after n × 5 ms.
        let mut planned = SlotsDigest::default();
        for n in 0..300 {
            planned.add(ScenarioId(0), Slot { n, due: Nanos::from_millis(5 * n) });
        }
        assert_eq!(number(&digests.due), planned.0);
        let classes = [&digests.started, &digests.dropped, &digests.unsent];
        let sum = classes.iter().fold(0_u128, |sum, digest| sum.wrapping_add(number(digest)));
        assert_eq!(sum, planned.0);
    });
}

#[test]
fn random_arrivals_are_the_same_for_the_same_seed() {
    let place = Place::new("poisson");
    let target = target();
    let file = scenario(&target.url(), "/products", "300/s", "500ms");
    place.write("s.yaml", file.replace("    steps:", "    arrivals: poisson\n    steps:"));
    let slots = |seed: &str| {
        let (outcome, result) = place.run(&["s.yaml", "--seed", seed]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        (result.identity.slots_digest.due.clone(), result.identity.plan_hash.clone())
    };
    let first = slots("7");
    assert_eq!(first, slots("7"));
    assert_ne!(first, slots("8"));
}

#[test]
fn constant_users_iterate_one_after_the_other() {
    let load = "    executor: constant-vus\n    vus: 4\n    duration: 500ms\n";
    check("constant-vus", load, |result| {
        assert!(result.totals.vus_max <= 4);
        assert!(result.totals.iterations.succeeded > 4);
    });
}

#[test]
fn users_come_and_go_by_stages() {
    let load = "    executor: ramping-vus\n    start_vus: 1\n    stages:\n      - { duration: 600ms, target: 5 }\n      - { duration: 600ms, target: 3 }\n";
    check("ramping-vus", load, |result| {
        // Levels are those at the end of a second.
        assert!((1..=5).contains(&result.totals.vus_max), "{}", result.totals.vus_max);
    });
}

#[test]
fn shared_iterations_are_done_exactly() {
    let load = "    executor: shared-iterations\n    vus: 7\n    iterations: 500\n";
    check("shared", load, |result| {
        assert_eq!(result.totals.iterations.started, 500);
        assert_eq!(result.totals.requests.attempted, 500);
    });
}

#[test]
fn several_scenarios_run_at_once_with_steps_checks_and_think_times() {
    let place = Place::new("several");
    let target = target();
    let file = format!(
        "target: {{ url: \"{}\" }}\nverdict: {{ invalid: {WIDE_BOUNDS} }}\nscenarios:\n  \
         shop:\n    executor: constant-arrival-rate\n    rate: 50/s\n    duration: 1s\n    steps:\n      \
         - get: /products\n        name: list\n        checks: {{ status: 200 }}\n      - think: 5ms..10ms\n      \
         - post: /orders\n        name: order\n        json: {{ sku: 17 }}\n        checks: {{ status: 200 }}\n  \
         poll:\n    executor: constant-vus\n    vus: 2\n    duration: 1s\n    steps:\n      - get: /delay/fixed?ms=20\n        name: wait\n",
        target.url()
    );
    place.write("s.yaml", file);
    let (outcome, result) = place.run(&["s.yaml"]);
    books_agree(&outcome, &result, &target);
    let stats = target.stats();
    let steps = &result.scenarios[0].steps;
    assert_eq!(steps[0].requests.attempted, stats.arrivals_on("/products"));
    assert_eq!(steps[1].requests.attempted, stats.arrivals_on("/orders"));
    assert_eq!(steps[0].checks[0].failed, 0);
    // Orders are answered by 201: the check does not hold, and without `required` the request succeeds all the same.
    assert_eq!((steps[1].checks[0].passed, steps[1].requests.failed), (0, 0));
    let waited = result.scenarios[1].steps[0].service_time_us.all.as_ref().unwrap();
    assert!(waited.min >= 20_000.0, "the target takes 20 ms, reported {}", waited.min);
}

#[test]
fn a_request_that_finds_no_server_is_a_measurement() {
    let place = Place::new("refused");
    let port = testkit::ports::closed_port();
    place.write("s.yaml", scenario(&format!("http://{}", port.address()), "/", "100/s", "300ms"));
    let (outcome, result) = place.run(&["s.yaml", "--no-preflight"]);
    outcome.expect(99);
    let (errors, sent) = (&result.totals.errors, sent_of(30, &result));
    assert_eq!(
        (errors[0].class.as_str(), errors[0].count, errors[0].own_fault),
        ("connect_refused", sent, false)
    );
    assert!(
        result.verdict.reasons.iter().any(|reason| reason == "nothing succeeded"),
        "{:?}",
        result.verdict
    );
}

#[test]
fn what_comes_back_from_hostile_servers_has_its_own_class() {
    use testkit::hostile::{Behaviour, Server};
    let place = Place::new("hostile");
    for (behaviour, class) in [
        (Behaviour::garbage(), "malformed_response"),
        (Behaviour::unanswering(), "timeout"),
        (Behaviour::close_before_response(), "connection_closed"),
        (Behaviour::reset_before_response(), "reset"),
        (Behaviour::endless_headers(), "head_too_large"),
    ] {
        let server = Server::start(behaviour);
        let file = scenario(&server.url(), "/", "20/s", "200ms") + "        timeout: 300ms\n";
        place.write("s.yaml", file);
        let (outcome, result) = place.run(&["s.yaml", "--no-preflight"]);
        assert_eq!(outcome.code, Some(99), "{class}: {}", outcome.stderr);
        let classes: Vec<&str> = result.totals.errors.iter().map(|error| error.class.as_str()).collect();
        assert_eq!(classes, [class]);
        assert_eq!(result.totals.requests.attempted, sent_of(4, &result), "{class}");
    }
}

#[test]
fn whatever_a_server_does_the_run_ends_and_its_books_balance() {
    use std::time::Duration;

    use testkit::hostile::{Behaviour, Server};
    let behaviours = [
        Behaviour::silent(),
        Behaviour::close_at_once(),
        Behaviour::reset_in_head(),
        Behaviour::reset_in_body(),
        Behaviour::huge_header(1 << 20),
        Behaviour::endless_body(),
        Behaviour::endless_chunks(),
        Behaviour::interim_flood(),
        Behaviour::drip(Duration::from_millis(1)),
        Behaviour::halves(20, Duration::from_millis(10)),
        Behaviour::early_response(),
        Behaviour::answer_unasked(),
        Behaviour::close_when_idle_after(1),
        Behaviour::reset_on_reuse_after(1),
        Behaviour::close_on_reuse_after(2),
    ];
    let runs = behaviours.map(|behaviour| {
        let place = Place::new("hostile-books");
        let server = Server::start(behaviour.clone());
        let file = scenario(&server.url(), "/", "20/s", "300ms") + "        timeout: 300ms\n";
        place.write("s.yaml", file);
        let args = ["run", "s.yaml", "--quiet", "--no-out", "--format", "json", "--no-preflight"];
        (place.start(&args), behaviour, server, place)
    });
    for (running, behaviour, _server, _place) in runs {
        let outcome = running.wait();
        assert!(matches!(outcome.code, Some(0 | 99)), "{behaviour:?}: {outcome:#?}");
        let (result, sent) = (outcome.result(), sent_of(6, &outcome.result()));
        let requests = &result.totals.requests;
        assert!(requests.balanced && result.totals.iterations.balanced, "{behaviour:?}: {requests:?}");
        assert_eq!(requests.attempted, sent, "{behaviour:?}: {requests:?}");
        assert!(result.totals.errors.iter().all(|error| !error.own_fault), "{behaviour:?}: {requests:?}");
    }
}

/// How many of `due` slots of one request each were sent: all but those that this busy machine missed.
#[track_caller]
fn sent_of(due: u64, result: &ResultFile) -> u64 {
    let iterations = &result.totals.iterations;
    assert_eq!(iterations.due, due, "{iterations:?}");
    assert_eq!(iterations.started + iterations.unsent.generator_stall, due, "{iterations:?}");
    assert!(iterations.started > 0, "{iterations:?}");
    iterations.started
}

#[test]
fn a_stall_of_the_target_is_told_by_everyone_who_was_due_in_it() {
    let place = Place::new("stall");
    let target = target();
    let file = scenario(&target.url(), "/products", "200/s", "2s")
        .replace("    steps:", "    max_vus: 5\n    steps:");
    place.write("s.yaml", file);
    let running = place.start(&["run", "s.yaml", "--quiet", "--no-out", "--format", "json"]);
    assert!(wait_until(LIMIT, || target.stats().arrivals >= 100));
    target.stall(Nanos::from_millis(500)).unwrap();
    let outcome = running.wait();
    let result = outcome.result();
    books_agree(&outcome, &result, &target);
    // Of 400 requests 100 were due in the stall, the k-th of them 5·k ms into it: a tenth of all waited longer than
    // 300 ms. Only five users were there to send one, so service times hardly show it.
    let times = &result.scenarios[0].steps[0];
    let (response, service) =
        (times.response_time_us.all.as_ref().unwrap(), times.service_time_us.all.as_ref().unwrap());
    assert!(response.p90 >= 290_000.0, "{response:?}");
    assert!(service.p90 < response.p90, "{service:?}");
    assert!(response.max >= 490_000.0 && service.max >= 490_000.0);
}
