//! The documents' commands do what the documents say: they are taken from there and executed.

use std::fs;
use std::path::Path;

use crate::harness::{BINARY, Place, Running, repository};

#[test]
fn the_commands_of_the_quick_start_work_as_they_stand() {
    let place = Place::new("quick-start");
    let commands = commands("QUICK_START.md");
    assert!(commands.len() >= 5, "{commands:?}");
    execute(&place, &commands);
    assert!(place.join("loadgen-results/latest/result.json").exists());
}

#[test]
fn the_readmes_first_command_runs_the_quick_start() {
    let place = Place::new("readme");
    let commands = commands("README.md");
    let first = commands.iter().find(|command| command.contains("cargo run")).unwrap();
    // In short: `.ci/run` has the patience for the whole of it.
    execute(&place, &[format!("{first} -d 2s")]);
}

/// What stands behind `$ ` in the ```console blocks of a document.
fn commands(document: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join(document)).unwrap();
    let mut in_block = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| in_block) {
            commands.push(command.to_owned());
        }
    }
    commands
}

/// Runs commands one after the other in a folder that looks like the repository, with the binary under test in the
/// place of the one that a newcomer has built.
#[track_caller]
fn execute(place: &Place, commands: &[String]) {
    copy_folder(&repository().join("scenarios"), &place.join("scenarios"));
    fs::create_dir(place.join("bin")).unwrap();
    std::os::unix::fs::symlink(BINARY, place.join("bin/loadgen")).unwrap();
    let path = format!("{}:{}", place.join("bin").display(), std::env::var("PATH").unwrap());
    let script: String = commands
        .iter()
        .map(|command| command.replace("cargo run --release --", "loadgen"))
        // A threshold that is missed says how busy this machine is.
        .map(|command| format!("echo '+ {command}' >&2\n{command} || [ $? -eq 99 ]\n"))
        .collect();
    let mut command = place.command("/bin/sh");
    command.arg("-e").arg("-c").arg(script).env("PATH", path);
    // Documents promise that it passes on one busy core; here the other tests keep it busier than that.
    command.env("LOADGEN_VERDICT__INVALID__DISPATCH_LAG_P99", "10s");
    command.env("LOADGEN_VERDICT__INVALID__GENERATOR_STALL", "100%");
    let outcome = Running::of(command).wait();
    assert_eq!(outcome.code, Some(0), "{}\n{}", outcome.stdout, outcome.stderr);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
