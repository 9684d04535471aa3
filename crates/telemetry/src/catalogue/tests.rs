use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::*;

const BEGIN: &str = "<!-- metrics: begin (UPDATE_DOCS=1 cargo test -p loadgen-telemetry table) -->\n";
const END: &str = "<!-- metrics: end -->";

fn all() -> impl Iterator<Item = &'static Instrument> {
    ALL.iter().chain(net::probe::OWN).copied()
}

fn rows(scope: Scope) -> String {
    let mut table = "| Prometheus | OpenTelemetry | Kind | Unit | Labels | From | Meaning |\n\
                     |---|---|---|---|---|---|---|\n"
        .to_owned();
    for of in all().filter(|of| of.scope == scope) {
        let labels: Vec<String> =
            of.labels.iter().map(|label| format!("`{}`", label.replace('.', "_"))).collect();
        let _ = writeln!(
            table,
            "| `{}` | `{}` | {} | `{}` | {} | {} | {} |",
            of.prometheus_name(),
            of.name,
            of.kind.name(),
            of.unit,
            labels.join(", "),
            of.sender.name(),
            of.help,
        );
    }
    table
}

fn table() -> String {
    format!(
        "\nOf a run, each with `run_id` and `worker`:\n\n{}\nOf the process:\n\n{}\n",
        rows(Scope::Run),
        rows(Scope::Process)
    )
}

#[test]
fn the_table_in_the_docs_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the docs have a place for the table");
    let (found, after) = rest.split_once(END).expect("which ends");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
    } else {
        assert_eq!(found, table(), "UPDATE_DOCS=1 cargo test -p loadgen-telemetry table");
    }
}

#[test]
fn every_name_is_of_the_scheme_and_there_once() {
    let mut names = BTreeSet::new();
    let mut translated = BTreeSet::new();
    for of in all() {
        assert!(
            names.insert(of.name) && translated.insert(of.prometheus_name()),
            "{} is there twice",
            of.name
        );
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
        assert!(of.name.chars().all(letters), "{}", of.name);
        assert!(
            ["loadgen.", "http.client.", "process."].iter().any(|prefix| of.name.starts_with(prefix)),
            "{}",
            of.name
        );
        assert!(of.help.ends_with('.') && !of.help.contains('|'), "{}", of.help);
        let unique: BTreeSet<_> = of.labels.iter().collect();
        assert_eq!(unique.len(), of.labels.len(), "{}", of.name);
        for label in of.labels {
            assert!(label.chars().all(letters), "{label} of {}", of.name);
            let implied = of.scope == Scope::Run && matches!(*label, "run_id" | "worker");
            assert!(!implied, "{} has {label} by itself", of.name);
        }
        assert!(of.scope == Scope::Run || of.kind != Kind::Histogram, "{}", of.name);
    }
}

#[test]
fn names_that_were_there_before_are_there_still() {
    let names: BTreeSet<String> = all().map(Instrument::prometheus_name).collect();
    for name in [
        "loadgen_build_info",
        "loadgen_connections_total",
        "loadgen_controller_epoch",
        "loadgen_operation_longest_seconds",
        "loadgen_operation_seconds_total",
        "loadgen_operations_total",
        "loadgen_run_info",
        "loadgen_runs",
        "loadgen_worker_beat_age_seconds",
        "loadgen_worker_ready",
        "loadgen_worker_runs",
        "loadgen_worker_superseded_messages_total",
        "loadgen_workers",
    ] {
        assert!(names.contains(name), "{name} in {names:#?}");
    }
}
