//! Which crate may use which.
//!
//! [`TABLE`] is what `ARCHITECTURE.md` shows and what the manifests say, each compared in both directions: an arrow that
//! only one of the three has is a problem. [`FENCES`] keeps outside crates where they belong.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata};

use super::Problem;

/// One crate: its height, what it uses, and what only its tests use.
pub(crate) struct Row {
    pub(crate) layer: u8,
    pub(crate) name: &'static str,
    pub(crate) uses: Uses,
    pub(crate) tests_use: &'static [&'static str],
}

pub(crate) enum Uses {
    /// The top: everything below it, whatever the manifest says, and its tests the `testkit` too.
    All,
    Only(&'static [&'static str]),
}

use Uses::{All, Only};

/// The law: arrows only go down. `testkit` stands beside the table; only tests use it.
pub(crate) const TABLE: &[Row] = &[
    Row { layer: 7, name: "benches", uses: All, tests_use: &[] },
    Row { layer: 7, name: "xtask", uses: All, tests_use: &[] },
    Row { layer: 6, name: "cli", uses: All, tests_use: &[] },
    // Never in what is shipped either: it drives both sides' machines on simulated time.
    Row {
        layer: 6,
        name: "simulation",
        uses: Only(&[
            "api",
            "control",
            "controller",
            "engine",
            "metrics",
            "plan",
            "scenario",
            "units",
            "worker",
        ]),
        tests_use: &[],
    },
    Row {
        layer: 5,
        name: "controller",
        uses: Only(&["api", "control", "metrics", "net", "plan", "scenario", "telemetry", "units"]),
        tests_use: &["testkit"],
    },
    Row {
        layer: 5,
        name: "worker",
        uses: Only(&[
            "control",
            "engine",
            "metrics",
            "net",
            "plan",
            "protocols",
            "scenario",
            "telemetry",
            "units",
        ]),
        tests_use: &["api", "target", "testkit"],
    },
    Row {
        layer: 4,
        name: "protocols",
        uses: Only(&["engine", "metrics", "plan", "units"]),
        tests_use: &["testkit"],
    },
    Row { layer: 3, name: "engine", uses: Only(&["api", "metrics", "plan", "units"]), tests_use: &[] },
    Row { layer: 3, name: "scenario", uses: Only(&["metrics", "plan", "units"]), tests_use: &[] },
    Row { layer: 3, name: "telemetry", uses: Only(&["metrics", "net", "units"]), tests_use: &["testkit"] },
    Row { layer: 3, name: "report", uses: Only(&["api"]), tests_use: &[] },
    Row { layer: 3, name: "control", uses: Only(&["metrics", "plan", "units"]), tests_use: &[] },
    Row { layer: 2, name: "net", uses: Only(&["metrics", "units"]), tests_use: &[] },
    Row { layer: 2, name: "plan", uses: Only(&["units"]), tests_use: &[] },
    Row { layer: 2, name: "api", uses: Only(&["units"]), tests_use: &[] },
    Row { layer: 2, name: TESTKIT, uses: Only(&["units"]), tests_use: &[] },
    Row { layer: 1, name: "metrics", uses: Only(&["units"]), tests_use: &[] },
    Row { layer: 1, name: "target", uses: Only(&["units"]), tests_use: &[] },
    Row { layer: 0, name: "units", uses: Only(&[]), tests_use: &[] },
];

/// Never in what is shipped.
const TESTKIT: &str = "testkit";

/// Outside crates and the only crates of ours that may ship with them.
struct Fence {
    outside: &'static [&'static str],
    inside: &'static [&'static str],
    why: &'static str,
}

const FENCES: &[Fence] = &[
    Fence { outside: &["serde-saphyr"], inside: &["scenario"], why: "YAML is read in one place" },
    Fence {
        outside: &["yaml_serde", "serde_yaml"],
        inside: &["cli", "import"],
        why: "YAML is written at the edge",
    },
    Fence {
        outside: &["tonic", "tonic-prost", "prost"],
        inside: &["control", "net", "telemetry", "worker", "controller", "protocols", "testkit"],
        why: "the wire's form stays in the adapters",
    },
    Fence {
        outside: &["anyhow", "clap", "clap_complete"],
        inside: &["cli", "xtask", "benches"],
        why: "libraries say which errors they have and take plain structs",
    },
    Fence {
        outside: &["tokio"],
        inside: &[
            "engine",
            "net",
            "protocols",
            "worker",
            "controller",
            "target",
            "telemetry",
            "testkit",
            "cli",
            "benches",
        ],
        why: "what is pure needs no runtime",
    },
    Fence {
        outside: &[
            "opentelemetry",
            "opentelemetry_sdk",
            "opentelemetry-http",
            "opentelemetry-otlp",
            "opentelemetry-proto",
            "opentelemetry-semantic-conventions",
        ],
        inside: &["telemetry", "testkit"],
        why: "the engine measures; what is made of that for others is made in one place",
    },
    Fence {
        outside: &["prometheus-client"],
        inside: &["net", "telemetry"],
        why: "there is one page of numbers",
    },
    Fence {
        outside: &["axum", "hyper", "hyper-util"],
        inside: &["net", "target", "testkit", "controller", "benches"],
        why: "the instrument has its own codec, and servers are not on its path",
    },
];

