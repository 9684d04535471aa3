//! A controller and workers, each a process of its own with a probe that can be scraped.

use api::result::ResultFile;

use crate::harness::{BINARY, LIMIT, Place, Running, wait_until};
use crate::http::get;

/// Ended when dropped.
pub(crate) struct Cluster<'p> {
    place: &'p Place,
    api: String,
    /// Addresses of probes: the controller's first, then the workers'.
    probes: Vec<String>,
    _processes: Vec<Running>,
}

impl<'p> Cluster<'p> {
    /// Starts a controller, and workers `w1`, `w2`, … that are ready, all with `variables`.
    pub(crate) fn start(place: &'p Place, workers: usize, variables: &[(&str, String)]) -> Self {
        let begin = |args: &[&str]| {
            let mut command = place.command(BINARY);
            command.args(args).envs(variables.iter().map(|(name, value)| (name, value)));
            Running::of(command)
        };
        let any = "127.0.0.1:0";
        let flags = ["controller", "--state", "state", "--insecure", "--listen", any, "--api", any];
        let controller = begin(&[&flags[..], &["--probe", any]].concat());
        let told = controller.wait_for_stdout("loadgen run ");
        let word = |name: &str| {
            let line = told.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().to_owned()
        };
        let (join, api, probe) = (word("workers "), word("api "), word("probe "));
        let mut probes = vec![probe.trim_start_matches("http://").to_owned()];
        let mut processes = vec![controller];
        for number in 1..=workers {
            let (name, state) = (format!("w{number}"), format!("state-w{number}"));
            let flags = ["worker", "--insecure", "--join", &join, "--name", &name, "--probe", any];
            let worker =
                begin(&[&flags[..], &["--threads", "1", "--no-pinning", "--state", &state]].concat());
            let said = worker.wait_for_stderr("probes are at http://");
            let address = said.split_once("probes are at http://").unwrap().1;
            probes.push(address.split_whitespace().next().unwrap().to_owned());
            processes.push(worker);
        }
        let ready = format!("loadgen_workers{{state=\"ready\"}} {workers}");
        let are_ready = || get(&probes[0], "/metrics").lines().any(|line| line == ready);
        assert!(wait_until(LIMIT, are_ready), "{}", get(&probes[0], "/metrics"));
        Self { place, api, probes, _processes: processes }
    }

    /// What Prometheus is to scrape, by job.
    pub(crate) fn probes(&self) -> Vec<(&'static str, String)> {
        let jobs = std::iter::once("loadgen-controller").chain(std::iter::repeat("loadgen-worker"));
        jobs.zip(self.probes.iter().cloned()).collect()
    }

    /// Runs `file` over all of them to its end, whatever its verdict.
    #[track_caller]
    pub(crate) fn run(&self, file: &str) -> ResultFile {
        let workers = (self.probes.len() - 1).to_string();
        let args = ["run", file, "--no-out", "--format", "json", "--expect-workers", &workers];
        self.place.loadgen(&[&args[..], &["--controller", &self.api]].concat()).result()
    }
}
