//! Instruction counts: reading them, and holding them against the committed baseline.
//!
//! A benchmark function runs the same operation a number of times per case, and its cases are named `count_N`. The cost of one
//! operation is the slope between the smallest and the largest N, so what happens once, however much, does not count.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// More than this above the baseline fails.
const LIMIT: f64 = 1.05;

/// Instructions per operation, by benchmark function.
pub(crate) type Instructions = BTreeMap<String, f64>;

/// What the counts depend on beside our own source.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    rustc: String,
    valgrind: String,
    cargo_lock_sha256: String,
}

impl Key {
    /// Reads the key of this machine and tree.
    pub(crate) fn here(root: &Path) -> anyhow::Result<Self> {
        let lock = std::fs::read(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
        let cargo_lock_sha256 = Sha256::digest(lock).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { rustc: version("rustc")?, valgrind: version("valgrind")?, cargo_lock_sha256 })
    }
}

fn version(tool: &str) -> anyhow::Result<String> {
    let output =
        Command::new(tool).arg("--version").output().with_context(|| format!("cannot run {tool}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The committed file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Baseline {
    #[serde(flatten)]
    pub(crate) key: Key,
    /// Instructions per operation, rounded to one decimal.
    pub(crate) instructions: Instructions,
}

impl Baseline {
    /// Compares and prints every operation.
    ///
    /// With another key the same limit holds against the old numbers, and a banner says so: a new toolchain is no excuse for
    /// silence, and a change of baseline is a commit of its own.
    ///
    /// # Errors
    /// When an operation costs more than the limit allows, or only one of the two sides has it.
    pub(crate) fn compare(&self, key: &Key, measured: &Instructions) -> anyhow::Result<()> {
        if *key != self.key {
            println!("==================================================================================");
            println!("instructions: THE BASELINE IS FROM ANOTHER TOOLCHAIN OR LOCK FILE");
            println!("baseline {:?}\nhere     {key:?}", self.key);
            println!("compared all the same; re-baseline with `cargo xtask gates --bless` in its own commit");
            println!("==================================================================================");
        }
        let mut failures = Vec::new();
        for (name, &now) in measured {
            let Some(&before) = self.instructions.get(name) else {
                failures.push(format!("{name}: {now:.1}, not in the baseline"));
                continue;
            };
            let change = (now / before - 1.0) * 100.0;
            println!("instructions: {name}: {now:.1}, baseline {before:.1}, {change:+.2} %");
            if now > before * LIMIT {
                failures.push(format!("{name}: {now:.1} instead of {before:.1}, {change:+.2} %"));
            }
        }
        for name in self.instructions.keys().filter(|name| !measured.contains_key(*name)) {
            failures.push(format!("{name}: in the baseline, and not measured"));
        }
        if failures.is_empty() {
            return Ok(());
        }
        bail!("instruction gate:\n  {}", failures.join("\n  "))
    }
}

/// The part of a gungraun summary that is read here.
#[derive(Deserialize)]
struct Summary {
    module_path: String,
    id: String,
    profiles: Vec<serde_json::Value>,
}

/// Instructions per operation from gungraun's summaries.
///
/// # Errors
/// When a summary is not as expected, a case is not named `count_N`, or a function has only one case.
pub(crate) fn per_operation(summaries: &str) -> anyhow::Result<Instructions> {
    let mut cases: BTreeMap<String, BTreeMap<u64, f64>> = BTreeMap::new();
    for line in summaries.lines().filter(|line| line.starts_with('{')) {
        let summary: Summary = serde_json::from_str(line).context("unexpected summary of a benchmark")?;
        let count = summary.id.strip_prefix("count_").and_then(|count| count.parse().ok());
        let count = count.with_context(|| format!("case `{}` is not named `count_N`", summary.id))?;
        let total = summary
            .profiles
            .iter()
            .find(|profile| profile["tool"] == "Callgrind")
            .and_then(|profile| profile.pointer("/data/total/metrics/Ir/values/new")?.as_f64())
            .context("a benchmark without an instruction count")?;
        let function = summary.module_path.rsplit("::").next().unwrap_or(&summary.module_path);
        cases.entry(function.to_owned()).or_default().insert(count, total);
    }
    ensure!(!cases.is_empty(), "no benchmark was run");
    cases.into_iter().map(|(function, totals)| Ok((function.clone(), slope(&function, &totals)?))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of operations are far below 2^53")]
fn slope(function: &str, totals: &BTreeMap<u64, f64>) -> anyhow::Result<f64> {
    let (Some((&few, &low)), Some((&many, &high))) = (totals.first_key_value(), totals.last_key_value())
    else {
        bail!("`{function}` has no case");
    };
    ensure!(many > few, "`{function}` needs two cases to take the slope of");
    Ok(((high - low) / (many - few) as f64 * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(function: &str, id: &str, instructions: u64) -> String {
        format!(
            r#"{{"module_path":"instructions::requests::{function}","id":"{id}","profiles":[{{"tool":"Callgrind","data":{{"total":{{"metrics":{{"Ir":{{"values":{{"new":{instructions},"old":7}}}}}}}}}}}}]}}"#
        )
    }

    fn key(rustc: &str) -> Key {
        Key { rustc: rustc.into(), valgrind: "3".into(), cargo_lock_sha256: "00".into() }
    }

    fn counts(pairs: &[(&str, f64)]) -> Instructions {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn what_happens_once_does_not_count() {
        let text = format!(
            "{}\n{}\n",
            summary("http1", "count_1000", 52_000),
            summary("http1", "count_3000", 152_100)
        );
        assert_eq!(per_operation(&text).unwrap(), counts(&[("http1", 50.1)]));
    }

    #[test]
    fn counts_that_cannot_be_taken_are_errors_and_no_pass() {
        assert!(per_operation("").is_err());
        assert!(per_operation(&summary("http1", "count_1000", 1)).is_err());
        assert!(per_operation(&summary("http1", "many", 1)).is_err());
        assert!(per_operation(r#"{"module_path":"a","id":"count_1","profiles":[]}"#).is_err());
    }

    #[test]
    fn five_percent_more_pass_and_a_little_more_fails() {
        let baseline = Baseline { key: key("1"), instructions: counts(&[("http1", 1000.0)]) };
        assert!(baseline.compare(&key("1"), &counts(&[("http1", 1050.0)])).is_ok());
        assert!(baseline.compare(&key("1"), &counts(&[("http1", 1050.1)])).is_err());
        assert!(baseline.compare(&key("1"), &counts(&[("http1", 500.0)])).is_ok());
    }

    #[test]
    fn another_toolchain_is_held_to_the_same_limit() {
        let baseline = Baseline { key: key("1"), instructions: counts(&[("http1", 1000.0)]) };
        assert!(baseline.compare(&key("2"), &counts(&[("http1", 1000.0)])).is_ok());
        assert!(baseline.compare(&key("2"), &counts(&[("http1", 1060.0)])).is_err());
    }

    #[test]
    fn an_operation_on_one_side_only_fails() {
        let baseline =
            Baseline { key: key("1"), instructions: counts(&[("http1", 1000.0), ("tls", 2000.0)]) };
        assert!(baseline.compare(&key("1"), &counts(&[("http1", 1000.0)])).is_err());
        let more = counts(&[("http1", 1000.0), ("tls", 2000.0), ("new", 1.0)]);
        assert!(baseline.compare(&key("1"), &more).is_err());
    }

    #[test]
    fn the_file_reads_as_it_was_written() {
        let baseline = Baseline { key: key("1"), instructions: counts(&[("http1", 1000.5)]) };
        let text = serde_json::to_string(&baseline).unwrap();
        let read: Baseline = serde_json::from_str(&text).unwrap();
        assert!(read.key == baseline.key && read.instructions == baseline.instructions);
    }
}