/// What the manifests say: for each crate its arrows, apart for tests, and the outside crates it ships with.
#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) uses: BTreeMap<String, BTreeSet<String>>,
    pub(crate) tests_use: BTreeMap<String, BTreeSet<String>>,
    pub(crate) outside: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Reads the graph from `cargo metadata`; a crate goes by the name of its part, so `loadgen-units` is `units`.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let mut graph = Self::default();
        for package in metadata.workspace_packages() {
            let name = part_name(&package.name);
            graph.uses.entry(name.clone()).or_default();
            for dependency in &package.dependencies {
                let in_tests = dependency.kind == DependencyKind::Development;
                let (edges, to) = match (dependency.path.is_some(), in_tests) {
                    (true, true) => (&mut graph.tests_use, part_name(&dependency.name)),
                    (true, false) => (&mut graph.uses, part_name(&dependency.name)),
                    (false, false) => (&mut graph.outside, dependency.name.clone()),
                    (false, true) => continue,
                };
                edges.entry(name.clone()).or_default().insert(to);
            }
        }
        graph
    }
}

fn part_name(package: &str) -> String {
    if package == "loadgen" { "cli".to_owned() } else { package.trim_start_matches("loadgen-").to_owned() }
}

/// Holds the manifests against [`TABLE`] and [`FENCES`], and the table against its law.
pub(crate) fn check(graph: &Graph) -> Vec<Problem> {
    let mut problems = check_table(TABLE);
    problems.extend(check_graph(graph, TABLE));
    problems.extend(check_fences(graph));
    problems
}

fn check_table(table: &[Row]) -> Vec<Problem> {
    let layer = |name: &str| table.iter().find(|row| row.name == name).map(|row| row.layer);
    let mut problems = Vec::new();
    for row in table {
        let Only(uses) = row.uses else { continue };
        for used in uses {
            if layer(used).is_none_or(|used| used >= row.layer) {
                problems.push(problem(format!("`{} -> {used}` does not go down", row.name)));
            }
        }
        for used in row.tests_use {
            let down = layer(used).is_some_and(|used| used < row.layer);
            if !down && *used != TESTKIT && *used != "target" {
                problems.push(problem(format!("tests of `{} -> {used}`: that does not go down", row.name)));
            }
        }
    }
    problems
}

fn check_graph(graph: &Graph, table: &[Row]) -> Vec<Problem> {
    let nothing = BTreeSet::new();
    let mut problems = Vec::new();
    for name in graph.uses.keys().filter(|name| table.iter().all(|row| row.name != *name)) {
        problems.push(problem(format!("crate `{name}` has no row in the table")));
    }
    for row in table {
        let Some(uses) = graph.uses.get(row.name) else {
            problems.push(problem(format!("the table has a row for `{}`, which is no crate", row.name)));
            continue;
        };
        if uses.contains(TESTKIT) {
            problems.push(problem(format!("`{}` ships `{TESTKIT}`, which is for tests only", row.name)));
        }
        let Only(allowed) = row.uses else {
            let below =
                |name: &String| table.iter().any(|other| other.name == name && other.layer < row.layer);
            for used in uses.iter().filter(|used| !below(used)) {
                problems.push(problem(format!("`{} -> {used}` does not go down", row.name)));
            }
            continue;
        };
        problems.extend(differences(row.name, "", uses, allowed));
        let in_tests = graph.tests_use.get(row.name).unwrap_or(&nothing);
        problems.extend(differences(row.name, "tests of ", in_tests, row.tests_use));
    }
    problems
}

