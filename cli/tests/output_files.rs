//! Where results go.

use std::fs;

use api::result::ResultFile;

use crate::harness::{BINARY, Place, Running, repository, scenario, target};

#[test]
fn a_result_lies_in_a_folder_of_its_run_and_latest_points_there() {
    let place = Place::new("folder");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "200ms"));
    let outcome = place.loadgen(&["run", "s.yaml", "--quiet"]).expect(0);
    let latest = fs::read_to_string(place.join("loadgen-results/latest/result.json")).unwrap();
    let result = ResultFile::from_json(&latest).unwrap();
    let folder = fs::read_link(place.join("loadgen-results/latest")).unwrap();
    let name = folder.to_str().unwrap();
    assert!(
        result.identity.run_id.replace('-', "").ends_with(name.split('-').next_back().unwrap()),
        "{name}"
    );
    assert!(outcome.stderr.contains(name), "the summary says where: {}", outcome.stderr);
    place.loadgen(&["run", "s.yaml", "--quiet"]).expect(0);
    assert_ne!(fs::read_link(place.join("loadgen-results/latest")).unwrap(), folder);
    assert_eq!(fs::read_dir(place.join("loadgen-results")).unwrap().count(), 3, "two runs and the link");
}

#[test]
fn a_result_satisfies_the_committed_schema() {
    let place = Place::new("result-schema");
    let target = target();
    let file = scenario(&target.url(), "/", "100/s", "300ms")
        .replace("    duration", "    warm_up: 200ms\n    duration");
    place.write("s.yaml", file);
    let outcome = place.loadgen(&["run", "s.yaml", "--quiet", "--out", "-"]).expect(0);
    let schema = fs::read_to_string(repository().join("api/schema/result.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let document = serde_json::from_str(&outcome.stdout).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert!(!place.join("loadgen-results").exists());
}

#[test]
fn one_file_takes_the_place_of_the_folder_and_none_of_both() {
    let place = Place::new("out");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "200ms"));
    place.loadgen(&["run", "s.yaml", "--quiet", "--out", "r.json"]).expect(0);
    ResultFile::from_json(&fs::read_to_string(place.join("r.json")).unwrap()).unwrap();
    place.loadgen(&["run", "s.yaml", "--quiet", "--no-out"]).expect(0);
    let names: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "the scenario, the result and its manifest: {names:?}");
}

#[test]
fn a_disk_that_is_full_at_the_end_costs_the_exit_code_and_not_the_result() {
    let place = Place::new("full");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "200ms"));
    let outcome = place.loadgen(&["run", "s.yaml", "--quiet", "--out", "/dev/full"]).expect(1);
    assert!(outcome.stderr.contains("make room"), "{}", outcome.stderr);
    assert_eq!(outcome.result().totals.requests.attempted, 10);
}

#[test]
fn a_limit_on_the_size_of_files_costs_the_exit_code_and_not_the_result() {
    let place = Place::new("file-size");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "200ms"));
    let mut command = place.command("/bin/sh");
    command.args(["-c", &format!("ulimit -f 1 && exec '{BINARY}' run s.yaml --quiet --out r.json")]);
    let outcome = Running::of(command).wait().expect(1);
    assert!(outcome.stderr.contains("printed to stdout instead"), "{}", outcome.stderr);
    assert_eq!(outcome.result().totals.requests.attempted, 10);
    assert!(!place.join("r.json").exists());
}

#[test]
fn a_stdout_that_takes_nothing_is_told() {
    let place = Place::new("stdout");
    for args in ["--help", "schema", "completions bash"] {
        let mut command = place.command("/bin/sh");
        command.args(["-c", &format!("exec '{BINARY}' {args} > /dev/full")]);
        let outcome = Running::of(command).wait().expect(1);
        assert!(outcome.stderr.contains("cannot print"), "{}", outcome.stderr);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::new("pipe");
    let mut command = place.command("/bin/sh");
    command.args(["-c", &format!("'{BINARY}' schema | head -c 1")]);
    let outcome = Running::of(command).wait().expect(0);
    assert_eq!(outcome.stdout, "{");
    assert_eq!(outcome.stderr, "");
}
