//! The run manifest: who ran what when, beside the result.

use std::fs;
use std::path::Path;

use api::manifest::RunManifest;
use api::result::ResultFile;

use crate::harness::{BINARY, Place, Running, repository, scenario, target};

fn read(path: impl AsRef<Path>) -> RunManifest {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_manifest_lies_beside_the_result_and_says_the_same_of_the_run() {
    let place = Place::new("manifest");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "200ms"));
    let mut command = place.command(BINARY);
    command.args(["run", "s.yaml", "--quiet", "--seed", "7", "--tag", "team=shop", "-e", "TOKEN=s3cret"]);
    command.env("USER", "mia");
    Running::of(command).wait().expect_load();
    let folder = place.join("loadgen-results/latest");
    let manifest = read(folder.join("run.json"));
    let result = ResultFile::from_json(&fs::read_to_string(folder.join(&manifest.result)).unwrap()).unwrap();
    assert_eq!(manifest.run_id, result.identity.run_id);
    assert_eq!(manifest.workload.file.as_deref(), Some("s.yaml"));
    assert_eq!(manifest.workload.name, "test");
    assert_eq!((manifest.workload.seed, &*manifest.workload.tags["team"]), (7, "shop"));
    assert_eq!(manifest.workload.scenario_digest, result.identity.scenario_digest);
    assert_eq!(manifest.workload.config_digest, result.identity.config_digest);
    assert_eq!(manifest.workload.plan_hash, result.identity.plan_hash);
    assert_eq!(manifest.time.created_at, result.time.created_at);
    assert_eq!(manifest.tool.tool, result.tool);
    assert_eq!((manifest.exit, manifest.annotations), (result.exit, result.annotations));
    let [worker] = &manifest.workers[..] else { panic!("{:?}", manifest.workers) };
    assert_eq!((&*worker.name, worker.share), ("local", 1.0));
    assert_eq!(worker.host, result.workers[0].host);
    let by = &manifest.started_by;
    assert_eq!((by.user.as_deref(), &by.controller, &by.token), (Some("mia"), &None, &None));
    assert!(!by.host.is_empty());
    let line = ["run", "s.yaml", "--quiet", "--seed", "7", "--tag", "team=shop", "-e", "TOKEN=…"];
    assert_eq!(by.command[1..], line.map(str::to_owned));
}

#[test]
fn a_manifest_satisfies_the_committed_schema_and_lies_beside_one_file_too() {
    let place = Place::new("manifest-file");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "50/s", "200ms"));
    place.loadgen(&["run", "s.yaml", "--quiet", "--workers", "2", "--out", "r.json"]).expect_load();
    let document = serde_json::from_str(&fs::read_to_string(place.join("r.run.json")).unwrap()).unwrap();
    let schema = fs::read_to_string(repository().join("api/schema/manifest.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let manifest = read(place.join("r.run.json"));
    assert_eq!(manifest.result, "r.json");
    let names: Vec<&str> = manifest.workers.iter().map(|worker| worker.name.as_str()).collect();
    assert_eq!(names, ["worker-1", "worker-2"]);
    assert_eq!(manifest.started_by.controller, None, "the command line conducted it");
}

#[test]
fn without_a_file_of_the_result_there_is_no_manifest() {
    let place = Place::new("manifest-none");
    let target = target();
    let url = target.url();
    for out in [&["--no-out"][..], &["--out", "-"], &["--out", "/dev/null"]] {
        let args = ["http", &url, "-n", "5", "-c", "1", "--quiet"];
        place.loadgen(&[&args, out].concat()).expect_load();
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    assert!(!Path::new("/dev/null.run.json").exists());
}
