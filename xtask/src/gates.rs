//! The gates on cost: allocations and instructions per request.
//!
//! Both count events instead of seconds, so they say the same on a busy machine. Allocations are a test of their own
//! (`benches/tests/allocations.rs`). Instructions are counted by callgrind through gungraun (`benches/micro/instructions.rs`)
//! and held against `benches/baselines/instructions.json`; what tracing adds to a request, against the request without it.

mod instructions;
mod relative;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};

use instructions::{Baseline, Key};

/// What the lock file does not know: the runner must be of the version of the library.
const RUNNER: &str = "gungraun-runner";

/// Runs all gates; with `bless`, writes the measured instructions as the new baseline instead of comparing with the old one.
///
/// # Errors
/// When a gate does not hold, or cannot be run: a gate that is not run is not passed.
pub(crate) fn run(root: &Path, bless: bool) -> anyhow::Result<()> {
    allocations(root)?;
    let measured = instructions::per_operation(&measure(root)?)?;
    let key = Key::here(root)?;
    let path = root.join("benches/baselines/instructions.json");
    let tracing = relative::compare(&measured);
    if bless {
        tracing?;
        let text = serde_json::to_string_pretty(&Baseline { key, instructions: measured })?;
        std::fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
        println!("instructions: wrote {}; commit it with the reason", path.display());
        return Ok(());
    }
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!("no baseline at {}; `cargo xtask gates --bless` writes one", path.display())
    })?;
    let baseline: Baseline = serde_json::from_str(&text).context("cannot parse the baseline")?;
    // Both are worth seeing when both fail.
    match (baseline.compare(&key, &measured), tracing) {
        (Err(baseline), Err(tracing)) => bail!("{baseline}\n{tracing}"),
        (baseline, tracing) => baseline.and(tracing),
    }
}

fn allocations(root: &Path) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(["test", "--release", "--package", "loadgen-benches", "--test", "allocations"])
        // The counts are worth seeing even when they hold.
        .args(["--", "--nocapture"])
        .current_dir(root)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the steady state allocates, or its test did not run");
    Ok(())
}

/// Runs the benchmarks under callgrind and returns their summaries, one JSON document per line.
fn measure(root: &Path) -> anyhow::Result<String> {
    let runner = root.join("target/tools/bin").join(RUNNER);
    ensure!(runner.exists(), "{RUNNER} is missing; `just tools` installs it");
    Command::new("valgrind")
        .arg("--version")
        .output()
        .context("valgrind is missing; install your system's package")?;
    let output = Command::new(env!("CARGO"))
        .args(["bench", "--quiet", "--package", "loadgen-benches", "--bench", "instructions"])
        .args(["--", "--output-format=json"])
        .env("GUNGRAUN_RUNNER", &runner)
        .current_dir(root)
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "the benchmarks failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
