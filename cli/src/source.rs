//! From the command line to a workload: reads the file, gathers what replaces values of it, shows what is wrong.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use scenario::{
    Diagnostic, Diagnostics, Environment, FileAccess, Folder, Loaded, Overrides, Severity, Source,
};

use crate::args::WorkloadArgs;
use crate::commands::worker::JOIN_TOKEN_VARIABLE;
use crate::console::Console;
use crate::failure::Failure;
use crate::policy::POLICY_VARIABLE;
use crate::remote::TOKEN_VARIABLE;
use crate::{execute, logging};

/// A flag of one command that sets a key of the file.
#[derive(Clone, Debug)]
pub(crate) struct KeyFlag {
    /// The flag.
    pub(crate) flag: &'static str,
    /// The key's path.
    pub(crate) path: &'static str,
    /// What it is set to.
    pub(crate) value: String,
}

/// Reads the scenario file of `args` with everything that replaces values of it; `flags` are the command's own.
///
/// # Errors
/// When the file cannot be read; what is wrong in it stands in the diagnostics.
pub(crate) fn load(args: &WorkloadArgs, flags: &[KeyFlag]) -> Result<Loaded, Failure> {
    let name = args.file.display().to_string();
    let bytes = read(&args.file)?;
    let mut files = files_of(&args.file);
    let given = args.env.iter().map(|pair| (pair.key.clone(), pair.value.clone()));
    let environment = Environment::new(given, variables());
    Ok(scenario::load(Source { name, bytes }, &overrides(args, flags), &environment, &mut files))
}

/// Shows what was found in a file on stderr.
pub(crate) fn show(console: &Console, diagnostics: &Diagnostics) {
    if console.look().json {
        for Diagnostic { severity, code, message, help, file, line, column, .. } in diagnostics.iter() {
            let help = help.as_deref();
            match severity {
                Severity::Error => tracing::error!(code, file, line, column, help, "{message}"),
                Severity::Warning => tracing::warn!(code, file, line, column, help, "{message}"),
            }
        }
    } else if !diagnostics.is_empty() {
        console.print(&diagnostics.render(console.look().color));
    }
}

/// The variables of this process that are text, but for our own secrets: no scenario can send them anywhere.
pub(crate) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| ![TOKEN_VARIABLE, JOIN_TOKEN_VARIABLE].contains(&&**name))
}

/// Access to the files that the scenario at `path` names: below its folder.
pub(crate) fn files_of(path: &Path) -> impl FileAccess + use<> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Folder::new(folder, false)
}

fn overrides(args: &WorkloadArgs, flags: &[KeyFlag]) -> Overrides {
    let mut overrides = Overrides::none();
    overrides
        .environment(variables(), &[logging::FILTER_VARIABLE, POLICY_VARIABLE, execute::COMMIT_VARIABLE]);
    if let Some(rate) = args.rate {
        overrides.rate("--rate", rate.to_string());
    }
    if let Some(duration) = args.duration {
        overrides.duration("--duration", duration.to_string());
    }
    if let Some(vus) = args.vus {
        overrides.vus("--vus", vus.to_string());
    }
    if let Some(seed) = args.seed {
        overrides.set("--seed", "seed", seed.to_string());
    }
    if let Some(threads) = args.threads {
        overrides.set("--threads", "threads", threads.to_string());
    }
    if let Some(pacing) = args.pacing {
        overrides.set("--pacing", "pacing", pacing.word());
    }
    for KeyFlag { flag, path, value } in flags {
        overrides.set(*flag, *path, value);
    }
    for tag in &args.tag {
        overrides.set(format!("--tag {}", tag.key), format!("tags.{}", tag.key), &tag.value);
    }
    // Last, so that the most exact flag wins over those that mean every scenario.
    for set in &args.set {
        overrides.set(format!("--set {}", set.key), &set.key, &set.value);
    }
    overrides
}

/// Reads a scenario file.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let invalid = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "; check the path, or write a file with `loadgen new`",
            io::ErrorKind::IsADirectory => "; name a file in it",
            io::ErrorKind::TimedOut => "; is something writing into this pipe?",
            _ => "",
        };
        Failure::invalid(format!("cannot read the scenario file `{}`: {error}{hint}", path.display()))
    };
    read_awaited(path).map_err(invalid)
}

/// Reads a document that a person wrote, not much more of it than one may have: what names a device must not fill the
/// memory, and a pipe that nobody writes to must not hold anybody up.
///
/// # Errors
/// When it cannot be read, or nothing comes.
pub(crate) fn read_awaited(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Not blocking, or opening a pipe that nobody writes to would wait forever. Other files do not know the difference.
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path);
    Awaited(file?).take(Source::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file that is opened without blocking, and read as if it blocked; but not forever.
struct Awaited(File);

impl Read for Awaited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = Timespec { tv_sec: LONGEST_SILENCE_SECS, tv_nsec: 0 };
        if poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit))? == 0 {
            let message = format!("nothing came for {LONGEST_SILENCE_SECS} s");
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        self.0.read(buffer)
    }
}

/// How long a writer into a pipe may be silent.
const LONGEST_SILENCE_SECS: i64 = 5;
