//! Whatever is wrong with what the command line names: exit code 104, a sentence that says how to mend it, and nothing
//! left behind.

use std::process::Command;

use crate::harness::{BINARY, Place, Running, scenario, target};

#[track_caller]
fn refused(place: &Place, args: &[&str], says: &[&str]) {
    let outcome = place.loadgen(args).expect(104);
    for text in says {
        assert!(outcome.stderr.contains(text), "`{text}` is not in:\n{}", outcome.stderr);
    }
    assert!(
        !place.join("loadgen-results").exists()
            || std::fs::read_dir(place.join("loadgen-results")).unwrap().next().is_none()
    );
}

#[test]
fn files_that_are_no_scenario() {
    let place = Place::new("files");
    refused(
        &place,
        &["run", "missing.yaml"],
        &["cannot read the scenario file `missing.yaml`", "loadgen new"],
    );
    refused(&place, &["run", "."], &["cannot read"]);
    for (name, content) in [
        ("empty.yaml", Vec::new()),
        ("latin1.yaml", b"name: caf\xe9\n".to_vec()),
        ("binary.yaml", vec![0; 4_096]),
        ("list.yaml", b"- a\n- b\n".to_vec()),
        ("open.yaml", b"name: \"x\n".to_vec()),
    ] {
        place.write(name, content);
        refused(&place, &["run", name], &[name]);
        refused(&place, &["validate", name], &[name]);
    }
}

#[test]
fn a_huge_file_and_an_endless_one_are_refused_quickly() {
    let place = Place::new("huge");
    place.write("huge.yaml", vec![b'#'; 50 << 20]);
    refused(&place, &["run", "huge.yaml"], &["more than 10485760 bytes"]);
    refused(&place, &["run", "/dev/zero"], &["more than 10485760 bytes"]);
}

#[test]
fn a_pipe_is_read_to_its_end_but_not_waited_for_forever() {
    let place = Place::new("fifo");
    place.write("s.yaml", scenario("http://127.0.0.1:1", "/", "1/s", "1s"));
    let mut command = place.command("/bin/sh");
    command.args(["-c", &format!("cat s.yaml | '{BINARY}' validate /dev/stdin")]);
    Running::of(command).wait().expect(0);
    assert!(Command::new("mkfifo").arg(place.join("pipe")).status().unwrap().success());
    refused(&place, &["run", "pipe"], &["`pipe`", "is something writing"]);
}

#[test]
fn a_yaml_bomb_is_refused_and_does_not_go_off() {
    let place = Place::new("bomb");
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in
        ["b", "c", "d", "e", "f", "g", "h", "i"].iter().zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(", ")));
    }
    place.write("bomb.yaml", bomb);
    refused(&place, &["validate", "bomb.yaml"], &[]);
}

#[test]
fn every_problem_is_told_at_once_with_its_place_and_its_cure() {
    let place = Place::new("problems");
    let file = "name: x\nscenarios:\n  browse:\n    executor: constant-arrivalrate\n    rate: 200\n    duration: -5s\n    stepz: []\n";
    place.write("s.yaml", file);
    refused(&place, &["run", "s.yaml"], &["s.yaml:4:15", "constant-arrival-rate", "target"]);
}

#[test]
fn an_undefined_variable_is_told_by_its_name() {
    let place = Place::new("variable");
    place.write("s.yaml", scenario("${env.NOWHERE_TO_BE_FOUND}", "/", "1/s", "1s"));
    refused(&place, &["run", "s.yaml"], &["NOWHERE_TO_BE_FOUND"]);
    let target = target();
    let given = format!("NOWHERE_TO_BE_FOUND={}", target.url());
    place.loadgen(&["validate", "s.yaml", "-e", &given]).expect(0);
}

#[test]
fn a_url_without_a_host() {
    let place = Place::new("url");
    for url in ["", "http://", "localhost:8080", "ftp://x/", "http://host:99999/"] {
        let outcome = place.loadgen(&["http", url, "--no-out"]).expect(104);
        assert!(!outcome.stderr.contains("panicked"), "{url}: {}", outcome.stderr);
    }
}

#[test]
fn a_certificate_that_is_none() {
    let place = Place::new("certificate");
    place.write("ca.pem", "this is no certificate\n");
    let outcome =
        place.loadgen(&["http", "https://127.0.0.1:1/", "--cacert", "ca.pem", "--no-out"]).expect(104);
    assert!(outcome.stderr.contains("ca.pem"), "{}", outcome.stderr);
    place.loadgen(&["http", "https://127.0.0.1:1/", "--cacert", "missing.pem", "--no-out"]).expect(104);
}

#[test]
fn an_output_that_cannot_be_written_is_known_before_the_first_request() {
    let place = Place::new("unwritable");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "10/s", "200ms"));
    place.write("loadgen-results", "a file where the folder should be");
    let outcome = place.loadgen(&["run", "s.yaml"]).expect(104);
    assert!(outcome.stderr.contains("loadgen-results"), "{}", outcome.stderr);
    let outcome = place.loadgen(&["run", "s.yaml", "--out", "no/such/folder/r.json"]).expect(104);
    assert!(outcome.stderr.contains("make its folder first"), "{}", outcome.stderr);
    assert_eq!(target.stats().arrivals, 0);
}

#[test]
fn too_few_file_handles_for_the_plan_are_told_with_both_numbers() {
    let place = Place::new("handles");
    let target = target();
    let file =
        scenario(&target.url(), "/", "10/s", "200ms").replace("    steps:", "    max_vus: 5000\n    steps:");
    place.write("s.yaml", file);
    let mut command: Command = place.command("/bin/sh");
    command.args(["-c", &format!("ulimit -n 256 && exec '{BINARY}' run s.yaml --no-out")]);
    let outcome = Running::of(command).wait().expect(104);
    assert!(outcome.stderr.contains("5000") || outcome.stderr.contains("5,000"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("256"), "{}", outcome.stderr);
    assert_eq!(target.stats().arrivals, 0);
}

#[test]
fn a_limit_that_leaves_nothing_to_run_with_is_told_with_its_cure() {
    let place = Place::new("few-handles");
    place.write("s.yaml", scenario("demo://", "/", "10/s", "200ms"));
    for handles in [8, 20] {
        let mut command = place.command("/bin/sh");
        let run = "run s.yaml --no-preflight --no-out --quiet";
        command.args(["-c", &format!("ulimit -n {handles} && exec '{BINARY}' {run}")]);
        let outcome = Running::of(command).wait();
        // How far it comes depends on the handles that whoever started the tests left open. At the latest the connections
        // of the run find none left, which makes the measurement invalid.
        let cure = match outcome.code {
            Some(104 | 1) => "Too many open files",
            Some(113) => "raise `ulimit -n`",
            _ => panic!("{outcome:#?}"),
        };
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("exit code "), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(cure), "{}", outcome.stderr);
    }
}

#[test]
fn a_log_filter_that_is_none_is_told_by_its_variable() {
    let place = Place::new("filter");
    let mut command = place.command(BINARY);
    command.args(["schema"]).env("LOADGEN_LOG", "loud=[");
    let outcome = Running::of(command).wait().expect(104);
    assert!(outcome.stderr.contains("LOADGEN_LOG"), "{}", outcome.stderr);
}
