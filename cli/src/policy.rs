//! The policy file of this machine: what load may be made on it, whoever asks for it.
//!
//! It guards against mistakes of those who start runs here, and narrows what a worker's flags allow. Without a file a run
//! of one's own is free.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use api::ExitCode;
use plan::{Course, Revision, RunPlan};
use protocols::AllowedTarget;
use scenario::{Policy, Source, load_policy};
use worker::{FilePolicy, LoadLimits};

use crate::console::Console;
use crate::failure::Failure;
use crate::source;

/// What this machine's policy file says, if it has one. What is wrong with it is shown.
///
/// # Errors
/// When it cannot be read or is wrong, or the one that was named is missing.
pub(crate) fn of_this_machine(console: &Console) -> Result<Option<FilePolicy>, Failure> {
    let Some((path, bytes)) = find(|name| std::env::var_os(name).map(PathBuf::from))? else {
        return Ok(None);
    };
    let name = path.display().to_string();
    let read = load_policy::<AllowedTarget>(Source { name: name.clone(), bytes });
    let Policy { allow_targets, max_rate, allow_secrets } = read.map_err(|diagnostics| {
        source::show(console, &diagnostics);
        Failure::invalid_and_told()
    })?;
    tracing::info!(policy = name, "a policy file limits the load of this machine");
    let path: Arc<str> = name.into();
    Ok(Some(FilePolicy { path, targets: allow_targets, max_rate, secrets: allow_secrets }))
}

/// Holds a whole run against the ceiling of the policy file, which its workers hold only for their shares.
///
/// # Errors
/// When it is too much.
pub(crate) fn check_rate(file: Option<FilePolicy>, plan: &RunPlan) -> Result<(), Failure> {
    let course = Course::new(plan, Revision::whole(), 1).context("cannot plan the run")?;
    let limits = LoadLimits { file, ..LoadLimits::default() };
    limits.check_rate(plan, &course).map_err(|why| Failure::with(ExitCode::RefusedByPolicy, why))
}

/// The file that counts and what it holds: the one that is named, or else the first that is there.
fn find(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<Option<(PathBuf, Vec<u8>)>, Failure> {
    let cannot = |path: &Path, error: &io::Error, cure: &str| {
        Failure::invalid(format!("cannot read the policy file `{}`: {error}{cure}", path.display()))
    };
    if let Some(path) = variable(POLICY_VARIABLE).filter(|path| !path.as_os_str().is_empty()) {
        let cure = format!("; {POLICY_VARIABLE} names it: mend that, or unset it");
        let bytes = source::read_awaited(&path).map_err(|error| cannot(&path, &error, &cure))?;
        return Ok(Some((path, bytes)));
    }
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    let of_user = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    let of_user = of_user.map(|folder| folder.join("loadgen/policy.yaml"));
    for path in of_user.into_iter().chain([PathBuf::from(OF_MACHINE)]) {
        match source::read_awaited(&path) {
            Ok(bytes) => return Ok(Some((path, bytes))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            // What it forbids is not known: nothing is allowed then.
            Err(error) => {
                return Err(cannot(&path, &error, "; make it readable, or name another with LOADGEN_POLICY"));
            }
        }
    }
    Ok(None)
}

/// The variable that names the policy file.
pub(crate) const POLICY_VARIABLE: &str = "LOADGEN_POLICY";
/// Where it is for all users.
const OF_MACHINE: &str = "/etc/loadgen/policy.yaml";
