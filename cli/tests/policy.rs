//! The policy file of a machine holds for whoever makes load on it.

use crate::harness::{BINARY, Outcome, Place, Running, scenario, target};

/// Runs `loadgen` under the policy `policy`.
fn under(place: &Place, policy: &str, args: &[&str]) -> Outcome {
    place.write("policy.yaml", policy);
    let mut command = place.command(BINARY);
    command.args(args).env("LOADGEN_POLICY", "policy.yaml").env("SHOP_TOKEN", "s3cret");
    Running::of(command).wait()
}

#[test]
fn a_run_outside_of_the_policy_file_is_refused_with_the_file_and_the_key() {
    let place = Place::new("policy-refused");
    let refused = |policy: &str, args: &[&str], needles: &[&str]| {
        let outcome = under(&place, policy, args).expect(116);
        for needle in [needles, &["policy.yaml"]].concat() {
            assert!(outcome.stderr.contains(needle), "{needle}: {}", outcome.stderr);
        }
    };
    let target = target();
    let here = format!("http://{}", target.address());
    place.write("elsewhere.yaml", scenario("http://198.51.100.7", "/", "5/s", "1s"));
    place.write("here.yaml", scenario(&here, "/", "50/s", "1s"));
    let run = |file| ["run", file, "--no-out"];
    refused("allow_targets: []", &run("elsewhere.yaml"), &["198.51.100.7", "allow_targets"]);
    refused("max_rate: 49/s", &run("here.yaml"), &["50.0/s", "49/s", "max_rate"]);
    refused("max_rate: 49/s", &["http", &here, "--no-out", "-n", "1"], &["max_rate", "arrival rate"]);
    let over_workers = ["run", "here.yaml", "--no-out", "--workers", "2"];
    refused("max_rate: 49/s", &over_workers, &["50.0/s", "49/s", "max_rate"]);
    assert_eq!(target.stats().arrivals, 0, "nothing was sent");
    let allowed = "allow_targets: ['192.0.2.0/24']\nmax_rate: 50/s\nallow_secrets: []\n";
    under(&place, allowed, &["run", "here.yaml", "--no-out", "--quiet"]).expect_load();
}

#[test]
fn a_policy_file_that_is_named_and_missing_or_wrong_allows_nothing() {
    let place = Place::new("policy-wrong");
    let outcome = under(&place, "max_rat: 5/s\n", &["http", "demo://", "-n", "1"]).expect(104);
    assert!(
        outcome.stderr.contains("policy.yaml:1:1") && outcome.stderr.contains("`max_rate`"),
        "{}",
        outcome.stderr
    );
    let mut command = place.command(BINARY);
    command.args(["http", "demo://", "-n", "1"]).env("LOADGEN_POLICY", "nowhere.yaml");
    let outcome = Running::of(command).wait().expect(104);
    assert!(outcome.stderr.contains("`nowhere.yaml`"), "{}", outcome.stderr);
}

#[test]
fn the_users_own_policy_file_is_found_without_being_named() {
    let place = Place::new("policy-found");
    let folder = place.join("config/loadgen");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("policy.yaml"), "max_rate: 5/s\n").unwrap();
    let mut command = place.command(BINARY);
    command
        .args(["http", "demo://", "-r", "6/s", "-d", "1s", "--no-out"])
        .env("XDG_CONFIG_HOME", place.join("config"));
    let outcome = Running::of(command).wait().expect(116);
    assert!(outcome.stderr.contains("config/loadgen/policy.yaml"), "{}", outcome.stderr);
}

#[test]
fn workers_of_a_run_hand_out_the_secrets_it_uses_and_never_our_own() {
    let place = Place::new("policy-secrets");
    let target = target();
    let with = |secret: &str| {
        let file = scenario(&format!("http://{}", target.address()), "/", "20/s", "1s");
        file + &format!("        headers: {{ x: \"${{secret.{secret}}}\" }}\n")
    };
    let run = ["run", "s.yaml", "--no-out", "--quiet", "--workers", "2"];
    place.write("s.yaml", with("SHOP_TOKEN"));
    under(&place, "{}", &run).expect_load();
    let outcome = under(&place, "allow_secrets: []", &run).expect(116);
    assert!(
        outcome.stderr.contains("`SHOP_TOKEN`") && outcome.stderr.contains("allow_secrets"),
        "{}",
        outcome.stderr
    );
    place.write("s.yaml", with("LOADGEN_POLICY"));
    for run in [&run[..], &run[..4]] {
        let outcome = under(&place, "{}", run).expect(116);
        assert!(outcome.stderr.contains("`LOADGEN_POLICY`"), "{}", outcome.stderr);
    }
}
