//! Runs the real binary and looks at what it leaves behind. Every wait has a limit.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use api::result::ResultFile;
use rustix::process::{Pid, Signal, kill_process};
use target::{Config, Target};
use testkit::Scratch;
use units::{Clock, MonotonicClock, Nanos};

/// A folder of its own in which the binary runs.
pub(crate) struct Place {
    scratch: Scratch,
}

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        Self { scratch: Scratch::new(&format!("loadgen-{name}")) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        self.scratch.write(name, contents)
    }

    /// A command in this folder that sees none of the variables that change what the binary does.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.path());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            let is_ours = name.starts_with("LOADGEN_") || name.starts_with("OTEL_");
            if is_ours || ["NO_COLOR", "TARGET", "COLUMNS"].contains(&&*name) {
                command.env_remove(&*name);
            }
        }
        command
    }

    /// Runs `loadgen` to its end.
    pub(crate) fn loadgen(&self, args: &[&str]) -> Outcome {
        self.start(args).wait()
    }

    /// Starts `loadgen`.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut command = self.command(BINARY);
        command.args(args);
        Running::of(command)
    }

    /// Runs `file` with `--format json` and returns its result beside the outcome.
    pub(crate) fn run(&self, args: &[&str]) -> (Outcome, ResultFile) {
        let outcome = self.loadgen(&[&["run", "--quiet", "--no-out", "--format", "json"], args].concat());
        let result = outcome.result();
        (outcome, result)
    }
}

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_loadgen");

/// The repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A target of this test, in this process.
pub(crate) fn target() -> Target {
    Target::bind(Config::default()).unwrap()
}

/// A scenario file of one scenario, `browse`, that sends `GET path` at `rate` for `duration`. Its bounds on the
/// generator are wide: these tests also run on machines that build something else meanwhile.
pub(crate) fn scenario(url: &str, path: &str, rate: &str, duration: &str) -> String {
    format!(
        "name: test\n\
         target: {{ url: \"{url}\" }}\n\
         verdict: {{ invalid: {WIDE_BOUNDS} }}\n\
         scenarios:\n  \
           browse:\n    \
             executor: constant-arrival-rate\n    \
             rate: {rate}\n    \
             duration: {duration}\n    \
             steps:\n      \
               - get: {path}\n        \
                 name: list\n"
    )
}

/// Bounds that only a broken generator exceeds.
pub(crate) const WIDE_BOUNDS: &str = "{ dispatch_lag_p99: 10s, generator_stall: 100%, throttled: 100% }";

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The result on stdout.
    pub(crate) fn result(&self) -> ResultFile {
        ResultFile::from_json(&self.stdout).unwrap_or_else(|error| panic!("no result ({error}): {self:#?}"))
    }

    /// Holds the exit code against `code`, and that its name was printed.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        if code != 0 {
            assert!(self.stderr.contains(&format!("exit code {code} ")), "{}", self.stderr);
        }
        self
    }

    /// Holds that the run succeeded, or was at most called invalid because this machine was busy.
    #[track_caller]
    pub(crate) fn expect_load(self) -> Self {
        assert!(matches!(self.code, Some(0 | 113)), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// A process of this test that runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdout: Arc<Collected>,
    stderr: Arc<Collected>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Collected {
    text: Mutex<String>,
    more: Condvar,
}

impl Running {
    pub(crate) fn of(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (Arc::default(), Arc::default());
        let readers = vec![
            collect(child.stdout.take().unwrap(), Arc::clone(&stdout)),
            collect(child.stderr.take().unwrap(), Arc::clone(&stderr)),
        ];
        Self { child, stdout, stderr, readers }
    }

    /// Sends a signal, if the process has not ended.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.child.try_wait().unwrap().is_none() {
            kill_process(Pid::from_child(&self.child), signal).unwrap();
        }
    }

    /// Waits until stderr holds `text`, and returns all of it so far.
    #[track_caller]
    pub(crate) fn wait_for_stderr(&self, text: &str) -> String {
        let seen = self.stderr.text.lock().unwrap();
        let (seen, timeout) =
            self.stderr.more.wait_timeout_while(seen, LIMIT, |seen| !seen.contains(text)).unwrap();
        assert!(!timeout.timed_out(), "`{text}` did not come: {seen}");
        seen.clone()
    }

    /// Waits until stdout holds `text`, and returns all of it so far.
    #[track_caller]
    pub(crate) fn wait_for_stdout(&self, text: &str) -> String {
        let seen = self.stdout.text.lock().unwrap();
        let (seen, timeout) =
            self.stdout.more.wait_timeout_while(seen, LIMIT, |seen| !seen.contains(text)).unwrap();
        assert!(!timeout.timed_out(), "`{text}` did not come: {seen}; {}", self.stderr.text.lock().unwrap());
        seen.clone()
    }

    /// The process, to be looked at from outside.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until stderr holds `text` or the process has ended.
    #[track_caller]
    pub(crate) fn wait_for_stderr_or_end(&mut self, text: &str) {
        let met = wait_until(LIMIT, || {
            self.stderr.text.lock().unwrap().contains(text) || self.child.try_wait().unwrap().is_some()
        });
        assert!(met, "`{text}` did not come");
    }

    /// Waits until stdout holds a line, and returns the first.
    #[track_caller]
    pub(crate) fn first_line(&self) -> String {
        let seen = self.stdout.text.lock().unwrap();
        let (seen, timeout) =
            self.stdout.more.wait_timeout_while(seen, LIMIT, |seen| !seen.contains('\n')).unwrap();
        assert!(!timeout.timed_out(), "nothing came on stdout");
        seen.lines().next().unwrap_or_default().to_owned()
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn wait(self) -> Outcome {
        self.wait_within(LIMIT)
    }

    #[track_caller]
    pub(crate) fn wait_within(mut self, limit: Duration) -> Outcome {
        let ended = wait_until(limit, || self.child.try_wait().unwrap().is_some());
        if !ended {
            // The readers end with it.
            self.child.kill().unwrap();
        }
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let outcome = Outcome {
            code: status.code(),
            stdout: self.stdout.text.lock().unwrap().clone(),
            stderr: self.stderr.text.lock().unwrap().clone(),
        };
        assert!(ended, "not over within {limit:?}: {outcome:#?}");
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A child of this test and nothing else; most often it has ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: impl Read + Send + 'static, into: Arc<Collected>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            into.text.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
            into.more.notify_all();
        }
    })
}

/// Looks again and again whether `met` holds, at most for `limit`; whether it did.
pub(crate) fn wait_until(limit: Duration, mut met: impl FnMut() -> bool) -> bool {
    let end = MonotonicClock.now() + Nanos::from(limit);
    while !met() {
        if MonotonicClock.now() >= end {
            return false;
        }
        pause(Duration::from_millis(2));
    }
    true
}

/// Lets time pass: between two looks, or until an instant at which something is done to a process.
#[expect(clippy::disallowed_methods, reason = "another process tells nobody how far it is")]
pub(crate) fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// Far above what any of these tests takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
