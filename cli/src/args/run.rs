//! Flags of `run`, and those it shares with other subcommands.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use units::{Nanos, Rate};

use super::cluster::TrustArgs;
use super::telemetry::TelemetryArgs;
use super::value::KeyValue;

/// How slots are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pacing {
    Balanced,
    Precise,
}

impl Pacing {
    /// The word for it in a scenario file.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Precise => "precise",
        }
    }
}

/// Flags of `loadgen run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen run scenarios/quick_start.yaml
  loadgen run shop.yaml -e TARGET=http://127.0.0.1:8080 -r 500/s -d 1m
  loadgen run shop.yaml --set scenarios.browse.max_vus=200 --tag build=1234
  loadgen run shop.yaml --quiet --format json > result.json
  loadgen run shop.yaml --listen 9464 --linger 30s           /metrics for Prometheus
  loadgen run shop.yaml --set telemetry.traces.sampling=tail --log-format json
  loadgen run shop.yaml --workers 3                          three worker processes on this machine
  loadgen run shop.yaml --controller https://ctl.test:7401 --api-token-file ci.token --ca ca.pem

Values come from, strongest first: these flags, LOADGEN_... variables (two underscores between levels, for example \
LOADGEN_SCENARIOS__BROWSE__RATE=5/s), the file, the defaults. `loadgen validate FILE --resolved` shows where each \
value comes from.

Traces and metrics are sent where OTEL_EXPORTER_OTLP_ENDPOINT says, log lines with OTEL_LOGS_EXPORTER=otlp as well. \
Off again: without an endpoint or with OTEL_SDK_DISABLED=true everything; with OTEL_TRACES_EXPORTER=none or --set \
telemetry.traces.sampling=off the traces.

A first Ctrl-C ends the run gently, a second cancels what is in flight, a third leaves at once. The same holds for \
a run on a controller, which knows what was asked of it also when this process is gone.")]
pub(crate) struct RunArgs {
    /// What is run.
    #[command(flatten)]
    pub(crate) workload: WorkloadArgs,
    /// Skip the checks of handles, ports, memory, names and reachability before the first request
    #[arg(long)]
    pub(crate) no_preflight: bool,
    /// What comes out.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// What it tells of itself.
    #[command(flatten)]
    pub(crate) telemetry: TelemetryArgs,
    /// Who makes the load, if not this process.
    #[command(flatten)]
    pub(crate) cluster: ClusterRunArgs,
}

/// Who makes the load of a run, if not this process.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Many workers")]
pub(crate) struct ClusterRunArgs {
    /// Start this many worker processes on this machine for the run
    #[arg(long, value_name = "COUNT", conflicts_with = "controller", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) workers: Option<u32>,
    /// Submit the run to the controller at this address, and follow it
    #[arg(long, value_name = "URL")]
    pub(crate) controller: Option<String>,
    /// What to trust and who to be.
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// Begin when this many workers are there; without it with those that are, at least one
    #[arg(long, value_name = "COUNT", requires = "controller", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) expect_workers: Option<u32>,
    /// How long to wait for them
    #[arg(long, value_name = "DURATION", requires = "controller", default_value = "60s")]
    pub(crate) wait: Nanos,
    /// Only workers with this label. Repeatable
    #[arg(long, value_name = "KEY=VALUE", requires = "controller")]
    pub(crate) worker_label: Vec<KeyValue>,
    /// Submit the run, print its ID on stdout, and do not follow it
    #[arg(long, requires = "controller")]
    pub(crate) detach: bool,
    /// A name of this submission: the same again, with the same file and flags, is the same run
    #[arg(long, value_name = "KEY", requires = "controller")]
    pub(crate) idempotency_key: Option<String>,
}

/// A scenario file and what replaces values of it.
#[derive(Clone, Debug, Args)]
pub(crate) struct WorkloadArgs {
    /// The scenario file, YAML or JSON
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Set a variable for `${env.KEY}`; wins over the environment. Repeatable
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) env: Vec<KeyValue>,
    /// Set one value of the file, for example `scenarios.browse.rate=50/s`. Repeatable
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<KeyValue>,
    /// Set the rate of every scenario that has one, for example `200/s`
    #[arg(short, long)]
    pub(crate) rate: Option<Rate>,
    /// Set the duration of every scenario that has one, for example `30s`
    #[arg(short, long)]
    pub(crate) duration: Option<Nanos>,
    /// Set the number of virtual users of every scenario that has one
    #[arg(short = 'u', long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) vus: Option<u32>,
    /// Draw random arrivals, think times and choices from this number, to repeat a run
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Add a label to the run. Repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) tag: Vec<KeyValue>,
    /// Engine threads; by default one per allowed CPU less one, at least one
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: Option<u32>,
    /// `balanced`: starts are tens of microseconds late; `precise`: a few, for a whole CPU per thread [default: balanced]
    #[arg(long, value_name = "MODE", value_enum)]
    pub(crate) pacing: Option<Pacing>,
}

/// What a run prints and writes.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OutputArgs {
    /// Write the result to this file, or to stdout with `-`, in place of a folder below ./loadgen-results
    #[arg(long, value_name = "FILE", conflicts_with = "no_out")]
    pub(crate) out: Option<String>,
    /// Write no result
    #[arg(long)]
    pub(crate) no_out: bool,
    /// Show no progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// `text`: a summary on stderr; `json`: the result on stdout in its place
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: OutputFormat,
}

/// How a run's end is printed: a summary for people, or the JSON of the result file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    #[default]
    Text,
    Json,
}
