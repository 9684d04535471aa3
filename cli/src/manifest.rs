//! The run manifest: what is known here of who ran what, and where.

use std::env;

use api::manifest::{RunManifest, StartedBy};
use api::result::ResultFile;

use crate::app::Process;
use crate::execute::RunOrder;

/// The controller that conducted a run, where this process did not.
#[derive(Clone, Debug)]
pub(crate) struct ConductedBy {
    /// Its address.
    pub(crate) controller: String,
    /// The ID of the token that the run was submitted with, if the controller said it.
    pub(crate) token: Option<String>,
}

/// The text of the manifest of a run whose `result` lies beside it as the file `name`.
pub(crate) fn text(
    process: &Process,
    order: &RunOrder<'_>,
    result: &ResultFile,
    name: &str,
    conducted_by: Option<&ConductedBy>,
) -> String {
    let started_by = StartedBy {
        user: user(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        command: process.command.clone(),
        controller: conducted_by.map(|by| by.controller.clone()),
        token: conducted_by.and_then(|by| by.token.clone()),
    };
    let file = order.file.map(|file| file.display().to_string());
    RunManifest::of(result, name, file, started_by, platform()).to_json()
}

/// Who the system says that this is: a name, or at least a number.
fn user() -> Option<String> {
    let name =
        ["USER", "LOGNAME"].into_iter().find_map(|name| env::var(name).ok().filter(|user| !user.is_empty()));
    name.or_else(|| Some(format!("uid {}", rustix::process::getuid().as_raw())))
}

/// What this program was built for.
fn platform() -> String {
    let library = if cfg!(target_env = "musl") {
        "-musl"
    } else if cfg!(target_env = "gnu") {
        "-gnu"
    } else {
        ""
    };
    format!("{}-{}{library}", env::consts::ARCH, env::consts::OS)
}
