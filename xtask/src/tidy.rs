//! The structure of the workspace as a test.
//!
//! Every rule is a function from text to [`Problem`]s with a unit test that shows it failing; [`run`] reads the tree once,
//! hands it to all of them and prints every problem. What each rule is good for stands in `ARCHITECTURE.md`.

mod code;
mod dependencies;
mod documents;
mod proofs;
mod source;

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use cargo_metadata::MetadataCommand;
use net::deadline::{Operation, TimeoutOutcome};

/// Something that must be mended, and where.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    path: String,
    line: Option<usize>,
    text: String,
}

impl Problem {
    fn at(path: &str, line: usize, text: String) -> Self {
        Self { path: path.to_owned(), line: Some(line), text }
    }

    fn file(path: &str, text: String) -> Self {
        Self { path: path.to_owned(), line: None, text }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.text),
            None => write!(f, "{}: {}", self.path, self.text),
        }
    }
}

/// Checks the tree below `root`; with `write`, first mends what can be mended by writing it.
///
/// # Errors
/// One error for all problems, which were printed before.
pub(crate) fn run(root: &Path, write: bool) -> anyhow::Result<()> {
    let table = dependencies::render();
    if write {
        write_table(root, &table)?;
    }
    let files = text_files(root)?;
    let text_of =
        |path: &str| files.iter().find(|(file, _)| file == path).map_or("", |(_, text)| text.as_str());

    let metadata =
        MetadataCommand::new().current_dir(root).no_deps().exec().context("cannot read the workspace")?;
    let mut problems = dependencies::check(&dependencies::Graph::of(&metadata));
    problems.extend(documents::check_architecture(text_of("ARCHITECTURE.md"), &table));
    let scenarios: Vec<&str> = files.iter().filter_map(|(path, _)| path.strip_prefix("scenarios/")).collect();
    problems.extend(documents::check_scenarios(&scenarios, text_of("scenarios/README.md")));
    problems.extend(documents::check_exit_codes(&exit_codes(), text_of("docs/exit-codes.md")));
    problems.extend(documents::check_limits(&limits(), text_of("docs/cluster.md")));
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    for (path, text) in &files {
        problems.extend(documents::check_machine_paths(path, text));
        if path.ends_with(".md") {
            problems.extend(documents::check_links(path, text, &paths));
        }
        if path.ends_with(".md") || path.starts_with("cli/src/") || path == ".ci/run" {
            problems.extend(documents::check_named_scenarios(path, text, &paths));
        }
        if source::is_hot(path) && path.ends_with(".rs") {
            problems.extend(source::check_hot_path(path, text));
        }
    }
    let sources: Vec<(String, String)> =
        files.iter().filter(|(path, _)| path.ends_with(".rs")).cloned().collect();
    ensure!(!sources.is_empty(), "found no source below {}: this is no check", root.display());
    let tests = proofs::test_names(&sources);
    for document in ["ARCHITECTURE.md", "docs/cluster.md", "docs/measuring.md"] {
        problems.extend(proofs::check_proofs(document, text_of(document), &tests, &paths));
    }
    problems.extend(sources.iter().flat_map(|(path, text)| proofs::check_slow_tests(path, text)));
    problems.extend(source::check_unsafe(&sources));
    problems.extend(source::check_length(&sources));

    for problem in &problems {
        println!("{problem}");
    }
    ensure!(problems.is_empty(), "{} problems", problems.len());
    println!(
        "tidy: {} source files and {} crates in order",
        sources.len(),
        metadata.workspace_packages().len()
    );
    Ok(())
}

fn exit_codes() -> Vec<(u8, &'static str)> {
    api::ExitCode::ALL.iter().map(|code| (code.code(), code.name())).collect()
}

/// Every limit on waiting, as a row of the documentation.
fn limits() -> Vec<String> {
    let row = |operation: &Operation| {
        let after_it = match operation.outcome() {
            TimeoutOutcome::NotSent => "not sent",
            TimeoutOutcome::Unknown => "unknown",
        };
        let (name, limit, meaning) = (operation.name(), operation.default_limit(), operation.meaning());
        format!("| `{name}` | {limit} | {after_it} | {meaning} |")
    };
    Operation::ALL.iter().map(row).collect()
}

fn write_table(root: &Path, table: &str) -> anyhow::Result<()> {
    let path = root.join("ARCHITECTURE.md");
    let document = std::fs::read_to_string(&path).context("cannot read ARCHITECTURE.md")?;
    let Some(mended) = documents::with_table(&document, table) else {
        bail!("ARCHITECTURE.md has no marks around its dependency table");
    };
    std::fs::write(&path, mended).context("cannot write ARCHITECTURE.md")
}

/// Path and text of every file that is, or will be, committed; files that are no text are left out.
fn text_files(root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    ensure!(
        listing.status.success(),
        "git ls-files failed: {}",
        String::from_utf8_lossy(&listing.stderr).trim()
    );
    let paths = String::from_utf8(listing.stdout).context("a path is not UTF-8")?;
    // A file that is listed and cannot be read was removed from the tree and not yet from the index.
    Ok(paths
        .split_terminator('\0')
        .filter_map(|path| Some((path.to_owned(), std::fs::read_to_string(root.join(path)).ok()?)))
        .collect())
}
