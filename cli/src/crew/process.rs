//! One worker process.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use worker::AllowedSecrets;

use super::{CrewOptions, Place, program};
use crate::args::LogFormat;
use crate::commands::worker::JOIN_TOKEN_VARIABLE;
use crate::console::Console;
use crate::remote::TOKEN_VARIABLE;

/// A worker process; killed when dropped, if it has not ended.
#[derive(Debug)]
pub(super) struct WorkerProcess {
    name: String,
    child: Child,
    /// Its life line.
    stdin: Option<ChildStdin>,
    /// Hands on what it prints.
    reader: Option<JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

impl WorkerProcess {
    /// Starts a worker called `name`.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub(super) fn start(
        name: &str,
        place: &Place,
        options: &CrewOptions,
        console: &Console,
    ) -> io::Result<Self> {
        let mut command = Command::new(program()?);
        command
            .arg0(std::env::args_os().next().unwrap_or_else(|| "loadgen".into()))
            .args(["worker", "--join", &options.join, "--token-file", "-", "--until-stdin-ends"])
            .args(["--ca-fingerprint", &options.authority.to_string(), "--name", name])
            .args(["--allow-target", "all", "--leave", "fast"])
            .args(["--probe", if options.is_shown { "127.0.0.1:0" } else { "off" }])
            .args(["--threads", &place.threads.to_string()])
            .arg("--state")
            .arg(options.state.join(name))
            .args(allowable(&options.secrets).flat_map(|name| ["--allow-secret", name.as_str()]))
            .env_remove(TOKEN_VARIABLE)
            .env_remove(JOIN_TOKEN_VARIABLE)
            .stdin(Stdio::piped())
            .stdout(if options.is_shown { Stdio::piped() } else { Stdio::null() })
            .stderr(Stdio::piped())
            .process_group(0);
        if place.cpus.is_none() {
            command.arg("--no-pinning");
        }
        if options.log_format == LogFormat::Json {
            command.args(["--log-format", "json"]);
        }
        let mut child = command.spawn()?;
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let mut stdin = child.stdin.take();
        let prefix = if options.log_format == LogFormat::Json { String::new() } else { format!("{name}: ") };
        let (console, shown_on) = (console.clone(), console.clone());
        let reader = stderr.map(|stderr| {
            Builder::new().name(format!("{name}-stderr")).spawn(move || hand_on(stderr, &prefix, &console))
        });
        let mut worker = Self { name: name.to_owned(), child, stdin: None, reader: None, ended: None };
        worker.reader = reader.transpose()?;
        if let Some(stdout) = stdout {
            let (name, console) = (name.to_owned(), shown_on);
            Builder::new().name(format!("{name}-stdout")).spawn(move || announce(stdout, &name, &console))?;
        }
        if let Some(stdin) = &mut stdin {
            stdin.write_all(format!("{}\n", options.token.expose()).as_bytes())?;
        }
        worker.stdin = stdin;
        Ok(worker)
    }

    /// Lets it go: its stdin ends.
    pub(super) fn release(&mut self) {
        drop(self.stdin.take());
    }

    /// Waits for its end, at most for `limit`, and kills it then.
    pub(super) fn await_end(&mut self, limit: Duration) {
        if self.ended.is_some() {
            return;
        }
        let timeout = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        let ended = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())
            .and_then(|process| poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&timeout)));
        if !matches!(ended, Ok(1..)) && matches!(self.child.try_wait(), Ok(None)) {
            tracing::warn!("{} did not go within {limit:?} and is killed", self.name);
            // It is our child and was not waited for: the number is still its own.
            let _ = self.child.kill();
        }
        self.ended = self.child.wait().ok();
        if let Some(signal) = self.ended.and_then(|status| status.signal()) {
            tracing::warn!("{} was ended by signal {signal}", self.name);
        }
        if let Some(reader) = self.reader.take() {
            // Its end of the pipe is closed.
            let _ = reader.join();
        }
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        self.release();
        self.await_end(Duration::ZERO);
    }
}

/// The secrets that a worker can be told to hand out; it refuses the others by itself.
fn allowable(secrets: &BTreeSet<String>) -> impl Iterator<Item = &String> {
    secrets.iter().filter(|name| !name.starts_with(AllowedSecrets::RESERVED))
}

/// Says where a worker shows its numbers, which is the one line that it prints.
fn announce(from: impl Read, name: &str, console: &Console) {
    let mut address = String::new();
    let read = BufReader::new(from.take(LONGEST_LINE)).read_line(&mut address);
    if matches!(read, Ok(1..)) {
        console.say(&format!("{name}: metrics are at http://{}/metrics", address.trim_end()));
    }
}

/// Prints the lines of `from` on `console`, each after `prefix`.
fn hand_on(from: impl Read, prefix: &str, console: &Console) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while let Ok(1..) = from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
        let text = String::from_utf8_lossy(&line);
        console.print(&format!("{prefix}{}\n", text.trim_end()));
        line.clear();
    }
}

/// Longer ones are cut in two.
const LONGEST_LINE: u64 = 64 << 10;
