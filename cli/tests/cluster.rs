//! Runs over many workers: a controller, workers and a command line, each a process of its own.

mod in_one_command;
mod joining;
mod losing_a_worker;
mod over_processes;
mod refusals;
mod signals;
mod steering;

use std::path::PathBuf;
use std::process::Command;

use api::http::{ClusterStatus, WorkerState};
use api::result::ResultFile;

use crate::harness::{LIMIT, Outcome, Place, Running, wait_until};

/// Whether connections are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Tls,
    Insecure,
}

/// A controller and its workers, in a folder of their own. Ended when dropped.
pub(crate) struct Cluster {
    pub(crate) place: Place,
    pub(crate) controller: Running,
    pub(crate) link: Link,
    pub(crate) join: String,
    pub(crate) api: String,
    pub(crate) probe: String,
    pub(crate) fingerprint: String,
    pub(crate) token: String,
    pub(crate) workers: Vec<Running>,
}

impl Cluster {
    /// Starts a controller with ports of its own and `flags` beside them.
    pub(crate) fn start(name: &str, link: Link, flags: &[&str]) -> Self {
        let place = Place::new(name);
        let mut args =
            vec!["controller", "--state", "state", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"];
        args.extend(["--probe", "127.0.0.1:0"]);
        args.extend(flags);
        if link == Link::Insecure {
            args.push("--insecure");
        }
        let controller = place.start(&args);
        let told = controller.wait_for_stdout("loadgen run ");
        let word = |name: &str| {
            let line = told.lines().find_map(|line| line.trim().strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default().to_owned()
        };
        let after = |flag: &str| {
            let mut words = told.split_whitespace().skip_while(|word| *word != flag);
            words.nth(1).unwrap_or_default().to_owned()
        };
        let (join, api, probe) = (word("workers "), word("api "), word("probe "));
        let token = told.split_whitespace().find_map(|word| word.strip_prefix("LOADGEN_JOIN_TOKEN="));
        let token = token.unwrap_or_default().to_owned();
        let fingerprint = after("--ca-fingerprint");
        Self { place, controller, link, join, api, probe, fingerprint, token, workers: Vec::new() }
    }

    /// Starts a worker called `name`, which may send load anywhere on this machine.
    pub(crate) fn worker(&mut self, name: &str, flags: &[&str]) {
        let worker = self.spare_worker(name, flags);
        self.workers.push(worker);
    }

    pub(crate) fn spare_worker(&self, name: &str, flags: &[&str]) -> Running {
        Running::of(self.worker_command(name, flags))
    }

    /// The command that starts a worker, which knows its name as the secret `SENDER`.
    pub(crate) fn worker_command(&self, name: &str, flags: &[&str]) -> Command {
        let mut command = self.place.command(crate::harness::BINARY);
        command.args(["worker", "--join", &self.join, "--name", name, "--probe", "off", "--threads", "1"]);
        command.args(["--no-pinning", "--state", &format!("state-{name}")]).args(flags);
        match self.link {
            Link::Tls => {
                command.args(["--ca-fingerprint", &self.fingerprint]).env("LOADGEN_JOIN_TOKEN", &self.token)
            }
            Link::Insecure => command.arg("--insecure"),
        };
        command.args(["--allow-secret", "SENDER"]).env("SENDER", name);
        command
    }

    /// Starts this many workers, `w1`, `w2`, …, and waits until all are ready.
    pub(crate) fn with_workers(mut self, count: usize) -> Self {
        for number in 1..=count {
            self.worker(&format!("w{number}"), &[]);
        }
        self.await_ready(count);
        self
    }

    #[track_caller]
    pub(crate) fn await_ready(&self, count: usize) {
        let is_ready = || {
            let status = self.status();
            status.workers.iter().filter(|worker| worker.state == WorkerState::Ready).count() >= count
        };
        assert!(wait_until(LIMIT, is_ready), "{:#?}", self.status());
    }

    /// The flags with which the command line reaches the controller.
    pub(crate) fn flags(&self) -> Vec<String> {
        let mut flags = vec!["--controller".to_owned(), self.api.clone()];
        if self.link == Link::Tls {
            flags
                .extend(["--api-token-file", "state/admin.token", "--ca", "state/ca.pem"].map(str::to_owned));
        }
        flags
    }

    /// Starts a command with those flags behind its own.
    pub(crate) fn begin(&self, args: &[&str]) -> Running {
        let flags = self.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        self.place.start(&[args, &flags].concat())
    }

    /// Runs such a command to its end.
    pub(crate) fn ask(&self, args: &[&str]) -> Outcome {
        self.begin(args).wait()
    }

    /// Begins a run of `file` whose result goes to stdout.
    pub(crate) fn begin_run(&self, file: &str, flags: &[&str]) -> Running {
        self.begin(&[&["run", file, "--no-out", "--format", "json"], flags].concat())
    }

    pub(crate) fn run(&self, file: &str, flags: &[&str]) -> (Outcome, ResultFile) {
        let outcome = self.begin_run(file, flags).wait();
        let result = outcome.result();
        (outcome, result)
    }

    pub(crate) fn status(&self) -> ClusterStatus {
        let outcome = self.ask(&["status", "--format", "json"]).expect(0);
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:#?}"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }
}