fn differences(name: &str, whose: &str, found: &BTreeSet<String>, listed: &[&str]) -> Vec<Problem> {
    let unlisted = found.iter().filter(|used| !listed.contains(&used.as_str()));
    let unused = listed.iter().filter(|used| !found.contains(**used));
    unlisted
        .map(|used| problem(format!("{whose}`{name} -> {used}` is in a manifest and not in the table")))
        .chain(
            unused
                .map(|used| problem(format!("{whose}`{name} -> {used}` is in the table and in no manifest"))),
        )
        .collect()
}

fn check_fences(graph: &Graph) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, outside) in &graph.outside {
        for fence in FENCES.iter().filter(|fence| !fence.inside.contains(&name.as_str())) {
            for fenced in fence.outside.iter().filter(|fenced| outside.contains(**fenced)) {
                problems.push(problem(format!("`{name}` ships with `{fenced}`: {}", fence.why)));
            }
        }
    }
    problems
}

/// The table as `ARCHITECTURE.md` shows it.
pub(crate) fn render() -> String {
    let mut text = String::from("| layer | crate | uses | its tests also use |\n|---|---|---|---|\n");
    for row in TABLE {
        let uses = match row.uses {
            All => "whatever is below".to_owned(),
            Only([]) => "nothing".to_owned(),
            Only(uses) => uses.join(", "),
        };
        let tests_use = match row.uses {
            All => "testkit".to_owned(),
            Only(_) => row.tests_use.join(", "),
        };
        let row = format!("| {} | {} | {uses} | {tests_use} |\n", row.layer, row.name);
        text.push_str(&row.replace("|  |", "| |"));
    }
    text
}

fn problem(text: String) -> Problem {
    Problem::file("Cargo.toml", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(pairs: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
        pairs
            .iter()
            .map(|(from, to)| ((*from).to_owned(), to.iter().map(|&to| to.to_owned()).collect()))
            .collect()
    }

    fn table() -> Vec<Row> {
        vec![
            Row { layer: 6, name: "cli", uses: All, tests_use: &[] },
            Row { layer: 2, name: TESTKIT, uses: Only(&[]), tests_use: &[] },
            Row { layer: 1, name: "metrics", uses: Only(&["units"]), tests_use: &[TESTKIT] },
            Row { layer: 0, name: "units", uses: Only(&[]), tests_use: &[] },
        ]
    }

    fn graph() -> Graph {
        Graph {
            uses: edges(&[("cli", &["metrics"]), (TESTKIT, &[]), ("metrics", &["units"]), ("units", &[])]),
            tests_use: edges(&[("metrics", &[TESTKIT])]),
            outside: BTreeMap::new(),
        }
    }

    #[test]
    fn the_table_itself_goes_down() {
        assert!(check_table(TABLE).is_empty());
        let upward = [Row { layer: 0, name: "units", uses: Only(&["metrics"]), tests_use: &[] }];
        assert_eq!(check_table(&upward).len(), 1);
    }

    #[test]
    fn equal_table_and_manifests_pass() {
        assert!(check_graph(&graph(), &table()).is_empty());
    }

    #[test]
    fn an_arrow_only_in_a_manifest_is_refused() {
        let mut graph = graph();
        graph.uses.insert("units".into(), BTreeSet::from(["metrics".to_owned()]));
        assert_eq!(check_graph(&graph, &table()).len(), 1);
    }

    #[test]
    fn an_arrow_only_in_the_table_is_refused() {
        let mut graph = graph();
        graph.uses.insert("metrics".into(), BTreeSet::new());
        graph.tests_use.clear();
        assert_eq!(check_graph(&graph, &table()).len(), 2);
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_refused() {
        let mut graph = graph();
        graph.uses.insert("extra".into(), BTreeSet::new());
        graph.uses.remove("units");
        assert_eq!(check_graph(&graph, &table()).len(), 2);
    }

    #[test]
    fn the_testkit_ships_with_nothing_even_at_the_top() {
        let mut graph = graph();
        graph.uses.insert("cli".into(), BTreeSet::from([TESTKIT.to_owned()]));
        assert_eq!(check_graph(&graph, &table()).len(), 1);
    }

    #[test]
    fn the_top_too_uses_only_what_is_below() {
        let mut graph = graph();
        graph.uses.insert("cli".into(), BTreeSet::from(["cli".to_owned(), "metrics".to_owned()]));
        assert_eq!(check_graph(&graph, &table()).len(), 1);
    }

    #[test]
    fn a_fenced_crate_outside_its_fence_is_refused() {
        let mut graph = graph();
        graph.outside =
            edges(&[("scenario", &["serde-saphyr"]), ("metrics", &["serde-saphyr", "anyhow", "serde"])]);
        assert_eq!(check_fences(&graph).len(), 2);
    }
}
