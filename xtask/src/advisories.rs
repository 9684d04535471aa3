//! The lock file against a copy of the RustSec database that lies beside the project.
//!
//! `cargo deny check advisories` does the same and more, over a network. This reader needs none: an advisory is a TOML head in
//! a Markdown file, and a version is affected unless one of two lists of requirements takes it out. Exceptions stand where
//! cargo-deny reads them, in `deny.toml`, so both tools forgive the same.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use cargo_metadata::semver::{Version, VersionReq};
use cargo_metadata::{CargoOpt, MetadataCommand};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    advisory: Advisory,
    versions: Versions,
}

#[derive(Deserialize)]
struct Advisory {
    id: String,
    package: String,
    informational: Option<String>,
    withdrawn: Option<String>,
}

#[derive(Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<VersionReq>,
    #[serde(default)]
    unaffected: Vec<VersionReq>,
}

#[derive(Deserialize)]
struct Deny {
    advisories: DenyAdvisories,
}

#[derive(Deserialize)]
struct DenyAdvisories {
    #[serde(default)]
    ignore: Vec<Ignored>,
}

#[derive(Deserialize)]
struct Ignored {
    id: String,
}

/// Checks every locked package against the database in `database`; says so and passes when there is none.
///
/// # Errors
/// When a package is affected, or the database is there and cannot be read.
pub(crate) fn run(root: &Path, database: &Path) -> anyhow::Result<()> {
    let crates = database.join("crates");
    if !crates.is_dir() {
        println!("advisories: skipped, there is no database at {}", database.display());
        return Ok(());
    }
    let deny = std::fs::read_to_string(root.join("deny.toml")).context("cannot read deny.toml")?;
    let ignored = ignored(&deny)?;
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .features(CargoOpt::AllFeatures)
        .other_options(vec!["--locked".to_owned()])
        .exec()
        .context("cannot read the lock file")?;
    let (mut read, mut found) = (0, 0);
    let packages: Vec<_> = metadata.packages.iter().filter(|package| package.source.is_some()).collect();
    for package in &packages {
        for path in advisories_of(&crates.join(package.name.as_str()))? {
            let text =
                std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let file = parse(&text).with_context(|| format!("cannot parse {}", path.display()))?;
            ensure!(
                file.advisory.package == package.name.as_str(),
                "{} is about another package",
                path.display()
            );
            read += 1;
            if affects(&file, &package.version) && !ignored.contains(&file.advisory.id) {
                found += 1;
                let kind = file.advisory.informational.as_deref().unwrap_or("vulnerability");
                println!("{} {}: {} ({kind})", package.name, package.version, file.advisory.id);
            }
        }
    }
    ensure!(
        found == 0,
        "{found} advisories apply; update the package, or ignore the advisory in deny.toml with a reason"
    );
    println!("advisories: none of {read} about our {} packages applies", packages.len());
    Ok(())
}

/// The files of one package, none when the database does not know it.
fn advisories_of(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn parse(text: &str) -> anyhow::Result<File> {
    let head =
        text.strip_prefix("```toml").and_then(|rest| rest.split_once("\n```")).context("no TOML head")?.0;
    Ok(toml::from_str(head)?)
}

/// A version that no requirement takes out is affected; a pre-release matches few requirements, so it rather counts.
fn affects(file: &File, version: &Version) -> bool {
    let taken_out =
        file.versions.patched.iter().chain(&file.versions.unaffected).any(|req| req.matches(version));
    file.advisory.withdrawn.is_none() && !taken_out
}

fn ignored(deny: &str) -> anyhow::Result<Vec<String>> {
    let deny: Deny = toml::from_str(deny).context("cannot parse deny.toml")?;
    Ok(deny.advisories.ignore.into_iter().map(|entry| entry.id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "```toml\n[advisory]\nid = \"RUSTSEC-2020-0001\"\npackage = \"a\"\ndate = \"2020-01-01\"\n";

    fn advisory(rest: &str) -> File {
        parse(&format!("{HEAD}{rest}```\n\n# Title\n\nText.\n")).unwrap()
    }

    fn affected(file: &File, version: &str) -> bool {
        affects(file, &Version::parse(version).unwrap())
    }

    #[test]
    fn a_version_is_affected_unless_patched_or_unaffected() {
        let file = advisory("[versions]\npatched = [\"^1.2.3\", \">= 2.0.1\"]\nunaffected = [\"< 1.1\"]\n");
        assert!(affected(&file, "1.1.0"));
        assert!(affected(&file, "1.2.2"));
        assert!(affected(&file, "2.0.0"));
        assert!(!affected(&file, "1.0.9"));
        assert!(!affected(&file, "1.3.0"));
        assert!(!affected(&file, "2.0.1"));
    }

    #[test]
    fn without_a_patch_every_version_is_affected() {
        assert!(affected(
            &advisory("informational = \"unmaintained\"\n\n[versions]\npatched = []\n"),
            "9.9.9"
        ));
    }

    #[test]
    fn a_withdrawn_advisory_affects_nothing() {
        assert!(!affected(&advisory("withdrawn = \"2021-01-01\"\n\n[versions]\npatched = []\n"), "1.0.0"));
    }

    #[test]
    fn a_file_without_a_head_is_an_error_and_not_a_pass() {
        assert!(parse("# Title\n").is_err());
    }

    #[test]
    fn the_exceptions_are_those_of_cargo_deny() {
        let deny = "[advisories]\nignore = [{ id = \"RUSTSEC-2020-0001\", reason = \"not reached\" }]\n";
        assert_eq!(ignored(deny).unwrap(), ["RUSTSEC-2020-0001"]);
        assert!(ignored("[advisories]\nversion = 2\n").unwrap().is_empty());
    }
}
