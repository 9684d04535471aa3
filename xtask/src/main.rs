#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the one who runs it")]
//! Chores in Rust: `cargo xtask` lists them.

mod advisories;
mod codegen;
mod gates;
mod schema;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

const HELP: &str = "\
Chores of the workspace.

  cargo xtask tidy [--write]        structure: dependencies, bans, lists, proofs; --write mends the table in ARCHITECTURE.md
  cargo xtask schema [--check]      writes the JSON Schemas, or checks that the committed ones are current
  cargo xtask codegen [--check]     writes the protocol's Rust code from api/proto, or checks that the committed one is current
  cargo xtask advisories [FOLDER]   Cargo.lock against a copy of the RustSec database (default ../shared/advisory-db)
  cargo xtask gates [--bless]       allocations and instructions per request; --bless writes a new baseline
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> anyhow::Result<()> {
    let root = root()?;
    match words {
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        ["tidy"] => tidy::run(&root, false),
        ["tidy", "--write"] => tidy::run(&root, true),
        ["schema"] => schema::run(&root, false),
        ["schema", "--check"] => schema::run(&root, true),
        ["codegen"] => codegen::run(&root, false),
        ["codegen", "--check"] => codegen::run(&root, true),
        ["advisories"] => advisories::run(&root, &root.join("../shared/advisory-db")),
        ["advisories", folder] => advisories::run(&root, Path::new(folder)),
        ["gates"] => gates::run(&root, false),
        ["gates", "--bless"] => gates::run(&root, true),
        unknown => bail!("no such chore: {}\n\n{HELP}", unknown.join(" ")),
    }
}

/// The workspace this program was built in.
fn root() -> anyhow::Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(package.parent().context("xtask lies in a workspace")?.to_owned())
}
