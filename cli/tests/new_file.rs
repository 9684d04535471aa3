//! `loadgen new`, `loadgen schema` and `loadgen demo-target`.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::Signal;

use crate::harness::{Place, repository, target};

#[test]
fn a_new_file_is_valid_and_runs_against_the_target_it_names() {
    let place = Place::new("new");
    let target = target();
    place
        .loadgen(&["new", "my.yaml", "--url", &target.url(), "--rate", "20/s", "--duration", "300ms"])
        .expect(0);
    let text = std::fs::read_to_string(place.join("my.yaml")).unwrap();
    assert!(text.starts_with("# yaml-language-server: $schema="), "{text}");
    place.loadgen(&["validate", "my.yaml"]).expect(0);
    place.loadgen(&["run", "my.yaml", "--quiet", "--no-out"]).expect_load();
    assert!(target.stats().arrivals > 0);
}

#[test]
fn a_file_that_exists_is_not_overwritten() {
    let place = Place::new("new-exists");
    place.write("my.yaml", "mine");
    let outcome = place.loadgen(&["new", "my.yaml"]).expect(104);
    assert!(outcome.stderr.contains("choose another name"), "{}", outcome.stderr);
    assert_eq!(std::fs::read_to_string(place.join("my.yaml")).unwrap(), "mine");
}

#[test]
fn without_a_file_it_prints() {
    let place = Place::new("new-stdout");
    let printed = place.loadgen(&["new", "--rate", "7/s"]).expect(0).stdout;
    assert!(printed.contains("7/s") && printed.contains("demo://"), "{printed}");
    place.write("printed.yaml", printed);
    place.loadgen(&["validate", "printed.yaml"]).expect(0);
}

#[test]
fn the_printed_schemas_are_the_committed_ones() {
    let place = Place::new("schema");
    for (args, committed) in [
        (&["schema"][..], "scenarios/schema/scenario.schema.json"),
        (&["schema", "result"][..], "api/schema/result.schema.json"),
    ] {
        let printed = place.loadgen(args).expect(0).stdout;
        let committed = std::fs::read_to_string(repository().join(committed)).unwrap();
        assert!(printed == committed, "{args:?} differs from the committed file: run `cargo xtask schema`");
    }
}

#[test]
fn the_demo_target_says_where_it_serves_and_ends_on_a_signal() {
    let place = Place::new("demo-target");
    let mut running = place.start(&["demo-target", "--port", "0", "--stall", "1h+1s"]);
    let url = running.first_line();
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(b"GET /stats HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"arrivals\""), "{answer}");
    let port = url.rsplit(':').next().unwrap().to_owned();
    let second = place.loadgen(&["demo-target", "--port", &port]).expect(104);
    assert!(second.stderr.contains("choose another with --port"), "{}", second.stderr);
    running.signal(Signal::TERM);
    running.wait().expect(0);
}
